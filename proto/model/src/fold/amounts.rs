//! The fold of a day of intervals, events or levels: a sum of the plausible amounts.
//!
//! An interval or an event may be below zero only where the meter measures both ways, and must not exceed the meter's
//! bound. The bound applies to an interval for its length, or for the time to its neighbors if the length is not
//! registered; to an event for the time since the one before it, at least an hour, and a day for the first. Amounts
//! beyond are left out, counted and set aside. Without a rating, the largest amount of a day is kept beside the sum
//! if it is far above all others, so that a comparison with similar days can judge it.

use std::sync::Arc;

use crate::{
    fold::day_fold::{DayColumns, DayFold, Odd, point},
    meter::{
        amount::Sum,
        profile::{MeterProfile, Profile},
        reading::Kind,
    },
    time::day::Instant,
};

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A peak is at least this many times the next largest amount of its day.
const PEAK_TIMES: i128 = 4;
/// A peak is at least this many times the median of the day.
const MEDIAN_TIMES: i128 = 20;

/// Folds a day.
pub(super) fn fold(kind: Kind, meter: &MeterProfile, columns: DayColumns<'_>) -> DayFold {
    let mut fold = DayFold::default();
    let direct = meter.is_direct();
    let mut odd = Odd::default();
    let mut total = 0i128;
    let (mut largest, mut second) = (0i128, 0i128);
    let judged = meter.profile.bound_per_hour.is_some() || !meter.dated.is_empty();
    let rows = columns.instants.iter().zip(columns.values);
    let rows = rows.zip(columns.flags).zip(columns.superseded);
    for (row, (((&instant, &value), &flag), &superseded)) in rows.enumerate() {
        if superseded {
            continue;
        }
        fold.readings = fold.readings.saturating_add(1);
        if !fold.outcomes.count_flag(flag) {
            continue;
        }
        if kind == Kind::Gauge {
            let point = point(instant, value);
            fold.first = fold.first.or(point);
            fold.last = point;
            continue;
        }
        let amount = if direct {
            i128::from(value)
        } else if let Some(at) = point(instant, value) {
            meter.multiplier_at(at.instant).of(at.register).0
        } else {
            continue;
        };
        if amount > largest {
            (second, largest) = (largest, amount);
        } else {
            second = second.max(amount);
        }
        if judged || amount < 0 {
            let profile = meter.at(Instant::from_millis(instant));
            if !is_possible(kind, profile, columns.instants, row, amount) {
                fold.outcomes.implausible = fold.outcomes.implausible.saturating_add(1);
                odd.set_aside += Sum(amount.abs());
                continue;
            }
            odd.export += Sum((-amount).max(0));
        }
        total += amount;
    }
    fold.within = Sum(total);
    if !judged && fold.readings > 2 && largest > second.saturating_mul(PEAK_TIMES) {
        odd.peak = peak(columns, meter, largest);
    }
    fold.odd = (odd != Odd::default()).then(|| Arc::new(odd));
    fold
}

/// Returns true if the meter can have measured an amount.
fn is_possible(kind: Kind, profile: Profile, instants: &[i64], row: usize, amount: i128) -> bool {
    if amount < 0 && !profile.bidirectional {
        return false;
    }
    let ms = duration_ms(kind, profile, instants, row);
    profile.allows(
        Sum(amount.abs()),
        Instant::from_millis(0),
        Instant::from_millis(ms),
    )
}

/// The time over which an amount may have been measured.
fn duration_ms(kind: Kind, profile: Profile, instants: &[i64], row: usize) -> i64 {
    let differs = |other: &i64| *other != instants[row];
    let before = instants[..row].iter().rev().copied().find(differs);
    let after = instants[row..].iter().copied().find(differs);
    let before = before.map(|before| instants[row] - before);
    if kind == Kind::Event {
        return before.unwrap_or(DAY_MS).max(HOUR_MS);
    }
    let registered = profile.interval_ms.filter(|ms| *ms > 0);
    let after = after.map(|after| after - instants[row]);
    registered.unwrap_or_else(|| after.or(before).unwrap_or(DAY_MS))
}

/// The largest amount of a day, if it is far above the median too.
fn peak(columns: DayColumns<'_>, meter: &MeterProfile, largest: i128) -> Option<Sum> {
    let amount = |row: usize| {
        let at = point(columns.instants[row], columns.values[row])?;
        Some(meter.multiplier_at(at.instant).of(at.register).0)
    };
    let rows = (0..columns.instants.len()).filter(|row| !columns.superseded[*row]);
    let mut amounts: Vec<i128> = rows.filter_map(amount).collect();
    amounts.sort_unstable();
    let median = amounts.get(amounts.len() / 2)?;
    (largest > median.max(&0).saturating_mul(MEDIAN_TIMES)).then_some(Sum(largest))
}
