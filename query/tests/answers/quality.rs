//! How good the data is, asked over gRPC.

use greenpark_archive::{
    messages::{GatewayEpoch, Messages},
    rows::ReadingRows,
};
use greenpark_model::{day::CivilDay, id::ParkId, numbers::Numbers, reading::Kind};
use greenpark_proto::query::v1::{self as pb, quality_client::QualityClient};
use tonic::Code;

use crate::fixture::{PARK, With, World, at, day, get, period, rows, series, value_added, year};

const NAME: &str = "parks/p/enterprises/e";

fn month(text: &str) -> pb::period::Period {
    pb::period::Period::Month(text.to_owned())
}

/// April 2025, a register every hour but for the hours of a day that are lost.
fn april(lost: impl Fn(i32, i64) -> bool) -> Vec<(CivilDay, ReadingRows)> {
    let main = series("main", "electricity", Kind::Register);
    (0..30)
        .map(|n| {
            let of = day("2025-04-01").plus(n);
            let said: Vec<(i64, String)> = (0..24)
                .filter(|hour| !lost(n, *hour))
                .map(|hour| (at(of, hour), (i64::from(n) * 24 + hour).to_string()))
                .collect();
            let said: Vec<(i64, &str)> = said.iter().map(|(i, v)| (*i, v.as_str())).collect();
            (of, rows("e", &[(main.clone(), &said)]))
        })
        .filter(|(_, rows)| !rows.is_empty())
        .collect()
}

async fn register(world: &mut World, verified_until: &str) {
    let meter = pb::Meter {
        name: format!("{NAME}/meters/main"),
        quantity: "electricity".to_owned(),
        kind: "register".to_owned(),
        interval_s: 3_600,
        counted: true,
        valid_from: "2025-04-01".to_owned(),
        verified_until: verified_until.to_owned(),
        ..pb::Meter::default()
    };
    world.register_meter(meter).await;
}

async fn quality(world: &World, of: pb::period::Period, by_day: bool) -> pb::QualityReport {
    ask(world, (of, by_day), None).await
}

async fn ask(
    world: &World,
    (of, by_day): (pb::period::Period, bool),
    as_of: Option<prost_types::Timestamp>,
) -> pb::QualityReport {
    let asked = pb::GetQualityRequest {
        name: NAME.to_owned(),
        period: period(of),
        by_day,
        as_of,
    };
    let mut client = QualityClient::new(world.channel.clone());
    client
        .get_quality(asked)
        .await
        .expect("a report")
        .into_inner()
}

fn index<'a>(indices: &'a [pb::QualityIndex], name: &str) -> (&'a str, pb::Verdict) {
    let index = indices
        .iter()
        .find(|index| index.name == name)
        .expect("an index");
    (index.value.as_str(), index.verdict())
}

#[tokio::test]
async fn a_months_indices_are_told_against_their_thresholds() {
    let mut world = World::new().await;
    // Three whole days' readings are lost, and late data touched one day.
    world
        .seal(
            PARK,
            &april(|n, hour| n < 4 && hour % 4 != 0),
            1,
            With::Totals,
        )
        .await;
    let late = april(|_, _| false);
    world.seal(PARK, &late[9..10], 2, With::Totals).await;
    register(&mut world, "2025-04-29").await;
    let report = quality(&world, month("2025-04"), false).await;
    // 720 expected, 72 of them lost.
    assert_eq!(
        index(&report.indices, "completeness"),
        ("0.900000", pb::Verdict::Met)
    );
    assert_eq!(
        index(&report.indices, "timeliness"),
        ("0.966667", pb::Verdict::Met)
    );
    assert_eq!(
        index(&report.indices, "correctness"),
        ("1.000000", pb::Verdict::Met)
    );
    assert_eq!(
        index(&report.indices, "calibration"),
        ("0.000000", pb::Verdict::Missed)
    );
    assert_eq!(
        index(&report.indices, "accuracy"),
        ("", pb::Verdict::Unknown)
    );
    assert_eq!(report.rules, "on-line-monitoring");
    assert_eq!(report.parts.len(), 1);
    let daily = quality(&world, month("2025-04"), true).await;
    assert_eq!(daily.parts.len(), 30);
    let of = |n: usize| index(&daily.parts[n].indices, "completeness");
    assert_eq!(
        (of(0), of(4)),
        (
            ("0.250000", pb::Verdict::Missed),
            ("1.000000", pb::Verdict::Met)
        )
    );
    assert_eq!(index(&daily.parts[9].indices, "timeliness").0, "0.000000");
    world.stop().await;
}

#[tokio::test]
async fn a_day_with_twice_the_readings_makes_up_for_no_other_and_a_figure_says_that_data_lacks() {
    let mut world = World::new().await;
    world
        .seal(PARK, &april(|n, _| n >= 20), 1, With::Totals)
        .await;
    register(&mut world, "2026-12-31").await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2025), "3650")])
        .await;
    let report = quality(&world, month("2025-04"), false).await;
    assert_eq!(
        index(&report.indices, "completeness"),
        ("0.666667", pb::Verdict::Missed)
    );
    assert_eq!(
        index(&report.indices, "calibration"),
        ("1.000000", pb::Verdict::Met)
    );
    let missing = report
        .findings
        .iter()
        .find(|f| f.check == "missing")
        .expect("a finding");
    assert!(missing.name.ends_with("meters/main") && missing.detail.contains("10 days"));
    let figure = world
        .indicators
        .get_energy_intensity(get(NAME, month("2025-04")))
        .await;
    let figure = figure.expect("a figure").into_inner();
    let coverage = figure.coverage.expect("coverage");
    assert_eq!(
        (
            coverage.completeness_threshold.as_str(),
            coverage.complete_enough
        ),
        ("0.9", false)
    );
    let told = |note: &String| note.contains("completeness 0.666667 is below 0.9");
    assert!(figure.notes.iter().any(told), "{:?}", figure.notes);
    world.stop().await;
}

