//! What is declared twice, brought to other prices, or of enterprises that count for a part of a year.

use greenpark_proto::query::v1::{self as pb, quality_client::QualityClient};

use crate::{
    fixture::{PARK, With, World, day, get, one_day, period, value, value_added, year},
    statements::noted,
};

const NAME: &str = "parks/p/enterprises/e";

fn month(year: i32, month: u8) -> pb::period::Period {
    pb::period::Period::Month(format!("{year}-{month:02}"))
}

/// A world where `e` used 1,000 kWh on the first of March and 600 on the first of September of 2022.
async fn world() -> World {
    let world = World::new().await;
    for (of, kwh) in [("2022-03-01", "1000"), ("2022-09-01", "600")] {
        let file = one_day("e", day(of), &[("electricity", kwh)]);
        world.seal(PARK, &[file], 1, With::Totals).await;
    }
    world
}

async fn above_from(world: &mut World, from: &str) {
    let request = pb::RegisterEnterpriseRequest {
        enterprise: Some(pb::Enterprise {
            name: NAME.to_owned(),
            title: "latecomer".to_owned(),
            above_designated_size: true,
            valid_from: from.to_owned(),
            ..pb::Enterprise::default()
        }),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let registered = world.registry.register_enterprise(request).await;
    registered.expect("registered");
}

fn twelve_months(amount: &str) -> Vec<pb::Statistic> {
    (1..=12)
        .map(|of| value_added(PARK, "e", month(2022, of), amount))
        .collect()
}

#[tokio::test]
async fn an_enterprise_counts_with_the_days_on_which_it_is_above_designated_size() {
    let mut world = world().await;
    above_from(&mut world, "2022-07-01").await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2022), "365")])
        .await;
    let figure = world.energy("parks/p", year(2022)).await;
    // 600 kWh over 184 of 365.
    assert_eq!(
        (value(&figure.numerator), value(&figure.denominator)),
        ("0.073740", "184")
    );
    assert_eq!(figure.status(), pb::PeriodStatus::Operational);
    assert!(
        noted(
            &figure.notes,
            &[
                "above designated size",
                "2022-07-01 to 2022-12-31",
                "value added with the same days"
            ]
        ),
        "{:?}",
        figure.notes
    );
    // Its quarters sum to it, and before it is above designated size it is not there.
    let quarter = |q: &str| pb::period::Period::Quarter(format!("2022-{q}"));
    let spring = world.energy("parks/p", quarter("Q1")).await;
    assert!(spring.enterprises.is_empty());
    let autumn = world.energy("parks/p", quarter("Q3")).await;
    assert_eq!(
        (value(&autumn.numerator), value(&autumn.denominator)),
        ("0.073740", "92")
    );
    // The one who asks for it by name has all of it.
    let alone = world.energy(NAME, year(2022)).await;
    assert_eq!(
        (value(&alone.numerator), value(&alone.denominator)),
        ("0.196640", "365")
    );
    world.stop().await;
}

#[tokio::test]
async fn one_day_above_designated_size_brings_one_day_into_a_figure() {
    let mut world = world().await;
    above_from(&mut world, "2022-12-31").await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2022), "365")])
        .await;
    let figure = world.energy("parks/p", year(2022)).await;
    assert_eq!(value(&figure.denominator), "1");
    assert_eq!(figure.enterprises, [NAME]);
    world.stop().await;
}

#[tokio::test]
async fn months_of_validity_that_are_declared_by_months_are_exact() {
    let mut world = world().await;
    above_from(&mut world, "2022-07-01").await;
    world.declare(PARK, twelve_months("10")).await;
    let figure = world.energy("parks/p", year(2022)).await;
    assert_eq!(value(&figure.denominator), "60");
    assert_eq!(figure.status(), pb::PeriodStatus::Final);
    world.stop().await;
}

