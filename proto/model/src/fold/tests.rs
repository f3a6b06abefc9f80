//! The counter cases of METHOD (h) that a day's fold alone decides, and its laws.

use proptest::prelude::*;

use super::*;

fn micro(text: &str) -> i64 {
    text.parse::<Amount>().expect("a decimal").micro()
}

/// Folds registers a quarter of an hour apart.
fn fold(traits: &Traits, registers: &[&str]) -> DayFold {
    let rows = registers.len();
    let instants: Vec<i64> = (0..rows as i64).map(|i| i * 900_000).collect();
    let values: Vec<i64> = registers.iter().map(|r| micro(r)).collect();
    let columns = DayColumns {
        instants: &instants,
        values: &values,
        flags: &vec![Flag::Normal.code(); rows],
        superseded: &vec![false; rows],
    };
    fold_day(Kind::Register, traits, columns)
}

/// Case 1: a register of 10⁶ passes 999 984.0625 → 20.
#[test]
fn method_h_case_1_rollover_is_35_9375() {
    let traits = Traits {
        modulus: Some(amount("1000000")),
        rated_per_hour: Some(amount("400")),
        ..Traits::default()
    };
    let day = fold(&traits, &["999984.0625", "20"]);
    assert_eq!(day.within.to_string(), "35.9375");
    assert_eq!(day.outcomes.rollovers, 1);
}

fn amount(text: &str) -> Amount {
    text.parse().expect("a decimal")
}

#[test]
fn a_rollover_beyond_the_rated_bound_is_a_reset() {
    let traits = Traits {
        modulus: Some(amount("1000000")),
        rated_per_hour: Some(amount("100")),
        ..Traits::default()
    };
    let day = fold(&traits, &["999984.0625", "20"]);
    assert_eq!(day.within, Sum::ZERO);
    assert_eq!((day.outcomes.rollovers, day.outcomes.resets), (0, 1));
}

/// Case 2: 3.737 → 0.000 → 3.746 is 0.009, not 3.746.
#[test]
fn method_h_case_2_zero_blip_is_left_out() {
    let day = fold(&Traits::default(), &["3.737", "0.000", "3.746"]);
    assert_eq!(day.within.to_string(), "0.009");
    assert_eq!((day.outcomes.glitches, day.outcomes.resets), (1, 0));
}

/// Case 3: 215.7 → 215.6 → 215.6 is no consumption; nothing is booked for it.
#[test]
fn method_h_case_3_jitter_books_nothing() {
    let day = fold(&Traits::default(), &["215.6", "215.7", "215.6", "215.6"]);
    assert_eq!(day.within, Sum::ZERO);
    assert_eq!(day.outcomes.resets, 0);
}

/// Case 4: a replacement in the middle of the day, old final and new initial on record.
#[test]
fn method_h_case_4_replacement_counts_both_meters() {
    let replacement = Replacement {
        instant: Instant(1_000_000),
        old_final: amount("5012"),
        new_initial: amount("3"),
    };
    let traits = Traits {
        replacements: vec![replacement],
        ..Traits::default()
    };
    let day = fold(&traits, &["5000", "5010", "10", "14"]);
    assert_eq!(day.within.to_string(), "23");
    assert_eq!((day.outcomes.replacements, day.outcomes.resets), (1, 0));
}

/// Case 6: 40 454 476 → 40 428 074 → 40 454 621.
#[test]
fn method_h_case_6_plateau_is_left_out() {
    let day = fold(&Traits::default(), &["40454476", "40428074", "40454621"]);
    assert_eq!(day.within.to_string(), "145");
    assert_eq!(day.outcomes.glitches, 1);
}

/// Case 7: 138 144 → 52 776 558 592 → 138 150.
#[test]
fn method_h_case_7_spike_is_taken_back() {
    let day = fold(&Traits::default(), &["138144", "52776558592", "138150"]);
    assert_eq!(day.within.to_string(), "6");
    assert_eq!(day.outcomes.glitches, 1);
}

#[test]
fn a_fall_for_good_is_a_named_reset() {
    let day = fold(&Traits::default(), &["100", "120", "5", "9"]);
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
    let day = fold_day(Kind::Interval, &Traits::default(), columns);
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
    let day = fold_day(Kind::Event, &Traits::default(), columns);
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
        let day = fold_day(Kind::Register, &Traits::default(), columns);
        prop_assert_eq!(day.within.0, i128::from(values[values.len() - 1] - values[0]));
    }

    #[test]
    fn whatever_a_counter_says_consumption_is_never_negative(
        values in prop::collection::vec(0i64..1_000_000, 1..60),
    ) {
        let instants: Vec<i64> = (0..values.len() as i64).collect();
        let columns = DayColumns {
            instants: &instants,
            values: &values,
            flags: &vec![Flag::Normal.code(); values.len()],
            superseded: &vec![false; values.len()],
        };
        let day = fold_day(Kind::Register, &Traits::default(), columns);
        prop_assert!(day.within.0 >= 0);
        if day.outcomes.resets == 0 {
            let (first, last) = (day.first.expect("a reading"), day.last.expect("a reading"));
            prop_assert_eq!(day.within, last.register.since(first.register));
        }
    }
}
