//! Meters that are heard as two kinds, and tickets of a ledger that do not count.

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1::{self as pb, UnsoundKind, quality_client::QualityClient};

use crate::{
    fixture::{
        PARK, With, World, at, day, days, get, period, rows, series, value, value_added, year,
    },
    sound_years::kinds,
    statements::{hourly, noted},
};

const NAME: &str = "parks/p/enterprises/e";

/// A day on which a meter's register rose by 230, and the same hours as intervals.
fn both(of: CivilDay) -> (CivilDay, ReadingRows) {
    both_of("electricity", of, &[])
}

/// The same of any quantity, beside amounts of other quantities that are heard as intervals alone.
fn both_of(quantity: &str, of: CivilDay, beside: &[(&str, &str)]) -> (CivilDay, ReadingRows) {
    let register = series("m", quantity, Kind::Register);
    let interval = series("m", quantity, Kind::Interval);
    let registers: Vec<(i64, String)> = (0..24)
        .map(|hour| (at(of, hour), (1_000 + hour * 10).to_string()))
        .collect();
    let registers: Vec<(i64, &str)> = registers.iter().map(|(i, v)| (*i, v.as_str())).collect();
    let intervals: Vec<(i64, &str)> = (0..23).map(|hour| (at(of, hour), "10")).collect();
    let mut all = vec![(register, registers), (interval, intervals)];
    for (quantity, amount) in beside {
        let other = series("other", quantity, Kind::Interval);
        all.push((other, vec![(at(of, 12), *amount)]));
    }
    let all: Vec<_> = all.iter().map(|(s, v)| (s.clone(), v.as_slice())).collect();
    (of, rows("e", &all))
}

async fn kwh(world: &mut World, of: pb::period::Period) -> (pb::Figure, String) {
    let figure = world.energy(NAME, of).await;
    let amount = value(&figure.components[0].amount).to_owned();
    (figure, amount)
}

async fn findings(world: &World, of: pb::period::Period) -> Vec<pb::Finding> {
    let asked = pb::GetQualityRequest {
        name: NAME.to_owned(),
        period: period(of),
        ..pb::GetQualityRequest::default()
    };
    let mut client = QualityClient::new(world.channel.clone());
    let report = client.get_quality(asked).await.expect("a report");
    report.into_inner().findings
}

/// The findings about kinds of the meter of `quantity`.
async fn found_kinds(world: &World, quantity: &str) -> Vec<pb::Finding> {
    let mut found = findings(world, year(2025)).await;
    found.retain(|of| of.check == "kind");
    for of in &found {
        assert_eq!(
            (of.name.as_str(), of.quantity.as_str()),
            ("parks/p/enterprises/e/meters/m", quantity)
        );
    }
    found
}

/// Quality finds once that the intervals of the meter `m`, which is registered as a register, do not count.
async fn intervals_are_found(world: &World, quantity: &str) {
    let found = found_kinds(world, quantity).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let detail = &found[0].detail;
    assert!(
        detail.contains("23 reading(s) as interval") && detail.contains("register"),
        "{detail}"
    );
}

/// The target of an indicator in 2025.
async fn target(world: &mut World, indicator: &str) -> pb::TargetProgress {
    let progress = world.progress_of(NAME, 2025).await;
    let is_it = |of: &pb::TargetProgress| {
        let target = of.target.as_ref();
        target.is_some_and(|target| target.indicator == indicator)
    };
    let mut targets = progress.targets.into_iter();
    targets.find(is_it).expect("a target of the plan")
}

/// There is no verdict in these years, and one of the reasons is the kind of the meter `m`.
fn withheld_by_kind(target: &pb::TargetProgress, years: &[i32]) {
    assert_eq!(target.verdict(), pb::Verdict::Unknown);
    let reasons = target.unsound.iter();
    let by_kind: Vec<_> = reasons
        .filter(|of| of.kind() == UnsoundKind::KindConflict)
        .collect();
    let of_years: Vec<i32> = by_kind.iter().map(|of| of.year).collect();
    assert_eq!(of_years, years, "{:?}", target.unsound);
    for of in by_kind {
        assert_eq!(of.names, ["parks/p/enterprises/e/meters/m"]);
    }
}

