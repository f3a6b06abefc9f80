//! A permitted request in the access log: its attempt, what left, and its outcome.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use greenpark_archive::access_log::{AccessEvent, AccessRecord};

use super::{caller::Caller, log::AccessLog, methods::Method};
use crate::error::QueryError;

/// The decision about a request that nobody waited for any more.
const CANCELLED: &str = "cancelled";

/// A permitted request. Its outcome is noted when it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The log, and what all records of the request have; `None` if no log is kept.
    kept: Option<(Arc<AccessLog>, AccessRecord)>,
    /// True if the request must not be answered unless it is recorded.
    is_guarded: bool,
    scope_asked: OnceLock<Arc<str>>,
    decision: OnceLock<&'static str>,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Entry {
    /// A request of `caller` from the network address `source`, permitted by the reference table at `version`.
    pub(crate) fn new(
        log: Option<&Arc<AccessLog>>,
        method: Method,
        (caller, source): (&Caller, Arc<str>),
        version: Option<i64>,
    ) -> Self {
        let kept = log.map(|log| {
            let head = AccessRecord {
                request_id: log.request_id(),
                caller: Arc::clone(&caller.identity.caller),
                source,
                method: method.name.into(),
                determined_by: caller.determined_by(method.right).into(),
                versions: version
                    .map_or_else(String::new, |version| format!("reference:{version}"))
                    .into(),
                ..AccessRecord::new(log.now(), AccessEvent::Attempt)
            };
            (Arc::clone(log), head)
        });
        Self {
            kept,
            is_guarded: method.is_guarded(),
            scope_asked: OnceLock::new(),
            decision: OnceLock::new(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Records that the request is about to be answered.
    ///
    /// # Errors
    /// [`QueryError::Unrecorded`] if it must be recorded first and cannot.
    pub(crate) async fn attempt(
        &self,
        scope_asked: impl FnOnce() -> String,
    ) -> Result<(), QueryError> {
        let Some((log, head)) = &self.kept else {
            return Ok(());
        };
        let scope_asked: Arc<str> = scope_asked().into();
        let record = AccessRecord {
            scope_asked: Arc::clone(&scope_asked),
            decision: "permitted".into(),
            ..head.clone()
        };
        // A request is attempted once.
        let _ = self.scope_asked.set(scope_asked);
        if self.is_guarded {
            return log.write_now(record).await;
        }
        log.note(record);
        Ok(())
    }

    /// Counts what is sent.
    pub(crate) fn sent(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records, durably, that an extract with this digest is about to leave.
    ///
    /// # Errors
    /// [`QueryError::Unrecorded`] if that cannot be recorded.
    pub(crate) async fn extracted(&self, sha256: &str) -> Result<(), QueryError> {
        let Some((log, head)) = &self.kept else {
            return Ok(());
        };
        let record = AccessRecord {
            event: AccessEvent::Extract,
            decision: "ok".into(),
            extract_sha256: Some(sha256.into()),
            ..self.so_far(log, head)
        };
        log.write_now(record).await
    }

    /// Sets the outcome, a gRPC code.
    pub(crate) fn end(&self, code: &'static str) {
        // The first outcome is the one that the client saw.
        let _ = self.decision.set(code);
    }

    /// The outcome so far.
    fn so_far(&self, log: &AccessLog, head: &AccessRecord) -> AccessRecord {
        let some = |number: &AtomicU64| Some(number.load(Ordering::Relaxed)).filter(|n| *n > 0);
        AccessRecord {
            at: log.now(),
            event: AccessEvent::Outcome,
            scope_asked: self.scope_asked.get().cloned().unwrap_or_else(|| "".into()),
            decision: (*self.decision.get().unwrap_or(&CANCELLED)).into(),
            rows: some(&self.rows),
            bytes: some(&self.bytes),
            ..head.clone()
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some((log, head)) = &self.kept {
            log.note(self.so_far(log, head));
        }
    }
}
