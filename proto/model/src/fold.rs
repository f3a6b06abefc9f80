//! From a day's readings to what they prove by themselves.
//!
//! A [`DayFold`] depends on one series' readings of one civil day and on nothing else: neither on its
//! neighbours nor on when it was made. For a counter it holds the first and last register and what was
//! consumed *between* them; the steps over midnight belong to [`compose`](crate::compose), which joins
//! neighbouring days. So a late reading changes the fold of its own day only, and for any counter
//!
//! > Σ days = last − first register, corrected by the named rollovers, replacements and resets only.
//!
//! # Steps of a counter
//! A register that does not fall is an advance. One that falls is one of these, in this order:
//! - a *replacement*, where the registry names one between the two readings;
//! - a *rollover*, where the modulus is known and the way over it is within the meter's rated bound;
//! - a *spike* before it: the register had jumped and came back to where it could have been;
//! - a *dip*: later on the same day the register is back at or above the level it fell from;
//! - a *reset*: counted from the new value on.
//!
//! Spikes and dips are left out and counted; none of them is ever silent.

use crate::{
    amount::{Amount, Sum},
    day::Instant,
    reading::{Flag, Kind},
};

/// A register at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// When.
    pub instant: Instant,
    /// What it read.
    pub register: Amount,
}

/// A meter that took another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// When; it applies to the step that holds this instant.
    pub instant: Instant,
    /// The old meter's last register.
    pub old_final: Amount,
    /// The new meter's first register.
    pub new_initial: Amount,
}

/// What the registry knows of a meter that the fold needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits {
    /// The register's modulus: one more than its largest value.
    pub modulus: Option<Amount>,
    /// The most that can be consumed in an hour.
    pub rated_per_hour: Option<Amount>,
    /// Replacements, in order of their instants.
    pub replacements: Vec<Replacement>,
}

/// What a step of a counter was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The register did not fall: this much was consumed.
    Advance(Sum),
    /// It passed its modulus: this much was consumed.
    Rollover(Sum),
    /// The meter was replaced: this much was consumed on both.
    Replacement(Sum),
    /// It fell, and nothing explains it yet.
    Fall,
}

/// Counts of what a fold came across.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcomes {
    /// Registers that passed their modulus.
    pub rollovers: u32,
    /// Meters replaced.
    pub replacements: u32,
    /// Registers that fell for good without a cause on record.
    pub resets: u32,
    /// Readings left out because the register dipped or spiked and came back.
    pub glitches: u32,
    /// Readings left out because their flag says that the instrument did not measure.
    pub invalid: u32,
    /// Readings set by hand.
    pub manual: u32,
}

/// What one day's readings of one series prove by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DayFold {
    /// Distinct readings, left-out ones included.
    pub readings: u32,
    /// Consumption between the first and the last register, or the sum of intervals or events; zero for
    /// a gauge.
    pub within: Sum,
    /// The first valid register (or gauge value) of the day.
    pub first: Option<Point>,
    /// The last one.
    pub last: Option<Point>,
    /// What was come across.
    pub outcomes: Outcomes,
}

/// One series' distinct readings of a day in columns, sorted by instant.
#[derive(Debug, Clone, Copy)]
pub struct DayColumns<'a> {
    /// UTC milliseconds.
    pub instants: &'a [i64],
    /// Millionths of the canonical unit.
    pub values: &'a [i64],
    /// Codes of [`Flag`].
    pub flags: &'a [u8],
    /// Whether a later value of the same identity counts instead.
    pub superseded: &'a [bool],
}

impl Traits {
    /// What the step from `before` to `after` was.
    #[must_use]
    pub fn step(&self, before: Point, after: Point) -> Step {
        let replaced = self
            .replacements
            .iter()
            .find(|r| before.instant < r.instant && r.instant <= after.instant);
        if let Some(r) = replaced {
            let old = r.old_final.since(before.register);
            return Step::Replacement(old + after.register.since(r.new_initial));
        }
        let delta = after.register.since(before.register);
        if delta.0 >= 0 {
            return Step::Advance(delta);
        }
        match self.modulus {
            Some(modulus) => {
                let over = Sum::from(modulus) + delta;
                let possible = over.0 >= 0 && self.allows(over, before.instant, after.instant);
                if possible {
                    Step::Rollover(over)
                } else {
                    Step::Fall
                }
            }
            None => Step::Fall,
        }
    }

    /// Whether `consumed` is within the rated bound of the time from `from` to `to`. Where no rating is
    /// registered, a tenth of the modulus is the bound.
    fn allows(&self, consumed: Sum, from: Instant, to: Instant) -> bool {
        match (self.rated_per_hour, self.modulus) {
            (Some(rated), _) => {
                let ms = i128::from(to.0.saturating_sub(from.0).max(0));
                // OK because a rating below 2^60 times 2^63 ms stays below 2^127.
                consumed.0 * 3_600_000 <= i128::from(rated.micro()) * ms
            }
            (None, Some(modulus)) => consumed.0 * 10 <= i128::from(modulus.micro()),
            (None, None) => true,
        }
    }
}

