//! Gaps spread by like days, and corrections by hand.

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1 as pb;
use tonic::Code;

use crate::fixture::{
    PARK, With, World, at, day, days, get, rows, series, value, value_added, year,
};

const NAME: &str = "parks/p/enterprises/e";

/// A register's days from 2025-03-03, a Monday, on: 230 kWh between half past midnight and half past eleven
/// on work days and 23 at week-ends; those of `lost` are not read.
fn weeks(many: i32, lost: &[i32]) -> Vec<(CivilDay, ReadingRows)> {
    let main = series("main", "electricity", Kind::Register);
    let (mut register, mut days) = (0, Vec::new());
    for n in 0..many * 7 {
        let of = day("2025-03-03").plus(n);
        let begins = register.to_string();
        register += if n % 7 < 5 { 230 } else { 23 };
        let ends = register.to_string();
        if !lost.contains(&n) {
            let values = [
                (at(of, 0) + 1_800_000, begins.as_str()),
                (at(of, 23) + 1_800_000, &ends),
            ];
            days.push((of, rows("e", &[(main.clone(), &values)])));
        }
    }
    days
}

async fn world(lost: &[i32]) -> World {
    let mut world = World::new().await;
    world.seal(PARK, &weeks(5, lost), 1, With::Totals).await;
    let declared = value_added(PARK, "e", year(2025), "3650");
    world.declare(PARK, vec![declared]).await;
    world
}

async fn kwh(world: &mut World, first: &str, last: &str) -> (pb::Figure, f64) {
    let figure = world.energy(NAME, days(first, last)).await;
    let amount = value(&figure.components[0].amount).parse();
    (figure, amount.expect("a number"))
}

#[tokio::test]
async fn method_h_a_week_end_lost_in_a_long_gap_is_told_by_like_days() {
    // Friday 2025-03-21 to Monday 2025-03-24 are lost.
    let mut world = world(&[18, 19, 20, 21]).await;
    let (_, friday) = kwh(&mut world, "2025-03-21", "2025-03-21").await;
    let (_, saturday) = kwh(&mut world, "2025-03-22", "2025-03-22").await;
    assert!(friday > 9.0 * saturday, "{friday} {saturday}");
    let (figure, gap) = kwh(&mut world, "2025-03-21", "2025-03-24").await;
    let coverage = figure.coverage.expect("coverage");
    assert_eq!(
        (
            coverage.estimated_share.as_str(),
            coverage.measured_share.as_str()
        ),
        ("100.000000", "0.000000")
    );
    let (_, before) = kwh(&mut world, "2025-03-03", "2025-03-20").await;
    let (_, after) = kwh(&mut world, "2025-03-25", "2025-04-06").await;
    let (_, whole) = kwh(&mut world, "2025-03-03", "2025-04-06").await;
    assert!(
        (before + gap + after - whole).abs() < 1e-5,
        "{before} {gap} {after} {whole}"
    );
    assert!(
        (whole - 5.0 * (5.0 * 230.0 + 2.0 * 23.0)).abs() < 1e-5,
        "{whole}"
    );
    world.stop().await;
}

fn correction(first: &str, last: &str, amount: &str) -> pb::RecordCorrectionRequest {
    pb::RecordCorrectionRequest {
        correction: Some(pb::Correction {
            meter: format!("{NAME}/meters/main"),
            quantity: "electricity".to_owned(),
            kind: "register".to_owned(),
            days: Some(pb::Days {
                first: first.to_owned(),
                last: last.to_owned(),
            }),
            amount: amount.to_owned(),
            reason: "current transformer off".to_owned(),
            ..pb::Correction::default()
        }),
        recorded_by: "metering".to_owned(),
        evidence: "form 12".to_owned(),
    }
}

