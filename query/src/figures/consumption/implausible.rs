//! Implausible amounts: those that the fold set aside, and those far above the amounts of similar days. Pure.

use greenpark_model::{
    amount::Sum,
    day::{CivilDay, DayRange},
    fold::{DayFold, MeterProfile},
    quantity::Quantity,
    reading::Kind,
};

use crate::{
    figures::consumption::consume,
    lake::books::{SeriesDays, third_quartile},
};

/// Weeks on either side in which similar days are searched.
const WEEKS: i32 = 8;
/// The number of days of the same weekday that suffices for a comparison; with fewer, all nearby days are compared.
const LIKE_DAYS: usize = 3;

/// An implausible amount of one meter and quantity; a figure that it moves too far gets no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SuspectAmount {
    /// The days concerned: all requested days for amounts that were set aside, the day itself for a suspicious
    /// amount.
    pub(crate) days: DayRange,
    /// The number of readings or register steps.
    pub(crate) count: u32,
    /// The sum of their amounts, above zero.
    pub(crate) amount: Sum,
    /// The amount of similar days; `None` if the amount was left out of the figure instead of only doubted.
    pub(crate) usual: Option<Sum>,
}

/// An implausible amount with its meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Implausible {
    pub(crate) meter: String,
    pub(crate) quantity: Quantity,
    pub(crate) found: SuspectAmount,
}

/// The implausible amounts of a series in `ranges`: those that its fold set aside, and those of an unrated meter
/// above `times` the median of similar days.
pub(crate) fn of(
    parts: &[&SeriesDays],
    traits: &MeterProfile,
    kind: Kind,
    (ranges, times): (&[DayRange], i128),
) -> Vec<SuspectAmount> {
    let mut found = Vec::new();
    for &days in ranges {
        let consumption = consume(parts, traits, days);
        let outcomes = consumption.outcomes;
        let count = outcomes.implausible.saturating_add(outcomes.jumps);
        if count > 0 {
            found.push(SuspectAmount {
                days,
                count,
                amount: consumption.set_aside,
                usual: None,
            });
        }
    }
    if matches!(kind, Kind::Interval | Kind::Event) && !has_no_suspect(parts, times) {
        let days: Vec<(CivilDay, DayFold)> =
            parts.iter().flat_map(|part| part.days.all()).collect();
        let days: Vec<&(CivilDay, DayFold)> = days.iter().collect();
        let calm = calm(&days, times);
        for (at, (day, _)) in days.iter().enumerate() {
            let unrated = traits.at(day.start()).bound_per_hour.is_none();
            if unrated && ranges.iter().any(|range| range.contains(*day)) {
                found.extend(suspicious(&days, at, (times, calm)));
            }
        }
    }
    found
}

/// Returns true if the books' largest days and third quartiles rule out a suspicious day. This is safe because the
/// third quartile of all days is at least the lowest one among the books.
fn has_no_suspect(parts: &[&SeriesDays], times: i128) -> bool {
    let amounts = || parts.iter().map(|part| part.amounts);
    let least = amounts().filter_map(|of| of.quartile).min().unwrap_or(0);
    let calm = least.saturating_mul(times);
    amounts().all(|of| !of.peaks && of.largest <= calm)
}

/// The amount up to which no day is doubted: `times` the third quartile of all days with an amount. Without it a
/// meter that runs for a season would be suspicious beside the idle weeks.
fn calm(days: &[&(CivilDay, DayFold)], times: i128) -> i128 {
    let quartile = third_quartile(days.iter().map(|(_, fold)| fold.within.0));
    quartile.unwrap_or(0).saturating_mul(times)
}

