//! A log in one file on one machine: redb, one thread that writes, fsync before every receipt.
//!
//! What waits is committed as a group: while one group is written the next gathers, so many small
//! appends cost one fsync. Readers live in the same process, are woken by the commit and never poll.
//! After a crash at any point the file holds every record with a receipt, and no half record.
//!
//! Records that every group has committed are kept up to [`LogFileSettings::retain_bytes`], dead letters up to
//! [`LogFileSettings::dead_letter_bytes`]; the oldest go first. Records that a group has not committed are
//! never removed, nor are dead letters, where a group reads them.

mod chunk;
mod copy;
mod groups;
mod journal;
mod letters;
mod log;
mod published;
mod queue;
mod store;

use crate::log::{Core, stored};
pub use crate::{
    groups::GroupProgress,
    log::{EmbeddedLog, LogFileSettings},
};
