//! The access log: records wait in memory for a few seconds, and are appended to the lake's table in batches.
//!
//! Nothing waits for it, except what must not happen unrecorded: see [`AccessLog::write_now`].

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use greenpark_archive::{
    access_log::{AccessEvent, AccessRecord, AccessTable},
    error::LakePublishError,
};
use greenpark_model::{clock::Clock, day::Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{error::QueryError, metrics::QueryMetrics};

/// How long a record waits at most.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// Records that are written before that time is over.
const WRITE_AT: usize = 1_000;
/// Records that may wait while the table cannot be written; further ones are lost, and counted.
const WAITING_MAX: usize = 10_000;
/// Distinct refusals between two writes; further ones are counted without caller and source. A stranger must not fill
/// the lake.
const REFUSALS_MAX: usize = 1_000;

/// A refused request. Equal ones are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// The caller, if a credential proved it.
    pub(crate) caller: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) method: &'static str,
    /// The gRPC code.
    pub(crate) decision: &'static str,
}

/// Records on their way to the table.
#[derive(Debug, Default)]
struct Waiting {
    records: Vec<AccessRecord>,
    /// With the instant of the first, and their number.
    refused: BTreeMap<Refusal, (Instant, u64)>,
    /// The number of records that ever waited.
    noted: u64,
    /// The number of records lost since the last write, and the instant of the first.
    lost: Option<(Instant, u64)>,
}

/// Records that are appended together.
#[derive(Debug)]
struct Batch {
    records: Vec<AccessRecord>,
    /// The number of records that ever waited, up to the last of these.
    upto: u64,
}

/// How far the table was written.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    upto: u64,
    failures: u64,
}

/// The access log of this process.
#[derive(Debug)]
pub(crate) struct AccessLog {
    waiting: Mutex<Waiting>,
    wake: Notify,
    written: watch::Sender<Written>,
    clock: Clock,
    metrics: QueryMetrics,
    /// Begins the ids of the requests, so that those of two processes differ.
    process: String,
    requests: AtomicU64,
}

impl AccessLog {
    pub(crate) fn new(clock: Clock, metrics: QueryMetrics) -> Self {
        let process = format!("{:x}-{:x}", clock.now().millis(), std::process::id());
        Self {
            waiting: Mutex::default(),
            wake: Notify::new(),
            written: watch::Sender::default(),
            clock,
            metrics,
            process,
            requests: AtomicU64::new(1),
        }
    }

    /// An id for a request.
    pub(crate) fn request_id(&self) -> Arc<str> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:x}", self.process).into()
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Notes a record, which is written within a few seconds. Returns its number; `None` if it is lost.
    pub(crate) fn note(&self, record: AccessRecord) -> Option<u64> {
        let mut waiting = self.waiting();
        if waiting.records.len() >= WAITING_MAX {
            let lost = waiting.lost.get_or_insert((record.at, 0));
            lost.1 += 1;
            self.metrics.access_lost.inc();
            return None;
        }
        waiting.records.push(record);
        waiting.noted += 1;
        if waiting.records.len() == WRITE_AT {
            self.wake.notify_one();
        }
        Some(waiting.noted)
    }

    /// Notes a record, and waits until it is durable.
    ///
    /// # Errors
    /// [`QueryError::Unrecorded`] if it cannot be written now. It may be written later.
    pub(crate) async fn write_now(&self, record: AccessRecord) -> Result<(), QueryError> {
        let mut written = self.written.subscribe();
        let failures = written.borrow_and_update().failures;
        let number = self.note(record).ok_or(QueryError::Unrecorded)?;
        self.wake.notify_one();
        let reached = written
            .wait_for(|now| now.upto >= number || now.failures > failures)
            .await;
        match reached.is_ok_and(|now| now.upto >= number) {
            true => Ok(()),
            false => Err(QueryError::Unrecorded),
        }
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, refusal: Refusal) {
        let mut waiting = self.waiting();
        let refusal = match waiting.refused.len() < REFUSALS_MAX {
            true => refusal,
            false => Refusal {
                caller: "".into(),
                source: "".into(),
                ..refusal
            },
        };
        let known = waiting.refused.entry(refusal);
        known.or_insert_with(|| (self.clock.now(), 0)).1 += 1;
    }

    /// Writes to `table` until `stop`, and then what still waits.
    pub(crate) async fn run(&self, mut table: AccessTable, stop: CancellationToken) {
        let mut unwritten = None;
        let mut is_failing = false;
        loop {
            let is_last = tokio::select! {
                () = stop.cancelled() => true,
                () = self.wake.notified() => false,
                () = tokio::time::sleep(WRITE_EVERY) => false,
            };
            let failed = self.write(&mut table, &mut unwritten).await.err();
            match (
                &failed,
                std::mem::replace(&mut is_failing, failed.is_some()),
            ) {
                (Some(error), false) => {
                    let error = error as &dyn std::error::Error;
                    warn!(
                        error,
                        "the access log cannot be written; extracts and changes of grants are refused until it can"
                    );
                }
                (None, true) => info!("the access log is written again"),
                _ => {}
            }
            if is_last {
                return;
            }
        }
    }

    /// Appends `unwritten`, which may have landed and must be the same batch not to be doubled, and then what waits.
    /// What comes meanwhile waits for the next time: a commit for each few records would cost more than the questions.
    async fn write(
        &self,
        table: &mut AccessTable,
        unwritten: &mut Option<Batch>,
    ) -> Result<(), LakePublishError> {
        if let Some(batch) = unwritten.take() {
            self.append(table, batch, unwritten).await?;
        }
        match self.take() {
            Some(batch) => self.append(table, batch, unwritten).await,
            None => Ok(()),
        }
    }

    /// Appends a batch, or keeps it in `unwritten`.
    async fn append(
        &self,
        table: &mut AccessTable,
        batch: Batch,
        unwritten: &mut Option<Batch>,
    ) -> Result<(), LakePublishError> {
        if let Err(error) = table.append(&batch.records).await {
            *unwritten = Some(batch);
            self.written.send_modify(|written| written.failures += 1);
            return Err(error);
        }
        self.metrics
            .access_records
            .inc_by(batch.records.len() as u64);
        self.written
            .send_modify(|written| written.upto = batch.upto);
        Ok(())
    }

    fn take(&self) -> Option<Batch> {
        let mut waiting = self.waiting();
        let mut records = std::mem::take(&mut waiting.records);
        let refused = std::mem::take(&mut waiting.refused);
        let refused = refused
            .into_iter()
            .map(|(refusal, (at, requests))| AccessRecord {
                caller: refusal.caller,
                source: refusal.source,
                method: refusal.method.into(),
                decision: refusal.decision.into(),
                requests,
                ..AccessRecord::new(at, AccessEvent::Refused)
            });
        records.extend(refused);
        records.extend(waiting.lost.take().map(|(at, requests)| AccessRecord {
            requests,
            ..AccessRecord::new(at, AccessEvent::Lost)
        }));
        let upto = waiting.noted;
        (!records.is_empty()).then_some(Batch { records, upto })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
