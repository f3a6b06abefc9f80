//! The one place that reads the wall clock.
//!
//! Services receive time as a value or a [`Clock`]; a process passes them this one.

use std::time::{SystemTime, UNIX_EPOCH};

use greenpark_model::{clock::Clock, day::Instant};

/// The system's clock.
#[must_use]
pub fn system() -> Clock {
    Clock::new(now)
}

/// The present instant; 1970-01-01T00:00Z on a machine whose clock was never set.
#[must_use]
pub fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    Instant::from_millis(ms.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_is_past_the_year_2020() {
        assert!(super::system().now().millis() > 1_577_836_800_000);
    }
}
