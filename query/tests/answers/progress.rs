//! Progress against the parks' plan, and plans.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    fixture::*,
    sound_years::{YEARLY, meter},
};

/// Years 2020 to 2025 of one enterprise: energy, water, and waste used of 100 t generated.
async fn years(world: &mut World) {
    let years = [
        (2020, "1000000", "10000", "65"),
        (2021, "980000", "9500", "71"),
        (2022, "950000", "9100", "69"),
        (2023, "900000", "8700", "72"),
        (2024, "870000", "8300", "73"),
        (2025, "835000", "8001", "75"),
    ];
    for (of, kwh, water, used) in years {
        let the_day = day(&format!("{of}-06-01"));
        let noon = at(the_day, 12);
        let file = rows(
            "e",
            &[
                (series("m", "electricity", Kind::Interval), &[(noon, kwh)]),
                (series("w", "fresh_water", Kind::Interval), &[(noon, water)]),
                (
                    series("s", "fly_ash.generated", Kind::Event),
                    &[(noon, "100")],
                ),
                (
                    series("s", "fly_ash.utilized", Kind::Event),
                    &[(noon, used)],
                ),
            ],
        );
        world.seal(PARK, &[(the_day, file)], 1, With::Totals).await;
        world
            .declare(PARK, vec![value_added(PARK, "e", year(of), "100")])
            .await;
    }
    world.register_enterprise(PARK, "e", true).await;
    for entry in [
        meter("e", "m", "electricity", "interval", YEARLY),
        meter("e", "w", "fresh_water", "interval", YEARLY),
        meter("e", "s", "fly_ash.generated", "event", 0),
        meter("e", "s", "fly_ash.utilized", "event", 0),
    ] {
        world.register_meter(entry).await;
    }
}

async fn progress(world: &mut World, year: i32) -> Result<pb::Progress, tonic::Status> {
    let request = pb::GetProgressRequest {
        name: "parks/p".to_owned(),
        year,
        ..pb::GetProgressRequest::default()
    };
    world
        .indicators
        .get_progress(request)
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_plan_that_ended_is_met_or_missed_target_by_target() {
    let mut world = World::new().await;
    years(&mut world).await;
    let ended = progress(&mut world, 0).await.expect("progress");
    assert_eq!((ended.year, ended.targets.len()), (2025, 3));
    let [energy, water, waste] = ended.targets.as_slice() else {
        panic!("three targets")
    };
    assert_eq!(energy.change_percent, "-16.5000");
    assert_eq!(
        (energy.scheduled_percent.as_str(), energy.verdict()),
        ("-16.0000", pb::Verdict::Met)
    );
    assert_eq!(energy.required_pace_percent, "");
    assert_eq!(
        energy.base.as_ref().map(|figure| figure.value.as_str()),
        Some("1.229000")
    );
    // A hundredth of a per cent short of −20 %.
    assert_eq!(
        (water.change_percent.as_str(), water.verdict()),
        ("-19.9900", pb::Verdict::Missed)
    );
    assert_eq!(waste.verdict(), pb::Verdict::Missed);
    assert_eq!(waste.notes, ["below 70 % in 2022"]);
    let points: Vec<&str> = waste
        .years
        .iter()
        .map(|point| point.value.as_str())
        .collect();
    assert_eq!(points[..3], ["65.000000", "71.000000", "69.000000"]);
    assert_eq!(energy.years.len(), 6);
    assert_eq!(energy.years[3].scheduled_percent, "-9.9326");
    world.stop().await;
}

#[tokio::test]
async fn a_plan_that_runs_is_on_schedule_or_behind_with_the_pace_it_needs() {
    let mut world = World::new().await;
    years(&mut world).await;
    let running = progress(&mut world, 2023).await.expect("progress");
    let energy = &running.targets[0];
    assert_eq!(
        (energy.change_percent.as_str(), energy.verdict()),
        ("-10.0000", pb::Verdict::OnSchedule)
    );
    assert_eq!(energy.required_pace_percent, "3.3908");
    assert_eq!(energy.progress_percent, "60.4293");
    // Water: −13 % where −12.53 % was due.
    assert_eq!(running.targets[1].verdict(), pb::Verdict::OnSchedule);
    let early = progress(&mut world, 2021).await.expect("progress");
    assert_eq!(early.targets[0].verdict(), pb::Verdict::Behind);
    assert_eq!(early.targets[2].verdict(), pb::Verdict::OnSchedule);
    world.set_now(day("2023-02-01"), 0);
    let last_complete = progress(&mut world, 0).await.expect("progress");
    assert_eq!(last_complete.year, 2022);
    world.stop().await;
}

#[tokio::test]
async fn progress_that_cannot_be_judged_is_unknown_and_impossible_questions_are_refused() {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let unknown = progress(&mut world, 0).await.expect("progress");
    assert!(
        unknown
            .targets
            .iter()
            .all(|target| target.verdict() == pb::Verdict::Unknown)
    );
    let refused = progress(&mut world, 2019).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.set_now(day("2019-02-01"), 0);
    let refused = progress(&mut world, 0).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let request = pb::GetProgressRequest {
        name: "parks/p".to_owned(),
        plan: "nowhere".to_owned(),
        ..pb::GetProgressRequest::default()
    };
    let refused = world
        .indicators
        .get_progress(request)
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::NotFound);
    assert!(
        refused.message().contains("chongqing-parks-14fyp"),
        "{refused:?}"
    );
    assert_eq!(
        refused
            .get_details_resource_info()
            .expect("details")
            .resource_type,
        "plan"
    );
    let plans = world
        .indicators
        .list_plans(pb::ListPlansRequest {})
        .await
        .expect("plans");
    let plans = plans.into_inner().plans;
    let parks = plans.iter().find(|plan| plan.id == "chongqing-parks-14fyp");
    let parks = parks.expect("the default plan");
    assert_eq!((parks.targets.len(), parks.end_year), (3, 2025));
    assert!(plans.len() > 1, "further plans are served beside it");
    world.stop().await;
}

