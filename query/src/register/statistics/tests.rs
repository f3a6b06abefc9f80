//! Totals of declared periods.

use super::*;

const BASE: PriceBase = PriceBase::Constant(2020);

fn declared(period: &str, amount: &str, finality: Finality) -> DeclaredStatistic {
    DeclaredStatistic {
        series: StatisticSeries::ValueAdded,
        period: period.parse().expect("a period"),
        amount: amount.parse().expect("a decimal"),
        price_base: Some(BASE),
        finality,
        recorded_at: Instant::from_millis(0),
    }
}

fn range(first: &str, last: &str) -> DayRange {
    let day = |text: &str| text.parse().expect("a day");
    DayRange::new(day(first), day(last)).expect("in order")
}

/// The declared value added of these days.
fn total(statistics: &[DeclaredStatistic], first: &str, last: &str) -> Option<Total> {
    let days = range(first, last);
    total_of(statistics, &StatisticSeries::ValueAdded, days, Some(BASE))
}

#[test]
fn a_year_is_tiled_by_quarters_and_months_where_it_was_not_declared_whole() {
    let statistics: Vec<_> = [("2020-Q1", "1"), ("2020-Q2", "2"), ("2020-07", "4")]
        .into_iter()
        .chain([
            ("2020-08", "8"),
            ("2020-09", "16"),
            ("2020-Q4", "32"),
            ("2020-01", "64"),
        ])
        .map(|(p, a)| declared(p, a, Finality::Final))
        .collect();
    let year = total(&statistics, "2020-01-01", "2020-12-31");
    let year = year.expect("declared");
    assert_eq!(year.amount.to_string(), "63");
    assert_eq!((year.prorated_days, year.missing_days), (0, 0));
    assert_eq!(year.finality, Finality::Final);
}

#[test]
fn a_declared_year_counts_before_its_months() {
    let statistics = [
        declared("2020-01", "5", Finality::Final),
        declared("2020", "100", Finality::Preliminary),
    ];
    let year = total(&statistics, "2020-01-01", "2020-12-31").expect("declared");
    assert_eq!(year.amount.to_string(), "100");
    assert_eq!(year.finality, Finality::Preliminary);
    let month = total(&statistics, "2020-01-01", "2020-01-31").expect("declared");
    assert_eq!(
        (month.amount.to_string().as_str(), month.prorated_days),
        ("5", 0)
    );
}

/// A year of twelve equal months.
fn months(amount: &str) -> Vec<DeclaredStatistic> {
    let period = |month| format!("2020-{month:02}");
    let all = (1..=12).map(|month| declared(&period(month), amount, Finality::Final));
    all.collect()
}

#[test]
fn of_a_year_and_all_its_months_the_later_record_counts() {
    let year = declared("2020", "100", Finality::Final);
    let of = |statistics: &[DeclaredStatistic]| {
        let year = total(statistics, "2020-01-01", "2020-12-31").expect("declared");
        assert_eq!((year.prorated_days, year.missing_days), (0, 0));
        year.amount.to_string()
    };
    let mut later = vec![year.clone()];
    later.extend(months("9"));
    assert_eq!(of(&later), "108");
    let mut earlier = months("9");
    earlier.push(year.clone());
    assert_eq!(of(&earlier), "100");
    // A single later month is enough, and eleven months do not tile the year.
    let mut corrected = months("9");
    corrected.insert(11, year.clone());
    assert_eq!(of(&corrected), "108");
    let mut eleven = vec![year];
    eleven.extend(months("9").into_iter().skip(1));
    assert_eq!(of(&eleven), "100");
}

