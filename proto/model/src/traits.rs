//! What the registry knows of a meter that folding needs, and what a step of its register was.
//!
//! A register times its *multiplier* (CT ratio × PT ratio, 倍率) is what was consumed. A multiplier holds
//! from a register reading on, not from a wall time: a [`MeterChange`] says what the old register stood
//! at and what the new one began at, so the step that holds it is counted on both sides.
//!
//! Modulus, bound and direction are *dated*: a [`Profile`] holds from an instant on, and each step is judged by
//! the one that holds for its later reading. So an entry that is recorded for July changes nothing in March.
//!
//! A step is *allowed* by the bound of METHOD (h), `0 ≤ Δ ≤ rated × Δt × k`, where the meter has a rating.
//! A fall *trembles* where it is within what the meter can measure in so short a time; how high the register
//! stands does not matter.

use std::fmt;

use crate::{
    amount::{Amount, AmountError, Sum},
    day::{CivilDay, DayRange, Instant},
    limits::{BOUND_MS_MIN, MICRO, RESTART_EARLY_MS, RESTART_LATE_MS, TREMBLE_MS_MAX},
    reading::Kind,
};

/// The version of the fold. It is raised with each change after which any day can give another total, so that
/// totals made before are not taken for its own.
const FOLD: &str = "fold 3";

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

/// How the steps of a meter are judged while it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The register's modulus: one more than its largest value.
    pub modulus: Option<Amount>,
    /// The most that can be consumed in an hour, headroom included, in the canonical unit.
    pub bound_per_hour: Option<Amount>,
    /// Whether the meter measures both ways, so that a fall is consumption below zero.
    pub bidirectional: bool,
    /// The minute of the civil day at which a daily counter starts anew.
    pub restart: Option<u16>,
    /// Milliseconds that an interval lasts, where that is registered.
    pub interval_ms: Option<i64>,
}

/// What the registry knows of a meter that the fold needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits {
    /// What holds before the first of `dated`.
    pub profile: Profile,
    /// What holds from these instants on, in order.
    pub dated: Vec<(Instant, Profile)>,
    /// The multiplier before the first change.
    pub multiplier: Multiplier,
    /// Changes, in order of their instants.
    pub changes: Vec<MeterChange>,
}

/// What a step of a counter was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The register went on: this much was consumed, below zero where a meter of both ways fell.
    Advance(Sum),
    /// It passed its modulus: this much was consumed.
    Rollover(Sum),
    /// The meter or its multiplier was changed: this much was consumed before and after.
    Change(Sum),
    /// A daily counter started anew: this much was consumed since.
    Restart(Sum),
    /// It fell by no more than the meter can measure in so short a time: by this much, below zero.
    Tremble(Sum),
    /// It rose by more than the meter can measure, and nothing explains it yet.
    Excess,
    /// It fell, and nothing explains it yet.
    Fall,
}

impl Step {
    /// What was consumed, where the step needs no explanation beyond itself.
    pub(crate) fn onward(self) -> Option<Sum> {
        match self {
            Self::Advance(sum) | Self::Rollover(sum) | Self::Change(sum) | Self::Restart(sum) => {
                Some(sum)
            }
            Self::Tremble(_) | Self::Excess | Self::Fall => None,
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
    /// What is known of a meter whose `profile` always holds.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }

    /// How a step to a reading at `instant` is judged.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Profile {
        if self.dated.is_empty() {
            return self.profile;
        }
        let after = self.dated.partition_point(|(from, _)| *from <= instant);
        let last = after.checked_sub(1).map(|at| self.dated[at].1);
        last.unwrap_or(self.profile)
    }

    /// Whether the same holds for every reading.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.changes.is_empty() && self.dated.is_empty()
    }

    /// What the step from `before` to `after` was.
    #[must_use]
    pub fn step(&self, before: Point, after: Point) -> Step {
        let profile = self.at(after.instant);
        if self.changes.is_empty() {
            return profile.step(self.multiplier, before, after);
        }
        let Some((consumed, falls)) = self.over_changes(profile, before, after) else {
            return profile.step(self.multiplier_at(before.instant), before, after);
        };
        match consumed {
            Some(sum) if profile.allows(sum, before.instant, after.instant) => Step::Change(sum),
            // A fall that the modulus does not explain stays one, as it is without a change.
            Some(_) if !falls => Step::Excess,
            _ => Step::Fall,
        }
    }

