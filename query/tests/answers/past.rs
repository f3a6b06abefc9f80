//! Figures as they were, what they stand on, and figures made again from raw readings.

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{day::CivilDay, indicator::Indicator, reading::Kind};
use greenpark_proto::query::v1::{self as pb, explain_part::Part};
use greenpark_query::{QuerySettings, recompute};
use tonic::Code;

use crate::fixture::{
    PARK, With, World, at, day, days, get, rows, series, sha256, timestamp_of, value, value_added,
    year,
};

const NAME: &str = "parks/p/enterprises/e";

/// Two days of a counter that rises by `rise` an hour.
fn two_days(rise: i64) -> Vec<(CivilDay, ReadingRows)> {
    let main = series("main", "electricity", Kind::Register);
    let first = day("2025-03-01");
    (0..2)
        .map(|n| {
            let of = first.plus(n);
            let values: Vec<(i64, String)> = (0..24)
                .map(|hour| {
                    let register = (i64::from(n) * 24 + hour) * rise;
                    (at(of, hour), register.to_string())
                })
                .collect();
            let values: Vec<(i64, &str)> = values.iter().map(|(i, v)| (*i, v.as_str())).collect();
            (of, rows("e", &[(main.clone(), &values)]))
        })
        .collect()
}

fn question(as_of: Option<prost_types::Timestamp>) -> pb::GetIndicatorRequest {
    pb::GetIndicatorRequest {
        as_of,
        ..get(NAME, days("2025-03-01", "2025-03-02"))
    }
}

async fn ask(
    world: &mut World,
    as_of: Option<prost_types::Timestamp>,
) -> Result<pb::Figure, tonic::Status> {
    world.go_on();
    let answer = world.indicators.get_energy_intensity(question(as_of)).await;
    answer.map(tonic::Response::into_inner)
}

/// A world whose clock is the one that commits are told by, with an enterprise.
async fn world() -> World {
    let mut world = World::new().await;
    world.go_on();
    world.register_enterprise(PARK, "e", true).await;
    let declared = value_added(PARK, "e", year(2025), "3650");
    world.declare(PARK, vec![declared]).await;
    world
}

#[tokio::test]
async fn a_figure_is_told_again_as_it_was_whatever_came_since() {
    let mut world = world().await;
    world.seal(PARK, &two_days(10), 1, With::Totals).await;
    let first = ask(&mut world, None).await.expect("a figure");
    world.go_on();
    world.seal(PARK, &two_days(11), 2, With::Totals).await;
    let second = ask(&mut world, None).await.expect("a figure");
    world.go_on();
    let declared = value_added(PARK, "e", year(2025), "7300");
    world.declare(PARK, vec![declared]).await;
    let third = ask(&mut world, None).await.expect("a figure");
    let values = [&first, &second, &third].map(|figure| figure.value.clone());
    assert_ne!(values[0], values[1]);
    assert_ne!(values[1], values[2]);
    for then in [&first, &second, &third] {
        let again = ask(&mut world, then.as_of).await.expect("a figure");
        assert_eq!(again, *then);
    }
    let before = timestamp_of(day("2024-01-01"));
    let none = ask(&mut world, Some(before))
        .await
        .expect_err("no park yet");
    assert_eq!(none.code(), Code::NotFound);
    let later = timestamp_of(day("2100-01-01"));
    let refused = ask(&mut world, Some(later)).await.expect_err("to come");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("as_of"), "{}", refused.message());
    world.stop().await;
}

