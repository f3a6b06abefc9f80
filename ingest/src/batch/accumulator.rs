//! The accumulator of one sender: its gateways, its open batch, and its share of the memory.

use std::{mem, sync::Arc};

use greenpark_log::Record;
use greenpark_model::{limits::PACKET_BYTES_MAX, numbers::Numbered};
use rustc_hash::FxHashMap;

use super::{
    PendingAppend, PublishCounts, Tally,
    dead_letters::DeadLetters,
    gateway::GatewayBatch,
    topic_cache::{TopicCache, TopicEntry},
};
use crate::{
    acks::{Ack, Acks},
    auth::ClientIdentity,
    decode::{self, Arrival, Decoded, Timing},
    limits::{
        BATCH_BYTES_MAX, BATCH_BYTES_READY, BATCH_MESSAGES_MAX, BATCH_MESSAGES_READY,
        BATCH_READINGS_READY, HELD_GATEWAY_BYTES, HELD_NUMBER_BYTES, HELD_READING_BYTES,
        HELD_TICKET_BYTES, TOPICS_CACHED_MAX,
    },
    memory_budget::Reservation,
    metrics::IngestMetrics,
    mqtt::{Publish, Reason},
    newest::Lateness,
    receipts::StoredNumbers,
    routing::Routes,
    settings::DecodeSettings,
    topic::Origin,
};

/// Accumulates the publishes of one sender; see the module [`batch`](super).
#[derive(Debug)]
pub(crate) struct BatchAccumulator {
    client: ClientIdentity,
    routes: Arc<Routes>,
    lateness: Arc<Lateness>,
    metrics: IngestMetrics,
    pub(super) gateways: GatewayTable,
    decoded: Decoded,
    open: OpenBatch,
    pub(super) reservation: Reservation,
}

/// The gateways that the sender publishes for; they are kept from batch to batch.
#[derive(Debug, Default)]
pub(super) struct GatewayTable {
    pub(super) topics: TopicCache,
    pub(super) batches: Vec<GatewayBatch>,
    by_origin: FxHashMap<Origin, usize>,
    /// The gateways with contents in the open batch.
    active: Vec<usize>,
}

/// The contents of the open batch, beside those of its gateways.
#[derive(Debug, Default)]
struct OpenBatch {
    records: Vec<Record>,
    dead_letters: DeadLetters,
    rebirth_requests: Vec<String>,
    acks: Acks,
    publishes: PublishCounts,
    size: BatchSize,
}

/// The size of the open batch, in units of its memory estimate.
#[derive(Debug, Default)]
struct BatchSize {
    messages: usize,
    readings: usize,
    tickets: usize,
    numbers: usize,
}

/// A publish with the circumstances of its arrival.
struct Arrived<'a> {
    publish: Publish<'a>,
    arrival: Arrival,
    now_ms: i64,
}

/// The outcome of adding a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddOutcome {
    Added,
    /// The sender may not publish on this topic: nothing is stored, and no acknowledgement is owed.
    NotPermitted,
}

impl BatchSize {
    fn bytes(&self) -> usize {
        self.readings * HELD_READING_BYTES
            + self.messages * size_of::<Ack>()
            + self.numbers * HELD_NUMBER_BYTES
            + self.tickets * HELD_TICKET_BYTES
    }
}

impl GatewayTable {
    /// Returns the index of the gateway `origin`, and adds it if it is unknown.
    fn index(&mut self, origin: &Origin, lateness: &Lateness, metrics: &IngestMetrics) -> usize {
        if let Some(&gateway) = self.by_origin.get(origin) {
            return gateway;
        }
        let gateway = self.batches.len();
        let newest = lateness.of(origin);
        self.batches
            .push(GatewayBatch::new(origin.clone(), newest, metrics));
        self.by_origin.insert(origin.clone(), gateway);
        gateway
    }

    /// Clears the caches if they are full. After sealing nothing refers to a gateway by its index.
    fn clear_if_full(&mut self) {
        if self.batches.len() >= TOPICS_CACHED_MAX || self.topics.is_full() {
            self.topics = TopicCache::default();
            self.by_origin.clear();
            self.batches.clear();
        }
    }

