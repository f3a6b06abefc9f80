//! The time of a reading: its instant in every format, and what its arrival says about it.

pub(super) mod foreign;
pub(super) mod instant;
mod timing;

pub(crate) use self::timing::{Arrival, Timing};
