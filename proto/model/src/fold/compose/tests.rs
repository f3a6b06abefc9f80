//! Days joined into periods: midnights, gaps and the conservation of a counter.

use proptest::prelude::*;

use super::*;
use crate::{
    fold::{DayColumns, Profile, fold_day},
    invariants,
    meter::{
        amount::Amount,
        reading::{Flag, Kind},
    },
};

const HOUR: i64 = 3_600_000;

/// Folds (instant, register) pairs, sorted by instant, day by day.
fn days(readings: &[(i64, i64)]) -> Vec<(CivilDay, DayFold)> {
    readings
        .chunk_by(|a, b| Instant::from_millis(a.0).day() == Instant::from_millis(b.0).day())
        .map(|day| {
            let instants: Vec<i64> = day.iter().map(|r| r.0).collect();
            let values: Vec<i64> = day.iter().map(|r| r.1).collect();
            let columns = DayColumns {
                instants: &instants,
                values: &values,
                flags: &vec![Flag::Normal.code(); day.len()],
                superseded: &vec![false; day.len()],
            };
            let fold = fold_day(Kind::Register, &MeterProfile::default(), columns);
            (Instant::from_millis(instants[0]).day(), fold)
        })
        .collect()
}

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

fn one(text: &str) -> DayRange {
    DayRange::new(day(text), day(text)).expect("a range")
}

#[test]
fn the_register_at_midnight_is_the_end_of_the_day_before() {
    let midnight = day("2026-01-02").start().millis();
    let folds = days(&[
        (midnight - 24 * HOUR, 0),
        (midnight - HOUR, 23),
        (midnight, 24),
    ]);
    let first = compose(&MeterProfile::default(), one("2026-01-01"), &folds);
    assert_eq!((first.amount, first.estimated), (Sum(24), Sum::ZERO));
    let second = compose(&MeterProfile::default(), one("2026-01-02"), &folds);
    assert_eq!(second.amount, Sum::ZERO);
}

#[test]
fn a_register_within_a_minute_counts_as_that_of_midnight() {
    let midnight = day("2026-01-02").start().millis();
    let folds = days(&[(midnight - HOUR, 0), (midnight + 30_000, 1_000_000)]);
    let first = compose(&MeterProfile::default(), one("2026-01-01"), &folds);
    assert_eq!(first.estimated, Sum::ZERO);
    assert!(first.amount > Sum::ZERO);
}

/// Case 5 of METHOD (h): 23:59 → 06:14 with +3 812 is real energy, allocated and flagged.
#[test]
fn method_h_case_5_outage_is_allocated_and_flagged() {
    let midnight = day("2026-01-02").start().millis();
    let (before, after) = (midnight - 61_000, midnight + 6 * HOUR + 14 * 60_000);
    let jump = Amount::from_micro(3_812_000_000).expect("in range").micro();
    let folds = days(&[(before, 0), (after, jump)]);
    let first = compose(&MeterProfile::default(), one("2026-01-01"), &folds);
    let second = compose(&MeterProfile::default(), one("2026-01-02"), &folds);
    assert_eq!(first.amount + second.amount, Sum(i128::from(jump)));
    assert!(first.amount.0 > 0 && second.amount > first.amount);
    assert_eq!(second.estimated, second.amount);
}

#[test]
fn a_gap_of_days_is_allocated_over_every_day() {
    let start = day("2026-03-01").start().millis() + 12 * HOUR;
    let folds = days(&[(start, 0), (start + 96 * HOUR, 96)]);
    let daily: Vec<_> = (1..=5)
        .map(|d| {
            compose(
                &MeterProfile::default(),
                one(&format!("2026-03-{d:02}")),
                &folds,
            )
        })
        .collect();
    let amounts: Vec<i128> = daily.iter().map(|c| c.amount.0).collect();
    assert_eq!(amounts, [12, 24, 24, 24, 12]);
    let range = DayRange::new(day("2026-03-01"), day("2026-03-05")).expect("a range");
    let days_of_range = compose_daily(
        &MeterProfile::default(),
        range,
        &folds,
        &LikeDays::default(),
    );
    assert_eq!(
        days_of_range
            .iter()
            .map(|(_, c)| c.amount.0)
            .collect::<Vec<_>>(),
        amounts
    );
}

