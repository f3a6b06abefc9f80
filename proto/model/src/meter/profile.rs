//! The registered properties of a meter that folding needs, and the classification of its register's steps.
//!
//! A register times its *multiplier* (CT ratio × PT ratio, 倍率) is the amount consumed. A multiplier holds
//! from a register reading on, not from a wall time: a [`MeterChange`] names the last value of the old register
//! and the first of the new one, so the step that contains the change is counted on both sides.
//!
//! Modulus, bound and direction are *dated*: a [`Profile`] holds from an instant on, and each step is judged by
//! the profile that holds for its later reading. So an entry that is recorded for July changes nothing in March.
//!
//! A step is *allowed* by the bound of METHOD (h), `0 ≤ Δ ≤ rated × Δt × k`, where the meter has a rating.
//! A fall is a *tremble* where it is no more than the meter can measure in so short a time; the height of the
//! register does not matter.

use std::fmt;

use crate::{
    limits::{BOUND_MS_MIN, MICRO, RESTART_EARLY_MS, RESTART_LATE_MS, TREMBLE_MS_MAX},
    meter::{
        amount::{Amount, AmountError, Sum},
        reading::Kind,
    },
    time::day::{CivilDay, DayRange, Instant},
};

/// The version of the fold. Each change that can give any day another total raises it, so that totals computed
/// before are not mistaken for current ones.
const FOLD: &str = "fold 3";

/// A register at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// The instant of the reading.
    pub instant: Instant,
    /// The value of the register.
    pub register: Amount,
}

/// The factor of a register: CT ratio × PT ratio, positive; 1 where the meter is direct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Multiplier(Amount);

/// The replacement of a meter (换表), or a change of its multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeterChange {
    /// The instant; the change applies to the step that contains it.
    pub instant: Instant,
    /// The register before the change.
    pub old_final: Amount,
    /// The register after it: the new meter's first value, or the same value where only the multiplier changes.
    pub new_initial: Amount,
    /// The multiplier from then on.
    pub multiplier: Multiplier,
}

/// The registered properties by which the steps of a meter are judged, for as long as they hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The register's modulus: one more than its largest value.
    pub modulus: Option<Amount>,
    /// The largest possible consumption of an hour, headroom included, in the canonical unit.
    pub bound_per_hour: Option<Amount>,
    /// The meter measures both ways, so that a fall is consumption below zero.
    pub bidirectional: bool,
    /// The minute of the civil day at which a daily counter restarts.
    pub restart: Option<u16>,
    /// The registered length of an interval, in milliseconds.
    pub interval_ms: Option<i64>,
}

/// All that the fold needs to know of a meter: its dated profiles, its multiplier and its changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeterProfile {
    /// The profile that holds before the first of `dated`.
    pub profile: Profile,
    /// The profiles that hold from these instants on, in order.
    pub dated: Vec<(Instant, Profile)>,
    /// The multiplier before the first change.
    pub multiplier: Multiplier,
    /// Changes, in order of their instants.
    pub changes: Vec<MeterChange>,
}

/// The classification of a step of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The register advanced; the consumption is below zero where a meter of both ways fell.
    Advance(Sum),
    /// The register passed its modulus; the consumption includes the way over it.
    Rollover(Sum),
    /// The meter or its multiplier was changed; the consumption is the sum before and after.
    Change(Sum),
    /// A daily counter restarted; this is the consumption since.
    Restart(Sum),
    /// The register fell by no more than the meter can measure in so short a time; the sum is below zero.
    Tremble(Sum),
    /// The register rose by more than the meter can measure, and nothing explains it yet.
    Excess,
    /// The register fell, and nothing explains it yet.
    Fall,
}

impl Step {
    /// The consumption, if the step needs no further explanation.
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
    /// The multiplier of a direct meter.
    pub const ONE: Self = match Amount::from_micro(MICRO) {
        Ok(one) => Self(one),
        Err(_) => panic!("one is in range"),
    };

    /// Makes a positive multiplier.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] for zero, a negative value, or one above a million.
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

    /// `register` times the multiplier, in millionths rounded down. Differences of the results for registers in
    /// order add up without a remainder, whatever the multiplier.
    #[must_use]
    pub fn of(self, register: Amount) -> Sum {
        let register = i128::from(register.micro());
        if self == Self::ONE {
            return Sum(register);
        }
        // OK because a register below 10^18 times a multiplier of at most 10^12 is below 2^127.
        Sum((register * i128::from(self.0.micro())).div_euclid(i128::from(MICRO)))
    }

    /// The consumption from one register to another.
    #[must_use]
    pub fn between(self, from: Amount, to: Amount) -> Sum {
        if self == Self::ONE {
            return to.since(from);
        }
        self.of(to) - self.of(from)
    }
}

impl MeterProfile {
    /// The profile of a meter for which `profile` always holds.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }

