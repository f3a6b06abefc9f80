//! Accumulates the publishes of one sender into one record per gateway, together with the
//! acknowledgements owed for them.
//!
//! A [`BatchAccumulator`] outlives its contents: routes, series and columns stay after
//! [`BatchAccumulator::seal`], so that the usual message costs no allocation. The owner bounds its
//! size: it stops adding publishes when [`BatchAccumulator::is_full`] returns true, and reports its
//! memory with [`BatchAccumulator::account`].

mod dead_letters;
mod gateway;
mod numbering;
mod publish;
mod record;
mod topic_cache;

use std::{mem, sync::Arc};

use greenpark_log::Record;
use greenpark_model::limits::PACKET_BYTES_MAX;
use rustc_hash::FxHashMap;

pub(crate) use self::{
    dead_letters::DeadLetterCounts,
    publish::{AddOutcome, Message},
};
use self::{
    dead_letters::DeadLetters,
    gateway::Gateway,
    topic_cache::{TopicCache, TopicEntry},
};
use crate::{
    acks::{Ack, Acks},
    auth::{ClientIdentity, Grant},
    decode::{self, Decoded, Timing},
    limits::{
        BATCH_BYTES_MAX, BATCH_BYTES_READY, BATCH_MESSAGES_MAX, BATCH_MESSAGES_READY,
        BATCH_READINGS_READY, HELD_GATEWAY_BYTES, HELD_NUMBER_BYTES, HELD_READING_BYTES,
        HELD_TICKET_BYTES, TOPICS_CACHED_MAX,
    },
    memory_budget::Reservation,
    metrics::{EnterpriseCounters, IngestMetrics},
    mqtt::Reason,
    newest::Lateness,
    receipts::StoredNumbers,
    settings::DecodeSettings,
    topic::{Origin, Routes, Sender},
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

/// Accumulates the publishes of one sender; see the module.
#[derive(Debug)]
pub(crate) struct BatchAccumulator {
    routes: Arc<Routes>,
    /// The gateways that the sender may publish for; `None` allows all.
    grant: Option<Arc<Grant>>,
    sender: Arc<Sender>,
    lateness: Arc<Lateness>,
    metrics: IngestMetrics,
    topic_cache: TopicCache,
    gateways: Vec<Gateway>,
    by_origin: FxHashMap<Origin, usize>,
    touched: Vec<usize>,
    decoded: Decoded,
    records: Vec<Record>,
    dead_letters: DeadLetters,
    rebirth_requests: Vec<String>,
    acks: Acks,
    messages: PublishCounts,
    count: usize,
    readings: usize,
    tickets: usize,
    numbers: usize,
    held: Reservation,
}

impl PublishCounts {
    fn add(&mut self, message: &Message<'_>) {
        self.by_qos[usize::from(message.qos.min(2))] += 1;
        self.bytes += message.payload.len() + message.topic.len();
    }
}

impl BatchAccumulator {
    pub(crate) fn new(routes: Arc<Routes>, metrics: IngestMetrics, held: Reservation) -> Self {
        Self {
            routes,
            grant: None,
            sender: Arc::default(),
            lateness: Arc::new(Lateness::new(&DecodeSettings::default())),
            metrics,
            topic_cache: TopicCache::default(),
            gateways: Vec::new(),
            by_origin: FxHashMap::default(),
            touched: Vec::new(),
            decoded: Decoded::default(),
            records: Vec::new(),
            dead_letters: DeadLetters::default(),
            rebirth_requests: Vec::new(),
            acks: Acks::default(),
            messages: PublishCounts::default(),
            count: 0,
            readings: 0,
            tickets: 0,
            numbers: 0,
            held,
        }
    }

    /// Sets the identity of the sender: it may publish only what its grant covers.
    pub(crate) fn bound_to(mut self, bearer: ClientIdentity) -> Self {
        (self.grant, self.sender) = (bearer.grant, bearer.sender);
        self
    }

    /// Shares the newest instants of gateways with the other accumulators of the process.
    pub(crate) fn with_lateness(mut self, lateness: Arc<Lateness>) -> Self {
        self.lateness = lateness;
        self
    }

    /// Returns true if the sender may subscribe to `filter`.
    pub(crate) fn may_subscribe(&self, filter: &str) -> bool {
        let grant = self.grant.as_ref();
        grant.is_none_or(|grant| grant.covers_filter(filter))
    }

    /// Returns true if the sender may publish on `topic`.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.covers(&self.routes.resolve(topic, &self.sender).origin)
    }

    /// Returns true if a publish of the sender on `topic` has the same origin as one of the gateway
    /// `of`.
    pub(crate) fn is_of(&self, topic: &str, of: &str) -> bool {
        self.routes.is_of(topic, &self.sender, of)
    }

    fn covers(&self, origin: &Origin) -> bool {
        let grant = self.grant.as_ref();
        grant.is_none_or(|grant| grant.covers(origin))
    }

    /// Owes a refusal for a publish with the outcome [`AddOutcome::NotPermitted`], after the
    /// acknowledgements of earlier publishes.
    pub(crate) fn refuse(&mut self, qos: u8, packet_id: u16, reason: Reason) {
        if packet_id != 0 {
            self.count += 1;
            self.acks.owe(Ack {
                qos,
                packet_id,
                refused: Some(reason),
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns true if the batch is large enough to append without waiting for the linger.
    pub(crate) fn is_ready(&self) -> bool {
        self.count >= BATCH_MESSAGES_READY
            || self.readings >= BATCH_READINGS_READY
            || self.held_bytes() >= BATCH_BYTES_READY
    }

    /// Returns true if the batch must be sealed before more publishes are added.
    pub(crate) fn is_full(&self) -> bool {
        let crowded = self.gateways.len() >= TOPICS_CACHED_MAX && !self.is_empty();
        self.count >= BATCH_MESSAGES_MAX || self.held_bytes() >= BATCH_BYTES_MAX || crowded
    }

    /// Estimates the memory of the batch: columns, dead letters and acknowledgements.
    fn held_bytes(&self) -> usize {
        self.readings * HELD_READING_BYTES
            + self.count * size_of::<Ack>()
            + self.numbers * HELD_NUMBER_BYTES
            + self.tickets * HELD_TICKET_BYTES
            + self.dead_letters.bytes()
    }

    /// Updates the reservation in the shared memory budget: once a socket read, not once a message.
    pub(crate) fn account(&mut self) {
        self.held.set(self.held_bytes() + self.kept_bytes());
    }

    /// Estimates the memory that stays allocated after sealing.
    fn kept_bytes(&self) -> usize {
        self.gateways.len() * HELD_GATEWAY_BYTES
    }

    /// Returns true if a decoder is configured for `topic`.
    pub(crate) fn has_decoder(&self, topic: &str) -> bool {
        self.routes.resolve(topic, &self.sender).reader.is_ok()
    }

    /// Decodes and adds a publish that arrived at `now_ms`.
    pub(crate) fn take(&mut self, message: Message<'_>, now_ms: i64) -> AddOutcome {
        let Some(entry) = self.begin(&message) else {
            return AddOutcome::NotPermitted;
        };
        match message.numbered {
            None => self.take_payload(entry, &message, now_ms),
            Some(numbered) => self.take_numbered(numbered, entry, &message, now_ms),
        }
        AddOutcome::Added
    }

    fn take_payload(&mut self, entry: TopicEntry, message: &Message<'_>, now_ms: i64) {
        if message.payload.len() > PACKET_BYTES_MAX {
            // The listener stops such a packet before; a broker delivers it, and expects an
            // acknowledgement.
            return self.write_oversized(entry.gateway, message, message.payload.len(), now_ms);
        }
        let gateway = &mut self.gateways[entry.gateway];
        match entry.reader {
            Ok(reader) => {
                gateway.series.make_room();
                let decoded = &mut self.decoded;
                let replayed = message.replay || self.sender.replays();
                let floors = self.lateness.floors(&gateway.newest, replayed);
                let timing = Timing::live(now_ms, &reader.stamps);
                let timing = timing.of(message.arrival(), floors.taken_ms);
                decode::decode(
                    &reader,
                    message.payload,
                    &mut gateway.series,
                    &timing,
                    decoded,
                );
                self.readings += decoded.readings.len();
                self.tickets += decoded.tickets.len();
                gateway.take(decoded, floors, now_ms, &mut self.records);
                let refusals = &decoded.refusals;
                gateway.dead_lettered += refusals.readings();
                if !refusals.is_empty() {
                    let from = &gateway.origin;
                    self.dead_letters.refused(from, message, refusals, now_ms);
                }
                self.messages.ignored += decoded.ignored;
                self.messages.missing += decoded.missing;
                self.rebirth_requests.append(&mut decoded.rebirth_requests);
                decoded.clear();
            }
            Err(fault) => {
                gateway.dead_lettered += 1;
                self.dead_letters
                    .whole(&gateway.origin, message, &fault, now_ms);
            }
        }
    }

    /// Removes and returns the topics of pending Sparkplug rebirth requests; a front end that
    /// cannot publish drops them.
    pub(crate) fn take_rebirth_requests(&mut self) -> Vec<String> {
        mem::take(&mut self.rebirth_requests)
    }

    /// Adds a dead letter for a packet of `size` bytes, too large to read; `message` contains its
    /// start.
    pub(crate) fn take_oversized(
        &mut self,
        message: Message<'_>,
        size: usize,
        now_ms: i64,
    ) -> AddOutcome {
        let Some(entry) = self.begin(&message) else {
            return AddOutcome::NotPermitted;
        };
        self.write_oversized(entry.gateway, &message, size, now_ms);
        AddOutcome::Added
    }

    fn write_oversized(&mut self, gateway: usize, message: &Message<'_>, size: usize, now_ms: i64) {
        let gateway = &mut self.gateways[gateway];
        gateway.dead_lettered += 1;
        self.dead_letters
            .oversized(&gateway.origin, message, size, now_ms);
    }

    /// Resolves the topic of a publish, counts the publish and notes the acknowledgement owed for
    /// it. Does nothing if the sender may not publish on the topic.
    fn begin(&mut self, message: &Message<'_>) -> Option<TopicEntry> {
        let entry = match self.topic_cache.find(message.topic) {
            Some(entry) => entry,
            None => self.open(message)?,
        };
        self.count += 1;
        self.messages.add(message);
        if message.packet_id != 0 {
            self.acks.owe(Ack {
                qos: message.qos,
                packet_id: message.packet_id,
                refused: None,
            });
        }
        if !self.gateways[entry.gateway].is_touched() {
            self.touched.push(entry.gateway);
        }
        Some(entry)
    }

    fn open(&mut self, message: &Message<'_>) -> Option<TopicEntry> {
        let topic = message.topic;
        let route = self.routes.resolve(topic, &self.sender);
        if !self.covers(&route.origin) {
            return None;
        }
        let gateway = match self.by_origin.get(&route.origin) {
            Some(&gateway) => gateway,
            None => {
                let gateway = self.gateways.len();
                let newest = self.lateness.of(&route.origin);
                let origin = route.origin.clone();
                self.gateways
                    .push(Gateway::new(origin, newest, &self.metrics));
                self.by_origin.insert(route.origin, gateway);
                gateway
            }
        };
        let reader = route.reader.map_err(Arc::from);
        if message.replay && self.routes.is_claimed(topic) {
            // A replay of a client's messages comes from another client, and does not take over its
            // claim.
            return Some(TopicEntry { gateway, reader });
        }
        if let Err(fault) = self.routes.claim(topic, &self.sender) {
            // Not cached, because the client that holds the claim may disconnect.
            let reader = Err(Arc::new(fault));
            return Some(TopicEntry { gateway, reader });
        }
        let entry = TopicEntry { gateway, reader };
        self.topic_cache.remember(topic, &entry);
        Some(entry)
    }

    /// Turns all publishes added so far into records.
    pub(crate) fn seal(&mut self) -> PendingAppend {
        self.held.set(self.held_bytes());
        let sealed = self.held.take();
        let mut tallies = Vec::with_capacity(self.touched.len());
        let mut numbered = Vec::new();
        for index in self.touched.drain(..) {
            let gateway = &mut self.gateways[index];
            gateway.finish(&mut self.records);
            if !gateway.entered.is_empty() {
                numbered.push(StoredNumbers {
                    origin: gateway.origin.clone(),
                    epochs: mem::take(&mut gateway.entered),
                });
            }
            tallies.push(Tally {
                counters: gateway.counters.clone(),
                accepted: mem::take(&mut gateway.accepted),
                late: mem::take(&mut gateway.late),
                dead_lettered: mem::take(&mut gateway.dead_lettered),
            });
        }
        self.forget_if_crowded();
        self.held.set(self.kept_bytes());
        self.rebirth_requests.clear();
        let readings = mem::take(&mut self.records);
        let (dead_letters, dead_letter_counts) = self.dead_letters.take();
        let acks = self.acks.take(readings.len() + dead_letters.len());
        (self.count, self.readings) = (0, 0);
        (self.tickets, self.numbers) = (0, 0);
        PendingAppend {
            readings,
            dead_letters,
            dead_letter_counts,
            acks,
            tallies,
            messages: mem::take(&mut self.messages),
            numbered,
            held: sealed,
        }
    }

    /// Drops the batch; it is neither appended nor acknowledged.
    pub(crate) fn discard(&mut self) {
        drop(self.seal());
    }

    /// Clears the caches if they are full. After sealing nothing refers to a gateway by its index.
    fn forget_if_crowded(&mut self) {
        if self.gateways.len() >= TOPICS_CACHED_MAX || self.topic_cache.is_full() {
            self.topic_cache = TopicCache::default();
            self.by_origin.clear();
            self.gateways.clear();
        }
    }
}

#[cfg(test)]
mod tests;
