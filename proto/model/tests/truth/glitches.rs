//! Glitches that come back change nothing: neither a day nor the total, but for the counts of what was
//! left out.

use std::ops::Range;

use greenpark_model::{amount::Amount, day::Instant, fold::MeterProfile};
use proptest::prelude::*;

use crate::{
    days::{ask, expected},
    delivery::Delivery,
    truth::{TrueReading, Truth, truth},
};

/// What a meter shows instead of its register.
#[derive(Debug, Clone, Copy)]
enum Glitch {
    Zero,
    /// Times a thousand.
    Thousandfold,
    /// So many thousandths of the register less.
    Dip(i64),
    /// So many millionths less.
    Jitter(i64),
    /// So many millionths more.
    Spike(i64),
}

/// A glitch of one reading or of some in a row.
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
            // Of a register that rises, so does what is shown.
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

/// Whether the meter or its multiplier was changed between the two.
fn is_changed(traits: &MeterProfile, before: TrueReading, after: TrueReading) -> bool {
    let within = |at: i64| before.instant < at && at <= after.instant;
    traits.changes.iter().any(|c| within(c.instant.0))
}

/// Whether the meter cannot have shown `after` that long after `before`. A change between the two would
/// excuse anything.
fn is_impossible(traits: &MeterProfile, before: TrueReading, after: TrueReading) -> bool {
    if is_changed(traits, before, after) {
        return false;
    }
    let mut rise = i128::from(after.register - before.register);
    if rise < 0 {
        let Some(modulus) = traits.profile.modulus else {
            return true;
        };
        rise += i128::from(modulus.micro());
    }
    let Some(bound) = traits.profile.bound_per_hour else {
        return false;
    };
    let ms = i128::from((after.instant - before.instant).max(900_000));
    let times = traits.multiplier_at(Instant(after.instant)).value().micro();
    rise * i128::from(times) / 1_000_000 * 3_600_000 > i128::from(bound.micro()) * ms
}

/// Which rows are spoilt, and what the meter showed: what [`main`](crate) says of glitches holds of them.
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

/// Whether a meter that shows this cannot have shown it, and its day can tell.
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
    let told = shown.len() == 1 || (inside && !reached);
    // Just below the modulus it may be a dip below zero, from which the register rolls over again.
    let may_dip =
        |r: &TrueReading| r.register > after.register && !is_impossible(&truth.traits, *r, after);
    let impossible = shown.iter().all(|r| {
        // Without a rating anything can be reached, but not left again.
        let left = truth.traits.profile.bound_per_hour.is_none() && !reached;
        is_impossible(&truth.traits, before, *r)
            || (left && is_impossible(&truth.traits, *r, after))
    });
    // What moves below the register and comes back within the rating was reset for all that anybody knows.
    let same = shown.iter().all(|r| r.register == shown[0].register);
    let below = shown[0].register < before.register;
    let comes_back = is_impossible(&truth.traits, shown[shown.len() - 1], after);
    let told = told && (same || !below || comes_back);
    let falls = truth.readings[from - 2..to + 2]
        .windows(2)
        .any(|r| r[1].register < r[0].register);
    // What [`main`](crate) says of changes.
    let changed = is_changed(&truth.traits, before, after);
    impossible
        && !changed
        && !shown.iter().any(may_dip)
        && told
        && !falls
        && of_day.len() >= shown.len() + 3
}

/// Whether a reading is the first or the last of its day.
fn is_beside_midnight(truth: &Truth, row: usize) -> bool {
    truth.day(row - 1) != truth.day(row) || truth.day(row + 1) != truth.day(row)
}

/// Whether no other glitch is of the same day, where this one or the other is beside midnight.
fn has_its_day(truth: &Truth, spoilt: &[bool], rows: Range<usize>) -> bool {
    let day = truth.day(rows.start);
    let mut others = (0..spoilt.len())
        .filter(|row| spoilt[*row] && truth.day(*row) == day)
        .peekable();
    others.peek().is_none() || !others.chain(rows).any(|row| is_beside_midnight(truth, row))
}

/// Every day, the total and what is named are as if the spoilt readings had never been.
fn change_nothing(truth: &Truth, places: &[Place]) -> Result<(), TestCaseError> {
    let (spoilt, arrived) = spoil(truth, places);
    let (whole, daily) = ask(truth, &arrived);
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
