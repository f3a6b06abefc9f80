//! Admits questions: bounds their number, and sets their deadline.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tonic::{Extensions, metadata::MetadataMap};

use super::callers::Permitted;
use crate::{
    access::{entry::Entry, scope::Scope},
    error::QueryError,
    grpc::{asked::Asked, server::Shared},
};

/// An admitted question. It counts against the limit until it is dropped.
pub(crate) struct Admitted {
    pub(crate) permitted: Permitted,
    pub(crate) until: tokio::time::Instant,
    /// True if the books may lack readings that were acknowledged before.
    pub(super) behind: bool,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Admitted {
    /// The names that the caller may read or write.
    pub(crate) fn scope(&self) -> Scope {
        self.permitted.scope.clone()
    }
}

impl Shared {
    /// Records the attempt of a question, and admits it or refuses it. Its deadline is `span`, or the client's own if
    /// that is shorter.
    pub(crate) async fn admit<R: Asked>(
        &self,
        (metadata, extensions): (&MetadataMap, &Extensions),
        message: &R,
        permits: &Arc<Semaphore>,
        (span, reads_books): (Duration, bool),
    ) -> Result<Admitted, QueryError> {
        let permitted = extensions.get::<Permitted>().cloned();
        let permitted = permitted.ok_or(QueryError::Unauthenticated)?;
        let until =
            tokio::time::Instant::now() + span.min(clients_deadline(metadata).unwrap_or(span));
        let attempt = permitted.entry.attempt(|| message.asked());
        match tokio::time::timeout_at(until, attempt).await {
            Ok(recorded) => recorded?,
            Err(_) => return Err(QueryError::Deadline),
        }
        let permit = Arc::clone(permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout_at(until, permit).await else {
            return Err(QueryError::Deadline);
        };
        let fresh = match self.barrier.as_ref().filter(|_| reads_books) {
            Some(barrier) => match tokio::time::timeout_at(until, barrier()).await {
                Ok(fresh) => fresh,
                Err(_) => return Err(QueryError::Deadline),
            },
            None => true,
        };
        // A free permit is granted even if no time is left.
        if until <= tokio::time::Instant::now() {
            return Err(QueryError::Deadline);
        }
        if !fresh {
            self.metrics.behind.inc();
        }
        Ok(Admitted {
            permitted,
            until,
            behind: !fresh,
            _permit: permit,
        })
    }
}

/// The request in the access log.
pub(super) fn entry_of(extensions: &Extensions) -> Option<&Arc<Entry>> {
    let permitted = extensions.get::<Permitted>();
    permitted.map(|permitted| &permitted.entry)
}

/// The client's deadline from the header `grpc-timeout`: up to eight digits and a unit.
fn clients_deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = count.parse().ok().filter(|_| count.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}
