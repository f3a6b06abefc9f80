//! Registers and amounts that were answered wrongly once, asked over gRPC (FAULTS A3, A7, A9, A11, A12, A13, A15).

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1::{self as pb, quality_client::QualityClient};

use crate::fixture::{PARK, With, World, at, day, days, get, period, rows, series, value};

const NAME: &str = "parks/p/enterprises/e";

/// Hourly values of `kind` from the start of `first` on, sealed day by day.
async fn seal(world: &World, kind: Kind, first: &str, values: &[String]) {
    let (first, main) = (day(first), series("main", "electricity", kind));
    let of_day = values.chunks(24).zip(0i32..);
    let sealed: Vec<(CivilDay, ReadingRows)> = of_day
        .map(|(values, n)| {
            let of = first.plus(n);
            let said: Vec<(i64, &str)> = (0i64..)
                .zip(values)
                .map(|(hour, value)| (at(of, hour), value.as_str()))
                .collect();
            (of, rows("e", &[(main.clone(), &said)]))
        })
        .collect();
    world.seal(PARK, &sealed, 1, With::Totals).await;
}

fn meter(kind: &str, from: &str) -> pb::Meter {
    pb::Meter {
        name: format!("{NAME}/meters/main"),
        quantity: "electricity".to_owned(),
        kind: kind.to_owned(),
        counted: true,
        valid_from: from.to_owned(),
        ..pb::Meter::default()
    }
}

async fn explain(world: &World, of: pb::period::Period) -> Vec<pb::MeterPart> {
    let asked = pb::ExplainRequest {
        indicator: "energy-intensity".to_owned(),
        question: Some(get(NAME, of)),
    };
    let parts = world.indicators.clone().explain(asked).await;
    let mut parts = parts.expect("explained").into_inner();
    let mut meters = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        if let Some(pb::explain_part::Part::Meter(meter)) = part.part {
            meters.push(meter);
        }
    }
    meters
}

/// What the meters gave in a period.
async fn amount(world: &World, of: pb::period::Period) -> Vec<String> {
    let told = explain(world, of).await;
    told.iter()
        .map(|part| value(&part.amount).to_owned())
        .collect()
}

/// What quality finds by a name, and of which meter.
async fn findings(world: &World, of: pb::period::Period, check: &str) -> Vec<String> {
    let asked = pb::GetQualityRequest {
        name: NAME.to_owned(),
        period: period(of),
        ..pb::GetQualityRequest::default()
    };
    let mut client = QualityClient::new(world.channel.clone());
    let report = client
        .get_quality(asked)
        .await
        .expect("a report")
        .into_inner();
    let found = report.findings.into_iter().filter(|of| of.check == check);
    found
        .map(|of| format!("{}: {}", of.name, of.detail))
        .collect()
}

fn steady() -> Vec<i64> {
    (0..=72).map(|hour| 1_000 + hour).collect()
}

