//! The batch of one gateway, and its encoding into records.

use greenpark_log::{ContentType, Record};
use greenpark_model::{
    batch::Batch,
    day::Instant,
    limits::RECORD_BYTES_MAX,
    numbers::{Numbered, Numbers},
    reading::Reading,
    ticket::Ticket,
};
use greenpark_proto::reading_batch;

use super::{numbers::MessageNumbers, record};
use crate::{
    decode::{Decoded, SeriesTable},
    limits::{
        BATCH_READINGS_READY, ENCODED_LATE_BYTES_MAX, ENCODED_NUMBER_BYTES_MAX,
        ENCODED_READING_BYTES_MAX, ENCODED_SERIES_BYTES_MAX, ENCODED_TICKET_BYTES_MAX,
    },
    metrics::{EnterpriseCounters, IngestMetrics},
    newest::{Floors, Newest},
    topic::Origin,
};

/// The open batch of one gateway.
#[derive(Debug)]
pub(super) struct GatewayBatch {
    pub(super) origin: Origin,
    pub(super) newest: Newest,
    pub(super) counters: EnterpriseCounters,
    pub(super) series: SeriesTable,
    batch: Batch,
    /// The sequence number of the batch, so that a series knows whether it is already in the batch.
    batch_number: u64,
    /// An upper bound of the batch's encoded size.
    encoded_bytes_max: usize,
    numbers: MessageNumbers,
    pub(super) accepted: u64,
    /// Accepted readings that are late.
    pub(super) late: u64,
    pub(super) dead_lettered: u64,
}

impl GatewayBatch {
    pub(super) fn new(origin: Origin, newest: Newest, metrics: &IngestMetrics) -> Self {
        Self {
            newest,
            counters: metrics.of_enterprise(&origin.enterprise),
            origin,
            series: SeriesTable::default(),
            batch: Batch::new(),
            batch_number: 0,
            encoded_bytes_max: 0,
            numbers: MessageNumbers::default(),
            accepted: 0,
            late: 0,
            dead_lettered: 0,
        }
    }

    /// Returns true if the gateway has contents in the open batch.
    pub(super) fn is_active(&self) -> bool {
        self.accepted > 0 || self.dead_lettered > 0
    }

    /// Adds the readings of a message that arrived at `now_ms`; a full batch is finished into
    /// `records`.
    pub(super) fn add(
        &mut self,
        decoded: &Decoded,
        floors: Floors,
        now_ms: i64,
        records: &mut Vec<Record>,
    ) {
        let mut latest = i64::MIN;
        let mut tickets = decoded.tickets.iter().peekable();
        for (row, &(of, reading)) in (0u32..).zip(&decoded.readings) {
            let ms = reading.instant.millis();
            latest = latest.max(ms);
            let ticket = tickets.next_if(|(ticketed, _)| *ticketed == row);
            self.push(of, reading, ticket.map(|(_, ticket)| ticket), records);
            if ms < floors.timely_ms {
                self.late += 1;
                self.encoded_bytes_max += ENCODED_LATE_BYTES_MAX;
                self.batch.mark_last_late(Instant::from_millis(now_ms));
            }
        }
        self.newest.raise(latest);
    }

    /// Adds a reading; if it does not fit, the batch is finished into `records` first.
    fn push(
        &mut self,
        of: u32,
        reading: Reading,
        ticket: Option<&Ticket>,
        records: &mut Vec<Record>,
    ) {
        let known = self.series.get_mut(of);
        let new_bytes = ENCODED_SERIES_BYTES_MAX + known.series.meter.as_str().len();
        let more = ENCODED_READING_BYTES_MAX + new_bytes + ENCODED_NUMBER_BYTES_MAX;
        let marks = ENCODED_TICKET_BYTES_MAX + ENCODED_LATE_BYTES_MAX;
        if self.encoded_bytes_max + more + marks > RECORD_BYTES_MAX || self.batch.is_full() {
            self.finish(records);
        }
        let known = self.series.get_mut(of);
        let index = match known.placed {
            Some((batch, index)) if batch == self.batch_number => Ok(index),
            _ => {
                self.encoded_bytes_max += new_bytes;
                self.batch.add_series(known.series.clone())
            }
        };
        let pushed = index.and_then(|index| {
            known.placed = Some((self.batch_number, index));
            match ticket {
                None => self.batch.push(index, reading),
                Some(ticket) => {
                    self.encoded_bytes_max += ENCODED_TICKET_BYTES_MAX;
                    self.batch.push_ticketed(index, reading, ticket.clone())
                }
            }
        });
        pushed.expect("a batch that is not full takes a series and a reading");
        self.encoded_bytes_max += ENCODED_READING_BYTES_MAX;
        self.accepted += 1;
    }

    /// Encodes the batch as a record and begins the next one.
    pub(super) fn finish(&mut self, records: &mut Vec<Record>) {
        let end = self.next_row();
        self.numbers.leave(end);
        if !self.numbers.is_empty() {
            records.push(self.numbers.encode(&self.origin, &self.batch));
        } else if !self.batch.is_empty() {
            let payload = reading_batch::encode(&self.batch);
            records.push(record(&self.origin, ContentType::ReadingBatch, payload));
        }
        if self.batch.len() > BATCH_READINGS_READY {
            // A gateway that delivered a backlog does not keep its large columns afterwards.
            self.batch = Batch::new();
        }
        self.batch.clear();
        self.batch_number += 1;
        self.encoded_bytes_max = 0;
    }

    /// Begins a message. A record has one epoch: a batch of another epoch is finished first.
    pub(super) fn begin_message(&mut self, numbered: Numbered, records: &mut Vec<Record>) {
        if self.numbers.has_other_epoch(numbered.epoch()) {
            self.finish(records);
        }
        let row = self.next_row();
        self.numbers.begin(numbered, row);
    }

    /// Ends the message under way in this batch. A batch without readings becomes a record too, if
    /// a message was refused as a whole, so that a reader of the log knows that nothing more of
    /// this message follows.
    pub(super) fn end_message(&mut self, records: &mut Vec<Record>) {
        let row = self.next_row();
        if !self.numbers.end(row) {
            return;
        }
        self.encoded_bytes_max += ENCODED_NUMBER_BYTES_MAX;
        let full = self.encoded_bytes_max + ENCODED_NUMBER_BYTES_MAX > RECORD_BYTES_MAX;
        if full || self.numbers.are_scattered() {
            self.finish(records);
        }
    }

    /// Removes and returns the numbers of messages that end in finished batches, by epoch.
    pub(super) fn take_finished_numbers(&mut self) -> Vec<(u64, Numbers)> {
        self.numbers.take_finished()
    }

    fn next_row(&self) -> u32 {
        // OK because a batch has few readings.
        self.batch.len() as u32
    }
}
