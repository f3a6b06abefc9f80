//! The fold of a counter's day, step by step.

use super::{Amount, DayColumns, DayFold, Flag, LEAP_TIMES, Point, Step, Sum, Traits, is_jitter};

/// The counter's fold under way.
pub(super) struct CounterFold<'a> {
    traits: &'a Traits,
    columns: DayColumns<'a>,
    fold: DayFold,
    /// The last register that counts.
    level: Option<Point>,
    /// The one that counted before it, and what the step between them added.
    before: Option<(Point, Sum)>,
    /// Whether that step was over the modulus.
    rolled: bool,
    /// Registers that count, since the first.
    accepted: u32,
    /// The largest step so far.
    leap: Option<Leap>,
    /// Registers beyond what the meter can measure, until it is clear what they were.
    aside: Option<Aside>,
}

/// The largest step so far, and how things stood before it.
struct Leap {
    from: Point,
    to: Amount,
    step: Sum,
    within: Sum,
    accepted: u32,
}

/// Registers that agree with each other and not with the level.
struct Aside {
    first: Point,
    second: Option<Point>,
    before_last: Option<Point>,
    last: Point,
    within: Sum,
    count: u32,
    rollovers: u32,
    replacements: u32,
}

impl<'a> CounterFold<'a> {
    pub(super) fn new(traits: &'a Traits, columns: DayColumns<'a>) -> Self {
        Self {
            traits,
            columns,
            fold: DayFold::default(),
            level: None,
            before: None,
            rolled: false,
            accepted: 0,
            leap: None,
            aside: None,
        }
    }

    pub(super) fn run(mut self) -> DayFold {
        for row in 0..self.columns.instants.len() {
            self.take_row(row);
        }
        self.fold.last = self.level;
        if self.accepted >= 3 {
            self.fold.tail = self.before.map(|(before, _)| before);
        }
        self.settle_aside();
        self.fold
    }

    fn take_row(&mut self, row: usize) {
        if self.columns.superseded[row] {
            return;
        }
        self.fold.readings = self.fold.readings.saturating_add(1);
        if !self.fold.outcomes.take_flag(self.columns.flags[row]) {
            return;
        }
        if let Some(point) = self.columns.point(row) {
            self.take(row, point);
        }
    }

    fn take(&mut self, row: usize, point: Point) {
        let Some(level) = self.level else {
            self.begin(point);
            return;
        };
        let step = self.traits.step(level, point);
        if self.takes_back_rollover(step, point) || self.takes_aside(row, step, point) {
            return;
        }
        match step {
            Step::Advance(delta) => self.accept(level, point, delta),
            Step::Rollover(delta) => {
                self.fold.outcomes.rollovers = self.fold.outcomes.rollovers.saturating_add(1);
                self.accept(level, point, delta);
                self.rolled = true;
            }
            Step::Change(delta) => {
                self.fold.outcomes.replacements = self.fold.outcomes.replacements.saturating_add(1);
                self.accept(level, point, delta);
            }
            Step::Excess => {
                self.aside = Some(Aside {
                    first: point,
                    second: None,
                    before_last: None,
                    last: point,
                    within: Sum::ZERO,
                    count: 1,
                    rollovers: 0,
                    replacements: 0,
                });
            }
            Step::Fall => self.explain_fall(row, level, point),
        }
    }

    fn begin(&mut self, point: Point) {
        self.fold.first = Some(point);
        self.fold.head = None;
        self.level = Some(point);
        self.before = None;
        self.accepted = 1;
        self.leap = None;
    }

    fn accept(&mut self, level: Point, point: Point, delta: Sum) {
        self.drop_aside();
        if self.leap.as_ref().is_none_or(|leap| delta > leap.step) {
            self.leap = Some(Leap {
                from: level,
                to: point.register,
                step: delta,
                within: self.fold.within,
                accepted: self.accepted,
            });
        }
        self.fold.within += delta;
        self.rolled = false;
        self.before = Some((level, delta));
        self.level = Some(point);
        self.accepted = self.accepted.saturating_add(1);
        if self.accepted == 2 {
            self.fold.head = Some(point);
        }
    }

