//! Closed days from totals, open days from readings, and the borders between days, months and books.

use greenpark_archive::{book::Change, file::FileKind, rows::ReadingRows};
use greenpark_model::{day::CivilDay, id::ParkId, reading::Kind};
use greenpark_proto::query::v1 as pb;

use crate::fixture::*;

const NAME: &str = "parks/p/enterprises/e";

/// The register of a meter that uses 2 kWh an hour from 2020-12-01 on, read at half past each even hour.
fn registers(of: CivilDay) -> (CivilDay, ReadingRows) {
    let start = day("2020-12-01").start().millis();
    let readings: Vec<(i64, String)> = (0..12)
        .map(|n| {
            let instant = at(of, 2 * n) + 1_800_000;
            (instant, format!("{}", (instant - start) / 1_800_000))
        })
        .collect();
    let values: Vec<(i64, &str)> = readings.iter().map(|(i, v)| (*i, v.as_str())).collect();
    (
        of,
        rows(
            "e",
            &[(series("m", "electricity", Kind::Register), &values)],
        ),
    )
}

fn amount(figure: &pb::Figure) -> &str {
    value(&figure.components[0].amount)
}

/// Half an hour is half a kWh... by 2 kWh an hour a day is 48 kWh, whatever border it has.
#[tokio::test]
async fn counters_are_split_at_midnights_and_parts_sum_to_the_whole() {
    let mut world = World::new().await;
    let first = day("2020-12-01");
    let (december, january): (Vec<_>, Vec<_>) = (0..62)
        .map(|n| registers(first.plus(n)))
        .partition(|(day, _)| day.year() == 2020);
    world.seal(PARK, &december, 1, With::Totals).await;
    world.seal(PARK, &january, 1, With::Totals).await;
    let new_year = world.energy(NAME, days("2020-12-31", "2021-01-01")).await;
    assert_eq!(amount(&new_year), "96");
    let one = world.energy(NAME, days("2021-01-01", "2021-01-01")).await;
    assert_eq!(amount(&one), "48");
    assert_eq!(value(&one.components[0].estimated), "4");
    let month = world
        .energy(NAME, pb::period::Period::Month("2021-01".to_owned()))
        .await;
    let year_2020 = world.energy(NAME, year(2020)).await;
    let year_2021 = world.energy(NAME, year(2021)).await;
    // From the first register at 00:30 to the last one at 22:30.
    assert_eq!(amount(&year_2020), "1487");
    assert_eq!(amount(&year_2021), "1485");
    assert_eq!(amount(&month), "1485");
    let whole = world.energy(NAME, days("2020-12-01", "2021-01-31")).await;
    assert_eq!(amount(&whole), "2972");
    let coverage = whole.coverage.expect("coverage");
    assert_eq!((coverage.meter_days, coverage.received), (62, 62 * 12));
    assert_eq!(coverage.estimated_share, "0.000000");
    world.stop().await;
}

#[tokio::test]
async fn a_late_reading_is_in_the_next_answer_and_a_reseal_closes_the_day_again() {
    let mut world = World::new().await;
    let the_day = day("2024-05-02");
    let meter = series("m", "electricity", Kind::Interval);
    let sealed = daily(
        "e",
        &meter,
        day("2024-05-01"),
        &["10".into(), "20".into(), "30".into()],
    );
    world.seal(PARK, &sealed, 1, With::Totals).await;
    let range = || days("2024-05-01", "2024-05-03");
    assert_eq!(amount(&world.energy(NAME, range()).await), "60");
    let late = rows("e", &[(meter.clone(), &[(at(the_day, 13), "5")])]);
    world.hot(PARK, the_day, 7, &late).await;
    let figure = world.energy(NAME, range()).await;
    assert_eq!(amount(&figure), "65");
    assert_eq!(figure.status(), pb::PeriodStatus::Operational);
    assert_eq!(figure.coverage.as_ref().expect("coverage").open_days, 1);
    let merged = ReadingRows::merge(&[&sealed[1].1, &late]).rows;
    world
        .seal(PARK, &[(the_day, merged)], 2, With::Totals)
        .await;
    let figure = world.energy(NAME, range()).await;
    assert_eq!(amount(&figure), "65");
    assert_eq!(figure.status(), pb::PeriodStatus::Preliminary);
    assert_eq!(figure.revisions[0].revision_max, 2);
    world.stop().await;
}

