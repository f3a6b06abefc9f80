//! Figures and what they say of themselves.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::fixture::*;

/// The intervals of 2018 of a plant that used 959,640.31 kWh, as the public data of a steel plant say.
fn steel_year() -> Vec<String> {
    let mut days = vec!["2629.15".to_owned(); 364];
    days.push("2629.71".to_owned());
    days
}

#[tokio::test]
async fn a_plant_without_value_added_has_its_year_in_kwh_and_tce_and_no_value() {
    let mut world = World::new().await;
    let meter = series("main", "electricity", Kind::Interval);
    let sealed = daily("steel", &meter, day("2018-01-01"), &steel_year());
    world.seal(PARK, &sealed, 1, With::Totals).await;
    let figure = world.energy("parks/p/enterprises/steel", year(2018)).await;
    assert_eq!(value(&figure.numerator), "117.939794");
    let component = &figure.components[0];
    assert_eq!(value(&component.amount), "959640.31");
    assert_eq!(
        (component.quantity.as_str(), component.factor.as_str()),
        ("electricity", "0.1229")
    );
    assert!(
        component.factor_source.starts_with("[C]"),
        "{}",
        component.factor_source
    );
    assert_eq!(
        (figure.value.as_str(), value(&figure.denominator)),
        ("", "0")
    );
    assert_eq!(figure.status(), pb::PeriodStatus::Preliminary);
    let coverage = figure.coverage.as_ref().expect("coverage");
    assert_eq!(
        (coverage.received, coverage.meter_days, coverage.open_days),
        (365, 365, 0)
    );
    let revision = &figure.revisions[0];
    assert_eq!(
        (revision.sealed_days, revision.revision_max, revision.year),
        (365, 1, 2018)
    );
    let notes = figure.notes.join("\n");
    assert!(notes.contains("there is no value"), "{notes}");
    assert!(
        notes.contains("meters without a registry entry are counted"),
        "{notes}"
    );
    assert_eq!(
        (figure.population.as_str(), figure.media.as_str()),
        ("named", "excluded")
    );
    let mut primary = get("parks/p/enterprises/steel", year(2018));
    primary.basis = pb::Basis::PrimaryEquivalent.into();
    let primary = world
        .indicators
        .get_energy_intensity(primary)
        .await
        .expect("a figure");
    assert_eq!(value(&primary.into_inner().numerator), "297.488496");
    world.stop().await;
}

/// METHOD (a): 1 200 000 kWh + 50 000 m³ gas + 8 t diesel are 219.8518 tce, at 等价值 444.3718.
#[tokio::test]
async fn method_a_energies_are_summed_and_water_and_gauges_are_not_among_them() {
    let mut world = World::new().await;
    let noon = at(day("2024-05-01"), 12);
    let file = rows(
        "e",
        &[
            (
                series("e1", "electricity", Kind::Interval),
                &[(noon, "1200000")],
            ),
            (
                series("g1", "natural_gas", Kind::Interval),
                &[(noon, "50000")],
            ),
            (series("d1", "diesel", Kind::Event), &[(noon, "8")]),
            (
                series("w1", "fresh_water", Kind::Interval),
                &[(noon, "123")],
            ),
            (
                series("w2", "reused_water", Kind::Interval),
                &[(noon, "1000")],
            ),
            (
                series("a1", "compressed_air", Kind::Interval),
                &[(noon, "1000")],
            ),
            (series("t1", "raw_coal", Kind::Gauge), &[(noon, "700")]),
        ],
    );
    world
        .seal(PARK, &[(day("2024-05-01"), file)], 1, With::Totals)
        .await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2024), "1000")])
        .await;
    let figure = world.energy("parks/p", year(2024)).await;
    assert_eq!(value(&figure.numerator), "219.851800");
    assert_eq!(figure.value, "0.219852");
    assert_eq!(figure.status(), pb::PeriodStatus::Final);
    assert_eq!(figure.population, "every-enterprise");
    let mut primary = get("parks/-", year(2024));
    primary.basis = pb::Basis::PrimaryEquivalent.into();
    let primary = world
        .indicators
        .get_energy_intensity(primary)
        .await
        .expect("a figure");
    assert_eq!(value(&primary.into_inner().numerator), "444.371800");
    let water = world
        .indicators
        .get_water_intensity(get("parks/p", year(2024)))
        .await;
    let water = water.expect("a figure").into_inner();
    assert_eq!(
        (value(&water.numerator), water.value.as_str()),
        ("123", "0.123000")
    );
    assert!(water.media.is_empty() && water.factor_set.is_empty());
    world.stop().await;
}

