//! Composition: joining days into the consumption of a period.
//!
//! Each day's [`DayFold`] keeps the stretches of registers within which nothing is left to decide. Composition
//! decides what happened between and around them, on the stretches of all given days and by the rules of a single
//! day. So a period equals one fold of all its readings, wherever midnight falls.
//!
//! The consumption from one day's last register to a later one's first is an *edge*. An edge is split at
//! midnight by interpolation between the two registers; the part of each day is *estimated* unless a register
//! lies within a minute of midnight. An edge over a gap of days is allocated over the gap in the same way:
//! its energy is real and is never dropped. A gap of more than two hours is allocated by
//! [like days](crate::fold::like_days) if there are any.
//!
//! The parts of an edge are differences of interpolated registers, so they sum to the edge exactly.

use std::collections::BTreeMap;

use crate::{
    fold::{
        account::{Account, Piece, Place},
        day_fold::{DayFold, Outcomes},
        explain::explain,
        life::Life,
        like_days::LikeDays,
        usual::UsualConsumption,
    },
    limits::{GLITCH_MS_MAX, LEAP_TIMES, MIDNIGHT_MS_TOLERANCE},
    meter::{
        amount::Sum,
        profile::{MeterProfile, Point, Step},
    },
    time::day::{CivilDay, DayRange, Instant},
};

/// The consumption of one series in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumption {
    /// The amount consumed; net for a meter of both ways.
    pub amount: Sum,
    /// The part of it that was allocated over a midnight or a gap without a register there.
    pub estimated: Sum,
    /// The flow below zero of a meter of both ways, as an amount above zero: import is the amount plus export.
    pub export: Sum,
    /// Amounts set aside as no consumption, above zero; the outcomes name the reasons.
    pub set_aside: Sum,
    /// Distinct readings of the period.
    pub readings: u64,
    /// Days of the period with a reading.
    pub days: u32,
    /// The events found.
    pub outcomes: Outcomes,
}

/// Joins `days`, sorted by day and without repeats, into the consumption of `range`. Days outside the
/// range serve as neighbours: pass those that [`neighbours`] returns.
#[must_use]
pub fn compose(meter: &MeterProfile, range: DayRange, days: &[(CivilDay, DayFold)]) -> Consumption {
    compose_like(meter, range, days, &LikeDays::default())
}

/// As [`compose`], but spreads a long gap at an end of the range by like days.
#[must_use]
pub fn compose_like(
    meter: &MeterProfile,
    range: DayRange,
    days: &[(CivilDay, DayFold)],
    like: &LikeDays<'_>,
) -> Consumption {
    let mut total = Consumption::default();
    let within = |entry: usize| range.contains(days[entry].0);
    each_piece(meter, days, like, |piece| match piece {
        Piece::Within {
            entry,
            amount,
            export,
        } if within(entry) => {
            total.amount += amount;
            total.export += export;
        }
        Piece::Event {
            place,
            outcomes,
            set_aside,
        } if is_within(place, range, within) => total.add_event(outcomes, set_aside),
        Piece::Edge {
            before,
            after,
            delta,
        } => total.add_edge(&Edge::new(before, after, delta), range, like),
        Piece::Within { .. } | Piece::Event { .. } => {}
    });
    for (_, fold) in days.iter().filter(|(day, _)| range.contains(*day)) {
        total.count(fold);
    }
    total
}

