//! Numbered messages: records which messages end in which record, and which rows each message has.
//!
//! Many messages share a record, and a message may be split over several records: its number is in
//! the last one. So a reader that has processed the log up to a record has seen every message that
//! is numbered there completely. A record also maps each reading to its message, so that a reader
//! can tell repeated messages from new ones.

use std::mem;

use greenpark_log::{ContentType, Record};
use greenpark_model::{limits::RECORD_BYTES_MAX, numbers::Numbered};
use greenpark_proto::reading_batch;

use super::{BatchAccumulator, Gateway, Message, TopicEntry, record::record};
use crate::limits::{ENCODED_NUMBER_BYTES_MAX, RUNS_EACH_MAX};

impl BatchAccumulator {
    /// Decodes a publish and records its number, unless the topic does not identify the gateway.
    pub(super) fn take_numbered(
        &mut self,
        numbered: Numbered,
        entry: TopicEntry,
        message: &Message<'_>,
        now_ms: i64,
    ) {
        let gateway = entry.gateway;
        if self.gateways[gateway].origin.is_unknown() {
            return self.take_payload(entry, message, now_ms);
        }
        self.numbers += 1;
        self.gateways[gateway].begin_message(numbered, &mut self.records);
        let dead_letters = self.dead_letters.len();
        self.take_payload(entry, message, now_ms);
        self.dead_letters.number(dead_letters, numbered);
        self.gateways[gateway].end_message(&mut self.records);
    }
}

impl Gateway {
    /// Begins a message. A record has one epoch: a batch of another epoch is finished first.
    fn begin_message(&mut self, numbered: Numbered, records: &mut Vec<Record>) {
        if self.epoch != numbered.epoch() && !self.messages.is_empty() {
            self.finish(records);
        }
        self.epoch = numbered.epoch();
        self.taking = Some((numbered.sequence(), self.next_row()));
    }

    /// Ends the message under way in this batch. A batch without readings becomes a record too, if
    /// a message was refused as a whole, so that a reader of the log knows that nothing more of
    /// this message follows.
    fn end_message(&mut self, records: &mut Vec<Record>) {
        let Some((number, from)) = self.taking.take() else {
            return;
        };
        self.messages.end(number, from..self.next_row());
        self.encoded_bytes_max += ENCODED_NUMBER_BYTES_MAX;
        // Unordered numbers are expensive: each insertion moves all later runs.
        let scattered = self.messages.ended().runs().len() >= RUNS_EACH_MAX;
        if scattered || self.encoded_bytes_max + ENCODED_NUMBER_BYTES_MAX > RECORD_BYTES_MAX {
            self.finish(records);
        }
    }

    /// Closes the part of the message under way that is in this batch; the message continues in the
    /// next batch.
    pub(super) fn leave_message(&mut self) {
        let end = self.next_row();
        if let Some((number, from)) = &mut self.taking {
            if *from < end {
                self.messages.leave(*number, *from..end);
            }
            *from = 0;
        }
    }

    /// Encodes the batch with its messages as a record.
    pub(super) fn numbered_record(&mut self) -> Record {
        let messages = mem::take(&mut self.messages);
        let payload = reading_batch::encode_numbered(&self.batch, &messages);
        let mut record = record(&self.origin, ContentType::ReadingBatch, payload);
        record.headers.epoch = self.epoch;
        if let Some(&(lowest, _)) = messages.ended().runs().first() {
            record.headers.sequence = lowest;
            self.entered.push((self.epoch, messages.into_ended()));
        }
        record
    }

    fn next_row(&self) -> u32 {
        // OK because a batch has few readings.
        self.batch.len() as u32
    }
}