async fn water_figure(world: &mut World) -> pb::Figure {
    let asked = get(NAME, year(2025));
    let figure = world.indicators.get_water_intensity(asked).await;
    figure.expect("a figure").into_inner()
}

async fn water_balance(world: &mut World) -> pb::WaterBalance {
    let asked = pb::GetWaterBalanceRequest {
        name: NAME.to_owned(),
        period: period(year(2025)),
        as_of: None,
    };
    let balance = world.indicators.get_water_balance(asked).await;
    balance.expect("a balance").into_inner()
}

async fn waste_figure(world: &mut World) -> pb::Figure {
    let asked = get(NAME, year(2025));
    let figure = world.indicators.get_waste_utilization(asked).await;
    figure.expect("a figure").into_inner()
}

async fn waste_ledger(world: &mut World) -> pb::WasteLedger {
    let asked = pb::GetWasteLedgerRequest {
        name: NAME.to_owned(),
        period: period(year(2025)),
        ..pb::GetWasteLedgerRequest::default()
    };
    let ledger = world.indicators.get_waste_ledger(asked).await;
    ledger.expect("a ledger").into_inner()
}

#[tokio::test]
async fn a_registered_meter_counts_with_readings_of_its_kind_alone() {
    let mut world = World::new().await;
    world
        .seal(PARK, &[both(day("2025-03-05"))], 1, With::Totals)
        .await;
    world
        .register_meter(hourly("m", "electricity", "register"))
        .await;
    let (figure, amount) = kwh(&mut world, year(2025)).await;
    assert_eq!(amount, "230");
    let coverage = figure.coverage.expect("coverage");
    assert_eq!(coverage.received, 24);
    let name = format!("{NAME}/meters/m");
    assert!(
        noted(
            &figure.notes,
            &["another kind than the meter is registered as", &name]
        ),
        "{:?}",
        figure.notes
    );
    intervals_are_found(&world, "electricity").await;
    world.stop().await;
}

