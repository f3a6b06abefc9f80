//! The progress of a chain of falls towards a target.
//!
//! Falls multiply: five years of −r are 1 − (1 − r)⁵, and progress is a ratio of logarithms, not of
//! percentages. The formulas follow the method note of Qinghai's statistics bureau (after NBS and NDRC), and its
//! worked example is the test of this module. Rates are fractions: 0.16 is a fall of 16 %.
//!
//! Logarithms and powers are computed in decimals of 28 digits, so they are the same bits on every
//! machine, which a platform's `ln` is not.

use rust_decimal::{Decimal, MathematicalOps};

/// A fall of 100 % or more, which has no logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fall of 100 % or more has no pace")]
pub struct NoPace;

/// The smallest term of the exponential series that is summed: far below the four places that are reported.
fn tolerance() -> Decimal {
    Decimal::new(1, 24)
}

/// `1 − rate` if it is positive.
fn remaining(rate: Decimal) -> Result<Decimal, NoPace> {
    Decimal::ONE
        .checked_sub(rate)
        .filter(|r| r.is_sign_positive() && !r.is_zero())
        .ok_or(NoPace)
}

/// `base` to the power `numerator / denominator`, for positive `base`.
fn power(base: Decimal, numerator: i16, denominator: i16) -> Result<Decimal, NoPace> {
    if denominator == 0 {
        return Err(NoPace);
    }
    let logarithm = base.checked_ln().ok_or(NoPace)?;
    let exponent = logarithm
        .checked_mul(Decimal::from(numerator))
        .and_then(|l| l.checked_div(Decimal::from(denominator)))
        .ok_or(NoPace)?;
    exponent
        .checked_exp_with_tolerance(tolerance())
        .ok_or(NoPace)
}

/// The total of yearly falls: `1 − Π(1 − r)`.
#[must_use]
pub fn chain(rates: &[Decimal]) -> Decimal {
    Decimal::ONE - rates.iter().map(|&r| Decimal::ONE - r).product::<Decimal>()
}

/// The even yearly fall that gives `rate` in `years`.
///
/// # Errors
/// [`NoPace`] for a fall of 100 % or more, or no years.
pub fn yearly_pace(rate: Decimal, years: i16) -> Result<Decimal, NoPace> {
    Ok(Decimal::ONE - power(remaining(rate)?, 1, years)?)
}

/// The fall after `elapsed` years of an even pace towards `target` in `years`.
///
/// # Errors
/// [`NoPace`] for a fall of 100 % or more, or no years.
pub fn scheduled(target: Decimal, elapsed: i16, years: i16) -> Result<Decimal, NoPace> {
    Ok(Decimal::ONE - power(remaining(target)?, elapsed, years)?)
}

/// Progress (完成进度) towards `target`: ln(1 − reached) ÷ ln(1 − target); 1 is the target.
///
/// # Errors
/// [`NoPace`] for a fall of 100 % or more, or a target of nothing.
pub fn progress(reached: Decimal, target: Decimal) -> Result<Decimal, NoPace> {
    let done = remaining(reached)?.checked_ln().ok_or(NoPace)?;
    let asked = remaining(target)?.checked_ln().ok_or(NoPace)?;
    done.checked_div(asked).ok_or(NoPace)
}

/// The even yearly fall that leads from `reached` to `target` in `years_left`.
///
/// # Errors
/// [`NoPace`] for a fall of 100 % or more, or when no year is left.
pub fn required_pace(
    reached: Decimal,
    target: Decimal,
    years_left: i16,
) -> Result<Decimal, NoPace> {
    let needed = remaining(target)?
        .checked_div(remaining(reached)?)
        .ok_or(NoPace)?;
    Ok(Decimal::ONE - power(needed, 1, years_left)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn percent(rate: Decimal, places: u32) -> String {
        (rate * Decimal::ONE_HUNDRED).round_dp(places).to_string()
    }

    /// METHOD (b): r = +1.51 %, −2.20 %, −4.18 %.
    #[test]
    fn method_b_three_years_chain_to_4_87_percent() {
        let fall = chain(&[decimal("-0.0151"), decimal("0.0220"), decimal("0.0418")]);
        assert_eq!(percent(fall, 2), "4.87");
        assert_eq!(percent(yearly_pace(fall, 3).expect("a pace"), 2), "1.65");
    }

    /// METHOD (b): target −17 %, three years done.
    #[test]
    fn method_b_two_years_remain_for_17_percent() {
        let (done, target) = (decimal("0.0487"), decimal("0.17"));
        let pace = required_pace(done, target, 2).expect("a pace");
        assert_eq!(percent(pace, 2), "6.59");
        let remaining_two = chain(&[pace, pace]);
        assert_eq!(percent(remaining_two, 2), "12.75");
        assert_eq!(percent(yearly_pace(target, 5).expect("a pace"), 2), "3.66");
    }

    /// METHOD (b): 完成进度 is 26.8 %, not 4.87 ÷ 17 = 28.6 %.
    #[test]
    fn method_b_progress_is_a_ratio_of_logarithms() {
        let fall = chain(&[decimal("-0.0151"), decimal("0.0220"), decimal("0.0418")]);
        assert_eq!(
            percent(progress(fall, decimal("0.17")).expect("a pace"), 1),
            "26.8"
        );
        assert_eq!(
            percent(
                progress(decimal("0.0487"), decimal("0.17")).expect("a pace"),
                1
            ),
            "26.8"
        );
    }

    /// METHOD (b): 20 % = 1 − (1 − k)⁵ → k = 4.3648 %.
    #[test]
    fn method_b_twenty_percent_in_five_years_is_4_3648_a_year() {
        assert_eq!(
            percent(yearly_pace(decimal("0.20"), 5).expect("a pace"), 4),
            "4.3648"
        );
        assert_eq!(
            percent(yearly_pace(decimal("0.16"), 5).expect("a pace"), 4),
            "3.4270"
        );
    }

    /// METHOD (b): scheduled cumulative falls of the parks' plan, 2021 to 2025.
    #[test]
    fn method_b_trajectory_of_the_parks_plan() {
        let trajectory = |target: &str| -> Vec<String> {
            (1..=5)
                .map(|t| percent(scheduled(decimal(target), t, 5).expect("a pace"), 3))
                .collect()
        };
        assert_eq!(
            trajectory("0.16"),
            ["3.427", "6.736", "9.933", "13.019", "16.000"]
        );
        assert_eq!(
            trajectory("0.20"),
            ["4.365", "8.539", "12.531", "16.349", "20.000"]
        );
    }

    /// Expected values by an arbitrary-precision calculator, to 40 digits.
    #[test]
    fn powers_are_right_to_the_eighteenth_place() {
        for (base, numerator, expected) in [
            ("0.84", 1, "0.965730298907509989178472"),
            ("0.80", 3, "0.874689659154622445095012"),
        ] {
            let computed = power(decimal(base), numerator, 5).expect("a power");
            let error = (computed - decimal(expected)).abs();
            assert!(
                error < decimal("0.000000000000000001"),
                "{base}: {computed}"
            );
        }
    }

    #[test]
    fn a_total_fall_has_no_pace() {
        assert_eq!(progress(Decimal::ONE, decimal("0.16")), Err(NoPace));
        assert_eq!(
            required_pace(decimal("0.1"), decimal("0.16"), 0),
            Err(NoPace)
        );
        assert_eq!(progress(decimal("0.1"), Decimal::ZERO), Err(NoPace));
    }
}
