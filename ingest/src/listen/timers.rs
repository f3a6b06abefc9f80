//! The deadlines of a connection.

use std::{pin::Pin, time::Duration};

use tokio::time::{self, Instant, Interval, Sleep};

/// The period of checks of a connection without keep-alive.
pub(super) const CHECK_PERIOD: Duration = Duration::from_secs(30);

/// The deadlines of a connection.
#[derive(Debug)]
pub(super) struct Timers {
    /// The time at which a batch is appended although it is small.
    pub(super) linger: Pin<Box<Sleep>>,
    pub(super) linger_until: Option<Instant>,
    /// The time of the next check, or the time at which a slow ending is abandoned.
    pub(super) check: Pin<Box<Sleep>>,
    /// One and a half times the keep-alive; `None` if the client requested none.
    pub(super) silence_max: Option<Duration>,
    /// The time of the last read or write.
    pub(super) active: Instant,
    /// The timer for sending changed receipts; `None` without subscriptions.
    pub(super) receipts: Option<Interval>,
}

impl Timers {
    pub(super) fn new(keep_alive_s: u16, packet_deadline: Duration) -> Self {
        let keep_alive_ms = u64::from(keep_alive_s) * 1500;
        let silence_max = (keep_alive_ms > 0).then(|| Duration::from_millis(keep_alive_ms));
        let period = CHECK_PERIOD.min(packet_deadline);
        let check = silence_max.map_or(period, |silence| silence.min(period));
        Self {
            linger: Box::pin(time::sleep(Duration::ZERO)),
            linger_until: None,
            check: Box::pin(time::sleep(check)),
            silence_max,
            active: Instant::now(),
            receipts: None,
        }
    }
}
