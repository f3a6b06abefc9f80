//! Exact amounts: decimals with six places that never pass through a float.
//!
//! An [`Amount`] counts millionths of a canonical unit (kWh, m³, t, MJ) in an `i64`, so a register of
//! up to 9.2 × 10¹² units is exact and a sum of amounts is associative. A sum that could leave that
//! range is a [`Sum`] in `i128`, which cannot overflow for any number of readings that fits on a disk.
//!
//! Digits past the sixth place are rounded half to even, once, where the text is parsed: gateways send
//! `3.1700000762939453` for a register that read 3.17.
//!
//! ```
//! use greenpark_model::amount::Amount;
//! let a: Amount = "3.17".parse().expect("a decimal");
//! assert_eq!(a.micro(), 3_170_000);
//! assert_eq!(Amount::parse_scaled(b"1.5", 3).expect("MWh").to_string(), "1500");
//! ```

use std::{fmt, iter, ops, str::FromStr};

use crate::{
    limits::MICRO,
    meter::unit::{UnitRatio, divide_to_even},
};

/// An exact amount in millionths of its canonical unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount(i64);

/// A sum of amounts, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sum(pub i128);

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not `[-+]digits[.digits][e[-+]digits]`.
    #[error("not a decimal number")]
    NotDecimal,
    /// Beyond ±999,999,999,999.999999, the range of DECIMAL(18,6).
    #[error("beyond 999999999999.999999, the largest value that is stored")]
    OutOfRange,
}

/// The largest magnitude in micro-units: DECIMAL(18,6) has eighteen digits.
const MICRO_MAX: i64 = 999_999_999_999_999_999;

impl Amount {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// The largest amount.
    pub const MAX: Self = Self(MICRO_MAX);

    /// The amount of `micro` millionths of the unit.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] beyond eighteen digits.
    pub const fn from_micro(micro: i64) -> Result<Self, AmountError> {
        if micro > MICRO_MAX || micro < -MICRO_MAX {
            return Err(AmountError::OutOfRange);
        }
        Ok(Self(micro))
    }

    /// The amount in millionths of the unit.
    #[must_use]
    pub const fn micro(self) -> i64 {
        self.0
    }

    /// `self - earlier` as a sum, which cannot overflow.
    #[must_use]
    pub fn since(self, earlier: Self) -> Sum {
        Sum(i128::from(self.0) - i128::from(earlier.0))
    }

    /// Parses a decimal and moves its point `scale` places to the right (`scale` = 3 converts MWh to kWh,
    /// −3 converts kg to t).
    ///
    /// # Errors
    /// [`AmountError`] if the text is no decimal or the result has more than eighteen digits.
    #[inline]
    pub fn parse_scaled(text: &[u8], scale: i32) -> Result<Self, AmountError> {
        let (negative, digits) = split_sign(text);
        let magnitude = Digits::scan(digits)?.micro(scale)?;
        let micro = if negative { -magnitude } else { magnitude };
        Self::from_micro(micro)
    }

    /// Parses a decimal in a unit of `ratio` canonical units: multiplies first and rounds once.
    ///
    /// ```
    /// use greenpark_model::{amount::Amount, quantity::Medium};
    /// let ratio = Medium::Heat.ratio_of("kWh").expect("3.6 MJ");
    /// assert_eq!(Amount::parse_by(b"1.25", ratio).expect("a decimal").to_string(), "4.5");
    /// ```
    ///
    /// # Errors
    /// [`AmountError`] if the text is no decimal or the result has more than eighteen digits.
    pub fn parse_by(text: &[u8], ratio: UnitRatio) -> Result<Self, AmountError> {
        if let Some(power) = ratio.as_power_of_ten() {
            return Self::parse_scaled(text, power);
        }
        let (negative, digits) = split_sign(text);
        let magnitude = Digits::scan(digits)?.micro_by(ratio)?;
        Self::from_micro(if negative { -magnitude } else { magnitude })
    }
}

/// Splits a text into its sign, true for a minus, and the rest.
fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

/// The significant digits of a decimal and the place of its point.
struct Digits {
    /// Digits as an integer, at most nineteen of them.
    value: u64,
    /// The number is `value × 10^exponent`, plus the digits that were cut.
    exponent: i32,
    /// A non-zero digit after the nineteenth was cut.
    inexact: bool,
}

