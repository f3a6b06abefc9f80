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

/// The model's result for the readings `arrived`: the whole, and each day with a consumption; no days if a rise is
/// set aside.
///
/// A rise of an unrated meter far beyond its usual consumption is set aside as a jump (FAULTS A12), for example of a
/// meter that idles all its life except for one outage. The amount set aside is exact to the last millionth, so it is
/// added again here, and there are no days to compare. For a rated meter nothing is set aside.
pub(crate) fn composed(
    truth: &Truth,
    arrived: &[Delivery],
) -> (Consumption, Option<BTreeMap<CivilDay, i128>>) {
    let folds = fold_days(&truth.meter, arrived);
    let daily = compose_daily(&truth.meter, truth.range(), &folds, &LikeDays::default());
    let mut whole = compose(&truth.meter, truth.range(), &folds);
    let rated = truth.meter.profile.bound_per_hour.is_some();
    let jumps = !rated && whole.outcomes.jumps > 0;
    if jumps {
        whole.amount += whole.set_aside;
        (whole.set_aside, whole.outcomes.jumps) = (Sum::ZERO, 0);
    }
    let daily = daily.into_iter().map(|(day, c)| (day, c.amount.0));
    let daily = daily.filter(|(_, amount)| *amount != 0).collect();
    (whole, (!jumps).then_some(daily))
}

/// The true days with a consumption.
pub(crate) fn expected(truth: &Truth) -> BTreeMap<CivilDay, i128> {
    let mut days = truth.days();
    days.retain(|_, amount| *amount != 0);
    days
}

/// Flags of an instrument that did not measure.
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

    /// For any meter with rollovers, changes and outages, every day and the total are the truth to the last
    /// millionth, no gap drops energy, and the outcomes are the true ones.
    #[test]
    fn days_are_the_truth(truth in truth(any::<bool>().boxed())) {
        let (whole, daily) = composed(&truth, &truth.deliveries());
        prop_assert_eq!(whole.amount.0, truth.total());
        let daily = daily.unwrap_or_else(|| expected(&truth));
        prop_assert_eq!(daily, expected(&truth));
        prop_assert_eq!(whole.outcomes.rollovers, truth.rollovers);
        let changed = truth.meter.changes.iter().map(|change| change.instant);
        let steps = truth.readings.windows(2).filter(|pair| {
            changed.clone().any(|at| pair[0].instant < at.millis() && at.millis() <= pair[1].instant)
        });
        prop_assert_eq!(whole.outcomes.replacements as usize, steps.count());
        prop_assert_eq!((whole.outcomes.resets, whole.outcomes.jumps, whole.outcomes.glitches), (0, 0, 0));
        prop_assert_eq!(whole.readings, truth.readings.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// A multiplier with a fraction is rounded at a register and not at a step: the error of each meter's part is
    /// less than a millionth, for any number of steps.
    #[test]
    fn a_multiplier_with_a_fraction_is_rounded_once(
        truth in truth_with(Just(false).boxed(), odd_multiplier().boxed()),
    ) {
        let (whole, daily) = composed(&truth, &truth.deliveries());
        let parts = i128::from(1 + 2 * truth.replacements + 2 * truth.rollovers);
        prop_assert!((whole.amount.0 - truth.total()).abs() <= parts, "{:?}", whole);
        let sum = daily.map_or(whole.amount.0, |daily| daily.values().sum());
        prop_assert_eq!(sum, whole.amount.0);
    }

    /// A reading with an invalid flag has no effect, whatever its value; a reading set by hand counts.
    #[test]
    fn readings_with_an_invalid_flag_are_left_out(
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
        let (whole, daily) = composed(&left, &arrived);
        let (clean, clean_daily) = composed(&left, &left.deliveries());
        prop_assert_eq!(whole.amount, clean.amount);
        if let Some((daily, clean)) = daily.zip(clean_daily) {
            prop_assert_eq!(daily, clean);
        }
        prop_assert_eq!(whole.outcomes.invalid as usize, rows - left.readings.len());
        prop_assert_eq!(whole.readings, rows as u64);
    }
}
