//! The counters of ingest: received = accepted + dead-lettered, by enterprise.
//!
//! They are incremented once per batch, when its receipts are there, so the equation holds at any
//! time. Messages of a failed append are sent again, and counted then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use greenpark_model::{id::EnterpriseId, letter::LetterCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

use crate::{auth::Refusal, limits::ENTERPRISES_COUNTED_MAX};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Enterprise {
    enterprise: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    qos: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    reason: Closed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Letter {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: Refusal,
}

/// The reason why a connection of the listener ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Closed {
    Client,
    ConnectionLost,
    KeepAlive,
    TakenOver,
    LogFailed,
    PacketTooLarge,
    PacketStalled,
    Crowded,
    Protocol,
    Refused,
    Shutdown,
    Unauthorized,
    WriteStalled,
}

/// The counters of one enterprise.
#[derive(Debug, Clone, Default)]
pub(crate) struct EnterpriseCounters {
    pub(crate) received: Counter,
    pub(crate) accepted: Counter,
    pub(crate) late: Counter,
    pub(crate) dead_lettered: Counter,
}

/// Upper bounds of the histogram buckets of an append, in seconds: from one fsync to a log that is
/// nearly unavailable.
const APPEND_SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// The duration of appends, which acknowledgements wait for.
#[derive(Debug, Clone)]
pub(crate) struct AppendSeconds(Histogram);

impl Default for AppendSeconds {
    fn default() -> Self {
        Self(Histogram::new(APPEND_SECONDS))
    }
}

impl AppendSeconds {
    /// Records an append that began at `began`.
    pub(crate) fn end(&self, began: Instant) {
        self.0.observe(began.elapsed().as_secs_f64());
    }
}

/// The metrics of ingest. Clones share their counters.
#[derive(Debug, Clone, Default)]
pub struct IngestMetrics {
    received: Family<Enterprise, Counter>,
    accepted: Family<Enterprise, Counter>,
    late: Family<Enterprise, Counter>,
    dead_lettered: Family<Enterprise, Counter>,
    dead_letters: Family<Letter, Counter>,
    messages: Family<Delivery, Counter>,
    closed: Family<Ending, Counter>,
    refused: Family<Refused, Counter>,
    enterprises: Arc<Mutex<HashMap<String, EnterpriseCounters>>>,
    pub(crate) connections: Gauge,
    pub(crate) connections_opened: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) appends: Counter,
    pub(crate) append_failures: Counter,
    pub(crate) append_seconds: AppendSeconds,
    pub(crate) payload_bytes: Counter,
    pub(crate) record_bytes: Counter,
    pub(crate) reconnects: Counter,
    pub(crate) dropped_qos0: Counter,
    pub(crate) fields_ignored: Counter,
    pub(crate) fields_missing: Counter,
    pub(crate) rebirths_asked: Counter,
}

