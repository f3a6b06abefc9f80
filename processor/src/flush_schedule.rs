//! Decides when to flush: soon after an idle time, seldom in a steady stream.

use greenpark_model::day::Instant;

/// A pause in the arrivals after which an early flush is due.
const PAUSE_MS: i64 = 25;
/// Early flushes allowed after an idle time: a single reading is visible in the next answer, and a slow stream does
/// not cause one commit per reading.
const EARLY_FLUSHES_MAX: u32 = 8;

/// The flush schedule of one loop, in processing time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlushSchedule {
    interval_ms: i64,
    /// Early flushes that are left; each interval gives one back.
    early_left: u32,
    /// The time at which early flushes were last given back.
    refilled: Instant,
    /// Arrival times of the first and the last row in the buffer.
    waiting: Option<(Instant, Instant)>,
}

impl FlushSchedule {
    pub(crate) fn new(interval_ms: i64, now: Instant) -> Self {
        Self {
            interval_ms,
            early_left: EARLY_FLUSHES_MAX,
            refilled: now,
            waiting: None,
        }
    }

    /// Notes that rows were buffered at `now`.
    pub(crate) fn note_arrival(&mut self, now: Instant) {
        self.waiting = Some((self.waiting.map_or(now, |(first, _)| first), now));
    }

    /// Returns the time at which the buffered rows are due; `None` if nothing is buffered.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting?;
        let by_interval = first.millis().saturating_add(self.interval_ms);
        let by_pause = last.millis().saturating_add(PAUSE_MS);
        Some(Instant::from_millis(if self.early_left > 0 {
            by_interval.min(by_pause)
        } else {
            by_interval
        }))
    }

    /// Notes that a flush wrote everything at `now`.
    pub(crate) fn note_flush(&mut self, now: Instant) {
        let early = self
            .waiting
            .is_some_and(|(first, _)| now.millis() - first.millis() < self.interval_ms);
        self.waiting = None;
        let refill = now.millis().saturating_sub(self.refilled.millis()) / self.interval_ms.max(1);
        if refill > 0 {
            let room = EARLY_FLUSHES_MAX - self.early_left;
            self.early_left += u32::try_from(refill).unwrap_or(u32::MAX).min(room);
            self.refilled = now;
        }
        self.early_left = self.early_left.saturating_sub(u32::from(early));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_reading_is_due_after_the_pause() {
        let mut schedule = FlushSchedule::new(5_000, Instant::from_millis(0));
        assert_eq!(schedule.due(), None);
        schedule.note_arrival(Instant::from_millis(10_000));
        assert_eq!(
            schedule.due(),
            Some(Instant::from_millis(10_000 + PAUSE_MS))
        );
    }

    #[test]
    fn a_slow_stream_is_flushed_by_the_interval_once_early_flushes_are_used_up() {
        let mut schedule = FlushSchedule::new(5_000, Instant::from_millis(0));
        let (mut now, mut flushes) = (0, 0);
        for _second in 0..60 {
            schedule.note_arrival(Instant::from_millis(now));
            let due = schedule.due().expect("rows are buffered");
            if due.millis() < now + 1_000 {
                schedule.note_flush(due);
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
        let mut schedule = FlushSchedule::new(5_000, Instant::from_millis(0));
        for ms in 0..500 {
            schedule.note_arrival(Instant::from_millis(ms * 10));
        }
        assert_eq!(schedule.due(), Some(Instant::from_millis(5_000)));
    }
}
