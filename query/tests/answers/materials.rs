//! Water by source and the waste ledger, as parks have them.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1::{self as pb, explain_part::Part};
use tonic::Code;

use crate::fixture::{
    PARK, With, World, at, day, get, one_day, period, rows, series, value, value_added, year,
};

const NAME: &str = "parks/p/enterprises/e";

/// Registers the meter of a quantity, as the fixture names it.
async fn register(world: &mut World, id: &str, quantity: &str, of: pb::Meter) {
    let meter = quantity.replace('.', "-");
    let meter = pb::Meter {
        name: format!("parks/p/enterprises/{id}/meters/{meter}"),
        quantity: quantity.to_owned(),
        kind: "interval".to_owned(),
        valid_from: "2018-01-01".to_owned(),
        ..of
    };
    world.register_meter(meter).await;
}

fn counted() -> pb::Meter {
    pb::Meter {
        counted: true,
        ..pb::Meter::default()
    }
}

/// Two enterprises with water: `e` of its own wells with a sub-meter, `f` from the town.
async fn water_world() -> World {
    let mut world = World::new().await;
    let of = day("2022-03-01");
    let (own, town) = (
        one_day("e", of, &[("fresh_water", "800"), ("reused_water", "3000")]),
        one_day("f", of, &[("fresh_water", "200")]),
    );
    world.seal(PARK, &[own], 1, With::Totals).await;
    world.seal(PARK, &[town], 1, With::Totals).await;
    let source = |source: &str| pb::Meter {
        water_source: source.to_owned(),
        ..counted()
    };
    register(&mut world, "e", "fresh_water", source("groundwater")).await;
    register(&mut world, "e", "reused_water", counted()).await;
    register(&mut world, "f", "fresh_water", source("municipal")).await;
    let declared = ["e", "f"].map(|id| value_added(PARK, id, year(2022), "100"));
    world.declare(PARK, declared.to_vec()).await;
    world
}

