//! What the registry knows of a meter that folding needs, and what a step of its register was.
//!
//! A register times its *multiplier* (CT ratio × PT ratio, 倍率) is what was consumed. A multiplier holds
//! from a register reading on, not from a wall time: a [`MeterChange`] says what the old register stood
//! at and what the new one began at, so the step that holds it is counted on both sides.
//!
//! A step is *allowed* by the bound of METHOD (h), `0 ≤ Δ ≤ rated × Δt × k`, where the meter has a rating.

use std::fmt;

use crate::{
    amount::{Amount, AmountError, Sum},
    day::{CivilDay, Instant},
    limits::{BOUND_MS_MIN, MICRO},
    reading::Kind,
};

/// The version of the counters' fold. It is raised with each change after which any day of any counter can give
/// another total, so that totals made before are not taken for its own.
const COUNTER_FOLD: &str = "fold 2";

/// A register at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// When.
    pub instant: Instant,
    /// What it read.
    pub register: Amount,
}

/// What a register is multiplied by: CT ratio × PT ratio, positive; 1 where the meter is direct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Multiplier(Amount);

/// Another meter in a meter's place (换表), or another multiplier of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeterChange {
    /// When; it applies to the step that holds this instant.
    pub instant: Instant,
    /// The register before.
    pub old_final: Amount,
    /// The register after: the new meter's first, or the same where only the multiplier changes.
    pub new_initial: Amount,
    /// The multiplier from then on.
    pub multiplier: Multiplier,
}

/// What the registry knows of a meter that the fold needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits {
    /// The register's modulus: one more than its largest value.
    pub modulus: Option<Amount>,
    /// The most that can be consumed in an hour, headroom included, in the canonical unit.
    pub bound_per_hour: Option<Amount>,
    /// The multiplier before the first change.
    pub multiplier: Multiplier,
    /// Changes, in order of their instants.
    pub changes: Vec<MeterChange>,
}

/// What a step of a counter was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The register did not fall: this much was consumed.
    Advance(Sum),
    /// It passed its modulus: this much was consumed.
    Rollover(Sum),
    /// The meter or its multiplier was changed: this much was consumed before and after.
    Change(Sum),
    /// It rose by more than the meter can measure, and nothing explains it yet.
    Excess,
    /// It fell, and nothing explains it yet.
    Fall,
}