#[tokio::test]
async fn a_repeat_and_a_contradiction_are_counted_and_only_the_later_value_counts() {
    let mut world = World::new().await;
    let the_day = day("2024-05-01");
    let meter = series("m", "electricity", Kind::Interval);
    let reading = |hours, value: &'static str| (at(the_day, hours), value);
    let sealed = rows(
        "e",
        &[(meter.clone(), &[reading(1, "10"), reading(2, "20")])],
    );
    world
        .seal(PARK, &[(the_day, sealed)], 1, With::Totals)
        .await;
    let late = rows(
        "e",
        &[(meter.clone(), &[reading(1, "10"), reading(2, "21")])],
    );
    world.hot(PARK, the_day, 3, &late).await;
    let later = rows("e", &[(meter.clone(), &[reading(2, "22")])]);
    world.hot(PARK, the_day, 4, &later).await;
    // An enterprise that the hot files do not name keeps its totals.
    let other = daily("other", &meter, the_day, &["100".into()]);
    world.seal_beside(PARK, &other).await;
    let figure = world.energy(NAME, days("2024-05-01", "2024-05-01")).await;
    assert_eq!(amount(&figure), "32");
    let coverage = figure.coverage.expect("coverage");
    assert_eq!(
        (coverage.received, coverage.duplicates, coverage.conflicts),
        (2, 1, 2)
    );
    let other = world
        .energy(
            "parks/p/enterprises/other",
            days("2024-05-01", "2024-05-01"),
        )
        .await;
    assert_eq!(other.status(), pb::PeriodStatus::Preliminary);
    world.stop().await;
}