    /// The profile that holds for a step to a reading at `instant`.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Profile {
        if self.dated.is_empty() {
            return self.profile;
        }
        let after = self.dated.partition_point(|(from, _)| *from <= instant);
        let last = after.checked_sub(1).map(|at| self.dated[at].1);
        last.unwrap_or(self.profile)
    }

    /// Returns true if the same properties hold for every reading.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.changes.is_empty() && self.dated.is_empty()
    }

    /// Classifies the step from `before` to `after`.
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
            // A fall that the modulus does not explain stays a fall, as it would without a change.
            Some(_) if !falls => Step::Excess,
            _ => Step::Fall,
        }
    }

    /// The first and the last change between two instants.
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

    /// The consumption between two registers over the changes between them, and true if the register fell. There
    /// is no consumption where it fell without passing a modulus. `None` if nothing was changed.
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

    /// The part that matters for readings of `day` alone: what holds at its beginning, and its own changes.
    #[must_use]
    pub fn on(&self, day: CivilDay) -> Self {
        self.between(day.start(), day.end())
    }

    /// The part that matters for readings of `range` alone, and for joining its days. If two such parts are equal,
    /// so are the parts [on](Self::on) each day.
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

    /// The rules by which a total of a series of `kind` is computed, as text: the version of the fold, then the
    /// meter's properties. Equal texts mean equal totals of equal readings.
    #[must_use]
    pub fn rules(&self, kind: Kind) -> String {
        let profile = self.to_string();
        match kind {
            Kind::Gauge => profile,
            _ if profile.is_empty() => FOLD.to_owned(),
            _ => format!("{FOLD}, {profile}"),
        }
    }

    /// Returns true if values always count as they are.
    pub(crate) fn is_direct(&self) -> bool {
        self.changes.is_empty() && self.multiplier == Multiplier::ONE
    }
}

impl Profile {
    /// Classifies a step without a change on record.
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

    /// Classifies a fall that nothing explains: a tremble if it is small enough.
    fn fall(&self, delta: Sum, from: Instant, to: Instant) -> Step {
        let soon = Instant::from_millis(
            to.millis()
                .min(from.millis().saturating_add(TREMBLE_MS_MAX)),
        );
        if self.bound_per_hour.is_some() && self.allows(Sum(-delta.0), from, soon) {
            Step::Tremble(delta)
        } else {
            Step::Fall
        }
    }

    /// Classifies a step of a meter of both ways: the shorter way, over the modulus or not.
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

    /// Classifies a step of a counter that restarts each day at `minute`. A device whose clock is a little off
    /// restarts a little late: until then its register continues, and the fall that follows is the restart.
    fn daily_step(&self, minute: u16, multiplier: Multiplier, before: Point, after: Point) -> Step {
        let delta = multiplier.between(before.register, after.register);
        let since = restart_before(minute, after.instant);
        let passed = since > before.instant;
        let goes_on = after.register >= before.register;
        let soon = after.instant.millis() - since.millis() <= RESTART_EARLY_MS;
        if goes_on && (!passed || soon) {
            return if self.allows(delta, before.instant, after.instant) {
                Step::Advance(delta)
            } else {
                Step::Excess
            };
        }
        let late = before.instant.millis() - restart_before(minute, before.instant).millis()
            <= RESTART_LATE_MS;
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

    /// The consumption on the way to or from a change: over the modulus where the register fell.
    fn leg(&self, multiplier: Multiplier, from: Amount, to: Amount) -> Option<Sum> {
        if to >= from || self.bidirectional {
            return Some(multiplier.between(from, to));
        }
        let modulus = self.modulus?;
        self.is_likely(from, to)
            .then(|| multiplier.between(from, modulus) + multiplier.of(to))
    }

    /// Returns true if a fall can be a rollover: without a registered rating, it may consume at most a tenth of the
    /// modulus.
    fn is_likely(&self, from: Amount, to: Amount) -> bool {
        self.modulus.is_some_and(|modulus| {
            let over = modulus.since(from) + to.into();
            let within =
                self.bound_per_hour.is_some() || over.0 * 10 <= i128::from(modulus.micro());
            over.0 >= 0 && within
        })
    }

    /// Returns true if the bound allows `consumed` in the time from `from` to `to`.
    pub(crate) fn allows(&self, consumed: Sum, from: Instant, to: Instant) -> bool {
        let Some(bound) = self.bound_per_hour else {
            return true;
        };
        let ms = i128::from(to.millis().saturating_sub(from.millis()).max(BOUND_MS_MIN));
        // OK because a sum below 2^100 times an hour's ms, and a bound below 2^60 times 2^63 ms, stay
        // below 2^127.
        consumed.0 * 3_600_000 <= i128::from(bound.micro()) * ms
    }
}

/// The last restart not after `at` of a counter that restarts at `minute` of each day.
pub(crate) fn restart_before(minute: u16, at: Instant) -> Instant {
    let offset = i64::from(minute) * 60_000;
    let today = at.day().start().millis() + offset;
    if today <= at.millis() {
        Instant::from_millis(today)
    } else {
        Instant::from_millis(at.day().previous().start().millis() + offset)
    }
}

impl MeterProfile {
    /// The last restart of a daily counter before its first register `first`, if the register belongs to that day:
    /// soon after the restart it may still show the day before.
    pub(crate) fn last_restart(&self, first: Point) -> Option<Instant> {
        let minute = self.at(first.instant).restart?;
        let restart = restart_before(minute, first.instant);
        (first.instant.millis() - restart.millis() > RESTART_LATE_MS).then_some(restart)
    }
}

impl fmt::Display for Profile {
    /// `modulus 1000000, at most 480/h, both ways`; empty if nothing is known.
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

impl fmt::Display for MeterProfile {
    /// The text that a total stores as the rules of its computation, empty for a meter of which nothing is known:
    /// `modulus 1000000, at most 480/h, times 12000, from 2026-03-05T10:30:00+08:00 at 5012 on from 3 times
    /// 8000`. Equal texts mean equal profiles.
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
