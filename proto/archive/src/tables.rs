//! The tables of a lake other than readings and registry: totals, rollups, numbered messages, dead letters and the
//! access log.
//! Also the progress that the tables written from the log record.

pub mod access_log;
pub(crate) mod consumed;
pub mod dead_letters;
pub(crate) mod followed;
pub mod messages;
pub mod rollups;
pub(crate) mod tabular;
pub mod totals;
pub mod written;