impl IngestMetrics {
    /// Creates counters and registers them in `registry`, with names that begin with
    /// `greenpark_ingest_`.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let m = &metrics;
        let to = registry.sub_registry_with_prefix("greenpark_ingest");
        to.register(
            "readings_received",
            "Readings and undecodable payloads received",
            m.received.clone(),
        );
        to.register(
            "readings_accepted",
            "Readings appended to the log",
            m.accepted.clone(),
        );
        to.register(
            "readings_late",
            "Readings accepted though far behind the newest one of their gateway",
            m.late.clone(),
        );
        to.register(
            "readings_dead_lettered",
            "Readings and undecodable payloads appended as dead letters",
            m.dead_lettered.clone(),
        );
        to.register(
            "dead_letters",
            "Dead letters appended, by reason",
            m.dead_letters.clone(),
        );
        metrics.register_traffic(to);
        metrics.register_dialects(to);
        metrics
    }

    fn register_traffic(&self, to: &mut Registry) {
        let m = self;
        to.register(
            "messages",
            "PUBLISH packets taken, by quality of service",
            m.messages.clone(),
        );
        to.register(
            "connections_closed",
            "Connections that ended, by reason",
            m.closed.clone(),
        );
        to.register(
            "refused",
            "Clients, publishes and subscriptions refused for who they are, by reason",
            m.refused.clone(),
        );
        to.register(
            "connections",
            "Gateways connected to the listener",
            m.connections.clone(),
        );
        to.register(
            "connections_opened",
            "CONNECT packets accepted",
            m.connections_opened.clone(),
        );
        to.register(
            "takeovers",
            "Connections closed by another of the same client id",
            m.takeovers.clone(),
        );
        to.register(
            "appends",
            "Appends to the log that brought a receipt",
            m.appends.clone(),
        );
        to.register(
            "append_seconds",
            "How long an append to the log took, which acknowledgements wait for",
            m.append_seconds.0.clone(),
        );
        to.register(
            "append_failures",
            "Appends to the log that failed",
            m.append_failures.clone(),
        );
        to.register(
            "payload_bytes",
            "Bytes of payload taken",
            m.payload_bytes.clone(),
        );
        to.register(
            "record_bytes",
            "Bytes of records appended",
            m.record_bytes.clone(),
        );
        to.register(
            "reconnects",
            "Sessions at the broker that had to be opened again",
            m.reconnects.clone(),
        );
        to.register(
            "dropped_qos0",
            "QoS 0 messages dropped because the log is slow",
            m.dropped_qos0.clone(),
        );
    }

    fn register_dialects(&self, to: &mut Registry) {
        let m = self;
        to.register(
            "fields_ignored",
            "Fields of foreign payloads that no map names, where the rule ignores them",
            m.fields_ignored.clone(),
        );
        to.register(
            "fields_missing",
            "Fields of foreign payloads that came without a value",
            m.fields_missing.clone(),
        );
        to.register(
            "rebirths_asked",
            "Sparkplug nodes asked for their births",
            m.rebirths_asked.clone(),
        );
    }

    /// Returns the readings and undecodable payloads received so far, of all enterprises.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.total(|counters| &counters.received)
    }

    /// Returns the readings accepted so far, of all enterprises.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.total(|counters| &counters.accepted)
    }

    /// Returns the late readings accepted so far, of all enterprises.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.total(|counters| &counters.late)
    }

    /// Returns the readings dead-lettered so far, of all enterprises; a dead letter for several
    /// readings counts all of them.
    #[must_use]
    pub fn dead_lettered(&self) -> u64 {
        self.total(|counters| &counters.dead_lettered)
    }

    /// Returns the messages received so far with this quality of service.
    #[must_use]
    pub fn messages(&self, qos: u8) -> u64 {
        self.of_qos(qos).get()
    }

    pub(crate) fn of_qos(&self, qos: u8) -> Counter {
        self.messages
            .get_or_create(&Delivery {
                qos: u32::from(qos),
            })
            .clone()
    }

    /// Counts the dead letters of a batch, once they are in the log.
    pub(crate) fn count_dead_letters(&self, counts: &[(LetterCode, u64)]) {
        for &(code, count) in counts {
            self.dead_letters_of(code).inc_by(count);
        }
    }

    /// Returns the dead letters of `code` so far.
    #[must_use]
    pub fn dead_letters(&self, code: LetterCode) -> u64 {
        self.dead_letters_of(code).get()
    }

    fn dead_letters_of(&self, code: LetterCode) -> Counter {
        let reason = code.as_str();
        self.dead_letters.get_or_create(&Letter { reason }).clone()
    }

    pub(crate) fn count_closed(&self, reason: Closed) {
        self.closed.get_or_create(&Ending { reason }).inc();
    }

    pub(crate) fn count_refused(&self, reason: Refusal) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    /// Returns the refusals for `reason`.
    #[cfg(test)]
    pub(crate) fn refused(&self, reason: Refusal) -> u64 {
        self.refused.get_or_create(&Refused { reason }).get()
    }

    /// Returns the connections that ended for `reason`.
    #[cfg(test)]
    pub(crate) fn closed(&self, reason: Closed) -> u64 {
        self.closed.get_or_create(&Ending { reason }).get()
    }

    /// Returns the counters of `enterprise`, or the shared ones once there are too many
    /// enterprises.
    pub(crate) fn of_enterprise(&self, enterprise: &EnterpriseId) -> EnterpriseCounters {
        let mut known = self
            .enterprises
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(enterprise.as_str()) {
            return counters.clone();
        }
        let full = known.len() >= ENTERPRISES_COUNTED_MAX;
        let name = if full { "_other" } else { enterprise.as_str() };
        let label = Enterprise {
            enterprise: name.to_owned(),
        };
        let counters = EnterpriseCounters {
            received: self.received.get_or_create(&label).clone(),
            accepted: self.accepted.get_or_create(&label).clone(),
            late: self.late.get_or_create(&label).clone(),
            dead_lettered: self.dead_lettered.get_or_create(&label).clone(),
        };
        known
            .entry(name.to_owned())
            .or_insert_with(|| counters.clone());
        counters
    }

    fn total(&self, of: impl Fn(&EnterpriseCounters) -> &Counter) -> u64 {
        let known = self
            .enterprises
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.values().map(|counters| of(counters).get()).sum()
    }
}
