//! Indicators of a plan that are declared, not measured: growth, shares, counts and indices.
//!
//! A plan also has targets that no meter measures. Each of them is a [`DeclaredIndicator`] with its unit and
//! its [`Criterion`]. [`Criterion::judge`] gives the same two results for every criterion: the progress, and whether
//! the criterion is kept. Growth and falls are judged by logarithms, as in [`progress`]; shares, counts and indices
//! by their ratio to the target value.
//!
//! ```
//! use greenpark_model::declared::{Criterion, Years};
//! use rust_decimal::Decimal;
//! let parks = Criterion::Count(30);
//! let after_three = Years { elapsed: 3, of: 5 };
//! let attainment = parks.judge(None, Decimal::from(24), after_three).expect("judged");
//! assert_eq!(attainment.progress, Some(Decimal::new(8, 1)));
//! assert!(!attainment.is_kept);
//! ```

use rust_decimal::{Decimal, MathematicalOps};

use crate::{indicator::Indicator, plan::progress};

/// The criterion of a declared indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Grow by at least this many per cent a year, on the mean since the base year.
    YearlyGrowth(Decimal),
    /// Be at least this by the end year, in the indicator's unit.
    AtLeast(Decimal),
    /// Be at most this by the end year, in the indicator's unit.
    AtMost(Decimal),
    /// Be at least this many by the end year.
    Count(u32),
    /// Fall by this many per cent from the base year to the end year.
    Fall(Decimal),
}

/// The parks that a criterion binds, by their yearly comprehensive energy consumption in tce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkScale {
    /// From this many tce a year.
    pub from_tce: Decimal,
    /// Below this many tce a year; `None` for all that are larger.
    pub below_tce: Option<Decimal>,
}

/// One declared indicator of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredIndicator {
    /// Its id, unique in the plan.
    pub id: String,
    /// Its title in the field's Chinese.
    pub title: String,
    /// The unit of its values, such as `percent` or `count`.
    pub unit: String,
    /// The criterion to be kept.
    pub form: Criterion,
    /// The measured indicator that provides its figure, if there is one.
    pub measured: Option<Indicator>,
    /// The parks that it binds; `None` for all.
    pub scale: Option<ParkScale>,
    /// The source, with its status.
    pub source: String,
}

/// The part of a plan's time that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Years {
    /// Years since the base year.
    pub elapsed: i16,
    /// Years from the base year to the end year.
    pub of: i16,
}

/// The result of judging an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attainment {
    /// The part of the way to the target; 1 is the target. `None` if the divisor is zero.
    pub progress: Option<Decimal>,
    /// The criterion is kept: a growth and a fall for the years elapsed, the others already by the value of the end
    /// year.
    pub is_kept: bool,
}

/// Why an indicator cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// A growth or a fall without positive values of the base year and of now.
    #[error("a change needs positive values of the base year and of now")]
    NoPace,
    /// No year has passed, or the plan has none.
    #[error("no year of the plan has passed")]
    NoYears,
    /// Beyond 28 digits.
    #[error("a progress beyond 28 digits")]
    OutOfRange,
}

impl ParkScale {
    /// Returns true if the scale contains a park of `tce` tonnes of standard coal a year.
    #[must_use]
    pub fn binds(&self, tce: Decimal) -> bool {
        self.from_tce <= tce && self.below_tce.is_none_or(|below| tce < below)
    }
}

impl Criterion {
    /// Judges `current` after `years`; a growth or a fall is judged from `base`.
    ///
    /// # Errors
    /// [`JudgeError`] for a change without positive values, no years, or values beyond 28 digits.
    pub fn judge(
        self,
        base: Option<Decimal>,
        current: Decimal,
        years: Years,
    ) -> Result<Attainment, JudgeError> {
        if years.elapsed <= 0 || years.of <= 0 {
            return Err(JudgeError::NoYears);
        }
        let change = || {
            base.filter(|b| *b > Decimal::ZERO && current > Decimal::ZERO)
                .ok_or(JudgeError::NoPace)
                .and_then(|b| current.checked_div(b).ok_or(JudgeError::OutOfRange))
        };
        match self {
            Self::YearlyGrowth(percent) => grown(change()?, percent, years),
            Self::Fall(percent) => fallen(change()?, percent, years),
            Self::AtLeast(asked) => Ok(reached(current, asked, current >= asked)),
            Self::Count(asked) => {
                let asked = Decimal::from(asked);
                Ok(reached(current, asked, current >= asked))
            }
            Self::AtMost(most) => Ok(reached(most, current, current <= most)),
        }
    }
}

fn reached(part: Decimal, whole: Decimal, is_kept: bool) -> Attainment {
    Attainment {
        progress: part.checked_div(whole),
        is_kept,
    }
}

/// ln(ratio) ÷ (years × ln(1 + g)): the part of the whole plan's growth.
fn grown(ratio: Decimal, percent: Decimal, years: Years) -> Result<Attainment, JudgeError> {
    let yearly = percent
        .checked_div(Decimal::ONE_HUNDRED)
        .and_then(|g| Decimal::ONE.checked_add(g))
        .and_then(|g| g.checked_ln())
        .ok_or(JudgeError::OutOfRange)?;
    let made = ratio.checked_ln().ok_or(JudgeError::NoPace)?;
    let due = yearly
        .checked_mul(years.elapsed.into())
        .ok_or(JudgeError::OutOfRange)?;
    let whole = yearly
        .checked_mul(years.of.into())
        .ok_or(JudgeError::OutOfRange)?;
    Ok(reached(made, whole, at_least(made, due)))
}

