//! Processing time, passed in as a value.
//!
//! Only a process makes a clock of the system's time; everything else is handed one, so that a test or a
//! simulation decides what time it is. The time of a reading never comes from here.
//!
//! ```
//! use greenpark_model::{clock::Clock, day::Instant};
//! let noon: Instant = "2026-11-23T12:00:00+08:00".parse().expect("an instant");
//! assert_eq!(Clock::new(move || noon).now(), noon);
//! ```

use std::{fmt, sync::Arc};

use crate::time::day::Instant;

/// A source of processing time. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
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

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