#[tokio::test]
async fn a_meter_that_is_not_registered_and_heard_as_two_kinds_counts_once_and_is_not_judged() {
    let mut world = World::new().await;
    for of in [2020, 2025] {
        let of_year = [both(day(&format!("{of}-03-05")))];
        world.seal(PARK, &of_year, 1, With::Totals).await;
        world
            .declare(PARK, vec![value_added(PARK, "e", year(of), "100")])
            .await;
    }
    let (figure, amount) = kwh(&mut world, year(2025)).await;
    assert_eq!(amount, "230");
    assert!(
        noted(&figure.notes, &["heard as two kinds", "meters/m"]),
        "{:?}",
        figure.notes
    );
    let energy = target(&mut world, "energy-intensity").await;
    withheld_by_kind(&energy, &[2020, 2025]);
    assert_eq!(found_kinds(&world, "electricity").await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn one_reading_of_another_kind_never_outweighs_the_days_of_a_year() {
    let mut world = World::new().await;
    let interval = series("m", "electricity", Kind::Interval);
    let register = series("m", "electricity", Kind::Register);
    for n in 0..5 {
        let of = day("2025-03-05").plus(n);
        let mut all = vec![(interval.clone(), vec![(at(of, 12), "7")])];
        if n == 2 {
            all.push((register.clone(), vec![(at(of, 1), "0"), (at(of, 2), "900")]));
        }
        let all: Vec<_> = all.iter().map(|(s, v)| (s.clone(), v.as_slice())).collect();
        let of_day = [(of, rows("e", &all))];
        world.seal(PARK, &of_day, 1, With::Totals).await;
    }
    let (_, whole) = kwh(&mut world, year(2025)).await;
    assert_eq!(whole, "35");
    // Its own day is told as the year is.
    let (_, the_day) = kwh(&mut world, days("2025-03-07", "2025-03-07")).await;
    assert_eq!(the_day, "7");
    world.stop().await;
}

#[tokio::test]
async fn a_kind_that_changes_by_entry_counts_on_the_days_of_each() {
    let mut world = World::new().await;
    for of in ["2025-03-05", "2025-09-05"] {
        world.seal(PARK, &[both(day(of))], 1, With::Totals).await;
    }
    let until = pb::Meter {
        valid_to: "2025-06-30".to_owned(),
        ..hourly("m", "electricity", "interval")
    };
    let from = pb::Meter {
        valid_from: "2025-07-01".to_owned(),
        interval_s: 0,
        ..hourly("m", "electricity", "register")
    };
    world.register_meter(until).await;
    world.register_meter(from).await;
    let month = |of: &str| pb::period::Period::Month(of.to_owned());
    let (march, spring) = kwh(&mut world, month("2025-03")).await;
    assert_eq!(spring, "230");
    assert_eq!(march.coverage.expect("coverage").received, 23);
    let (september, autumn) = kwh(&mut world, month("2025-09")).await;
    assert_eq!(autumn, "230");
    assert_eq!(september.coverage.expect("coverage").received, 24);
    world.stop().await;
}

#[tokio::test]
async fn a_meter_counts_once_before_its_first_entry_too() {
    let mut world = World::new().await;
    world
        .seal(PARK, &[both(day("2025-03-05"))], 1, With::Totals)
        .await;
    let later = pb::Meter {
        valid_from: "2025-07-01".to_owned(),
        ..hourly("m", "electricity", "register")
    };
    world.register_meter(later).await;
    let (_, amount) = kwh(&mut world, year(2025)).await;
    assert_eq!(amount, "230");
    world.stop().await;
}

#[tokio::test]
async fn a_registered_meter_of_fresh_water_counts_once_in_figure_and_balance() {
    let mut world = World::new().await;
    let of_day = both_of("fresh_water", day("2025-03-05"), &[]);
    world.seal(PARK, &[of_day], 1, With::Totals).await;
    let wells = pb::Meter {
        water_source: "groundwater".to_owned(),
        ..hourly("m", "fresh_water", "register")
    };
    world.register_meter(wells).await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2025), "100")])
        .await;
    let figure = water_figure(&mut world).await;
    assert_eq!(
        (figure.value.as_str(), value(&figure.numerator)),
        ("2.300000", "230")
    );
    assert!(!kinds(&figure.unsound).contains(&UnsoundKind::KindConflict));
    let balance = water_balance(&mut world).await;
    let [source] = &balance.sources[..] else {
        panic!("one source: {:?}", balance.sources)
    };
    assert_eq!(
        (source.source.as_str(), value(&source.amount)),
        ("groundwater", "230")
    );
    assert_eq!(value(&balance.intake), "230");
    for (coverage, notes) in [
        (&figure.coverage, &figure.notes),
        (&balance.coverage, &balance.notes),
    ] {
        assert_eq!(coverage.as_ref().expect("coverage").received, 24);
        let parts = ["another kind than the meter is registered as", "e/meters/m"];
        assert!(noted(notes, &parts), "{notes:?}");
    }
    intervals_are_found(&world, "fresh_water").await;
    world.stop().await;
}

#[tokio::test]
async fn a_meter_of_fresh_water_that_is_not_registered_counts_once_and_is_not_judged() {
    let mut world = World::new().await;
    for of in [2020, 2025] {
        let of_day = both_of("fresh_water", day(&format!("{of}-03-05")), &[]);
        world.seal(PARK, &[of_day], 1, With::Totals).await;
        world
            .declare(PARK, vec![value_added(PARK, "e", year(of), "100")])
            .await;
    }
    let figure = water_figure(&mut world).await;
    assert_eq!(value(&figure.numerator), "230");
    let balance = water_balance(&mut world).await;
    assert_eq!((value(&balance.intake), balance.sources.len()), ("230", 1));
    for notes in [&figure.notes, &balance.notes] {
        let parts = ["heard as two kinds", "e/meters/m"];
        assert!(noted(notes, &parts), "{notes:?}");
    }
    let water = target(&mut world, "water-intensity").await;
    withheld_by_kind(&water, &[2020, 2025]);
    assert_eq!(found_kinds(&world, "fresh_water").await.len(), 2);
    world.stop().await;
}

