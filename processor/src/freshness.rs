//! Questions that want what the log holds now: to ask is to have it published.
//!
//! A stream is flushed seldom, so that files are few. Whoever asks in between must not be told less than
//! what gateways have been acknowledged, so a question asks here first and waits a little.

use std::time::Duration;

use greenpark_model::day::Instant;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait at once; more wait for their turn to ask.
const ASKING_MAX: usize = 1_024;
/// The shortest time between two flushes that questions cause, so that many questions make few files.
const BETWEEN_MS: i64 = 50;
/// How long the reader is waited for where it has not come to the end of the log at once.
const END_WAIT: Duration = Duration::from_millis(2);

/// Asks a running processor to publish what the log holds.
#[derive(Debug, Clone)]
pub struct Freshness(mpsc::Sender<oneshot::Sender<()>>);

impl Freshness {
    /// Waits until everything that the log held at this call is in the books, at most `patience`.
    /// Returns whether it is; a processor that has stopped says no at once.
    pub async fn catch_up(&self, patience: Duration) -> bool {
        let (done, published) = oneshot::channel();
        let asked = async { self.0.send(done).await.is_ok() && published.await.is_ok() };
        tokio::time::timeout(patience, asked).await.unwrap_or(false)
    }
}

/// The processor's side: who asked, and how far the log had been read since.
#[derive(Debug)]
pub(crate) struct Asks {
    ask: mpsc::Sender<oneshot::Sender<()>>,
    queue: mpsc::Receiver<oneshot::Sender<()>>,
    /// The end of the log has not been seen since they asked.
    reading: Vec<oneshot::Sender<()>>,
    /// Everything they asked for has been read.
    read: Vec<oneshot::Sender<()>>,
    /// The end was looked for and not found.
    short_of_end: bool,
    flushed: Instant,
}

impl Asks {
    pub(crate) fn new(now: Instant) -> Self {
        let (ask, queue) = mpsc::channel(ASKING_MAX);
        Self {
            ask,
            queue,
            reading: Vec::new(),
            read: Vec::new(),
            short_of_end: false,
            flushed: Instant(now.0 - BETWEEN_MS),
        }
    }

    pub(crate) fn handle(&self) -> Freshness {
        Freshness(self.ask.clone())
    }

    /// Waits for a question and takes all that are there.
    pub(crate) async fn arrive(&mut self) {
        // The queue never ends, for `ask` is held here.
        let room = ASKING_MAX;
        let _taken = self.queue.recv_many(&mut self.reading, room).await;
        self.short_of_end = false;
    }

    /// How long the reader may wait for records, where a question makes that short.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        if !self.reading.is_empty() {
            let first = !self.short_of_end;
            return Some(if first { Duration::ZERO } else { END_WAIT });
        }
        let left = self.flushed.0 + BETWEEN_MS - now.0;
        // OK because it was made positive and is at most `BETWEEN_MS`.
        (!self.read.is_empty()).then(|| Duration::from_millis(left.clamp(1, BETWEEN_MS) as u64))
    }

    /// The reader has answered, and handed out everything that was there when it was asked, or not.
    pub(crate) fn read_on(&mut self, caught_up: bool) {
        if caught_up {
            self.read.append(&mut self.reading);
        }
        self.short_of_end = !caught_up;
        self.read.retain(|ask| !ask.is_closed());
        self.reading.retain(|ask| !ask.is_closed());
    }

    /// Whether somebody waits for a flush whose time has come.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.read.is_empty() && now.0 >= self.flushed.0 + BETWEEN_MS
    }

    /// Nothing is buffered: what has been read is in the books.
    pub(crate) fn all_published(&mut self) {
        for ask in self.read.drain(..) {
            // Who has gone needs no answer.
            let _gone = ask.send(());
        }
    }

    /// A flush has taken everything at `now`.
    pub(crate) fn flushed(&mut self, now: Instant) {
        self.flushed = now;
        self.all_published();
    }
}
