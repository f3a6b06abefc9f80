//! From a day's readings to what they prove by themselves.
//!
//! A [`DayFold`] depends on one series' readings of one civil day and on the meter's [`Traits`], and on
//! nothing else: neither on its neighbors nor on when it was made. For a counter it holds the registers
//! at the day's ends and what was consumed *between* them; the steps over midnight belong to
//! [`compose`](crate::compose), which joins neighboring days. So a late reading changes the fold of its
//! own day only, and for any counter
//!
//! > Σ days = last − first register, corrected by the named rollovers, changes, resets and jumps only.
//!
//! # Steps of a counter
//! A register that does not fall, and rises by no more than the meter can measure, is an advance. One
//! that *falls* is one of these, in this order:
//! - a *change*, where the registry names one between the two readings;
//! - a *rollover*, where the modulus is known and the way over it is within the meter's bound;
//! - a *dip* of a rated meter: the register is back where it cannot have gone from where it fell to;
//! - a *spike* before it: the register had leapt and came back to where it could have been;
//! - a *dip*: later on the same day the register is back at or above the level it fell from, or was by the
//!   change that the registry names;
//! - *jitter*: a fall of at most [`JITTER_PERCENT`] per cent; it waits for the register to come back;
//! - undecided, where it is the day's last reading, or its second: the neighboring day decides;
//! - a *reset*: counted from the new value on.
//!
//! One that rises by *more than the meter can measure* is set aside with those that follow it, but for
//! single ones that fit neither. If the register comes back, they were glitches; if at least two agree and
//! it never does, it was a *jump*: counted from the new value on, so that the leap itself is no consumption.
//!
//! What is left out is counted; none of it is ever silent.

use crate::{
    amount::{Amount, Sum},
    day::Instant,
    limits::{JITTER_PERCENT, LEAP_TIMES},
    reading::{Flag, Kind},
};

pub use crate::traits::{MeterChange, Multiplier, Point, Step, Traits};

/// Counts of what a fold came across.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcomes {
    /// Registers that passed their modulus.
    pub rollovers: u32,
    /// Meters replaced, or their multipliers changed.
    pub replacements: u32,
    /// Registers that fell for good without a cause on record.
    pub resets: u32,
    /// Registers that rose for good by more than the meter can measure, without a cause on record.
    pub jumps: u32,
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
    /// The first register of the day that counts (or gauge value).
    pub first: Option<Point>,
    /// The one after it: what the day before needs to tell whether the first one was a dip.
    pub head: Option<Point>,
    /// The one before the last, where the day has three or more: what the day after needs to tell
    /// whether the last one was a spike.
    pub tail: Option<Point>,
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

impl DayColumns<'_> {
    /// What was read at `row`; none where the value is out of range.
    fn point(&self, row: usize) -> Option<Point> {
        point(self.instants[row], self.values[row])
    }
}

/// Folds one series' day.
#[must_use]
pub fn fold_day(kind: Kind, traits: &Traits, columns: DayColumns<'_>) -> DayFold {
    match kind {
        Kind::Register => {
            plain::fold(traits, columns).unwrap_or_else(|| CounterFold::new(traits, columns).run())
        }
        Kind::Interval | Kind::Event | Kind::Gauge | Kind::DailyCounter => {
            fold_amounts(kind, traits, columns)
        }
    }
}

fn fold_amounts(kind: Kind, traits: &Traits, columns: DayColumns<'_>) -> DayFold {
    let mut fold = DayFold::default();
    let direct = traits.is_direct();
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
        if matches!(kind, Kind::Gauge | Kind::DailyCounter) {
            let point = point(instant, value);
            fold.first = fold.first.or(point);
            fold.last = point;
        } else if direct {
            total += i128::from(value);
        } else if let Some(at) = point(instant, value) {
            total += traits.multiplier_at(at.instant).of(at.register).0;
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

/// Whether a register that fell from `level` to `point` only trembled.
pub(crate) fn is_jitter(level: Point, point: Point) -> bool {
    let fall = i128::from(level.register.micro()) - i128::from(point.register.micro());
    fall >= 0 && fall * 100 <= i128::from(level.register.micro()) * JITTER_PERCENT
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

    /// Counts readings that are left out.
    pub(crate) fn leave_out(&mut self, readings: u32) {
        self.glitches = self.glitches.saturating_add(readings);
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rollovers: self.rollovers.saturating_add(other.rollovers),
            replacements: self.replacements.saturating_add(other.replacements),
            resets: self.resets.saturating_add(other.resets),
            jumps: self.jumps.saturating_add(other.jumps),
            glitches: self.glitches.saturating_add(other.glitches),
            invalid: self.invalid.saturating_add(other.invalid),
            manual: self.manual.saturating_add(other.manual),
        }
    }
}

mod counter;
mod plain;
use counter::CounterFold;

#[cfg(test)]
mod tests;