#[tokio::test]
async fn method_c_water_is_told_by_source_with_its_reuse_rate() {
    let mut world = water_world().await;
    let asked = pb::GetWaterBalanceRequest {
        name: "parks/p".to_owned(),
        period: period(year(2022)),
        as_of: None,
    };
    let balance = world
        .indicators
        .get_water_balance(asked)
        .await
        .expect("a balance")
        .into_inner();
    assert_eq!(
        (value(&balance.intake), value(&balance.reused)),
        ("1000", "3000")
    );
    // 3,000 ÷ (1,000 + 3,000).
    assert_eq!(balance.reuse_percent, "75.000000");
    let sources: Vec<(&str, &str)> = balance
        .sources
        .iter()
        .map(|of| (of.source.as_str(), value(&of.amount)))
        .collect();
    assert_eq!(sources, [("municipal", "200"), ("groundwater", "800")]);
    assert!(balance.unaccounted.is_none() && balance.leakage_percent.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn only_the_asked_sources_count_and_the_figure_says_so() {
    let mut world = water_world().await;
    let mut asked = get("parks/p", year(2022));
    let all = world
        .indicators
        .get_water_intensity(asked.clone())
        .await
        .expect("a figure");
    assert_eq!(all.into_inner().value, "5.000000");
    asked.water_sources = vec!["municipal".to_owned()];
    let town = world
        .indicators
        .get_water_intensity(asked.clone())
        .await
        .expect("a figure");
    let town = town.into_inner();
    assert_eq!(
        (town.value.as_str(), value(&town.numerator)),
        ("1.000000", "200")
    );
    assert_eq!(town.water_sources, ["municipal"]);
    let refused = world.indicators.get_energy_intensity(asked.clone()).await;
    assert_eq!(refused.expect_err("no water").code(), Code::InvalidArgument);
    asked.water_sources = vec!["sea".to_owned()];
    let refused = world
        .indicators
        .get_water_intensity(asked.clone())
        .await
        .expect_err("no source");
    assert!(
        refused.message().contains("desalinated"),
        "{}",
        refused.message()
    );
    // A meter that does not say where its water comes from is left out, and named.
    register(&mut world, "f", "fresh_water", counted()).await;
    asked.water_sources = vec!["groundwater".to_owned()];
    let wells = world
        .indicators
        .get_water_intensity(asked)
        .await
        .expect("a figure")
        .into_inner();
    assert_eq!(value(&wells.numerator), "800");
    let told = |note: &String| note.contains("enterprises/f/meters/fresh_water");
    assert!(wells.notes.iter().any(told), "{:?}", wells.notes);
    world.stop().await;
}

#[tokio::test]
async fn a_lineage_has_the_meters_of_the_asked_sources_alone() {
    let mut world = water_world().await;
    let asked = pb::ExplainRequest {
        indicator: "water-intensity".to_owned(),
        question: Some(pb::GetIndicatorRequest {
            water_sources: vec!["municipal".to_owned()],
            ..get("parks/p", year(2022))
        }),
    };
    let answer = world.indicators.explain(asked).await;
    let mut parts = answer.expect("a stream").into_inner();
    let mut meters = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        if let Some(Part::Meter(meter)) = part.part {
            meters.push((meter.meter, value(&meter.amount).to_owned()));
        }
    }
    let town = "parks/p/enterprises/f/meters/fresh_water".to_owned();
    assert_eq!(meters, [(town, "200".to_owned())]);
    drop(parts);
    world.stop().await;
}

#[tokio::test]
async fn what_sub_meters_do_not_account_for_is_leakage() {
    let mut world = World::new().await;
    let of = day("2022-03-01");
    let main = series("main", "fresh_water", Kind::Interval);
    let hall = series("hall", "fresh_water", Kind::Interval);
    let noon = at(of, 12);
    let readings = rows("e", &[(main, &[(noon, "1000")]), (hall, &[(noon, "930")])]);
    world.seal(PARK, &[(of, readings)], 1, With::Totals).await;
    for (meter, parent) in [("main", ""), ("hall", "main")] {
        let meter = pb::Meter {
            name: format!("{NAME}/meters/{meter}"),
            quantity: "fresh_water".to_owned(),
            kind: "interval".to_owned(),
            counted: parent.is_empty(),
            parent: parent.to_owned(),
            valid_from: "2018-01-01".to_owned(),
            ..pb::Meter::default()
        };
        world.register_meter(meter).await;
    }
    let asked = pb::GetWaterBalanceRequest {
        name: NAME.to_owned(),
        period: period(year(2022)),
        as_of: None,
    };
    let balance = world
        .indicators
        .get_water_balance(asked)
        .await
        .expect("a balance")
        .into_inner();
    assert_eq!(
        (value(&balance.intake), value(&balance.unaccounted)),
        ("1000", "70")
    );
    assert_eq!(balance.leakage_percent, "7.000000");
    world.stop().await;
}

async fn ledger(world: &mut World, name: &str, by_code: bool) -> pb::WasteLedger {
    let asked = pb::GetWasteLedgerRequest {
        name: name.to_owned(),
        period: period(year(2022)),
        by_code,
        as_of: None,
    };
    let ledger = world.indicators.get_waste_ledger(asked).await;
    ledger.expect("a ledger").into_inner()
}

#[tokio::test]
async fn what_one_enterprise_hands_to_another_is_utilized_once() {
    let mut world = World::new().await;
    let of = day("2022-03-01");
    let maker = [
        ("fly_ash.generated", "100"),
        ("fly_ash.utilized", "60"),
        ("fly_ash.stored", "40"),
    ];
    let taker = [("fly_ash.received", "60"), ("fly_ash.utilized", "60")];
    world
        .seal(PARK, &[one_day("e", of, &maker)], 1, With::Totals)
        .await;
    world
        .seal(PARK, &[one_day("f", of, &taker)], 1, With::Totals)
        .await;
    let figure = world
        .indicators
        .get_waste_utilization(get("parks/p", year(2022)))
        .await;
    let figure = figure.expect("a figure").into_inner();
    assert_eq!(
        (figure.value.as_str(), value(&figure.numerator)),
        ("60.000000", "60")
    );
    assert_eq!(figure.waste_set, "bulk-ndrc-2021");
    let park = ledger(&mut world, "parks/p", false).await;
    let row = &park.rows[0];
    assert_eq!((value(&row.utilized), value(&row.received)), ("120", "60"));
    assert_eq!(
        (value(&row.identity_gap), row.utilization_percent.as_str()),
        ("0", "60.000000")
    );
    let open = |note: &String| note.contains("does not close") || note.contains("is received");
    assert!(!park.notes.iter().any(open), "{:?}", park.notes);
    world.stop().await;
}

#[tokio::test]
async fn method_d_the_ledger_is_told_by_code_and_its_gap_named() {
    let mut world = World::new().await;
    let of = day("2022-03-01");
    let amounts = [
        ("fly_ash.generated", "100"),
        ("fly_ash.utilized", "80"),
        ("fly_ash.utilized_old_stock", "10"),
        ("fly_ash.stored", "25"),
        ("fly_ash.disposed", "5"),
        ("furnace_slag.generated", "7"),
    ];
    world
        .seal(PARK, &[one_day("e", of, &amounts)], 1, With::Totals)
        .await;
    world.register_enterprise(PARK, "e", true).await;
    let code = |code: &str| pb::Meter {
        waste_code: code.to_owned(),
        ..counted()
    };
    for (quantity, _) in &amounts[..5] {
        register(&mut world, "e", quantity, code("900-001-S02")).await;
    }
    register(
        &mut world,
        "e",
        "furnace_slag.generated",
        code("441-001-S03"),
    )
    .await;
    let told = ledger(&mut world, NAME, true).await;
    let rows: Vec<(&str, &str, &str, bool)> = told
        .rows
        .iter()
        .map(|r| {
            (
                r.code.as_str(),
                r.class_title.as_str(),
                r.utilization_percent.as_str(),
                r.bulk,
            )
        })
        .collect();
    let ash = ("900-001-S02", "粉煤灰", "72.727273", true);
    let slag = ("441-001-S03", "炉渣", "0.000000", false);
    assert_eq!(rows, [ash, slag]);
    let bulk = told.bulk_total.as_ref().expect("a total");
    assert_eq!(
        (value(&bulk.generated), value(&bulk.identity_gap)),
        ("100", "0")
    );
    for parts in [
        ["furnace_slag does not close", "by 7 t"],
        ["codes of another industry", "441-001-S03, C31"],
    ] {
        let noted = |note: &String| parts.iter().all(|part| note.contains(part));
        assert!(told.notes.iter().any(noted), "{:?}", told.notes);
    }
    world.stop().await;
}

/// FAULTS A7: a source of water and a code of waste hold before and after the days of their only entry, as in the
/// figures.
#[tokio::test]
async fn what_a_meter_is_registered_with_in_february_holds_all_year() {
    let mut world = World::new().await;
    let amounts = [
        ("fresh_water", "10"),
        ("fly_ash.generated", "5"),
        ("fly_ash.stored", "5"),
    ];
    let read = ["2022-01-10", "2022-02-10", "2022-06-10"];
    let days = read.map(|of| one_day("e", day(of), &amounts));
    world.seal(PARK, &days, 1, With::Totals).await;
    let february = |meter: &str, quantity: &str| pb::Meter {
        name: format!("{NAME}/meters/{meter}"),
        quantity: quantity.to_owned(),
        kind: "interval".to_owned(),
        valid_from: "2022-02-01".to_owned(),
        valid_to: "2022-02-28".to_owned(),
        ..counted()
    };
    let wells = pb::Meter {
        water_source: "groundwater".to_owned(),
        ..february("fresh_water", "fresh_water")
    };
    let ash = pb::Meter {
        waste_code: "900-001-S02".to_owned(),
        ..february("fly_ash-generated", "fly_ash.generated")
    };
    world.register_meter(wells).await;
    world.register_meter(ash).await;
    let asked = pb::GetIndicatorRequest {
        water_sources: vec!["groundwater".to_owned()],
        ..get(NAME, year(2022))
    };
    let figure = world.indicators.get_water_intensity(asked).await;
    let figure = figure.expect("a figure").into_inner();
    assert_eq!(value(&figure.numerator), "30");
    let asked = pb::GetWaterBalanceRequest {
        name: NAME.to_owned(),
        period: period(year(2022)),
        as_of: None,
    };
    let balance = world.indicators.get_water_balance(asked).await;
    let balance = balance.expect("a balance").into_inner();
    let sources = balance.sources.iter();
    let sources: Vec<(&str, &str)> = sources
        .map(|of| (of.source.as_str(), value(&of.amount)))
        .collect();
    assert_eq!(sources, [("groundwater", "30")]);
    let unknown = |note: &String| note.contains("do not say where their water comes from");
    assert!(!balance.notes.iter().any(unknown), "{:?}", balance.notes);
    let told = ledger(&mut world, NAME, true).await;
    let rows: Vec<(&str, &str, &str)> = told
        .rows
        .iter()
        .map(|row| {
            let (code, generated) = (row.code.as_str(), value(&row.generated));
            (code, generated, value(&row.stored))
        })
        .collect();
    assert_eq!(rows, [("", "0", "15"), ("900-001-S02", "15", "0")]);
    // What is only stored has no rate, and its row is named.
    let none = "no utilization rate of fly_ash without a code: 0 t of 0 t";
    let noted = |note: &String| note.contains(none);
    assert!(told.notes.iter().any(noted), "{:?}", told.notes);
    world.stop().await;
}