impl Step {
    /// What was consumed, where the register went on or was changed on record.
    pub(crate) fn onward(self) -> Option<Sum> {
        match self {
            Self::Advance(consumed) | Self::Change(consumed) => Some(consumed),
            Self::Rollover(_) | Self::Excess | Self::Fall => None,
        }
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

impl Multiplier {
    /// A meter that is read as it is.
    pub const ONE: Self = match Amount::from_micro(MICRO) {
        Ok(one) => Self(one),
        Err(_) => panic!("one is in range"),
    };

    /// Takes a positive multiplier.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] for zero, a negative one, or one above a million.
    pub fn new(value: Amount) -> Result<Self, AmountError> {
        let most = MICRO.saturating_mul(MICRO);
        if value.micro() > 0 && value.micro() <= most {
            Ok(Self(value))
        } else {
            Err(AmountError::OutOfRange)
        }
    }

    /// The multiplier as a number.
    #[must_use]
    pub const fn value(self) -> Amount {
        self.0
    }

    /// `register` times the multiplier, in millionths rounded down. Differences of what this gives for
    /// registers in order add up without a rest, whatever the multiplier.
    #[must_use]
    pub fn of(self, register: Amount) -> Sum {
        let register = i128::from(register.micro());
        if self == Self::ONE {
            return Sum(register);
        }
        // OK because a register below 10^18 times a multiplier of at most 10^12 is below 2^127.
        Sum((register * i128::from(self.0.micro())).div_euclid(i128::from(MICRO)))
    }

    /// What was consumed from one register to another.
    #[must_use]
    pub fn between(self, from: Amount, to: Amount) -> Sum {
        if self == Self::ONE {
            return to.since(from);
        }
        self.of(to) - self.of(from)
    }
}

impl Traits {
    /// What the step from `before` to `after` was.
    #[must_use]
    pub fn step(&self, before: Point, after: Point) -> Step {
        if self.changes.is_empty() {
            return self.plain_step(self.multiplier, before, after);
        }
        let Some((consumed, falls)) = self.over_changes(before, after) else {
            return self.plain_step(self.multiplier_at(before.instant), before, after);
        };
        match consumed {
            Some(sum) if self.allows(sum, before.instant, after.instant) => Step::Change(sum),
            // A fall that the modulus does not explain stays one, as it is without a change.
            Some(_) if !falls => Step::Excess,
            _ => Step::Fall,
        }
    }

    /// Whether the register did not fall between the two, neither before nor after a change.
    pub(crate) fn rises(&self, before: Point, after: Point) -> bool {
        match self.over_changes(before, after) {
            Some((_, falls)) => !falls,
            None => after.register >= before.register,
        }
    }

    /// What was consumed between two registers over the changes between them, none where the register fell
    /// without passing a modulus; and whether it fell. None where nothing was changed.
    fn over_changes(&self, before: Point, after: Point) -> Option<(Option<Sum>, bool)> {
        let within = |c: &&MeterChange| before.instant < c.instant && c.instant <= after.instant;
        let mut changes = self.changes.iter().filter(within).peekable();
        changes.peek()?;
        let mut multiplier = self.multiplier_at(before.instant);
        let (mut from, mut consumed, mut falls) = (before.register, Some(Sum::ZERO), false);
        for change in changes {
            falls |= change.old_final < from;
            let part = self.leg(multiplier, from, change.old_final);
            consumed = consumed.zip(part).map(|(sum, part)| sum + part);
            (from, multiplier) = (change.new_initial, change.multiplier);
        }
        falls |= after.register < from;
        let part = self.leg(multiplier, from, after.register);
        Some((consumed.zip(part).map(|(sum, part)| sum + part), falls))
    }

    /// What was consumed on the way to or from a change: over the modulus where the register fell.
    fn leg(&self, multiplier: Multiplier, from: Amount, to: Amount) -> Option<Sum> {
        if to >= from {
            return Some(multiplier.between(from, to));
        }
        let modulus = self.modulus?;
        self.is_likely(from, to)
            .then(|| multiplier.between(from, modulus) + multiplier.of(to))
    }

    /// Whether a fall can be a passing of the modulus: where no rating is registered, a tenth of the modulus
    /// is the most that is believed.
    fn is_likely(&self, from: Amount, to: Amount) -> bool {
        self.modulus.is_some_and(|modulus| {
            let over = modulus.since(from) + to.into();
            let within =
                self.bound_per_hour.is_some() || over.0 * 10 <= i128::from(modulus.micro());
            over.0 >= 0 && within
        })
    }

    /// The multiplier that holds for a reading at `instant`.
    #[must_use]
    pub fn multiplier_at(&self, instant: Instant) -> Multiplier {
        let last = self.changes.iter().rev().find(|c| c.instant <= instant);
        last.map_or(self.multiplier, |change| change.multiplier)
    }

    /// What of it matters for readings of `day` alone: the multiplier that the day begins with, and the
    /// day's own changes.
    #[must_use]
    pub fn on(&self, day: CivilDay) -> Self {
        let (start, end) = (day.start(), day.end());
        let of_day = |c: &&MeterChange| start < c.instant && c.instant <= end;
        Self {
            modulus: self.modulus,
            bound_per_hour: self.bound_per_hour,
            multiplier: self.multiplier_at(start),
            changes: self.changes.iter().filter(of_day).copied().collect(),
        }
    }

    /// What a total of a series of `kind` says that it was made by: for a counter the version of its fold, then
    /// the traits. Equal texts mean equal totals of equal readings.
    #[must_use]
    pub fn rules(&self, kind: Kind) -> String {
        let traits = self.to_string();
        match kind {
            Kind::Register if traits.is_empty() => COUNTER_FOLD.to_owned(),
            Kind::Register => format!("{COUNTER_FOLD}, {traits}"),
            Kind::Interval | Kind::Event | Kind::Gauge | Kind::DailyCounter => traits,
        }
    }

    /// Whether values are read as they are, always.
    pub(crate) fn is_direct(&self) -> bool {
        self.changes.is_empty() && self.multiplier == Multiplier::ONE
    }

    /// A step without a change on record.
    fn plain_step(&self, multiplier: Multiplier, before: Point, after: Point) -> Step {
        if after.register >= before.register {
            let consumed = multiplier.between(before.register, after.register);
            return if self.allows(consumed, before.instant, after.instant) {
                Step::Advance(consumed)
            } else {
                Step::Excess
            };
        }
        let Some(modulus) = self.modulus else {
            return Step::Fall;
        };
        let consumed = multiplier.between(before.register, modulus) + multiplier.of(after.register);
        let possible = self.is_likely(before.register, after.register);
        if possible && self.allows(consumed, before.instant, after.instant) {
            Step::Rollover(consumed)
        } else {
            Step::Fall
        }
    }

    /// Whether `consumed` is within the bound of the time from `from` to `to`.
    pub(crate) fn allows(&self, consumed: Sum, from: Instant, to: Instant) -> bool {
        let Some(bound) = self.bound_per_hour else {
            return true;
        };
        let ms = i128::from(to.0.saturating_sub(from.0).max(BOUND_MS_MIN));
        // OK because a sum below 2^100 times an hour's ms, and a bound below 2^60 times 2^63 ms, stay
        // below 2^127.
        consumed.0 * 3_600_000 <= i128::from(bound.micro()) * ms
    }
}

impl fmt::Display for Traits {
    /// What a total says that it was made by, nothing for a meter of which nothing is known:
    /// `modulus 1000000, at most 480/h, times 12000, from 2026-03-05T10:30:00+08:00 at 5012 on from 3 times
    /// 8000`. Equal texts mean equal traits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.modulus.map(|m| format!("modulus {m}")));
        parts.extend(self.bound_per_hour.map(|b| format!("at most {b}/h")));
        if self.multiplier != Multiplier::ONE {
            parts.push(format!("times {}", self.multiplier.value()));
        }
        parts.extend(self.changes.iter().map(|c| {
            let (at, before, after) = (c.instant, c.old_final, c.new_initial);
            format!(
                "from {at} at {before} on from {after} times {}",
                c.multiplier.value()
            )
        }));
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect("a decimal")
    }

    fn change(at: &str, multiplier: &str) -> MeterChange {
        MeterChange {
            instant: at.parse().expect("an instant"),
            old_final: amount("5012"),
            new_initial: amount("3"),
            multiplier: Multiplier::new(amount(multiplier)).expect("positive"),
        }
    }

    #[test]
    fn a_days_traits_are_told_by_what_the_day_depends_on() {
        let traits = Traits {
            modulus: Some(amount("1000000")),
            bound_per_hour: Some(amount("480")),
            multiplier: Multiplier::new(amount("12000")).expect("positive"),
            changes: vec![
                change("2026-03-05T10:30:00+08:00", "8000"),
                change("2026-07-01T00:00:00+08:00", "1"),
            ],
        };
        let told = |day: &str| traits.on(day.parse().expect("a day")).to_string();
        let always = "modulus 1000000, at most 480/h";
        assert_eq!(told("2026-03-04"), format!("{always}, times 12000"));
        assert_eq!(
            told("2026-03-05"),
            format!(
                "{always}, times 12000, from 2026-03-05T10:30:00+08:00 at 5012 on from 3 times 8000"
            )
        );
        assert_eq!(told("2026-03-06"), format!("{always}, times 8000"));
        // A change at midnight belongs to the step that ends there.
        assert_eq!(
            told("2026-06-30"),
            format!(
                "{always}, times 8000, from 2026-07-01T00:00:00+08:00 at 5012 on from 3 times 1"
            )
        );
        assert_eq!(told("2026-07-01"), always);
        assert_eq!(Traits::default().to_string(), "");
    }

    #[test]
    fn a_counters_total_says_by_which_fold_it_was_made() {
        let modulus = Traits {
            modulus: Some(amount("10000")),
            ..Traits::default()
        };
        assert_eq!(Traits::default().rules(Kind::Register), "fold 2");
        assert_eq!(modulus.rules(Kind::Register), "fold 2, modulus 10000");
        assert_eq!(modulus.rules(Kind::Interval), "modulus 10000");
        assert_eq!(Traits::default().rules(Kind::Event), "");
    }

    #[test]
    fn a_fall_to_a_change_that_no_modulus_explains_stays_a_fall() {
        let traits = Traits {
            modulus: Some(amount("10000")),
            bound_per_hour: Some(amount("5")),
            multiplier: Multiplier::ONE,
            changes: vec![change("2026-03-05T10:30:00+08:00", "2")],
        };
        let at = |instant: &str, register: &str| Point {
            instant: instant.parse().expect("an instant"),
            register: amount(register),
        };
        // A spike to 9,000 before the meter was changed at 5,012: the way over the modulus is 6,012.
        let spike = at("2026-03-05T00:00:00+08:00", "9000");
        let after = at("2026-03-05T12:00:00+08:00", "4");
        assert_eq!(traits.step(spike, after), Step::Fall);
        let level = at("2026-03-05T00:00:00+08:00", "5002");
        assert_eq!(
            traits.step(level, after),
            Step::Change(Sum::from(amount("12")))
        );
        assert_eq!(
            traits.step(at("2026-03-05T00:00:00+08:00", "4002"), after),
            Step::Excess
        );
    }

    #[test]
    fn a_register_may_pass_its_modulus_on_the_way_to_a_change() {
        let traits = Traits {
            modulus: Some(amount("10000")),
            bound_per_hour: Some(amount("500")),
            multiplier: Multiplier::ONE,
            changes: vec![change("2026-03-05T10:30:00+08:00", "2")],
        };
        let at = |instant: &str, register: &str| Point {
            instant: instant.parse().expect("an instant"),
            register: amount(register),
        };
        // From 9,990 over the modulus to 5,012, where the meter was changed, then from 3 to 13, twice.
        let before = at("2026-03-05T00:00:00+08:00", "9990");
        let after = at("2026-03-05T12:00:00+08:00", "13");
        let consumed = Sum::from(amount("5042"));
        assert_eq!(traits.step(before, after), Step::Change(consumed));
    }

    #[test]
    fn a_multiplier_is_positive() {
        assert!(Multiplier::new(Amount::ZERO).is_err());
        assert!(Multiplier::new(amount("-1")).is_err());
        assert!(Multiplier::new(amount("1000001")).is_err());
        assert!(Multiplier::new(amount("0.001")).is_ok());
    }
}
