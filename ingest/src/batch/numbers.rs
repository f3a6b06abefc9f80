//! Numbered messages: records which messages end in which record, and which rows each message has.
//!
//! Many messages share a record, and a message may be split over several records: its number is in
//! the last one. So a reader that has processed the log up to a record has seen every message that
//! is numbered there completely. A record also maps each reading to its message, so that a reader
//! can tell repeated messages from new ones.

use std::mem;

use greenpark_log::{ContentType, Record};
use greenpark_model::{
    batch::Batch,
    messages::BatchMessages,
    numbers::{Numbered, Numbers},
};
use greenpark_proto::reading_batch;

use super::record;
use crate::{limits::RUNS_EACH_MAX, topic::Origin};

/// The numbers of one gateway's messages.
#[derive(Debug, Default)]
pub(super) struct MessageNumbers {
    /// The numbered messages of the open batch.
    messages: BatchMessages,
    /// The epoch of the open batch.
    epoch: u64,
    /// The number of the message under way, and its first row in the batch.
    current: Option<(u64, u32)>,
    /// The numbers of messages that end in finished batches, by epoch.
    finished: Vec<(u64, Numbers)>,
}

impl MessageNumbers {
    /// Returns true if the open batch has no numbered messages.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns true if the open batch has messages of another epoch.
    pub(super) fn has_other_epoch(&self, epoch: u64) -> bool {
        self.epoch != epoch && !self.messages.is_empty()
    }

    /// Begins a message at `row`.
    pub(super) fn begin(&mut self, numbered: Numbered, row: u32) {
        self.epoch = numbered.epoch();
        self.current = Some((numbered.sequence(), row));
    }

    /// Ends the open message before `row`; returns false if no message is open.
    pub(super) fn end(&mut self, row: u32) -> bool {
        let Some((number, from)) = self.current.take() else {
            return false;
        };
        self.messages.end(number, from..row);
        true
    }

    /// Returns true if the numbers are too scattered to add more: each insertion of an unordered
    /// number moves all later runs.
    pub(super) fn are_scattered(&self) -> bool {
        self.messages.ended().runs().len() >= RUNS_EACH_MAX
    }

    /// Closes the part of the message under way that is in this batch, before `row`; the message
    /// continues in the next batch.
    pub(super) fn leave(&mut self, row: u32) {
        if let Some((number, from)) = &mut self.current {
            if *from < row {
                self.messages.leave(*number, *from..row);
            }
            *from = 0;
        }
    }

    /// Encodes the batch with its messages as a record.
    pub(super) fn encode(&mut self, origin: &Origin, batch: &Batch) -> Record {
        let messages = mem::take(&mut self.messages);
        let payload = reading_batch::encode_numbered(batch, &messages);
        let mut record = record(origin, ContentType::ReadingBatch, payload);
        record.headers.epoch = self.epoch;
        if let Some(&(lowest, _)) = messages.ended().runs().first() {
            record.headers.sequence = lowest;
            self.finished.push((self.epoch, messages.into_ended()));
        }
        record
    }

    /// Removes and returns the numbers of finished batches, by epoch.
    pub(super) fn take_finished(&mut self) -> Vec<(u64, Numbers)> {
        mem::take(&mut self.finished)
    }
}