/// The day's amount, or its largest reading, if it is far above that of similar days.
fn suspicious(
    days: &[&(CivilDay, DayFold)],
    at: usize,
    (times, calm): (i128, i128),
) -> Option<SuspectAmount> {
    let (day, fold) = days.get(at).map(|of| (of.0, &of.1))?;
    let peak = fold.peak();
    let is_calm = fold.within.0 <= calm;
    // Most days are no larger than usual; skip the sorting for them.
    if peak.is_none() && is_calm {
        return None;
    }
    let one = DayRange::new(day, day)?;
    let found = |amount: Sum, usual: i128| SuspectAmount {
        days: one,
        count: 1,
        amount,
        usual: Some(Sum(usual)),
    };
    let of_day = median(days, day, |fold| Some(fold.within.0));
    let of_day = of_day.filter(|_| !is_calm);
    if let Some(usual) = of_day.filter(|usual| fold.within.0 > usual.saturating_mul(times)) {
        return Some(found(fold.within, usual));
    }
    let peak = peak?;
    let largest = |fold: &DayFold| {
        let mean = fold.within.0.checked_div(i128::from(fold.readings));
        fold.peak().map(|peak| peak.0).or(mean)
    };
    let usual = median(days, day, largest)?;
    (peak.0 > usual.saturating_mul(times)).then(|| found(peak, usual))
}

