//! Messages that their gateway numbers: which of them end in which record, and which readings they brought.
//!
//! Many messages share a record, and a message may be cut over several: its number stands in the last. So
//! who has read the log up to a record has read all of every message that is numbered there. A record says of
//! each reading in which message it came, so that its reader tells what was only sent again from what is new.

use std::mem;

use greenpark_log::{ContentType, Record};
use greenpark_model::{limits::RECORD_BYTES_MAX, numbers::Numbered};
use greenpark_proto::reading_batch;

use super::{Gateway, Gather, Lane, Message, record::record};
use crate::limits::{ENCODED_NUMBER_BYTES_MAX, RUNS_EACH_MAX};

impl Gather {
    /// Takes a publish and enters its number, unless its topic does not say whose number it is.
    pub(super) fn take_numbered(
        &mut self,
        numbered: Numbered,
        lane: Lane,
        message: &Message<'_>,
        now_ms: i64,
    ) {
        let gateway = lane.gateway;
        if self.gateways[gateway].origin.is_unknown() {
            return self.take_payload(lane, message, now_ms);
        }
        self.numbers += 1;
        self.gateways[gateway].begin_message(numbered, &mut self.records);
        let letters = self.letters.len();
        self.take_payload(lane, message, now_ms);
        self.letters.number(letters, numbered);
        self.gateways[gateway].end_message(&mut self.records);
    }
}

impl Gateway {
    /// Begins a message. A record has one epoch: a batch of another is finished first.
    fn begin_message(&mut self, numbered: Numbered, records: &mut Vec<Record>) {
        if self.epoch != numbered.epoch() && !self.messages.is_empty() {
            self.finish(records);
        }
        self.epoch = numbered.epoch();
        self.taking = Some((numbered.sequence(), self.next_row()));
    }

    /// Ends the message whose readings have been taken, in this batch. A batch without a reading is a record, too,
    /// where a message was refused as a whole, so that a reader of the log knows that nothing more is to come of
    /// it.
    fn end_message(&mut self, records: &mut Vec<Record>) {
        let Some((number, from)) = self.taking.take() else {
            return;
        };
        self.messages.end(number, from..self.next_row());
        self.encoded_bytes_max += ENCODED_NUMBER_BYTES_MAX;
        // Numbers without any order are entered at the price of a move of all runs behind them.
        let scattered = self.messages.ended().runs().len() >= RUNS_EACH_MAX;
        if scattered || self.encoded_bytes_max + ENCODED_NUMBER_BYTES_MAX > RECORD_BYTES_MAX {
            self.finish(records);
        }
    }

    /// The batch is about to be finished: a message that is being taken goes on in the next.
    pub(super) fn leave_message(&mut self) {
        let end = self.next_row();
        if let Some((number, from)) = &mut self.taking {
            if *from < end {
                self.messages.leave(*number, *from..end);
            }
            *from = 0;
        }
    }

    /// The record of the batch, with its messages.
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