#[tokio::test]
async fn a_scorecard_and_lists_are_told_as_they_were() {
    let mut world = world().await;
    world.seal(PARK, &two_days(10), 1, With::Totals).await;
    world.go_on();
    let request = |as_of| pb::ListStatisticsRequest {
        parent: NAME.to_owned(),
        as_of,
        ..pb::ListStatisticsRequest::default()
    };
    let progress = |as_of| pb::GetProgressRequest {
        name: NAME.to_owned(),
        as_of,
        ..pb::GetProgressRequest::default()
    };
    let card = world.indicators.get_scorecard(progress(None)).await;
    let card = card.expect("a scorecard").into_inner();
    world.go_on();
    let declared = value_added(PARK, "e", year(2020), "99");
    world.declare(PARK, vec![declared]).await;
    world.go_on();
    let again = world.indicators.get_scorecard(progress(card.as_of)).await;
    assert_eq!(again.expect("a scorecard").into_inner(), card);
    let now = world.registry.list_statistics(request(None)).await;
    assert_eq!(now.expect("listed").into_inner().statistics.len(), 2);
    let then = world.registry.list_statistics(request(card.as_of)).await;
    assert_eq!(then.expect("listed").into_inner().statistics.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn days_that_were_open_are_told_while_their_files_are_there_and_then_refused() {
    let mut world = world().await;
    let both = two_days(10);
    world.seal(PARK, &both[..1], 1, With::Totals).await;
    world.hot(PARK, both[1].0, 7, &both[1].1).await;
    let then = ask(&mut world, None).await.expect("a figure");
    assert_eq!(then.status(), pb::PeriodStatus::Operational);
    world.go_on();
    world.seal(PARK, &both[1..], 1, With::Totals).await;
    let again = ask(&mut world, then.as_of).await.expect("a figure");
    assert_eq!(again, then);
    world.delete_hot_files();
    // Another service has nothing in its memory.
    let mut fresh = world.another().await;
    let refused = ask(&mut fresh, then.as_of).await.expect_err("gone");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let message = refused.message();
    assert!(message.contains("2025-03-02"), "{message}");
    assert!(message.contains("ask as of a later instant"), "{message}");
    let now = ask(&mut fresh, None).await.expect("a figure");
    let later = ask(&mut fresh, now.as_of).await.expect("a figure");
    assert_eq!(later, now);
    fresh.stop().await;
    world.stop().await;
}

/// All parts of a lineage.
async fn explain(world: &mut World) -> Vec<Part> {
    let request = pb::ExplainRequest {
        indicator: "energy-intensity".to_owned(),
        question: Some(question(None)),
    };
    let parts = world.indicators.explain(request).await;
    let mut parts = parts.expect("a stream").into_inner();
    let mut told = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        told.extend(part.part);
    }
    told
}

#[tokio::test]
async fn a_lineage_leads_from_the_figure_to_its_files_and_declarations() {
    let mut world = world().await;
    world.seal(PARK, &two_days(10), 1, With::Totals).await;
    let figure = ask(&mut world, None).await.expect("a figure");
    let parts = explain(&mut world).await;
    let Some(Part::Figure(told)) = parts.first() else {
        panic!("the figure is the first part");
    };
    assert_eq!(
        (&told.value, &told.numerator),
        (&figure.value, &figure.numerator)
    );
    let Some(Part::Rules(rules)) = parts.last() else {
        panic!("the rules are the last part");
    };
    assert_eq!((rules.files_listed, rules.files_changed), (2, 0));
    let meters: Vec<&pb::MeterPart> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Meter(meter) => Some(meter),
            _ => None,
        })
        .collect();
    assert_eq!(meters.len(), 1);
    assert_eq!(meters[0].amount, told.components[0].amount);
    assert_eq!(value(&meters[0].amount), "470");
    let register = |reading: &Option<pb::Reading>| reading.clone().expect("a register").value;
    let ends = (register(&meters[0].first), register(&meters[0].last));
    assert_eq!(ends, ("0".to_owned(), "470".to_owned()));
    for part in &parts {
        if let Part::File(file) = part {
            let path = world.folder().join(&file.path);
            let bytes = std::fs::read(path).expect("a file of the lake");
            assert_eq!(file.sha256, sha256(&bytes));
            assert!(file.intact && file.path.contains(&file.sha256[..16]));
            assert_eq!((file.revision, file.rows), (1, 24));
        }
    }
    let kinds: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Record(record) => Some(record.kind.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["enterprise", "statistic"]);
    world.damage_a_sealed_file();
    let parts = explain(&mut world).await;
    let Some(Part::Rules(rules)) = parts.last() else {
        panic!("the rules are the last part");
    };
    assert_eq!((rules.files_listed, rules.files_changed), (2, 1));
    world.stop().await;
}

