//! What a sender's publishes become between a socket and the log: one record a gateway, and the
//! acknowledgements owed for them.
//!
//! A [`Gather`] is filled by [`Gather::take`] and emptied by [`Gather::seal`]. It outlives its contents:
//! routes, series and columns stay, so that the usual message costs no allocation. Its size is bounded by
//! its owner, who stops taking when [`Gather::is_full`] says so, and tells all others of it with
//! [`Gather::account`].

mod gateway;
mod lanes;
mod letters;
mod message;
mod numbering;
mod record;

use std::{mem, sync::Arc};

use greenpark_log::Record;
use greenpark_model::limits::PACKET_BYTES_MAX;
use rustc_hash::FxHashMap;

use self::{
    gateway::Gateway,
    lanes::{Lane, Lanes},
    letters::Letters,
};
pub(crate) use self::{
    letters::LetterCounts,
    message::{Message, Taken},
};
use crate::{
    acks::{Ack, Acks},
    decode::{self, Decoded, Timing},
    held::Held,
    identity::{Bearer, Grant},
    limits::{
        GATHER_BYTES_MAX, GATHER_BYTES_READY, GATHER_MESSAGES_MAX, GATHER_MESSAGES_READY,
        GATHER_READINGS_READY, HELD_GATEWAY_BYTES, HELD_NUMBER_BYTES, HELD_READING_BYTES,
        HELD_TICKET_BYTES, TOPICS_CACHED_MAX,
    },
    metrics::{EnterpriseCounters, Metrics},
    newest::Lateness,
    receipts::Entered,
    settings::DecodeSettings,
    topic::{Origin, Routes, Sender},
    wire::Reason,
};

/// What a gather became: records for the log, and what their receipts allow.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) readings: Vec<Record>,
    pub(crate) letters: Vec<Record>,
    /// Letters by what they say.
    pub(crate) letter_counts: LetterCounts,
    pub(crate) acks: Acks,
    pub(crate) tallies: Vec<Tally>,
    pub(crate) messages: Messages,
    /// What was numbered; usually nothing.
    pub(crate) numbered: Vec<Entered>,
    /// Counts its memory until it is dropped.
    pub(crate) held: Held,
}

/// What one gateway's part of a gather adds to the metrics.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counters: EnterpriseCounters,
    pub(crate) accepted: u64,
    pub(crate) late: u64,
    pub(crate) dead_lettered: u64,
}

/// Publishes of a gather.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Messages {
    /// By quality of service.
    pub(crate) by_qos: [u64; 3],
    /// Payload and topic bytes.
    pub(crate) bytes: usize,
    /// Fields of foreign payloads that are of no interest.
    pub(crate) ignored: u64,
    /// Fields of foreign payloads that had no value.
    pub(crate) missing: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gather {
    routes: Arc<Routes>,
    /// For whom the sender may publish; anyone, if there is none.
    grant: Option<Arc<Grant>>,
    sender: Arc<Sender>,
    lateness: Arc<Lateness>,
    metrics: Metrics,
    lanes: Lanes,
    gateways: Vec<Gateway>,
    by_origin: FxHashMap<Origin, usize>,
    touched: Vec<usize>,
    decoded: Decoded,
    records: Vec<Record>,
    letters: Letters,
    asks: Vec<String>,
    acks: Acks,
    messages: Messages,
    count: usize,
    readings: usize,
    tickets: usize,
    numbers: usize,
    held: Held,
}

impl Messages {
    fn add(&mut self, message: &Message<'_>) {
        self.by_qos[usize::from(message.qos.min(2))] += 1;
        self.bytes += message.payload.len() + message.topic.len();
    }
}

