//! Decides when a day may be sealed, by two clocks.
//!
//! *Processing time* must be past the day's end plus the grace. Then the day is sealed when no row has come for a
//! while, or when every active gateway is past the day in *event time*. How far a gateway's rows fall back behind its
//! latest row is learnt per gateway, so an ordered history is sealed while it streams, and any other order when it is
//! complete.

use std::collections::BTreeMap;

use greenpark_model::{
    day::{CivilDay, Instant},
    id::GatewayId,
};
use rustc_hash::FxHashMap;

/// The longest that a day that is over waits for quiet; then it is sealed anyway.
const SEAL_WAIT_MS_MAX: i64 = 10 * 60 * 1000;
/// Gateways of a park whose progress is remembered.
const GATEWAYS_KEPT: usize = 50_000;
/// Gateways that sent within this time are kept when others are forgotten.
const ACTIVE_MS: i64 = 3_600_000;

/// Progress of one gateway in event time.
#[derive(Debug, Clone, Copy)]
struct GatewayProgress {
    /// The latest instant that it sent.
    latest: i64,
    /// The furthest that one of its batches fell back behind `latest`.
    disorder: i64,
    /// Processing time of its last batch.
    heard: i64,
}

/// Progress of the gateways of a park in event time.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    gateways: FxHashMap<GatewayId, GatewayProgress>,
}

impl Watermark {
    /// Notes a batch of `gateway` with instants from `earliest` to `latest`, received at `now`.
    pub(crate) fn observe(
        &mut self,
        gateway: &GatewayId,
        earliest: i64,
        latest: i64,
        now: Instant,
    ) {
        match self.gateways.get_mut(gateway) {
            Some(progress) => {
                progress.disorder = progress
                    .disorder
                    .max(progress.latest.saturating_sub(earliest));
                progress.latest = progress.latest.max(latest);
                progress.heard = now.millis();
            }
            None => {
                self.make_room(now);
                let progress = GatewayProgress {
                    latest,
                    disorder: 0,
                    heard: now.millis(),
                };
                self.gateways.insert(gateway.clone(), progress);
            }
        }
    }

    /// Forgets inactive gateways when there are too many: a sender can invent names.
    fn make_room(&mut self, now: Instant) {
        if self.gateways.len() >= GATEWAYS_KEPT {
            let is_active = |progress: &GatewayProgress| {
                now.millis().saturating_sub(progress.heard) <= ACTIVE_MS
            };
            self.gateways.retain(|_, progress| is_active(progress));
        }
        if self.gateways.len() >= GATEWAYS_KEPT {
            self.gateways.clear();
        }
    }

    /// Returns the instant that every gateway active within `window_ms` has passed; `None` if no gateway was active.
    pub(crate) fn passed(&self, now: Instant, window_ms: i64) -> Option<Instant> {
        self.gateways
            .values()
            .filter(|c| now.millis().saturating_sub(c.heard) <= window_ms)
            .map(|c| c.latest.saturating_sub(c.disorder))
            .min()
            .map(Instant::from_millis)
    }
}

/// Arrival times of the unsealed rows of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PendingDay {
    /// Processing time at which the first unsealed row came.
    pub(crate) first: Instant,
    /// Processing time at which the last one came.
    pub(crate) last: Instant,
}

impl PendingDay {
    /// Returns `pending` with a row that came at `now`.
    pub(crate) fn touch(pending: Option<Self>, now: Instant) -> Self {
        Self {
            first: pending.map_or(now, |p| p.first),
            last: now,
        }
    }

    /// Returns true when no row came for `quiet_ms`, or the first row has waited long enough.
    pub(crate) fn is_settled(self, now: Instant, quiet_ms: i64) -> bool {
        now.millis().saturating_sub(self.last.millis()) >= quiet_ms
            || now.millis().saturating_sub(self.first.millis()) >= SEAL_WAIT_MS_MAX
    }

