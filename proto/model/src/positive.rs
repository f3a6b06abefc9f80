//! A decimal above zero: the only kind of total that ratios and logarithms accept.
//!
//! Value added and net consumption can be zero or below it: an enterprise at a loss, a meter that fed more
//! into the grid than it drew. A ratio of such totals has a value but no meaning, so none can be made.
//!
//! ```
//! use greenpark_model::positive::Positive;
//! use rust_decimal::Decimal;
//! assert!(Positive::new(Decimal::ONE).is_ok());
//! let refused = Positive::new(-Decimal::ONE).expect_err("below zero");
//! assert_eq!(refused.to_string(), "-1 is not above zero");
//! ```

use rust_decimal::Decimal;

/// A decimal above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Positive(Decimal);

/// A decimal that is zero or below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not above zero")]
pub struct NotPositive {
    /// The decimal.
    pub value: Decimal,
}

/// Why there is no ratio, or no comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RatioError {
    /// Beyond 28 digits.
    #[error("a ratio beyond 28 digits")]
    OutOfRange,
    /// The two ratios have different bases.
    #[error(
        "figures on different bases cannot be compared; ask both at one basis, price base and basis of \
             assessment"
    )]
    MixedBases,
}

impl Positive {
    /// One.
    pub const ONE: Self = Self(Decimal::ONE);

    /// Accepts a decimal above zero.
    ///
    /// # Errors
    /// [`NotPositive`] for zero and for a decimal below it.
    pub fn new(value: Decimal) -> Result<Self, NotPositive> {
        if value > Decimal::ZERO {
            Ok(Self(value))
        } else {
            Err(NotPositive { value })
        }
    }

    /// The decimal.
    #[must_use]
    pub const fn get(self) -> Decimal {
        self.0
    }

    /// `self` divided by `other`; `None` beyond 28 digits, or where the quotient rounds to zero.
    #[must_use]
    pub fn over(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_div(other.0)?).ok()
    }

    /// The sum; `None` beyond 28 digits.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_less_are_refused_whatever_their_scale() {
        for refused in ["0", "-0", "0.000000", "-0.000001", "-1000"] {
            let value: Decimal = refused.parse().expect("a decimal");
            assert_eq!(
                Positive::new(value),
                Err(NotPositive { value }),
                "{refused}"
            );
        }
        let least: Decimal = "0.0000000000000000000000000001".parse().expect("a decimal");
        assert_eq!(Positive::new(least).map(Positive::get), Ok(least));
    }

    #[test]
    fn a_quotient_that_vanishes_is_none() {
        let least = Positive::new(Decimal::new(1, 28)).expect("positive");
        let large = Positive::new(Decimal::MAX).expect("positive");
        assert_eq!(least.over(large), None);
        assert_eq!(large.over(least), None);
        assert_eq!(large.over(large), Some(Positive::ONE));
    }
}
