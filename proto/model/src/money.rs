//! Value added and its price base.
//!
//! Statistics are declared in 10⁴ yuan with at most six places, which is fen (0.01 yuan): an
//! [`Amount`](crate::meter::amount::Amount) of 10⁴ yuan counts fen exactly. Values of different price bases
//! are never added.

use std::{fmt, str::FromStr};

use crate::meter::amount::Sum;

/// The prices in which a value is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PriceBase {
    /// Constant prices of a year (不变价), `constant-2020`.
    Constant(i16),
    /// Prices of the period itself (当年价), `current`.
    Current,
}

/// A text that names no price base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown price base '{0}'; write constant-2020 (or another year) or current")]
pub struct UnknownPriceBase(pub String);

impl fmt::Display for PriceBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(year) => write!(f, "constant-{year}"),
            Self::Current => f.write_str("current"),
        }
    }
}

impl FromStr for PriceBase {
    type Err = UnknownPriceBase;
    fn from_str(text: &str) -> Result<Self, UnknownPriceBase> {
        let unknown = || UnknownPriceBase(text.chars().take(40).collect());
        match text.strip_prefix("constant-") {
            Some(year) if year.len() == 4 => {
                year.parse().map(Self::Constant).map_err(|_| unknown())
            }
            None if text == "current" => Ok(Self::Current),
            _ => Err(unknown()),
        }
    }
}

/// The part of a declared total that belongs to `days` of its `of` days, rounded down to the last place. A figure
/// that needs such a proration is operational only.
#[must_use]
pub fn prorate(total: Sum, days: i32, of: i32) -> Sum {
    Sum(total.0 * i128::from(days) / i128::from(of.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_total_is_rounded_down() {
        assert_eq!(prorate(Sum(100), 7, 31), Sum(22));
        assert_eq!(prorate(Sum(100), 31, 31), Sum(100));
    }

    #[test]
    fn a_price_base_is_printed_and_read_back() {
        for base in [PriceBase::Constant(2020), PriceBase::Current] {
            assert_eq!(base.to_string().parse(), Ok(base));
        }
        for bad in ["", "constant", "constant-20", "constant-20200", "nominal"] {
            assert!(bad.parse::<PriceBase>().is_err(), "{bad}");
        }
    }
}
