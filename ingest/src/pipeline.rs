//! The way from a sealed gather to its acknowledgements, which both front ends share.

use std::{fmt, sync::Arc};

use futures::future::{BoxFuture, FutureExt};
use greenpark_log::{self as log, AppendError, LogWriter};

use crate::{
    acks::Released,
    gather::{Gather, Sealed, Tally},
    held::{Held, Pool},
    limits::UNFINISHED_PART,
    measured_log::MeasuredLog,
    metrics::Metrics,
    newest::Lateness,
    receipts::Receipts,
    settings::{DecodeSettings, MemorySettings},
    topic::Routes,
};

/// Gives the time, in UTC milliseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What the front ends put their publishes into. Clones share it.
#[derive(Clone)]
pub struct Pipeline {
    writer: LogWriter,
    clock: Clock,
    metrics: Metrics,
    routes: Arc<Routes>,
    lateness: Arc<Lateness>,
    held: Arc<Pool>,
    unfinished: Arc<Pool>,
    receipts: Receipts,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

/// A gather on its way into the log.
pub(crate) type Append = BoxFuture<'static, Result<Released, AppendError>>;

impl Pipeline {
    /// A pipeline that reads payloads as `decode` says (checked before) and appends with `writer`.
    #[must_use]
    pub fn new(decode: &DecodeSettings, writer: LogWriter, clock: Clock, metrics: Metrics) -> Self {
        let routes = Arc::new(Routes::new(decode));
        let receipts = Receipts::new(clock());
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
            held: Arc::new(Pool::new(held_bytes)),
            unfinished: Arc::new(Pool::new(held_bytes / UNFINISHED_PART)),
            receipts,
        }
    }

    /// What gateways are told of the messages that they number.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn gather(&self) -> Gather {
        let held = Held::new(Arc::clone(&self.held));
        Gather::new(Arc::clone(&self.routes), self.metrics.clone(), held)
            .with_lateness(Arc::clone(&self.lateness))
    }

    /// Whether all connections together hold as much as they should.
    pub(crate) fn is_full(&self) -> bool {
        self.held.is_full()
    }

    /// The same pipeline, before anybody uses it, with another bound on the bytes of readings that wait for
    /// the log, for all connections together ([`MemorySettings::held_bytes`]). A connection that waits reads
    /// no further from there on; each may hold a little beyond it, the gather that is under way and what
    /// one read brings.
    #[must_use]
    pub fn with_held_bytes_max(mut self, bytes_max: usize) -> Self {
        self.held = Arc::new(Pool::new(bytes_max));
        self.unfinished = Arc::new(Pool::new(bytes_max / UNFINISHED_PART));
        self
    }

    /// What a connection's packets that are not whole yet are counted with.
    pub(crate) fn unfinished(&self) -> Held {
        Held::new(Arc::clone(&self.unfinished))
    }

    /// What all connections together hold.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// What all connections together keep of packets that are not whole.
    #[cfg(test)]
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.unfinished.bytes()
    }

    /// Appends a gather; its acknowledgements come out when all of it is in the log.
    pub(crate) fn append(&self, sealed: Sealed) -> Append {
        let Sealed {
            readings,
            letters,
            letter_counts,
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
            .dead_letters(letters);
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
            metrics.count_letters(&letter_counts);
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
