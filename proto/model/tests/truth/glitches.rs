//! Glitches change neither a day nor the total, but only the counts of readings left out.

use std::ops::Range;

use greenpark_model::{amount::Amount, day::Instant, fold::MeterProfile};
use proptest::prelude::*;

use crate::{
    days::{composed, expected},
    delivery::Delivery,
    truth::{TrueReading, Truth, truth},
};

/// A glitch: the value that a meter shows instead of its register.
#[derive(Debug, Clone, Copy)]
enum Glitch {
    Zero,
    /// Times a thousand.
    Thousandfold,
    /// Lower by this many thousandths of the register.
    Dip(i64),
    /// Lower by this many millionths.
    Jitter(i64),
    /// Higher by this many millionths.
    Spike(i64),
}

/// A glitch of one or more consecutive readings.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: prop::sample::Index,
    glitch: Glitch,
    rows: usize,
}

impl Glitch {
    fn of(self, register: i64) -> i64 {
        match self {
            Self::Zero => 0,
            Self::Thousandfold => register.saturating_mul(1_000).min(Amount::MAX.micro()),
            // The value shown rises with the register.
            Self::Dip(thousandths) => {
                let less = i128::from(register) * i128::from(thousandths) / 1_000;
                register - i64::try_from(less).expect("less than the register")
            }
            Self::Jitter(by) => register - by.min(register / 200),
            Self::Spike(by) => register + by,
        }
    }
}

fn places(rows: impl Strategy<Value = usize>) -> impl Strategy<Value = Vec<Place>> {
    let glitch = prop_oneof![
        2 => Just(Glitch::Zero),
        2 => Just(Glitch::Thousandfold),
        2 => (1i64..1_000).prop_map(Glitch::Dip),
        1 => (1i64..1_000_000).prop_map(Glitch::Jitter),
        2 => (1i64..10_000_000_000).prop_map(Glitch::Spike),
    ];
    let place = (any::<prop::sample::Index>(), glitch, rows);
    let place = place.prop_map(|(at, glitch, rows)| Place { at, glitch, rows });
    prop::collection::vec(place, 1..6)
}

/// Returns true if the meter or its multiplier was changed between the two.
fn is_changed(meter: &MeterProfile, before: TrueReading, after: TrueReading) -> bool {
    let within = |at: i64| before.instant < at && at <= after.instant;
    meter.changes.iter().any(|c| within(c.instant.millis()))
}

/// Returns true if the meter cannot have reached `after` in the time since `before`. After a change between the two,
/// every value is possible.
fn is_impossible(meter: &MeterProfile, before: TrueReading, after: TrueReading) -> bool {
    if is_changed(meter, before, after) {
        return false;
    }
    let mut rise = i128::from(after.register - before.register);
    if rise < 0 {
        let Some(modulus) = meter.profile.modulus else {
            return true;
        };
        rise += i128::from(modulus.micro());
    }
    let Some(bound) = meter.profile.bound_per_hour else {
        return false;
    };
    let ms = i128::from((after.instant - before.instant).max(900_000));
    let times = meter
        .multiplier_at(Instant::from_millis(after.instant))
        .value()
        .micro();
    rise * i128::from(times) / 1_000_000 * 3_600_000 > i128::from(bound.micro()) * ms
}

/// The spoilt rows, and all readings delivered. The glitches obey the limits of [`main`](crate).
fn spoil(truth: &Truth, places: &[Place]) -> (Vec<bool>, Vec<Delivery>) {
    let (mut spoilt, mut arrived) = (vec![false; truth.readings.len()], truth.deliveries());
    for place in places {
        let from = place.at.index(arrived.len());
        let to = from + place.rows;
        if from < 2 || to + 2 > arrived.len() || spoilt[from - 2..to + 2].contains(&true) {
            continue;
        }
        let rows: Vec<TrueReading> = truth.readings[from..to]
            .iter()
            .map(|r| TrueReading {
                register: place.glitch.of(r.register),
                ..*r
            })
            .collect();
        if !would_be_seen(truth, from, &rows) || !has_its_day(truth, &spoilt, from..to) {
            continue;
        }
        for (row, shown) in (from..to).zip(rows) {
            (spoilt[row], arrived[row].value) = (true, shown.register);
        }
    }
    (spoilt, arrived)
}