/// METHOD (d): generated 100, used 80 of which old stock 10, stored 25, disposed 5 are 72.73 %.
#[tokio::test]
async fn method_d_waste_utilization_counts_old_stock_in_the_denominator() {
    let mut world = World::new().await;
    let noon = at(day("2024-05-01"), 12);
    let ticket = |flow: &str| series("scale", &format!("fly_ash.{flow}"), Kind::Event);
    let mut of = vec![
        (ticket("generated"), "100"),
        (ticket("utilized"), "80"),
        (ticket("utilized_old_stock"), "10"),
        (ticket("stored"), "25"),
        (ticket("disposed"), "5"),
    ];
    // Furnace slag is not one of the five bulk categories.
    of.push((
        series("scale", "furnace_slag.generated", Kind::Event),
        "1000",
    ));
    let values: Vec<_> = of.iter().map(|(s, v)| (s.clone(), [(noon, *v)])).collect();
    let parts: Vec<_> = values
        .iter()
        .map(|(s, v)| (s.clone(), v.as_slice()))
        .collect();
    world
        .seal(
            PARK,
            &[(day("2024-05-01"), rows("e", &parts))],
            1,
            With::Totals,
        )
        .await;
    let waste = world
        .indicators
        .get_waste_utilization(get("parks/p", year(2024)))
        .await;
    let waste = waste.expect("a figure").into_inner();
    assert_eq!(waste.value, "72.727273");
    assert_eq!(
        (value(&waste.numerator), value(&waste.denominator)),
        ("80", "110")
    );
    assert_eq!(waste.status(), pb::PeriodStatus::Final);
    assert!(
        waste.notes.iter().all(|note| !note.contains("ledger")),
        "{:?}",
        waste.notes
    );
    world.stop().await;
}

/// Two enterprises and a small one in park p, one in park q, and one that nobody registered.
async fn two_parks() -> World {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    for (park, id, kwh, above) in [
        ("p", "a", "1000", true),
        ("p", "b", "3000", true),
        ("p", "tiny", "7", false),
        ("q", "c", "6000", true),
    ] {
        let file = daily(id, &meter, day("2024-05-01"), &[kwh.to_owned()]);
        world.seal(park, &file, 1, With::Totals).await;
        let declared = value_added(park, id, year(2024), "10");
        world.declare(park, vec![declared]).await;
        world.register_enterprise(park, id, above).await;
    }
    let file = daily("stranger", &meter, day("2024-05-01"), &["9".to_owned()]);
    world.seal("p", &file, 1, With::Totals).await;
    world
}

#[tokio::test]
async fn a_park_is_the_sum_over_the_sum_of_its_population_and_parks_are_summed() {
    let mut world = two_parks().await;
    let park = world.energy("parks/p", year(2024)).await;
    let sums = (value(&park.numerator), value(&park.denominator));
    assert_eq!(sums, ("0.491600", "20"));
    assert_eq!(park.value, "0.024580");
    assert_eq!(park.population, "above-designated-size");
    let counted = ["parks/p/enterprises/a", "parks/p/enterprises/b"];
    assert_eq!(park.enterprises, counted);
    let notes = park.notes.join("\n");
    for told in [
        "not registered: parks/p/enterprises/stranger",
        "not above designated size: parks/p/enterprises/tiny",
    ] {
        assert!(notes.contains(told), "{notes}");
    }
    let all = world.energy("parks/-", year(2024)).await;
    let sums = (value(&all.numerator), value(&all.denominator));
    assert_eq!(sums, ("1.229000", "30"));
    assert_eq!(all.revisions.len(), 2);
    let tiny = world.energy("parks/p/enterprises/tiny", year(2024)).await;
    assert_eq!(value(&tiny.numerator), "0.000860");
    world.stop().await;
}

