//! Which side of an energy's balance counts: the declared one, or the larger one of the calendar year.

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1 as pb;
use tonic::Code;

use crate::{
    fixture::{PARK, With, World, at, day, days, one_day, rows, series, value, value_added, year},
    statements::noted,
};

const NAME: &str = "parks/p/enterprises/e";

/// Every day of 2025 with 100,000 kWh bought, and one day on which a kettle was heard with 1 kWh.
fn bought_and_kettle() -> Vec<(CivilDay, ReadingRows)> {
    let bought = series("grid", "electricity.purchased", Kind::Interval);
    let kettle = series("kettle", "electricity", Kind::Interval);
    (0..365)
        .map(|n| {
            let of = day("2025-01-01").plus(n);
            let noon = at(of, 12);
            let mut all = vec![(bought.clone(), vec![(noon, "100000")])];
            if n == 100 {
                all.push((kettle.clone(), vec![(noon, "1")]));
            }
            let all: Vec<_> = all.iter().map(|(s, v)| (s.clone(), v.as_slice())).collect();
            (of, rows("e", &all))
        })
        .collect()
}

fn month(year: i32, month: u8) -> pb::period::Period {
    pb::period::Period::Month(format!("{year}-{month:02}"))
}

async fn tce(world: &mut World, of: pb::period::Period) -> f64 {
    let figure = world.energy(NAME, of).await;
    value(&figure.numerator).parse().expect("a number")
}

async fn verdict(world: &mut World) -> (pb::Verdict, Vec<String>) {
    let request = pb::GetProgressRequest {
        name: NAME.to_owned(),
        year: 2025,
        ..pb::GetProgressRequest::default()
    };
    let progress = world.indicators.get_progress(request).await;
    let mut targets = progress.expect("progress").into_inner().targets;
    let energy = targets.swap_remove(0);
    (energy.verdict(), energy.notes)
}

#[tokio::test]
async fn a_meter_of_little_heard_once_changes_no_year_and_no_month() {
    let mut world = World::new().await;
    world
        .seal(PARK, &bought_and_kettle(), 1, With::Totals)
        .await;
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2025), "100")])
        .await;
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(value(&figure.numerator), "4485.850000");
    assert!(
        noted(
            &figure.notes,
            &[
                "no side is declared",
                NAME,
                "supply 36500000",
                "consumption 1"
            ]
        ),
        "{:?}",
        figure.notes
    );
    let mut months = 0.0;
    for of in 1..=12 {
        months += tce(&mut world, month(2025, of)).await;
    }
    assert!((months - 4_485.85).abs() < 1e-6, "{months}");
    // The kettle's own day is no exception.
    let the_day = tce(&mut world, days("2025-04-11", "2025-04-11")).await;
    assert!((the_day - 12.29).abs() < 1e-9, "{the_day}");
    world.stop().await;
}