#[test]
fn a_fall_over_midnight_is_a_named_reset_of_the_later_day() {
    let midnight = day("2026-01-02").start().millis();
    let folds = days(&[
        (midnight - 2 * HOUR, 495),
        (midnight - HOUR, 500),
        (midnight + HOUR, 3),
        (midnight + 2 * HOUR, 8),
    ]);
    let second = compose(&MeterProfile::default(), one("2026-01-02"), &folds);
    assert_eq!((second.amount, second.outcomes.resets), (Sum(5), 1));
    let first = compose(&MeterProfile::default(), one("2026-01-01"), &folds);
    assert_eq!(first.outcomes.resets, 0);
}

/// Case 2 at midnight: the zero blip is the day's first reading, or its last one.
#[test]
fn method_h_case_2_a_zero_blip_beside_midnight_is_left_out() {
    let midnight = day("2026-01-02").start().millis();
    let at = |hours: i64| midnight + hours * HOUR;
    let kwh = |thousandths: i64| thousandths * 1_000;
    let real = [
        (at(-3), kwh(3_700)),
        (at(-2), kwh(3_720)),
        (at(-1), kwh(3_737)),
    ];
    let later = [
        (at(1), kwh(3_746)),
        (at(2), kwh(3_750)),
        (at(3), kwh(3_755)),
    ];
    let both = DayRange::new(day("2026-01-01"), day("2026-01-02")).expect("a range");
    for blip in [
        (at(0), 0),
        (at(0), kwh(99_999_999)),
        (at(0) - 1_000, 0),
        (at(0) - 1_000, kwh(99_999_999)),
    ] {
        let folds = days(&[&real[..], &[blip], &later[..]].concat());
        let whole = compose(&MeterProfile::default(), both, &folds);
        assert_eq!(whole.amount, Sum(55_000), "{blip:?}");
        assert_eq!(
            (whole.outcomes.glitches, whole.outcomes.resets),
            (1, 0),
            "{blip:?}"
        );
        let parts = compose_daily(&MeterProfile::default(), both, &folds, &LikeDays::default());
        let parts: Sum = parts.iter().map(|(_, c)| c.amount).sum();
        assert_eq!(parts, whole.amount, "{blip:?}");
    }
}

#[test]
fn jitter_over_midnight_counts_again_when_the_register_advances() {
    let midnight = day("2026-01-02").start().millis();
    let folds = days(&[
        (midnight - HOUR, 215_700_000),
        (midnight, 215_600_000),
        (midnight + HOUR, 215_800_000),
    ]);
    let both = DayRange::new(day("2026-01-01"), day("2026-01-02")).expect("a range");
    let whole = compose(&MeterProfile::default(), both, &folds);
    assert_eq!((whole.amount, whole.outcomes.resets), (Sum(100_000), 0));
}

