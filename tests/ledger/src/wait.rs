//! Pauses of the schedule, and waiting for a condition.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

/// The pause between two checks of a condition.
const POLL: Duration = Duration::from_millis(10);

/// Waits for `span`: the duration of a fault, for which there is no condition to wait for.
pub fn pause(span: Duration) {
    let (_sender, never) = mpsc::channel::<()>();
    // It can only time out, because the sender is alive.
    let _ = never.recv_timeout(span);
}

/// Polls `condition` until it returns a value. Returns `None` after `patience`.
pub fn until<T>(patience: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(POLL);
    }
}
