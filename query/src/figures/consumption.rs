//! The consumption of a series in a range that may span several books. Pure.
//!
//! A book whose days all lie within the range is added as its one joined fold, so a question about years costs one
//! step per book, not per day. Joined days are exact: every midnight between them lies inside the range, where the
//! split at an edge does not change the sum.
//!
//! Neighbours: the book where the range begins or ends contributes as many days on either side as decide what counts
//! in the range. Where that book has too few, the whole nearest book before or after is used. A gap of any length is
//! therefore bridged, unless that neighbouring book lacks the series.

pub(crate) mod corrected;
pub(crate) mod counting;
pub(crate) mod implausible;
pub(crate) mod sides;

use std::cell::OnceCell;

use greenpark_model::{
    compose::{Consumption, compose_daily, compose_like, neighbours},
    day::{CivilDay, DayRange},
    fold::{DayFold, MeterProfile},
    like_days::LikeDays,
};

use crate::lake::books::SeriesDays;

/// Days around a range that are unpacked with it: nearly always more than are needed to decide what counts.
const AROUND: i32 = 31;

/// The consumption of one series in `range`; `parts` are its days by book, in order of the year.
#[must_use]
pub(crate) fn consume(
    parts: &[&SeriesDays],
    traits: &MeterProfile,
    range: DayRange,
) -> Consumption {
    let mut days: Vec<(CivilDay, DayFold)> = Vec::with_capacity(parts.len());
    let mut joined_days = 0;
    for part in parts {
        let Some((first, last)) = part.span() else {
            continue;
        };
        if range.contains(first) && range.contains(last) {
            days.push((first, part.whole.clone()));
            joined_days += part
                .whole_days
                .saturating_sub(u32::from(part.whole.readings > 0));
        } else if last < range.first() {
            days.clear();
            days.push((last, part.whole.clone()));
        } else if first > range.last() {
            days.push((first, part.whole.clone()));
            break;
        } else {
            add_neighbours(part, traits, range, &mut days);
        }
    }
    // Only questions that cut a gap of days or an odd day need like days.
    let runs = OnceCell::new();
    let runs = || runs.get_or_init(|| runs_of(parts)).as_slice();
    let mut consumption = compose_like(traits, range, &days, &LikeDays::new(&runs));
    consumption.days = consumption.days.saturating_add(joined_days);
    consumption
}

/// Adds the days of `part` that decide what counts in `range`.
fn add_neighbours(
    part: &SeriesDays,
    traits: &MeterProfile,
    range: DayRange,
    to: &mut Vec<(CivilDay, DayFold)>,
) {
    let around = DayRange::new(range.first().plus(-AROUND), range.last().plus(AROUND));
    let near = part.days.near(around.unwrap_or(range));
    let decide = neighbours(traits, &near, range);
    let ends =
        |days: &[(CivilDay, DayFold)]| days.first().zip(days.last()).map(|(a, b)| (a.0, b.0));
    let (Some(decide_ends), Some(near_ends)) = (ends(decide), ends(&near)) else {
        return to.extend_from_slice(neighbours(traits, &part.days.all(), range));
    };
    let span = part.span().unwrap_or(near_ends);
    // If the deciding days reach the end of the unpacked ones, more days may decide.
    let is_open = |end: CivilDay, near: CivilDay, last: CivilDay| end == near && near != last;
    if is_open(decide_ends.0, near_ends.0, span.0) || is_open(decide_ends.1, near_ends.1, span.1) {
        return to.extend_from_slice(neighbours(traits, &part.days.all(), range));
    }
    to.extend_from_slice(decide);
}

/// The consumption of one series by day, for days that have any.
#[must_use]
pub(crate) fn consume_daily(
    parts: &[&SeriesDays],
    traits: &MeterProfile,
    range: DayRange,
) -> Vec<(CivilDay, Consumption)> {
    let runs = runs_of(parts);
    let days = runs.concat();
    let runs = || runs.as_slice();
    let like = LikeDays::new(&runs);
    compose_daily(traits, range, neighbours(traits, &days, range), &like)
}

/// All days of the books, for the like days of a gap.
fn runs_of(parts: &[&SeriesDays]) -> Vec<Vec<(CivilDay, DayFold)>> {
    parts.iter().map(|part| part.days.all()).collect()
}

