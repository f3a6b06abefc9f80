//! The path from a sealed batch to its acknowledgements, which both front ends share.

use std::{fmt, sync::Arc};

use futures::future::{BoxFuture, FutureExt};
use greenpark_log::{self as log, AppendError, LogWriter};
use greenpark_model::clock::Clock;

use crate::{
    acks::Released,
    batch::{BatchAccumulator, PendingAppend, Tally},
    limits::UNFINISHED_PART,
    measured_log::MeasuredLog,
    memory_budget::{MemoryBudget, Reservation},
    metrics::IngestMetrics,
    newest::Lateness,
    receipts::Receipts,
    routing::Routes,
    settings::{DecodeSettings, MemorySettings},
};

/// The shared part of both front ends: routes, memory budgets and the log's writer. Clones share
/// it.
#[derive(Clone)]
pub struct Pipeline {
    writer: LogWriter,
    clock: Clock,
    metrics: IngestMetrics,
    routes: Arc<Routes>,
    lateness: Arc<Lateness>,
    held: Arc<MemoryBudget>,
    unfinished: Arc<MemoryBudget>,
    receipts: Receipts,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

/// An append under way.
pub(crate) type Append = BoxFuture<'static, Result<Released, AppendError>>;

impl Pipeline {
    /// Creates a pipeline that decodes payloads according to `decode` (checked before) and appends
    /// with `writer`.
    #[must_use]
    pub fn new(
        decode: &DecodeSettings,
        writer: LogWriter,
        clock: Clock,
        metrics: IngestMetrics,
    ) -> Self {
        let routes = Arc::new(Routes::new(decode));
        let receipts = Receipts::new(clock.now().millis());
        let held_bytes = MemorySettings::default().held_bytes();
        let measured = MeasuredLog {
            log: writer,
            metrics: metrics.clone(),
        };
        Self {
            writer: LogWriter::new(Arc::new(measured)),
            clock,
            metrics,
            routes,
            lateness: Arc::new(Lateness::new(decode)),
            held: Arc::new(MemoryBudget::new(held_bytes)),
            unfinished: Arc::new(MemoryBudget::new(held_bytes / UNFINISHED_PART)),
            receipts,
        }
    }

    /// The receipts for gateways that number their messages.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    pub(crate) fn metrics(&self) -> &IngestMetrics {
        &self.metrics
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().millis()
    }

    pub(crate) fn accumulator(&self) -> BatchAccumulator {
        let held = Reservation::new(Arc::clone(&self.held));
        BatchAccumulator::new(Arc::clone(&self.routes), self.metrics.clone(), held)
            .with_lateness(Arc::clone(&self.lateness))
    }

    /// Returns true if all connections together reach the memory bound.
    pub(crate) fn is_full(&self) -> bool {
        self.held.is_full()
    }

    /// Sets the bound on the bytes of readings that wait for the log, for all connections together
    /// ([`MemorySettings::held_bytes`]); call it before the first use. At the bound a connection
    /// with an append under way stops reading; each may exceed the bound a little, by its open
    /// batch and one read.
    #[must_use]
    pub fn with_held_bytes_max(mut self, bytes_max: usize) -> Self {
        self.held = Arc::new(MemoryBudget::new(bytes_max));
        self.unfinished = Arc::new(MemoryBudget::new(bytes_max / UNFINISHED_PART));
        self
    }

    /// Returns a reservation for the incomplete packets of a connection.
    pub(crate) fn unfinished(&self) -> Reservation {
        Reservation::new(Arc::clone(&self.unfinished))
    }

    /// The reserved bytes of all connections.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// The bytes of incomplete packets of all connections.
    #[cfg(test)]
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.unfinished.bytes()
    }

    /// Appends a batch; resolves to its acknowledgements when all of it is in the log.
    pub(crate) fn append(&self, sealed: PendingAppend) -> Append {
        let PendingAppend {
            readings,
            dead_letters,
            dead_letter_counts,
            acks,
            tallies,
            messages,
            numbered,
            held,
        } = sealed;
        for (qos, &count) in (0u8..)
            .zip(&messages.by_qos)
            .filter(|(_, count)| **count > 0)
        {
            self.metrics.of_qos(qos).inc_by(count);
        }
        self.metrics.payload_bytes.inc_by(messages.bytes as u64);
        self.metrics.fields_ignored.inc_by(messages.ignored);
        self.metrics.fields_missing.inc_by(messages.missing);
        let (writer, metrics) = (self.writer.clone(), self.metrics.clone());
        let receipts = (!numbered.is_empty()).then(|| self.receipts.clone());
        let mut append = log::Append::owing(acks)
            .readings(readings)
            .dead_letters(dead_letters);
        if receipts.is_some() {
            append = append.dead_letters_first();
        }
        async move {
            let _held = held;
            let appended = writer.append_all(append).await;
            let receipt = appended.inspect_err(|_| {
                metrics.append_failures.inc();
            })?;
            tallies.iter().for_each(count);
            metrics.count_dead_letters(&dead_letter_counts);
            if let Some(receipts) = receipts {
                receipts.stored(&numbered);
            }
            Ok(Released::by(receipt))
        }
        .boxed()
    }
}

fn count(tally: &Tally) {
    tally
        .counters
        .received
        .inc_by(tally.accepted + tally.dead_lettered);
    tally.counters.accepted.inc_by(tally.accepted);
    tally.counters.late.inc_by(tally.late);
    tally.counters.dead_lettered.inc_by(tally.dead_lettered);
}
