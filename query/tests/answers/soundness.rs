//! No verdict on a year of which too little is known (FAULTS A1): completeness, in every answer.

use greenpark_model::{day::DayRange, reading::Kind};
use greenpark_proto::query::v1::{self as pb, UnsoundKind, Verdict, explain_part::Part};

use crate::{fixture::*, sound_years::*};

fn whole(of: i16) -> DayRange {
    DayRange::year(of).expect("a year")
}

/// `e` in 2020 and in the first days of 2025, with its meter registered or not.
async fn cut_short(kind: Kind, interval_s: Option<u32>, many: i32) -> World {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    if let Some(interval_s) = interval_s {
        let entry = meter("e", "electricity", "electricity", kind.as_str(), interval_s);
        world.register_meter(entry).await;
    }
    let mut days = kwh_a_day("e", kind, whole(2020), 100);
    days.extend(kwh_a_day("e", kind, first_days(2025, many), 100));
    world.seal_all(days).await;
    world
        .declare_years("e", &[(2020, "100"), (2025, "100")])
        .await;
    world
}

#[tokio::test]
async fn twenty_days_of_a_year_are_no_year_whatever_meter_read_them() {
    let ways = [
        (Kind::Interval, Some(DAILY)),
        (Kind::Register, Some(DAILY)),
        (Kind::Interval, Some(0)),
        (Kind::Register, None),
    ];
    for (kind, interval_s) in ways {
        let mut world = cut_short(kind, interval_s, 20).await;
        let target = world.energy_target().await;
        withheld(&target);
        let coverage = target
            .unsound
            .iter()
            .find(|of| of.kind() == UnsoundKind::Coverage);
        let coverage = coverage.unwrap_or_else(|| panic!("{kind:?} {:?}", target.unsound));
        assert_eq!(
            (
                coverage.share.as_str(),
                coverage.threshold.as_str(),
                coverage.year
            ),
            ("0.054795", "0.9", 2025),
            "{kind:?} {interval_s:?}"
        );
        assert!(coverage.names[0].starts_with(NAME), "{:?}", coverage.names);
        assert!(coverage.mend.contains("replay"), "{}", coverage.mend);
        // The figure is told all the same, with what it was made of.
        let current = target.current.as_ref().expect("a figure");
        assert!(!current.value.is_empty());
        assert!(kinds(&current.unsound).contains(&UnsoundKind::Coverage));
        let line = world.energy_line().await;
        assert_eq!(
            (line.verdict(), &line.unsound),
            (Verdict::Unknown, &target.unsound)
        );
        world.stop().await;
    }
}

#[tokio::test]
async fn every_answer_about_a_short_year_says_that_it_is_not_sound() {
    let mut world = cut_short(Kind::Interval, Some(DAILY), 20).await;
    let progress = world.progress_of("parks/p", 2025).await;
    let last = progress.targets[0].years.last().expect("2025");
    assert_eq!(told(&last.unsound), [(UnsoundKind::Coverage, 2025)]);
    assert_eq!(last.change_percent, "");
    let request = pb::ListIndicatorsRequest {
        parent: "parks/p".to_owned(),
        period: period(year(2025)),
        ..pb::ListIndicatorsRequest::default()
    };
    let listed = world.indicators.list_energy_intensities(request).await;
    let figures = listed.expect("figures").into_inner().figures;
    assert_eq!(told(&figures[0].unsound), [(UnsoundKind::Coverage, 0)]);
    assert_eq!(figures[0].quality_set, "on-line-monitoring");
    let completeness = &figures[0].thresholds[0];
    assert_eq!(
        (completeness.name.as_str(), completeness.value.as_str()),
        ("completeness", "0.9")
    );
    let request = pb::ExplainRequest {
        indicator: "energy-intensity".to_owned(),
        question: Some(get(NAME, year(2025))),
    };
    let mut parts = world
        .indicators
        .explain(request)
        .await
        .expect("parts")
        .into_inner();
    let first = parts.message().await.expect("a part").expect("a part").part;
    let Some(Part::Figure(explained)) = first else {
        panic!("the figure first: {first:?}")
    };
    assert_eq!(explained.unsound, figures[0].unsound);
    drop(parts);
    world.stop().await;
}

