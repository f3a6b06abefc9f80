//! Goal: a rollup is the composition of its days' totals, in whatever order and however often they are added.

use greenpark_model::{
    amount::{Amount, Sum},
    day::Instant,
    fold::Point,
    id::MeterId,
    quantity::{Medium, Quantity},
};
use proptest::prelude::*;

use super::*;
use crate::fixture::enterprise;

fn series(meter: &str, kind: Kind) -> Series {
    Series {
        meter: MeterId::new(meter).expect("an id"),
        quantity: Quantity::consumed(Medium::Electricity),
        kind,
    }
}

/// A day's readings of a register, or amounts: how far it rises or falls.
type Made = (u8, u32, i64, Option<u32>);

fn month() -> CivilDay {
    "2026-02-01".parse().expect("a day")
}

/// Totals of two meters, each of a day of February and a revision; some count only repeats.
fn totals() -> impl Strategy<Value = Vec<TotalsRow>> {
    let made = (
        0u8..28,
        1u32..4,
        -40i64..100,
        prop::option::weighted(0.2, 1u32..5),
    );
    let row = |meter: &'static str, kind: Kind| {
        move |(day, revision, rise, repeats): Made| {
            let day = month().plus(i32::from(day));
            let (enterprise, series) = (enterprise("steel"), series(meter, kind));
            if let Some(many) = repeats {
                return TotalsRow::repeats(enterprise, series, (day, revision), many);
            }
            let at = |hour: i64, register: i64| {
                Some(Point {
                    instant: Instant::from_millis(day.start().millis() + hour * 3_600_000),
                    register: Amount::from_micro(register).expect("in range"),
                })
            };
            let base = 1_000 + i64::from(day.epoch_days() % 100) * 100;
            let is_counter = kind == Kind::Register;
            let fold = DayFold {
                readings: 2,
                within: Sum(i128::from(rise.max(0))),
                first: is_counter.then(|| at(1, base)).flatten(),
                last: is_counter.then(|| at(22, base + rise.max(0))).flatten(),
                ..DayFold::default()
            };
            TotalsRow {
                rules: MeterProfile::default().rules(kind).into(),
                fold,
                revision,
                duplicates: 0,
                conflicts: revision % 2,
                late: u32::from(rise % 7 == 0),
                ..TotalsRow::repeats(enterprise, series, (day, revision), 0)
            }
        }
    };
    let register = made.clone().prop_map(row("main", Kind::Register));
    let amounts = made.prop_map(row("scale", Kind::Event));
    prop::collection::vec(prop_oneof![register, amounts], 1..60)
}

/// The expected day of a series: the last total of the highest revision, and all repeats that came after a
/// total.
fn expected_day(rows: &[TotalsRow], series: &Series, day: CivilDay) -> Option<(DayFold, Unusual)> {
    let mut expected: Option<(DayFold, Unusual)> = None;
    for row in rows
        .iter()
        .filter(|row| (&row.series, row.day) == (series, day))
    {
        match (&mut expected, row.is_repeats()) {
            (Some((_, of)), true) => of.repeats += row.duplicates,
            (None, true) => {
                expected = Some((
                    DayFold::default(),
                    Day::repeats_only(day, row.duplicates).of,
                ))
            }
            (Some((_, of)), false) if of.revision > row.revision => {}
            (known, false) => {
                let repeats = known.as_ref().map_or(0, |(_, of)| of.repeats);
                expected = Some((row.fold.clone(), Day::of(row.clone(), repeats).of));
            }
        }
    }
    expected
}

proptest! {
    #[test]
    fn a_rollup_is_what_its_totals_compose_to(rows in totals(), cuts in prop::collection::vec(0usize..60, 0..4)) {
        let meters = Meters::default();
        let at_once = Rollup::with_totals(Vec::new(), rows.clone(), &meters);
        for rollup in &at_once {
            let days = month().month().iter();
            let days: Vec<_> = days.filter_map(|day| expected_day(&rows, &rollup.series, day)).collect();
            prop_assert_eq!(&rollup.days().collect::<Vec<_>>(), &days);
            let folds = days.iter().map(|(fold, _)| fold);
            prop_assert_eq!(&rollup.fold, &compose::join(&MeterProfile::default(), folds));
        }
        let of_series = |series: &Series| at_once.iter().any(|rollup| rollup.series == *series);
        let is_total = |row: &&TotalsRow| !row.is_repeats();
        prop_assert!(rows.iter().filter(is_total).all(|row| of_series(&row.series)));
        // The same in several steps, written and read between them.
        let mut known = Vec::new();
        let mut rest = &rows[..];
        for cut in cuts {
            let (some, later) = rest.split_at(cut.min(rest.len()));
            rest = later;
            known = Rollup::with_totals(known, some.to_vec(), &meters);
            if !known.is_empty() {
                let bytes = encode_rollups(&known).expect("ours");
                known = decode_rollups(bytes).expect("ours");
            }
        }
        known = Rollup::with_totals(known, rest.to_vec(), &meters);
        prop_assert_eq!(known, at_once);
    }
}

#[test]
fn a_file_name_holds_its_month() {
    let name = file_name(month(), 7, &[3; 32]);
    let file = RollupsFile::parse(&name, 10, 2).expect("ours");
    assert_eq!((file.month, file.rows), (month(), 2));
    for name in [
        "2026-02.x.y.parquet",
        "totals.7.y.parquet",
        "2026-13.7.y.parquet",
    ] {
        assert_eq!(RollupsFile::parse(name, 1, 1), None, "{name}");
    }
}

#[test]
fn what_is_unusual_is_read_as_it_was_written() {
    let of = |day, revision| Unusual {
        revision,
        late: 4,
        ..unusual_of(&[], month().plus(day))
    };
    let all = [of(0, 2), of(5, 1)];
    let text = Unusual::write(&all).expect("some");
    assert_eq!(text, "2026-02-01 2 0 0 0 4; 2026-02-06 1 0 0 0 4");
    assert_eq!(Unusual::read(&text), Some(all.to_vec()));
    assert_eq!(Unusual::write(&[]), None);
    for text in ["", "2026-02-01", "2026-02-01 1 2 3 4 x"] {
        assert_eq!(Unusual::read(text), None, "{text}");
    }
}