#[test]
fn quarters_and_months_are_decided_each_for_itself() {
    let statistics: Vec<_> = [
        ("2020-01", "1"),
        ("2020-02", "1"),
        ("2020-03", "1"),
        ("2020", "50"),
        ("2020-Q1", "10"),
        ("2020-Q2", "20"),
        ("2020-Q3", "30"),
        ("2020-Q4", "40"),
    ]
    .into_iter()
    .map(|(period, amount)| declared(period, amount, Finality::Final))
    .collect();
    let of = |first: &str, last: &str| {
        let total = total(&statistics, first, last).expect("declared");
        total.amount.to_string()
    };
    assert_eq!(of("2020-01-01", "2020-12-31"), "100");
    assert_eq!(of("2020-01-01", "2020-03-31"), "10");
    assert_eq!(of("2020-02-01", "2020-02-29"), "1");
}

#[test]
fn a_whole_and_parts_that_differ_by_more_than_a_two_hundredth_are_named() {
    let of = |whole: &str, months_first: bool| {
        let mut statistics = months("10");
        let place = if months_first { 12 } else { 0 };
        statistics.insert(place, declared("2020", whole, Finality::Final));
        let range = range("2020-05-01", "2020-05-31");
        let most = rust_decimal::Decimal::new(5, 3);
        let found = differing(
            &statistics,
            &StatisticSeries::ValueAdded,
            (range, Some(BASE)),
            most,
        );
        found
            .into_iter()
            .map(|(_, sentence)| sentence)
            .collect::<Vec<_>>()
    };
    assert!(of("120", true).is_empty() && of("120.6", false).is_empty());
    let found = of("120.7", false);
    assert!(
        found.len() == 1 && found[0].contains("the parts, which were recorded later"),
        "{found:?}"
    );
    assert!(of("121", true)[0].contains("the whole, which was recorded later"));
    assert_eq!(of("0", true).len(), 1);
}

#[test]
fn days_within_a_period_are_prorated_from_the_shortest_around_them() {
    let statistics = [
        declared("2021", "365", Finality::Final),
        declared("2021-02", "280", Finality::Final),
    ];
    let part = total(&statistics, "2021-01-30", "2021-03-02").expect("declared");
    // Two days of January and two of March at 1 a day, February as declared.
    assert_eq!(part.amount.to_string(), "284");
    assert_eq!((part.prorated_days, part.missing_days), (4, 0));
    let inside = total(&statistics, "2021-02-01", "2021-02-07").expect("declared");
    assert_eq!(
        (inside.amount.to_string().as_str(), inside.prorated_days),
        ("70", 7)
    );
}

#[test]
fn a_shorter_period_that_begins_later_counts_from_its_first_day() {
    let statistics = [
        declared("2021", "365", Finality::Final),
        declared("2021-02", "280", Finality::Final),
    ];
    let part = total(&statistics, "2021-01-20", "2021-02-10").expect("declared");
    // Twelve days of January at 1 a day, ten of February at 10.
    assert_eq!(part.amount.to_string(), "112");
    assert_eq!((part.prorated_days, part.missing_days), (22, 0));
}

#[test]
fn undeclared_days_are_counted_and_other_price_bases_are_not_used() {
    let statistics = [declared("2021-02", "28", Finality::Final)];
    let part = total(&statistics, "2021-02-01", "2021-03-31").expect("declared");
    assert_eq!(
        (part.amount.to_string().as_str(), part.missing_days),
        ("28", 31)
    );
    assert_eq!(
        total_of(
            &statistics,
            &StatisticSeries::ValueAdded,
            range("2021-02-01", "2021-02-28"),
            Some(PriceBase::Current)
        ),
        None
    );
    assert_eq!(total(&statistics, "2022-02-01", "2022-02-28"), None);
}

#[test]
fn periods_are_printed_as_they_are_read() {
    for text in ["2026", "2026-Q4", "2026-11"] {
        assert_eq!(
            text.parse::<DeclaredPeriod>()
                .expect("a period")
                .to_string(),
            text
        );
    }
    for bad in [
        "",
        "26",
        "2026-13",
        "2026-Q5",
        "2026-1",
        "2026-11-01",
        "1999",
        "+026",
        "2026-Q",
    ] {
        assert!(bad.parse::<DeclaredPeriod>().is_err(), "{bad}");
    }
}
