//! The tables of a lake other than readings and registry: totals, rollups, numbered messages and dead letters.
//! Also the progress that the tables written from the log record.

pub(crate) mod consumed;
pub mod dead_letters;
pub mod messages;
pub mod rollups;
pub(crate) mod tabular;
pub mod totals;
pub mod written;
