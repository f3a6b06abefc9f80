//! The fold of one day: its registers, its consumption and the outcomes of its readings.

use std::sync::Arc;

use crate::{
    fold::life::Stretch,
    meter::{
        amount::{Amount, Sum},
        profile::Point,
        reading::Flag,
    },
    time::day::Instant,
};

/// Counts of the events that a fold found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcomes {
    /// Registers that passed their modulus.
    pub rollovers: u32,
    /// Meters replaced, or multipliers changed.
    pub replacements: u32,
    /// Registers that fell permanently without a cause on record.
    pub resets: u32,
    /// Registers that rose permanently by more than the meter can measure, or far more than it usually does,
    /// without a cause on record.
    pub jumps: u32,
    /// Dips and spikes left out: each counts once, however many readings it has.
    pub glitches: u32,
    /// Glitches of which every reading is a value that devices show instead of a register.
    pub sentinels: u32,
    /// Amounts left out because the meter cannot have measured them.
    pub implausible: u32,
    /// Readings left out because their flag means that the instrument did not measure.
    pub invalid: u32,
    /// Readings set by hand.
    pub manual: u32,
}

/// The totals that one day's readings of one series prove without any other day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DayFold {
    /// Distinct readings, left-out ones included.
    pub readings: u32,
    /// Consumption between the first and the last register, or the sum of intervals or events; zero for
    /// a gauge.
    pub within: Sum,
    /// The first register of the day that counts (or gauge value).
    pub first: Option<Point>,
    /// The first register that differs from `first`.
    pub head: Option<Point>,
    /// The last register that differs from `last`.
    pub tail: Option<Point>,
    /// The last register that counts.
    pub last: Option<Point>,
    /// The events found.
    pub outcomes: Outcomes,
    /// The fields that only few days need.
    pub odd: Option<Arc<Odd>>,
}

/// The fields that only few days need: more than one stretch, an amount set aside, or a flow below zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Odd {
    /// All stretches of a counter's day, if there is more than one, or if a register at an end of the only one does
    /// not count as long as other days are unknown.
    pub stretches: Vec<Stretch>,
    /// Amounts set aside as no consumption: the rises of jumps, and amounts beyond what the meter can measure, each
    /// above zero.
    pub set_aside: Sum,
    /// The flow below zero of a meter of both ways, as an amount above zero.
    pub export: Sum,
    /// The largest amount of an unrated meter's day, if it is far above all others of the day.
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
    /// True where a later value of the same identity counts instead.
    pub superseded: &'a [bool],
}

impl DayColumns<'_> {
    /// The register read at `row`; `None` if the value is out of range.
    pub(super) fn point(&self, row: usize) -> Option<Point> {
        point(self.instants[row], self.values[row])
    }
}

pub(super) fn point(instant: i64, value: i64) -> Option<Point> {
    let register = Amount::from_micro(value).ok()?;
    Some(Point {
        instant: Instant::from_millis(instant),
        register,
    })
}

impl DayFold {
    /// The sum of the amounts set aside as no consumption.
    #[must_use]
    pub fn set_aside(&self) -> Sum {
        self.odd.as_ref().map_or(Sum::ZERO, |odd| odd.set_aside)
    }

    /// The flow below zero of a meter of both ways, as an amount above zero.
    #[must_use]
    pub fn export(&self) -> Sum {
        self.odd.as_ref().map_or(Sum::ZERO, |odd| odd.export)
    }

    /// The largest amount of an unrated meter's day, if it is far above all others of the day.
    #[must_use]
    pub fn peak(&self) -> Option<Sum> {
        self.odd.as_ref().and_then(|odd| odd.peak)
    }

    /// Returns true if the day leaves nothing to decide.
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
    /// Counts `flag` and returns true if the value may be used.
    pub(super) fn count_flag(&mut self, flag: u8) -> bool {
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

    /// The outcomes that follow from readings alone, without a decision.
    pub(crate) fn of_readings(self) -> Self {
        Self {
            implausible: self.implausible,
            invalid: self.invalid,
            manual: self.manual,
            ..Self::default()
        }
    }

    /// The sums of both.
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
