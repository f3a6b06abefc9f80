//! What park telemetry *means*.
//!
//! A [`Reading`](reading::Reading) is what a meter said at an instant: a register value, the amount of
//! an interval, a weighbridge ticket, a level. *Consumption* is the difference of two registers, or a
//! sum of intervals and tickets. A [`DayFold`](fold::DayFold) is what one civil day's readings of one
//! [`Series`](reading::Series) prove by themselves; [`compose`](compose::compose) joins days into the
//! consumption of a period. An *intensity* is a sum of consumptions over a sum of value added, made
//! once, from totals.
//!
//! This crate does no I/O, spawns nothing, reads no clock and uses no floating point: the same inputs
//! give the same bits on every machine. It deliberately knows nothing of wires, queues and files.
//!
//! ```
//! use greenpark_model::amount::Amount;
//! let before: Amount = "999984.0625".parse().expect("a decimal");
//! assert_eq!(before.to_string(), "999984.0625");
//! ```

mod account;
pub mod amount;
pub mod assessment;
pub mod balance;
pub mod batch;
pub mod carbon;
pub mod coal;
pub mod compose;
pub mod day;
pub mod declared;
pub mod decomposition;
pub mod fold;
pub mod forecast;
pub mod id;
pub mod indicator;
pub mod invariants;
pub mod letter;
pub mod like_days;
pub mod limits;
pub mod log_position;
pub mod messages;
pub mod money;
pub mod numbers;
pub mod plan;
pub mod positive;
pub mod progress;
pub mod quantity;
pub mod reading;
pub mod sentinel;
pub mod soundness;
pub mod stamp;
pub mod ticket;
pub mod traits;
pub mod unit;
mod usual;
pub mod waste;
pub mod waste_code;
pub mod water;

pub use log_position::{Offset, OffsetRange, Partition};
