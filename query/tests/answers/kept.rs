//! Answers that are given again: what a service says that was just started, for as long as nothing has changed.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use prometheus_client::encoding::text::encode;

use crate::fixture::*;

/// What is asked, in Debug form: it says everything.
type Answers = Vec<String>;

/// How many answers the service has given again.
fn given_again(world: &World) -> u64 {
    let mut told = String::new();
    encode(&mut told, &world.metrics).expect("written");
    let mut lines = told.lines();
    let counted = lines.find_map(|line| line.strip_prefix("greenpark_query_answers_kept_total "));
    counted.expect("it counts").parse().expect("a number")
}

/// Asks figures, rankings, progress and scorecards of 2024, the rankings of all `parents` in this order. All are as of
/// `now`.
async fn ask(world: &mut World, now: &prost_types::Timestamp, parents: [&str; 2]) -> Answers {
    let mut answers = Vec::new();
    let dated = |as_of: &mut Option<prost_types::Timestamp>| {
        assert_eq!(as_of.take().as_ref(), Some(now));
    };
    for name in ["parks/-", "parks/p", "parks/p/enterprises/e"] {
        let mut figure = world.energy(name, year(2024)).await;
        dated(&mut figure.as_of);
        answers.push(format!("{figure:?}"));
    }
    for parent in parents {
        let request = pb::ListIndicatorsRequest {
            parent: parent.to_owned(),
            period: period(year(2024)),
            ..Default::default()
        };
        let ranked = world.indicators.list_energy_intensities(request).await;
        let mut ranked = ranked.expect("a ranking").into_inner();
        for figure in &mut ranked.figures {
            dated(&mut figure.as_of);
            let of_enterprises = figure.name.contains("/enterprises/");
            assert_eq!(of_enterprises, parent == "parks/p", "{}", figure.name);
        }
        answers.push(format!("{ranked:?}"));
    }
    for name in ["parks/-", "parks/p"] {
        let request = pb::GetProgressRequest {
            name: name.to_owned(),
            year: 2024,
            ..Default::default()
        };
        let progress = world.indicators.get_progress(request.clone()).await;
        let mut progress = progress.expect("progress").into_inner();
        dated(&mut progress.as_of);
        for target in &mut progress.targets {
            let figures = target.base.iter_mut().chain(&mut target.current);
            figures.for_each(|figure| dated(&mut figure.as_of));
        }
        answers.push(format!("{progress:?}"));
        let scorecard = world.indicators.get_scorecard(request).await;
        let mut scorecard = scorecard.expect("a scorecard").into_inner();
        dated(&mut scorecard.as_of);
        answers.push(format!("{scorecard:?}"));
    }
    answers.sort();
    answers
}

/// Asks twice, and holds that the second time all is given again, and that a service without memory says the same.
async fn settled(world: &mut World, hours: i64) -> Answers {
    let the_day = day("2026-11-24");
    world.set_now(the_day, hours);
    let now = prost_types::Timestamp {
        seconds: at(the_day, hours) / 1_000,
        nanos: 0,
    };
    let made = ask(world, &now, ["parks/-", "parks/p"]).await;
    world.set_now(the_day, hours + 1);
    let later = prost_types::Timestamp {
        seconds: now.seconds + 3_600,
        ..now
    };
    let before = given_again(world);
    let again = ask(world, &later, ["parks/-", "parks/p"]).await;
    let kept = given_again(world) - before;
    assert!(kept >= again.len() as u64, "{kept} of {}", again.len());
    let mut other = world.another().await;
    let anew = ask(&mut other, &later, ["parks/p", "parks/-"]).await;
    assert_eq!(anew, again);
    other.stop().await;
    assert_eq!(made, again);
    again
}

#[tokio::test]
async fn an_answer_is_given_again_until_what_it_stands_on_changes() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let in_year = |of: i32| day(&format!("{of}-05-01"));
    for of in [2020, 2024] {
        let days = daily("e", &meter, in_year(of), &["10".into(), "20".into()]);
        world.seal(PARK, &days, 1, With::Totals).await;
        let declared = vec![value_added(PARK, "e", year(of), "100")];
        world.declare(PARK, declared).await;
    }
    world.register_enterprise(PARK, "e", true).await;
    let mut all = vec![settled(&mut world, 0).await];
    // A late reading, which is sealed again afterwards.
    let late = rows("e", &[(meter.clone(), &[(at(in_year(2024), 13), "5")])]);
    world.hot(PARK, in_year(2024), 7, &late).await;
    all.push(settled(&mut world, 2).await);
    let again = daily("e", &meter, in_year(2024), &["15".into()]);
    world.seal(PARK, &again, 2, With::Totals).await;
    all.push(settled(&mut world, 4).await);
    // A declaration.
    let declared = vec![value_added(PARK, "e", year(2024), "120")];
    world.declare(PARK, declared).await;
    all.push(settled(&mut world, 6).await);
    // Another park, of which the answers about one park say nothing.
    let days = daily("f", &meter, in_year(2024), &["1".into()]);
    world.seal("q", &days, 1, With::Totals).await;
    all.push(settled(&mut world, 8).await);
    for (nth, answers) in all.iter().enumerate().skip(1) {
        assert_ne!(*answers, all[nth - 1], "after change {nth}");
    }
    world.stop().await;
}

/// Of days that are not over each moment tells something else, and of the past nothing is kept.
#[tokio::test]
async fn what_is_not_over_or_is_asked_of_the_past_is_made_each_time() {
    let mut world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let days_of = daily("e", &meter, day("2026-11-20"), &["10".into()]);
    world.seal(PARK, &days_of, 1, With::Totals).await;
    let the_day = day("2026-11-23");
    for (hours, last, kept) in [(1, "2026-11-23", 0), (25, "2026-11-23", 1)] {
        world.set_now(the_day, hours);
        let before = given_again(&world);
        for _again in 0..2 {
            let _figure = world.energy("parks/p", days("2026-11-20", last)).await;
        }
        assert_eq!(given_again(&world) - before, kept);
    }
    // Commits are told by the system's clock.
    world.go_on();
    let days_over = || days("2026-11-20", "2026-11-22");
    let now = world.energy("parks/p", days_over()).await;
    world.go_on();
    let before = given_again(&world);
    for _again in 0..2 {
        let request = pb::GetIndicatorRequest {
            as_of: now.as_of,
            ..get("parks/p", days_over())
        };
        let figure = world.indicators.get_energy_intensity(request).await;
        assert_eq!(figure.expect("a figure").into_inner(), now);
    }
    assert_eq!(given_again(&world), before);
    world.stop().await;
}
