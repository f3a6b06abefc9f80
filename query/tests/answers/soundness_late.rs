//! Readings that came for a year after it was final (FAULTS A14): a gateway whose clock fell back.

use greenpark_archive::{
    builder::RowsBuilder,
    rows::{LateArrival, ReadingRows, SeriesKey},
};
use greenpark_model::{
    day::{CivilDay, Instant},
    id::GatewayId,
    reading::{Flag, Kind},
};
use greenpark_proto::query::v1::{UnsoundKind, Verdict};

use crate::{fixture::*, sound_years::*};

/// A reading of `e`'s meter that gateway `gw-late` sent `days` days after the fixture's now.
fn late(of: CivilDay, kwh: &str, days: i32) -> (CivilDay, ReadingRows) {
    let mut builder = RowsBuilder::new();
    let key = builder.key(&SeriesKey {
        enterprise: enterprise("e"),
        series: series("electricity", "electricity", Kind::Interval),
    });
    builder.push(key, at(of, 9), micro(kwh), Flag::Normal.code());
    let received = day("2026-11-23").plus(days);
    let late = LateArrival {
        received: Instant::from_millis(at(received, 12)),
        gateway: GatewayId::new("gw-late").expect("an id"),
    };
    builder.late(0, late);
    (of, builder.finish().rows)
}

#[tokio::test]
async fn readings_after_a_year_was_final_are_named_with_their_gateway_until_it_is_confirmed() {
    for with in [With::Totals, With::NoTotals] {
        let mut world = two_years().await;
        world.set_now(day("2026-11-26"), 12);
        let (first, second) = (day("2025-02-01"), day("2025-02-02"));
        let came = [late(first, "500", 1), late(second, "500", 2)];
        world.seal(PARK, &came, 1, with).await;
        let target = world.energy_target().await;
        withheld(&target);
        let [reason] = &target.unsound[..] else {
            panic!("one reason: {:?}", target.unsound)
        };
        assert_eq!(
            (reason.kind(), reason.year),
            (UnsoundKind::LateChange, 2025)
        );
        assert_eq!((reason.late_readings, reason.late_corrections), (2, 0));
        assert_eq!(reason.gateways, ["gw-late"]);
        assert_eq!(reason.names, [format!("{NAME}/meters/electricity")]);
        // 1,000 of 801,000 kWh.
        assert_eq!(reason.share, "0.001248");
        let [first, last, since] = [
            reason.first_arrived,
            reason.last_arrived,
            reason.final_since,
        ]
        .map(|stamp| stamp.expect("an instant").seconds);
        assert_eq!((first - since, last - since), (86_400, 2 * 86_400));
        for part in [
            "2 late reading(s) from gw-late",
            "after the period was final",
        ] {
            assert!(reason.detail.contains(part), "{}", reason.detail);
        }
        // They count all the same, and another year has no part in it.
        let figure = world.energy(NAME, year(2025)).await;
        assert_eq!(value(&figure.components[0].amount), "801000");
        assert_eq!(world.energy(NAME, year(2020)).await.unsound, []);
        world.declare_years("e", &[(2025, "1000")]).await;
        let confirmed = world.energy_target().await;
        assert_eq!(
            (confirmed.verdict(), &confirmed.unsound),
            (Verdict::Met, &Vec::new())
        );
        world.stop().await;
    }
}

#[tokio::test]
async fn late_readings_before_a_year_was_final_or_of_little_change_no_verdict() {
    let mut world = two_years().await;
    let before = [late(day("2025-02-01"), "5000", -1)];
    world.seal(PARK, &before, 1, With::Totals).await;
    world.set_now(day("2026-11-26"), 12);
    let little = [late(day("2025-02-02"), "800", 1)];
    world.seal(PARK, &little, 1, With::Totals).await;
    let target = world.energy_target().await;
    assert_eq!(
        (target.verdict(), &target.unsound),
        (Verdict::Met, &Vec::new())
    );
    world.stop().await;
}

