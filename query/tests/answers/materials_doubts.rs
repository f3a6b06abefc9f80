//! What a reader of a water balance or a waste ledger must be told, beside the amounts.
//!
//! Their coverage, status and notes are those of the readings: what was declared of value added is no part of
//! them. A zero that nobody read is no zero.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;

use crate::fixture::{
    PARK, With, World, at, day, days, one_day, period, rows, series, value, value_added, year,
};

const NAME: &str = "parks/p/enterprises/e";

/// A meter of fresh water, counted where it stands behind no other.
fn water(meter: &str, parent: &str) -> pb::Meter {
    pb::Meter {
        name: format!("{NAME}/meters/{meter}"),
        quantity: "fresh_water".to_owned(),
        kind: "interval".to_owned(),
        counted: parent.is_empty(),
        parent: parent.to_owned(),
        valid_from: "2018-01-01".to_owned(),
        ..pb::Meter::default()
    }
}

async fn balance(world: &mut World, name: &str, of: pb::period::Period) -> pb::WaterBalance {
    let asked = pb::GetWaterBalanceRequest {
        name: name.to_owned(),
        period: period(of),
        as_of: None,
    };
    let balance = world.indicators.get_water_balance(asked).await;
    balance.expect("a balance").into_inner()
}

async fn ledger(world: &mut World, name: &str, of: pb::period::Period) -> pb::WasteLedger {
    let asked = pb::GetWasteLedgerRequest {
        name: name.to_owned(),
        period: period(of),
        by_code: false,
        as_of: None,
    };
    let ledger = world.indicators.get_waste_ledger(asked).await;
    ledger.expect("a ledger").into_inner()
}

fn told(notes: &[String], parts: &[&str]) -> bool {
    notes
        .iter()
        .any(|note| parts.iter().all(|part| note.contains(part)))
}

/// Seals a day on which each of the meters told an amount.
async fn seal(world: &World, of: &str, amounts: &[(&str, &str)]) {
    let of = day(of);
    let values: Vec<_> = amounts
        .iter()
        .map(|(meter, amount)| {
            let series = series(meter, "fresh_water", Kind::Interval);
            (series, [(at(of, 12), *amount)])
        })
        .collect();
    let values: Vec<_> = values.iter().map(|(s, v)| (s.clone(), &v[..])).collect();
    let readings = rows("e", &values);
    world.seal(PARK, &[(of, readings)], 1, With::Totals).await;
}

#[tokio::test]
async fn a_meter_behind_a_sub_meter_is_accounted_for_once() {
    let mut world = World::new().await;
    let amounts = [("main", "1000"), ("hall", "930"), ("machine", "500")];
    seal(&world, "2022-03-01", &amounts).await;
    for (meter, parent) in [("main", ""), ("hall", "main"), ("machine", "hall")] {
        world.register_meter(water(meter, parent)).await;
    }
    let told = balance(&mut world, NAME, year(2022)).await;
    assert_eq!(
        (value(&told.unaccounted), told.leakage_percent.as_str()),
        ("70", "7.000000")
    );
    world.stop().await;
}