#[tokio::test]
async fn a_verdict_is_withheld_until_a_side_is_declared() {
    let mut world = World::new().await;
    for (of, bought) in [(2020, "1000000"), (2025, "800000")] {
        let amounts = [("electricity.purchased", bought), ("electricity", "5")];
        let file = one_day("e", day(&format!("{of}-03-01")), &amounts);
        world.seal(PARK, &[file], 1, With::Totals).await;
        world
            .declare(PARK, vec![value_added(PARK, "e", year(of), "100")])
            .await;
    }
    let (withheld, notes) = verdict(&mut world).await;
    assert_eq!(withheld, pb::Verdict::Unknown);
    assert!(noted(&notes, &["no side is declared"]), "{notes:?}");
    world
        .declare_side("e", "electricity", "supply", ("2020-01-01", ""))
        .await;
    let figure = world.energy(NAME, year(2025)).await;
    assert!(
        noted(
            &figure.notes,
            &["by declaration the side of supply counts", NAME]
        ),
        "{:?}",
        figure.notes
    );
    let (given, notes) = verdict(&mut world).await;
    assert!(!noted(&notes, &["side"]), "{given:?} {notes:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_side_that_changes_at_a_day_counts_until_and_from_there() {
    let mut world = World::new().await;
    for (of, bought, used) in [("2024-03-01", "100", "90"), ("2024-09-01", "200", "190")] {
        let amounts = [("electricity.purchased", bought), ("electricity", used)];
        let file = one_day("e", day(of), &amounts);
        world.seal(PARK, &[file], 1, With::Totals).await;
    }
    world
        .declare_side(
            "e",
            "electricity",
            "consumption",
            ("2020-01-01", "2024-06-30"),
        )
        .await;
    world
        .declare_side("e", "electricity", "supply", ("2024-07-01", ""))
        .await;
    let figure = world.energy(NAME, year(2024)).await;
    // (90 + 200) kWh.
    assert_eq!(value(&figure.numerator), "0.035641");
    let quarter = |q: &str| pb::period::Period::Quarter(format!("2024-{q}"));
    let first = tce(&mut world, quarter("Q1")).await;
    let third = tce(&mut world, quarter("Q3")).await;
    assert!((first - 0.011_061).abs() < 1e-9 && (third - 0.024_58).abs() < 1e-9);
    world.stop().await;
}

#[tokio::test]
async fn each_energy_has_a_side_of_its_own() {
    let mut world = World::new().await;
    let amounts = [
        ("electricity.purchased", "1000"),
        ("electricity", "900"),
        ("raw_coal.purchased", "10"),
        ("raw_coal", "12"),
    ];
    let file = one_day("e", day("2024-03-01"), &amounts);
    world.seal(PARK, &[file], 1, With::Totals).await;
    world
        .declare_side("e", "electricity", "consumption", ("2024-01-01", ""))
        .await;
    let figure = world.energy(NAME, year(2024)).await;
    // 900 kWh by declaration, and 12 t, the larger side.
    assert_eq!(value(&figure.numerator), "8.682210");
    assert!(
        noted(&figure.notes, &["no side is declared", "e raw_coal"])
            && !noted(&figure.notes, &["no side is declared", "e electricity"]),
        "{:?}",
        figure.notes
    );
    world.stop().await;
}

#[tokio::test]
async fn the_year_decides_for_months_in_which_the_other_side_is_larger() {
    let mut world = World::new().await;
    for of in 1..=12_u8 {
        let mut amounts = vec![("electricity.purchased", "100")];
        if of > 10 {
            amounts.push(("electricity", "150"));
        }
        let file = one_day("e", day(&format!("2024-{of:02}-15")), &amounts);
        world.seal(PARK, &[file], 1, With::Totals).await;
    }
    let whole = tce(&mut world, year(2024)).await;
    assert!((whole - 0.147_48).abs() < 1e-9, "{whole}");
    let november = tce(&mut world, month(2024, 11)).await;
    assert!((november - 0.012_29).abs() < 1e-9, "{november}");
    world.stop().await;
}

#[tokio::test]
async fn a_declared_side_without_meters_is_named_and_nothing_is_judged() {
    let mut world = World::new().await;
    for of in [2020, 2025] {
        let file = one_day("e", day(&format!("{of}-03-01")), &[("electricity", "1000")]);
        world.seal(PARK, &[file], 1, With::Totals).await;
        world
            .declare(PARK, vec![value_added(PARK, "e", year(of), "100")])
            .await;
    }
    world
        .declare_side("e", "electricity", "supply", ("2020-01-01", ""))
        .await;
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(value(&figure.numerator), "0.000000");
    assert!(
        noted(&figure.notes, &["the side of supply is declared", NAME]),
        "{:?}",
        figure.notes
    );
    let (withheld, notes) = verdict(&mut world).await;
    assert_eq!(withheld, pb::Verdict::Unknown, "{notes:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_side_of_no_energy_or_of_another_name_is_refused_with_every_mistake() {
    let mut world = World::new().await;
    let side = |medium: &str, side: &str, from: &str| pb::BalanceSide {
        enterprise: NAME.to_owned(),
        medium: medium.to_owned(),
        side: side.to_owned(),
        valid_from: from.to_owned(),
        valid_to: String::new(),
    };
    let request = pb::DeclareSidesRequest {
        parent: "parks/p".to_owned(),
        sides: vec![
            side("electricity", "supply", "2024-01-01"),
            side("fresh_water", "demand", "2024"),
        ],
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let refused = world.registry.declare_sides(request).await;
    let refused = refused.expect_err("wrong");
    assert_eq!(refused.code(), Code::InvalidArgument);
    for field in ["sides[1].medium", "sides[1].side", "sides[1].valid_from"] {
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    world.stop().await;
}