    /// A fall that neither the registry nor the modulus explains.
    fn explain_fall(&mut self, row: usize, level: Point, point: Point) {
        if self.comes_back(row, level, point) {
            self.fold.outcomes.leave_out(1);
            return;
        }
        let trembles = is_jitter(level, point);
        let last_of_day = self.later_valid(row).next().is_none();
        // A leap within the rating that two registers agree on is not undone by the day's last one.
        let doubtful = trembles || (last_of_day && self.traits.bound_per_hour.is_some());
        if self.takes_back_spike(point) || (!doubtful && self.takes_back_leap(point)) {
            return;
        }
        if self.recovers(row, level) || last_of_day {
            self.fold.outcomes.leave_out(1);
        } else if self.accepted == 1 {
            // Which of the two was off, the day before knows.
            self.fold.outcomes.leave_out(1);
            self.begin(point);
        } else if trembles {
            self.fold.outcomes.leave_out(1);
        } else {
            self.fold.outcomes.resets = self.fold.outcomes.resets.saturating_add(1);
            self.before = None;
            self.leap = None;
            self.level = Some(point);
            self.accepted = self.accepted.saturating_add(1);
        }
    }

    /// The level itself was off, and `point` fits the register before it: take its step back.
    fn takes_back_spike(&mut self, point: Point) -> bool {
        let Some((before, delta)) = self.before else {
            return false;
        };
        let Some(step) = self.traits.step(before, point).onward() else {
            return false;
        };
        self.fold.outcomes.leave_out(1);
        self.fold.within = self.fold.within - delta;
        self.return_to(before, point, step, self.accepted.saturating_sub(1));
        true
    }

    /// What had seemed to pass the modulus was a blip near it: the register is back where it had been, by a
    /// rise that no meter measures.
    fn takes_back_rollover(&mut self, step: Step, point: Point) -> bool {
        let unbelievable = match step {
            Step::Excess => true,
            Step::Advance(_) => self.traits.bound_per_hour.is_none(),
            _ => false,
        };
        let Some((before, delta)) = self.before.filter(|_| self.rolled && unbelievable) else {
            return false;
        };
        let Step::Advance(onward) = self.traits.step(before, point) else {
            return false;
        };
        let outcomes = &mut self.fold.outcomes;
        outcomes.rollovers = outcomes.rollovers.saturating_sub(1);
        outcomes.leave_out(1);
        self.fold.within = self.fold.within - delta;
        self.return_to(before, point, onward, self.accepted.saturating_sub(1));
        true
    }

    /// One step was far larger than all others together, and `point` fits the register before it: all
    /// since then was off.
    fn takes_back_leap(&mut self, point: Point) -> bool {
        let Some(leap) = self.leap.take() else {
            return false;
        };
        let rest = self.fold.within - leap.step;
        let vast = leap.step.0 >= rest.0.saturating_mul(LEAP_TIMES);
        match self.traits.step(leap.from, point).onward() {
            Some(step) if vast && point.register < leap.to => {
                let off = self.accepted.saturating_sub(leap.accepted);
                self.fold.outcomes.leave_out(off);
                self.fold.within = leap.within;
                self.return_to(leap.from, point, step, leap.accepted);
                true
            }
            _ => {
                self.leap = Some(leap);
                false
            }
        }
    }

    /// Goes on from an earlier register, of which there were `accepted`, to `point`.
    fn return_to(&mut self, from: Point, point: Point, step: Sum, accepted: u32) {
        self.accepted = accepted;
        self.leap = None;
        self.accept(from, point, step);
    }

    /// Registers after `row` that may be used.
    fn later_valid(&self, row: usize) -> impl Iterator<Item = Point> {
        let columns = self.columns;
        (row + 1..columns.instants.len())
            .filter(move |&later| {
                !columns.superseded[later]
                    && Flag::from_code(columns.flags[later]).is_some_and(Flag::is_valid)
            })
            .filter_map(move |later| columns.point(later))
    }

