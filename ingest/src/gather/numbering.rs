//! Messages that their gateway numbers: which of them end in which record.
//!
//! Many messages share a record, and a message may be cut over several: its number stands in the last. So
//! whoever has read the log up to a record has read all of every message that is numbered there.
//!
//! A message that was sent again shares no record with a new one: by its numbers a record says as a whole that it came
//! before, and its readings then keep the place that they had. A broker that was killed sends again what it had long
//! handed over, and a reading that was corrected meanwhile must not count again. What came before is what this process
//! knows; after it began anew, such a record may say that it is new.

use std::mem;

use greenpark_log::{ContentType, Record};
use greenpark_model::{limits::RECORD_BYTES_MAX, numbers::Numbered};
use greenpark_proto::reading_batch;

use super::{Gateway, Gather, Lane, Message, record::record};
use crate::{
    limits::{CAME_RUNS_MAX, ENCODED_NUMBER_BYTES_MAX, RUNS_EACH_MAX},
    receipts::Receipts,
};

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
        self.gateways[gateway].turn(numbered, &self.receipts, &mut self.records);
        let letters = self.letters.len();
        self.take_payload(lane, message, now_ms);
        self.letters.number(letters, numbered);
        self.gateways[gateway].number(numbered, &mut self.records);
    }
}

impl Gateway {
    /// A record has one epoch, and its messages all came before or none of them: a batch of others is finished first.
    fn turn(&mut self, numbered: Numbered, receipts: &Receipts, records: &mut Vec<Record>) {
        let (epoch, number) = (numbered.epoch(), numbered.sequence());
        let came = match &mut self.came {
            Some((of, came)) if *of == epoch => came,
            other => {
                let mut known = receipts.known(&self.origin, epoch);
                known.forget_beyond(CAME_RUNS_MAX);
                &mut other.insert((epoch, known)).1
            }
        };
        let again = came.contains(number);
        if !again {
            came.insert(number, number);
            came.forget_beyond(CAME_RUNS_MAX);
        }
        if (self.epoch != epoch || self.again != again) && !self.numbers.is_empty() {
            self.finish(records);
        }
        self.again = again;
    }

    /// Enters a message whose readings have been taken: it ends in this batch. A batch without a reading
    /// is a record, too, where a message was refused as a whole, so that whoever reads the log knows that
    /// nothing more is to come of it.
    fn number(&mut self, numbered: Numbered, records: &mut Vec<Record>) {
        self.epoch = numbered.epoch();
        self.numbers
            .insert(numbered.sequence(), numbered.sequence());
        self.encoded_bytes_max += ENCODED_NUMBER_BYTES_MAX;
        // Numbers without any order are entered at the price of a move of all runs behind them.
        let scattered = self.numbers.runs().len() >= RUNS_EACH_MAX;
        if scattered || self.encoded_bytes_max + ENCODED_NUMBER_BYTES_MAX > RECORD_BYTES_MAX {
            self.finish(records);
        }
    }

    /// The record of the batch, with the numbers of what ends in it.
    pub(super) fn numbered_record(&mut self) -> Record {
        let payload = reading_batch::encode_numbered(&self.batch, &self.numbers);
        let mut record = record(&self.origin, ContentType::ReadingBatch, payload);
        record.headers.epoch = self.epoch;
        record.headers.sequence = self.numbers.runs()[0].0;
        self.entered
            .push((self.epoch, mem::take(&mut self.numbers)));
        record
    }
}