#[tokio::test]
async fn a_meter_leaks_only_on_days_that_its_sub_meters_are_registered_for() {
    let mut world = World::new().await;
    seal(&world, "2022-03-01", &[("main", "1000")]).await;
    seal(&world, "2022-09-01", &[("main", "400"), ("hall", "390")]).await;
    world.register_meter(water("main", "")).await;
    let hall = pb::Meter {
        valid_from: "2022-07-01".to_owned(),
        ..water("hall", "main")
    };
    world.register_meter(hall).await;
    let told = balance(&mut world, NAME, year(2022)).await;
    assert_eq!(
        (value(&told.intake), value(&told.unaccounted)),
        ("1400", "10")
    );
    assert_eq!(told.leakage_percent, "2.500000");
    let spring = balance(&mut world, NAME, days("2022-01-01", "2022-06-30")).await;
    assert!(spring.unaccounted.is_none() && spring.leakage_percent.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn sub_meters_that_tell_more_or_nothing_are_named() {
    let mut world = World::new().await;
    seal(&world, "2022-03-01", &[("main", "1000"), ("hall", "1030")]).await;
    for (meter, parent) in [("main", ""), ("hall", "main"), ("silent", "main")] {
        world.register_meter(water(meter, parent)).await;
    }
    let of = balance(&mut world, NAME, year(2022)).await;
    assert_eq!(
        (value(&of.unaccounted), of.leakage_percent.as_str()),
        ("-30", "")
    );
    assert!(
        told(&of.notes, &["sub-meters tell 30 m3 more"]),
        "{:?}",
        of.notes
    );
    let silent = "parks/p/enterprises/e/meters/silent";
    assert!(
        told(&of.notes, &["not read in the period", silent]),
        "{:?}",
        of.notes
    );
    world.stop().await;
}

#[tokio::test]
async fn a_zero_that_nobody_read_says_so() {
    let mut world = World::new().await;
    let amounts = [("fresh_water", "5"), ("fly_ash.generated", "5")];
    let readings = one_day("e", day("2022-03-01"), &amounts);
    world.seal(PARK, &[readings], 1, With::Totals).await;
    let summer = || days("2022-07-01", "2022-07-31");
    let water = balance(&mut world, NAME, summer()).await;
    assert_eq!(value(&water.intake), "0");
    let none = "no meter of reused water was read in the period";
    assert!(told(&water.notes, &[none]), "{:?}", water.notes);
    let none = "no meter of new water was read in the period";
    assert!(told(&water.notes, &[none]), "{:?}", water.notes);
    let waste = ledger(&mut world, NAME, summer()).await;
    let none = "no meter of solid waste was read in the period";
    assert!(told(&waste.notes, &[none]), "{:?}", waste.notes);
    world.stop().await;
}

#[tokio::test]
async fn value_added_is_no_part_of_a_balance() {
    let mut world = World::new().await;
    let readings = one_day("e", day("2022-03-01"), &[("fresh_water", "5")]);
    world.seal(PARK, &[readings], 1, With::Totals).await;
    // A year's value added is prorated in a figure of March, which is operational for it.
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2022), "100")])
        .await;
    let march = || days("2022-03-01", "2022-03-31");
    let of = balance(&mut world, NAME, march()).await;
    assert_eq!(of.status(), pb::PeriodStatus::Final);
    assert!(!told(&of.notes, &["value added"]), "{:?}", of.notes);
    // Nor does a declaration at other prices hide what the balance stands on.
    let other = pb::Statistic {
        price_base: "current".to_owned(),
        ..value_added(PARK, "f", year(2022), "100")
    };
    let readings = one_day("f", day("2022-03-01"), &[("fresh_water", "7")]);
    world.seal(PARK, &[readings], 1, With::Totals).await;
    world.declare(PARK, vec![other]).await;
    let of = balance(&mut world, "parks/p", march()).await;
    assert_eq!(value(&of.intake), "12");
    assert_eq!(of.status(), pb::PeriodStatus::Final);
    let coverage = of.coverage.expect("a coverage");
    assert_eq!((coverage.received, of.revisions.len()), (2, 1));
    world.stop().await;
}

#[tokio::test]
async fn the_coverage_of_a_ledger_is_that_of_every_row() {
    let mut world = World::new().await;
    let amounts = [
        ("fly_ash.generated", "100"),
        ("fly_ash.stored", "100"),
        ("furnace_slag.generated", "7"),
        ("furnace_slag.stored", "7"),
    ];
    let readings = one_day("e", day("2022-03-01"), &amounts);
    world.seal(PARK, &[readings], 1, With::Totals).await;
    let of = ledger(&mut world, NAME, year(2022)).await;
    assert_eq!(of.coverage.expect("a coverage").received, 4);
    world.stop().await;
}

