//! Joining days into the consumption of a period.
//!
//! Each day's [`DayFold`] proves what happened between its first and last register. What happened from
//! one day's last register to the next one's first is an *edge*. An edge is split at midnight by
//! interpolation between the two registers; the part of each day is *estimated* unless a register stands
//! within a minute of midnight. An edge over a gap of days is allocated over the gap in the same way:
//! its energy is real and is never dropped. A gap of more than two hours is allocated by
//! [like days](crate::like_days) where there are any.
//!
//! Where the two registers of an edge do not agree, the reading next to one of them may: a day's first
//! reading that was a dip, or its last one that was a spike, is left out here, and what the day had
//! booked for it is taken back. Otherwise the edge is a named reset or jump.
//!
//! The parts of an edge are differences of interpolated registers, so they sum to the edge exactly.

use crate::{
    amount::Sum,
    day::{CivilDay, DayRange, Instant},
    fold::{DayFold, Outcomes, Point, Step, Traits, is_jitter},
    like_days::LikeDays,
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
    compose_like(traits, range, days, &LikeDays::default())
}

/// As [`compose`], a long gap at an end of the range being spread by like days.
#[must_use]
pub fn compose_like(
    traits: &Traits,
    range: DayRange,
    days: &[(CivilDay, DayFold)],
    like: &LikeDays<'_>,
) -> Consumption {
    let mut total = Consumption::default();
    let mut previous: Option<&DayFold> = None;
    for (day, fold) in days {
        if fold.first.is_some() {
            if let Some(before) = previous {
                total.add_edge(traits, range, (before, fold), like);
            }
            previous = Some(fold);
        }
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
    like: &LikeDays<'_>,
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
        let consumption = compose_like(traits, one, &days[from..to], like);
        if consumption != Consumption::default() {
            daily.push((day, consumption));
        }
    }
    daily
}

impl Consumption {
    /// Adds the part of the edge between two days that lies in `range`.
    fn add_edge(
        &mut self,
        traits: &Traits,
        range: DayRange,
        (before, after): (&DayFold, &DayFold),
        like: &LikeDays<'_>,
    ) {
        let (Some(last), Some(first)) = (before.last, after.first) else {
            return;
        };
        let (from, to) = (range.first().start(), range.last().end());
        if first.instant.day() < range.first() || last.instant.day() > range.last() {
            return;
        }
        let joint = Joint::between(traits, before, after, (last, first));
        if range.contains(last.instant.day()) {
            self.amount = self.amount - joint.taken_back_before;
        }
        if range.contains(first.instant.day()) {
            self.amount = self.amount - joint.taken_back_after;
        }
        if from < first.instant && first.instant <= to {
            self.outcomes = self.outcomes.plus(joint.outcomes);
        }
        if let Some(edge) = joint.edge {
            let part = edge.until(to, like) - edge.until(from, like);
            self.amount += part;
            self.estimated += edge.estimated(range, part);
        }
    }
}

/// What two neighboring days say of each other.
#[derive(Default)]
struct Joint {
    /// What was consumed between them; none where nothing can be said.
    edge: Option<Edge>,
    /// What the earlier day had booked for a last reading that is left out.
    taken_back_before: Sum,
    /// What the later day had booked for a first reading that is left out.
    taken_back_after: Sum,
    outcomes: Outcomes,
}

impl Joint {
    fn between(
        traits: &Traits,
        before: &DayFold,
        after: &DayFold,
        (last, first): (Point, Point),
    ) -> Self {
        let mut joint = Self::default();
        let step = traits.step(last, first);
        let delta = match step {
            Step::Advance(delta) => delta,
            Step::Rollover(delta) => {
                joint.outcomes.rollovers = 1;
                delta
            }
            Step::Change(delta) => {
                joint.outcomes.replacements = 1;
                delta
            }
            Step::Excess | Step::Fall => {
                if !joint.leaves_first_out(traits, after, (last, first))
                    && !joint.leaves_last_out(traits, before, (last, first))
                {
                    joint.names(traits, step, (last, first));
                }
                return joint;
            }
        };
        joint.edge = Some(Edge::new(last, first, delta));
        joint
    }

    /// Whether the later day's first reading was off, for the one after it fits.
    fn leaves_first_out(
        &mut self,
        traits: &Traits,
        after: &DayFold,
        (last, first): (Point, Point),
    ) -> bool {
        let Some(head) = after.head else { return false };
        let Some(delta) = traits.step(last, head).onward() else {
            return false;
        };
        self.taken_back_after = consumed(traits.step(first, head));
        self.edge = Some(Edge::new(last, head, delta));
        self.outcomes.leave_out(1);
        true
    }

    /// Whether the earlier day's last reading was off, for the one before it fits.
    fn leaves_last_out(
        &mut self,
        traits: &Traits,
        before: &DayFold,
        (last, first): (Point, Point),
    ) -> bool {
        let Some(tail) = before.tail else {
            return false;
        };
        let Some(delta) = traits.step(tail, first).onward() else {
            return false;
        };
        self.taken_back_before = consumed(traits.step(tail, last));
        self.edge = Some(Edge::new(tail, first, delta));
        self.outcomes.leave_out(1);
        true
    }

    /// No reading beside them explains the step: it is named for what it is.
    fn names(&mut self, traits: &Traits, step: Step, (last, first): (Point, Point)) {
        // What a register trembled back is booked again when it comes on; what no meter could book again
        // was never booked.
        let multiplier = traits.multiplier_at(first.instant);
        let delta = multiplier.between(last.register, first.register);
        let trembled =
            is_jitter(last, first) && traits.allows(Sum(-delta.0), last.instant, first.instant);
        if step == Step::Excess {
            self.outcomes.jumps = 1;
        } else if trembled {
            self.edge = Some(Edge::new(last, first, delta));
            self.outcomes.leave_out(1);
        } else {
            self.outcomes.resets = 1;
        }
    }
}

/// What a fold booked for a step.
fn consumed(step: Step) -> Sum {
    match step {
        Step::Advance(delta) | Step::Rollover(delta) | Step::Change(delta) => delta,
        Step::Excess | Step::Fall => Sum::ZERO,
    }
}

/// The step from one day's last register to a later day's first.
struct Edge {
    before: Instant,
    after: Instant,
    delta: Sum,
}

impl Edge {
    fn new(before: Point, after: Point, delta: Sum) -> Self {
        Self {
            before: before.instant,
            after: after.instant,
            delta,
        }
    }

    /// What of the edge had been consumed at `instant`, by like days or evenly, rounded towards zero.
    fn until(&self, instant: Instant, like: &LikeDays<'_>) -> Sum {
        if instant <= self.before {
            return Sum::ZERO;
        }
        if instant >= self.after {
            return self.delta;
        }
        if let Some((part, whole)) = like.share(self.before, self.after, instant) {
            // OK because a weight is below 2^44, and a sum of deltas below 2^80.
            return Sum(self.delta.0 * part / whole);
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
