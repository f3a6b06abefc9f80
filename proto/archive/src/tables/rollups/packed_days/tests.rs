//! Goal: days are unpacked as they were packed: all of them, some, or a month by itself.

use std::sync::Arc;

use greenpark_model::fold::Odd;
use proptest::prelude::*;

use super::*;

/// A day: its distance from the one before, its fold without registers, these as offset and value, and its
/// consumption if that is not their difference.
type Made = (i32, DayFold, [Option<(i64, i64)>; 4], Option<i128>);

fn point() -> impl Strategy<Value = Option<(i64, i64)>> {
    prop::option::of((
        prop_oneof![
            Just(0i64),
            -100_000i64..200_000_000,
            any::<i32>().prop_map(i64::from)
        ],
        prop_oneof![
            Just(5_000_000i64),
            Amount::ZERO.micro()..=Amount::MAX.micro()
        ],
    ))
}

prop_compose! {
    fn day()(
        ahead in prop_oneof![4 => Just(1i32), 1 => 1i32..60],
        readings in prop_oneof![Just(24u32), Just(0u32), any::<u32>()],
        within in prop_oneof![Just(None), any::<i64>().prop_map(|w| Some(i128::from(w) * 1_000_000))],
        points in [point(), point(), point(), point()],
        resets in prop_oneof![9 => Just(0u32), 1 => any::<u32>()],
        export in prop_oneof![9 => Just(None), 1 => any::<i32>().prop_map(Some)],
    ) -> Made {
        let odd = export.map(|export| Arc::new(Odd { export: Sum(i128::from(export) + (1 << 40)), ..Odd::default() }));
        let outcomes = Outcomes { resets, implausible: resets / 2, ..Outcomes::default() };
        (ahead, DayFold { readings, outcomes, odd, ..DayFold::default() }, points, within)
    }
}

/// Builds the days from their distances.
fn days(of: Vec<Made>) -> Vec<(CivilDay, DayFold)> {
    let mut day: CivilDay = "2021-01-01".parse().expect("a day");
    let mut days = Vec::new();
    for (ahead, fold, points, within) in of {
        day = day.plus(ahead);
        let [first, head, tail, last] = points.map(|point| {
            point.map(|(ms, micro)| Point {
                instant: Instant::from_millis(day.start().millis() + ms),
                register: Amount::from_micro(micro).expect("in range"),
            })
        });
        let rise = between(first, last).unwrap_or_default();
        let within = within.map_or(rise, Sum);
        days.push((
            day,
            DayFold {
                within,
                first,
                head,
                tail,
                last,
                ..fold
            },
        ));
    }
    days
}

proptest! {
    /// All or some packed days are unpacked as they were.
    #[test]
    fn days_come_back_as_they_were(
        of in prop::collection::vec(day(), 0..120),
        (first, length) in (-5i32..400, 0i32..100),
    ) {
        let days = days(of);
        let packed = PackedDays::new(&days);
        prop_assert_eq!(&packed.all(), &days);
        let first = "2021-01-01".parse::<CivilDay>().expect("a day").plus(first);
        let range = DayRange::new(first, first.plus(length)).expect("in order");
        let near = packed.near(range);
        let within = |days: &[(CivilDay, DayFold)]| -> Vec<(CivilDay, DayFold)> {
            days.iter().filter(|(day, _)| range.contains(*day)).cloned().collect()
        };
        prop_assert_eq!(within(&near), within(&days));
        // They are a contiguous run of the days.
        let at = near.first().and_then(|of| days.iter().position(|day| day == of));
        prop_assert_eq!(&days[at.unwrap_or(0)..][..near.len()], &near[..]);
        let read = || days.iter().filter(|(day, fold)| range.contains(*day) && fold.readings > 0);
        prop_assert!(packed.read_in(range).eq(read().map(|(day, _)| *day)));
        prop_assert_eq!(packed.count_read(range) as usize, read().count());
        prop_assert_eq!(packed.count_of(range) as usize, within(&days).len());
        prop_assert_eq!(packed.most_readings(), days.iter().map(|(_, fold)| fold.readings).max().unwrap_or(0));
        prop_assert_eq!(packed.span(), days.first().zip(days.last()).map(|(first, last)| (first.0, last.0)));
        // They are stored month by month, and joined again.
        let months = days.chunk_by(|a, b| a.0.month() == b.0.month());
        let resting: Vec<(CivilDay, Vec<u8>)> = months
            .map(|of| (of[0].0.month().first(), PackedDays::new(of).month().expect("one month")))
            .collect();
        let all = resting.iter().map(|(first, bytes)| (*first, &bytes[..]));
        prop_assert_eq!(PackedDays::from_months(all.clone()), Some(packed.clone()));
        let each = all.rev().map(|of| PackedDays::from_months([of].into_iter()).expect("ours"));
        let each: Vec<PackedDays> = each.collect();
        let together = PackedDays::together(each.iter());
        prop_assert_eq!(&together.all(), &days);
        prop_assert!(together.each().eq(days.iter().map(|(day, _)| *day)));
        prop_assert_eq!(together.count_all_read(), packed.count_all_read());
    }
}

#[test]
fn another_form_is_no_month() {
    let first: CivilDay = "2021-01-01".parse().expect("a day");
    for bytes in [&[][..], &[FORM + 1, 1, 0, 0]] {
        let is_read = PackedDays::from_months([(first, bytes)].into_iter()).is_some();
        assert!(!is_read, "{bytes:?}");
    }
}

#[test]
fn a_year_of_an_hourly_register_takes_few_bytes() {
    let first: CivilDay = "2021-01-01".parse().expect("a day");
    let year: Vec<_> = (0..365)
        .map(|n| {
            let day = first.plus(n);
            let point = |hour: i64| {
                let register = (i64::from(n) * 24 + hour) * 10_437_000;
                Some(Point {
                    instant: Instant::from_millis(day.start().millis() + hour * 3_600_000),
                    register: Amount::from_micro(register).expect("in range"),
                })
            };
            let fold = DayFold {
                readings: 24,
                within: Sum(23 * 10_437_000),
                first: point(0),
                head: point(1),
                tail: point(22),
                last: point(23),
                ..DayFold::default()
            };
            (day, fold)
        })
        .collect();
    assert!(PackedDays::new(&year).bytes() < 365 * 24);
}
