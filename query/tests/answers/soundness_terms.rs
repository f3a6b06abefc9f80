//! No ratio of a total that is not above zero (FAULTS A2), and shares, late changes and what is missing.

use greenpark_model::{day::DayRange, reading::Kind};
use greenpark_proto::query::v1::{self as pb, UnsoundKind, Verdict};

use crate::{fixture::*, sound_years::*};

/// `e` with these kWh, of a meter of both ways, and this value added in 2020 and 2025.
async fn of(kwh: [&str; 2], added: [&str; 2]) -> World {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let entry = meter("e", "electricity", "electricity", "interval", YEARLY);
    let both_ways = pb::Meter {
        bidirectional: true,
        ..entry
    };
    world.register_meter(both_ways).await;
    for (of, kwh) in [2020, 2025].into_iter().zip(kwh) {
        world
            .seal_all(vec![june("e", of, &[("electricity", kwh)])])
            .await;
    }
    world
        .declare_years("e", &[(2020, added[0]), (2025, added[1])])
        .await;
    world
}

#[tokio::test]
async fn a_total_that_is_not_above_zero_makes_no_ratio_in_either_year() {
    let mwh = ["1000000", "800000"];
    let added = ["1000", "1000"];
    let cases = [
        (mwh, ["1000", "-500"], vec![("denominator", "-500", 2025)]),
        (mwh, ["-500", "1000"], vec![("denominator", "-500", 2020)]),
        (
            mwh,
            ["-500", "-1000"],
            vec![
                ("denominator", "-500", 2020),
                ("denominator", "-1000", 2025),
            ],
        ),
        (mwh, ["1000", "0"], vec![("denominator", "0", 2025)]),
        (
            ["1000000", "-10"],
            added,
            vec![("numerator", "-0.001229", 2025)],
        ),
        (
            ["-1000000", "800000"],
            added,
            vec![("numerator", "-122.9", 2020)],
        ),
        (["1000000", "0"], added, vec![("numerator", "0", 2025)]),
    ];
    for (kwh, added, expected) in cases {
        let mut world = of(kwh, added).await;
        let target = world.energy_target().await;
        withheld(&target);
        let not_positive: Vec<(&str, &str, i32)> = target
            .unsound
            .iter()
            .filter(|reason| reason.kind() == UnsoundKind::NotPositive)
            .map(|reason| (reason.term.as_str(), reason.value.as_str(), reason.year))
            .collect();
        assert_eq!(not_positive, expected, "{kwh:?} {added:?}");
        let line = world.energy_line().await;
        assert_eq!(
            (line.verdict(), &line.unsound),
            (Verdict::Unknown, &target.unsound)
        );
        for (_, _, of) in expected {
            let figure = world.energy("parks/p", year(of)).await;
            assert_eq!(figure.value, "", "{figure:?}");
            let says = |note: &String| note.contains("there is no value");
            assert!(figure.notes.iter().any(says), "{:?}", figure.notes);
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_total_just_above_zero_makes_a_ratio() {
    let mut world = of(["1000000", "1"], ["1000", "0.0001"]).await;
    let target = world.energy_target().await;
    assert_eq!(
        (target.verdict(), &target.unsound),
        (Verdict::Missed, &Vec::new())
    );
    world.stop().await;
}

#[tokio::test]
async fn other_denominators_make_no_ratio_of_nothing_either() {
    let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
    let tonnes = |amount: &str| pb::Statistic {
        series: "product:steel".to_owned(),
        amount: amount.to_owned(),
        price_base: String::new(),
        ..value_added(PARK, "e", year(2025), amount)
    };
    world.declare(PARK, vec![tonnes("-3")]).await;
    let mut asked = get(NAME, year(2025));
    asked.denominator = "product:steel".to_owned();
    let figure = world.indicators.get_energy_intensity(asked).await;
    let figure = figure.expect("a figure").into_inner();
    assert_eq!(figure.value, "");
    assert_eq!(kinds(&figure.unsound), [UnsoundKind::NotPositive]);
    let carbon = world
        .indicators
        .get_carbon_per_energy(get(NAME, year(2021)))
        .await;
    let carbon = carbon.expect("a figure").into_inner();
    assert_eq!(carbon.value, "");
    assert!(kinds(&carbon.unsound).contains(&UnsoundKind::NotPositive));
    world.stop().await;
}

#[tokio::test]
async fn a_member_at_a_loss_leaves_the_verdict_of_its_group_and_no_split() {
    let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
    world.register_yearly("loss").await;
    for of in [2020, 2025] {
        world
            .seal_all(vec![june("loss", of, &[("electricity", "10")])])
            .await;
    }
    world
        .declare_years("loss", &[(2020, "5"), (2025, "-5")])
        .await;
    let target = world.energy_target().await;
    assert_eq!(
        (target.verdict(), &target.unsound),
        (Verdict::Met, &Vec::new())
    );
    assert!(target.split.is_none());
    let [reason] = &target.split_unsound[..] else {
        panic!("one term: {:?}", target.split_unsound)
    };
    assert_eq!(
        (reason.kind(), reason.year),
        (UnsoundKind::NotPositive, 2025)
    );
    assert_eq!(reason.names, ["parks/p/enterprises/loss"]);
    assert_eq!(
        (reason.term.as_str(), reason.value.as_str()),
        ("denominator", "-5")
    );
    let alone = world.progress_of("parks/p/enterprises/loss", 2025).await;
    withheld(&alone.targets[0]);
    world.stop().await;
}

#[tokio::test]
async fn meters_without_an_entry_make_at_most_a_twentieth() {
    for (kwh, sound) in [("42105", true), ("42106", false)] {
        let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
        let noon = day("2025-06-02");
        let unknown = series("kettle", "electricity", Kind::Interval);
        let file = rows("e", &[(unknown, &[(at(noon, 12), kwh)])]);
        world.seal_all(vec![(noon, file)]).await;
        let target = world.energy_target().await;
        if sound {
            assert_eq!(target.unsound, []);
        } else {
            withheld(&target);
            let [reason] = &target.unsound[..] else {
                panic!("one reason: {:?}", target.unsound)
            };
            assert_eq!(
                told(&target.unsound),
                [(UnsoundKind::UnregisteredShare, 2025)]
            );
            assert_eq!(
                (reason.share.as_str(), reason.threshold.as_str()),
                ("0.050001", "0.05")
            );
            assert_eq!(reason.names, [format!("{NAME}/meters/kettle")]);
        }
        world.stop().await;
    }
}

/// A correction by hand of `e`'s meter in 2025.
fn by_hand(first: &str, last: &str, amount: &str) -> pb::RecordCorrectionRequest {
    pb::RecordCorrectionRequest {
        correction: Some(pb::Correction {
            meter: format!("{NAME}/meters/electricity"),
            quantity: "electricity".to_owned(),
            kind: "interval".to_owned(),
            days: Some(pb::Days {
                first: first.to_owned(),
                last: last.to_owned(),
            }),
            amount: amount.to_owned(),
            reason: "the meter was off".to_owned(),
            ..pb::Correction::default()
        }),
        recorded_by: "metering".to_owned(),
        evidence: "form 12".to_owned(),
    }
}

#[tokio::test]
async fn a_tenth_may_be_set_by_hand_and_no_more() {
    for (kwh, sound) in [("88888", true), ("88889", false)] {
        let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
        let corrected = world
            .registry
            .record_correction(by_hand("2025-03-01", "2025-03-02", kwh));
        corrected.await.expect("recorded");
        let target = world.energy_target().await;
        if sound {
            assert_eq!(target.unsound, []);
        } else {
            withheld(&target);
            assert_eq!(told(&target.unsound), [(UnsoundKind::EstimatedShare, 2025)]);
            assert_eq!(target.unsound[0].threshold, "0.1");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_correction_after_the_year_was_final_is_named_until_the_year_is_confirmed() {
    let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
    world.set_now(day("2026-11-24"), 12);
    // 800 kWh of 800,800 are less than a thousandth; 900 of 801,700 with them are more.
    let small = world
        .registry
        .record_correction(by_hand("2025-03-01", "2025-03-01", "800"));
    small.await.expect("recorded");
    assert_eq!(world.energy_target().await.unsound, []);
    let more = world
        .registry
        .record_correction(by_hand("2025-04-01", "2025-04-01", "900"));
    more.await.expect("recorded");
    let target = world.energy_target().await;
    withheld(&target);
    let [reason] = &target.unsound[..] else {
        panic!("one reason: {:?}", target.unsound)
    };
    assert_eq!(
        (reason.kind(), reason.year),
        (UnsoundKind::LateChange, 2025)
    );
    assert_eq!((reason.late_corrections, reason.late_readings), (2, 0));
    assert_eq!(
        (reason.share.as_str(), reason.threshold.as_str()),
        ("0.002120", "0.001")
    );
    let came = reason
        .first_arrived
        .zip(reason.final_since)
        .expect("instants");
    assert_eq!(came.0.seconds - came.1.seconds, 86_400);
    assert!(reason.mend.contains("final once more"), "{}", reason.mend);
    // The figure has the corrections in it, and other years have no part in it.
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(value(&figure.components[0].amount), "801700");
    assert_eq!(world.energy(NAME, year(2020)).await.unsound, []);
    world.declare_years("e", &[(2025, "1000")]).await;
    let confirmed = world.energy_target().await;
    assert_eq!(
        (confirmed.verdict(), &confirmed.unsound),
        (Verdict::Met, &Vec::new())
    );
    world.stop().await;
}

#[tokio::test]
async fn a_year_that_was_never_final_has_no_late_change() {
    let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
    let preliminary = pb::Statistic {
        r#final: false,
        ..value_added(PARK, "e", year(2025), "1000")
    };
    world.declare(PARK, vec![preliminary]).await;
    world.set_now(day("2026-11-24"), 12);
    let late = world
        .registry
        .record_correction(by_hand("2025-03-01", "2025-03-01", "50000"));
    late.await.expect("recorded");
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(figure.status(), pb::PeriodStatus::Preliminary);
    assert_eq!(figure.unsound, []);
    world.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_named_as_before() {
    let mut world = of(["1000000", "800000"], ["1000", "1000"]).await;
    world.register_yearly("silent").await;
    let park = world.energy("parks/p", year(2025)).await;
    let found = kinds(&park.unsound);
    for kind in [
        UnsoundKind::Coverage,
        UnsoundKind::Undeclared,
        UnsoundKind::Silent,
    ] {
        assert!(found.contains(&kind), "{found:?}");
        let reason = park
            .unsound
            .iter()
            .find(|of| of.kind() == kind)
            .expect("found");
        assert!(
            reason.names[0].contains("enterprises/silent"),
            "{:?}",
            reason.names
        );
    }
    let part = world.energy(NAME, days("2025-05-01", "2025-06-30")).await;
    assert_eq!(kinds(&part.unsound), [UnsoundKind::Prorated]);
    let running = world.energy(NAME, year(2026)).await;
    assert!(kinds(&running.unsound).contains(&UnsoundKind::Open));
    world.stop().await;
}

#[tokio::test]
async fn a_year_that_runs_is_forecast_from_the_years_that_are_over() {
    let mut world = World::new().await;
    world.register_yearly("e").await;
    for (of, kwh) in [(2020, "1000000"), (2021, "960000"), (2022, "930000")] {
        world
            .seal_all(vec![june("e", of, &[("electricity", kwh)])])
            .await;
        world.declare_years("e", &[(of, "1000")]).await;
    }
    world.set_now(day("2022-08-01"), 12);
    let running = world.progress_of("parks/p", 2022).await;
    let target = &running.targets[0];
    assert_eq!(target.verdict(), Verdict::Unknown);
    assert_eq!(told(&target.unsound), [(UnsoundKind::Open, 2022)]);
    let forecast = target.forecast.as_ref().expect("from 2020 and 2021");
    assert_eq!(
        (forecast.pace_percent.as_str(), forecast.year),
        ("-4.0000", 2025)
    );
    // Once a year that is over is not sound, nothing is forecast.
    world.set_now(day("2023-08-01"), 12);
    world.declare_years("e", &[(2022, "-1")]).await;
    let over = world.progress_of("parks/p", 2022).await;
    assert!(over.targets[0].forecast.is_none());
    assert_eq!(
        told(&over.targets[0].forecast_unsound),
        [(UnsoundKind::NotPositive, 2022)]
    );
    world.stop().await;
}

#[tokio::test]
async fn an_amount_beyond_the_meter_withholds_the_verdict_where_it_would_move_the_figure() {
    // Rated for 100 kWh an hour: 900 billion are set aside, and so is what is below zero of a meter of one way.
    for (kwh, sound) in [("900000000000", false), ("-5000", false), ("-3000", true)] {
        let mut world = World::new().await;
        world.register_enterprise(PARK, "e", true).await;
        let rated = pb::Meter {
            rated_per_hour: "100".to_owned(),
            ..meter("e", "electricity", "electricity", "interval", YEARLY)
        };
        world.register_meter(rated).await;
        for (of, used) in [(2020, "800000"), (2025, "640000")] {
            world
                .seal_all(vec![june("e", of, &[("electricity", used)])])
                .await;
        }
        let odd = one_day("e", day("2025-08-01"), &[("electricity", kwh)]);
        world.seal_all(vec![odd]).await;
        world
            .declare_years("e", &[(2020, "1000"), (2025, "1000")])
            .await;
        let target = world.energy_target().await;
        let figure = world.energy(NAME, year(2025)).await;
        assert_eq!(value(&figure.components[0].amount), "640000");
        if sound {
            assert_eq!(target.unsound, []);
        } else {
            withheld(&target);
            assert_eq!(told(&target.unsound), [(UnsoundKind::Implausible, 2025)]);
            let reason = &target.unsound[0];
            assert_eq!((reason.count, reason.threshold.as_str()), (1, "0.005"));
            assert_eq!(reason.names, [format!("{NAME}/meters/electricity")]);
        }
        world.stop().await;
    }
}

/// FAULTS A9 of a meter without a rating: two odd days side by side do not excuse each other.
#[tokio::test]
async fn amounts_far_above_an_unrated_meters_like_days_withhold_the_verdict() {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let entry = meter("e", "electricity", "electricity", "interval", DAILY);
    world.register_meter(entry).await;
    for of in [2020, 2025] {
        let year = DayRange::year(of).expect("a year");
        let mut days = kwh_a_day("e", Kind::Interval, year, 100);
        for (day, rows) in &mut days {
            if of == 2020 && (100..102).contains(&day.days_since(year.first())) {
                rows.values.fill(900_000_000_000_000_000);
            }
        }
        world.seal_all(days).await;
    }
    world
        .declare_years("e", &[(2020, "100"), (2025, "100")])
        .await;
    let target = world.energy_target().await;
    withheld(&target);
    assert_eq!(told(&target.unsound), [(UnsoundKind::Implausible, 2020)]);
    world.stop().await;
}