/// An enterprise beside [`years`]'s, in 2020 alone or from 2025 on.
async fn another(world: &mut World, id: &str, of: i32, kwh: &str, value: &str) {
    let the_day = day(&format!("{of}-06-01"));
    let of_meter = series("m", "electricity", Kind::Interval);
    let file = rows(id, &[(of_meter, &[(at(the_day, 12), kwh)])]);
    world.seal(PARK, &[(the_day, file)], 1, With::Totals).await;
    world
        .declare(PARK, vec![value_added(PARK, id, year(of), value)])
        .await;
    let enterprise = pb::Enterprise {
        name: format!("parks/{PARK}/enterprises/{id}"),
        title: id.to_owned(),
        industry: "C31".to_owned(),
        above_designated_size: true,
        valid_from: format!("{of}-01-01"),
        valid_to: format!("{of}-12-31"),
        ..pb::Enterprise::default()
    };
    let request = pb::RegisterEnterpriseRequest {
        enterprise: Some(enterprise),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let registered = world.registry.register_enterprise(request).await;
    registered.expect("registered");
    world
        .register_meter(meter(id, "m", "electricity", "interval", YEARLY))
        .await;
}

#[tokio::test]
async fn like_for_like_and_a_fixed_panel_stand_beside_and_a_split_sums_to_the_change() {
    let mut world = World::new().await;
    years(&mut world).await;
    another(&mut world, "gone", 2020, "3000000", "100").await;
    another(&mut world, "new", 2025, "500000", "100").await;
    let ended = progress(&mut world, 0).await.expect("progress");
    let energy = &ended.targets[0];
    // 4,000 MWh over 200 against 1,335 MWh over 200; "e" alone fell by 16.5 %.
    assert_eq!(energy.change_percent, "-66.6250");
    let like = energy.like_for_like.as_ref().expect("compared");
    assert_eq!(
        (like.population.as_str(), like.enterprises),
        ("like-for-like", 2)
    );
    // "new" had nothing in 2020: its enterprises' base is that of "e".
    assert_eq!(like.base_value, "1.229000");
    let panel = energy.fixed_panel.as_ref().expect("compared");
    assert_eq!(
        (panel.enterprises, panel.current_value.as_str()),
        (2, "1.026215")
    );
    let split = energy.split.as_ref().expect("split");
    let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().expect("a decimal");
    let terms = [
        &split.structure,
        &split.efficiency,
        &split.entered,
        &split.left,
        &split.unsplit,
        &split.rounding,
    ];
    let sum: rust_decimal::Decimal = terms.iter().map(|t| decimal(t)).sum();
    assert_eq!(sum, decimal(&split.change));
    assert_eq!(split.members.len(), 3);
    assert!(
        decimal(&split.left) < rust_decimal::Decimal::ZERO,
        "{split:?}"
    );
    assert!(
        decimal(&split.entered) > rust_decimal::Decimal::ZERO,
        "{split:?}"
    );
    let running = progress(&mut world, 2023).await.expect("progress");
    let forecast = running.targets[0].forecast.as_ref().expect("a forecast");
    assert_eq!(forecast.year, 2025);
    world.stop().await;
}

#[tokio::test]
async fn a_scorecard_has_every_indicator_of_the_plan_in_one_answer() {
    let mut world = World::new().await;
    years(&mut world).await;
    let value = |indicator: &str, year, value: &str| pb::DeclaredValue {
        plan: "chongqing-parks-14fyp".to_owned(),
        indicator: indicator.to_owned(),
        year,
        value: value.to_owned(),
    };
    let declare = |values| pb::DeclareIndicatorsRequest {
        parent: "parks/p".to_owned(),
        values,
        recorded_by: "test".to_owned(),
        evidence: "annual report".to_owned(),
    };
    let wrong = declare(vec![
        value("no-such", 2025, "1"),
        value("green-parks", 1, "x"),
    ]);
    let refused = world
        .registry
        .declare_indicators(wrong)
        .await
        .expect_err("refused");
    let details = refused.get_details_bad_request().expect("details");
    assert_eq!(details.field_violations.len(), 3);
    let right = declare(vec![
        value("green-parks", 2025, "29"),
        value("green-parks", 2025, "30"),
        value("output-growth", 2020, "100"),
        value("output-growth", 2025, "137"),
    ]);
    let recorded = world
        .registry
        .declare_indicators(right)
        .await
        .expect("declared");
    assert_eq!(recorded.into_inner().recorded, 4);
    let request = pb::GetProgressRequest {
        name: "parks/p".to_owned(),
        ..pb::GetProgressRequest::default()
    };
    let card = world
        .indicators
        .get_scorecard(request)
        .await
        .expect("a scorecard")
        .into_inner();
    let line = |id: &str| card.lines.iter().find(|l| l.id == id).expect("a line");
    assert_eq!(line("energy-intensity").verdict(), pb::Verdict::Met);
    assert_eq!(line("energy-intensity").kind, "measured");
    assert_eq!(line("waste-utilization").verdict(), pb::Verdict::Missed);
    let parks = line("green-parks");
    assert_eq!(
        (parks.value.as_str(), parks.verdict()),
        ("30", pb::Verdict::Met)
    );
    assert_eq!(line("output-growth").verdict(), pb::Verdict::Missed);
    assert_eq!(line("output-share").verdict(), pb::Verdict::Unknown);
    assert!(card.lines.len() >= 14, "{}", card.lines.len());
    world.stop().await;
}