#[tokio::test]
async fn an_enterprise_that_leaves_and_comes_back_counts_on_both_runs_of_days() {
    let mut world = world().await;
    let entry = |from: &str, to: &str, above: bool| pb::Enterprise {
        name: NAME.to_owned(),
        title: "in and out".to_owned(),
        above_designated_size: above,
        valid_from: from.to_owned(),
        valid_to: to.to_owned(),
        ..pb::Enterprise::default()
    };
    for enterprise in [
        entry("2020-01-01", "", true),
        entry("2022-02-01", "2022-08-31", false),
    ] {
        let request = pb::RegisterEnterpriseRequest {
            enterprise: Some(enterprise),
            recorded_by: "test".to_owned(),
            evidence: String::new(),
        };
        let registered = world.registry.register_enterprise(request).await;
        registered.expect("registered");
    }
    world.declare(PARK, twelve_months("10")).await;
    let figure = world.energy("parks/p", year(2022)).await;
    // September, and January with September to December.
    assert_eq!(
        (value(&figure.numerator), value(&figure.denominator)),
        ("0.073740", "50")
    );
    assert!(
        noted(
            &figure.notes,
            &["2022-01-01 to 2022-01-31 and 2022-09-01 to 2022-12-31"]
        ) && !noted(&figure.notes, &["no meter of theirs was read"]),
        "{:?}",
        figure.notes
    );
    world.stop().await;
}

async fn findings(world: &World, check: &str) -> Vec<String> {
    let asked = pb::GetQualityRequest {
        name: NAME.to_owned(),
        period: period(year(2022)),
        ..pb::GetQualityRequest::default()
    };
    let mut client = QualityClient::new(world.channel.clone());
    let report = client.get_quality(asked).await.expect("a report");
    let found = report.into_inner().findings.into_iter();
    found
        .filter(|of| of.check == check)
        .map(|of| of.detail)
        .collect()
}

#[tokio::test]
async fn of_a_year_and_its_months_the_later_counts_and_their_difference_is_found() {
    let mut world = world().await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2022), "120")])
        .await;
    world.declare(PARK, twelve_months("10.1")).await;
    let figure = world.energy(NAME, year(2022)).await;
    assert_eq!(value(&figure.denominator), "121.2");
    let parts = ["2022 is declared as 120", "sum to 121.2", "the parts"];
    assert!(noted(&figure.notes, &parts), "{:?}", figure.notes);
    let found = findings(&world, "declared-twice").await;
    assert!(found.len() == 1 && noted(&found, &parts), "{found:?}");
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2022), "121")])
        .await;
    let figure = world.energy(NAME, year(2022)).await;
    assert_eq!(value(&figure.denominator), "121");
    // Less than half of a hundredth.
    assert!(
        !noted(&figure.notes, &["declared as"]),
        "{:?}",
        figure.notes
    );
    assert!(findings(&world, "declared-twice").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn what_is_brought_to_constant_prices_is_rounded_once() {
    let mut world = world().await;
    let nominal = |statistic: pb::Statistic| pb::Statistic {
        price_base: "current".to_owned(),
        ..statistic
    };
    let all = twelve_months("1").into_iter().map(nominal).collect();
    world.declare(PARK, all).await;
    let request = pb::DeclareDeflatorsRequest {
        parent: "parks/p".to_owned(),
        deflators: vec![pb::Deflator {
            form: "price-index".to_owned(),
            year: 2022,
            base: "constant-2020".to_owned(),
            value: "1.2".to_owned(),
            industry: String::new(),
        }],
        recorded_by: "test".to_owned(),
        evidence: "yearbook".to_owned(),
    };
    let declared = world.registry.declare_deflators(request).await;
    declared.expect("declared");
    let figure = world
        .indicators
        .get_energy_intensity(get(NAME, year(2022)))
        .await;
    // 12 ÷ 1.2; months rounded to fen would sum to 9.999996.
    let figure = figure.expect("a figure").into_inner();
    assert_eq!(value(&figure.denominator), "10");
    world.stop().await;
}