fn fallen(ratio: Decimal, percent: Decimal, years: Years) -> Result<Attainment, JudgeError> {
    let target = percent
        .checked_div(Decimal::ONE_HUNDRED)
        .ok_or(JudgeError::OutOfRange)?;
    let fall = Decimal::ONE
        .checked_sub(ratio)
        .ok_or(JudgeError::OutOfRange)?;
    let elapsed = years.elapsed.min(years.of);
    let due = progress::scheduled(target, elapsed, years.of).map_err(|_| JudgeError::NoPace)?;
    Ok(Attainment {
        progress: progress::progress(fall, target).ok(),
        is_kept: at_least(fall, due),
    })
}

/// `made >= due`, except for the last digits of a logarithm, so that exactly the target counts as reached.
fn at_least(made: Decimal, due: Decimal) -> bool {
    made.checked_sub(due)
        .is_some_and(|over| over >= -Decimal::new(1, 18))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::indicator::round;

    const FIVE: Years = Years { elapsed: 5, of: 5 };

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn judged(form: Criterion, base: &str, current: &str, years: Years) -> (String, bool) {
        let attainment = form
            .judge(base.parse().ok(), decimal(current), years)
            .expect("judged");
        let progress = attainment.progress.expect("a progress");
        (round(progress, 4).to_string(), attainment.is_kept)
    }

    #[test]
    fn growth_is_judged_by_logarithms_and_by_the_years_elapsed() {
        let form = Criterion::YearlyGrowth(decimal("6.5"));
        let three = Years { elapsed: 3, of: 5 };
        // 1.065³, 1.065⁵ and a sum of yearly rates that only looks like the latter.
        assert_eq!(
            judged(form, "1", "1.207949625", three),
            ("0.6000".to_owned(), true)
        );
        assert_eq!(
            judged(form, "100", "137.00866634", FIVE),
            ("1.0000".to_owned(), false)
        );
        assert_eq!(
            judged(form, "1", "1.370086663415625", FIVE),
            ("1.0000".to_owned(), true)
        );
        assert!(!judged(form, "1", "1.325", FIVE).1);
    }

    #[test]
    fn shares_counts_and_ceilings_are_judged_by_their_ratio() {
        let share = Criterion::AtLeast(decimal("86"));
        assert_eq!(judged(share, "", "43", FIVE), ("0.5000".to_owned(), false));
        assert_eq!(judged(share, "", "86", FIVE), ("1.0000".to_owned(), true));
        let count = Criterion::Count(500);
        assert_eq!(judged(count, "", "600", FIVE), ("1.2000".to_owned(), true));
        let ceiling = Criterion::AtMost(decimal("0.20"));
        assert_eq!(
            judged(ceiling, "", "0.4", FIVE),
            ("0.5000".to_owned(), false)
        );
        assert_eq!(
            judged(ceiling, "", "0.16", FIVE),
            ("1.2500".to_owned(), true)
        );
        let nothing = ceiling.judge(None, Decimal::ZERO, FIVE).expect("judged");
        assert_eq!((nothing.progress, nothing.is_kept), (None, true));
    }

    #[test]
    fn a_change_without_its_base_is_an_error() {
        let form = Criterion::Fall(decimal("18"));
        assert_eq!(
            form.judge(None, Decimal::ONE, FIVE),
            Err(JudgeError::NoPace)
        );
        let zero = form.judge(Some(Decimal::ONE), Decimal::ZERO, FIVE);
        assert_eq!(zero, Err(JudgeError::NoPace));
        let early = Years { elapsed: 0, of: 5 };
        assert_eq!(
            form.judge(Some(Decimal::ONE), Decimal::ONE, early),
            Err(JudgeError::NoYears)
        );
        assert_eq!(judged(form, "1", "0.82", FIVE), ("1.0000".to_owned(), true));
    }

    #[test]
    fn a_scale_binds_from_its_lower_end_and_below_its_upper() {
        let scale = ParkScale {
            from_tce: decimal("200000"),
            below_tce: Some(decimal("1000000")),
        };
        let binds = |tce: &str| scale.binds(decimal(tce));
        assert!(!binds("199999.999") && binds("200000") && !binds("1000000"));
    }

    proptest! {
        #[test]
        fn a_larger_value_is_never_further_from_a_floor(
            asked in 1..10_000_i64,
            current in 0..10_000_i64,
            more in 0..10_000_i64,
        ) {
            let form = Criterion::AtLeast(asked.into());
            let at = |value: i64| form.judge(None, value.into(), FIVE).expect("judged");
            prop_assert!(at(current).progress <= at(current + more).progress);
            prop_assert!(at(current).is_kept <= at(current + more).is_kept);
        }

        #[test]
        fn the_even_pace_is_kept_in_every_year(percent in 1..5_000_i64, elapsed in 1..=5_i16) {
            let percent = Decimal::new(percent, 2);
            let years = Years { elapsed, of: 5 };
            let growth = (Decimal::ONE + percent / Decimal::ONE_HUNDRED).powi(elapsed.into());
            let form = Criterion::YearlyGrowth(percent);
            let attainment = form.judge(Some(Decimal::ONE), growth, years).expect("judged");
            prop_assert!(attainment.is_kept);
            let part = Decimal::from(elapsed) / Decimal::from(5);
            let progress = attainment.progress.expect("a progress");
            prop_assert!((progress - part).abs() < Decimal::new(1, 15));
        }
    }
}
