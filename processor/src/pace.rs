//! When to flush: soon after an idle time, seldom in a stream, at once when full.

use greenpark_model::day::Instant;

use crate::settings::{EARLY_FLUSHES_MAX, PAUSE_MS};

/// The pace of one processor's flushes, in processing time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    interval_ms: i64,
    /// Early flushes in hand; one comes back each interval.
    early: u32,
    refilled: Instant,
    /// When the first and the last row came that are buffered now.
    waiting: Option<(Instant, Instant)>,
}

impl Pace {
    pub(crate) fn new(interval_ms: i64, now: Instant) -> Self {
        Self {
            interval_ms,
            early: EARLY_FLUSHES_MAX,
            refilled: now,
            waiting: None,
        }
    }

    /// Rows were buffered at `now`.
    pub(crate) fn arrive(&mut self, now: Instant) {
        self.waiting = Some((self.waiting.map_or(now, |(first, _)| first), now));
    }

    /// When the buffered rows are due, if there are any.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting?;
        let by_interval = first.0.saturating_add(self.interval_ms);
        let by_pause = last.0.saturating_add(PAUSE_MS);
        Some(Instant(if self.early > 0 {
            by_interval.min(by_pause)
        } else {
            by_interval
        }))
    }

    /// A flush took everything at `now`.
    pub(crate) fn flushed(&mut self, now: Instant) {
        let early = self
            .waiting
            .is_some_and(|(first, _)| now.0 - first.0 < self.interval_ms);
        self.waiting = None;
        let back = now.0.saturating_sub(self.refilled.0) / self.interval_ms.max(1);
        if back > 0 {
            let room = EARLY_FLUSHES_MAX - self.early;
            self.early += u32::try_from(back).unwrap_or(u32::MAX).min(room);
            self.refilled = now;
        }
        self.early = self.early.saturating_sub(u32::from(early));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_reading_is_due_after_the_pause() {
        let mut pace = Pace::new(5_000, Instant(0));
        assert_eq!(pace.due(), None);
        pace.arrive(Instant(10_000));
        assert_eq!(pace.due(), Some(Instant(10_000 + PAUSE_MS)));
    }

    #[test]
    fn a_slow_stream_is_flushed_by_the_interval_once_the_early_ones_are_spent() {
        let mut pace = Pace::new(5_000, Instant(0));
        let (mut now, mut flushes) = (0, 0);
        for _second in 0..60 {
            pace.arrive(Instant(now));
            let due = pace.due().expect("rows wait");
            if due.0 < now + 1_000 {
                pace.flushed(due);
                flushes += 1;
            }
            now += 1_000;
        }
        assert!(
            (12..=24).contains(&flushes),
            "{flushes} flushes in a minute"
        );
    }

    #[test]
    fn a_stream_without_pause_is_due_by_the_interval() {
        let mut pace = Pace::new(5_000, Instant(0));
        for ms in 0..500 {
            pace.arrive(Instant(ms * 10));
        }
        assert_eq!(pace.due(), Some(Instant(5_000)));
    }
}