impl Gather {
    pub(crate) fn new(routes: Arc<Routes>, metrics: Metrics, held: Held) -> Self {
        Self {
            routes,
            grant: None,
            sender: Arc::default(),
            lateness: Arc::new(Lateness::new(&DecodeSettings::default())),
            metrics,
            lanes: Lanes::default(),
            gateways: Vec::new(),
            by_origin: FxHashMap::default(),
            touched: Vec::new(),
            decoded: Decoded::default(),
            records: Vec::new(),
            letters: Letters::default(),
            asks: Vec::new(),
            acks: Acks::default(),
            messages: Messages::default(),
            count: 0,
            readings: 0,
            tickets: 0,
            numbers: 0,
            held,
        }
    }

    /// The same for a sender that is known, and may publish only what its grant covers.
    pub(crate) fn bound_to(mut self, bearer: Bearer) -> Self {
        (self.grant, self.sender) = (bearer.grant, bearer.sender);
        self
    }

    /// The same, judging what is late together with others.
    pub(crate) fn with_lateness(mut self, lateness: Arc<Lateness>) -> Self {
        self.lateness = lateness;
        self
    }

    /// Whether the sender may subscribe to `filter`.
    pub(crate) fn may_subscribe(&self, filter: &str) -> bool {
        let grant = self.grant.as_ref();
        grant.is_none_or(|grant| grant.covers_filter(filter))
    }

