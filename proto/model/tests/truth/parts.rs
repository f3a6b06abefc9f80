//! Parts and wholes: ranges cut anywhere, and deliveries in any order.

use greenpark_model::{
    amount::Sum,
    compose::{compose, compose_daily},
    day::DayRange,
    fold::Outcomes,
    like_days::LikeDays,
    reading::Flag,
};
use proptest::prelude::*;

use crate::{
    delivery::{Delivery, fold_days},
    odd_streams::{Odd, odd_stream},
    truth::truth,
};

/// Cuts `range` at `places`.
fn cut(range: DayRange, places: &[prop::sample::Index]) -> Vec<DayRange> {
    let days: Vec<_> = range.iter().collect();
    let mut starts: Vec<usize> = places.iter().map(|place| place.index(days.len())).collect();
    starts.extend([0, days.len()]);
    starts.sort_unstable();
    starts.dedup();
    starts
        .windows(2)
        .map(|ends| DayRange::new(days[ends[0]], days[ends[1] - 1]).expect("in order"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// For any stream, the parts of a range and its days sum to the whole: the consumption, the readings and the
    /// outcomes.
    #[test]
    fn parts_sum_to_the_whole(
        Odd { meter, arrived } in odd_stream(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        (before, after) in (0i32..3, 0i32..3),
    ) {
        let folds = fold_days(&meter, &arrived);
        let (first, last) = (folds[0].0.plus(-before), folds[folds.len() - 1].0.plus(after));
        let range = DayRange::new(first, last).expect("in order");
        let whole = compose(&meter, range, &folds);
        let parts = cut(range, &places);
        let parts: Vec<_> = parts.iter().map(|part| compose(&meter, *part, &folds)).collect();
        prop_assert_eq!(parts.iter().map(|part| part.amount).sum::<Sum>(), whole.amount);
        prop_assert_eq!(parts.iter().map(|part| part.readings).sum::<u64>(), whole.readings);
        prop_assert_eq!(parts.iter().map(|part| part.days).sum::<u32>(), whole.days);
        let outcomes = parts.iter().fold(Outcomes::default(), |sum, part| sum.plus(part.outcomes));
        prop_assert_eq!(outcomes, whole.outcomes);
        let daily = compose_daily(&meter, range, &folds, &LikeDays::default());
        prop_assert_eq!(daily.iter().map(|(_, day)| day.amount).sum::<Sum>(), whole.amount);
        let outcomes = daily.iter().fold(Outcomes::default(), |sum, (_, day)| sum.plus(day.outcomes));
        prop_assert_eq!(outcomes, whole.outcomes);
    }

    /// Readings out of order, late, repeated, or corrected after a wrong value give the same folds.
    #[test]
    fn the_order_of_arrival_changes_nothing(
        truth in truth(any::<bool>().boxed()),
        order in prop::collection::vec(any::<u32>(), 130),
        repeats in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..20),
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<i32>()), 0..8),
    ) {
        let clean = truth.deliveries();
        let mut arrived: Vec<(u32, Delivery)> = order.iter().copied().zip(clean.clone()).collect();
        for (place, at) in repeats {
            arrived.push((at, clean[place.index(clean.len())]));
        }
        arrived.sort_by_key(|(at, _)| *at);
        let mut arrived: Vec<Delivery> = arrived.into_iter().map(|(_, delivery)| delivery).collect();
        // Wrong values arrive first, so the true ones supersede them.
        for (place, value) in wrong {
            let right = clean[place.index(clean.len())];
            let value = i64::from(value) * 1_000;
            if value != right.value {
                let flag = if value % 2_000 == 0 { Flag::Normal } else { Flag::Fault };
                arrived.insert(0, Delivery { instant: right.instant, value, flag });
            }
        }
        prop_assert_eq!(fold_days(&truth.meter, &arrived), fold_days(&truth.meter, &clean));
    }
}