/// The consumption of each day of `range` that has any, in order; the days sum to the result of [`compose`].
#[must_use]
pub fn compose_daily(
    meter: &MeterProfile,
    range: DayRange,
    days: &[(CivilDay, DayFold)],
    like: &LikeDays<'_>,
) -> Vec<(CivilDay, Consumption)> {
    let mut daily: BTreeMap<CivilDay, Consumption> = BTreeMap::new();
    let day_of = |place: Place| match place {
        Place::Entry(entry) => days[entry].0,
        // A register at midnight belongs to the day that ends there.
        Place::Over(instant) => Instant::from_millis(instant.millis().saturating_sub(1)).day(),
    };
    each_piece(meter, days, like, |piece| match piece {
        Piece::Within {
            entry,
            amount,
            export,
        } => {
            let total = daily.entry(days[entry].0).or_default();
            total.amount += amount;
            total.export += export;
        }
        Piece::Event {
            place,
            outcomes,
            set_aside,
        } => daily
            .entry(day_of(place))
            .or_default()
            .add_event(outcomes, set_aside),
        Piece::Edge {
            before,
            after,
            delta,
        } => {
            let edge = Edge::new(before, after, delta);
            let passed = DayRange::new(before.day(), after.day());
            let passed = passed.and_then(|passed| passed.intersection(range));
            for day in passed.into_iter().flat_map(DayRange::iter) {
                if let Some(one) = DayRange::new(day, day) {
                    daily.entry(day).or_default().add_edge(&edge, one, like);
                }
            }
        }
    });
    for (day, fold) in days {
        daily.entry(*day).or_default().count(fold);
    }
    let has_any =
        |of: &(CivilDay, Consumption)| range.contains(of.0) && of.1 != Consumption::default();
    daily.into_iter().filter(has_any).collect()
}

/// Joins the days of a counter into one fold, which replaces them wherever a range contains all of them.
#[must_use]
pub fn join<'a>(meter: &MeterProfile, days: impl Iterator<Item = &'a DayFold>) -> DayFold {
    crate::fold::counter::join(meter, days)
}

/// The part of `days` that decides what counts in `range`: its own days, and on either side as many as reach
/// the end of a run of registers that is too long to be a glitch, or all there are.
#[must_use]
pub fn neighbours<'a>(
    meter: &MeterProfile,
    days: &'a [(CivilDay, DayFold)],
    range: DayRange,
) -> &'a [(CivilDay, DayFold)] {
    let from = days.partition_point(|(day, _)| *day < range.first());
    let to = days.partition_point(|(day, _)| *day <= range.last());
    let before = days_to_anchor(meter, days[..from].iter().rev());
    let after = days_to_anchor(meter, days[to..].iter());
    &days[from - before..to + after]
}

/// The count of `days`, going away from a range, up to the far end of a run that is certain.
fn days_to_anchor<'a>(
    meter: &MeterProfile,
    days: impl Iterator<Item = &'a (CivilDay, DayFold)>,
) -> usize {
    /// Days at either end of a run, of which neighbors may still claim a part.
    const ENDS: usize = 2;
    let mut run: Vec<&DayFold> = Vec::new();
    let mut count = 0;
    for (_, fold) in days {
        count += 1;
        if fold.first.is_none() {
            continue;
        }
        if !fold.is_plain() || run.last().is_some_and(|near| !is_calm(meter, near, fold)) {
            run.clear();
        }
        if !fold.is_plain() {
            continue;
        }
        run.push(fold);
        if run.len() > 2 * ENDS && is_certain(run[ENDS], run[run.len() - ENDS]) {
            return count;
        }
    }
    count
}

/// Returns true if the step between two consecutive days, in either order, is a plain advance.
fn is_calm(meter: &MeterProfile, one: &DayFold, other: &DayFold) -> bool {
    let (before, after) = in_order(one, other);
    let Some((last, first)) = before.last.zip(after.first) else {
        return false;
    };
    let advances = matches!(meter.step(last, first), Step::Advance(_));
    advances && !may_leap(meter, before, after, (last, first))
}

/// Returns true if a run from one day to another changes and lasts too long to be left out.
fn is_certain(one: &DayFold, other: &DayFold) -> bool {
    let (before, after) = in_order(one, other);
    before.first.zip(after.last).is_some_and(|(first, last)| {
        let ms = last.instant.millis().saturating_sub(first.instant.millis());
        ms > GLITCH_MS_MAX && first.register != last.register
    })
}

fn in_order<'a>(one: &'a DayFold, other: &'a DayFold) -> (&'a DayFold, &'a DayFold) {
    let at = |fold: &DayFold| fold.first.map(|first| first.instant);
    if at(one) <= at(other) {
        (one, other)
    } else {
        (other, one)
    }
}