#[tokio::test]
async fn totals_of_another_revision_do_not_count() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let values: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    let first = daily("e", &meter, day("2024-05-01"), &values);
    world.seal(PARK, &first, 1, With::Totals).await;
    let corrected: Vec<String> = (1..=40).map(|n| (n * 100).to_string()).collect();
    let second = daily("e", &meter, day("2024-05-01"), &corrected);
    world.seal(PARK, &second[..20], 2, With::NoTotals).await;
    let figure = world.energy(NAME, year(2024)).await;
    assert_eq!(amount(&figure), (21_000 + 610).to_string());
    assert_eq!(figure.coverage.expect("coverage").open_days, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_modulus_registered_after_the_seal_turns_a_reset_into_a_rollover() {
    let mut world = World::new().await;
    let the_day = day("2024-05-01");
    let meter = series("m", "electricity", Kind::Register);
    let values: [(i64, &str); 4] = [
        (at(the_day, 1), "999980"),
        (at(the_day, 2), "999984.0625"),
        (at(the_day, 3), "20"),
        (at(the_day, 4), "21"),
    ];
    world
        .seal(
            PARK,
            &[(the_day, rows("e", &[(meter, &values)]))],
            1,
            With::Totals,
        )
        .await;
    let reset = world.energy(NAME, days("2024-05-01", "2024-05-01")).await;
    assert!(
        reset
            .notes
            .iter()
            .any(|note| note.contains("fell without a cause")),
        "{:?}",
        reset.notes
    );
    let request = pb::RegisterMeterRequest {
        meter: Some(pb::Meter {
            name: format!("{NAME}/meters/m"),
            quantity: "electricity".to_owned(),
            kind: "register".to_owned(),
            modulus: "1000000".to_owned(),
            rated_per_hour: "400".to_owned(),
            counted: true,
            valid_from: "2024-01-01".to_owned(),
            ..pb::Meter::default()
        }),
        recorded_by: "test".to_owned(),
        evidence: "nameplate".to_owned(),
    };
    world
        .registry
        .register_meter(request)
        .await
        .expect("registered");
    let rollover = world.energy(NAME, days("2024-05-01", "2024-05-01")).await;
    // 4.0625 before, 35.9375 over the modulus, 1 after.
    assert_eq!(amount(&rollover), "41");
    assert!(
        rollover
            .notes
            .iter()
            .any(|note| note.contains("passed their modulus"))
    );
    world.stop().await;
}

/// The meter with a multiplier from a day on.
fn register(from: &str, multiplier: &str) -> pb::RegisterMeterRequest {
    pb::RegisterMeterRequest {
        meter: Some(pb::Meter {
            name: format!("{NAME}/meters/m"),
            quantity: "electricity".to_owned(),
            kind: "register".to_owned(),
            multiplier: multiplier.to_owned(),
            counted: true,
            valid_from: from.to_owned(),
            ..pb::Meter::default()
        }),
        recorded_by: "test".to_owned(),
        evidence: "nameplate".to_owned(),
    }
}

/// Another meter in its place: 50.2 on the old one, 3 on the new one.
fn change(seconds: i64, multiplier: &str) -> pb::RecordMeterChangeRequest {
    pb::RecordMeterChangeRequest {
        change: Some(pb::MeterChange {
            meter: format!("{NAME}/meters/m"),
            quantity: "electricity".to_owned(),
            at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            old_final: "50.2".to_owned(),
            new_initial: "3".to_owned(),
            multiplier: multiplier.to_owned(),
        }),
        recorded_by: "test".to_owned(),
        evidence: "form 12".to_owned(),
    }
}

/// METHOD (h), case 4, told after the seal: 120 × 100 until the meter is replaced, 80 × 100 from then on.
#[tokio::test]
async fn a_change_recorded_after_the_seal_counts_on_both_sides_of_its_register() {
    let mut world = World::new().await;
    let the_day = day("2024-05-01");
    let meter = series("m", "electricity", Kind::Register);
    let values: [(i64, &str); 4] = [
        (at(the_day, 1), "50"),
        (at(the_day, 2), "50.1"),
        (at(the_day, 3), "3.5"),
        (at(the_day, 4), "4"),
    ];
    let file = rows("e", &[(meter, &values)]);
    world.seal(PARK, &[(the_day, file)], 1, With::Totals).await;
    let change = |multiplier| change((at(the_day, 2) + 1_800_000) / 1_000, multiplier);
    let early = world.registry.record_meter_change(change("8000")).await;
    assert_eq!(
        early.expect_err("not registered").code(),
        tonic::Code::FailedPrecondition
    );
    let registered = world
        .registry
        .register_meter(register("2024-01-01", "12000"))
        .await;
    registered.expect("registered");
    // A multiplier without the register that it begins at would apply nobody knows where.
    let refused = world
        .registry
        .register_meter(register("2024-05-02", "8000"))
        .await;
    let refused = refused.expect_err("refused");
    assert!(
        refused.message().contains("RecordMeterChange"),
        "{}",
        refused.message()
    );
    let recorded = world.registry.record_meter_change(change("8000")).await;
    assert_eq!(recorded.expect("recorded").into_inner().multiplier, "8000");
    let figure = world.energy(NAME, days("2024-05-01", "2024-05-01")).await;
    // 0.2 × 12000 on the old meter, 1 × 8000 on the new one.
    assert_eq!(amount(&figure), "10400");
    // Registered again without a multiplier, or for a year before, it keeps the one it has.
    for from in ["2024-01-01", "2023-01-01"] {
        let again = world.registry.register_meter(register(from, "")).await;
        again.expect("registered");
    }
    let figure = world.energy(NAME, days("2024-05-01", "2024-05-01")).await;
    assert_eq!(amount(&figure), "10400");
    // A later word of the same change replaces it.
    let corrected = world.registry.record_meter_change(change("4000")).await;
    corrected.expect("corrected");
    let figure = world.energy(NAME, days("2024-05-01", "2024-05-01")).await;
    assert_eq!(amount(&figure), "6400");
    world.stop().await;
}

#[tokio::test]
async fn today_and_days_to_come_are_open_and_a_silent_day_of_the_past_is_closed() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let sealed = daily("e", &meter, day("2026-11-21"), &["10".into()]);
    world.seal(PARK, &sealed, 1, With::Totals).await;
    let live = rows("e", &[(meter, &[(at(day("2026-11-23"), 9), "5")])]);
    world.hot(PARK, day("2026-11-23"), 1, &live).await;
    let past = world.energy(NAME, days("2026-11-20", "2026-11-22")).await;
    assert_eq!(past.coverage.expect("coverage").open_days, 0);
    let month = world
        .energy(NAME, pb::period::Period::Month("2026-11".to_owned()))
        .await;
    assert_eq!(amount(&month), "15");
    assert_eq!(month.status(), pb::PeriodStatus::Operational);
    assert_eq!(month.coverage.expect("coverage").open_days, 8);
    assert!(
        month
            .notes
            .iter()
            .any(|note| note.contains("7 day(s) of the period are still to come"))
    );
    world.set_now(day("2026-11-24"), 1);
    let month = world.energy(NAME, days("2026-11-20", "2026-11-23")).await;
    assert_eq!(month.coverage.expect("coverage").open_days, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_file_that_vanished_is_told_as_unavailable_and_not_as_a_wrong_figure() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let the_day = day("2026-11-23");
    world
        .hot(
            PARK,
            the_day,
            1,
            &rows("e", &[(meter, &[(at(the_day, 9), "5")])]),
        )
        .await;
    let folder = world.folder().join("p/2026/readings/day=2026-11-23");
    for file in std::fs::read_dir(folder).expect("the day's folder") {
        std::fs::remove_file(file.expect("a file").path()).expect("removed");
    }
    let refused = world
        .indicators
        .get_energy_intensity(get(NAME, year(2026)))
        .await;
    assert_eq!(
        refused.expect_err("refused").code(),
        tonic::Code::Unavailable
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_asked_at_once_do_not_disturb_each_other() {
    let world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    for n in 1..=8 {
        let park = format!("p{n}");
        let sealed = daily("e", &meter, day("2024-05-01"), &[n.to_string()]);
        world.seal(&park, &sealed, 1, With::Totals).await;
        let late = rows(
            "e",
            &[(meter.clone(), &[(at(day("2024-05-01"), 13), "100")])],
        );
        world.hot(&park, day("2024-05-01"), 1, &late).await;
    }
    let asked = (1..=8).flat_map(|n| [n, n]).map(|n| {
        let mut client = world.indicators.clone();
        tokio::spawn(async move {
            let request = get(&format!("parks/p{n}"), year(2024));
            let figure = client
                .get_energy_intensity(request)
                .await
                .expect("a figure")
                .into_inner();
            assert_eq!(amount(&figure), (n + 100).to_string());
        })
    });
    for answer in asked.collect::<Vec<_>>() {
        answer.await.expect("answered");
    }
    world.stop().await;
}

impl World {
    /// Publishes first sealed files and leaves every hot file where it is.
    pub(crate) async fn seal_beside(&self, park: &str, days: &[(CivilDay, ReadingRows)]) {
        let park = ParkId::new(park).expect("an id");
        let mut book = self
            .lake
            .book(&park, days[0].0.year())
            .await
            .expect("a book");
        let mut change = Change::default();
        for (day, rows) in days {
            let kind = FileKind::Sealed {
                enterprise: rows.keys[0].enterprise.clone(),
                revision: 1,
            };
            let file = new_file(&park, *day, kind, rows);
            change
                .totals
                .extend(totals(*day, rows, 1, file.encoded.sha256));
            change.add.push(file);
        }
        let _published = book.publish(change).await.expect("published");
    }
}
