//! Corrections by hand of meters that gave no reading: they count in every answer.

use greenpark_model::{indicator::Indicator, reading::Kind};
use greenpark_proto::query::v1::{self as pb, explain_part::Part};
use greenpark_query::{QuerySettings, recompute};
use tonic::Code;

use crate::{
    fixture::{
        PARK, With, World, at, day, days, get, one_day, period, rows, series, value, value_added,
        year,
    },
    statements::{correction, hourly, noted},
};

const NAME: &str = "parks/p/enterprises/e";
const MARCH: (&str, &str) = ("2025-03-01", "2025-03-31");
const MAIN: (&str, &str, &str) = ("main", "electricity", "interval");

fn month(text: &str) -> pb::period::Period {
    pb::period::Period::Month(text.to_owned())
}

/// A meter that was read every hour of February and not after, and value added of 365.
async fn dead_in_march() -> World {
    let mut world = World::new().await;
    let main = series("main", "electricity", Kind::Interval);
    let february: Vec<_> = (0..28)
        .map(|n| {
            let of = day("2025-02-01").plus(n);
            let hours: Vec<(i64, &str)> = (0..24).map(|hour| (at(of, hour), "10")).collect();
            (of, rows("e", &[(main.clone(), &hours)]))
        })
        .collect();
    world.seal(PARK, &february, 1, With::Totals).await;
    world
        .register_meter(hourly("main", "electricity", "interval"))
        .await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2025), "365")])
        .await;
    world
}

#[tokio::test]
async fn a_correction_of_a_dead_month_counts_and_nothing_of_it_is_missing() {
    let mut world = dead_in_march().await;
    let dead = world.energy(NAME, month("2025-03")).await;
    assert_eq!(dead.value, "");
    assert_eq!(dead.coverage.expect("coverage").missing_share, "100.000000");
    world.correct(MAIN, MARCH, "1000000").await;
    let figure = world.energy(NAME, month("2025-03")).await;
    // 1,000,000 kWh over 31 of 365.
    assert_eq!(value(&figure.numerator), "122.900000");
    assert_eq!(figure.value, "3.964516");
    let coverage = figure.coverage.expect("coverage");
    assert_eq!(
        (
            coverage.missing_share.as_str(),
            coverage.manual_share.as_str()
        ),
        ("0.000000", "100.000000")
    );
    assert!(
        noted(
            &figure.notes,
            &["1 correction(s) by hand", "1000000 by hand, 0 as measured"]
        ) && !noted(&figure.notes, &["no meter of"]),
        "{:?}",
        figure.notes
    );
    // February, March by hand, and ten months of which nothing is known until the end of the year.
    let whole = world.energy(NAME, year(2025)).await;
    assert_eq!(value(&whole.numerator), "123.725888");
    world.stop().await;
}

#[tokio::test]
async fn a_correction_of_a_part_of_a_dead_month_leaves_the_rest_missing() {
    let mut world = dead_in_march().await;
    world
        .correct(MAIN, ("2025-03-01", "2025-03-15"), "150000")
        .await;
    let figure = world.energy(NAME, month("2025-03")).await;
    assert_eq!(value(&figure.components[0].manual), "150000");
    assert_eq!(
        figure.coverage.expect("coverage").missing_share,
        "51.612903"
    );
    let cut = world.energy(NAME, days("2025-03-11", "2025-03-20")).await;
    assert_eq!(value(&cut.components[0].amount), "50000");
    world.stop().await;
}