#[tokio::test]
async fn waste_that_is_received_and_handed_over_by_nobody_is_named() {
    let mut world = World::new().await;
    let of = day("2022-03-01");
    // 60 of these 100 t went to f, and e did not book their use.
    let maker = [("fly_ash.generated", "100"), ("fly_ash.stored", "40")];
    let taker = [("fly_ash.received", "60"), ("fly_ash.utilized", "60")];
    for (id, amounts) in [("e", &maker), ("f", &taker)] {
        let readings = one_day(id, of, amounts);
        world.seal(PARK, &[readings], 1, With::Totals).await;
    }
    let park = ledger(&mut world, "parks/p", year(2022)).await;
    let row = &park.rows[0];
    assert_eq!(
        (value(&row.identity_gap), row.utilization_percent.as_str()),
        ("60", "0.000000")
    );
    let parts = ["fly_ash: 60 t are received", "booked 0 t"];
    assert!(told(&park.notes, &parts), "{:?}", park.notes);
    // To the taker alone nothing is wrong.
    let taker = ledger(&mut world, "parks/p/enterprises/f", year(2022)).await;
    assert_eq!(value(&taker.rows[0].identity_gap), "0");
    assert!(!told(&taker.notes, &["are received"]), "{:?}", taker.notes);
    // It generated nothing that a rate could be of.
    assert_eq!(taker.rows[0].utilization_percent, "");
    let none = "no utilization rate of fly_ash: 0 t of 0 t";
    assert!(told(&taker.notes, &[none]), "{:?}", taker.notes);
    world.stop().await;
}

/// FAULTS A2: beside what is received and not used there is no rate below zero, in no row and no total.
#[tokio::test]
async fn more_received_than_used_is_no_rate() {
    let mut world = World::new().await;
    let amounts = [("fly_ash.generated", "100"), ("fly_ash.received", "10")];
    let readings = one_day("e", day("2022-03-01"), &amounts);
    world.seal(PARK, &[readings], 1, With::Totals).await;
    let of = ledger(&mut world, NAME, year(2022)).await;
    let row = &of.rows[0];
    assert_eq!((value(&row.generated), value(&row.received)), ("100", "10"));
    let totals = [&of.total, &of.bulk_total].map(|total| total.as_ref().expect("a total"));
    for row in [row, totals[0], totals[1]] {
        assert_eq!(row.utilization_percent, "", "{row:?}");
    }
    let why = "fly_ash: more is received from others than is used";
    assert!(told(&of.notes, &[why]), "{:?}", of.notes);
    world.stop().await;
}

/// FAULTS A2: meters of both ways can tell less than nothing, of the part and of the whole.
#[tokio::test]
async fn amounts_below_zero_are_told_without_a_rate() {
    let mut world = World::new().await;
    let of = day("2022-03-01");
    let (main, hall) = ("main", "hall");
    let amounts = [
        (main, "fresh_water", "-10"),
        (hall, "fresh_water", "-15"),
        ("loop", "reused_water", "-30"),
        ("scale", "fly_ash.generated", "-5"),
        ("kiln", "fly_ash.utilized", "2"),
    ];
    let values = amounts.map(|(meter, quantity, amount)| {
        let series = series(meter, quantity, Kind::Interval);
        (series, [(at(of, 12), amount)])
    });
    let values = values.each_ref().map(|(s, v)| (s.clone(), &v[..]));
    let readings = rows("e", &values);
    world.seal(PARK, &[(of, readings)], 1, With::Totals).await;
    for (meter, quantity, _) in amounts {
        let parent = if meter == hall { main } else { "" };
        let both_ways = pb::Meter {
            quantity: quantity.to_owned(),
            bidirectional: true,
            ..water(meter, parent)
        };
        world.register_meter(both_ways).await;
    }
    let balance = balance(&mut world, NAME, year(2022)).await;
    let amounts = [&balance.intake, &balance.reused, &balance.unaccounted].map(value);
    assert_eq!(amounts, ["-10", "-30", "5"]);
    let rates = (&balance.reuse_percent, &balance.leakage_percent);
    assert_eq!((rates.0.as_str(), rates.1.as_str()), ("", ""));
    for why in [
        "there is no reuse rate: -30 m3 of -40 m3",
        "there is no leakage rate: 5 m3 of -10 m3",
    ] {
        assert!(told(&balance.notes, &[why]), "{:?}", balance.notes);
    }
    let of = ledger(&mut world, NAME, year(2022)).await;
    let row = &of.rows[0];
    assert_eq!(
        (value(&row.generated), row.utilization_percent.as_str()),
        ("-5", "")
    );
    let why = "there is no utilization rate of fly_ash: 2 t of -5 t";
    assert!(told(&of.notes, &[why]), "{:?}", of.notes);
    world.stop().await;
}