#[tokio::test]
async fn a_correction_by_hand_counts_and_is_told() {
    let mut world = world(&[]).await;
    let (_, march) = kwh(&mut world, "2025-03-03", "2025-03-16").await;
    let (_, two_days) = kwh(&mut world, "2025-03-05", "2025-03-06").await;
    let taken = world
        .registry
        .record_correction(correction("2025-03-05", "2025-03-06", "800"))
        .await;
    assert_eq!(taken.expect("taken").into_inner().recorded_by, "metering");
    let (figure, corrected) = kwh(&mut world, "2025-03-03", "2025-03-16").await;
    assert!(
        (corrected - (march - two_days + 800.0)).abs() < 1e-5,
        "{corrected}"
    );
    assert_eq!(value(&figure.components[0].manual), "800");
    let told = |note: &String| {
        [
            "1 correction(s) by hand",
            "800 by hand",
            "current transformer off",
            "metering",
            "form 12",
        ]
        .iter()
        .all(|part| note.contains(part))
    };
    assert!(figure.notes.iter().any(told), "{:?}", figure.notes);
    let shares = figure.coverage.expect("coverage");
    let share = |text: &str| text.parse::<f64>().expect("a number");
    let manual = share(&shares.manual_share);
    assert!(
        (manual - 100.0 * 800.0 / corrected).abs() < 1e-4,
        "{manual}"
    );
    let all = manual + share(&shares.measured_share) + share(&shares.estimated_share);
    assert!((all - 100.0).abs() < 1e-5, "{all}");
    world.stop().await;
}

#[tokio::test]
async fn a_correction_stands_for_its_days_alone_and_can_be_taken_back() {
    let mut world = world(&[]).await;
    let (plain, _) = kwh(&mut world, "2025-03-03", "2025-03-16").await;
    let taken = world
        .registry
        .record_correction(correction("2025-03-05", "2025-03-06", "800"))
        .await;
    assert!(!taken.expect("taken").into_inner().withdrawn);
    // A period that cuts the days has its part of them.
    let (_, half) = kwh(&mut world, "2025-03-06", "2025-03-06").await;
    assert!((half - 400.0).abs() < 1e-9, "{half}");
    let overlapping = correction("2025-03-06", "2025-03-07", "1");
    let refused = world
        .registry
        .record_correction(overlapping)
        .await
        .expect_err("overlaps");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("2025-03-05 to 2025-03-06"),
        "{}",
        refused.message()
    );
    let asked = pb::ListCorrectionsRequest {
        parent: NAME.to_owned(),
        ..pb::ListCorrectionsRequest::default()
    };
    let listed = world
        .registry
        .list_corrections(asked.clone())
        .await
        .expect("listed");
    assert_eq!(listed.into_inner().corrections.len(), 1);
    let mut back = correction("2025-03-05", "2025-03-06", "800");
    back.correction.as_mut().expect("there").withdrawn = true;
    let taken = world.registry.record_correction(back).await;
    assert!(taken.expect("taken").into_inner().withdrawn);
    let (again, _) = kwh(&mut world, "2025-03-03", "2025-03-16").await;
    assert_eq!((again.value, again.notes), (plain.value, plain.notes));
    let listed = world
        .registry
        .list_corrections(asked)
        .await
        .expect("listed");
    assert!(listed.into_inner().corrections.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_correction_without_evidence_or_of_days_to_come_is_refused_with_every_mistake() {
    let mut world = world(&[]).await;
    let mut asked = correction("2026-11-22", "2026-11-30", "much");
    asked.evidence = String::new();
    asked.correction.as_mut().expect("there").reason = String::new();
    let refused = world
        .registry
        .record_correction(asked)
        .await
        .expect_err("wrong");
    assert_eq!(refused.code(), Code::InvalidArgument);
    for field in [
        "correction.days.last",
        "correction.amount",
        "correction.reason",
    ] {
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    world.stop().await;
}

#[tokio::test]
async fn days_of_which_nothing_is_known_are_missing() {
    let mut world = World::new().await;
    world.seal(PARK, &weeks(2, &[]), 1, With::Totals).await;
    let meter = pb::Meter {
        name: format!("{NAME}/meters/main"),
        quantity: "electricity".to_owned(),
        kind: "register".to_owned(),
        interval_s: 3_600,
        counted: true,
        valid_from: "2025-01-01".to_owned(),
        ..pb::Meter::default()
    };
    world.register_meter(meter).await;
    // March has 31 days, of which the 3rd to the 16th were read.
    let asked = get(NAME, pb::period::Period::Month("2025-03".to_owned()));
    let figure = world
        .indicators
        .get_energy_intensity(asked)
        .await
        .expect("a figure");
    let coverage = figure.into_inner().coverage.expect("coverage");
    assert_eq!(coverage.missing_share, "54.838710");
    world.stop().await;
}
