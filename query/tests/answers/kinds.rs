//! Meters that are heard as two kinds, and tickets of a ledger that do not count.

use greenpark_archive::rows::Rows;
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1::{self as pb, quality_client::QualityClient};

use crate::{
    fixture::{PARK, With, World, at, day, days, period, rows, series, value, value_added, year},
    statements::{hourly, noted},
};

const NAME: &str = "parks/p/enterprises/e";

/// A day on which a meter's register rose by 230, and the same hours as intervals.
fn both(of: CivilDay) -> (CivilDay, Rows) {
    let register = series("m", "electricity", Kind::Register);
    let interval = series("m", "electricity", Kind::Interval);
    let registers: Vec<(i64, String)> = (0..24)
        .map(|hour| (at(of, hour), (1_000 + hour * 10).to_string()))
        .collect();
    let registers: Vec<(i64, &str)> = registers.iter().map(|(i, v)| (*i, v.as_str())).collect();
    let intervals: Vec<(i64, &str)> = (0..23).map(|hour| (at(of, hour), "10")).collect();
    let of_day = rows("e", &[(register, &registers), (interval, &intervals)]);
    (of, of_day)
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

async fn verdict(world: &mut World) -> pb::Verdict {
    let request = pb::GetProgressRequest {
        name: NAME.to_owned(),
        year: 2025,
        ..pb::GetProgressRequest::default()
    };
    let progress = world.indicators.get_progress(request).await;
    progress.expect("progress").into_inner().targets[0].verdict()
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
    let found = findings(&world, year(2025)).await;
    let kind: Vec<_> = found.iter().filter(|of| of.check == "kind").collect();
    assert_eq!(kind.len(), 1, "{found:?}");
    assert_eq!(kind[0].name, name);
    assert!(
        kind[0].detail.contains("23 reading(s) as interval") && kind[0].detail.contains("register"),
        "{}",
        kind[0].detail
    );
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
    assert_eq!(verdict(&mut world).await, pb::Verdict::Unknown);
    let found = findings(&world, year(2025)).await;
    assert_eq!(found.iter().filter(|of| of.check == "kind").count(), 2);
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
async fn tickets_that_were_dropped_are_findings_of_the_ledger() {
    let mut world = World::new().await;
    let scale = series("scale", "fly_ash.generated", Kind::Event);
    let of = day("2025-03-05");
    let ticket = |amount| rows("e", &[(scale.clone(), &[(at(of, 9), amount)])]);
    world.hot(PARK, of, 1, &ticket("31.46")).await;
    world.hot(PARK, of, 2, &ticket("31.46")).await;
    world.hot(PARK, of, 3, &ticket("28.9")).await;
    let asked = pb::GetWasteLedgerRequest {
        name: NAME.to_owned(),
        period: period(year(2025)),
        ..pb::GetWasteLedgerRequest::default()
    };
    let ledger = world.indicators.get_waste_ledger(asked).await;
    let ledger = ledger.expect("a ledger").into_inner();
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