/// Case 6 over midnight on a rated meter: the register returns on the next day, and nothing is lost.
#[test]
fn method_h_case_6_a_plateau_over_midnight_is_left_out() {
    let midnight = day("2026-01-02").start().millis();
    let meter = MeterProfile {
        profile: Profile {
            bound_per_hour: Some(Amount::from_micro(480_000_000).expect("in range")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    let kwh = |units: i64| units * 1_000_000;
    let readings = [
        (midnight - 4 * HOUR, kwh(40_428_000)),
        (midnight - 3 * HOUR, kwh(40_428_030)),
        (midnight - 2 * HOUR, kwh(40_454_476)),
        (midnight - HOUR, kwh(40_454_490)),
        (midnight, kwh(40_428_074)),
        (midnight + HOUR, kwh(40_428_100)),
    ];
    let folds: Vec<_> = readings
        .chunk_by(|a, b| Instant::from_millis(a.0).day() == Instant::from_millis(b.0).day())
        .map(|of_day| {
            let (instants, values): (Vec<i64>, Vec<i64>) = of_day.iter().copied().unzip();
            let columns = DayColumns {
                instants: &instants,
                values: &values,
                flags: &vec![Flag::Normal.code(); values.len()],
                superseded: &vec![false; values.len()],
            };
            (
                Instant::from_millis(instants[0]).day(),
                fold_day(Kind::Register, &meter, columns),
            )
        })
        .collect();
    let both = DayRange::new(day("2026-01-01"), day("2026-01-02")).expect("a range");
    let whole = compose(&meter, both, &folds);
    assert_eq!(whole.amount, Sum(100_000_000));
    let named = (
        whole.outcomes.jumps,
        whole.outcomes.resets,
        whole.outcomes.glitches,
    );
    assert_eq!(named, (0, 0, 1));
}

prop_compose! {
    /// A counter that never falls, read at irregular instants over some weeks.
    fn counter()(steps in prop::collection::vec((1i64..200 * HOUR / 3, 0i64..9_000_000_000), 2..120))
        -> Vec<(i64, i64)> {
        let (mut instant, mut register) = (1_700_000_000_000, 0);
        steps.iter().map(|(ms, more)| {
            instant += ms;
            register += more;
            (instant, register)
        }).collect()
    }
}

/// The faults of a reading of a counter.
#[derive(Debug, Clone, Copy)]
enum Odd {
    No,
    Zero,
    Thousandfold,
    Missing,
}

prop_compose! {
    /// The same, with some faulty readings, of which no two are adjacent.
    fn odd_counter()(
        steps in prop::collection::vec((1i64..9 * HOUR, 1i64..9_000_000), 3..150),
        odd in prop::collection::vec(0u8..24, 150),
    ) -> (Vec<(i64, i64)>, i64) {
        let (mut instant, mut register) = (1_700_000_000_000, 50_000_000);
        let (mut readings, mut ends) = (Vec::new(), Vec::new());
        let mut before = Odd::Zero;
        for (place, (ms, more)) in steps.iter().enumerate() {
            instant += ms;
            register += more;
            let may = matches!(before, Odd::No) && place > 0 && place + 2 < steps.len();
            let this = match odd[place] {
                0 if may => Odd::Zero,
                1 if may => Odd::Thousandfold,
                2 if may => Odd::Missing,
                _ => Odd::No,
            };
            before = this;
            match this {
                Odd::No => {
                    ends.push(register);
                    readings.push((instant, register));
                }
                Odd::Zero => readings.push((instant, 0)),
                Odd::Thousandfold => readings.push((instant, register * 1_000)),
                Odd::Missing => {}
            }
        }
        let consumed = ends[ends.len() - 1] - ends[0];
        (readings, consumed)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    /// With single readings that are zero, a thousandfold or missing, and with midnight anywhere: the
    /// sum of the days is the true difference of the register, unless an outcome corrects it.
    #[test]
    fn single_odd_readings_cost_nothing((readings, consumed) in odd_counter()) {
        let folds = days(&readings);
        let (first, last) = (folds[0].0, folds[folds.len() - 1].0);
        let range = DayRange::new(first, last).expect("a range");
        let whole = compose(&MeterProfile::default(), range, &folds);
        if whole.outcomes.resets == 0 {
            prop_assert_eq!(whole.amount.0, i128::from(consumed));
        }
        let parts = compose_daily(&MeterProfile::default(), range, &folds, &LikeDays::default());
        prop_assert!(invariants::parts_sum_to_whole(parts.iter().map(|(_, c)| c.amount), whole.amount));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn days_sum_to_the_register_difference(readings in counter()) {
        let folds = days(&readings);
        let (first, last) = (folds[0].0, folds[folds.len() - 1].0);
        let range = DayRange::new(first, last).expect("a range");
        let whole = compose(&MeterProfile::default(), range, &folds);
        let ends = folds[0].1.first.zip(folds[folds.len() - 1].1.last).expect("registers");
        prop_assert!(invariants::days_sum_to_register_difference(&whole, ends.0, ends.1));
        let daily = compose_daily(&MeterProfile::default(), range, &folds, &LikeDays::default());
        let parts = daily.iter().map(|(_, c)| c.amount);
        prop_assert!(invariants::parts_sum_to_whole(parts, whole.amount));
        prop_assert_eq!(daily.iter().map(|(_, c)| c.readings).sum::<u64>(), readings.len() as u64);
    }
}
