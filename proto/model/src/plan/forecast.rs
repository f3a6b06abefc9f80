//! The forecast of a plan's intensity, if the pace so far continues.
//!
//! With intensities I of the years from the base year b to the last year l:
//!
//! - the *pace* is the mean yearly log change g = ln(I_l ÷ I_b) ÷ (l − b): falls multiply, so their mean
//!   is geometric;
//! - the end of year e is I_l × exp(g × (e − l)), which is I_b × exp(g × (e − b)), and the cumulative fall
//!   is 1 − exp(g × (e − b));
//! - the *interval* is I_l × exp((g ∓ h) × (e − l)), where h is one standard error of the mean yearly log
//!   change: h = s ÷ √(l − b) with s² = Σ kⱼ × (xⱼ − g)² ÷ (n − 1) over the n steps between neighbouring
//!   points, xⱼ a step's log change a year and kⱼ its years (1 unless years are missing).
//!
//! The interval is the uncertainty of the pace: one standard error to either side, not a quantile of
//! Student's t. It covers about two in three for many years, less for few. It does not predict the years that
//! remain. One step has no spread, so it has no interval.
//!
//! Logarithms and powers are computed in decimals of 28 digits, the same bits on every machine.
//!
//! ```
//! use greenpark_model::{forecast::{YearlyIntensity, forecast}, positive::Positive};
//! let intensity = |text: &str| Positive::new(text.parse().expect("a decimal")).expect("above zero");
//! let points = [
//!     YearlyIntensity { year: 2020, intensity: intensity("1") },
//!     YearlyIntensity { year: 2021, intensity: intensity("0.9") },
//! ];
//! let forecast = forecast(&points, 2022).expect("a forecast");
//! assert_eq!(forecast.end.intensity.round_dp(12).to_string(), "0.810000000000");
//! assert_eq!(forecast.end.fall.round_dp(12).to_string(), "0.190000000000");
//! assert!(forecast.interval.is_none());
//! ```

use rust_decimal::{Decimal, MathematicalOps};

use crate::positive::Positive;

/// The intensity of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YearlyIntensity {
    /// The year.
    pub year: i16,
    /// Consumption per value added, in any one unit.
    pub intensity: Positive,
}

/// An intensity at the plan's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// In the unit of the points.
    pub intensity: Decimal,
    /// The fall since the first point as a fraction (0.16 is 16 % less; negative is a rise).
    pub fall: Decimal,
}

/// One standard error of the pace to either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The lower intensity, which is the larger fall.
    pub low: Projection,
    /// The higher intensity, which is the smaller fall.
    pub high: Projection,
}

/// The forecast from the pace so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// The even yearly fall so far as a fraction (negative is a rise).
    pub pace: Decimal,
    /// The intensity at the end.
    pub end: Projection,
    /// The uncertainty of the pace; `None` from a single step.
    pub interval: Option<Interval>,
    /// Years from the last point to the end.
    pub years_left: i16,
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// Fewer than two years have a figure.
    #[error("a pace needs the figures of two years, the base year and a later one")]
    TooFewYears,
    /// The years are not in order, or one is repeated.
    #[error("year {year} does not come after the one before it")]
    NotAscending {
        /// The year that is out of order.
        year: i16,
    },
    /// The last figure is of the end year or a later one, so there is nothing to forecast.
    #[error("the figures reach {last}, so there is nothing to forecast up to {end_year}")]
    NothingLeft {
        /// The last year with a figure.
        last: i16,
        /// The requested year.
        end_year: i16,
    },
    /// Beyond 28 digits.
    #[error("a forecast beyond 28 digits")]
    OutOfRange,
}

/// A step between neighbouring points.
struct Step {
    years: Decimal,
    /// The log change of the whole step.
    change: Decimal,
}

/// The smallest term of the exponential series that is summed: far below the six places that are reported.
fn tolerance() -> Decimal {
    Decimal::new(1, 24)
}

/// Forecasts the intensity in `end_year` from the pace of `points`; the first point is the base.
///
/// # Errors
/// [`ForecastError`] for fewer than two points, years out of order, an end that is already reached, or values
/// beyond 28 digits.
pub fn forecast(points: &[YearlyIntensity], end_year: i16) -> Result<Forecast, ForecastError> {
    let (Some(base), Some(last)) = (points.first(), points.last()) else {
        return Err(ForecastError::TooFewYears);
    };
    let steps = steps(points)?;
    if steps.is_empty() {
        return Err(ForecastError::TooFewYears);
    }
    let years_left = end_year
        .checked_sub(last.year)
        .filter(|left| *left > 0)
        .ok_or(ForecastError::NothingLeft {
            last: last.year,
            end_year,
        })?;
    project(base, last, &steps, years_left).ok_or(ForecastError::OutOfRange)
}

fn steps(points: &[YearlyIntensity]) -> Result<Vec<Step>, ForecastError> {
    let logarithm = |point: &YearlyIntensity| {
        point
            .intensity
            .get()
            .checked_ln()
            .ok_or(ForecastError::OutOfRange)
    };
    points
        .iter()
        .zip(points.iter().skip(1))
        .map(|(from, to)| {
            if to.year <= from.year {
                return Err(ForecastError::NotAscending { year: to.year });
            }
            let change = logarithm(to)?.checked_sub(logarithm(from)?);
            Ok(Step {
                years: Decimal::from(to.year)
                    .checked_sub(from.year.into())
                    .ok_or(ForecastError::OutOfRange)?,
                change: change.ok_or(ForecastError::OutOfRange)?,
            })
        })
        .collect()
}

/// `None` beyond 28 digits.
fn project(
    base: &YearlyIntensity,
    last: &YearlyIntensity,
    steps: &[Step],
    years_left: i16,
) -> Option<Forecast> {
    let sum = |of: fn(&Step) -> Decimal| {
        steps
            .iter()
            .map(of)
            .try_fold(Decimal::ZERO, Decimal::checked_add)
    };
    let years = sum(|step| step.years)?;
    let pace = sum(|step| step.change)?.checked_div(years)?;
    let left = Decimal::from(years_left);
    let end = |pace: Decimal| {
        let factor = exp(pace.checked_mul(left)?)?;
        let intensity = last.intensity.get().checked_mul(factor)?;
        let fall = Decimal::ONE.checked_sub(intensity.checked_div(base.intensity.get())?)?;
        Some(Projection { intensity, fall })
    };
    let interval = if steps.len() < 2 {
        None
    } else {
        let error = standard_error(steps, pace, years)?;
        Some(Interval {
            low: end(pace.checked_sub(error)?)?,
            high: end(pace.checked_add(error)?)?,
        })
    };
    Some(Forecast {
        pace: Decimal::ONE.checked_sub(exp(pace)?)?,
        end: end(pace)?,
        interval,
        years_left,
    })
}

/// One standard error of the mean yearly log change, from two steps on.
fn standard_error(steps: &[Step], pace: Decimal, years: Decimal) -> Option<Decimal> {
    let squares = steps.iter().try_fold(Decimal::ZERO, |sum, step| {
        // k × (x − g)² = (k·x − k·g)² ÷ k, and k·x is the step's whole change.
        let off = step.change.checked_sub(pace.checked_mul(step.years)?)?;
        sum.checked_add(off.checked_mul(off)?.checked_div(step.years)?)
    })?;
    let freedom = Decimal::from(steps.len().checked_sub(1)?);
    squares.checked_div(freedom)?.checked_div(years)?.sqrt()
}

fn exp(value: Decimal) -> Option<Decimal> {
    value.checked_exp_with_tolerance(tolerance())
}

#[cfg(test)]
mod tests;