    /// Whether a register after `row` is at or above `level`, whatever was changed in between. A day has at
    /// most some thousand readings and falls are rare, so looking ahead anew each time is cheap.
    fn recovers(&self, row: usize, level: Point) -> bool {
        self.later_valid(row)
            .any(|later| self.traits.rises(level, later))
    }

    /// Whether the register comes back to where it can have gone from `level`, and cannot have gone from
    /// where it fell to: then no spike was before the fall, wherever it fell to.
    fn comes_back(&self, row: usize, level: Point, point: Point) -> bool {
        if self.traits.bound_per_hour.is_none() {
            return false;
        }
        let mut low = point;
        for later in self.later_valid(row) {
            match self.traits.step(level, later) {
                Step::Fall => low = later,
                Step::Excess => {}
                Step::Advance(_) | Step::Rollover(_) | Step::Change(_) => {
                    return matches!(self.traits.step(low, later), Step::Excess | Step::Fall);
                }
            }
        }
        false
    }

    /// Whether `point` belongs to what was set aside, or lies beside both that and the level.
    fn takes_aside(&mut self, row: usize, step: Step, point: Point) -> bool {
        let Some(aside) = &self.aside else {
            return false;
        };
        let (agreed, odd) = (aside.count >= 2, matches!(step, Step::Excess | Step::Fall));
        // Time makes any leap possible in the end: what two registers agree on is gone back from only by
        // one below them, and to a register that stands alone only for good.
        let beyond = agreed && point.register >= aside.last.register;
        let alone = agreed && self.accepted == 1;
        if (beyond || odd || alone) && self.agrees_aside(point) {
            return true;
        }
        if (odd || alone) && self.aside_goes_on(row) {
            self.fold.outcomes.leave_out(1);
            return true;
        }
        if odd {
            // What was set aside is neither where the register was nor where it is.
            self.drop_aside();
        }
        false
    }

    /// Whether `point` follows from what was set aside; then it joins it.
    fn agrees_aside(&mut self, point: Point) -> bool {
        let Some(aside) = &mut self.aside else {
            return false;
        };
        let delta = match self.traits.step(aside.last, point) {
            Step::Advance(delta) => delta,
            Step::Rollover(delta) => {
                aside.rollovers = aside.rollovers.saturating_add(1);
                delta
            }
            Step::Change(delta) => {
                aside.replacements = aside.replacements.saturating_add(1);
                delta
            }
            Step::Excess | Step::Fall => return false,
        };
        aside.within += delta;
        aside.before_last = Some(aside.last);
        aside.second = aside.second.or(Some(point));
        aside.last = point;
        aside.count = aside.count.saturating_add(1);
        true
    }

    /// Whether the register after `row` follows from what was set aside: then `row` alone is off.
    fn aside_goes_on(&self, row: usize) -> bool {
        let ends = self.aside.as_ref().zip(self.later_valid(row).next());
        ends.is_some_and(|(aside, next)| self.traits.step(aside.last, next).onward().is_some())
    }

    fn drop_aside(&mut self) {
        if let Some(aside) = self.aside.take() {
            self.fold.outcomes.leave_out(aside.count);
        }
    }

    /// The day ends and the register has not come back from what was set aside.
    fn settle_aside(&mut self) {
        let Some(aside) = self.aside.take() else {
            return;
        };
        if aside.count < 2 {
            self.fold.outcomes.leave_out(aside.count);
            return;
        }
        if self.accepted == 1 {
            // All others agree: the first one was off.
            self.fold.outcomes.leave_out(1);
            self.fold.first = Some(aside.first);
            self.fold.head = aside.second;
        } else {
            self.fold.outcomes.jumps = self.fold.outcomes.jumps.saturating_add(1);
        }
        let outcomes = &mut self.fold.outcomes;
        outcomes.rollovers = outcomes.rollovers.saturating_add(aside.rollovers);
        outcomes.replacements = outcomes.replacements.saturating_add(aside.replacements);
        self.fold.within += aside.within;
        self.fold.tail = aside.before_last.filter(|_| aside.count >= 3);
        self.fold.last = Some(aside.last);
    }
}

#[cfg(test)]
mod tests;