/// Calls `accept` with every piece of the account of `days`.
fn each_piece(
    meter: &MeterProfile,
    days: &[(CivilDay, DayFold)],
    like: &LikeDays<'_>,
    mut accept: impl FnMut(Piece),
) {
    for (entry, (_, fold)) in days.iter().enumerate() {
        if fold.first.is_none() && (fold.within != Sum::ZERO || fold.odd.is_some()) {
            accept(Piece::Within {
                entry,
                amount: fold.within,
                export: fold.export(),
            });
        }
    }
    if is_plain(meter, days) {
        each_plain_piece(meter, days, accept);
        return;
    }
    let mut life = Life::new(meter);
    for (entry, (_, fold)) in days.iter().enumerate() {
        for stretch in fold.stretches() {
            life.push(entry, &stretch);
        }
    }
    let explanation = explain(&life);
    let mut usual = UsualConsumption::new(meter, days, *like);
    let account = Account::new(&life, &explanation, |leap| usual.is_beyond(leap));
    account.pieces.into_iter().for_each(accept);
}

/// Returns true if no day and no step between two days leaves anything to decide.
fn is_plain(meter: &MeterProfile, days: &[(CivilDay, DayFold)]) -> bool {
    let mut rises = Rises::default();
    let mut before: Option<&DayFold> = None;
    for (_, fold) in days {
        if !fold.is_plain() {
            return false;
        }
        let Some((first, last)) = fold.first.zip(fold.last) else {
            continue;
        };
        if let Some(last) = before.and_then(|fold| fold.last) {
            let Step::Advance(_) = meter.step(last, first) else {
                return false;
            };
            rises.add(last, first);
        }
        if meter.at(last.instant).bound_per_hour.is_none() {
            rises.add_day(fold, first, last);
        } else {
            rises.hide();
        }
        if rises.may_leap {
            return false;
        }
        before = Some(fold);
    }
    !rises.may_leap_at_the_end()
}

/// The rises between differing registers, as far as days show them, to find one that may be far above its neighbors.
/// A stretch of which a day hides the inner registers adds no rise.
#[derive(Debug, Default)]
struct Rises {
    /// The last two rises: `None` for a hidden one, and at the beginning.
    last: [Option<i128>; 2],
    count: usize,
    may_leap: bool,
}

impl Rises {
    fn add(&mut self, from: Point, to: Point) {
        let rise = to.register.since(from.register).0;
        if rise != 0 {
            self.push(Some(rise));
        }
    }

    fn hide(&mut self) {
        self.push(None);
    }

    fn push(&mut self, rise: Option<i128>) {
        self.may_leap |= self.count > 0 && self.leaps(rise);
        self.last = [self.last[1], rise];
        self.count += 1;
    }

    /// Returns true if the newest rise, which `next` follows, may be a leap.
    fn leaps(&self, next: Option<i128>) -> bool {
        let [before, rise] = self.last;
        let is_small = |beside: Option<i128>| {
            let above = rise.zip(beside);
            above.is_some_and(|(rise, beside)| rise >= beside.saturating_mul(LEAP_TIMES))
        };
        is_small(next) && (self.count == 1 || is_small(before))
    }

    fn may_leap_at_the_end(&self) -> bool {
        self.count > 1 && self.leaps(Some(0))
    }

    fn add_day(&mut self, fold: &DayFold, first: Point, last: Point) {
        let Some((head, tail)) = fold.head.zip(fold.tail) else {
            return;
        };
        self.add(first, head);
        if tail.instant < head.instant {
            return;
        }
        if head.register != tail.register {
            self.hide();
        }
        self.add(tail, last);
    }
}