/// Folds one series' day.
#[must_use]
pub fn fold_day(kind: Kind, traits: &Traits, columns: DayColumns<'_>) -> DayFold {
    match kind {
        Kind::Register => CounterFold::new(traits, columns).run(),
        Kind::Interval | Kind::Event | Kind::Gauge => fold_amounts(kind, columns),
    }
}

fn fold_amounts(kind: Kind, columns: DayColumns<'_>) -> DayFold {
    let mut fold = DayFold::default();
    let mut total = 0i128;
    let rows = columns
        .instants
        .iter()
        .zip(columns.values)
        .zip(columns.flags);
    for (((&instant, &value), &flag), &superseded) in rows.zip(columns.superseded) {
        if superseded {
            continue;
        }
        fold.readings = fold.readings.saturating_add(1);
        if !fold.outcomes.take_flag(flag) {
            continue;
        }
        if kind == Kind::Gauge {
            let point = point(instant, value);
            fold.first = fold.first.or(point);
            fold.last = point;
        } else {
            total += i128::from(value);
        }
    }
    fold.within = Sum(total);
    fold
}

fn point(instant: i64, value: i64) -> Option<Point> {
    let register = Amount::from_micro(value).ok()?;
    Some(Point {
        instant: Instant(instant),
        register,
    })
}

impl Outcomes {
    /// Counts `flag`; whether the value may be used.
    fn take_flag(&mut self, flag: u8) -> bool {
        if flag == Flag::Normal.code() {
            return true;
        }
        let valid = Flag::from_code(flag).is_some_and(Flag::is_valid);
        if valid {
            self.manual = self.manual.saturating_add(1);
        } else {
            self.invalid = self.invalid.saturating_add(1);
        }
        valid
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rollovers: self.rollovers.saturating_add(other.rollovers),
            replacements: self.replacements.saturating_add(other.replacements),
            resets: self.resets.saturating_add(other.resets),
            glitches: self.glitches.saturating_add(other.glitches),
            invalid: self.invalid.saturating_add(other.invalid),
            manual: self.manual.saturating_add(other.manual),
        }
    }
}

/// The counter's fold under way.
struct CounterFold<'a> {
    traits: &'a Traits,
    columns: DayColumns<'a>,
    fold: DayFold,
    /// The last accepted register.
    level: Option<Point>,
    /// The one accepted before it, and what the step between them added.
    before: Option<(Point, Sum)>,
}

impl<'a> CounterFold<'a> {
    fn new(traits: &'a Traits, columns: DayColumns<'a>) -> Self {
        Self {
            traits,
            columns,
            fold: DayFold::default(),
            level: None,
            before: None,
        }
    }

    fn run(mut self) -> DayFold {
        for row in 0..self.columns.instants.len() {
            if self.columns.superseded[row] {
                continue;
            }
            self.fold.readings = self.fold.readings.saturating_add(1);
            if !self.fold.outcomes.take_flag(self.columns.flags[row]) {
                continue;
            }
            if let Some(point) = point(self.columns.instants[row], self.columns.values[row]) {
                self.take(row, point);
            }
        }
        self.fold.last = self.level;
        self.fold
    }

    fn take(&mut self, row: usize, point: Point) {
        let Some(level) = self.level else {
            self.fold.first = Some(point);
            self.level = Some(point);
            return;
        };
        match self.traits.step(level, point) {
            Step::Advance(delta) => self.accept(level, point, delta),
            Step::Rollover(delta) => {
                self.fold.outcomes.rollovers = self.fold.outcomes.rollovers.saturating_add(1);
                self.accept(level, point, delta);
            }
            Step::Replacement(delta) => {
                self.fold.outcomes.replacements = self.fold.outcomes.replacements.saturating_add(1);
                self.accept(level, point, delta);
            }
            Step::Fall => self.explain_fall(row, level, point),
        }
    }

    fn accept(&mut self, level: Point, point: Point, delta: Sum) {
        self.fold.within += delta;
        self.before = Some((level, delta));
        self.level = Some(point);
    }

    /// A fall that neither the registry nor the modulus explains.
    fn explain_fall(&mut self, row: usize, level: Point, point: Point) {
        if let Some((before, delta)) = self.before.filter(|(b, _)| b.register <= point.register) {
            // The level itself was the glitch: take its step back and step over it.
            self.fold.outcomes.glitches = self.fold.outcomes.glitches.saturating_add(1);
            self.fold.within = self.fold.within - delta;
            self.before = None;
            let step = point.register.since(before.register);
            self.accept(before, point, step);
        } else if self.recovers(row, level.register) {
            self.fold.outcomes.glitches = self.fold.outcomes.glitches.saturating_add(1);
        } else {
            self.fold.outcomes.resets = self.fold.outcomes.resets.saturating_add(1);
            self.before = None;
            self.level = Some(point);
        }
    }

    /// Whether a valid register after `row` is at or above `level`. A day has at most some thousand
    /// readings and falls are rare, so looking ahead anew each time is cheap.
    fn recovers(&self, row: usize, level: Amount) -> bool {
        (row + 1..self.columns.instants.len()).any(|later| {
            !self.columns.superseded[later]
                && self.columns.values[later] >= level.micro()
                && Flag::from_code(self.columns.flags[later]).is_some_and(Flag::is_valid)
        })
    }
}

#[cfg(test)]
mod tests;
