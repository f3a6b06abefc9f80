//! The forecast compared with worked numbers, and its laws.
//!
//! Expected values are the formulas of the module at 40 digits by an arbitrary-precision calculator.

use proptest::prelude::*;

use super::*;
use crate::plan::progress::scheduled;

fn positive(value: Decimal) -> Positive {
    Positive::new(value).expect("above zero")
}

fn points(values: &[(i16, &str)]) -> Vec<YearlyIntensity> {
    values
        .iter()
        .map(|&(year, intensity)| YearlyIntensity {
            year,
            intensity: positive(intensity.parse().expect("a decimal")),
        })
        .collect()
}

fn told(value: Decimal) -> String {
    value.round_dp(15).to_string()
}

/// METHOD (b): r = +1.51 %, −2.20 %, −4.18 %, which is −1.65 % a year; two years are left.
#[test]
fn method_b_three_years_of_1_65_percent_lead_to_7_99_percent() {
    let years = points(&[
        (2005, "1"),
        (2006, "1.0151"),
        (2007, "0.9927678"),
        (2008, "0.95127010596"),
    ]);
    let forecast = forecast(&years, 2010).expect("a forecast");
    assert_eq!(told(forecast.pace), "0.016514526257590");
    assert_eq!(told(forecast.end.intensity), "0.920109995168226");
    assert_eq!(told(forecast.end.fall), "0.079890004831774");
    assert_eq!(forecast.years_left, 2);
    let interval = forecast.interval.expect("three steps have a spread");
    assert_eq!(told(interval.low.intensity), "0.889555473470454");
    assert_eq!(told(interval.low.fall), "0.110444526529546");
    assert_eq!(told(interval.high.intensity), "0.951714005991772");
    assert_eq!(told(interval.high.fall), "0.048285994008228");
}

#[test]
fn a_missing_year_makes_one_step_of_two_years() {
    let years = points(&[
        (2020, "0.5"),
        (2021, "0.48"),
        (2023, "0.45"),
        (2024, "0.46"),
    ]);
    let forecast = forecast(&years, 2025).expect("a forecast");
    assert_eq!(told(forecast.pace), "0.020629638664441");
    assert_eq!(told(forecast.end.intensity), "0.450510366214357");
    let interval = forecast.interval.expect("three steps have a spread");
    assert_eq!(told(interval.low.fall), "0.114748449218656");
    assert_eq!(told(interval.high.fall), "0.082929186003877");
}

#[test]
fn points_without_a_pace_are_refused_with_the_reason() {
    let told = |values: &[(i16, &str)], end| forecast(&points(values), end).map(|f| f.years_left);
    assert_eq!(told(&[], 2025), Err(ForecastError::TooFewYears));
    assert_eq!(told(&[(2020, "1")], 2025), Err(ForecastError::TooFewYears));
    assert_eq!(
        told(&[(2020, "1"), (2020, "1")], 2025),
        Err(ForecastError::NotAscending { year: 2020 })
    );
    assert_eq!(
        told(&[(2020, "1"), (2025, "0.84")], 2025),
        Err(ForecastError::NothingLeft {
            last: 2025,
            end_year: 2025
        })
    );
    assert_eq!(
        told(&[(2000, "1"), (2001, "1000000000000")], 2199),
        Err(ForecastError::OutOfRange)
    );
}

fn tiny() -> Decimal {
    Decimal::new(1, 18)
}

proptest! {
    #[test]
    fn an_even_pace_ends_where_the_plan_schedules_it(
        target in 1..9_000_i64,
        elapsed in 2..5_i16,
    ) {
        let target = Decimal::new(target, 4);
        let years: Vec<_> = (0..=elapsed)
            .map(|t| YearlyIntensity {
                year: 2020 + t,
                intensity: positive(Decimal::ONE - scheduled(target, t, 5).expect("a pace")),
            })
            .collect();
        let forecast = forecast(&years, 2025).expect("a forecast");
        prop_assert!((forecast.end.fall - target).abs() < tiny());
        let interval = forecast.interval.expect("a spread of nothing");
        let width = interval.high.intensity - interval.low.intensity;
        prop_assert!(width.abs() < Decimal::new(1, 9), "{}", width);
    }

    #[test]
    fn the_end_lies_within_its_interval_and_the_unit_does_not_matter(
        intensities in prop::collection::vec(1..1_000_000_i64, 3..6),
    ) {
        let at = |scale: u32| -> Vec<YearlyIntensity> {
            (2020..)
                .zip(&intensities)
                .map(|(year, &intensity)| YearlyIntensity {
                    year,
                    intensity: positive(Decimal::new(intensity, scale)),
                })
                .collect()
        };
        let end_year = 2026;
        // A leap by six orders of magnitude a year can end beyond 28 digits.
        let (Ok(here), Ok(there)) = (forecast(&at(3), end_year), forecast(&at(5), end_year)) else {
            return Ok(());
        };
        let interval = here.interval.expect("two steps have a spread");
        prop_assert!(interval.low.intensity <= here.end.intensity);
        prop_assert!(here.end.intensity <= interval.high.intensity);
        prop_assert!(interval.high.fall <= here.end.fall && here.end.fall <= interval.low.fall);
        prop_assert!((here.pace - there.pace).abs() <= tiny() * (Decimal::ONE + here.pace.abs()));
    }
}
