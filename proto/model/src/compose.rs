//! Joining days into the consumption of a period.
//!
//! Each day's [`DayFold`] proves what happened between its first and last register. What happened from
//! one day's last register to the next one's first is an *edge*. An edge is split at midnight by
//! interpolation between the two registers; the part of each day is *estimated* unless a register stands
//! within a minute of midnight. An edge over a gap of days is allocated over the gap in the same way:
//! its energy is real and is never dropped.
//!
//! The parts of an edge are differences of interpolated registers, so they sum to the edge exactly.

use crate::{
    amount::Sum,
    day::{CivilDay, DayRange, Instant},
    fold::{DayFold, Outcomes, Point, Step, Traits},
    limits::MIDNIGHT_MS_TOLERANCE,
};

/// The consumption of one series in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumption {
    /// What was consumed.
    pub amount: Sum,
    /// The part of it that was allocated over a midnight or a gap without a register there.
    pub estimated: Sum,
    /// Distinct readings of the period.
    pub readings: u64,
    /// Days of the period with a reading.
    pub days: u32,
    /// What was come across.
    pub outcomes: Outcomes,
}

/// Joins `days`, sorted by day and without repeats, into the consumption of `range`. Days outside the
/// range serve as neighbours: give at least the nearest day with readings on either side.
#[must_use]
pub fn compose(traits: &Traits, range: DayRange, days: &[(CivilDay, DayFold)]) -> Consumption {
    let mut total = Consumption::default();
    let mut previous: Option<Point> = None;
    for (day, fold) in days {
        if let (Some(before), Some(after)) = (previous, fold.first) {
            total.add_edge(traits, range, before, after);
        }
        previous = fold.last.or(previous);
        if range.contains(*day) {
            total.amount += fold.within;
            total.readings += u64::from(fold.readings);
            total.days += u32::from(fold.readings > 0);
            total.outcomes = total.outcomes.plus(fold.outcomes);
        }
    }
    total
}

/// The consumption of each day of `range` that has any, in order; the parts sum to [`compose`]'s.
#[must_use]
pub fn compose_daily(
    traits: &Traits,
    range: DayRange,
    days: &[(CivilDay, DayFold)],
) -> Vec<(CivilDay, Consumption)> {
    let mut daily = Vec::new();
    for day in range.iter() {
        let Some(one) = DayRange::new(day, day) else {
            continue;
        };
        let at = days.partition_point(|(d, _)| *d < day);
        // The nearest registers stand in the neighbouring entries that have one.
        let from = days[..at]
            .iter()
            .rposition(|(_, f)| f.last.is_some())
            .unwrap_or(at);
        let present = usize::from(days.get(at).is_some_and(|(d, _)| *d == day));
        let after = days[at + present..]
            .iter()
            .position(|(_, f)| f.first.is_some());
        let to = after.map_or(at + present, |n| at + present + n + 1);
        let consumption = compose(traits, one, &days[from..to]);
        if consumption != Consumption::default() {
            daily.push((day, consumption));
        }
    }
    daily
}

impl Consumption {
    /// Adds the part of the edge from `before` to `after` that lies in `range`.
    fn add_edge(&mut self, traits: &Traits, range: DayRange, before: Point, after: Point) {
        let (from, to) = (range.first().start(), range.last().end());
        if after.instant <= from || before.instant >= to {
            return;
        }
        let ends_inside = from < after.instant && after.instant <= to;
        let delta = match traits.step(before, after) {
            Step::Advance(delta) => delta,
            Step::Rollover(delta) => {
                self.outcomes.rollovers += u32::from(ends_inside);
                delta
            }
            Step::Replacement(delta) => {
                self.outcomes.replacements += u32::from(ends_inside);
                delta
            }
            Step::Fall => {
                self.outcomes.resets += u32::from(ends_inside);
                return;
            }
        };
        let edge = Edge {
            before: before.instant,
            after: after.instant,
            delta,
        };
        let part = edge.until(to) - edge.until(from);
        self.amount += part;
        self.estimated += edge.estimated(range, part);
    }
}

/// The step from one day's last register to a later day's first.
struct Edge {
    before: Instant,
    after: Instant,
    delta: Sum,
}

impl Edge {
    /// What of the edge had been consumed at `instant`, by linear interpolation rounded towards zero.
    fn until(&self, instant: Instant) -> Sum {
        if instant <= self.before {
            return Sum::ZERO;
        }
        if instant >= self.after {
            return self.delta;
        }
        // OK because a delta below 2^61 times milliseconds below 2^63 fits an i128.
        let elapsed = i128::from(instant.0 - self.before.0);
        Sum(self.delta.0 * elapsed / i128::from(self.after.0 - self.before.0))
    }

    /// The part that is estimated, `part` being what falls in `range`. An edge that ends within a minute
    /// of the only midnight it passes is measured; so is one that lies wholly inside the range and
    /// passes its midnights inside, where the split does not matter to the sum.
    fn estimated(&self, range: DayRange, part: Sum) -> Sum {
        let inside = range.first().start() <= self.before && self.after <= range.last().end();
        let midnight = self.before.day().end();
        let near = midnight.0 - self.before.0 <= MIDNIGHT_MS_TOLERANCE
            || (self.after.0 - midnight.0 <= MIDNIGHT_MS_TOLERANCE && self.after >= midnight);
        let single = self.after <= midnight.day().end();
        if inside || (near && single) {
            Sum::ZERO
        } else {
            part
        }
    }
}

#[cfg(test)]
mod tests;
