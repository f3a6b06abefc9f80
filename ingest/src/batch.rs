//! Accumulates the publishes of one sender into one record per gateway, together with the
//! acknowledgements owed for them.
//!
//! A [`BatchAccumulator`] outlives its contents: routes, series and columns stay after
//! [`BatchAccumulator::seal`], so that the usual message costs no allocation. The owner bounds its
//! size: it stops adding publishes when [`BatchAccumulator::is_full`] returns true, and updates its
//! memory reservation with [`BatchAccumulator::update_reservation`].

mod accumulator;
mod dead_letters;
mod gateway;
mod numbers;
mod topic_cache;

use bytes::Bytes;
use greenpark_log::{ContentType, Headers, Record};

pub(crate) use self::{
    accumulator::{AddOutcome, BatchAccumulator},
    dead_letters::DeadLetterCounts,
};
use crate::{
    acks::Acks, memory_budget::Reservation, metrics::EnterpriseCounters, mqtt::Publish,
    receipts::StoredNumbers, topic::Origin,
};

/// A sealed batch: the records to append, and the acknowledgements that their receipts release.
#[derive(Debug)]
pub(crate) struct PendingAppend {
    pub(crate) readings: Vec<Record>,
    pub(crate) dead_letters: Vec<Record>,
    /// Number of dead letters by code.
    pub(crate) dead_letter_counts: DeadLetterCounts,
    pub(crate) acks: Acks,
    pub(crate) tallies: Vec<Tally>,
    pub(crate) messages: PublishCounts,
    /// The numbers of numbered messages; usually empty.
    pub(crate) numbered: Vec<StoredNumbers>,
    /// Reserves the memory of the batch until it is dropped.
    pub(crate) held: Reservation,
}

/// Increments of one gateway's counters.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counters: EnterpriseCounters,
    pub(crate) accepted: u64,
    pub(crate) late: u64,
    pub(crate) dead_lettered: u64,
}

/// Counts of the publishes of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublishCounts {
    /// Publishes by quality of service.
    pub(crate) by_qos: [u64; 3],
    /// Bytes of payloads and topics.
    pub(crate) bytes: usize,
    /// Fields of foreign payloads that the rule ignores.
    pub(crate) ignored: u64,
    /// Fields of foreign payloads without a value.
    pub(crate) missing: u64,
}

impl PublishCounts {
    fn add(&mut self, publish: &Publish<'_>) {
        self.by_qos[usize::from(publish.qos.min(2))] += 1;
        self.bytes += publish.payload.len() + publish.topic.len();
    }
}

/// Builds a record of `origin` without a number: of a gateway's batch, or of a dead letter.
fn record(origin: &Origin, content_type: ContentType, payload: Bytes) -> Record {
    let headers = Headers {
        enterprise: origin.enterprise.clone(),
        gateway: origin.gateway.clone(),
        epoch: 0,
        sequence: 0,
        content_type,
    };
    Record {
        park: origin.park.clone(),
        headers,
        payload,
    }
}

#[cfg(test)]
mod tests;