    /// Estimates the memory that stays allocated after sealing.
    fn bytes(&self) -> usize {
        self.batches.len() * HELD_GATEWAY_BYTES
    }
}

impl BatchAccumulator {
    pub(crate) fn new(
        routes: Arc<Routes>,
        metrics: IngestMetrics,
        reservation: Reservation,
    ) -> Self {
        Self {
            client: ClientIdentity::default(),
            routes,
            lateness: Arc::new(Lateness::new(&DecodeSettings::default())),
            metrics,
            gateways: GatewayTable::default(),
            decoded: Decoded::default(),
            open: OpenBatch::default(),
            reservation,
        }
    }

    /// Sets the identity of the sender: it may publish only what its grant covers.
    pub(crate) fn with_client(mut self, client: ClientIdentity) -> Self {
        self.client = client;
        self
    }

    /// Shares the newest instants of gateways with the other accumulators of the process.
    pub(crate) fn with_lateness(mut self, lateness: Arc<Lateness>) -> Self {
        self.lateness = lateness;
        self
    }

    /// Returns true if the sender may subscribe to `filter`.
    pub(crate) fn may_subscribe(&self, filter: &str) -> bool {
        let grant = self.client.grant.as_ref();
        grant.is_none_or(|grant| grant.covers_filter(filter))
    }

