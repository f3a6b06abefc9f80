//! Like days: the probable distribution of a gap's consumption over its days.
//!
//! The registers at the ends of a gap give its consumption, but not its distribution over time. Up to
//! [`INTERPOLATED_MS_MAX`] it is spread evenly. Over a longer gap each day has the weight of the mean of the
//! three nearest days of the same weekday with real data (California's standards for validating, editing and
//! estimating; METHOD (h)): days whose own registers span nearly all of them, never estimated days.
//! Only days of the same year qualify, so that every query about a gap finds the same ones. If a
//! day of the gap has no like day, or the like days were idle throughout, the gap is spread evenly.
//!
//! The parts of a gap are differences of one cumulative share, so they sum to the gap exactly.

use std::fmt;

use crate::{
    fold::day_fold::DayFold,
    limits::{INTERPOLATED_MS_MAX, LIKE_DAYS, LIKE_DAYS_AWAY_MAX, LIKE_SPAN_MS_MIN},
    meter::amount::Sum,
    time::day::{CivilDay, Instant},
};

const DAY_MS: i128 = 86_400_000;
/// The most bits of a weight: a sum times a weight must fit an i128.
const WEIGHT_BITS: u32 = 44;

/// Runs of days of one counter, each sorted by day.
type Runs<'a> = &'a [Vec<(CivilDay, DayFold)>];

/// The days of one counter, in order, among which like days are searched.
#[derive(Clone, Copy)]
pub struct LikeDays<'a>(&'a dyn Fn() -> Runs<'a>);

impl fmt::Debug for LikeDays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LikeDays").finish_non_exhaustive()
    }
}

impl Default for LikeDays<'_> {
    fn default() -> Self {
        Self(&|| &[])
    }
}

impl<'a> LikeDays<'a> {
    /// Searches the runs of days that `runs` returns. It is called only if a like day is needed, which is rare.
    #[must_use]
    pub const fn new(runs: &'a dyn Fn() -> Runs<'a>) -> Self {
        Self(runs)
    }

