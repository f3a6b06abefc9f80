//! The batch of one gateway, and its encoding into records.

use greenpark_log::{ContentType, Record};
use greenpark_model::{
    batch::Batch, day::Instant, limits::RECORD_BYTES_MAX, messages::BatchMessages,
    numbers::Numbers, reading::Reading, ticket::Ticket,
};
use greenpark_proto::reading_batch;

use super::record::record;
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
pub(super) struct Gateway {
    pub(super) origin: Origin,
    pub(super) newest: Newest,
    pub(super) counters: EnterpriseCounters,
    pub(super) series: SeriesTable,
    pub(super) batch: Batch,
    /// The sequence number of the batch, so that a series knows whether it is already in the batch.
    pub(super) batch_number: u64,
    /// An upper bound of the batch's encoded size.
    pub(super) encoded_bytes_max: usize,
    /// The numbered messages of the batch, and their epoch.
    pub(super) messages: BatchMessages,
    pub(super) epoch: u64,
    /// The number of the message under way, and its first row in the batch.
    pub(super) taking: Option<(u64, u32)>,
    /// The numbers of messages that end in finished batches, by epoch.
    pub(super) entered: Vec<(u64, Numbers)>,
    pub(super) accepted: u64,
    /// Accepted readings that are late.
    pub(super) late: u64,
    pub(super) dead_lettered: u64,
}

impl Gateway {
    pub(super) fn new(origin: Origin, newest: Newest, metrics: &IngestMetrics) -> Self {
        Self {
            newest,
            counters: metrics.of_enterprise(&origin.enterprise),
            origin,
            series: SeriesTable::default(),
            batch: Batch::new(),
            batch_number: 0,
            encoded_bytes_max: 0,
            messages: BatchMessages::default(),
            epoch: 0,
            taking: None,
            entered: Vec::new(),
            accepted: 0,
            late: 0,
            dead_lettered: 0,
        }
    }

    pub(super) fn is_touched(&self) -> bool {
        self.accepted > 0 || self.dead_lettered > 0
    }

    /// Adds the readings of a message that arrived at `now_ms`; a full batch is finished into
    /// `records`.
    pub(super) fn take(
        &mut self,
        decoded: &Decoded,
        floors: Floors,
        now_ms: i64,
        records: &mut Vec<Record>,
    ) {
        let mut latest = i64::MIN;
        let mut tickets = decoded.tickets.iter().peekable();
        for (row, &(of, reading)) in (0u32..).zip(&decoded.readings) {
            let ms = reading.instant.0;
            latest = latest.max(ms);
            let ticket = tickets.next_if(|(ticketed, _)| *ticketed == row);
            self.push(of, reading, ticket.map(|(_, ticket)| ticket), records);
            if ms < floors.timely_ms {
                self.late += 1;
                self.encoded_bytes_max += ENCODED_LATE_BYTES_MAX;
                self.batch.mark_last_late(Instant(now_ms));
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
        self.leave_message();
        if !self.messages.is_empty() {
            records.push(self.numbered_record());
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
}
