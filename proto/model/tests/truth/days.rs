//! Days and totals of meters whose readings are all true.

use std::collections::BTreeMap;

use greenpark_model::{
    amount::Sum,
    compose::{Consumption, compose, compose_daily},
    day::CivilDay,
    like_days::LikeDays,
    reading::Flag,
};
use proptest::prelude::*;

use crate::{
    delivery::{Delivery, fold_days},
    truth::{Truth, odd_multiplier, truth, truth_with},
};

/// What the model says of what `arrived`: the whole, and each day that has any; no days where a rise is set aside.
///
/// A rise of an unrated meter that is far beyond what it did in its life is set aside as a jump (FAULTS A12), and a
/// meter that idles all its life but for one outage is such a one. What is set aside is a jump by name and is told
/// to the last millionth: it is added again here, and no day is told. Of a rated meter nothing is set aside.
pub(crate) fn ask(
    truth: &Truth,
    arrived: &[Delivery],
) -> (Consumption, Option<BTreeMap<CivilDay, i128>>) {
    let folds = fold_days(&truth.traits, arrived);
    let daily = compose_daily(&truth.traits, truth.range(), &folds, &LikeDays::default());
    let mut whole = compose(&truth.traits, truth.range(), &folds);
    let rated = truth.traits.profile.bound_per_hour.is_some();
    let jumps = !rated && whole.outcomes.jumps > 0;
    if jumps {
        whole.amount += whole.set_aside;
        (whole.set_aside, whole.outcomes.jumps) = (Sum::ZERO, 0);
    }
    let daily = daily.into_iter().map(|(day, c)| (day, c.amount.0));
    let daily = daily.filter(|(_, amount)| *amount != 0).collect();
    (whole, (!jumps).then_some(daily))
}

/// Days that consumed something.
pub(crate) fn expected(truth: &Truth) -> BTreeMap<CivilDay, i128> {
    let mut days = truth.days();
    days.retain(|_, amount| *amount != 0);
    days
}

/// Flags that say that the instrument did not measure.
fn invalid() -> impl Strategy<Value = Flag> {
    prop::sample::select(vec![
        Flag::Stopped,
        Flag::Maintenance,
        Flag::Fault,
        Flag::Calibration,
        Flag::OverRange,
        Flag::LinkFailure,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    /// Whatever the meter, its rollovers, its changes and its outages: every day and the total are the
    /// truth to the last millionth, no gap drops energy, and what is named is what happened.
    #[test]
    fn days_are_the_truth(truth in truth(any::<bool>().boxed())) {
        let (whole, daily) = ask(&truth, &truth.deliveries());
        prop_assert_eq!(whole.amount.0, truth.total());
        let daily = daily.unwrap_or_else(|| expected(&truth));
        prop_assert_eq!(daily, expected(&truth));
        prop_assert_eq!(whole.outcomes.rollovers, truth.rollovers);
        let changed = truth.traits.changes.iter().map(|change| change.instant);
        let steps = truth.readings.windows(2).filter(|pair| {
            changed.clone().any(|at| pair[0].instant < at.0 && at.0 <= pair[1].instant)
        });
        prop_assert_eq!(whole.outcomes.replacements as usize, steps.count());
        prop_assert_eq!((whole.outcomes.resets, whole.outcomes.jumps, whole.outcomes.glitches), (0, 0, 0));
        prop_assert_eq!(whole.readings, truth.readings.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// A multiplier with a fraction is rounded at a register and not at a step: each meter's part is off
    /// by less than a millionth, however many steps it has.
    #[test]
    fn a_multiplier_with_a_fraction_is_rounded_once(
        truth in truth_with(Just(false).boxed(), odd_multiplier().boxed()),
    ) {
        let (whole, daily) = ask(&truth, &truth.deliveries());
        let parts = i128::from(1 + 2 * truth.replacements + 2 * truth.rollovers);
        prop_assert!((whole.amount.0 - truth.total()).abs() <= parts, "{:?}", whole);
        let sum = daily.map_or(whole.amount.0, |daily| daily.values().sum());
        prop_assert_eq!(sum, whole.amount.0);
    }

    /// What a flag calls invalid is as if it had never been read, whatever its value; what was set by
    /// hand counts.
    #[test]
    fn flags_leave_out_what_was_not_measured(
        truth in truth(any::<bool>().boxed()),
        marks in prop::collection::vec(prop::option::weighted(0.1, (invalid(), any::<i32>())), 130),
        by_hand in prop::collection::vec(prop::bool::weighted(0.1), 130),
    ) {
        let mut arrived = truth.deliveries();
        let rows = arrived.len();
        let kept = |row: usize| marks[row].is_none() || row == 0 || row + 1 == rows;
        for (row, delivery) in arrived.iter_mut().enumerate() {
            if let Some((flag, value)) = marks[row].filter(|_| !kept(row)) {
                (delivery.flag, delivery.value) = (flag, i64::from(value) * 1_000_000);
            } else if by_hand[row] {
                delivery.flag = Flag::Manual;
            }
        }
        let left = truth.only(kept);
        let (whole, daily) = ask(&left, &arrived);
        let (clean, clean_daily) = ask(&left, &left.deliveries());
        prop_assert_eq!(whole.amount, clean.amount);
        if let Some((daily, clean)) = daily.zip(clean_daily) {
            prop_assert_eq!(daily, clean);
        }
        prop_assert_eq!(whole.outcomes.invalid as usize, rows - left.readings.len());
        prop_assert_eq!(whole.readings, rows as u64);
    }
}