    /// The runs of days to search.
    pub(crate) fn runs(&self) -> Runs<'a> {
        (self.0)()
    }

    /// The share of a gap from `from` to `to` that was consumed by `at`, as a part and a whole; `None` if the gap
    /// is spread evenly.
    pub(crate) fn share(&self, from: Instant, to: Instant, at: Instant) -> Option<(i128, i128)> {
        if to.millis().saturating_sub(from.millis()) <= INTERPOLATED_MS_MAX {
            return None;
        }
        let (mut part, mut whole) = (0i128, 0i128);
        let mut day = from.day();
        while day.start() < to {
            let rate = self.rate(day)?;
            let within = |until: Instant| {
                let ms = until.millis().min(day.end().millis())
                    - from.millis().max(day.start().millis());
                i128::from(ms.max(0))
            };
            whole += rate * within(to) / DAY_MS;
            part += rate * within(at) / DAY_MS;
            day = day.next();
        }
        if whole <= 0 {
            return None;
        }
        let bits = i128::BITS - whole.leading_zeros();
        let shift = bits.saturating_sub(WEIGHT_BITS);
        Some((part >> shift, whole >> shift))
    }

    /// The consumption of a day like `day`: the mean of the nearest days of its weekday.
    fn rate(&self, day: CivilDay) -> Option<i128> {
        let mut nearest: Vec<(i32, i128)> = Vec::new();
        for weeks in 1..=LIKE_DAYS_AWAY_MAX / 7 {
            for like in [day.plus(-7 * weeks), day.plus(7 * weeks)] {
                if like.year() == day.year()
                    && let Some(rate) = self.measured(like)
                {
                    nearest.push((weeks, rate));
                }
            }
            if nearest.len() >= LIKE_DAYS {
                break;
            }
        }
        nearest.truncate(LIKE_DAYS);
        let count = i128::try_from(nearest.len())
            .ok()
            .filter(|count| *count > 0)?;
        Some(nearest.iter().map(|(_, rate)| rate).sum::<i128>() / count)
    }

    /// The consumption of `day`, extrapolated to a whole day, if its registers span nearly all of it.
    fn measured(&self, day: CivilDay) -> Option<i128> {
        let fold = self.runs().iter().find_map(|run| {
            let at = run.binary_search_by_key(&day, |(of, _)| *of).ok()?;
            Some(&run[at].1)
        })?;
        let span = fold.last?.instant.millis() - fold.first?.instant.millis();
        let Sum(within) = fold.within;
        (span >= LIKE_SPAN_MS_MIN && within >= 0).then(|| within * DAY_MS / i128::from(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fold::{
            MeterProfile, Point,
            compose::{compose, compose_daily, compose_like},
        },
        meter::amount::Amount,
        time::day::DayRange,
    };
    use proptest::prelude::*;

    fn day(text: &str) -> CivilDay {
        text.parse().expect("a day")
    }

    fn point(instant: i64, units: i64) -> Option<Point> {
        Some(Point {
            instant: Instant::from_millis(instant),
            register: Amount::from_micro(units * 1_000_000).expect("in range"),
        })
    }

    /// A day read from half past midnight to half past eleven at night, which consumed `units` in between.
    fn read(of: CivilDay, register: &mut i64, units: i64) -> (CivilDay, DayFold) {
        let first = point(of.start().millis() + 1_800_000, *register);
        *register += units;
        let fold = DayFold {
            readings: 24,
            within: Sum(i128::from(units) * 1_000_000),
            first,
            last: point(of.end().millis() - 1_800_000, *register),
            ..DayFold::default()
        };
        (of, fold)
    }

    /// Five weeks from a Monday on: work days consume 230, weekends 23; the third Friday to Monday are lost.
    fn five_weeks() -> Vec<(CivilDay, DayFold)> {
        let (first, mut register) = (day("2026-03-02"), 0);
        let mut days = Vec::new();
        for n in 0..35 {
            let units = if n % 7 < 5 { 230 } else { 23 };
            if (18..=21).contains(&n) {
                register += units;
            } else {
                days.push(read(first.plus(n), &mut register, units));
            }
        }
        days
    }

    fn of_day(days: &[(CivilDay, DayFold)], of: &str) -> i128 {
        let range = DayRange::new(day(of), day(of)).expect("in order");
        let runs = [days.to_vec()];
        let runs = || runs.as_slice();
        compose_like(&MeterProfile::default(), range, days, &LikeDays::new(&runs))
            .amount
            .0
    }

    #[test]
    fn method_h_a_long_gap_is_spread_by_like_days_and_sums_to_the_registers() {
        let days = five_weeks();
        let lost = ["2026-03-20", "2026-03-21", "2026-03-22", "2026-03-23"];
        let amounts = lost.map(|of| of_day(&days, of));
        // Friday and Monday have ten times the consumption of Saturday and Sunday.
        assert!(
            amounts[0] > 9 * amounts[1] && amounts[3] > 9 * amounts[2],
            "{amounts:?}"
        );
        let evenly = DayRange::new(day(lost[1]), day(lost[1])).expect("in order");
        let evenly = compose(&MeterProfile::default(), evenly, &days).amount.0;
        assert!(evenly > 4 * amounts[1], "{evenly}");
        let whole = DayRange::new(days[0].0, days[days.len() - 1].0).expect("in order");
        let total = compose(&MeterProfile::default(), whole, &days).amount;
        let runs = [days.clone()];
        let runs = || runs.as_slice();
        let daily = compose_daily(
            &MeterProfile::default(),
            whole,
            &days,
            &LikeDays::new(&runs),
        );
        let sum: Sum = daily
            .iter()
            .map(|(_, consumption)| consumption.amount)
            .sum();
        assert_eq!(sum, total);
    }

    #[test]
    fn without_a_measured_like_day_a_gap_is_spread_evenly() {
        let mut days = five_weeks();
        // Saturdays with two readings at noon measure no whole day.
        for (of, fold) in &mut days {
            if of.days_since(day("2026-03-07")) % 7 == 0 {
                let noon = of.start().millis() + 43_200_000;
                fold.first = fold.first.map(|p| Point {
                    instant: Instant::from_millis(noon),
                    ..p
                });
                fold.last = fold.last.map(|p| Point {
                    instant: Instant::from_millis(noon + 1),
                    ..p
                });
            }
        }
        let runs = [days.clone()];
        let runs = || runs.as_slice();
        let like = LikeDays::new(&runs);
        let (from, to) = (day("2026-03-20").start(), day("2026-03-23").end());
        assert_eq!(like.share(from, to, to), None);
        assert!(like.measured(day("2026-03-07")).is_none());
        let soon = Instant::from_millis(from.millis() + INTERPOLATED_MS_MAX);
        assert_eq!(LikeDays::new(&runs).share(from, soon, soon), None);
    }

    proptest! {
        /// The parts of a gap sum to it, wherever it is cut.
        #[test]
        fn a_gap_is_conserved(
            units in prop::collection::vec(0i64..1_000_000_000, 40),
            lost in (8usize..20, 1usize..15),
            cut in 0i32..40,
        ) {
            let (first, mut register) = (day("2026-03-02"), 0);
            let mut days = Vec::new();
            for (n, units) in (0..).zip(&units) {
                let place = usize::try_from(n).expect("small");
                if (lost.0..lost.0 + lost.1).contains(&place) {
                    register += units;
                } else {
                    days.push(read(first.plus(n), &mut register, *units));
                }
            }
            let range = DayRange::new(first, first.plus(39)).expect("in order");
            let runs = [days.clone()];
            let runs = || runs.as_slice();
            let like = LikeDays::new(&runs);
            let total = compose(&MeterProfile::default(), range, &days).amount;
            let parts = range.cut([first.plus(cut)]);
            let sum: Sum = parts
                .iter()
                .map(|part| compose_like(&MeterProfile::default(), *part, &days, &like).amount)
                .sum();
            prop_assert_eq!(sum, total);
            let daily = compose_daily(&MeterProfile::default(), range, &days, &like);
            let sum: Sum = daily.iter().map(|(_, consumption)| consumption.amount).sum();
            prop_assert_eq!(sum, total);
        }
    }
}