/// The median over days similar to `day`: those of its weekday if there are enough. If that median is zero, the
/// median over all other days with an amount.
fn median(
    days: &[&(CivilDay, DayFold)],
    day: CivilDay,
    of: impl Fn(&DayFold) -> Option<i128>,
) -> Option<i128> {
    let near = |other: &CivilDay| {
        let away = other.days_since(day).abs();
        (1..=WEEKS * 7).contains(&away)
    };
    let from = days.partition_point(|(other, _)| other.days_since(day) < -WEEKS * 7);
    let around = days[from..]
        .iter()
        .take_while(|(other, _)| other.days_since(day) <= WEEKS * 7);
    let read: Vec<(CivilDay, i128)> = around
        .filter(|(other, fold)| near(other) && fold.readings > 0)
        .filter_map(|(other, fold)| Some((*other, of(fold)?)))
        .collect();
    let weekday = |(other, _): &&(CivilDay, i128)| other.days_since(day) % 7 == 0;
    let mut like: Vec<i128> = read
        .iter()
        .filter(weekday)
        .map(|(_, amount)| *amount)
        .collect();
    if like.len() < LIKE_DAYS {
        like = read.iter().map(|(_, amount)| *amount).collect();
    }
    like.sort_unstable();
    let middle = *like.get(like.len().checked_sub(1)? / 2)?;
    if middle > 0 {
        return Some(middle);
    }
    // For a meter that is mostly idle, compare with the days on which it runs.
    let others = days.iter().filter(|(other, _)| *other != day);
    let amounts = others.filter_map(|(_, fold)| of(fold));
    let mut running: Vec<i128> = amounts.filter(|amount| *amount > 0).collect();
    running.sort_unstable();
    let middle = running.get(running.len().checked_sub(1)? / 2)?;
    Some(*middle).filter(|_| running.len() >= LIKE_DAYS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use greenpark_archive::rows::SeriesKey;
    use greenpark_model::{
        fold::Odd,
        id::{EnterpriseId, MeterId},
        reading::Series,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::lake::books::SeriesBuilder;

    fn day(n: i32) -> CivilDay {
        "2026-03-02".parse::<CivilDay>().expect("a day").plus(n)
    }

    /// Five weeks of 24 readings a day, ten units each, except the days in `odd`.
    fn weeks(odd: &[(i32, i128, Option<i128>)]) -> Vec<(CivilDay, DayFold)> {
        let usual = (0..35).map(|n| {
            let odd = odd.iter().find(|(of, ..)| *of == n);
            let (amount, peak) = odd.map_or((240, None), |(_, amount, peak)| (*amount, *peak));
            let fold = DayFold {
                readings: 24,
                within: Sum(amount),
                odd: peak.map(|peak| {
                    Arc::new(Odd {
                        peak: Some(Sum(peak)),
                        ..Odd::default()
                    })
                }),
                ..DayFold::default()
            };
            (day(n), fold)
        });
        usual.collect()
    }

    fn found(days: &[(CivilDay, DayFold)]) -> Vec<(CivilDay, i128)> {
        let days: Vec<&(CivilDay, DayFold)> = days.iter().collect();
        let calm = calm(&days, 20);
        let found = (0..days.len()).filter_map(|at| suspicious(&days, at, (20, calm)));
        found.map(|of| (of.days.first(), of.amount.0)).collect()
    }

    #[test]
    fn a_day_or_an_hour_far_above_those_like_it_is_suspicious() {
        assert_eq!(found(&weeks(&[])), []);
        // A day of a million units, an hour of a thousand, and an hour of fifty, which is five times the usual hour.
        let odd = [
            (9, 1_000_000, None),
            (17, 1_230, Some(1_000)),
            (20, 280, Some(50)),
        ];
        assert_eq!(found(&weeks(&odd)), [(day(9), 1_000_000), (day(17), 1_000)]);
    }

    proptest! {
        /// If the books' largest days and quartiles rule out a suspicious day, none is found.
        #[test]
        fn a_book_without_suspects_has_no_suspicious_day(
            amounts in prop::collection::vec(prop_oneof![Just(0i128), 1i128..50, 1i128..5_000], 1..90),
            cut in 0usize..90,
        ) {
            let days: Vec<(CivilDay, DayFold)> = (0..)
                .zip(&amounts)
                .map(|(n, amount)| {
                    let fold = DayFold { readings: 24, within: Sum(*amount), ..DayFold::default() };
                    (day(n), fold)
                })
                .collect();
            let key = SeriesKey {
                enterprise: EnterpriseId::new("e").expect("an id"),
                series: Series {
                    meter: MeterId::new("m").expect("an id"),
                    quantity: "electricity".parse().expect("a quantity"),
                    kind: Kind::Interval,
                },
            };
            let book = |days: &[(CivilDay, DayFold)]| {
                let mut book = SeriesBuilder::new(&key);
                for (day, fold) in days {
                    book.push(*day, fold.clone(), 0, 0);
                }
                book.join(&MeterProfile::default())
            };
            let (before, after) = days.split_at(cut.min(days.len()));
            let books = [book(before), book(after)];
            let books: Vec<&SeriesDays> = books.iter().collect();
            prop_assert!(!has_no_suspect(&books, 20) || found(&days).is_empty());
        }
    }

    #[test]
    fn suspicious_days_side_by_side_do_not_excuse_each_other() {
        let odd: Vec<_> = (9..14).map(|n| (n, 1_000_000, None)).collect();
        let all: Vec<_> = (9..14).map(|n| (day(n), 1_000_000)).collect();
        assert_eq!(found(&weeks(&odd)), all);
    }

    #[test]
    fn a_mostly_idle_meter_is_compared_with_the_days_it_runs() {
        let mut still: Vec<_> = (0..35).map(|n| (n, 0, None)).collect();
        for (at, amount) in [(3, 240), (12, 200), (20, 260), (30, 90_000)] {
            still[at].1 = amount;
        }
        assert_eq!(found(&weeks(&still)), [(day(30), 90_000)]);
    }

    #[test]
    fn a_meter_that_runs_for_a_season_is_not_suspicious() {
        let season: Vec<_> = (0..35)
            .map(|n| (n, if n < 16 { 6_000 } else { 240 }, None))
            .collect();
        assert_eq!(found(&weeks(&season)), []);
    }

    #[test]
    fn a_meter_that_runs_for_an_hour_each_monday_is_not_suspicious() {
        let odd: Vec<_> = (0..5).map(|week| (week * 7, 1_230, Some(1_000))).collect();
        assert_eq!(found(&weeks(&odd)), []);
    }
}
