//! Turns log records into hot files, sealed days and totals.
//!
//! ```text
//! reader ─▶ decode ─▶ buffer (rows by park and day) ─▶ flush ─▶ book.publish ─▶ Flushed ─▶ reader.commit
//! ```
//!
//! A flush writes everything that is buffered. Rows of a day that is still open, or still receives rows, become a
//! *hot* file and are visible at once. A day that is over and quiet is *sealed*: one file per enterprise, deduplicated
//! and sorted, with its totals. Late rows become a hot file, and their day is sealed again as the next revision.
//!
//! The commit of a book's files carries the offset up to which the book has consumed the log. The group's offset is
//! stored only after every book is durable and the numbers of numbered messages are in the lake. A query can request
//! through [`ReadBarrier`] that everything in the log is published at once.
//!
//! Dead letters have a loop of their own, [`DeadLetterArchiver`].
//!
//! The crate deliberately knows nothing of MQTT, indicators and factors.

mod archive_observer;
mod buffer;
mod commit_counts;
mod dead_letters;
mod error;
mod flush;
mod flush_schedule;
mod group;
mod message_numbers;
pub mod metrics;
mod offsets;
mod origin;
mod record;
mod run;
pub mod settings;
mod watermark;

pub use crate::{
    archive_observer::{ArchiveObserver, ArchivedNumbers},
    dead_letters::{DeadLetterArchiver, DeadLetterError, dead_letter_group},
    error::RunError,
    metrics::ProcessorMetrics,
    origin::{adopt, partitions_of},
    run::{Processor, ReadBarrier, SuspendedParks},
    settings::{DeadLetterSettings, ProcessorSettings},
};