fn names(page: &pb::ListIndicatorsResponse) -> Vec<&str> {
    let last = |name| str::rsplit(name, '/').next().unwrap_or_default();
    page.figures.iter().map(|f| last(f.name.as_str())).collect()
}

#[tokio::test]
async fn figures_of_children_come_in_pages_and_a_token_fits_its_question_only() {
    let mut world = two_parks().await;
    let client = &mut world.indicators;
    let request = pb::ListIndicatorsRequest {
        parent: "parks/p".to_owned(),
        period: period(year(2024)),
        page_size: 3,
        ..pb::ListIndicatorsRequest::default()
    };
    let first = client.list_energy_intensities(request.clone()).await;
    let first = first.expect("a page").into_inner();
    assert_eq!(names(&first), ["a", "b", "stranger"]);
    let next = pb::ListIndicatorsRequest {
        page_token: first.next_page_token.clone(),
        ..request.clone()
    };
    let second = client.list_energy_intensities(next).await;
    let second = second.expect("a page").into_inner();
    assert_eq!(names(&second), ["tiny"]);
    assert_eq!(second.next_page_token, "");
    let all_parks = pb::ListIndicatorsRequest {
        parent: "parks/-".to_owned(),
        ..request
    };
    let other = pb::ListIndicatorsRequest {
        page_token: first.next_page_token,
        ..all_parks.clone()
    };
    let refused = client.list_energy_intensities(other).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let parks = client.list_energy_intensities(all_parks).await;
    assert_eq!(names(&parks.expect("a page").into_inner()), ["p", "q"]);
    world.stop().await;
}

#[tokio::test]
async fn mixed_price_bases_are_refused_with_who_declared_what() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    for id in ["a", "b"] {
        let file = daily(id, &meter, day("2024-05-01"), &["1000".to_owned()]);
        world.seal(PARK, &file, 1, With::Totals).await;
    }
    let nominal = pb::Statistic {
        price_base: "current".to_owned(),
        ..value_added(PARK, "b", year(2024), "10")
    };
    world
        .declare(
            PARK,
            vec![value_added(PARK, "a", year(2024), "10"), nominal],
        )
        .await;
    let refused = world
        .indicators
        .get_energy_intensity(get("parks/p", year(2024)))
        .await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused
            .message()
            .contains("parks/p/enterprises/b declared current"),
        "{refused:?}"
    );
    let info = refused.get_details_error_info().expect("details");
    assert_eq!(info.reason, "MIXED_PRICE_BASES");
    let failure = refused.get_details_precondition_failure().expect("details");
    assert_eq!(failure.violations[0].subject, "parks/p/enterprises/b");
    let mut current = get("parks/p/enterprises/b", year(2024));
    current.price_base = "current".to_owned();
    let current = world
        .indicators
        .get_energy_intensity(current)
        .await
        .expect("a figure")
        .into_inner();
    assert_eq!(
        (current.value.as_str(), current.price_base.as_str()),
        ("0.012290", "current")
    );
    // A list tells the others and says why one has no value.
    let request = pb::ListIndicatorsRequest {
        parent: "parks/p".to_owned(),
        period: period(year(2024)),
        ..pb::ListIndicatorsRequest::default()
    };
    let list = world
        .indicators
        .list_energy_intensities(request)
        .await
        .expect("a page")
        .into_inner();
    let values: Vec<&str> = list
        .figures
        .iter()
        .map(|figure| figure.value.as_str())
        .collect();
    assert_eq!(values, ["0.012290", ""]);
    assert!(
        list.figures[1].notes[0].contains("current"),
        "{:?}",
        list.figures[1].notes
    );
    world.stop().await;
}