fn texts(values: &[i64]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// FAULTS A3.
#[tokio::test]
async fn a_rating_of_july_or_november_changes_nothing_in_march() {
    for from in ["2025-07-01", "2025-11-01"] {
        let mut world = World::new().await;
        let hours: Vec<i64> = (0..72).map(|hour| hour * 500).collect();
        seal(&world, Kind::Register, "2025-03-01", &texts(&hours)).await;
        let rated = pb::Meter {
            rated_per_hour: "50".to_owned(),
            ..meter("register", from)
        };
        world.register_meter(rated).await;
        assert_eq!(
            amount(&world, days("2025-03-01", "2025-03-31")).await,
            ["35500"]
        );
        assert_eq!(
            amount(&world, days("2025-01-01", "2025-12-31")).await,
            ["35500"]
        );
        world.stop().await;
    }
}

/// FAULTS A3: of two years with different ratings the sum is of both.
#[tokio::test]
async fn two_years_are_the_sum_of_their_years_whatever_was_rated_when() {
    let mut world = World::new().await;
    let hours: Vec<i64> = (0..72).map(|hour| hour * 500).collect();
    seal(&world, Kind::Register, "2024-03-01", &texts(&hours)).await;
    let later: Vec<i64> = (0..72).map(|hour| 36_000 + hour * 5).collect();
    seal(&world, Kind::Register, "2025-03-01", &texts(&later)).await;
    let rated = pb::Meter {
        rated_per_hour: "50".to_owned(),
        ..meter("register", "2025-01-01")
    };
    world.register_meter(rated).await;
    let of = |first: &str, last: &str| days(first, last);
    // Each calendar year is a part of its own where a factor of its own stands for it.
    let part = |told: Vec<String>| -> f64 {
        told.iter()
            .map(|of| of.parse::<f64>().expect("a number"))
            .sum()
    };
    let both = part(amount(&world, of("2024-01-01", "2025-12-31")).await);
    let one = part(amount(&world, of("2024-01-01", "2024-12-31")).await);
    let other = part(amount(&world, of("2025-01-01", "2025-12-31")).await);
    assert!((both - one - other).abs() < 1e-6, "{both} {one} {other}");
    assert_eq!(both, 36_355.0);
    world.stop().await;
}

/// FAULTS A7.
#[tokio::test]
async fn a_sub_meter_of_february_is_none_of_the_main_ones_in_march() {
    let mut world = World::new().await;
    seal(&world, Kind::Register, "2025-03-01", &texts(&steady())).await;
    let sub = pb::Meter {
        counted: false,
        valid_to: "2025-02-28".to_owned(),
        ..meter("register", "2025-02-01")
    };
    world.register_meter(sub).await;
    for of in [
        days("2025-01-01", "2025-12-31"),
        days("2025-03-01", "2025-03-31"),
    ] {
        assert!(amount(&world, of).await.is_empty());
    }
    world.stop().await;
}

/// FAULTS A9: amounts that no meter measured are left out, and quality names the meter.
#[tokio::test]
async fn amounts_beyond_a_rating_or_below_zero_are_left_out_and_named() {
    let mut world = World::new().await;
    let mut hours = vec![10; 72];
    (hours[5], hours[40]) = (-3_000, 900_000_000_000);
    seal(&world, Kind::Interval, "2025-03-01", &texts(&hours)).await;
    let march = days("2025-03-01", "2025-03-31");
    let named = findings(&world, march.clone(), "implausible").await;
    // Unrated, the one below zero is left out, and the largest one is doubted.
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(
        named
            .iter()
            .all(|of| of.starts_with(&format!("{NAME}/meters/main"))),
        "{named:?}"
    );
    let rated = pb::Meter {
        rated_per_hour: "12".to_owned(),
        interval_s: 3_600,
        ..meter("interval", "2025-01-01")
    };
    world.register_meter(rated).await;
    assert_eq!(amount(&world, march.clone()).await, ["700"]);
    let named = findings(&world, march, "implausible").await;
    assert!(
        named[0].contains("2 amount(s)") && named[0].contains("900000003000 set aside"),
        "{named:?}"
    );
    world.stop().await;
}

/// FAULTS A11 and A12: what was come across at a midnight is named with the meter.
#[tokio::test]
async fn what_happens_at_a_midnight_is_named_with_its_meter() {
    for bound in ["", "5"] {
        for shown in ["0", "4294967295"] {
            let mut world = World::new().await;
            let mut hours = texts(&steady());
            hours[22..26].fill(shown.to_owned());
            seal(&world, Kind::Register, "2025-03-01", &hours).await;
            let rated = pb::Meter {
                rated_per_hour: bound.to_owned(),
                ..meter("register", "2025-01-01")
            };
            world.register_meter(rated).await;
            let march = days("2025-03-01", "2025-03-31");
            assert_eq!(
                amount(&world, march.clone()).await,
                ["72"],
                "{bound} {shown}"
            );
            for check in ["spike", "sentinel"] {
                let named = findings(&world, march.clone(), check).await;
                assert_eq!(named.len(), 1, "{bound} {shown}: {named:?}");
                assert!(
                    named[0].starts_with(&format!("{NAME}/meters/main: 1 ")),
                    "{named:?}"
                );
            }
            world.stop().await;
        }
    }
}

/// FAULTS A12.
#[tokio::test]
async fn an_exchange_that_nobody_recorded_is_set_aside_and_named() {
    let world = World::new().await;
    let mut hours: Vec<i64> = (72..=144).collect();
    for hour in &mut hours[24..] {
        *hour += 48_964;
    }
    seal(&world, Kind::Register, "2025-03-01", &texts(&hours)).await;
    let march = days("2025-03-01", "2025-03-31");
    assert_eq!(amount(&world, march.clone()).await, ["71"]);
    let part = explain(&world, march.clone()).await;
    assert_eq!(value(&part[0].set_aside), "48965");
    let named = findings(&world, march, "high-low").await;
    assert!(
        named[0].starts_with(&format!("{NAME}/meters/main: 1 ")),
        "{named:?}"
    );
    world.stop().await;
}

/// FAULTS A13: a meter of both ways tells net, import and export.
#[tokio::test]
async fn a_meter_of_both_ways_tells_net_and_export() {
    let mut world = World::new().await;
    let mut register = 100;
    let hours: Vec<i64> = (0..73)
        .map(|hour| {
            register += if (8..16).contains(&(hour % 24)) {
                -3
            } else {
                1
            };
            register
        })
        .collect();
    seal(&world, Kind::Register, "2025-03-01", &texts(&hours)).await;
    let both = pb::Meter {
        bidirectional: true,
        ..meter("register", "2025-01-01")
    };
    world.register_meter(both).await;
    let part = explain(&world, days("2025-03-01", "2025-03-31")).await;
    assert_eq!(
        (value(&part[0].amount), value(&part[0].export)),
        ("-24", "72")
    );
    world.stop().await;
}

/// FAULTS A15.
#[tokio::test]
async fn a_daily_counter_counts_each_days_highest_value() {
    let mut world = World::new().await;
    let hours: Vec<i64> = (0..=72)
        .map(|hour| if hour == 0 { 0 } else { (hour - 1) % 24 + 1 })
        .collect();
    seal(&world, Kind::DailyCounter, "2025-03-01", &texts(&hours)).await;
    for _registered in 0..2 {
        assert_eq!(
            amount(&world, days("2025-03-01", "2025-03-31")).await,
            ["72"]
        );
        assert_eq!(
            amount(&world, days("2025-03-02", "2025-03-02")).await,
            ["24"]
        );
        world
            .register_meter(meter("daily_counter", "2025-01-01"))
            .await;
    }
    let wrong = pb::RegisterMeterRequest {
        meter: Some(pb::Meter {
            restart: "6:30".to_owned(),
            ..meter("daily_counter", "2025-01-01")
        }),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let refused = world
        .registry
        .register_meter(wrong)
        .await
        .expect_err("no time");
    assert!(refused.message().contains("meter.restart"), "{refused:?}");
    world.stop().await;
}