    /// Returns the time at which [`Self::is_settled`] becomes true without another row.
    pub(crate) fn settles_at(self, quiet_ms: i64) -> Instant {
        let quiet = self.last.millis().saturating_add(quiet_ms);
        Instant::from_millis(quiet.min(self.first.millis().saturating_add(SEAL_WAIT_MS_MAX)))
    }
}

/// The quiet time that revision `revision + 1` of a day needs: doubled for each existing revision after the first.
pub(crate) fn quiet_ms(base_ms: i64, revision: u32) -> i64 {
    let doublings = revision.saturating_sub(1).min(20);
    base_ms.saturating_mul(1 << doublings).min(SEAL_WAIT_MS_MAX)
}

/// Returns true when a day's end plus the grace is over.
pub(crate) fn is_over(day: CivilDay, now: Instant, grace_ms: i64) -> bool {
    now >= over_at(day, grace_ms)
}

/// Returns the end of a day plus the grace.
pub(crate) fn over_at(day: CivilDay, grace_ms: i64) -> Instant {
    Instant::from_millis(day.end().millis().saturating_add(grace_ms))
}

/// Days with unsealed rows.
pub(crate) type PendingDays = BTreeMap<CivilDay, PendingDay>;

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(name: &str) -> GatewayId {
        GatewayId::new(name).expect("an id")
    }

    #[test]
    fn an_ordered_history_passes_while_it_streams() {
        let mut watermark = Watermark::default();
        watermark.observe(&gateway("a"), 0, 100, Instant::from_millis(0));
        watermark.observe(&gateway("a"), 100, 200, Instant::from_millis(1));
        watermark.observe(&gateway("b"), 0, 150, Instant::from_millis(1));
        assert_eq!(
            watermark.passed(Instant::from_millis(1), 1_000),
            Some(Instant::from_millis(150))
        );
    }

    #[test]
    fn a_shuffled_history_never_passes() {
        let mut watermark = Watermark::default();
        watermark.observe(&gateway("a"), 900, 1_000, Instant::from_millis(0));
        watermark.observe(&gateway("a"), 0, 500, Instant::from_millis(1));
        assert_eq!(
            watermark.passed(Instant::from_millis(1), 1_000),
            Some(Instant::from_millis(0))
        );
    }

    #[test]
    fn a_silent_gateway_does_not_hold_the_others() {
        let mut watermark = Watermark::default();
        watermark.observe(&gateway("a"), 0, 10, Instant::from_millis(0));
        watermark.observe(&gateway("b"), 0, 99, Instant::from_millis(5_000));
        assert_eq!(
            watermark.passed(Instant::from_millis(5_000), 2_000),
            Some(Instant::from_millis(99))
        );
        assert_eq!(watermark.passed(Instant::from_millis(9_000), 2_000), None);
    }

    #[test]
    fn a_day_settles_after_a_quiet_time_or_the_longest_wait() {
        let pending = PendingDay::touch(
            Some(PendingDay::touch(None, Instant::from_millis(0))),
            Instant::from_millis(500),
        );
        assert!(!pending.is_settled(Instant::from_millis(2_499), 2_000));
        assert!(pending.is_settled(Instant::from_millis(2_500), 2_000));
        assert_eq!(pending.settles_at(2_000), Instant::from_millis(2_500));
        let busy = PendingDay {
            first: Instant::from_millis(0),
            last: Instant::from_millis(SEAL_WAIT_MS_MAX),
        };
        assert!(busy.is_settled(Instant::from_millis(SEAL_WAIT_MS_MAX), 2_000));
    }

    #[test]
    fn each_revision_needs_twice_the_quiet() {
        let waits: Vec<i64> = (0..5).map(|r| quiet_ms(2_000, r)).collect();
        assert_eq!(waits, [2_000, 2_000, 4_000, 8_000, 16_000]);
        assert_eq!(quiet_ms(2_000, 40), SEAL_WAIT_MS_MAX);
    }
}
