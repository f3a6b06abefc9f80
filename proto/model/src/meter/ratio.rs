//! The exact ratio of a unit to its canonical unit.

use std::fmt;

/// Largest numerator of a [`UnitRatio`], so that nineteen digits times it stay below 2^127.
const NUMERATOR_MAX: u64 = 10_000_000_000_000_000;

/// The number of canonical units in one unit: exactly `numerator × 10^power`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitRatio {
    /// Without trailing zeros, so that equal ratios are equal.
    numerator: u64,
    power: i32,
}

impl UnitRatio {
    /// One.
    pub const ONE: Self = Self {
        numerator: 1,
        power: 0,
    };

    /// 10^`power`.
    #[must_use]
    pub const fn power_of_ten(power: i32) -> Self {
        Self {
            numerator: 1,
            power,
        }
    }

    /// `numerator × 10^power`; `None` for zero, or for a numerator of more than sixteen digits.
    #[must_use]
    pub const fn new(numerator: u64, power: i32) -> Option<Self> {
        if numerator == 0 {
            return None;
        }
        let (mut numerator, mut power) = (numerator, power);
        while numerator.is_multiple_of(10) {
            (numerator, power) = (numerator / 10, power.saturating_add(1));
        }
        if numerator > NUMERATOR_MAX {
            return None;
        }
        Some(Self { numerator, power })
    }

    /// The ratio without its power of ten.
    #[must_use]
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The power of ten that belongs to [`UnitRatio::numerator`].
    #[must_use]
    pub const fn power(self) -> i32 {
        self.power
    }

    /// The exponent if the ratio is a power of ten.
    #[must_use]
    pub fn as_power_of_ten(self) -> Option<i32> {
        (self.numerator == 1).then_some(self.power)
    }

    /// The product of two ratios; `None` if it has more than sixteen digits.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        let numerator = self.numerator.checked_mul(other.numerator)?;
        Self::new(numerator, self.power.checked_add(other.power)?)
    }

    /// The ratio times 10^`places`.
    pub(super) const fn shifted(self, places: i32) -> Self {
        Self {
            // OK because powers of symbols are below forty.
            power: self.power + places,
            ..self
        }
    }
}

impl fmt::Display for UnitRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}e{}", self.numerator, self.power)
    }
}

/// `value ÷ divisor`, rounded half to even, for a divisor that is one or positive and even.
pub(crate) fn divide_to_even(value: i128, divisor: i128) -> i128 {
    let (whole, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let half = divisor / 2;
    let up = rest > half || (rest == half && half > 0 && whole % 2 != 0);
    whole + i128::from(up)
}
