//! The meaning of park telemetry: readings, days, totals and ratios.
//!
//! A [`Reading`](reading::Reading) is a meter's value at an instant: a register, the amount of an interval, a
//! weighbridge ticket, a level. *Consumption* is the difference of two registers, or a sum of intervals and
//! tickets. A [`DayFold`](fold::DayFold) summarizes the readings of one [`Series`](reading::Series) on one civil
//! day and depends on no other day; [`compose`](compose::compose) joins days into the consumption of a period. An
//! *intensity* is a sum of consumptions divided by a sum of value added, computed once, from totals.
//!
//! | Module | Content |
//! |---|---|
//! | [`time`] | instants, civil days, and their spellings |
//! | [`meter`] | readings, quantities, units, exact amounts, meter profiles |
//! | [`fold`] | from readings to days, from days to the consumption of a period |
//! | [`energy`], [`water`], [`waste`], [`money`] | standard coal, carbon, water sources, solid waste, price bases |
//! | [`indicator`] | ratios, the assessment basis, and when a figure is sound |
//! | [`clock`] | processing time, as a value |
//! | [`log_position`] | partitions and offsets of a log |
//! | [`plan`] | targets, progress, forecast, decomposition of a change |
//!
//! This crate does no I/O, spawns nothing, reads no clock and uses no floating point: the same inputs
//! give the same bits on every machine. It deliberately knows nothing of wires, queues and files.
//!
//! ```
//! use greenpark_model::amount::Amount;
//! let before: Amount = "999984.0625".parse().expect("a decimal");
//! assert_eq!(before.to_string(), "999984.0625");
//! ```

pub mod clock;
pub mod energy;
pub mod fold;
pub mod indicator;
pub mod invariants;
pub mod limits;
pub mod log_position;
pub mod meter;
pub mod money;
pub mod plan;
pub mod positive;
pub mod time;
pub mod waste;
pub mod water;

// The short paths by which other crates name these modules.
pub use energy::{balance, carbon, coal};
pub use fold::{compose, like_days, sentinel};
pub use indicator::{assessment, soundness};
pub use meter::{
    amount, batch, dead_letter as letter, id, messages, numbers, profile, quantity, reading,
    ticket, unit,
};
pub use plan::{declared, decomposition, forecast, progress};
pub use time::{day, stamp};
pub use waste::code as waste_code;