#[tokio::test]
async fn nine_tenths_of_a_year_are_enough_and_one_day_less_is_not() {
    for (many, sound) in [(329, true), (328, false)] {
        let mut world = cut_short(Kind::Interval, Some(DAILY), many).await;
        let target = world.energy_target().await;
        assert_eq!(target.unsound.is_empty(), sound, "{:?}", target.unsound);
        assert_eq!(target.verdict() == Verdict::Unknown, !sound);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_short_base_year_leaves_nothing_to_compare_with() {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let entry = meter("e", "electricity", "electricity", "interval", DAILY);
    world.register_meter(entry).await;
    let mut days = kwh_a_day("e", Kind::Interval, first_days(2020, 20), 1_000);
    days.extend(kwh_a_day("e", Kind::Interval, whole(2021), 1));
    world.seal_all(days).await;
    world.declare_years("e", &[(2020, "1"), (2021, "1")]).await;
    let progress = world.progress_of("parks/p", 2021).await;
    let target = &progress.targets[0];
    withheld(target);
    assert_eq!(told(&target.unsound), [(UnsoundKind::Coverage, 2020)]);
    assert_eq!(
        told(&target.forecast_unsound),
        [(UnsoundKind::Coverage, 2020)]
    );
    assert_eq!(target.unsound[0].share, "0.054645");
    world.stop().await;
}

#[tokio::test]
async fn two_registers_a_year_know_all_of_its_days() {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let entry = meter("e", "electricity", "electricity", "register", 0);
    world.register_meter(entry).await;
    for (of, from, to) in [(2020, "0", "1000"), (2025, "1000", "1800")] {
        let register = series("electricity", "electricity", Kind::Register);
        let ends = [(whole(of).first(), 0, from), (whole(of).last(), 24, to)];
        let day = |(day, hours, value): (_, i64, &str)| {
            let instant = at(day, hours) - i64::from(hours > 0) * 30_000;
            (day, rows("e", &[(register.clone(), &[(instant, value)])]))
        };
        world.seal(PARK, &ends.map(day), 1, With::Totals).await;
    }
    world
        .declare_years("e", &[(2020, "1000"), (2025, "1000")])
        .await;
    let target = world.energy_target().await;
    assert_eq!(target.unsound, []);
    assert_eq!(target.verdict(), Verdict::Met);
    assert_eq!(target.change_percent, "-20.0000");
    world.stop().await;
}

#[tokio::test]
async fn a_meter_is_due_while_it_is_registered_and_never_ahead() {
    let mut world = two_years().await;
    // A second meter came in July and left in September, and was read every day between.
    let second = pb::Meter {
        valid_from: "2025-07-01".to_owned(),
        valid_to: "2025-09-30".to_owned(),
        ..meter("e", "second", "electricity", "interval", DAILY)
    };
    world.register_meter(second).await;
    let of = series("second", "electricity", Kind::Interval);
    let values = vec!["1".to_owned(); 92];
    world
        .seal_all(daily("e", &of, day("2025-07-01"), &values))
        .await;
    let target = world.energy_target().await;
    assert_eq!(target.unsound, []);
    // Of 2026 the days until yesterday are due: both months of it were read.
    let third = meter("e", "third", "electricity", "interval", DAILY);
    let third = pb::Meter {
        valid_from: "2026-01-01".to_owned(),
        ..third
    };
    world.register_meter(third).await;
    let of = series("third", "electricity", Kind::Interval);
    let values = vec!["1".to_owned(); 59];
    world
        .seal_all(daily("e", &of, day("2026-01-01"), &values))
        .await;
    world.set_now(day("2026-03-01"), 12);
    let running = world.energy(NAME, year(2026)).await;
    let coverage = running
        .unsound
        .iter()
        .find(|of| of.kind() == UnsoundKind::Coverage);
    // The yearly meter has no reading of 2026 yet: 59 of 118 days.
    assert_eq!(coverage.map(|of| of.share.as_str()), Some("0.500000"));
    assert!(kinds(&running.unsound).contains(&UnsoundKind::Open));
    world.stop().await;
}

#[tokio::test]
async fn meters_weigh_by_the_days_that_they_were_due() {
    let mut world = cut_short(Kind::Interval, Some(DAILY), 365).await;
    let second = meter("e", "second", "electricity", "interval", 900);
    let second = pb::Meter {
        valid_from: "2025-01-01".to_owned(),
        ..second
    };
    world.register_meter(second).await;
    let of = series("second", "electricity", Kind::Interval);
    let noon = day("2025-01-01");
    let values: Vec<(i64, &str)> = (0..96).map(|n| (at(noon, 0) + n * 900_000, "1")).collect();
    world
        .seal_all(vec![(noon, rows("e", &[(of, &values)]))])
        .await;
    let figure = world.energy(NAME, year(2025)).await;
    let coverage = &figure.unsound[0];
    // (365 + 1) ÷ (365 + 365), and only the one that lacks is named.
    assert_eq!(coverage.share, "0.501370");
    assert_eq!(coverage.names, [format!("{NAME}/meters/second")]);
    world.stop().await;
}

#[tokio::test]
async fn more_readings_than_expected_make_up_for_no_day() {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let entry = meter("e", "electricity", "electricity", "interval", DAILY);
    world.register_meter(entry).await;
    let of = series("electricity", "electricity", Kind::Interval);
    let days = first_days(2025, 20).iter().map(|day| {
        let values: Vec<(i64, &str)> = (0..24).map(|hour| (at(day, hour), "1")).collect();
        (day, rows("e", &[(of.clone(), &values)]))
    });
    world.seal_all(days.collect()).await;
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(figure.unsound[0].share, "0.054795");
    world.stop().await;
}

#[tokio::test]
async fn tickets_are_due_on_no_day() {
    let mut world = two_years().await;
    let quantities = ["fly_ash.generated", "fly_ash.utilized"];
    for quantity in quantities {
        let entry = meter("e", "s", quantity, "event", 0);
        world.register_meter(entry).await;
    }
    let noon = at(day("2025-03-01"), 12);
    let ticket = |quantity, tonnes| (series("s", quantity, Kind::Event), [(noon, tonnes)]);
    let [generated, utilized] = [ticket(quantities[0], "100"), ticket(quantities[1], "71")];
    let file = rows(
        "e",
        &[
            (generated.0, generated.1.as_slice()),
            (utilized.0, utilized.1.as_slice()),
        ],
    );
    world.seal_all(vec![(day("2025-03-01"), file)]).await;
    let request = get("parks/p", year(2025));
    let waste = world.indicators.get_waste_utilization(request).await;
    let waste = waste.expect("a figure").into_inner();
    assert_eq!(
        (waste.value.as_str(), waste.unsound),
        ("71.000000", Vec::new())
    );
    world.stop().await;
}

/// An entry that ends before, or begins after, what its meter was read makes no year whole.
#[tokio::test]
async fn a_year_beside_a_meters_entries_is_due_where_the_meter_was_read() {
    for (valid_from, valid_to, short) in
        [("2018-01-01", "2024-12-31", 2025), ("2025-01-01", "", 2020)]
    {
        let mut world = World::new().await;
        world.register_enterprise(PARK, "e", true).await;
        let entry = pb::Meter {
            valid_from: valid_from.to_owned(),
            valid_to: valid_to.to_owned(),
            ..meter("e", "electricity", "electricity", "interval", DAILY)
        };
        world.register_meter(entry).await;
        for of in [2020, 2025] {
            let range = if of == short {
                first_days(of, 20)
            } else {
                whole(of)
            };
            world
                .seal_all(kwh_a_day("e", Kind::Interval, range, 100))
                .await;
        }
        world
            .declare_years("e", &[(2020, "100"), (2025, "100")])
            .await;
        let target = world.energy_target().await;
        withheld(&target);
        let found = target.unsound.iter();
        let found = found.map(|of| (of.kind(), of.year, of.share.as_str()));
        let share = if short == 2020 {
            "0.054645"
        } else {
            "0.054795"
        };
        assert_eq!(
            found.collect::<Vec<_>>(),
            [(UnsoundKind::Coverage, i32::from(short), share)]
        );
        world.stop().await;
    }
}

/// A reading at the end of an entry's last day makes no year of it.
#[tokio::test]
async fn a_meter_that_left_is_not_due_for_one_last_reading() {
    let mut world = World::new().await;
    world.register_enterprise(PARK, "e", true).await;
    let entry = pb::Meter {
        valid_to: "2025-06-30".to_owned(),
        ..meter("e", "electricity", "electricity", "register", DAILY)
    };
    world.register_meter(entry).await;
    let read = DayRange::new(day("2025-01-01"), day("2025-07-01")).expect("in order");
    world
        .seal_all(kwh_a_day("e", Kind::Register, read, 100))
        .await;
    world.declare_years("e", &[(2025, "100")]).await;
    let figure = world.energy(NAME, year(2025)).await;
    assert_eq!(figure.unsound, []);
    world.stop().await;
}