    /// Whether the sender may publish on `topic`.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.covers(&self.routes.resolve(topic, &self.sender).origin)
    }

    /// Whether what the sender publishes on `topic` is what the gateway `of` would publish there.
    pub(crate) fn is_of(&self, topic: &str, of: &str) -> bool {
        self.routes.is_of(topic, &self.sender, of)
    }

    fn covers(&self, origin: &Origin) -> bool {
        let grant = self.grant.as_ref();
        grant.is_none_or(|grant| grant.covers(origin))
    }

    /// Owes a refusal for a publish that was [`Taken::Foreign`], behind what is owed for those before it.
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

    /// Whether there is enough to append without waiting for more.
    pub(crate) fn is_ready(&self) -> bool {
        self.count >= GATHER_MESSAGES_READY
            || self.readings >= GATHER_READINGS_READY
            || self.held_bytes() >= GATHER_BYTES_READY
    }

    /// Whether no more should be taken before it is sealed.
    pub(crate) fn is_full(&self) -> bool {
        let crowded = self.gateways.len() >= TOPICS_CACHED_MAX && !self.is_empty();
        self.count >= GATHER_MESSAGES_MAX || self.held_bytes() >= GATHER_BYTES_MAX || crowded
    }

    /// Roughly the memory that it holds: columns, letters and what is owed.
    fn held_bytes(&self) -> usize {
        self.readings * HELD_READING_BYTES
            + self.count * size_of::<Ack>()
            + self.numbers * HELD_NUMBER_BYTES
            + self.tickets * HELD_TICKET_BYTES
            + self.letters.bytes()
    }

    /// Says to all who share the bound what it holds by now: once a read, not once a message.
    pub(crate) fn account(&mut self) {
        self.held.set(self.held_bytes() + self.kept_bytes());
    }

    /// Roughly the memory that stays with the sender when the gather is sealed.
    fn kept_bytes(&self) -> usize {
        self.gateways.len() * HELD_GATEWAY_BYTES
    }

    /// Whether a publish on `topic` would be read by a decoder.
    pub(crate) fn has_decoder(&self, topic: &str) -> bool {
        self.routes.resolve(topic, &self.sender).reader.is_ok()
    }

    /// Takes a publish that came at `now_ms`.
    pub(crate) fn take(&mut self, message: Message<'_>, now_ms: i64) -> Taken {
        let Some(lane) = self.begin(&message) else {
            return Taken::Foreign;
        };
        match message.numbered {
            None => self.take_payload(lane, &message, now_ms),
            Some(numbered) => self.take_numbered(numbered, lane, &message, now_ms),
        }
        Taken::Yes
    }

    fn take_payload(&mut self, lane: Lane, message: &Message<'_>, now_ms: i64) {
        if message.payload.len() > PACKET_BYTES_MAX {
            // The listener stops such a packet; a broker hands it over, and is told that we have it.
            return self.write_oversized(lane.gateway, message, message.payload.len(), now_ms);
        }
        let gateway = &mut self.gateways[lane.gateway];
        match lane.reader {
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
                    self.letters.refused(from, message, refusals, now_ms);
                }
                self.messages.ignored += decoded.ignored;
                self.messages.missing += decoded.missing;
                self.asks.append(&mut decoded.asks);
                decoded.clear();
            }
            Err(fault) => {
                gateway.dead_lettered += 1;
                self.letters.whole(&gateway.origin, message, &fault, now_ms);
            }
        }
    }

    /// Topics on which Sparkplug nodes are to be asked for their births; who cannot ask drops them.
    pub(crate) fn take_asks(&mut self) -> Vec<String> {
        mem::take(&mut self.asks)
    }

    /// Takes a packet of `size` bytes, too many to be read, of which `message` holds the start.
    pub(crate) fn take_oversized(
        &mut self,
        message: Message<'_>,
        size: usize,
        now_ms: i64,
    ) -> Taken {
        let Some(lane) = self.begin(&message) else {
            return Taken::Foreign;
        };
        self.write_oversized(lane.gateway, &message, size, now_ms);
        Taken::Yes
    }

    fn write_oversized(&mut self, gateway: usize, message: &Message<'_>, size: usize, now_ms: i64) {
        let gateway = &mut self.gateways[gateway];
        gateway.dead_lettered += 1;
        self.letters
            .oversized(&gateway.origin, message, size, now_ms);
    }

    /// Finds the lane of a publish, counts it and notes what is owed for it; does none of it if there is no
    /// lane for the sender.
    fn begin(&mut self, message: &Message<'_>) -> Option<Lane> {
        let lane = match self.lanes.find(message.topic) {
            Some(lane) => lane,
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
        if !self.gateways[lane.gateway].is_touched() {
            self.touched.push(lane.gateway);
        }
        Some(lane)
    }

    fn open(&mut self, message: &Message<'_>) -> Option<Lane> {
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
            // Who sends again what a client sent is not that client, and does not take its place.
            return Some(Lane { gateway, reader });
        }
        if let Err(fault) = self.routes.claim(topic, &self.sender) {
            // Not remembered, because the client that holds it may leave.
            let reader = Err(Arc::new(fault));
            return Some(Lane { gateway, reader });
        }
        let lane = Lane { gateway, reader };
        self.lanes.remember(topic, &lane);
        Some(lane)
    }

    /// Turns everything taken so far into records.
    pub(crate) fn seal(&mut self) -> Sealed {
        self.held.set(self.held_bytes());
        let sealed = self.held.take();
        let mut tallies = Vec::with_capacity(self.touched.len());
        let mut numbered = Vec::new();
        for index in self.touched.drain(..) {
            let gateway = &mut self.gateways[index];
            gateway.finish(&mut self.records);
            if !gateway.entered.is_empty() {
                numbered.push(Entered {
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
        self.asks.clear();
        let readings = mem::take(&mut self.records);
        let (letters, letter_counts) = self.letters.take();
        let acks = self.acks.take();
        (self.count, self.readings) = (0, 0);
        (self.tickets, self.numbers) = (0, 0);
        Sealed {
            readings,
            letters,
            letter_counts,
            acks,
            tallies,
            messages: mem::take(&mut self.messages),
            numbered,
            held: sealed,
        }
    }

    /// Forgets what was taken; it is neither appended nor acknowledged.
    pub(crate) fn discard(&mut self) {
        drop(self.seal());
    }

    /// Between gathers nothing refers to a gateway, so the caches may be dropped.
    fn forget_if_crowded(&mut self) {
        if self.gateways.len() >= TOPICS_CACHED_MAX || self.lanes.is_full() {
            self.lanes = Lanes::default();
            self.by_origin.clear();
            self.gateways.clear();
        }
    }
}

#[cfg(test)]
mod tests;
