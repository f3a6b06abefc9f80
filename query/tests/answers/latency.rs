//! How long a year's intensity of a park of a hundred meters takes. The figure is asserted; the time is
//! told, not judged, for a test machine may be busy.

use std::time::Duration;

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1 as pb;
use tokio::time::Instant;

use crate::fixture::*;

const ENTERPRISES: usize = 10;
const METERS: usize = 10;

fn sealed_day(of: CivilDay, n: i64, id: &str) -> (CivilDay, ReadingRows) {
    let readings: Vec<(i64, String)> = (0..2)
        .map(|half| (at(of, 12 * half), format!("{}", n * 20 + half * 10)))
        .collect();
    let values: Vec<(i64, &str)> = readings.iter().map(|(i, v)| (*i, v.as_str())).collect();
    let of_meters: Vec<_> = (0..METERS)
        .map(|m| {
            (
                series(&format!("m{m}"), "electricity", Kind::Register),
                values.as_slice(),
            )
        })
        .collect();
    (of, rows(id, &of_meters))
}

async fn timed(world: &mut World, of: pb::period::Period) -> (pb::Figure, Duration) {
    let begun = Instant::now();
    let figure = world.energy("parks/p", of).await;
    (figure, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_years_intensity_of_a_hundred_meters() {
    let mut world = World::new().await;
    for (index, year) in [2022, 2023, 2024].into_iter().enumerate() {
        let first = day(&format!("{year}-01-01"));
        for id in (0..ENTERPRISES).map(|e| format!("e{e}")) {
            let year = i64::try_from(index).expect("few") * 366;
            let days: Vec<_> = (0..360i32)
                .map(|n| sealed_day(first.plus(n), year + i64::from(n), &id))
                .collect();
            world.seal(PARK, &days, 1, With::Totals).await;
        }
    }
    let (cold, cold_took) = timed(&mut world, year(2023)).await;
    let mut warm_took = Duration::MAX;
    for _ in 0..20 {
        let (warm, took) = timed(&mut world, year(2023)).await;
        assert_eq!(warm.components, cold.components);
        warm_took = warm_took.min(took);
    }
    let (month, month_took) = timed(&mut world, days("2023-05-01", "2023-05-31")).await;
    assert_eq!(
        value(&month.components[0].amount),
        (31 * 20 * 100).to_string()
    );
    let whole = days("2022-01-01", "2024-12-31");
    let (all, all_took) = timed(&mut world, whole).await;
    assert_eq!(all.coverage.expect("coverage").meter_days, 3 * 360 * 100);
    let late = rows(
        "e0",
        &[(
            series("m0", "electricity", Kind::Register),
            &[(at(day("2023-06-01"), 1), "1")],
        )],
    );
    world.hot(PARK, day("2023-06-01"), 1, &late).await;
    let (_, changed_took) = timed(&mut world, year(2023)).await;
    eprintln!(
        "100 meters: a year cold {cold_took:?}, warm {warm_took:?}, a month {month_took:?}, three years \
         {all_took:?}, a year after a late reading {changed_took:?}"
    );
    world.stop().await;
}
