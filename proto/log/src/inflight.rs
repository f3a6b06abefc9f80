//! A bound on the bytes of appends under way.
//!
//! An append that fits enters at once, in the order of the calls; one that does not waits its turn, and
//! while one waits none overtakes it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use greenpark_model::limits::RECORD_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::AppendError, record::Record};

/// The estimated cost of a record beside its payload: ids, headers and bookkeeping.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// Returns the bytes that `records` occupy while they are under way.
///
/// # Errors
/// [`AppendError::TooLarge`]: a record is larger than any log takes.
pub fn weigh(records: &[Record]) -> Result<usize, AppendError> {
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

/// Bounds the bytes under way.
#[derive(Debug)]
pub struct Window {
    permits: Arc<Semaphore>,
    capacity: u32,
    waiting: AtomicUsize,
}

/// Keeps bytes occupied until it is dropped.
pub type Held = OwnedSemaphorePermit;

impl Window {
    /// A window of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let capacity = u32::try_from(bytes.max(1)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(capacity as usize));
        Self {
            permits,
            capacity,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Enters at once if there is room and no call waits.
    pub fn try_enter(&self, bytes: usize) -> Option<Held> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        Arc::clone(&self.permits)
            .try_acquire_many_owned(self.clamp(bytes))
            .ok()
    }

    /// Queues a call behind those that wait; calls enter in the order of their first polls.
    pub fn queue(&self, bytes: usize) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting {
            window: self,
            bytes,
        }
    }

    /// A call larger than the window occupies all of it.
    fn clamp(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity)
    }
}

/// A call that waits.
#[derive(Debug)]
pub struct Waiting<'a> {
    window: &'a Window,
    bytes: usize,
}

impl Waiting<'_> {
    /// Waits until there is room.
    ///
    /// # Errors
    /// [`AppendError::Closed`]: the log is shutting down.
    pub async fn enter(self) -> Result<Held, AppendError> {
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
    fn no_call_overtakes_one_that_waits() {
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
    fn a_call_larger_than_the_window_occupies_all_of_it() {
        let window = Window::new(10);
        let held = window
            .try_enter(1_000)
            .expect("an empty window takes any call");
        assert!(window.try_enter(1).is_none());
        drop(held);
        assert!(window.try_enter(1).is_some());
    }
}
