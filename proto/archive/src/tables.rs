//! The tables of a lake beside readings and registry: totals, rollups, numbered messages and dead letters, and what
//! the tables that are written from the log record of it.

pub(crate) mod consumed;
pub mod dead_letters;
pub mod messages;
pub mod rollups;
pub(crate) mod tabular;
pub mod totals;
pub mod written;
