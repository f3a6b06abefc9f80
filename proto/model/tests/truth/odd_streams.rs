//! Streams that no meter should send: what must hold even of them.

use greenpark_model::{
    amount::{Amount, Sum},
    compose::{compose, join},
    day::DayRange,
    fold::MeterProfile,
    reading::Flag,
};
use proptest::prelude::*;

use crate::{
    delivery::{Delivery, fold_days},
    truth::truth,
};

/// A stream and what is known of its meter.
#[derive(Debug, Clone)]
pub(crate) struct Odd {
    pub(crate) traits: MeterProfile,
    pub(crate) arrived: Vec<Delivery>,
}

/// What is done to a reading.
fn spoil(delivery: &mut Delivery, how: u8, by: i64) {
    match how {
        0 => delivery.value = 0,
        1 => delivery.value = delivery.value.saturating_mul(1_000),
        2 => delivery.value = delivery.value.saturating_add(by),
        3 => delivery.value = delivery.value.saturating_sub(by),
        4 => delivery.flag = Flag::Fault,
        5 => delivery.flag = Flag::Manual,
        6 => delivery.value = by,
        _ => {}
    }
    // The archive holds no value beyond eighteen digits.
    let most = Amount::MAX.micro();
    delivery.value = delivery.value.clamp(-most, most);
}

prop_compose! {
    /// A meter's stream, spoilt at up to a third of its readings.
    pub(crate) fn odd_stream()(
        truth in truth(any::<bool>().boxed()),
        spoils in prop::collection::vec((0u8..21, 0i64..50_000_000_000), 130),
        calm in 1usize..8,
    ) -> Odd {
        let mut arrived = truth.deliveries();
        for (row, delivery) in arrived.iter_mut().enumerate() {
            let (how, by) = spoils[row];
            if row % calm == 0 {
                spoil(delivery, how, by);
            }
        }
        Odd { traits: truth.traits, arrived }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    /// Where nothing is named that corrects it, the sum of the days is the last register that counts less
    /// the first one, whatever was left out on the way. No day of an unrated meter gives anything back.
    #[test]
    fn only_what_is_named_corrects_the_difference(Odd { mut traits, arrived } in odd_stream()) {
        traits.changes.clear();
        let folds = fold_days(&traits, &arrived);
        let range = DayRange::new(folds[0].0, folds[folds.len() - 1].0).expect("in order");
        let whole = compose(&traits, range, &folds);
        let rated = traits.profile.bound_per_hour.is_some();
        prop_assert!(rated || folds.iter().all(|(_, fold)| fold.within >= Sum::ZERO));
        let once = join(&traits, folds.iter().map(|(_, fold)| fold));
        let named = whole.outcomes;
        if let (Some(first), Some(last), 0) =
            (once.first, once.last, named.rollovers + named.resets + named.jumps)
        {
            let difference = traits.multiplier.between(first.register, last.register);
            prop_assert_eq!(whole.amount, difference);
        }
    }
}
