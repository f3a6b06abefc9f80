//! The reading side of every log: the reader and its deliveries. The writing side is [`crate::append`].

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use greenpark_model::log_position::Partition;

use crate::{
    error::{CommitError, ReadError},
    record::Entry,
};

/// A partition newly assigned to a reader, which starts at the group's committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The partition.
    pub partition: Partition,
    /// Where its reader starts: at the group's committed offset, or at the first record that is kept.
    pub start: u64,
    /// Where it ended when it was assigned: no reader of any group had been handed this offset or a
    /// later one by then. In a log that nobody else writes to, it is the next record's offset. Whoever
    /// has kept a larger offset than this kept it of another log: one restored from an older copy, or
    /// made anew.
    pub end: u64,
}

/// What one call of [`LogReader::next`] brought. Apply `revoked` first, then `assigned`, then `entries`.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Records in the order of their partitions, with their positions.
    pub entries: Vec<Entry>,
    /// Partitions that another reader has taken over: everything held for them must be dropped.
    pub revoked: Vec<Partition>,
    /// Partitions newly assigned, with the end of each.
    pub assigned: Vec<Assigned>,
    /// The reader has handed out everything that was in its partitions at the time of the call.
    pub caught_up: bool,
}

/// Hands out records of one topic for one consumer group: readings, or dead letters.
pub trait LogReader: fmt::Debug + Send + 'static {
    /// Waits up to `wait` for records and returns what there is, at most about `bytes_max` of payload.
    /// An empty answer is no error. Nothing is lost when the future is dropped before it resolves.
    ///
    /// # Errors
    /// [`ReadError`]: nothing was consumed; call again or give up.
    fn next(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Delivered, ReadError>>;

    /// The record of an owned `partition` at `offset`; `None` if the log does not hold it (any more). What was
    /// handed out and what comes next stay as they are.
    ///
    /// # Errors
    /// [`ReadError`]: the log did not answer.
    fn find(
        &mut self,
        partition: Partition,
        offset: u64,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>>;

    /// Hands out an owned `partition` from `offset` on, which may lie before what was handed out; from the first
    /// record that is kept, where those before it are gone. The group's committed offset stays.
    fn rewind(&mut self, partition: Partition, offset: u64);

    /// Stores that everything of `partition` before `next_offset` is durable downstream; a later reader
    /// of the group starts there. Never moves backwards.
    ///
    /// # Errors
    /// [`CommitError`]: the old offset may still stand, so records may come again.
    fn commit(
        &mut self,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>>;
}