/// Returns true if a step over midnight is far larger than those beside it, as far as they are known.
fn may_leap(meter: &MeterProfile, before: &DayFold, after: &DayFold, ends: (Point, Point)) -> bool {
    let (last, first) = ends;
    if meter.at(first.instant).bound_per_hour.is_some() {
        return false;
    }
    let rise = first.register.since(last.register).0;
    let small = |from: Option<Point>, to: Option<Point>| {
        let beside = from
            .zip(to)
            .map(|(from, to)| to.register.since(from.register).0);
        beside.is_none_or(|beside| rise >= beside.saturating_mul(LEAP_TIMES))
    };
    rise > 0 && small(before.tail, before.last) && small(after.first, after.head)
}

fn each_plain_piece(
    meter: &MeterProfile,
    days: &[(CivilDay, DayFold)],
    mut accept: impl FnMut(Piece),
) {
    let mut before: Option<Point> = None;
    for (entry, (_, fold)) in days.iter().enumerate() {
        let (Some(first), Some(last)) = (fold.first, fold.last) else {
            continue;
        };
        if let Some(before) = before
            && let Step::Advance(delta) = meter.step(before, first)
        {
            accept(Piece::Edge {
                before: before.instant,
                after: first.instant,
                delta,
            });
        } else if before.is_none()
            && let Some(begin) = Piece::from_restart(meter, first)
        {
            accept(begin);
        }
        accept(Piece::Within {
            entry,
            amount: fold.within,
            export: fold.export(),
        });
        before = Some(last);
    }
}

/// Returns true if an event lies in `range`.
fn is_within(place: Place, range: DayRange, within: impl Fn(usize) -> bool) -> bool {
    match place {
        Place::Entry(entry) => within(entry),
        Place::Over(instant) => range.first().start() < instant && instant <= range.last().end(),
    }
}

impl Consumption {
    /// Adds the counts that follow from a day's readings alone.
    fn count(&mut self, fold: &DayFold) {
        self.readings += u64::from(fold.readings);
        self.days += u32::from(fold.readings > 0);
        self.outcomes = self.outcomes.plus(fold.outcomes.of_readings());
        if fold.first.is_none() {
            self.set_aside += fold.set_aside();
        }
    }

    fn add_event(&mut self, outcomes: Outcomes, set_aside: Sum) {
        self.outcomes = self.outcomes.plus(outcomes);
        self.set_aside += set_aside;
    }

    /// Adds the part of an edge that lies in `range`.
    fn add_edge(&mut self, edge: &Edge, range: DayRange, like: &LikeDays<'_>) {
        let (from, to) = (range.first().start(), range.last().end());
        if edge.after <= from || to < edge.before {
            return;
        }
        let part = edge.until(to, like) - edge.until(from, like);
        self.amount += part;
        self.estimated += edge.estimated(range, part);
        if part < Sum::ZERO {
            self.export += Sum(-part.0);
        }
    }
}

/// The step from one day's last register to a later day's first.
struct Edge {
    before: Instant,
    after: Instant,
    delta: Sum,
}

impl Edge {
    fn new(before: Instant, after: Instant, delta: Sum) -> Self {
        Self {
            before,
            after,
            delta,
        }
    }

    /// The part of the edge consumed by `instant`, spread by like days or evenly, rounded towards zero.
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
        let elapsed = i128::from(instant.millis() - self.before.millis());
        Sum(self.delta.0 * elapsed / i128::from(self.after.millis() - self.before.millis()))
    }

    /// The estimated part of `part`, which is the edge's part in `range`. An edge that begins or ends within a
    /// minute of the only midnight it passes is measured; so is one that lies wholly inside the range, where the
    /// split does not change the sum.
    fn estimated(&self, range: DayRange, part: Sum) -> Sum {
        let inside = range.first().start() <= self.before && self.after <= range.last().end();
        let midnight = self.before.day().end();
        let near = midnight.millis() - self.before.millis() <= MIDNIGHT_MS_TOLERANCE
            || (self.after.millis() - midnight.millis() <= MIDNIGHT_MS_TOLERANCE
                && self.after >= midnight);
        let single = self.after <= midnight.day().end();
        if inside || (near && single) {
            Sum::ZERO
        } else {
            part
        }
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
