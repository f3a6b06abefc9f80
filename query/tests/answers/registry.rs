//! Registering, declaring and listing.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::fixture::*;

fn fields(status: &tonic::Status) -> Vec<String> {
    let violations = status
        .get_details_bad_request()
        .expect("details")
        .field_violations;
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn every_mistake_of_a_declaration_is_named_and_nothing_is_recorded() {
    let mut world = World::new().await;
    let good = value_added(PARK, "e", year(2024), "10.5");
    let bad = pb::Statistic {
        enterprise: "parks/other/enterprises/e".to_owned(),
        series: "turnover".to_owned(),
        period: period(days("2024-01-01", "2024-01-31")),
        amount: "1.1234567".to_owned(),
        price_base: "nominal".to_owned(),
        ..pb::Statistic::default()
    };
    let request = pb::DeclareStatisticsRequest {
        parent: "parks/p".to_owned(),
        statistics: vec![good.clone(), bad],
        recorded_by: String::new(),
        evidence: String::new(),
    };
    let refused = world
        .registry
        .declare_statistics(request)
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let named = fields(&refused);
    let expected = [
        "recorded_by",
        "[1].enterprise",
        "[1].series",
        "[1].period",
        "[1].amount",
        "[1].price_base",
    ];
    assert_eq!(named.len(), expected.len(), "{named:?}");
    for (field, end) in named.iter().zip(expected) {
        assert!(field.ends_with(end), "{field} {end}");
    }
    world.declare(PARK, vec![good]).await;
    let parent = "parks/p/enterprises/-".to_owned();
    let request = pb::ListStatisticsRequest {
        parent,
        ..pb::ListStatisticsRequest::default()
    };
    let listed = world
        .registry
        .list_statistics(request)
        .await
        .expect("listed")
        .into_inner()
        .statistics;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].amount.as_str(), listed[0].r#final),
        ("10.5", true)
    );
    world.stop().await;
}

