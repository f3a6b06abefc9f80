//! The place of midnight does not matter: a hundred thousand lives of meters, cut into days and joined, compared
//! with two oracles.
//!
//! [`life`] generates a meter's consumption and its faults: dips, spikes, sentinels, exchanges with and without a
//! record, rollovers; around midnights, for one reading, for several, for days. [`oracle`] decides on all
//! readings of a life at once, without days, by the rules of the model's documentation; of the model's code it uses
//! only [`MeterProfile::step`](greenpark_model::fold::MeterProfile::step). The other oracle is the truth of the
//! life, for faults with only one explanation.
//!
//! A failing case prints its seed, which reproduces the life.

mod life;
mod oracle;

use greenpark_model::{
    amount::Sum,
    compose::{Consumption, compose, compose_daily, compose_like, join, neighbours},
    day::{CivilDay, DayRange},
    fold::{DayColumns, DayFold, MeterProfile, Outcomes, Point, fold_day},
    like_days::LikeDays,
    reading::{Flag, Kind},
};
use life::{Life, SplitMix};
use proptest::prelude::*;

fn fold(meter: &MeterProfile, points: &[Point]) -> DayFold {
    let instants: Vec<i64> = points.iter().map(|point| point.instant.millis()).collect();
    let values: Vec<i64> = points.iter().map(|point| point.register.micro()).collect();
    let columns = DayColumns {
        instants: &instants,
        values: &values,
        flags: &vec![Flag::Normal.code(); points.len()],
        superseded: &vec![false; points.len()],
    };
    fold_day(Kind::Register, meter, columns)
}

/// The folds of the civil days, as sealing makes them.
fn days(life: &Life) -> Vec<(CivilDay, DayFold)> {
    let of_days = life
        .points
        .chunk_by(|a, b| a.instant.day() == b.instant.day());
    of_days
        .map(|points| {
            let day = points[0].instant.day();
            (day, fold(&life.meter.on(day), points))
        })
        .collect()
}

fn whole(days: &[(CivilDay, DayFold)]) -> DayRange {
    DayRange::new(days[0].0, days[days.len() - 1].0).expect("in order")
}

/// The outcomes of decisions, without those that follow from readings alone.
fn decided(outcomes: Outcomes) -> [u32; 6] {
    [
        outcomes.rollovers,
        outcomes.replacements,
        outcomes.resets,
        outcomes.jumps,
        outcomes.glitches,
        outcomes.sentinels,
    ]
}

/// The composed total. An implausible leap of an unrated meter is set aside only where days are known, so it is
/// added again.
fn amounts(life: &Life, days: &[(CivilDay, DayFold)]) -> Consumption {
    let mut total = compose(&life.meter, whole(days), days);
    if life.meter.profile.bound_per_hour.is_none() {
        total.amount += total.set_aside;
        (total.set_aside, total.outcomes.jumps) = (Sum::ZERO, 0);
    }
    total
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(100_000) })]

    /// With any faults, the joined days of a meter equal the decision on all its readings at once.
    #[test]
    fn a_fold_does_not_depend_on_where_midnight_falls(seed: u64) {
        let life = Life::any(&mut SplitMix::new(seed));
        let days = days(&life);
        let joined = amounts(&life, &days);
        let verdict = oracle::decide(&life.meter, &life.points);
        prop_assert_eq!(joined.amount.0, verdict.total(), "{:?}", life);
        prop_assert_eq!(decided(joined.outcomes), verdict.outcomes, "{:?}", life);
        let once = fold(&life.meter, &life.points);
        prop_assert_eq!((once.within, decided(once.outcomes)), (joined.amount, decided(joined.outcomes)));
        if life.meter.profile.bound_per_hour.is_some() {
            let daily = compose_daily(&life.meter, whole(&days), &days, &LikeDays::default());
            let daily = daily.into_iter().map(|(day, of)| (day, of.amount.0));
            let daily: Vec<_> = daily.filter(|(_, amount)| *amount != 0).collect();
            prop_assert_eq!(daily, verdict.days(), "{:?}", life);
        }
    }

    /// With faults that have only one explanation, the total and the days are the truth.
    #[test]
    fn unambiguous_faults_give_the_true_total(seed: u64) {
        let life = Life::certain(&mut SplitMix::new(seed));
        let days = days(&life);
        let total = compose(&life.meter, whole(&days), &days);
        prop_assert_eq!(total.amount.0, life.total, "{:?}", life);
        let named = (total.outcomes.resets, total.outcomes.jumps);
        prop_assert_eq!(named, (life.lower, life.higher), "{:?}", life);
        prop_assert!(total.outcomes.glitches >= life.sentinels, "{:?}", life);
        prop_assert!(total.outcomes.sentinels >= life.sentinels, "{:?} {:?}", total, life);
        let daily = compose_daily(&life.meter, whole(&days), &days, &LikeDays::default());
        prop_assert_eq!(daily.iter().map(|(_, of)| of.amount.0).sum::<i128>(), life.total);
    }
}

/// Joins days, then the results, and so on: as months of days, and books of months.
fn joined_again(
    meter: &MeterProfile,
    random: &mut SplitMix,
    days: &[(CivilDay, DayFold)],
) -> Vec<(CivilDay, DayFold)> {
    let mut folds = days.to_vec();
    for _ in 0..3 {
        let mut rest = folds.as_slice();
        let mut joined = Vec::new();
        while let Some((first, _)) = rest.first() {
            let many = 1 + usize::try_from(random.below(4)).expect("small");
            let (group, after) = rest.split_at(many.min(rest.len()));
            joined.push((*first, join(meter, group.iter().map(|(_, fold)| fold))));
            rest = after;
        }
        folds = joined;
    }
    folds
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(20_000) })]

    /// Days joined into books, and days composed with their neighbors only, give the same as all days.
    #[test]
    fn books_and_neighbors_give_the_same(seed: u64) {
        let mut random = SplitMix::new(seed);
        let life = Life::long(&mut random);
        let days = days(&life);
        let runs = [days.clone()];
        let runs = || runs.as_slice();
        let like = LikeDays::new(&runs);
        let range = whole(&days);
        let at = |random: &mut SplitMix| usize::try_from(random.below(days.len() as u64)).expect("small");
        let mut cuts = [at(&mut random), at(&mut random)];
        cuts.sort_unstable();
        let books: Vec<(CivilDay, DayFold)> = [&days[..cuts[0]], &days[cuts[0]..cuts[1]], &days[cuts[1]..]]
            .into_iter()
            .filter(|book| !book.is_empty())
            .map(|book| (book[0].0, join(&life.meter, book.iter().map(|(_, fold)| fold))))
            .collect();
        let total = compose_like(&life.meter, range, &days, &like);
        let joined = compose_like(&life.meter, range, &books, &like);
        prop_assert_eq!(
            (joined.amount, joined.outcomes, joined.set_aside, joined.readings),
            (total.amount, total.outcomes, total.set_aside, total.readings),
            "{:?}", life
        );
        let again = compose_like(&life.meter, range, &joined_again(&life.meter, &mut random, &days), &like);
        prop_assert_eq!(
            (again.amount, again.outcomes, again.set_aside, again.readings),
            (total.amount, total.outcomes, total.set_aside, total.readings),
            "joined again, {:?}", life
        );
        let part = DayRange::new(days[cuts[0]].0, days[cuts[1]].0).expect("in order");
        let of_all = compose_like(&life.meter, part, &days, &like);
        let near = neighbours(&life.meter, &days, part);
        let of_near = compose_like(&life.meter, part, near, &like);
        prop_assert_eq!(of_near, of_all, "{:?}", life);
    }
}