#[tokio::test]
async fn method_h_a_months_books_are_held_against_the_sum_of_its_days() {
    let mut world = World::new().await;
    let mut days = april(|_, _| false);
    let main = series("main", "electricity", Kind::Register);
    let of = day("2025-05-01");
    days.push((of, rows("e", &[(main, &[(at(of, 0), "720")])])));
    world.seal(PARK, &days, 1, With::Totals).await;
    register(&mut world, "2026-12-31").await;
    let books = |amount: &str| pb::Statistic {
        series: "consumption:electricity".to_owned(),
        price_base: String::new(),
        ..value_added(PARK, "e", month("2025-04"), amount)
    };
    world.declare(PARK, vec![books("750")]).await;
    let near = quality(&world, month("2025-04"), false).await;
    // 720 by the days, 750 by the books.
    assert_eq!(
        index(&near.indices, "deviation"),
        ("0.040000", pb::Verdict::Met)
    );
    world.declare(PARK, vec![books("800")]).await;
    let far = quality(&world, month("2025-04"), false).await;
    assert_eq!(
        index(&far.indices, "deviation"),
        ("0.100000", pb::Verdict::Missed)
    );
    let found = far
        .findings
        .iter()
        .find(|f| f.check == "deviation")
        .expect("a finding");
    assert!(
        found.detail.contains("800") && found.detail.contains("720"),
        "{found:?}"
    );
    let asked = pb::GetQualityRequest {
        name: NAME.to_owned(),
        period: period(year(2025)),
        by_day: true,
        as_of: None,
    };
    let mut client = QualityClient::new(world.channel.clone());
    let refused = client.get_quality(asked).await.expect_err("too many days");
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.stop().await;
}

/// Adds runs of `enterprise`'s gateway g1, epoch 7, to the lake's messages.
async fn number(world: &World, enterprise: &str, runs: &[(&str, u64, u64)]) {
    let of = GatewayEpoch {
        enterprise: enterprise.parse().expect("an id"),
        gateway: "g1".parse().expect("an id"),
        epoch: 7,
    };
    let mut messages = Messages::default();
    for (on, first, last) in runs {
        let mut numbers = Numbers::default();
        numbers.insert(*first, *last);
        messages.insert(&of, day(on), &numbers);
    }
    let park: ParkId = PARK.parse().expect("an id");
    let added = world.lake.messages(&park).add(&messages, 0).await;
    assert!(added.expect("written"));
}

fn missing_messages(report: &pb::QualityReport) -> Vec<&str> {
    let findings = report.findings.iter();
    let missing = findings.filter(|found| found.check == "missing-messages");
    missing.map(|found| found.detail.as_str()).collect()
}

#[tokio::test]
async fn a_message_that_never_came_is_named_and_lowers_completeness() {
    let mut world = World::new().await;
    world.go_on();
    // Readings lack one in a hundred and twenty.
    world
        .seal(PARK, &april(|n, hour| n == 4 && hour < 6), 1, With::Totals)
        .await;
    register(&mut world, "2030-12-31").await;
    let runs = [
        ("2025-03-31", 1, 9),
        ("2025-04-01", 10, 24),
        ("2025-04-02", 26, 29),
        ("2025-05-02", 31, 40),
    ];
    number(&world, "e", &runs).await;
    // Nobody asks after this one.
    number(
        &world,
        "other",
        &[("2025-04-01", 1, 1), ("2025-04-01", 9, 9)],
    )
    .await;
    world.go_on();
    let report = quality(&world, month("2025-04"), false).await;
    // 19 of 21 messages, where readings have 714 of 720.
    assert_eq!(index(&report.indices, "completeness").0, "0.904762");
    assert_eq!(
        index(&report.parts[0].indices, "completeness").0,
        "0.904762"
    );
    assert_eq!(
        missing_messages(&report),
        [
            "2 message(s) of gateway g1, epoch 7, did not come: 25 (2025-04-01 to 2025-04-02), \
             30 (2025-04-02 to 2025-05-02)"
        ]
    );
    let daily = quality(&world, month("2025-04"), true).await;
    let of = |n: usize| index(&daily.parts[n].indices, "completeness").0;
    // 15 of 16, 4 of 6, and a day on which the only message that may have been did not come.
    assert_eq!((of(0), of(1), of(2)), ("0.937500", "0.666667", "0.000000"));
    // What had come at an earlier instant is not known.
    world.go_on();
    let then = ask(&world, (month("2025-04"), false), report.as_of).await;
    assert_eq!(index(&then.indices, "completeness").0, "0.991667");
    assert!(missing_messages(&then).is_empty());
    let told = |note: &String| note.contains("which messages had come by then is not known");
    assert!(then.notes.iter().any(told) && !report.notes.iter().any(told));
    // They come late.
    number(
        &world,
        "e",
        &[("2025-04-01", 25, 25), ("2025-04-03", 30, 30)],
    )
    .await;
    let report = quality(&world, month("2025-04"), false).await;
    assert_eq!(index(&report.indices, "completeness").0, "0.991667");
    assert!(missing_messages(&report).is_empty());
    world.stop().await;
}
