//! From a day's readings to what they prove by themselves.
//!
//! A [`DayFold`] depends on one series' readings of one civil day and on the meter's [`Traits`], and on
//! nothing else: neither on its neighbors nor on when it was made. For a counter it holds the
//! [stretches](Stretch) of registers of which nothing is left to decide, and the steps over midnight belong to
//! [`compose`](crate::compose), which joins neighboring days. So a late reading changes the fold of its
//! own day only, and for any counter
//!
//! > Σ days = last − first register, corrected by the named rollovers, changes, resets and jumps only.
//!
//! # One decision
//! What was a dip, a spike, a reset or a jump is decided in one place ([`explain`](self)), on stretches. A day's
//! own answer (its `within` and outcomes) is that decision on its own stretches; the answer of a period is that
//! decision on the stretches of all its days. Where midnight falls is of no consequence to it.
//!
//! # Steps of a counter
//! A register that does not fall, and rises by no more than the meter can measure, is an advance. One
//! that *falls* is a *change* where the registry names one between the two readings, a *rollover* where the
//! modulus is known and the way over it is within the meter's bound, and else part of a *dip* or a *spike*, which
//! come back, a *tremble*, which counts below zero and is counted again when the register comes on, or a
//! *reset*: counted from the new value on. One that rises by more than the meter can measure is part of a dip
//! or a spike, or a *jump*: counted from the new value on, so that the leap itself is no consumption.
//!
//! What is left out is counted; none of it is ever silent.

use std::sync::Arc;

use crate::{
    amount::{Amount, Sum},
    day::Instant,
    reading::{Flag, Kind},
};

pub use crate::traits::{MeterChange, Multiplier, Point, Profile, Step, Traits};
pub use life::Stretch;

/// Counts of what a fold came across.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcomes {
    /// Registers that passed their modulus.
    pub rollovers: u32,
    /// Meters replaced, or their multipliers changed.
    pub replacements: u32,
    /// Registers that fell for good without a cause on record.
    pub resets: u32,
    /// Registers that rose for good by more than the meter can measure, or than it did in its life, without a
    /// cause on record.
    pub jumps: u32,
    /// Dips and spikes left out: each counts once, however many readings it has.
    pub glitches: u32,
    /// Those of them that showed nothing but a value that devices show instead of a register.
    pub sentinels: u32,
    /// Amounts left out because the meter cannot have measured them.
    pub implausible: u32,
    /// Readings left out because their flag says that the instrument did not measure.
    pub invalid: u32,
    /// Readings set by hand.
    pub manual: u32,
}

/// What one day's readings of one series prove by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DayFold {
    /// Distinct readings, left-out ones included.
    pub readings: u32,
    /// Consumption between the first and the last register, or the sum of intervals or events; zero for
    /// a gauge.
    pub within: Sum,
    /// The first register of the day that counts (or gauge value).
    pub first: Option<Point>,
    /// The first one that differs from it.
    pub head: Option<Point>,
    /// The last one that differs from the last.
    pub tail: Option<Point>,
    /// The last one.
    pub last: Option<Point>,
    /// What was come across.
    pub outcomes: Outcomes,
    /// What only few days have.
    pub odd: Option<Arc<Odd>>,
}

/// What few days have: more than one stretch, something set aside, or a flow below zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Odd {
    /// All the stretches of a counter's day, where there is more than one, or a register at an end of the only
    /// one does not count as long as nothing is known of other days.
    pub stretches: Vec<Stretch>,
    /// What was set aside as no consumption: the rises of jumps, and amounts beyond what the meter can measure,
    /// each as an amount above zero.
    pub set_aside: Sum,
    /// What a meter of both ways measured below zero, as an amount above it.
    pub export: Sum,
    /// The largest amount of an unrated meter's day, where it is far above all others of the day.
    pub peak: Option<Sum>,
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
        Kind::Register | Kind::DailyCounter => {
            plain::fold(traits, columns).unwrap_or_else(|| counter::fold(traits, columns))
        }
        Kind::Interval | Kind::Event | Kind::Gauge => amounts::fold(kind, traits, columns),
    }
}

fn point(instant: i64, value: i64) -> Option<Point> {
    let register = Amount::from_micro(value).ok()?;
    Some(Point {
        instant: Instant(instant),
        register,
    })
}

impl DayFold {
    /// What was set aside as no consumption.
    #[must_use]
    pub fn set_aside(&self) -> Sum {
        self.odd.as_ref().map_or(Sum::ZERO, |odd| odd.set_aside)
    }

    /// What a meter of both ways measured below zero, as an amount above it.
    #[must_use]
    pub fn export(&self) -> Sum {
        self.odd.as_ref().map_or(Sum::ZERO, |odd| odd.export)
    }

    /// The largest amount of an unrated meter's day, where it is far above all others of the day.
    #[must_use]
    pub fn peak(&self) -> Option<Sum> {
        self.odd.as_ref().and_then(|odd| odd.peak)
    }

    /// Whether nothing was come across on the day that a decision could be about.
    pub(crate) fn is_plain(&self) -> bool {
        self.odd.as_ref().is_none_or(|odd| odd.stretches.is_empty())
    }

    /// The stretches of a counter's day.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        match &self.odd {
            Some(odd) if !odd.stretches.is_empty() => odd.stretches.clone(),
            _ => self.first.zip(self.last).map_or_else(Vec::new, |ends| {
                let (first, last) = ends;
                let (head, tail) = (self.head, self.tail);
                vec![Stretch {
                    first,
                    head,
                    tail,
                    last,
                    export: self.export(),
                }]
            }),
        }
    }
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

    /// Of what readings themselves say, and no decision.
    pub(crate) fn of_readings(self) -> Self {
        Self {
            implausible: self.implausible,
            invalid: self.invalid,
            manual: self.manual,
            ..Self::default()
        }
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
            sentinels: self.sentinels.saturating_add(other.sentinels),
            implausible: self.implausible.saturating_add(other.implausible),
            invalid: self.invalid.saturating_add(other.invalid),
            manual: self.manual.saturating_add(other.manual),
        }
    }
}

mod amounts;
pub(crate) mod counter;
mod explain;
mod life;
mod plain;
pub(crate) use {
    explain::{Explanation, explain},
    life::{Life, Plateau},
};

#[cfg(test)]
mod tests;