#[cfg(test)]
mod tests {
    use greenpark_archive::rows::SeriesKey;
    use greenpark_model::{
        amount::Amount,
        day::Instant,
        fold::{DayColumns, fold_day},
        id::{EnterpriseId, MeterId},
        quantity::{Medium, Quantity},
        reading::{Flag, Kind, Series},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::lake::books::SeriesBuilder;

    /// The books of a counter that read `registers`, six hours apart from noon of 2020-12-30 on.
    fn books(traits: &MeterProfile, registers: &[i64]) -> Vec<SeriesDays> {
        let start: CivilDay = "2020-12-30".parse().expect("a day");
        let mut days: Vec<(CivilDay, Vec<i64>, Vec<i64>)> = Vec::new();
        for (step, &register) in (0i64..).zip(registers) {
            let instant = start.start().millis() + (step + 2) * 21_600_000;
            let day = Instant::from_millis(instant).day();
            if days.last().is_none_or(|(last, ..)| *last != day) {
                days.push((day, Vec::new(), Vec::new()));
            }
            let (_, instants, values) = days.last_mut().expect("just pushed");
            instants.push(instant);
            values.push(
                Amount::from_micro(register * 1_000_000)
                    .expect("small")
                    .micro(),
            );
        }
        let key = SeriesKey {
            enterprise: EnterpriseId::new("e").expect("an id"),
            series: Series {
                meter: MeterId::new("m").expect("an id"),
                quantity: Quantity::consumed(Medium::Electricity),
                kind: Kind::Register,
            },
        };
        let mut books: Vec<(i16, SeriesBuilder<'_>)> = Vec::new();
        for (day, instants, values) in days {
            if books.last().is_none_or(|(year, _)| *year != day.year()) {
                books.push((day.year(), SeriesBuilder::new(&key)));
            }
            let columns = DayColumns {
                instants: &instants,
                values: &values,
                flags: &vec![Flag::Normal.code(); values.len()],
                superseded: &vec![false; values.len()],
            };
            let fold = fold_day(Kind::Register, traits, columns);
            books
                .last_mut()
                .expect("just pushed")
                .1
                .push(day, fold, 0, 0);
        }
        let books = books.into_iter();
        books.map(|(_, book)| book.join(traits)).collect()
    }

    /// A range of `length` + 1 days whose first day is `first` days after the eve of the first book.
    fn range(first: i32, length: i32) -> DayRange {
        let start: CivilDay = "2020-12-29".parse().expect("a day");
        DayRange::new(start.plus(first), start.plus(first + length)).expect("in order")
    }

    /// The consumption composed from every day of the books.
    fn compose_all_days(
        parts: &[&SeriesDays],
        traits: &MeterProfile,
        range: DayRange,
    ) -> Consumption {
        let runs = runs_of(parts);
        let days = runs.concat();
        let runs = || runs.as_slice();
        compose_like(traits, range, &days, &LikeDays::new(&runs))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A part of a long book equals the composition of all its days, although few of them are unpacked.
        #[test]
        fn a_part_of_a_long_book_equals_the_composition_of_all_days(
            steps in prop::collection::vec(prop_oneof![6 => Just(5i64), 2 => 0i64..9, 1 => -400i64..900], 500..1_300),
            still in (0usize..1_300, 0usize..400),
            (first, length) in (0i32..330, 0i32..70),
        ) {
            let traits = MeterProfile::default();
            let mut register = 1_000_000;
            let registers: Vec<i64> = (0..)
                .zip(&steps)
                .map(|(at, step)| {
                    let is_still = (still.0..still.0 + still.1).contains(&at);
                    register += if is_still { 0 } else { *step };
                    register
                })
                .collect();
            let books = books(&traits, &registers);
            let range = range(first, length);
            let parts: Vec<&SeriesDays> = books.iter().collect();
            prop_assert_eq!(consume(&parts, &traits, range), compose_all_days(&parts, &traits, range));
        }
    }

    proptest! {
        /// For any range, joining books equals composing all days.
        #[test]
        fn joined_books_are_the_sum_of_their_days(
            steps in prop::collection::vec(0i64..1_000, 1..40),
            drop in prop::collection::vec(any::<bool>(), 40),
            (first, length) in (0i32..8, 1i32..9),
        ) {
            let traits = MeterProfile::default();
            let mut register = 0;
            let registers: Vec<i64> = steps
                .iter()
                .zip(drop)
                .map(|(step, falls)| {
                    register = if falls && *step > 990 { 0 } else { register + step };
                    register
                })
                .collect();
            let books = books(&traits, &registers);
            let range = range(first, length);
            let parts: Vec<&SeriesDays> = books.iter().collect();
            let whole = consume(&parts, &traits, range);
            prop_assert_eq!(whole, compose_all_days(&parts, &traits, range));
            let daily: i128 =
                consume_daily(&parts, &traits, range).iter().map(|(_, c)| c.amount.0).sum();
            prop_assert_eq!(daily, whole.amount.0);
        }
    }
}
