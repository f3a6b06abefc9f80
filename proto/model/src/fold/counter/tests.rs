//! Days that were once folded wrongly, found by the generated meters of `tests/counters`.

use super::*;
use crate::{
    fold::{MeterChange, Multiplier, Profile, fold_day},
    meter::{
        amount::Amount,
        reading::{Flag, Kind},
    },
    time::day::Instant,
};

const QUARTER: i64 = 900_000;

/// Folds registers in whole units, a quarter of an hour apart.
fn fold(meter: &MeterProfile, registers: &[i64]) -> DayFold {
    let rows = registers.len();
    let instants: Vec<i64> = (0i64..).map(|row| row * QUARTER).take(rows).collect();
    let values: Vec<i64> = registers.iter().map(|units| units * 1_000_000).collect();
    let columns = DayColumns {
        instants: &instants,
        values: &values,
        flags: &vec![Flag::Normal.code(); rows],
        superseded: &vec![false; rows],
    };
    fold_day(Kind::Register, meter, columns)
}

fn units(units: i64) -> Amount {
    Amount::from_micro(units * 1_000_000).expect("in range")
}

/// A meter that can measure at most this many units in a quarter of an hour.
fn rated(quarter: i64) -> MeterProfile {
    MeterProfile {
        profile: Profile {
            bound_per_hour: Some(units(quarter * 4)),
            ..Profile::default()
        },
        ..MeterProfile::default()
    }
}

/// A change between the rows `row` and `row + 1`.
fn change(row: i64, old_final: i64, new_initial: i64) -> MeterChange {
    MeterChange {
        instant: Instant::from_millis(row * QUARTER + 1),
        old_final: units(old_final),
        new_initial: units(new_initial),
        multiplier: Multiplier::ONE,
    }
}

fn summary(day: &DayFold) -> (String, u32, u32, u32) {
    let named = day.outcomes;
    (
        day.within.to_string(),
        named.glitches,
        named.resets,
        named.jumps,
    )
}

/// Mistake: a dip that stays above the register before last was taken for the end of a spike, and the rise after
/// it for a jump.
#[test]
fn a_dip_at_full_load_is_no_spike_before_it() {
    let day = fold(&rated(120), &[0, 100, 1, 200, 300, 400]);
    assert_eq!(summary(&day), ("400".to_owned(), 1, 0, 0));
    // The same holds for a dip of several readings, and for one before a rollover.
    let day = fold(&rated(120), &[0, 100, 1, 2, 200, 300, 400]);
    assert_eq!(summary(&day), ("400".to_owned(), 1, 0, 0));
    let meter = MeterProfile {
        profile: Profile {
            modulus: Some(units(10_000)),
            ..rated(120).profile
        },
        ..MeterProfile::default()
    };
    let day = fold(&meter, &[9_700, 9_800, 9_750, 0, 50]);
    assert_eq!(summary(&day), ("350".to_owned(), 1, 0, 0));
    assert_eq!(day.outcomes.rollovers, 1);
}

/// Mistake: the next glitch dropped the register after a jump, and the consumption since.
#[test]
fn a_glitch_after_a_jump_leaves_out_only_itself() {
    for glitch in [0, 9_000_000] {
        let day = fold(
            &rated(120),
            &[100, 110, 90_000, 90_010, glitch, 90_025, 90_030],
        );
        assert_eq!(summary(&day), ("40".to_owned(), 1, 0, 1), "{glitch}");
    }
}

/// Mistake: a first reading that was a dip was believed again at the next dip, or after a rollover to above it.
#[test]
fn a_single_first_reading_that_fits_nothing_is_left_out() {
    let day = fold(&rated(120), &[0, 1_000, 1_010, 0, 1_020, 1_030]);
    assert_eq!(summary(&day), ("30".to_owned(), 2, 0, 0));
    assert_eq!(day.first.map(|first| first.register), Some(units(1_000)));
    let meter = MeterProfile {
        profile: Profile {
            modulus: Some(units(10_000)),
            ..rated(120).profile
        },
        ..MeterProfile::default()
    };
    let day = fold(&meter, &[0, 9_900, 9_950, 20, 30]);
    assert_eq!(summary(&day), ("130".to_owned(), 1, 0, 0));
    assert_eq!(day.outcomes.rollovers, 1);
}

/// Mistake: a dip right before a change was a reset, although the register at the change contradicts it.
#[test]
fn a_dip_before_a_change_is_left_out() {
    let meter = MeterProfile {
        changes: vec![change(2, 115, 0)],
        ..MeterProfile::default()
    };
    let day = fold(&meter, &[100, 110, 5, 4, 9]);
    assert_eq!(summary(&day), ("24".to_owned(), 1, 0, 0));
    assert_eq!(day.outcomes.replacements, 1);
}

/// Mistake: a first reading above the register at a later change left out all others, without an outcome.
#[test]
fn a_spike_before_a_change_is_left_out() {
    let meter = MeterProfile {
        changes: vec![change(2, 130, 130)],
        ..rated(120)
    };
    let day = fold(&meter, &[225, 100, 120, 220, 330]);
    assert_eq!(summary(&day), ("230".to_owned(), 1, 0, 0));
}

/// Mistake: a tremble in an idle afternoon, or a dip at the day's end, undid the step before it.
#[test]
fn a_leap_within_the_rating_is_not_undone_by_a_tremble() {
    let day = fold(&rated(120), &[0, 110, 110, 110, 109]);
    assert_eq!(summary(&day), ("110".to_owned(), 1, 0, 0));
    let day = fold(&rated(120), &[0, 110, 110, 110, 70]);
    assert_eq!(summary(&day), ("110".to_owned(), 1, 0, 0));
}
