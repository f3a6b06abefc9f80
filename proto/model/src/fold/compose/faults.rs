//! Registers that were once folded wrongly (FAULTS A11 to A15): around midnights, with and without a rating.

use super::*;
use crate::{
    fold::{DayColumns, Profile, fold_day},
    meter::{
        amount::Amount,
        reading::{Flag, Kind},
    },
};

const HOUR: i64 = 3_600_000;

fn amount(units: i64) -> Amount {
    Amount::from_micro(units * 1_000_000).expect("in range")
}

fn rated(bound: i64) -> MeterProfile {
    MeterProfile::of(Profile {
        bound_per_hour: Some(amount(bound)),
        ..Profile::default()
    })
}

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

fn period(first: &str, last: &str) -> DayRange {
    DayRange::new(day(first), day(last)).expect("in order")
}

/// Folds hourly registers in millionths, from midnight of 2026-03-01 on.
fn folds(kind: Kind, meter: &MeterProfile, registers: &[i64]) -> Vec<(CivilDay, DayFold)> {
    folds_from(kind, meter, 0, registers)
}

/// The same, but starting this many milliseconds after that midnight.
fn folds_from(
    kind: Kind,
    meter: &MeterProfile,
    after: i64,
    registers: &[i64],
) -> Vec<(CivilDay, DayFold)> {
    let start = day("2026-03-01").start().millis() + after;
    let instants = (0i64..).map(|hour| start + hour * HOUR);
    let rows: Vec<(i64, i64)> = instants.zip(registers.iter().copied()).collect();
    let of_day =
        rows.chunk_by(|a, b| Instant::from_millis(a.0).day() == Instant::from_millis(b.0).day());
    of_day
        .map(|rows| {
            let (instants, values): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
            let columns = DayColumns {
                instants: &instants,
                values: &values,
                flags: &vec![Flag::Normal.code(); values.len()],
                superseded: &vec![false; values.len()],
            };
            let day = Instant::from_millis(instants[0]).day();
            (day, fold_day(kind, &meter.on(day), columns))
        })
        .collect()
}

/// A register that rises one unit an hour for 72 hours, starting at `height`.
fn steady(height: i64) -> Vec<i64> {
    (0..=72).map(|hour| (height + hour) * 1_000_000).collect()
}

fn whole(meter: &MeterProfile, registers: &[i64]) -> Consumption {
    let folds = folds(Kind::Register, meter, registers);
    let range = DayRange::new(folds[0].0, folds[folds.len() - 1].0).expect("in order");
    let whole = compose(meter, range, &folds);
    let daily = compose_daily(meter, range, &folds, &LikeDays::default());
    let sum: Sum = daily.iter().map(|(_, day)| day.amount).sum();
    assert_eq!(sum, whole.amount, "the days sum to the whole");
    whole
}

/// FAULTS A11: 0, or all ones, for some readings around a midnight.
#[test]
fn sentinels_over_a_midnight_are_left_out_and_named() {
    for meter in [MeterProfile::default(), rated(5)] {
        for shown in [
            0,
            429_496_729_500_000,
            4_294_967_295_000_000,
            65_535_000_000,
        ] {
            for from in 20..28 {
                for rows in [1, 2, 3, 6, 30] {
                    let mut registers = steady(1_000);
                    registers[from..from + rows].fill(shown);
                    let told = whole(&meter, &registers);
                    assert_eq!(told.amount, Sum(72_000_000), "{shown} {from} {rows}");
                    let named = (told.outcomes.glitches, told.outcomes.sentinels);
                    assert_eq!(named, (1, 1), "{shown} {from} {rows}");
                    assert_eq!((told.outcomes.resets, told.outcomes.jumps), (0, 0));
                }
            }
        }
    }
}

/// FAULTS A11: one sentinel before a midnight and another one after it.
#[test]
fn two_sentinels_in_a_row_are_left_out() {
    for meter in [MeterProfile::default(), rated(5)] {
        let mut registers = steady(1_000);
        registers[22..24].fill(4_294_967_295_000_000);
        registers[24..27].fill(0);
        let told = whole(&meter, &registers);
        assert_eq!((told.amount, told.outcomes.sentinels), (Sum(72_000_000), 2));
    }
}

/// FAULTS A12: an unrecorded replacement of an unrated meter.
#[test]
fn an_implausible_leap_of_an_unrated_meter_is_set_aside() {
    for at in [5, 23, 24, 25, 40, 70] {
        let mut registers = steady(72);
        for register in &mut registers[at..] {
            *register += 48_964_000_000;
        }
        let told = whole(&MeterProfile::default(), &registers);
        assert_eq!(told.amount, Sum(71_000_000), "{at}");
        assert_eq!((told.outcomes.jumps, told.outcomes.resets), (1, 0), "{at}");
        assert_eq!(told.set_aside, Sum(48_965_000_000), "{at}");
    }
}

/// A busy hour of an unrated meter, or its consumption while it was not read, is no jump.
#[test]
fn a_plausible_leap_of_an_unrated_meter_counts() {
    let mut registers = steady(1_000);
    for register in &mut registers[40..] {
        *register += 100_000_000;
    }
    let told = whole(&MeterProfile::default(), &registers);
    assert_eq!((told.amount, told.outcomes.jumps), (Sum(172_000_000), 0));
}

