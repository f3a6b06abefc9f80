//! Read barrier: a query requests that the processor publishes everything in the log, and waits for it.
//!
//! A steady stream is flushed seldom, so that files are few. A query between two flushes must not see less than
//! what gateways have been acknowledged, so it first passes this barrier.

use std::time::Duration;

use greenpark_model::day::Instant;
use tokio::sync::{mpsc, oneshot};

/// Requests in the queue at once; further callers wait until there is room.
const REQUESTS_MAX: usize = 1_024;
/// The shortest time between two flushes that requests cause, so that many queries make few files.
const FLUSH_GAP_MS: i64 = 50;
/// How long the reader may wait for records when a first read has not reached the end of the log.
const END_WAIT: Duration = Duration::from_millis(2);

/// Handle to request that a running processor publishes everything in the log.
#[derive(Debug, Clone)]
pub struct ReadBarrier(mpsc::Sender<oneshot::Sender<()>>);

impl ReadBarrier {
    /// Waits at most `patience` until everything that was in the log at this call is in the books.
    /// Returns true if it is; returns false at once if the processor has stopped.
    pub async fn catch_up(&self, patience: Duration) -> bool {
        let (done, published) = oneshot::channel();
        let answered = async { self.0.send(done).await.is_ok() && published.await.is_ok() };
        tokio::time::timeout(patience, answered)
            .await
            .unwrap_or(false)
    }
}

/// The processor's side: the open requests, and how far the log has been read since each came.
#[derive(Debug)]
pub(crate) struct CatchUpRequests {
    sender: mpsc::Sender<oneshot::Sender<()>>,
    queue: mpsc::Receiver<oneshot::Sender<()>>,
    /// Requests since which the end of the log has not been reached.
    awaiting_read: Vec<oneshot::Sender<()>>,
    /// Requests whose records have been read and are not flushed yet.
    awaiting_flush: Vec<oneshot::Sender<()>>,
    /// The last read did not reach the end of the log.
    short_of_end: bool,
    last_flush: Instant,
}

impl CatchUpRequests {
    pub(crate) fn new(now: Instant) -> Self {
        let (sender, queue) = mpsc::channel(REQUESTS_MAX);
        Self {
            sender,
            queue,
            awaiting_read: Vec::new(),
            awaiting_flush: Vec::new(),
            short_of_end: false,
            last_flush: Instant::from_millis(now.millis() - FLUSH_GAP_MS),
        }
    }

    pub(crate) fn handle(&self) -> ReadBarrier {
        ReadBarrier(self.sender.clone())
    }

    /// Waits for a request, then receives all that are queued.
    pub(crate) async fn receive(&mut self) {
        // The channel never closes, because `self` holds a sender.
        let room = REQUESTS_MAX;
        let _received = self.queue.recv_many(&mut self.awaiting_read, room).await;
        self.short_of_end = false;
    }

    /// Returns how long the reader may wait for records; `None` if no request limits it.
    pub(crate) fn reader_wait(&self, now: Instant) -> Option<Duration> {
        if !self.awaiting_read.is_empty() {
            let first = !self.short_of_end;
            return Some(if first { Duration::ZERO } else { END_WAIT });
        }
        let left = self.last_flush.millis() + FLUSH_GAP_MS - now.millis();
        // OK because `clamp` makes it positive and at most `FLUSH_GAP_MS`.
        (!self.awaiting_flush.is_empty())
            .then(|| Duration::from_millis(left.clamp(1, FLUSH_GAP_MS) as u64))
    }

    /// Notes a read of the log; `caught_up` is true if the read reached the end of the log.
    pub(crate) fn note_read(&mut self, caught_up: bool) {
        if caught_up {
            self.awaiting_flush.append(&mut self.awaiting_read);
        }
        self.short_of_end = !caught_up;
        self.awaiting_flush.retain(|request| !request.is_closed());
        self.awaiting_read.retain(|request| !request.is_closed());
    }

    /// Returns true when a request waits for a flush and the gap since the last flush is over.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.awaiting_flush.is_empty() && now.millis() >= self.last_flush.millis() + FLUSH_GAP_MS
    }

    /// Completes the requests whose records are all in the books.
    pub(crate) fn complete(&mut self) {
        for request in self.awaiting_flush.drain(..) {
            // OK to ignore: a caller that timed out needs no answer.
            let _closed = request.send(());
        }
    }

    /// Notes that a flush published everything at `now`.
    pub(crate) fn note_flush(&mut self, now: Instant) {
        self.last_flush = now;
        self.complete();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of a processor that last flushed at 0, with one that was just received.
    fn one_request() -> (CatchUpRequests, oneshot::Receiver<()>) {
        let mut requests = CatchUpRequests::new(Instant::from_millis(FLUSH_GAP_MS));
        let (done, published) = oneshot::channel();
        requests.awaiting_read.push(done);
        (requests, published)
    }

    #[test]
    fn a_request_is_due_once_the_end_of_the_log_was_read() {
        let (mut requests, _published) = one_request();
        requests.note_read(false);
        assert!(!requests.is_due(Instant::from_millis(FLUSH_GAP_MS)));
        requests.note_read(true);
        assert!(requests.is_due(Instant::from_millis(FLUSH_GAP_MS)));
    }

    #[test]
    fn a_request_is_not_due_within_the_gap_after_a_flush() {
        let (mut requests, _published) = one_request();
        requests.note_read(true);
        assert!(!requests.is_due(Instant::from_millis(FLUSH_GAP_MS - 1)));
    }

    #[test]
    fn a_flush_completes_only_requests_whose_records_were_read() {
        let (mut requests, mut published) = one_request();
        requests.note_flush(Instant::from_millis(FLUSH_GAP_MS));
        assert!(published.try_recv().is_err());
        requests.note_read(true);
        requests.note_flush(Instant::from_millis(2 * FLUSH_GAP_MS));
        assert!(published.try_recv().is_ok());
    }
}
