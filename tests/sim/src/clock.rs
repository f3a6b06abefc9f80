//! The two clocks of the simulated machine, and the tasks that sleep until a time.

use std::{
    future::poll_fn,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use greenpark_model::day::Instant;

/// How far the wall clock may be set back behind its latest time: less than ingest allows readings to lie
/// in the future.
const BACK_MS_MAX: i64 = 5 * 60 * 1000;

/// A monotonic clock, a wall clock that can be set, and a bell that wakes all sleepers.
#[derive(Debug)]
pub(crate) struct SimClock {
    elapsed: AtomicI64,
    wall: AtomicI64,
    latest: AtomicI64,
    rung: AtomicU64,
    sleepers: Mutex<Vec<Waker>>,
}

impl SimClock {
    pub(crate) fn new(wall: Instant) -> Self {
        Self {
            elapsed: AtomicI64::new(0),
            wall: AtomicI64::new(wall.millis()),
            latest: AtomicI64::new(wall.millis()),
            rung: AtomicU64::new(0),
            sleepers: Mutex::default(),
        }
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> Instant {
        Instant::from_millis(self.wall_ms())
    }

    /// The wall clock, UTC milliseconds.
    pub(crate) fn wall_ms(&self) -> i64 {
        self.wall.load(Ordering::SeqCst)
    }

    /// Milliseconds since the start, independent of the wall clock.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.elapsed.load(Ordering::SeqCst)
    }

    /// Moves both clocks forward.
    pub(crate) fn advance(&self, ms: i64) {
        self.elapsed.fetch_add(ms, Ordering::SeqCst);
        self.set(self.wall_ms() + ms);
    }

    /// Sets the wall clock forward or back.
    pub(crate) fn jump(&self, ms: i64) {
        let floor = self.latest.load(Ordering::SeqCst) - BACK_MS_MAX;
        self.set((self.wall_ms() + ms).max(floor));
    }

    fn set(&self, wall: i64) {
        self.wall.store(wall, Ordering::SeqCst);
        self.latest.fetch_max(wall, Ordering::SeqCst);
        self.wake();
    }

    /// Wakes all sleepers before their time.
    pub(crate) fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.drain(..).for_each(Waker::wake);
    }

    /// Sleeps until `elapsed_ms` or until the bell rings.
    pub(crate) async fn sleep_until(&self, elapsed_ms: i64) {
        let rung = self.rung.load(Ordering::SeqCst);
        poll_fn(|context| {
            if self.elapsed_ms() >= elapsed_ms || self.rung.load(Ordering::SeqCst) != rung {
                return Poll::Ready(());
            }
            self.sleepers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
