//! The counter cases of METHOD (h) within one day, and the laws of its fold.

use proptest::prelude::*;

use super::*;
use crate::{
    meter::{
        amount::{Amount, Sum},
        reading::Flag,
    },
    time::day::Instant,
};

fn micro(text: &str) -> i64 {
    text.parse::<Amount>().expect("a decimal").micro()
}

/// Folds registers a quarter of an hour apart.
fn fold(meter: &MeterProfile, registers: &[&str]) -> DayFold {
    let rows = registers.len();
    let instants: Vec<i64> = (0..rows as i64).map(|i| i * 900_000).collect();
    let values: Vec<i64> = registers.iter().map(|r| micro(r)).collect();
    let columns = DayColumns {
        instants: &instants,
        values: &values,
        flags: &vec![Flag::Normal.code(); rows],
        superseded: &vec![false; rows],
    };
    fold_day(Kind::Register, meter, columns)
}

/// Case 1: a register of 10⁶ passes 999 984.0625 → 20.
#[test]
fn method_h_case_1_rollover_is_35_9375() {
    let meter = MeterProfile {
        profile: Profile {
            modulus: Some(amount("1000000")),
            bound_per_hour: Some(amount("400")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    let day = fold(&meter, &["999984.0625", "20"]);
    assert_eq!(day.within.to_string(), "35.9375");
    assert_eq!(day.outcomes.rollovers, 1);
}

fn amount(text: &str) -> Amount {
    text.parse().expect("a decimal")
}

#[test]
fn a_rollover_beyond_the_bound_is_a_reset() {
    let meter = MeterProfile {
        profile: Profile {
            modulus: Some(amount("1000000")),
            bound_per_hour: Some(amount("100")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    let day = fold(&meter, &["999980", "999984.0625", "20", "21"]);
    assert_eq!(day.within.to_string(), "5.0625");
    assert_eq!((day.outcomes.rollovers, day.outcomes.resets), (0, 1));
}

/// Case 2: 3.737 → 0.000 → 3.746 is 0.009, not 3.746.
#[test]
fn method_h_case_2_zero_blip_is_left_out() {
    let day = fold(&MeterProfile::default(), &["3.737", "0.000", "3.746"]);
    assert_eq!(day.within.to_string(), "0.009");
    assert_eq!((day.outcomes.glitches, day.outcomes.resets), (1, 0));
}

/// Case 3: 215.7 → 215.6 → 215.6 is no consumption.
#[test]
fn method_h_case_3_jitter_books_nothing() {
    let day = fold(
        &MeterProfile::default(),
        &["215.6", "215.7", "215.6", "215.6"],
    );
    assert_eq!(day.within, Sum::ZERO);
    assert_eq!(day.outcomes.resets, 0);
    let day = fold(
        &MeterProfile::default(),
        &["215.7", "215.6", "215.6", "215.6"],
    );
    assert_eq!((day.within, day.outcomes.resets), (Sum::ZERO, 0));
}

/// Case 4: a replacement in the middle of the day, old final and new initial on record.
#[test]
fn method_h_case_4_replacement_counts_both_meters() {
    let meter = MeterProfile {
        changes: vec![change("5012", "3", "1")],
        ..MeterProfile::default()
    };
    let day = fold(&meter, &["5000", "5010", "10", "14"]);
    assert_eq!(day.within.to_string(), "23");
    assert_eq!((day.outcomes.replacements, day.outcomes.resets), (1, 0));
}

/// Between the second and the third reading of [`fold`].
fn change(old_final: &str, new_initial: &str, multiplier: &str) -> MeterChange {
    MeterChange {
        instant: Instant::from_millis(1_000_000),
        old_final: amount(old_final),
        new_initial: amount(new_initial),
        multiplier: times(multiplier),
    }
}

fn times(multiplier: &str) -> Multiplier {
    Multiplier::new(amount(multiplier)).expect("positive")
}

/// Case 4, with transformers: 120 × 100 = 12 000 on the old meter, 80 × 100 on the new one.
#[test]
fn method_h_case_4_multipliers_apply_at_the_register_of_the_change() {
    let meter = MeterProfile {
        multiplier: times("12000"),
        changes: vec![change("50.2", "3", "8000")],
        ..MeterProfile::default()
    };
    let day = fold(&meter, &["50", "50.1", "3.5", "4"]);
    // 0.2 on the old meter, 1 on the new one.
    assert_eq!(day.within.to_string(), "10400");
    assert_eq!(day.outcomes.replacements, 1);
}

#[test]
fn a_multiplier_that_divides_unevenly_loses_nothing_over_many_steps() {
    let meter = MeterProfile {
        multiplier: times("0.333333"),
        ..MeterProfile::default()
    };
    let registers: Vec<String> = (0..200).map(|n| format!("{}.000001", n * 7)).collect();
    let registers: Vec<&str> = registers.iter().map(String::as_str).collect();
    let day = fold(&meter, &registers);
    let (first, last) = (day.first.expect("read"), day.last.expect("read"));
    assert_eq!(
        day.within,
        times("0.333333").between(first.register, last.register)
    );
    assert_eq!(day.within.to_string(), "464.332869");
}

/// An interval's value is multiplied by the multiplier that held at its instant.
#[test]
fn multipliers_apply_to_intervals_by_their_instants() {
    let meter = MeterProfile {
        multiplier: times("10"),
        changes: vec![change("0", "0", "20")],
        ..MeterProfile::default()
    };
    let columns = DayColumns {
        instants: &[0, 999_999, 1_000_000],
        values: &[micro("1"), micro("2"), micro("3")],
        flags: &[Flag::Normal.code(); 3],
        superseded: &[false; 3],
    };
    let day = fold_day(Kind::Interval, &meter, columns);
    assert_eq!(day.within.to_string(), "90");
}

/// Case 6: 40 454 476 → 40 428 074 → 40 454 621.
#[test]
fn method_h_case_6_plateau_is_left_out() {
    let day = fold(
        &MeterProfile::default(),
        &["40454476", "40428074", "40454621"],
    );
    assert_eq!(day.within.to_string(), "145");
    assert_eq!(day.outcomes.glitches, 1);
}

/// Case 7: 138 144 → 52 776 558 592 → 138 150.
#[test]
fn method_h_case_7_spike_is_left_out() {
    let day = fold(
        &MeterProfile::default(),
        &["138144", "52776558592", "138150"],
    );
    assert_eq!(day.within.to_string(), "6");
    assert_eq!(day.outcomes.glitches, 1);
}

/// Case 7 as a plateau: the register reads a thousandfold for an hour, with and without a rating.
#[test]
fn method_h_case_7_a_plateau_of_glitches_is_left_out() {
    let bound = MeterProfile {
        profile: Profile {
            bound_per_hour: Some(amount("400")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    for meter in [bound, MeterProfile::default()] {
        let registers = [
            "138140",
            "138144",
            "52776558592",
            "52776558592",
            "52776558592",
            "138150",
        ];
        let day = fold(&meter, &registers);
        assert_eq!(day.within.to_string(), "10");
        assert_eq!((day.outcomes.glitches, day.outcomes.resets), (1, 0));
        assert_eq!(day.outcomes.jumps, 0);
    }
}

/// Case 8: a register that does not move is no consumption, and no event.
#[test]
fn method_h_case_8_a_frozen_register_is_a_legitimate_zero() {
    let day = fold(&MeterProfile::default(), &["77.5"; 8]);
    assert_eq!((day.within, day.outcomes), (Sum::ZERO, Outcomes::default()));
}

#[test]
fn a_rise_beyond_the_bound_that_stays_is_a_named_jump() {
    let meter = MeterProfile {
        profile: Profile {
            bound_per_hour: Some(amount("400")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    let day = fold(&meter, &["100", "110", "90000", "90010", "90025"]);
    assert_eq!(day.within.to_string(), "35");
    assert_eq!((day.outcomes.jumps, day.outcomes.glitches), (1, 0));
    assert_eq!(day.last.expect("read").register, amount("90025"));
    // A single one at the day's end is left open for the next day.
    let day = fold(&meter, &["100", "110", "90000"]);
    assert_eq!(
        (day.within.to_string().as_str(), day.outcomes.glitches),
        ("10", 1)
    );
    // If all others agree, the first one was wrong.
    let day = fold(&meter, &["3", "90000", "90010", "90025"]);
    assert_eq!(
        (day.within.to_string().as_str(), day.outcomes.jumps),
        ("25", 0)
    );
    assert_eq!(day.first.expect("read").register, amount("90000"));
}

/// The time of the day does not make a leap plausible: it is a jump at any hour.
#[test]
fn a_jump_is_a_jump_however_early_it_comes() {
    let meter = MeterProfile {
        profile: Profile {
            bound_per_hour: Some(amount("480")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    for leap_at in [2, 12, 21] {
        let instants: Vec<i64> = (0..24).map(|hour| hour * 3_600_000).collect();
        let values: Vec<i64> = (0i64..24)
            .map(|hour| (1_000 + hour * 100 + if hour >= leap_at { 5_000 } else { 0 }) * 1_000_000)
            .collect();
        let columns = DayColumns {
            instants: &instants,
            values: &values,
            flags: &[Flag::Normal.code(); 24],
            superseded: &[false; 24],
        };
        let day = fold_day(Kind::Register, &meter, columns);
        // All hours except that of the leap.
        assert_eq!(day.within.to_string(), "2200", "{leap_at}");
        assert_eq!(
            (day.outcomes.jumps, day.outcomes.glitches),
            (1, 0),
            "{leap_at}"
        );
    }
}

/// A change on record must obey the bound like any step: a register typed with a digit too many is
/// no consumption.
#[test]
fn a_change_beyond_the_bound_is_not_believed() {
    let mistyped = MeterProfile {
        profile: Profile {
            bound_per_hour: Some(amount("5000")),
            ..Profile::default()
        },
        multiplier: times("120"),
        changes: vec![change("50120", "3", "120")],
        ..MeterProfile::default()
    };
    let day = fold(&mistyped, &["5000", "5005", "4", "9"]);
    assert_eq!(day.within.to_string(), "1200");
    assert_eq!((day.outcomes.replacements, day.outcomes.jumps), (0, 1));
    // A first reading of the new meter that is a glitch is left out like any other.
    let meter = MeterProfile {
        changes: vec![change("5012", "3", "1")],
        ..MeterProfile::default()
    };
    let day = fold(&meter, &["5000", "5010", "9000000", "10", "14"]);
    assert_eq!(day.within.to_string(), "23");
}

#[test]
fn a_permanent_fall_is_a_named_reset() {
    let day = fold(&MeterProfile::default(), &["100", "120", "5", "9"]);
    assert_eq!(day.within.to_string(), "24");
    assert_eq!(day.outcomes.resets, 1);
}

#[test]
fn an_instrument_fault_is_counted_and_not_used() {
    let columns = DayColumns {
        instants: &[0, 1, 2],
        values: &[1, 99, 3],
        flags: &[Flag::Normal.code(), Flag::Fault.code(), Flag::Manual.code()],
        superseded: &[false, false, false],
    };
    let day = fold_day(Kind::Interval, &MeterProfile::default(), columns);
    assert_eq!(day.within, Sum(4));
    assert_eq!(
        (day.readings, day.outcomes.invalid, day.outcomes.manual),
        (3, 1, 1)
    );
}

#[test]
fn a_superseded_value_does_not_count() {
    let columns = DayColumns {
        instants: &[0, 0, 1],
        values: &[7, 5, 3],
        flags: &[Flag::Normal.code(); 3],
        superseded: &[true, false, false],
    };
    let day = fold_day(Kind::Event, &MeterProfile::default(), columns);
    assert_eq!((day.within, day.readings), (Sum(8), 2));
}

proptest! {
    #[test]
    fn a_counter_without_falls_is_last_less_first(steps in prop::collection::vec(0i64..5_000_000, 1..200)) {
        let values: Vec<i64> = steps.iter().scan(0i64, |r, s| { *r += s; Some(*r) }).collect();
        let instants: Vec<i64> = (0..values.len() as i64).collect();
        let columns = DayColumns {
            instants: &instants,
            values: &values,
            flags: &vec![Flag::Normal.code(); values.len()],
            superseded: &vec![false; values.len()],
        };
        let day = fold_day(Kind::Register, &MeterProfile::default(), columns);
        prop_assert_eq!(day.within.0, i128::from(values[values.len() - 1] - values[0]));
    }

    #[test]
    fn consumption_of_an_unrated_counter_is_never_negative(
        values in prop::collection::vec(0i64..1_000_000, 1..60),
    ) {
        let instants: Vec<i64> = (0..values.len() as i64).collect();
        let columns = DayColumns {
            instants: &instants,
            values: &values,
            flags: &vec![Flag::Normal.code(); values.len()],
            superseded: &vec![false; values.len()],
        };
        let day = fold_day(Kind::Register, &MeterProfile::default(), columns);
        prop_assert!(day.within.0 >= 0);
        if day.outcomes.resets == 0 {
            let (first, last) = (day.first.expect("a reading"), day.last.expect("a reading"));
            prop_assert_eq!(day.within, last.register.since(first.register));
        }
    }
}