#[tokio::test]
async fn value_added_within_a_longer_period_is_prorated_and_makes_the_figure_operational() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let file = daily("a", &meter, day("2023-05-01"), &["1000".to_owned()]);
    world.seal(PARK, &file, 1, With::Totals).await;
    world
        .declare(PARK, vec![value_added(PARK, "a", year(2023), "3650")])
        .await;
    let month = world
        .energy("parks/p", pb::period::Period::Month("2023-05".to_owned()))
        .await;
    assert_eq!(value(&month.denominator), "310");
    assert_eq!(month.status(), pb::PeriodStatus::Operational);
    assert!(
        month.notes.iter().any(|note| note.contains("prorated")),
        "{:?}",
        month.notes
    );
    let whole = world.energy("parks/p", year(2023)).await;
    assert_eq!(
        (whole.status(), value(&whole.denominator)),
        (pb::PeriodStatus::Final, "3650")
    );
    let preliminary = pb::Statistic {
        r#final: false,
        ..value_added(
            PARK,
            "a",
            pb::period::Period::Month("2023-05".to_owned()),
            "300",
        )
    };
    world.declare(PARK, vec![preliminary]).await;
    let month = world
        .energy("parks/p", pb::period::Period::Month("2023-05".to_owned()))
        .await;
    assert_eq!(
        (month.status(), value(&month.denominator)),
        (pb::PeriodStatus::Preliminary, "300")
    );
    let zero = value_added(PARK, "a", year(2023), "0");
    world.declare(PARK, vec![zero]).await;
    let none = world.energy("parks/p", year(2023)).await;
    assert_eq!(
        (none.value.as_str(), value(&none.numerator)),
        ("", "0.122900")
    );
    world.stop().await;
}

#[tokio::test]
async fn meters_that_do_not_count_are_left_out_and_coverage_is_by_registered_interval() {
    let mut world = World::new().await;
    let (main, sub) = (
        series("main", "electricity", Kind::Interval),
        series("sub", "electricity", Kind::Interval),
    );
    let the_day = day("2024-05-01");
    let values: Vec<(i64, &str)> = (0..18).map(|hour| (at(the_day, hour), "10")).collect();
    let file = rows("a", &[(main, &values), (sub, &values)]);
    world.seal(PARK, &[(the_day, file)], 1, With::Totals).await;
    for (meter, counted) in [("main", true), ("sub", false)] {
        let meter = pb::Meter {
            name: format!("parks/p/enterprises/a/meters/{meter}"),
            quantity: "electricity".to_owned(),
            kind: "interval".to_owned(),
            interval_s: 3_600,
            counted,
            valid_from: "2020-01-01".to_owned(),
            ..pb::Meter::default()
        };
        world.register_meter(meter).await;
    }
    let figure = world
        .energy("parks/p/enterprises/a", days("2024-05-01", "2024-05-01"))
        .await;
    assert_eq!(value(&figure.components[0].amount), "180");
    let coverage = figure.coverage.expect("coverage");
    assert_eq!((coverage.received, coverage.expected), (18, 24));
    assert_eq!(coverage.completeness, "0.750000");
    world.stop().await;
}

#[tokio::test]
async fn an_enterprise_that_joined_mid_year_is_counted_and_marked() {
    let mut world = World::new().await;
    let of = one_day("e", day("2022-03-01"), &[("electricity", "1000")]);
    world.seal(PARK, &[of], 1, With::Totals).await;
    let enterprise = pb::Enterprise {
        name: "parks/p/enterprises/e".to_owned(),
        title: "latecomer".to_owned(),
        above_designated_size: true,
        valid_from: "2022-07-01".to_owned(),
        ..pb::Enterprise::default()
    };
    let request = pb::RegisterEnterpriseRequest {
        enterprise: Some(enterprise),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let registered = world.registry.register_enterprise(request).await;
    let _registered = registered.expect("registered");
    let figure = world.energy("parks/p", year(2022)).await;
    assert_eq!(figure.enterprises, ["parks/p/enterprises/e"]);
    let told = |note: &String| note.contains("enterprises/e (2022-07-01 to 2022-12-31)");
    assert!(figure.notes.iter().any(told), "{:?}", figure.notes);
    let before = world.energy("parks/p", year(2021)).await;
    assert!(before.enterprises.is_empty());
    world.stop().await;
}
