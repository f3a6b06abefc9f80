//! Days that generated meters got wrong once; see `tests/counters`.

use super::*;
use crate::{
    amount::Amount,
    day::Instant,
    fold::{MeterChange, Multiplier, Profile, fold_day},
    reading::{Flag, Kind},
};

const QUARTER: i64 = 900_000;

/// Folds registers in whole units, a quarter of an hour apart.
fn fold(traits: &Traits, registers: &[i64]) -> DayFold {
    let rows = registers.len();
    let instants: Vec<i64> = (0i64..).map(|row| row * QUARTER).take(rows).collect();
    let values: Vec<i64> = registers.iter().map(|units| units * 1_000_000).collect();
    let columns = DayColumns {
        instants: &instants,
        values: &values,
        flags: &vec![Flag::Normal.code(); rows],
        superseded: &vec![false; rows],
    };
    fold_day(Kind::Register, traits, columns)
}

fn units(units: i64) -> Amount {
    Amount::from_micro(units * 1_000_000).expect("in range")
}

/// At most so many units in a quarter of an hour.
fn rated(quarter: i64) -> Traits {
    Traits {
        profile: Profile {
            bound_per_hour: Some(units(quarter * 4)),
            ..Profile::default()
        },
        ..Traits::default()
    }
}

/// A change between the rows `row` and `row + 1`.
fn change(row: i64, old_final: i64, new_initial: i64) -> MeterChange {
    MeterChange {
        instant: Instant(row * QUARTER + 1),
        old_final: units(old_final),
        new_initial: units(new_initial),
        multiplier: Multiplier::ONE,
    }
}

fn said(day: &DayFold) -> (String, u32, u32, u32) {
    let named = day.outcomes;
    (
        day.within.to_string(),
        named.glitches,
        named.resets,
        named.jumps,
    )
}

/// A dip that stays above the register before last was taken for the end of a spike, and what came after
/// it for a jump.
#[test]
fn a_dip_at_full_load_is_no_spike_before_it() {
    let day = fold(&rated(120), &[0, 100, 1, 200, 300, 400]);
    assert_eq!(said(&day), ("400".to_owned(), 1, 0, 0));
    // Nor is one of several readings, nor one before a rollover.
    let day = fold(&rated(120), &[0, 100, 1, 2, 200, 300, 400]);
    assert_eq!(said(&day), ("400".to_owned(), 1, 0, 0));
    let traits = Traits {
        profile: Profile {
            modulus: Some(units(10_000)),
            ..rated(120).profile
        },
        ..Traits::default()
    };
    let day = fold(&traits, &[9_700, 9_800, 9_750, 0, 50]);
    assert_eq!(said(&day), ("350".to_owned(), 1, 0, 0));
    assert_eq!(day.outcomes.rollovers, 1);
}

/// What a jump led to was dropped at the next glitch, and what had been consumed since with it.
#[test]
fn a_glitch_after_a_jump_leaves_out_itself_alone() {
    for glitch in [0, 9_000_000] {
        let day = fold(
            &rated(120),
            &[100, 110, 90_000, 90_010, glitch, 90_025, 90_030],
        );
        assert_eq!(said(&day), ("40".to_owned(), 1, 0, 1), "{glitch}");
    }
}

/// A first reading that was a dip was believed again at the next dip, or where the register rolled over
/// to above it.
#[test]
fn a_first_reading_that_stands_alone_is_off() {
    let day = fold(&rated(120), &[0, 1_000, 1_010, 0, 1_020, 1_030]);
    assert_eq!(said(&day), ("30".to_owned(), 2, 0, 0));
    assert_eq!(day.first.map(|first| first.register), Some(units(1_000)));
    let traits = Traits {
        profile: Profile {
            modulus: Some(units(10_000)),
            ..rated(120).profile
        },
        ..Traits::default()
    };
    let day = fold(&traits, &[0, 9_900, 9_950, 20, 30]);
    assert_eq!(said(&day), ("130".to_owned(), 1, 0, 0));
    assert_eq!(day.outcomes.rollovers, 1);
}

/// A dip right before a change was a reset, though the register at the change says otherwise.
#[test]
fn a_dip_before_a_change_is_left_out() {
    let traits = Traits {
        changes: vec![change(2, 115, 0)],
        ..Traits::default()
    };
    let day = fold(&traits, &[100, 110, 5, 4, 9]);
    assert_eq!(said(&day), ("24".to_owned(), 1, 0, 0));
    assert_eq!(day.outcomes.replacements, 1);
}

/// A first reading above the register at a later change had all others left out, and nothing was named.
#[test]
fn a_spike_before_a_change_is_left_out() {
    let traits = Traits {
        changes: vec![change(2, 130, 130)],
        ..rated(120)
    };
    let day = fold(&traits, &[225, 100, 120, 220, 330]);
    assert_eq!(said(&day), ("230".to_owned(), 1, 0, 0));
}

/// The step up to an idle afternoon was taken back for a tremble in it, or for a dip at the day's end.
#[test]
fn a_leap_within_the_rating_is_not_undone_by_a_tremble() {
    let day = fold(&rated(120), &[0, 110, 110, 110, 109]);
    assert_eq!(said(&day), ("110".to_owned(), 1, 0, 0));
    let day = fold(&rated(120), &[0, 110, 110, 110, 70]);
    assert_eq!(said(&day), ("110".to_owned(), 1, 0, 0));
}
