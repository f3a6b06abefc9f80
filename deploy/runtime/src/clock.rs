//! The one place that reads the wall clock.
//!
//! Services receive time as a value or a function; a process passes them this one.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00Z; zero on a machine whose clock was never set.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_is_past_the_year_2020() {
        assert!(super::now_ms() > 1_577_836_800_000);
    }
}
