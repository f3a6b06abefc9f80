//! How much may be under way at once, in bytes.
//!
//! A call that fits enters at once, in the order of the calls; one that does not waits its turn, and
//! while one waits nobody overtakes it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use greenpark_model::limits::RECORD_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::AppendError, record::Record};

/// What a record costs beside its payload: ids, headers and bookkeeping, roughly.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// The bytes that `records` take while they are under way.
pub(crate) fn weigh(records: &[Record]) -> Result<usize, AppendError> {
    let mut bytes = 0;
    for record in records {
        let payload = record.payload.len();
        if payload > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: payload });
        }
        bytes += payload + RECORD_OVERHEAD_BYTES;
    }
    Ok(bytes)
}

/// A bound on what is under way.
#[derive(Debug)]
pub(crate) struct Window {
    permits: Arc<Semaphore>,
    capacity: u32,
    waiting: AtomicUsize,
}

/// Bytes that are under way until this is dropped.
pub(crate) type Held = OwnedSemaphorePermit;

impl Window {
    pub(crate) fn new(bytes: usize) -> Self {
        let capacity = u32::try_from(bytes.max(1)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(capacity as usize));
        Self {
            permits,
            capacity,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Enters at once if there is room and nobody waits.
    pub(crate) fn try_enter(&self, bytes: usize) -> Option<Held> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        Arc::clone(&self.permits)
            .try_acquire_many_owned(self.clamp(bytes))
            .ok()
    }

    /// Takes a place among those who wait; resolves in the order of the first polls.
    pub(crate) fn queue(&self, bytes: usize) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting {
            window: self,
            bytes,
        }
    }

    /// A call larger than the window takes all of it.
    fn clamp(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity)
    }
}

/// A place among those who wait.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    window: &'a Window,
    bytes: usize,
}

impl Waiting<'_> {
    pub(crate) async fn enter(self) -> Result<Held, AppendError> {
        let bytes = self.window.clamp(self.bytes);
        Arc::clone(&self.window.permits)
            .acquire_many_owned(bytes)
            .await
            .map_err(|_closed| AppendError::Closed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.window.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn nobody_overtakes_a_call_that_waits() {
        let window = Window::new(10);
        let first = window.try_enter(8).expect("there is room");
        let waiting = window.queue(5);
        assert!(
            window.try_enter(1).is_none(),
            "a small call overtook one that waits"
        );
        let mut entering = Box::pin(waiting.enter());
        assert!(entering.as_mut().now_or_never().is_none());
        drop(first);
        assert!(entering.now_or_never().expect("there is room now").is_ok());
    }

    #[test]
    fn a_call_larger_than_the_window_takes_all_of_it() {
        let window = Window::new(10);
        let held = window
            .try_enter(1_000)
            .expect("an empty window takes any call");
        assert!(window.try_enter(1).is_none());
        drop(held);
        assert!(window.try_enter(1).is_some());
    }
}
