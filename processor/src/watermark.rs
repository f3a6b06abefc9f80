//! When a day is over: a rule of two clocks.
//!
//! *Processing time* must have passed the day's end and the grace. Then a day is sealed when its rows
//! have been quiet for a while, or when every gateway that is sending has moved past it in *event time*.
//! How far a gateway's rows fall back behind its latest one is learnt from the gateway itself, so a
//! history in order is sealed as it streams by, and one in any other order when it is complete.

use std::collections::BTreeMap;

use greenpark_model::{day::Instant, id::GatewayId};
use rustc_hash::FxHashMap;

use crate::settings::SEAL_WAIT_MS_MAX;

/// Gateways of a park whose course is kept.
const COURSES_KEPT: usize = 50_000;
/// Those that were heard within an hour are kept before others.
const HEARD_MS: i64 = 3_600_000;

/// How far one gateway has come in event time.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// The latest instant it sent.
    latest: i64,
    /// The furthest any of its batches fell back behind it.
    disorder: i64,
    /// When it was last heard, in processing time.
    heard: i64,
}

/// How far the gateways of a park have come in event time.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    courses: FxHashMap<GatewayId, Course>,
}

impl Watermark {
    /// A batch of `gateway` with instants from `earliest` to `latest` came at `now`.
    pub(crate) fn hear(&mut self, gateway: &GatewayId, earliest: i64, latest: i64, now: Instant) {
        match self.courses.get_mut(gateway) {
            Some(course) => {
                course.disorder = course.disorder.max(course.latest.saturating_sub(earliest));
                course.latest = course.latest.max(latest);
                course.heard = now.0;
            }
            None => {
                self.make_room(now);
                let course = Course {
                    latest,
                    disorder: 0,
                    heard: now.0,
                };
                self.courses.insert(gateway.clone(), course);
            }
        }
    }

    /// Forgets the gateways that were not heard for long, where there are many: somebody makes names up.
    fn make_room(&mut self, now: Instant) {
        if self.courses.len() >= COURSES_KEPT {
            let lately = |course: &Course| now.0.saturating_sub(course.heard) <= HEARD_MS;
            self.courses.retain(|_, course| lately(course));
        }
        if self.courses.len() >= COURSES_KEPT {
            self.courses.clear();
        }
    }

    /// The instant that every gateway heard within `window_ms` has passed for good, if any was heard.
    pub(crate) fn passed(&self, now: Instant, window_ms: i64) -> Option<Instant> {
        self.courses
            .values()
            .filter(|c| now.0.saturating_sub(c.heard) <= window_ms)
            .map(|c| c.latest.saturating_sub(c.disorder))
            .min()
            .map(Instant)
    }
}

/// What a day that holds unsealed rows is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    /// When its first unsealed row came, in processing time.
    pub(crate) first: Instant,
    /// When its last one came.
    pub(crate) last: Instant,
}

impl Pending {
    /// A row came at `now`.
    pub(crate) fn touch(pending: Option<Self>, now: Instant) -> Self {
        Self {
            first: pending.map_or(now, |p| p.first),
            last: now,
        }
    }

    /// Whether a day that is over has been quiet for `quiet_ms`, or has waited long enough.
    pub(crate) fn is_settled(self, now: Instant, quiet_ms: i64) -> bool {
        now.0.saturating_sub(self.last.0) >= quiet_ms
            || now.0.saturating_sub(self.first.0) >= SEAL_WAIT_MS_MAX
    }

    /// When [`Self::is_settled`] turns true without another row.
    pub(crate) fn settles_at(self, quiet_ms: i64) -> Instant {
        let quiet = self.last.0.saturating_add(quiet_ms);
        Instant(quiet.min(self.first.0.saturating_add(SEAL_WAIT_MS_MAX)))
    }
}

/// The quiet that revision `revision + 1` of a day needs: doubled for each one that there is.
pub(crate) fn quiet_ms(base_ms: i64, revision: u32) -> i64 {
    let doublings = revision.saturating_sub(1).min(20);
    base_ms.saturating_mul(1 << doublings).min(SEAL_WAIT_MS_MAX)
}

/// Days with unsealed rows.
pub(crate) type PendingDays = BTreeMap<greenpark_model::day::CivilDay, Pending>;

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(name: &str) -> GatewayId {
        GatewayId::new(name).expect("an id")
    }

    #[test]
    fn a_history_in_order_passes_as_it_streams_by() {
        let mut watermark = Watermark::default();
        watermark.hear(&gateway("a"), 0, 100, Instant(0));
        watermark.hear(&gateway("a"), 100, 200, Instant(1));
        watermark.hear(&gateway("b"), 0, 150, Instant(1));
        assert_eq!(watermark.passed(Instant(1), 1_000), Some(Instant(150)));
    }

    #[test]
    fn a_shuffled_history_never_passes() {
        let mut watermark = Watermark::default();
        watermark.hear(&gateway("a"), 900, 1_000, Instant(0));
        watermark.hear(&gateway("a"), 0, 500, Instant(1));
        assert_eq!(watermark.passed(Instant(1), 1_000), Some(Instant(0)));
    }

    #[test]
    fn a_silent_gateway_does_not_hold_the_others() {
        let mut watermark = Watermark::default();
        watermark.hear(&gateway("a"), 0, 10, Instant(0));
        watermark.hear(&gateway("b"), 0, 99, Instant(5_000));
        assert_eq!(watermark.passed(Instant(5_000), 2_000), Some(Instant(99)));
        assert_eq!(watermark.passed(Instant(9_000), 2_000), None);
    }

    #[test]
    fn a_day_settles_by_quiet_or_by_waiting() {
        let pending = Pending::touch(Some(Pending::touch(None, Instant(0))), Instant(500));
        assert!(!pending.is_settled(Instant(2_499), 2_000));
        assert!(pending.is_settled(Instant(2_500), 2_000));
        assert_eq!(pending.settles_at(2_000), Instant(2_500));
        let busy = Pending {
            first: Instant(0),
            last: Instant(SEAL_WAIT_MS_MAX),
        };
        assert!(busy.is_settled(Instant(SEAL_WAIT_MS_MAX), 2_000));
    }

    #[test]
    fn each_revision_needs_twice_the_quiet() {
        let waits: Vec<i64> = (0..5).map(|r| quiet_ms(2_000, r)).collect();
        assert_eq!(waits, [2_000, 2_000, 4_000, 8_000, 16_000]);
        assert_eq!(quiet_ms(2_000, 40), SEAL_WAIT_MS_MAX);
    }
}