    /// Returns true if the sender may publish on `topic`.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.covers(&self.routes.resolve(topic, &self.client.sender).origin)
    }

    /// Returns true if a publish of the sender on `topic` has the same origin as one of the gateway
    /// `of`.
    pub(crate) fn is_of(&self, topic: &str, of: &str) -> bool {
        self.routes.is_of(topic, &self.client.sender, of)
    }

    fn covers(&self, origin: &Origin) -> bool {
        let grant = self.client.grant.as_ref();
        grant.is_none_or(|grant| grant.covers(origin))
    }

    /// Owes a refusal for a publish with the outcome [`AddOutcome::NotPermitted`], after the
    /// acknowledgements of earlier publishes.
    pub(crate) fn refuse(&mut self, qos: u8, packet_id: u16, reason: Reason) {
        if packet_id != 0 {
            self.open.size.messages += 1;
            self.open.acks.owe(Ack {
                qos,
                packet_id,
                refused: Some(reason),
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.size.messages == 0
    }

    /// Returns true if the batch is large enough to append without waiting for the linger.
    pub(crate) fn is_ready(&self) -> bool {
        self.open.size.messages >= BATCH_MESSAGES_READY
            || self.open.size.readings >= BATCH_READINGS_READY
            || self.batch_bytes() >= BATCH_BYTES_READY
    }

    /// Returns true if the batch must be sealed before more publishes are added.
    pub(crate) fn is_full(&self) -> bool {
        let crowded = self.gateways.batches.len() >= TOPICS_CACHED_MAX && !self.is_empty();
        self.open.size.messages >= BATCH_MESSAGES_MAX
            || self.batch_bytes() >= BATCH_BYTES_MAX
            || crowded
    }

    /// Estimates the memory of the batch: columns, dead letters and acknowledgements.
    fn batch_bytes(&self) -> usize {
        self.open.size.bytes() + self.open.dead_letters.bytes()
    }

    /// Updates the reservation in the shared memory budget: once a socket read, not once a message.
    pub(crate) fn update_reservation(&mut self) {
        self.reservation
            .set(self.batch_bytes() + self.gateways.bytes());
    }

    /// Returns true if a decoder is configured for `topic`.
    pub(crate) fn has_decoder(&self, topic: &str) -> bool {
        let route = self.routes.resolve(topic, &self.client.sender);
        route.decoder.is_ok()
    }

    /// Decodes and adds a publish that arrived at `now_ms`. Its retain flag says that a broker had
    /// stored it before we subscribed, or that a client wants a broker to store it.
    pub(crate) fn add(&mut self, publish: Publish<'_>, now_ms: i64) -> AddOutcome {
        let arrival = match publish.retain {
            true => Arrival::Retained,
            false => Arrival::Live,
        };
        self.add_arrived(&Arrived {
            publish,
            arrival,
            now_ms,
        })
    }

    /// Adds a publish that a broker may have kept while we were disconnected, so that its time of
    /// arrival means nothing.
    pub(crate) fn add_queued(&mut self, publish: Publish<'_>, now_ms: i64) -> AddOutcome {
        let arrival = match publish.retain {
            true => Arrival::Retained,
            false => Arrival::Queued,
        };
        self.add_arrived(&Arrived {
            publish,
            arrival,
            now_ms,
        })
    }

    fn add_arrived(&mut self, arrived: &Arrived<'_>) -> AddOutcome {
        let Some(entry) = self.begin(&arrived.publish) else {
            return AddOutcome::NotPermitted;
        };
        match arrived.publish.numbered {
            None => self.add_payload(entry, arrived),
            Some(numbered) => self.add_numbered(numbered, entry, arrived),
        }
        AddOutcome::Added
    }

    /// Adds a publish and records its number, unless the topic does not identify the gateway.
    fn add_numbered(&mut self, numbered: Numbered, entry: TopicEntry, arrived: &Arrived<'_>) {
        let gateway = entry.gateway;
        if self.gateways.batches[gateway].origin.is_unknown() {
            return self.add_payload(entry, arrived);
        }
        self.open.size.numbers += 1;
        self.gateways.batches[gateway].begin_message(numbered, &mut self.open.records);
        let dead_letters = self.open.dead_letters.len();
        self.add_payload(entry, arrived);
        self.open.dead_letters.number(dead_letters, numbered);
        self.gateways.batches[gateway].end_message(&mut self.open.records);
    }

    fn add_payload(&mut self, entry: TopicEntry, arrived: &Arrived<'_>) {
        let (publish, now_ms) = (&arrived.publish, arrived.now_ms);
        if publish.payload.len() > PACKET_BYTES_MAX {
            // The listener stops such a packet before; a broker delivers it, and expects an
            // acknowledgement.
            return self.write_oversized(entry.gateway, publish, publish.payload.len(), now_ms);
        }
        let gateway = &mut self.gateways.batches[entry.gateway];
        match entry.decoder {
            Ok(decoder) => {
                gateway.series.make_room();
                let decoded = &mut self.decoded;
                let replayed = publish.replay || self.client.sender.replays();
                let floors = self.lateness.floors(&gateway.newest, replayed);
                let timing = Timing::live(now_ms, &decoder.stamps);
                let timing = timing.of(arrived.arrival, floors.taken_ms);
                decode::decode(
                    &decoder,
                    publish.payload,
                    &mut gateway.series,
                    &timing,
                    decoded,
                );
                self.open.size.readings += decoded.readings.len();
                self.open.size.tickets += decoded.tickets.len();
                gateway.add(decoded, floors, now_ms, &mut self.open.records);
                let refusals = &decoded.refusals;
                gateway.dead_lettered += refusals.readings();
                if !refusals.is_empty() {
                    let from = &gateway.origin;
                    self.open
                        .dead_letters
                        .refused(from, publish, refusals, now_ms);
                }
                self.open.publishes.ignored += decoded.ignored;
                self.open.publishes.missing += decoded.missing;
                self.open
                    .rebirth_requests
                    .append(&mut decoded.rebirth_requests);
                decoded.clear();
            }
            Err(fault) => {
                gateway.dead_lettered += 1;
                self.open
                    .dead_letters
                    .whole(&gateway.origin, publish, &fault, now_ms);
            }
        }
    }

    /// Removes and returns the topics of pending Sparkplug rebirth requests; a front end that
    /// cannot publish drops them.
    pub(crate) fn take_rebirth_requests(&mut self) -> Vec<String> {
        mem::take(&mut self.open.rebirth_requests)
    }

    /// Adds a dead letter for a packet of `size` bytes, too large to read; `publish` contains its
    /// start.
    pub(crate) fn add_oversized(
        &mut self,
        publish: Publish<'_>,
        size: usize,
        now_ms: i64,
    ) -> AddOutcome {
        let Some(entry) = self.begin(&publish) else {
            return AddOutcome::NotPermitted;
        };
        self.write_oversized(entry.gateway, &publish, size, now_ms);
        AddOutcome::Added
    }

    fn write_oversized(&mut self, gateway: usize, publish: &Publish<'_>, size: usize, now_ms: i64) {
        let gateway = &mut self.gateways.batches[gateway];
        gateway.dead_lettered += 1;
        self.open
            .dead_letters
            .oversized(&gateway.origin, publish, size, now_ms);
    }

    /// Resolves the topic of a publish, counts the publish and notes the acknowledgement owed for
    /// it. Does nothing if the sender may not publish on the topic.
    fn begin(&mut self, publish: &Publish<'_>) -> Option<TopicEntry> {
        let entry = match self.gateways.topics.find(publish.topic) {
            Some(entry) => entry,
            None => self.resolve(publish)?,
        };
        self.open.size.messages += 1;
        self.open.publishes.add(publish);
        if publish.packet_id != 0 {
            self.open.acks.owe(Ack {
                qos: publish.qos,
                packet_id: publish.packet_id,
                refused: None,
            });
        }
        if !self.gateways.batches[entry.gateway].is_active() {
            self.gateways.active.push(entry.gateway);
        }
        Some(entry)
    }

    fn resolve(&mut self, publish: &Publish<'_>) -> Option<TopicEntry> {
        let topic = publish.topic;
        let route = self.routes.resolve(topic, &self.client.sender);
        if !self.covers(&route.origin) {
            return None;
        }
        let gateway = self
            .gateways
            .index(&route.origin, &self.lateness, &self.metrics);
        let decoder = route.decoder.map_err(Arc::from);
        if publish.replay && self.routes.is_claimed(topic) {
            // A replay of a client's messages comes from another client, and does not take over its
            // claim.
            return Some(TopicEntry { gateway, decoder });
        }
        if let Err(fault) = self.routes.claim(topic, &self.client.sender) {
            // Not cached, because the client that holds the claim may disconnect.
            let decoder = Err(Arc::new(fault));
            return Some(TopicEntry { gateway, decoder });
        }
        let entry = TopicEntry { gateway, decoder };
        self.gateways.topics.insert(topic, &entry);
        Some(entry)
    }

    /// Turns all publishes added so far into records.
    pub(crate) fn seal(&mut self) -> PendingAppend {
        self.reservation.set(self.batch_bytes());
        let sealed = self.reservation.take();
        let mut tallies = Vec::with_capacity(self.gateways.active.len());
        let mut numbered = Vec::new();
        for index in self.gateways.active.drain(..) {
            let gateway = &mut self.gateways.batches[index];
            gateway.finish(&mut self.open.records);
            let epochs = gateway.take_finished_numbers();
            if !epochs.is_empty() {
                numbered.push(StoredNumbers {
                    origin: gateway.origin.clone(),
                    epochs,
                });
            }
            tallies.push(Tally {
                counters: gateway.counters.clone(),
                accepted: mem::take(&mut gateway.accepted),
                late: mem::take(&mut gateway.late),
                dead_lettered: mem::take(&mut gateway.dead_lettered),
            });
        }
        self.gateways.clear_if_full();
        self.reservation.set(self.gateways.bytes());
        self.open.rebirth_requests.clear();
        self.open.size = BatchSize::default();
        let readings = mem::take(&mut self.open.records);
        let (dead_letters, dead_letter_counts) = self.open.dead_letters.take();
        let acks = self.open.acks.take();
        PendingAppend {
            readings,
            dead_letters,
            dead_letter_counts,
            acks,
            tallies,
            messages: mem::take(&mut self.open.publishes),
            numbered,
            held: sealed,
        }
    }

    /// Drops the batch; it is neither appended nor acknowledged.
    pub(crate) fn discard(&mut self) {
        drop(self.seal());
    }
}
