//! The split compared with worked numbers, its laws, and members that enter, leave and stop.
//!
//! Expected values are the formula of METHOD (b) at 50 digits by an arbitrary-precision calculator.

use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn activity_of(consumption: &str, value_added: &str) -> Option<Activity> {
    let positive = |text| Positive::new(decimal(text)).expect("above zero");
    Some(Activity {
        consumption: positive(consumption),
        value_added: positive(value_added),
    })
}

fn member([e0, v0, e1, v1]: [&str; 4]) -> Member {
    Member {
        base: activity_of(e0, v0),
        current: activity_of(e1, v1),
    }
}

/// Equal except for the rounding of three members to twelve places.
fn is_close(term: Decimal, exact: &str) -> bool {
    (term - decimal(exact)).abs() <= Decimal::new(3, 12)
}

fn sums_hold(split: &Split) {
    let sum = split.totals.sum().expect("in range") + split.rounding;
    assert_eq!(sum, split.change);
    assert_eq!(split.current - split.base, split.change);
    let mut totals = Terms::default();
    for (_, terms) in &split.members {
        totals = totals.and(terms).expect("in range");
    }
    assert_eq!(totals, split.totals);
    let bound = Decimal::new(i64::try_from(split.members.len()).expect("few") + 1, 12);
    assert!(split.rounding.abs() <= bound, "{}", split.rounding);
}

#[test]
fn method_b_lmdi_of_three_enterprises_sums_to_the_change() {
    let split = split(&[
        member(["219.8518", "1000", "230.5", "1250"]),
        member(["500", "800", "430.25", "700"]),
        member(["12.5", "400", "15", "600.5"]),
    ])
    .expect("a split");
    sums_hold(&split);
    assert_eq!(split.base.to_string(), "0.332887181818");
    assert_eq!(split.current.to_string(), "0.264948049402");
    assert_eq!(split.change.to_string(), "-0.067939132416");
    let expected = [
        ("0.0071601251609343", "-0.0167183251395481"),
        ("-0.0552962509339466", "-0.0032840630864772"),
        ("0.0014941755983117", "-0.0012947940153779"),
    ];
    for ((case, terms), (structure, efficiency)) in split.members.iter().zip(expected) {
        assert_eq!(*case, Case::Split);
        assert!(is_close(terms.structure, structure), "{terms:?}");
        assert!(is_close(terms.efficiency, efficiency), "{terms:?}");
    }
    assert!(is_close(split.totals.structure, "-0.0466419501747006"));
    assert!(is_close(split.totals.efficiency, "-0.0212971822414032"));
}

#[test]
fn weights_that_hardly_change_keep_their_digits() {
    let split = split(&[
        member(["100", "50", "100.0000000001", "50"]),
        member(["10", "30", "10", "30.0000001"]),
    ])
    .expect("a split");
    sums_hold(&split);
    assert_eq!(split.members[0].1.structure, decimal("-0.000000001562"));
    assert_eq!(split.members[1].1.structure, decimal("0.000000000260"));
}

#[test]
fn members_that_enter_and_leave_are_booked_separately() {
    let split = split(&[
        member(["100", "100", "90", "100"]),
        Member {
            base: None,
            current: activity_of("30", "20"),
        },
        Member {
            base: activity_of("40", "50"),
            current: None,
        },
    ])
    .expect("a split");
    sums_hold(&split);
    let cases: Vec<_> = split.members.iter().map(|(case, _)| *case).collect();
    assert_eq!(cases, [Case::Split, Case::Entered, Case::Left]);
    assert_eq!(split.totals.entered, decimal("0.25"));
    assert_eq!(split.totals.left, decimal("-0.266666666667"));
    assert_eq!(split.members[1].1.sum(), Ok(split.totals.entered));
}

#[test]
fn a_member_absent_from_both_periods_changes_nothing() {
    let absent = Member {
        base: None,
        current: None,
    };
    let split = split(&[member(["100", "100", "90", "100"]), absent]).expect("a split");
    sums_hold(&split);
    assert_eq!(split.members[1], (Case::Absent, Terms::default()));
}

