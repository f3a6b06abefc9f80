//! Processing time, passed in as a value.

use std::{fmt, sync::Arc};

use greenpark_model::day::Instant;

/// Source of processing time; only the process makes one from the system clock.
#[derive(Clone)]
pub struct ProcessorClock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl ProcessorClock {
    /// Creates a clock that calls `now`.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for ProcessorClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessorClock({})", self.now())
    }
}