/// A day on which 460 t came into being and 230 t of these were used, by registers and by intervals.
fn used(of: &str) -> (CivilDay, ReadingRows) {
    both_of("fly_ash.utilized", day(of), &[("fly_ash.generated", "460")])
}

#[tokio::test]
async fn a_registered_meter_of_waste_counts_once_in_figure_and_ledger() {
    let mut world = World::new().await;
    world
        .seal(PARK, &[used("2025-03-05")], 1, With::Totals)
        .await;
    world
        .register_meter(hourly("m", "fly_ash.utilized", "register"))
        .await;
    let figure = waste_figure(&mut world).await;
    assert_eq!(
        (figure.value.as_str(), value(&figure.numerator)),
        ("50.000000", "230")
    );
    assert!(!kinds(&figure.unsound).contains(&UnsoundKind::KindConflict));
    let ledger = waste_ledger(&mut world).await;
    let row = &ledger.rows[0];
    assert_eq!(
        (value(&row.utilized), row.utilization_percent.as_str()),
        ("230", "50.000000")
    );
    for notes in [&figure.notes, &ledger.notes] {
        let parts = ["another kind than the meter is registered as", "e/meters/m"];
        assert!(noted(notes, &parts), "{notes:?}");
    }
    intervals_are_found(&world, "fly_ash.utilized").await;
    world.stop().await;
}

#[tokio::test]
async fn a_meter_of_waste_that_is_not_registered_counts_once_and_is_not_judged() {
    let mut world = World::new().await;
    world
        .seal(PARK, &[used("2025-03-05")], 1, With::Totals)
        .await;
    let figure = waste_figure(&mut world).await;
    assert_eq!(
        (figure.value.as_str(), value(&figure.numerator)),
        ("50.000000", "230")
    );
    let ledger = waste_ledger(&mut world).await;
    assert_eq!(value(&ledger.rows[0].utilized), "230");
    for notes in [&figure.notes, &ledger.notes] {
        let parts = ["heard as two kinds", "e/meters/m"];
        assert!(noted(notes, &parts), "{notes:?}");
    }
    let waste = target(&mut world, "waste-utilization").await;
    withheld_by_kind(&waste, &[2025]);
    assert_eq!(found_kinds(&world, "fly_ash.utilized").await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn tickets_that_were_dropped_are_findings_of_the_ledger() {
    let mut world = World::new().await;
    let scale = series("scale", "fly_ash.generated", Kind::Event);
    let of = day("2025-03-05");
    let ticket = |amount| rows("e", &[(scale.clone(), &[(at(of, 9), amount)])]);
    world.hot(PARK, of, 1, &ticket("31.46")).await;
    world.hot(PARK, of, 2, &ticket("31.46")).await;
    world.hot(PARK, of, 3, &ticket("28.9")).await;
    let ledger = waste_ledger(&mut world).await;
    let found: Vec<(&str, &str)> = ledger
        .findings
        .iter()
        .map(|of| (of.check.as_str(), of.name.as_str()))
        .collect();
    let name = format!("{NAME}/meters/scale");
    assert_eq!(found, [("duplicate", name.as_str()), ("conflict", &name)]);
    assert!(ledger.findings[0].detail.starts_with("1 ticket(s)"));
    assert!(
        noted(&ledger.notes, &[&name, "dropped as repeats"]),
        "{:?}",
        ledger.notes
    );
    world.stop().await;
}