#[test]
fn a_group_without_members_has_no_intensity() {
    let left = Member {
        base: activity_of("1", "1"),
        current: None,
    };
    assert_eq!(split(&[left]), Err(SplitError::NoCurrent));
    let entered = Member {
        base: None,
        current: activity_of("1", "1"),
    };
    assert_eq!(split(&[entered]), Err(SplitError::NoBase));
    assert_eq!(split(&[]), Err(SplitError::NoBase));
}

#[test]
fn a_term_that_does_not_fit_is_an_error_and_never_a_rounded_sum() {
    let vast = member(["79228162514264337593543950335", "1", "1", "1"]);
    assert_eq!(split(&[vast]), Err(SplitError::OutOfRange));
    let both = split(&[vast, vast]);
    assert_eq!(both, Err(SplitError::OutOfRange));
}

fn activity() -> impl Strategy<Value = Option<Activity>> {
    let positive = || {
        (1..=10_000_000_000_i64)
            .prop_map(|micro| Positive::new(Decimal::new(micro, 4)).expect("above zero"))
    };
    let there = (positive(), positive()).prop_map(|(consumption, value_added)| Activity {
        consumption,
        value_added,
    });
    prop_oneof![8 => there.prop_map(Some), 1 => Just(None)]
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let steady = member(["1", "1", "2", "3"]);
    prop::collection::vec(
        (activity(), activity()).prop_map(|(base, current)| Member { base, current }),
        0..12,
    )
    .prop_map(move |mut members| {
        members.push(steady);
        members
    })
}

fn whole(consumption: i64, value_added: i64) -> Activity {
    let positive = |value: i64| Positive::new(value.into()).expect("above zero");
    Activity {
        consumption: positive(consumption),
        value_added: positive(value_added),
    }
}

fn near(left: Decimal, right: Decimal, members: usize) -> bool {
    let bound = Decimal::new(2 * i64::try_from(members).expect("few") + 2, 12);
    (left - right).abs() <= bound
}

proptest! {
    #[test]
    fn terms_sum_exactly_to_the_change(members in members()) {
        sums_hold(&split(&members).expect("a split"));
    }

    #[test]
    fn the_order_of_members_changes_nothing(members in members()) {
        let forward = split(&members).expect("a split");
        let turned: Vec<_> = members.iter().rev().copied().collect();
        let mut backward = split(&turned).expect("a split");
        backward.members.reverse();
        prop_assert_eq!(forward, backward);
    }

    #[test]
    fn exchanging_the_periods_turns_every_sign(members in members()) {
        let there = split(&members).expect("a split");
        let turned: Vec<_> = members
            .iter()
            .map(|m| Member { base: m.current, current: m.base })
            .collect();
        let back = split(&turned).expect("a split");
        prop_assert_eq!(there.change, -back.change);
        prop_assert_eq!(there.totals.entered, -back.totals.left);
        let n = members.len();
        prop_assert!(near(there.totals.structure, -back.totals.structure, n));
        prop_assert!(near(there.totals.efficiency, -back.totals.efficiency, n));
    }

    #[test]
    fn equal_intensities_of_members_leave_structure_alone(
        members in prop::collection::vec((1..1_000_i64, 1..1_000_i64, 1..1_000_i64), 1..10),
    ) {
        let members: Vec<_> = members
            .into_iter()
            .map(|(intensity, before, after)| {
                let at = |value: i64| Some(whole(intensity * value, value));
                Member { base: at(before), current: at(after) }
            })
            .collect();
        let split = split(&members).expect("a split");
        prop_assert!(near(split.totals.efficiency, Decimal::ZERO, members.len()));
    }

    #[test]
    fn equal_shares_leave_efficiency_alone(
        members in prop::collection::vec((1..1_000_i64, 1..1_000_i64, 1..1_000_i64), 1..10),
        growth in 1..5_i64,
    ) {
        let members: Vec<_> = members
            .into_iter()
            .map(|(value, before, after)| Member {
                base: Some(whole(before, value)),
                current: Some(whole(after, value * growth)),
            })
            .collect();
        let split = split(&members).expect("a split");
        prop_assert!(near(split.totals.structure, Decimal::ZERO, members.len()));
    }
}