    /// The first and the last change between the two.
    pub(crate) fn changes_between(
        &self,
        before: Instant,
        after: Instant,
    ) -> Option<(&MeterChange, &MeterChange)> {
        let within = |c: &&MeterChange| before < c.instant && c.instant <= after;
        let first = self.changes.iter().find(within)?;
        let last = self.changes.iter().rfind(within)?;
        Some((first, last))
    }

    /// What was consumed between two registers over the changes between them, none where the register fell
    /// without passing a modulus; and whether it fell. None where nothing was changed.
    fn over_changes(
        &self,
        profile: Profile,
        before: Point,
        after: Point,
    ) -> Option<(Option<Sum>, bool)> {
        let within = |c: &&MeterChange| before.instant < c.instant && c.instant <= after.instant;
        let mut changes = self.changes.iter().filter(within).peekable();
        changes.peek()?;
        let mut multiplier = self.multiplier_at(before.instant);
        let (mut from, mut consumed, mut falls) = (before.register, Some(Sum::ZERO), false);
        for change in changes {
            falls |= change.old_final < from;
            let part = profile.leg(multiplier, from, change.old_final);
            consumed = consumed.zip(part).map(|(sum, part)| sum + part);
            (from, multiplier) = (change.new_initial, change.multiplier);
        }
        falls |= after.register < from;
        let part = profile.leg(multiplier, from, after.register);
        Some((consumed.zip(part).map(|(sum, part)| sum + part), falls))
    }

    /// The multiplier that holds for a reading at `instant`.
    #[must_use]
    pub fn multiplier_at(&self, instant: Instant) -> Multiplier {
        let last = self.changes.iter().rev().find(|c| c.instant <= instant);
        last.map_or(self.multiplier, |change| change.multiplier)
    }

    /// What of it matters for readings of `day` alone: what the day begins with, and the day's own changes.
    #[must_use]
    pub fn on(&self, day: CivilDay) -> Self {
        self.between(day.start(), day.end())
    }

    /// What of it matters for readings of `range` alone, and for joining its days. Of equal ones the traits
    /// [on](Self::on) each day are equal, too.
    #[must_use]
    pub fn over(&self, range: DayRange) -> Self {
        self.between(range.first().start(), range.last().end())
    }

    fn between(&self, start: Instant, end: Instant) -> Self {
        let changed = |c: &&MeterChange| start < c.instant && c.instant <= end;
        let later = |(from, _): &&(Instant, Profile)| start < *from && *from < end;
        Self {
            profile: self.at(start),
            dated: self.dated.iter().filter(later).copied().collect(),
            multiplier: self.multiplier_at(start),
            changes: self.changes.iter().filter(changed).copied().collect(),
        }
    }

    /// What a total of a series of `kind` says that it was made by: the version of the fold, then the traits.
    /// Equal texts mean equal totals of equal readings.
    #[must_use]
    pub fn rules(&self, kind: Kind) -> String {
        let traits = self.to_string();
        match kind {
            Kind::Gauge => traits,
            _ if traits.is_empty() => FOLD.to_owned(),
            _ => format!("{FOLD}, {traits}"),
        }
    }

    /// Whether values are read as they are, always.
    pub(crate) fn is_direct(&self) -> bool {
        self.changes.is_empty() && self.multiplier == Multiplier::ONE
    }
}

impl Profile {
    /// A step without a change on record.
    fn step(&self, multiplier: Multiplier, before: Point, after: Point) -> Step {
        if let Some(minute) = self.restart {
            return self.daily_step(minute, multiplier, before, after);
        }
        let delta = multiplier.between(before.register, after.register);
        let allowed = |sum: Sum| self.allows(sum, before.instant, after.instant);
        if self.bidirectional {
            return self.either_way(multiplier, delta, (before, after));
        }
        if delta.0 >= 0 {
            return if allowed(delta) {
                Step::Advance(delta)
            } else {
                Step::Excess
            };
        }
        if let Some(modulus) = self.modulus {
            let over = multiplier.between(before.register, modulus) + multiplier.of(after.register);
            if self.is_likely(before.register, after.register) && allowed(over) {
                return Step::Rollover(over);
            }
        }
        self.fall(delta, before.instant, after.instant)
    }

