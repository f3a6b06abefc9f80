//! Moments of the schedule, and waiting for what comes true.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Lets `span` pass: faults have a duration, which is no condition to wait for.
pub fn pause(span: Duration) {
    let (_held, never) = mpsc::channel::<()>();
    // It can only time out, because the sender is held.
    let _ = never.recv_timeout(span);
}

/// Looks until `found` gives something; `None` after `patience`.
pub fn until<T>(patience: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = found() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(LOOK);
    }
}
