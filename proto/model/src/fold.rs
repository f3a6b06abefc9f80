//! The fold: from the readings of a day to its totals, and from days to the consumption of a period.
//!
//! A [`DayFold`] depends on one series' readings of one civil day and on the meter's [`MeterProfile`], and on
//! nothing else: neither on its neighbors nor on the time of its making. For a counter it holds the
//! [stretches](Stretch) of registers within which nothing is left to decide. Steps over midnight belong to
//! [`compose`], which joins neighboring days. So a late reading changes the fold of its
//! own day only, and for any counter
//!
//! > Σ days = last − first register, corrected by the named rollovers, changes, resets and jumps only.
//!
//! # One decision
//! A single function ([`explain`](self)) decides, on stretches, what was a dip, a spike, a reset or a jump. A day's
//! own totals (its `within` and outcomes) are the decision on its own stretches; those of a period are the decision
//! on the stretches of all its days. The place of midnight does not influence the decision.
//!
//! # Steps of a counter
//! A register that does not fall, and rises by no more than the meter can measure, is an *advance*. A register that
//! *falls* is a *change* where the registry names one between the two readings, and a *rollover* where the modulus
//! is known and the way over it is within the meter's bound. Otherwise the fall is part of a *dip* or a *spike*,
//! after which the register returns; or a *tremble*, which counts below zero and counts again when the register
//! advances; or a *reset*, after which consumption counts from the new value. A register that rises by more than
//! the meter can measure is part of a dip or a spike, or a *jump*: consumption counts from the new value, so the
//! jump itself is no consumption.
//!
//! The outcomes count every reading that is left out; none is dropped silently.

mod account;
mod amounts;
pub mod compose;
pub(crate) mod counter;
mod day_fold;
mod explain;
mod life;
pub mod like_days;
mod plain;
pub mod sentinel;
mod usual;

use crate::meter::reading::Kind;

pub use crate::meter::profile::{MeterChange, MeterProfile, Multiplier, Point, Profile, Step};
pub use day_fold::{DayColumns, DayFold, Odd, Outcomes};
pub use life::Stretch;

/// Folds one series' day.
#[must_use]
pub fn fold_day(kind: Kind, meter: &MeterProfile, columns: DayColumns<'_>) -> DayFold {
    match kind {
        Kind::Register | Kind::DailyCounter => {
            plain::fold(meter, columns).unwrap_or_else(|| counter::fold(meter, columns))
        }
        Kind::Interval | Kind::Event | Kind::Gauge => amounts::fold(kind, meter, columns),
    }
}

#[cfg(test)]
mod tests;