#[tokio::test]
async fn a_late_reading_that_is_not_sealed_yet_is_named_as_well() {
    let mut world = two_years().await;
    world.set_now(day("2026-11-26"), 12);
    let (of, rows) = late(day("2025-02-01"), "50000", 1);
    world.hot(PARK, of, 7, &rows).await;
    let figure = world.energy(NAME, year(2025)).await;
    // While the day is open the year is not final; once it is sealed again it says what came.
    assert_eq!(kinds(&figure.unsound), [UnsoundKind::Open]);
    world.seal(PARK, &[(of, rows)], 1, With::Totals).await;
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(kinds(&figure.unsound), [UnsoundKind::LateChange]);
    world.stop().await;
}

/// A world whose clock is the one that commits are told by, with `e` read in June of 2020 and 2025.
async fn told_by_commits() -> World {
    let mut world = World::new().await;
    world.go_on();
    world.register_yearly("e").await;
    for (of, kwh) in [(2020, "1000000"), (2025, "800000")] {
        let read = june("e", of, &[("electricity", kwh)]);
        world.seal_all(vec![read]).await;
    }
    world.go_on();
    world
        .declare_years("e", &[(2020, "1000"), (2025, "1000")])
        .await;
    world.go_on();
    world
}

/// A reading without any mark: a backlog, a replay, the first message of a gateway.
fn unmarked(of: CivilDay, kwh: &str) -> (CivilDay, ReadingRows) {
    one_day("e", of, &[("electricity", kwh)])
}

#[tokio::test]
async fn what_came_after_a_year_was_final_is_named_whichever_way_it_came() {
    // Readings of other days, and another value of the same one.
    let cases = [
        (vec![("2025-02-01", "500"), ("2025-02-02", "500")], 2),
        (vec![("2025-06-01", "801000")], 1),
    ];
    for (came, readings) in cases {
        let mut world = told_by_commits().await;
        assert_eq!(world.energy_target().await.verdict(), Verdict::Met);
        let came = came
            .into_iter()
            .map(|(of, kwh)| unmarked(day(of), kwh))
            .collect::<Vec<_>>();
        world.seal(PARK, &came, 2, With::Totals).await;
        world.go_on();
        let target = world.energy_target().await;
        withheld(&target);
        let [reason] = &target.unsound[..] else {
            panic!("one reason: {:?}", target.unsound)
        };
        assert_eq!(
            (reason.kind(), reason.year, reason.late_readings),
            (UnsoundKind::LateChange, 2025, readings)
        );
        // 1,000 of 801,000 kWh.
        assert_eq!(reason.share, "0.001248");
        assert_eq!(reason.names, [format!("{NAME}/meters/electricity")]);
        let at = |stamp: &Option<prost_types::Timestamp>| {
            let stamp = stamp.expect("an instant");
            (stamp.seconds, stamp.nanos)
        };
        assert!(at(&reason.first_arrived) > at(&reason.final_since));
        let figure = world.energy(NAME, year(2025)).await;
        assert_eq!(kinds(&figure.unsound), [UnsoundKind::LateChange]);
        assert_eq!(world.energy(NAME, year(2020)).await.unsound, []);
        world.declare_years("e", &[(2025, "1000")]).await;
        assert_eq!(world.energy_target().await.verdict(), Verdict::Met);
        world.stop().await;
    }
}

#[tokio::test]
async fn readings_that_came_first_after_the_year_was_declared_or_move_little_change_no_verdict() {
    let mut world = World::new().await;
    world.go_on();
    world.register_yearly("e").await;
    world
        .declare_years("e", &[(2020, "1000"), (2025, "1000")])
        .await;
    for (of, kwh) in [(2020, "1000000"), (2025, "800000")] {
        world.go_on();
        world
            .seal_all(vec![june("e", of, &[("electricity", kwh)])])
            .await;
    }
    world.go_on();
    assert_eq!(world.energy_target().await.verdict(), Verdict::Met);
    world.declare_years("e", &[(2025, "1000")]).await;
    world.go_on();
    let little = [unmarked(day("2025-02-02"), "800")];
    world.seal(PARK, &little, 1, With::Totals).await;
    world.go_on();
    assert_eq!(world.energy_target().await.verdict(), Verdict::Met);
    world.stop().await;
}