#[tokio::test]
async fn a_meter_that_was_never_read_counts_by_hand_in_the_park_the_lineage_and_again() {
    let mut world = World::new().await;
    world
        .register_meter(hourly("main", "electricity", "register"))
        .await;
    world.register_enterprise(PARK, "e", true).await;
    world
        .correct(("main", "electricity", "register"), MARCH, "1000000")
        .await;
    let of_park = world.energy("parks/p", year(2025)).await;
    assert_eq!(value(&of_park.numerator), "122.900000");
    let question = get(NAME, year(2025));
    let asked = pb::ExplainRequest {
        indicator: "energy-intensity".to_owned(),
        question: Some(question.clone()),
    };
    let mut parts = world
        .indicators
        .explain(asked)
        .await
        .expect("parts")
        .into_inner();
    let mut meters = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        if let Some(Part::Meter(meter)) = part.part {
            meters.push((meter.meter, value(&meter.amount).to_owned(), meter.readings));
        }
    }
    let name = format!("{NAME}/meters/main");
    assert_eq!(meters, [(name, "1000000".to_owned(), 0)]);
    let again = recompute(
        world.lake.clone(),
        QuerySettings::default(),
        world.clock(),
        Indicator::EnergyIntensity,
        &question,
    );
    let again = again.await.expect("made again");
    assert_eq!(value(&again.numerator), "122.900000");
    world.stop().await;
}

#[tokio::test]
async fn water_and_waste_by_hand_are_in_the_balance_the_leakage_and_the_ledger() {
    let mut world = World::new().await;
    let main = pb::Meter {
        water_source: "municipal".to_owned(),
        ..hourly("w", "fresh_water", "interval")
    };
    world.register_meter(main).await;
    let hall = pb::Meter {
        counted: false,
        parent: "w".to_owned(),
        ..hourly("hall", "fresh_water", "register")
    };
    world.register_meter(hall).await;
    world
        .register_meter(hourly("scale", "fly_ash.generated", "event"))
        .await;
    world
        .correct(("w", "fresh_water", "interval"), MARCH, "1000")
        .await;
    world
        .correct(("hall", "fresh_water", "register"), MARCH, "940")
        .await;
    world
        .correct(("scale", "fly_ash.generated", "event"), MARCH, "12.5")
        .await;
    let asked = pb::GetWaterBalanceRequest {
        name: NAME.to_owned(),
        period: period(year(2025)),
        as_of: None,
    };
    let balance = world.indicators.get_water_balance(asked).await;
    let balance = balance.expect("a balance").into_inner();
    assert_eq!(
        (value(&balance.intake), value(&balance.unaccounted)),
        ("1000", "60")
    );
    assert_eq!(
        (
            balance.sources[0].source.as_str(),
            balance.leakage_percent.as_str()
        ),
        ("municipal", "6.000000")
    );
    assert!(
        !noted(&balance.notes, &["not read in the period"]),
        "{:?}",
        balance.notes
    );
    let asked = pb::GetWasteLedgerRequest {
        name: NAME.to_owned(),
        period: period(year(2025)),
        ..pb::GetWasteLedgerRequest::default()
    };
    let ledger = world.indicators.get_waste_ledger(asked).await;
    let ledger = ledger.expect("a ledger").into_inner();
    assert_eq!(value(&ledger.rows[0].generated), "12.5");
    world.stop().await;
}

#[tokio::test]
async fn a_correction_of_a_meter_that_is_not_registered_counts_and_is_named() {
    let mut world = World::new().await;
    let file = one_day("e", day("2025-02-01"), &[("electricity", "10")]);
    world.seal(PARK, &[file], 1, With::Totals).await;
    // The meter `electricity` was heard as intervals: which kind is named with the correction is no matter.
    world
        .correct(("electricity", "electricity", "register"), MARCH, "5")
        .await;
    world
        .correct(("new", "electricity", "interval"), MARCH, "7")
        .await;
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(value(&figure.components[0].amount), "22");
    assert!(
        noted(&figure.notes, &["without a registry entry", "meters/new"]),
        "{:?}",
        figure.notes
    );
    world.stop().await;
}

#[tokio::test]
async fn a_correction_of_a_gauge_is_refused() {
    let mut world = World::new().await;
    let gauge = pb::Meter {
        interval_s: 0,
        ..hourly("stock", "raw_coal", "gauge")
    };
    world.register_meter(gauge).await;
    let request = pb::RecordCorrectionRequest {
        correction: Some(correction(("stock", "raw_coal", "interval"), MARCH, "1")),
        recorded_by: "metering".to_owned(),
        evidence: "form 12".to_owned(),
    };
    let refused = world.registry.record_correction(request).await;
    let refused = refused.expect_err("a gauge");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("registered as a gauge"),
        "{}",
        refused.message()
    );
    world.stop().await;
}
