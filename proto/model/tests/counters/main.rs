//! Counters compared with an oracle that knows the truth: a generator invents a meter's consumption and its changes
//! first, and derives the readings from them. The oracle never reads a register.

mod delivery;
mod truth;

use delivery::Delivery;
use greenpark_model::{
    amount::Sum,
    compose::{compose, compose_daily},
    day::{CivilDay, DayRange},
    fold::{DayColumns, DayFold, fold_day},
    like_days::LikeDays,
    reading::Kind,
};
use proptest::prelude::*;
use truth::Truth;

/// Cases of each property in one run.
const CASES: u32 = 20_000;

/// The days of the readings delivered, folded as sealing does.
fn days(truth: &Truth, delivery: &Delivery) -> Vec<(CivilDay, DayFold)> {
    let rows = delivery.rows();
    let mut days = Vec::new();
    for of_day in rows.chunk_by(|a, b| a.instant.day() == b.instant.day()) {
        let day = of_day[0].instant.day();
        let column = |of: fn(&delivery::Row) -> i64| of_day.iter().map(of).collect::<Vec<_>>();
        let flags: Vec<u8> = of_day.iter().map(|row| row.flag).collect();
        let superseded: Vec<bool> = of_day.iter().map(|row| row.superseded).collect();
        let columns = DayColumns {
            instants: &column(|row| row.instant.millis()),
            values: &column(|row| row.value),
            flags: &flags,
            superseded: &superseded,
        };
        let meter = truth.meter.on(day);
        days.push((day, fold_day(Kind::Register, &meter, columns)));
    }
    days
}

fn whole(truth: &Truth) -> DayRange {
    let (first, last) = truth.days();
    DayRange::new(first, last).expect("in order")
}

fn total(truth: &Truth, delivery: &Delivery) -> Sum {
    compose(&truth.meter, whole(truth), &days(truth, delivery)).amount
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// The consumption between the first and the last reading is exact, with any changes on record, any losses on
    /// the way, and any order and repetition of the other readings.
    #[test]
    fn the_days_sum_to_the_truth((truth, delivery) in truth::life().prop_flat_map(delivery::of)) {
        prop_assert_eq!(total(&truth, &delivery), truth.consumed());
    }

    /// A range is the sum of its parts for every cut, also of its days.
    #[test]
    fn a_range_is_the_sum_of_its_parts(
        (truth, delivery) in truth::life().prop_flat_map(delivery::of),
        cuts in prop::collection::vec(0i32..12, 0..4),
    ) {
        let (days, range) = (days(&truth, &delivery), whole(&truth));
        let starts = cuts.iter().map(|cut| range.first().plus(*cut));
        let parts = range.cut(starts);
        let sum: Sum = parts.iter().map(|part| compose(&truth.meter, *part, &days).amount).sum();
        prop_assert_eq!(sum, truth.consumed());
        let daily = compose_daily(&truth.meter, range, &days, &LikeDays::default());
        let sum: Sum = daily.iter().map(|(_, consumption)| consumption.amount).sum();
        prop_assert_eq!(sum, truth.consumed());
    }

    /// Dips, blips, spikes, trembles and values of instruments that do not measure leave every day as it was without
    /// them.
    #[test]
    fn glitches_change_no_day(
        (truth, delivery) in truth::life().prop_flat_map(delivery::with_glitches),
    ) {
        let range = whole(&truth);
        let amounts = |delivery: &Delivery| -> Vec<(CivilDay, Sum)> {
            let days = days(&truth, delivery);
            let daily = compose_daily(&truth.meter, range, &days, &LikeDays::default());
            daily.iter().map(|(day, consumption)| (*day, consumption.amount)).collect()
        };
        prop_assert_eq!(amounts(&delivery), amounts(&delivery.clean()));
    }
}