    /// A fall that nothing explains: whether the register only trembled.
    fn fall(&self, delta: Sum, from: Instant, to: Instant) -> Step {
        let soon = Instant(to.0.min(from.0.saturating_add(TREMBLE_MS_MAX)));
        if self.bound_per_hour.is_some() && self.allows(Sum(-delta.0), from, soon) {
            Step::Tremble(delta)
        } else {
            Step::Fall
        }
    }

    /// A step of a meter of both ways: the shorter way, over the modulus or not.
    fn either_way(&self, multiplier: Multiplier, delta: Sum, ends: (Point, Point)) -> Step {
        let (before, after) = ends;
        let round = self.modulus.map(|modulus| {
            let whole = multiplier.of(modulus);
            if delta.0 < 0 {
                delta + whole
            } else {
                delta - whole
            }
        });
        let size = |sum: Sum| Sum(sum.0.abs());
        let allowed = |sum: Sum| self.allows(size(sum), before.instant, after.instant);
        match round {
            Some(round) if size(round) < size(delta) && allowed(round) => Step::Rollover(round),
            _ if allowed(delta) => Step::Advance(delta),
            _ if delta.0 >= 0 => Step::Excess,
            _ => Step::Fall,
        }
    }

    /// A step of a counter that starts anew each day at `minute`. A device whose clock is a little off restarts
    /// a little late: until then its register goes on, and the fall that follows is the restart.
    fn daily_step(&self, minute: u16, multiplier: Multiplier, before: Point, after: Point) -> Step {
        let delta = multiplier.between(before.register, after.register);
        let since = restart_before(minute, after.instant);
        let passed = since > before.instant;
        let goes_on = after.register >= before.register;
        let soon = after.instant.0 - since.0 <= RESTART_EARLY_MS;
        if goes_on && (!passed || soon) {
            return if self.allows(delta, before.instant, after.instant) {
                Step::Advance(delta)
            } else {
                Step::Excess
            };
        }
        let late = before.instant.0 - restart_before(minute, before.instant).0 <= RESTART_LATE_MS;
        let anew = multiplier.of(after.register);
        if (passed || late) && anew.0 >= 0 {
            return if self.allows(anew, since.min(before.instant), after.instant) {
                Step::Restart(anew)
            } else {
                Step::Excess
            };
        }
        self.fall(delta, before.instant, after.instant)
    }

    /// What was consumed on the way to or from a change: over the modulus where the register fell.
    fn leg(&self, multiplier: Multiplier, from: Amount, to: Amount) -> Option<Sum> {
        if to >= from || self.bidirectional {
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

/// The last instant not after `at` at which a counter that restarts at `minute` of each day does.
pub(crate) fn restart_before(minute: u16, at: Instant) -> Instant {
    let offset = i64::from(minute) * 60_000;
    let today = at.day().start().0 + offset;
    if today <= at.0 {
        Instant(today)
    } else {
        Instant(at.day().previous().start().0 + offset)
    }
}

impl Traits {
    /// When a counter that starts anew each day did so before its first register `first`, if what it shows is of that
    /// day: soon after the restart it may still show the day before.
    pub(crate) fn began(&self, first: Point) -> Option<Instant> {
        let minute = self.at(first.instant).restart?;
        let began = restart_before(minute, first.instant);
        (first.instant.0 - began.0 > RESTART_LATE_MS).then_some(began)
    }
}

impl fmt::Display for Profile {
    /// `modulus 1000000, at most 480/h, both ways`; nothing where nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.modulus.map(|m| format!("modulus {m}")));
        parts.extend(self.bound_per_hour.map(|b| format!("at most {b}/h")));
        if self.bidirectional {
            parts.push("both ways".to_owned());
        }
        let clock = |minute: u16| format!("anew at {:02}:{:02}", minute / 60, minute % 60);
        parts.extend(self.restart.map(clock));
        let every = self.interval_ms.filter(|_| self.bound_per_hour.is_some());
        parts.extend(every.map(|ms| format!("every {} s", ms / 1_000)));
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Traits {
    /// What a total says that it was made by, nothing for a meter of which nothing is known:
    /// `modulus 1000000, at most 480/h, times 12000, from 2026-03-05T10:30:00+08:00 at 5012 on from 3 times
    /// 8000`. Equal texts mean equal traits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![self.profile.to_string()];
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
        let dated = |(from, profile): &(Instant, Profile)| format!("since {from} {profile}");
        parts.extend(self.dated.iter().map(dated));
        parts.retain(|part| !part.is_empty());
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests;