#[tokio::test]
async fn every_mistake_of_an_entry_is_named() {
    let mut world = World::new().await;
    let meter = pb::Meter {
        name: "parks/p/enterprises/e".to_owned(),
        quantity: "phlogiston".to_owned(),
        kind: "odometer".to_owned(),
        modulus: "-1".to_owned(),
        valid_from: "2024-13-01".to_owned(),
        ..pb::Meter::default()
    };
    let request = pb::RegisterMeterRequest {
        meter: Some(meter),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let refused = world
        .registry
        .register_meter(request)
        .await
        .expect_err("refused");
    let named = [
        "meter.name",
        "meter.quantity",
        "meter.kind",
        "meter.modulus",
        "meter.valid_from",
    ];
    assert_eq!(fields(&refused), named);
    let enterprise = pb::Enterprise {
        name: "parks/p/enterprises/e".to_owned(),
        industry: "steel".to_owned(),
        valid_from: "2024-02-01".to_owned(),
        valid_to: "2024-01-01".to_owned(),
        ..pb::Enterprise::default()
    };
    let request = pb::RegisterEnterpriseRequest {
        enterprise: Some(enterprise),
        recorded_by: String::new(),
        evidence: String::new(),
    };
    let refused = world
        .registry
        .register_enterprise(request)
        .await
        .expect_err("refused");
    let named = [
        "enterprise.title",
        "enterprise.industry",
        "enterprise.valid_to",
        "recorded_by",
    ];
    assert_eq!(fields(&refused), named);
    assert!(
        world
            .lake
            .reference()
            .entries()
            .await
            .expect("read")
            .entries
            .is_empty()
    );
    world.stop().await;
}

#[tokio::test]
async fn enterprises_and_parks_are_listed_in_pages_as_they_stand_today() {
    let mut world = World::new().await;
    for (park, id) in [("p", "a"), ("p", "b"), ("p", "c"), ("q", "d")] {
        world.register_enterprise(park, id, true).await;
    }
    world.register_enterprise("p", "b", false).await;
    let meter = series("m", "electricity", Kind::Interval);
    world
        .seal(
            "p",
            &daily("a", &meter, day("2024-05-01"), &["1".into()]),
            1,
            With::Totals,
        )
        .await;
    let request = pb::ListEnterprisesRequest {
        parent: "parks/p".to_owned(),
        page_size: 2,
        page_token: String::new(),
        ..pb::ListEnterprisesRequest::default()
    };
    let first = world
        .registry
        .list_enterprises(request.clone())
        .await
        .expect("listed")
        .into_inner();
    let told: Vec<_> = first
        .enterprises
        .iter()
        .map(|e| (e.title.as_str(), e.above_designated_size))
        .collect();
    assert_eq!(told, [("a", true), ("b", false)]);
    let next = pb::ListEnterprisesRequest {
        page_token: first.next_page_token,
        ..request
    };
    let second = world
        .registry
        .list_enterprises(next)
        .await
        .expect("listed")
        .into_inner();
    assert_eq!(
        (second.enterprises.len(), second.next_page_token.as_str()),
        (1, "")
    );
    let parks = world
        .registry
        .list_parks(pb::ListParksRequest::default())
        .await;
    let parks = parks.expect("listed").into_inner().parks;
    let told: Vec<_> = parks
        .iter()
        .map(|park| (park.name.as_str(), park.years.as_slice()))
        .collect();
    assert_eq!(told, [("parks/p", &[2024][..]), ("parks/q", &[])]);
    world.stop().await;
}

/// A counter read today, tickets of last year, a meter of another enterprise, and a registered one that
/// never said a thing.
async fn meters() -> World {
    let mut world = World::new().await;
    let counter = series("counter", "electricity", Kind::Register);
    let tickets = series("tickets", "fly_ash.generated", Kind::Event);
    let (old, today) = (day("2025-12-30"), day("2026-11-23"));
    let registers = [(at(old, 1), "100"), (at(old, 2), "101.5")];
    let weighed = [(at(old, 3), "30"), (at(old, 4), "31.25")];
    let sealed = rows("a", &[(counter.clone(), &registers), (tickets, &weighed)]);
    world.seal(PARK, &[(old, sealed)], 1, With::Totals).await;
    let live = rows("a", &[(counter, &[(at(today, 1), "200")])]);
    world.hot(PARK, today, 1, &live).await;
    let water = series("w", "fresh_water", Kind::Register);
    let other = rows("b", &[(water, &[(at(old, 5), "7")])]);
    world.seal(PARK, &[(old, other)], 1, With::Totals).await;
    let silent = pb::Meter {
        name: "parks/p/enterprises/a/meters/silent".to_owned(),
        quantity: "steam".to_owned(),
        kind: "register".to_owned(),
        modulus: "1000".to_owned(),
        counted: true,
        valid_from: "2020-01-01".to_owned(),
        ..pb::Meter::default()
    };
    world.register_meter(silent).await;
    world
}

async fn listed(world: &mut World, parent: &str) -> Vec<pb::Meter> {
    let request = pb::ListMetersRequest {
        parent: parent.to_owned(),
        ..pb::ListMetersRequest::default()
    };
    let listed = world.registry.list_meters(request).await;
    listed.expect("listed").into_inner().meters
}

#[tokio::test]
async fn meters_are_listed_with_their_latest_reading_whatever_its_kind_and_day() {
    let mut world = meters().await;
    let meters = listed(&mut world, "parks/p/enterprises/-").await;
    let told = |meter: &pb::Meter| {
        let name = meter.name.trim_start_matches("parks/p/enterprises/");
        let latest = meter.latest.as_ref();
        let latest = latest.map(|r| format!("{} {} {}", r.value, r.unit, r.flag));
        format!("{name}: {}", latest.unwrap_or_default())
    };
    let expected = [
        "a/meters/counter: 200 kWh N",
        "a/meters/silent: ",
        "a/meters/tickets: 31.25 t N",
        "b/meters/w: 7 m3 N",
    ];
    assert_eq!(meters.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(meters[0].recorded_at.is_none() && meters[1].recorded_at.is_some());
    assert_eq!(meters[1].modulus, "1000");
    let instant = meters[2].latest.as_ref().and_then(|r| r.instant);
    let instant = instant.expect("an instant");
    assert_eq!(instant.seconds * 1_000, at(day("2025-12-30"), 4));
    let of_one = listed(&mut world, "parks/p/enterprises/b").await;
    assert_eq!(of_one.len(), 1);
    world.stop().await;
}