async fn again(world: &World, as_of: Option<prost_types::Timestamp>) -> pb::Figure {
    let (lake, clock) = (world.lake.clone(), world.clock());
    let of = Indicator::EnergyIntensity;
    recompute(lake, QuerySettings::default(), clock, of, &question(as_of))
        .await
        .expect("a figure")
}

#[tokio::test]
async fn a_figure_is_made_again_from_its_readings_bit_for_bit() {
    let mut world = world().await;
    world.seal(PARK, &two_days(10), 1, With::Totals).await;
    let published = ask(&mut world, None).await.expect("a figure");
    world.go_on();
    world.seal(PARK, &two_days(12), 2, With::Totals).await;
    world.go_on();
    assert_eq!(again(&world, published.as_of).await, published);
    let now = ask(&mut world, None).await.expect("a figure");
    assert_eq!(again(&world, now.as_of).await, now);
    world.stop().await;
}

#[tokio::test]
async fn a_total_that_was_tampered_with_is_found_by_making_the_figure_again() {
    let mut world = world().await;
    world.seal(PARK, &two_days(10), 1, With::WrongTotals).await;
    let published = ask(&mut world, None).await.expect("a figure");
    let recomputed = again(&world, published.as_of).await;
    assert_ne!(recomputed.numerator, published.numerator);
    world.stop().await;
}

#[tokio::test]
async fn a_sealed_quarter_differs_from_then_by_what_was_corrected_and_the_lineage_names_it() {
    let mut world = world().await;
    world.seal(PARK, &two_days(10), 1, With::Totals).await;
    let quarter = pb::period::Period::Quarter("2025-Q1".to_owned());
    let asked = |as_of| pb::GetIndicatorRequest {
        as_of,
        ..get(NAME, quarter.clone())
    };
    world.go_on();
    let then = world.indicators.get_energy_intensity(asked(None)).await;
    let then = then.expect("a figure").into_inner();
    let correction = pb::RecordCorrectionRequest {
        correction: Some(pb::Correction {
            meter: format!("{NAME}/meters/main"),
            quantity: "electricity".to_owned(),
            kind: "register".to_owned(),
            days: Some(pb::Days {
                first: "2025-03-01".to_owned(),
                last: "2025-03-02".to_owned(),
            }),
            amount: "500".to_owned(),
            reason: "meter stood still for a while".to_owned(),
            ..pb::Correction::default()
        }),
        recorded_by: "metering".to_owned(),
        evidence: "form 12".to_owned(),
    };
    world.go_on();
    let taken = world.registry.record_correction(correction).await;
    let _taken = taken.expect("taken");
    world.go_on();
    let now = world.indicators.get_energy_intensity(asked(None)).await;
    let now = now.expect("a figure").into_inner();
    let kwh = |figure: &pb::Figure| value(&figure.components[0].amount).to_owned();
    assert_eq!((kwh(&then).as_str(), kwh(&now).as_str()), ("470", "500"));
    let again = world
        .indicators
        .get_energy_intensity(asked(then.as_of))
        .await;
    assert_eq!(again.expect("a figure").into_inner(), then);
    let named = |part: &Part| match part {
        Part::Record(record) => record.kind == "correction" && record.evidence == "form 12",
        _ => false,
    };
    let parts = explain(&mut world).await;
    assert!(parts.iter().any(named));
    // The meter's part is what it counts for, so that the parts sum to the figure.
    let of_meter = |part: &Part| match part {
        Part::Meter(meter) => Some(value(&meter.amount).to_owned()),
        _ => None,
    };
    let amounts: Vec<String> = parts.iter().filter_map(of_meter).collect();
    assert_eq!(amounts, ["500"]);
    world.stop().await;
}