/// FAULTS A13: hours of feed-in give the same figure at any height of the register.
#[test]
fn feed_in_gives_the_same_at_any_height_of_the_register() {
    let steps = [3i64, 2, 1, -1, -3, -4, -6, -4, -3, -1, 1, 2];
    for meter in [MeterProfile::default(), rated(10)] {
        let mut told = Vec::new();
        for height in [150, 5_000, 60_000, 9_000_000] {
            let mut register = height * 1_000_000;
            let registers: Vec<i64> = (0..60)
                .map(|hour| {
                    register += steps[hour % steps.len()] * 1_000_000;
                    register
                })
                .collect();
            told.push(whole(&meter, &registers));
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    }
}

/// FAULTS A13: a meter of both ways gives net, import and export.
#[test]
fn a_meter_of_both_ways_gives_net_import_and_export() {
    let meter = MeterProfile::of(Profile {
        bidirectional: true,
        ..Profile::default()
    });
    for height in [10, 150, 5_000] {
        let mut register = height * 1_000_000;
        let registers: Vec<i64> = (0..73)
            .map(|hour| {
                register += if (8..16).contains(&(hour % 24)) {
                    -3
                } else {
                    1
                } * 1_000_000;
                register
            })
            .collect();
        let told = whole(&meter, &registers);
        // Three days of 16 hours of draw and 8 of feed-in.
        assert_eq!(told.amount, Sum(-24_000_000), "{height}");
        assert_eq!(told.export, Sum(72_000_000), "{height}");
        assert_eq!(told.amount + told.export, Sum(48_000_000), "{height}");
        assert_eq!((told.outcomes.resets, told.outcomes.glitches), (0, 0));
    }
}

/// The same if the days joined follow a gap in which the register did not move: their export stays theirs.
#[test]
fn a_meter_of_both_ways_keeps_its_export_behind_a_gap() {
    let meter = MeterProfile::of(Profile {
        bidirectional: true,
        ..Profile::default()
    });
    let swings = [5, 9, 5].map(|register| register * 1_000_000);
    let gap = 24 * 400;
    let joined = |after: i64| {
        let days = folds_from(Kind::Register, &meter, after * HOUR, &swings);
        (days[0].0, join(&meter, days.iter().map(|(_, fold)| fold)))
    };
    let days = [joined(0), joined(gap)];
    for (day, _) in &days {
        let range = DayRange::new(*day, *day).expect("in order");
        let told = compose(&meter, range, &days);
        assert_eq!(
            (told.amount, told.export),
            (Sum(0), Sum(4_000_000)),
            "{day}"
        );
        let daily = compose_daily(&meter, range, &days, &LikeDays::default());
        assert_eq!(daily.len(), 1);
        assert_eq!(
            (daily[0].1.amount, daily[0].1.export),
            (Sum(0), Sum(4_000_000))
        );
    }
}

/// FAULTS A15: a counter of today, which shows yesterday's last value at midnight or a little after it.
#[test]
fn a_daily_counter_counts_each_days_highest_value() {
    let meter = MeterProfile::of(Profile {
        restart: Some(0),
        ..Profile::default()
    });
    // At midnight the device shows the whole day that ends; an hour later, the first hour of the new one.
    let registers: Vec<i64> = (0..=72)
        .map(|hour: i64| if hour == 0 { 0 } else { (hour - 1) % 24 + 1 } * 1_000_000)
        .collect();
    let folds = folds(Kind::DailyCounter, &meter, &registers);
    let daily = compose_daily(
        &meter,
        period("2026-03-01", "2026-03-03"),
        &folds,
        &LikeDays::default(),
    );
    let amounts: Vec<i128> = daily.iter().map(|(_, day)| day.amount.0).collect();
    assert_eq!(amounts, [24_000_000; 3]);
    assert_eq!(
        daily
            .iter()
            .map(|(_, day)| day.outcomes.resets)
            .sum::<u32>(),
        0
    );
}

/// The first register of a daily counter was consumed since its restart, unless it shows the day before.
#[test]
fn a_daily_counter_counts_from_its_first_reading() {
    let meter = MeterProfile::of(Profile {
        restart: Some(0),
        ..Profile::default()
    });
    for first in [0i64, 1, 2, 6, 23] {
        // At half past each hour of two days, from 0.5 to 23.5.
        let registers: Vec<i64> = (first..48)
            .map(|hour| hour % 24 * 1_000_000 + 500_000)
            .collect();
        let after = first * HOUR + HOUR / 2;
        let folds = folds_from(Kind::DailyCounter, &meter, after, &registers);
        let told = compose(&meter, period("2026-03-01", "2026-03-02"), &folds);
        // Within an hour after the restart, the register may show the day before.
        let missing = if first == 0 { 500_000 } else { 0 };
        assert_eq!(told.amount, Sum(47_000_000 - missing), "{first}");
    }
}

/// FAULTS A11 and A12 of a daily counter: all ones before its restart, and an implausible leap, are named and do not
/// count.
#[test]
fn a_daily_counter_is_compared_with_its_other_days() {
    let meter = MeterProfile::of(Profile {
        restart: Some(0),
        ..Profile::default()
    });
    let hours = || (0..240i64).map(|hour| hour % 24 * 1_000_000 + 500_000);
    let told = |registers: &[i64]| {
        let folds = folds(Kind::DailyCounter, &meter, registers);
        compose(&meter, period("2026-03-01", "2026-03-10"), &folds)
    };
    let registers: Vec<i64> = hours().collect();
    let usual = told(&registers);
    assert_eq!((usual.outcomes.jumps, usual.outcomes.glitches), (0, 0));
    for at in [143, 142, 130] {
        let mut ones = registers.clone();
        ones[at] = 4_294_967_295_000_000;
        let told = told(&ones);
        assert!(usual.amount.0 - told.amount.0 <= 1_000_000, "{at} {told:?}");
        assert!(told.amount <= usual.amount, "{at} {told:?}");
        assert_eq!(told.outcomes.sentinels, 1, "{at} {told:?}");
    }
    let mut leap = registers.clone();
    for register in &mut leap[132..144] {
        *register += 49_000_000_000;
    }
    let told = told(&leap);
    assert!(told.amount <= usual.amount, "{told:?}");
    assert_eq!(told.outcomes.jumps, 1, "{told:?}");
}

/// A daily counter that is read at half past counts up to its last register before the restart.
#[test]
fn a_daily_counter_that_restarts_between_readings_counts_its_highest() {
    let meter = MeterProfile::of(Profile {
        restart: Some(6 * 60),
        ..Profile::default()
    });
    // From six in the morning on, half an hour later each: 0.5, 1.5 … 23.5.
    let registers: Vec<i64> = (0..96)
        .map(|hour: i64| ((hour + 18) % 24) * 1_000_000 + 500_000)
        .collect();
    let folds = folds(Kind::DailyCounter, &meter, &registers);
    let told = compose(&meter, period("2026-03-02", "2026-03-03"), &folds);
    assert_eq!(told.outcomes.resets, 0);
    assert_eq!(told.amount, Sum(47_000_000));
}

/// FAULTS A9: amounts below zero, and beyond what the meter can measure, are left out and named.
#[test]
fn implausible_amounts_are_set_aside() {
    let mut hours = vec![10_000_000; 72];
    hours[5] = -3_000_000_000;
    hours[30] = 900_000_000_000_000_000;
    let meter = rated(12);
    let folds_of = |meter: &MeterProfile| folds(Kind::Interval, meter, &hours);
    let told = compose(
        &meter,
        period("2026-03-01", "2026-03-03"),
        &folds_of(&meter),
    );
    assert_eq!(
        (told.amount, told.outcomes.implausible),
        (Sum(700_000_000), 2)
    );
    assert_eq!(told.set_aside, Sum(900_000_003_000_000_000));
    // Without a rating no amount is implausible, but the day keeps its peak.
    let unrated = folds_of(&MeterProfile::default());
    let told = compose(
        &MeterProfile::default(),
        period("2026-03-01", "2026-03-03"),
        &unrated,
    );
    assert_eq!(told.outcomes.implausible, 1);
    assert_eq!(unrated[1].1.peak(), Some(Sum(900_000_000_000_000_000)));
    assert_eq!(unrated[2].1.odd, None);
    // A meter of both ways may measure below zero.
    let both = MeterProfile::of(Profile {
        bidirectional: true,
        bound_per_hour: Some(amount(4_000)),
        ..Profile::default()
    });
    let told = compose(&both, period("2026-03-01", "2026-03-01"), &folds_of(&both));
    assert_eq!(
        (told.amount, told.export),
        (Sum(-2_770_000_000), Sum(3_000_000_000))
    );
}

/// FAULTS A3: a rating that holds from July on, or from November on, changes nothing in March.
#[test]
fn a_later_rating_changes_no_earlier_day() {
    let registers: Vec<i64> = (0..72).map(|hour| hour * 500_000_000).collect();
    for from in ["2026-07-01", "2026-11-01"] {
        let meter = MeterProfile {
            dated: vec![(day(from).start(), rated(60).profile)],
            ..MeterProfile::default()
        };
        assert_eq!(
            whole(&meter, &registers).amount,
            Sum(35_500_000_000),
            "{from}"
        );
    }
}

/// A dip that lasts from one day to the next is left out in queries of either day.
#[test]
fn a_single_day_is_decided_by_its_neighbors() {
    let mut registers = steady(1_000);
    registers[20..30].fill(0);
    let folds = folds(Kind::Register, &MeterProfile::default(), &registers);
    let all = period("2026-03-01", "2026-03-03");
    let daily = compose_daily(&MeterProfile::default(), all, &folds, &LikeDays::default());
    for (day, told) in daily {
        let one = DayRange::new(day, day).expect("a day");
        let near = neighbours(&MeterProfile::default(), &folds, one);
        assert_eq!(compose(&MeterProfile::default(), one, near), told, "{day}");
    }
}