/// Returns true if the meter cannot have reached these values, and its day proves it.
fn would_be_seen(truth: &Truth, from: usize, shown: &[TrueReading]) -> bool {
    let (to, day) = (from + shown.len(), truth.day(from));
    let (before, after) = (truth.readings[from - 1], truth.readings[to]);
    let of_day: Vec<_> = (0..truth.readings.len())
        .filter(|row| truth.day(*row) == day)
        .collect();
    let passed = |row: &usize| truth.readings[*row].register >= shown[0].register;
    let rest = &truth.readings[to..];
    let next = rest.iter().find(|r| r.register != after.register);
    let soon = next.is_some_and(|r| r.register >= shown[0].register);
    let reached = shown[0].register > before.register && (soon || of_day.iter().any(passed));
    let inside = truth.day(from - 1) == day && truth.day(to) == day;
    let recognized = shown.len() == 1 || (inside && !reached);
    // Just below the modulus it may be a dip below zero, from which the register rolls over again.
    let may_dip =
        |r: &TrueReading| r.register > after.register && !is_impossible(&truth.meter, *r, after);
    let impossible = shown.iter().all(|r| {
        // Without a rating anything can be reached, but not left again.
        let left = truth.meter.profile.bound_per_hour.is_none() && !reached;
        is_impossible(&truth.meter, before, *r) || (left && is_impossible(&truth.meter, *r, after))
    });
    // Values that move below the register and return within the rating look like a reset.
    let same = shown.iter().all(|r| r.register == shown[0].register);
    let below = shown[0].register < before.register;
    let comes_back = is_impossible(&truth.meter, shown[shown.len() - 1], after);
    let recognized = recognized && (same || !below || comes_back);
    let falls = truth.readings[from - 2..to + 2]
        .windows(2)
        .any(|r| r[1].register < r[0].register);
    // The limit of [`main`](crate) about changes.
    let changed = is_changed(&truth.meter, before, after);
    impossible
        && !changed
        && !shown.iter().any(may_dip)
        && recognized
        && !falls
        && of_day.len() >= shown.len() + 3
}

/// Returns true if a reading is the first or the last of its day.
fn is_beside_midnight(truth: &Truth, row: usize) -> bool {
    truth.day(row - 1) != truth.day(row) || truth.day(row + 1) != truth.day(row)
}

/// Returns true unless the day has another glitch and one of the two is beside midnight.
fn has_its_day(truth: &Truth, spoilt: &[bool], rows: Range<usize>) -> bool {
    let day = truth.day(rows.start);
    let mut others = (0..spoilt.len())
        .filter(|row| spoilt[*row] && truth.day(*row) == day)
        .peekable();
    others.peek().is_none() || !others.chain(rows).any(|row| is_beside_midnight(truth, row))
}

/// Every day, the total and the outcomes are as without the spoilt readings.
fn change_nothing(truth: &Truth, places: &[Place]) -> Result<(), TestCaseError> {
    let (spoilt, arrived) = spoil(truth, places);
    let (whole, daily) = composed(truth, &arrived);
    prop_assert_eq!(whole.amount.0, truth.total(), "{:?}", whole);
    let named = (
        whole.outcomes.resets,
        whole.outcomes.jumps,
        whole.outcomes.rollovers,
    );
    prop_assert_eq!(named, (0, 0, truth.rollovers));
    prop_assert_eq!(whole.outcomes.glitches > 0, spoilt.contains(&true));
    prop_assert_eq!(whole.readings, arrived.len() as u64);
    // Beside midnight other readings may be left out too, and the edge between the days is longer.
    let mut rows = (0..spoilt.len()).filter(|row| spoilt[*row]);
    if let Some(daily) = daily.filter(|_| !rows.any(|row| is_beside_midnight(truth, row))) {
        prop_assert_eq!(daily, expected(&truth.only(|row| !spoilt[row])));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn single_glitches_of_a_rated_meter_change_nothing(
        truth in truth(Just(true).boxed()),
        places in places(Just(1)),
    ) {
        change_nothing(&truth, &places)?;
    }

    #[test]
    fn plateaus_of_a_rated_meter_change_nothing(
        truth in truth(Just(true).boxed()),
        places in places(2usize..6),
    ) {
        change_nothing(&truth, &places)?;
    }

    #[test]
    fn single_glitches_of_an_unrated_meter_change_nothing(
        truth in truth(Just(false).boxed()),
        places in places(Just(1)),
    ) {
        change_nothing(&truth, &places)?;
    }
}