/// Ten to the power of `places` or, below zero, of `-places`; `None` beyond 64 bits.
fn power_of_ten(places: i32) -> Option<u64> {
    const POWERS: [u64; 20] = {
        let mut powers = [1; 20];
        let mut at = 1;
        while at < powers.len() {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    POWERS.get(places.unsigned_abs() as usize).copied()
}

impl Digits {
    #[inline]
    fn scan(text: &[u8]) -> Result<Self, AmountError> {
        let mut digits = Self {
            value: 0,
            exponent: 0,
            inexact: false,
        };
        let (mut seen, mut past_point) = (false, false);
        for (index, &byte) in text.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    digits.push(byte - b'0', past_point);
                }
                b'.' if !past_point && seen => past_point = true,
                b'e' | b'E' if seen => {
                    let shift = parse_exponent(&text[index + 1..])?;
                    digits.exponent = digits.exponent.saturating_add(shift);
                    return Ok(digits);
                }
                _ => return Err(AmountError::NotDecimal),
            }
        }
        if seen {
            Ok(digits)
        } else {
            Err(AmountError::NotDecimal)
        }
    }

    fn push(&mut self, digit: u8, past_point: bool) {
        if self.value < 1_000_000_000_000_000_000 {
            // OK because value < 10^18, so value × 10 + 9 < 10^19 < 2^64.
            self.value = self.value * 10 + u64::from(digit);
            self.exponent = self.exponent.saturating_sub(i32::from(past_point));
        } else {
            self.inexact |= digit != 0;
            self.exponent = self.exponent.saturating_add(i32::from(!past_point));
        }
    }

    fn micro(&self, scale: i32) -> Result<i64, AmountError> {
        if self.value == 0 {
            return Ok(0);
        }
        let places = self.exponent.saturating_add(scale).saturating_add(6);
        if places >= 0 {
            let value = power_of_ten(places).and_then(|p| self.value.checked_mul(p));
            return value
                .and_then(|v| i64::try_from(v).ok())
                .ok_or(AmountError::OutOfRange);
        }
        let Some(power) = power_of_ten(places) else {
            return Ok(0);
        };
        let (whole, rest) = (self.value / power, self.value % power);
        let half = power / 2;
        let tie_up = rest == half && (self.inexact || whole % 2 == 1);
        let rounded = whole + u64::from(rest > half || tie_up);
        i64::try_from(rounded).map_err(|_| AmountError::OutOfRange)
    }
}

impl Digits {
    /// As [`Digits::micro`], multiplied by `ratio`.
    fn micro_by(&self, ratio: UnitRatio) -> Result<i64, AmountError> {
        let out_of_range = || AmountError::OutOfRange;
        // OK because 10^19 × 10^16 is below 2^127.
        let product = i128::from(self.value) * i128::from(ratio.numerator());
        let places = self
            .exponent
            .saturating_add(ratio.power())
            .saturating_add(6);
        let power = 10i128.checked_pow(places.unsigned_abs());
        let micro = match power {
            _ if product == 0 => 0,
            Some(power) if places >= 0 => product.checked_mul(power).ok_or_else(out_of_range)?,
            // Digits cut after the nineteenth break a tie upwards.
            Some(power) => divide_to_even(product * 2 + i128::from(self.inexact), power * 2),
            None if places < 0 => 0,
            None => return Err(AmountError::OutOfRange),
        };
        i64::try_from(micro).map_err(|_| AmountError::OutOfRange)
    }
}

fn parse_exponent(text: &[u8]) -> Result<i32, AmountError> {
    std::str::from_utf8(text)
        .ok()
        .filter(|t| t.len() <= 5)
        .and_then(|t| t.parse::<i32>().ok())
        .ok_or(AmountError::NotDecimal)
}

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse_scaled(text.as_bytes(), 0)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Sum(i128::from(self.0)).fmt(f)
    }
}

impl fmt::Display for Sum {
    /// Shortest exact decimal: `3.17`, `-0.000001`, `959640.31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / 1_000_000, magnitude % 1_000_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        let fraction = format!("{fraction:06}");
        f.pad(&format!("{sign}{whole}.{}", fraction.trim_end_matches('0')))
    }
}

impl Sum {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// The sum in whole units, as a decimal number for ratios.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] beyond 79 × 10²⁷ micro-units.
    pub fn decimal(self) -> Result<rust_decimal::Decimal, AmountError> {
        rust_decimal::Decimal::try_from_i128_with_scale(self.0, 6)
            .map(|d| d.normalize())
            .map_err(|_| AmountError::OutOfRange)
    }

    /// The sum as an amount.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] beyond eighteen digits.
    pub fn amount(self) -> Result<Amount, AmountError> {
        i64::try_from(self.0)
            .map_err(|_| AmountError::OutOfRange)
            .and_then(Amount::from_micro)
    }
}

impl From<Amount> for Sum {
    fn from(amount: Amount) -> Self {
        Self(i128::from(amount.0))
    }
}

impl ops::Add for Sum {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl ops::Sub for Sum {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::ZERO, ops::Add::add)
    }
}

/// The amount of `units` whole canonical units.
///
/// # Errors
/// [`AmountError::OutOfRange`] beyond eighteen digits.
pub fn whole(units: i64) -> Result<Amount, AmountError> {
    units
        .checked_mul(MICRO)
        .ok_or(AmountError::OutOfRange)
        .and_then(Amount::from_micro)
}

#[cfg(test)]
mod tests;
