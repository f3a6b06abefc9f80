//! How telemetry *queues*.
//!
//! A [`LogWriter`] appends records and returns a [`Receipt`], which only it can make: to hold a
//! receipt is to know that the records survive a crash of everything, and that they stay until every
//! group has committed them. Kafka does not wait for groups, so there they stay as long as the topic's
//! retention says: for good unless the operator sets less, and less than 30 days is refused. A
//! [`LogReader`] hands records out in the order of their partition, from the group's committed offset on, and never past a gap.
//!
//! The key of a record is its park, so a park lives in one partition and has one reader at a time.
//! Three logs implement the contract: Kafka (`greenpark-log-kafka`), one file on one machine
//! (`greenpark-log-embedded`: redb, fsync) and [`memory`] (tests and simulation). They share what this crate
//! offers them: [`inflight`] bounds the bytes under way, [`ownership`] and [`local_reader`] are the reading
//! side of a log that lives in one process.

pub mod append;
pub mod contract;
pub mod error;
pub mod inflight;
pub mod local_reader;
pub mod memory;
pub mod ownership;
pub mod partition;
pub mod record;

pub use crate::{
    append::{Append, DurableLog, LogWriter, Receipt},
    contract::{Assigned, Delivered, LogReader},
    error::{AppendError, CommitError, OpenError, ReadError},
    record::{ContentType, Entry, Headers, Position, Record, Topic},
};
