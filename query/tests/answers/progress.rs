//! Progress against the parks' plan, and plans.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::fixture::*;

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
    assert_eq!(
        (plans.len(), plans[0].targets.len(), plans[0].end_year),
        (1, 3, 2025)
    );
    world.stop().await;
}
