//! Units as people write them, and their exact ratios to the canonical units.
//!
//! Symbols are accepted as they are written on meters, in gateways and in Chinese statistics: `kWh`, `KWH`,
//! `千瓦时`, `度`, `万kWh`, `m³`, `Ｍ３`, `10^4 m3`, `吨`, `百万千焦`. The medium decides which of them are
//! possible: a kilowatt-hour of heat is 3.6 MJ, a cubic metre of steam is not a mass. A symbol that no decimal
//! converts exactly, or that has two meanings, is refused with the reason. The whole table is in
//! `proto/README.md`.
//!
//! ```
//! use greenpark_model::{quantity::Medium, unit::UnitRatio};
//! let heat = Medium::Heat.ratio_of("MWh").expect("exact");
//! assert_eq!(heat, UnitRatio::new(36, 2).expect("3600"));
//! assert_eq!(heat.of_micro(1_500_000).expect("in range").to_string(), "5400");
//! assert!(Medium::Steam.ratio_of("Nm³").is_err());
//! ```

use std::fmt;

use crate::meter::{
    amount::{Amount, Sum},
    quantity::{Medium, Unit},
};

/// Largest numerator of a [`UnitRatio`], so that nineteen digits times it stay below 2^127.
const NUMERATOR_MAX: u64 = 10_000_000_000_000_000;

/// The longest symbol shown in a refusal, in characters.
const SYMBOL_CHARS_MAX: usize = 24;

/// The number of canonical units in one unit: exactly `numerator × 10^power`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitRatio {
    /// Without trailing zeros, so that equal ratios are equal.
    numerator: u64,
    power: i32,
}

/// Why a symbol is not a unit of a medium.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The symbol is unknown, or measures something else.
    #[error("'{symbol}' does not measure {medium}; write {canonical}")]
    Foreign {
        /// The symbol as given.
        symbol: String,
        /// The medium.
        medium: &'static str,
        /// The medium's canonical unit.
        canonical: &'static str,
    },
    /// The prefix may mean a thousandth or a million.
    #[error("'{symbol}' may be milli or mega; write {mega} with a capital M")]
    Ambiguous {
        /// The symbol as given.
        symbol: String,
        /// The unit that is probably meant.
        mega: &'static str,
    },
    /// The unit has no exact ratio to the medium's canonical unit.
    #[error("'{symbol}' of {medium}: {reason}; write {canonical}")]
    NotExact {
        /// The symbol as given.
        symbol: String,
        /// The medium.
        medium: &'static str,
        /// The reason why it cannot be converted.
        reason: &'static str,
        /// The medium's canonical unit.
        canonical: &'static str,
    },
}

/// The dimension that a known symbol measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    /// Watt-hours, in kWh.
    WattHours,
    /// 度: a kilowatt-hour of electricity, but a degree elsewhere.
    Du,
    /// Joules, in MJ.
    Joules,
    /// Volume, in m³.
    Volume,
    /// Volume of a gas at normal conditions, in m³.
    NormalVolume,
    /// Mass, in t.
    Mass,
    /// Calories, which have several definitions.
    Calories,
    /// Standard coal.
    Coal,
}

/// A known symbol: its dimension and the power of ten of its base unit.
type Named = (Dimension, i32);

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

    /// Converts `micro` millionths of the unit to canonical units, rounded once, half to even; `None` if the
    /// amount has more than eighteen digits.
    #[must_use]
    pub fn of_micro(self, micro: i64) -> Option<Amount> {
        // OK because 2^63 × 10^16 is below 2^127.
        let product = i128::from(micro) * i128::from(self.numerator);
        let scaled = match 10i128.checked_pow(self.power.unsigned_abs()) {
            Some(power) if self.power >= 0 => product.checked_mul(power)?,
            Some(power) => divide_to_even(product, power),
            // OK because 10^39 is more than twice any product.
            None if self.power < 0 || micro == 0 => 0,
            None => return None,
        };
        Sum(scaled).amount().ok()
    }
}

/// `value ÷ divisor`, rounded half to even, for a divisor that is one or positive and even.
pub(crate) fn divide_to_even(value: i128, divisor: i128) -> i128 {
    let (whole, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let half = divisor / 2;
    let up = rest > half || (rest == half && half > 0 && whole % 2 != 0);
    whole + i128::from(up)
}

impl fmt::Display for UnitRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}e{}", self.numerator, self.power)
    }
}

impl Medium {
    /// The ratio of the unit `symbol` to the medium's canonical unit; the empty symbol is the canonical unit
    /// itself.
    ///
    /// # Errors
    /// [`UnitError`] names the reason and the unit to write instead.
    pub fn ratio_of(self, symbol: &str) -> Result<UnitRatio, UnitError> {
        let canonical = self.unit().symbol();
        if symbol.is_empty() || symbol == canonical {
            return Ok(UnitRatio::ONE);
        }
        let shown: String = symbol.chars().take(SYMBOL_CHARS_MAX).collect();
        let plain = plain(symbol);
        if let Some(mega) = may_be_milli(&plain) {
            return Err(UnitError::Ambiguous {
                symbol: shown,
                mega,
            });
        }
        let medium = self.as_str();
        let foreign = || UnitError::Foreign {
            symbol: shown.clone(),
            medium,
            canonical,
        };
        let (dimension, power) = named(&plain).ok_or_else(foreign)?;
        match self.ratio_of_base(dimension) {
            Ok(Some(ratio)) => Ok(UnitRatio {
                // OK because powers of symbols are below forty.
                power: ratio.power + power,
                ..ratio
            }),
            Ok(None) => Err(foreign()),
            Err(reason) => Err(UnitError::NotExact {
                symbol: shown,
                medium,
                reason,
                canonical,
            }),
        }
    }

    /// The ratio of a base unit of `dimension` to the canonical unit; `None` if it measures something else, an
    /// error if no decimal is exact.
    fn ratio_of_base(self, dimension: Dimension) -> Result<Option<UnitRatio>, &'static str> {
        use Dimension::{Calories, Coal, Du, Joules, Mass, NormalVolume, Volume, WattHours};
        match (self.unit(), dimension) {
            (_, Calories) => {
                Err("a calorie is 4.1868, 4.184 or 4.1816 J by who counts, so give it as a scale")
            }
            (_, Coal) => {
                Err("standard coal is computed from amounts by dated factors, not metered")
            }
            (Unit::KilowattHour, WattHours | Du)
            | (Unit::Megajoule, Joules)
            | (Unit::CubicMetre, Volume)
            | (Unit::Tonne, Mass) => Ok(Some(UnitRatio::ONE)),
            (Unit::Megajoule, WattHours) => Ok(UnitRatio::new(36, -1)),
            (Unit::Megajoule, Du) => Err("度 is a kWh of electricity; of heat it may be a degree"),
            (Unit::KilowattHour, Joules) => Err("a MJ is 1/3.6 kWh, which no decimal writes"),
            (Unit::CubicMetre, NormalVolume) if self.is_gas() => Ok(Some(UnitRatio::ONE)),
            (Unit::CubicMetre | Unit::Tonne, NormalVolume) => {
                Err("a normal cubic metre is one of a gas, and this is metered otherwise")
            }
            (Unit::Tonne, Volume) => Err("its mass in a volume is not fixed"),
            (Unit::CubicMetre, Mass) => {
                Err("its volume in a mass is not fixed (a meter that counts m³ may be labelled 吨)")
            }
            (Unit::Tonne, Joules | WattHours) => {
                Err("its heat in a mass is not fixed; what it carries is the quantity heat")
            }
            _ => Ok(None),
        }
    }

    /// Returns true if the medium is metered as a volume of gas.
    fn is_gas(self) -> bool {
        matches!(
            self,
            Self::NaturalGas
                | Self::CokeOvenGas
                | Self::BlastFurnaceGas
                | Self::CompressedAir
                | Self::Oxygen
        )
    }
}

/// The symbol without white space and multiplication signs, in half width and without raised digits.
fn plain(symbol: &str) -> String {
    let mut out = String::with_capacity(symbol.len());
    for char in symbol.chars().take(SYMBOL_CHARS_MAX) {
        let code = u32::from(char);
        let char = match char {
            // Full-width forms lie 0xFEE0 above ASCII.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(code - 0xfee0).unwrap_or(char),
            other => other,
        };
        match char {
            '²' => out.push('2'),
            '³' => out.push('3'),
            '⁴' => out.push('4'),
            '⁶' => out.push('6'),
            '⁸' => out.push('8'),
            '㎥' => out.push_str("m3"),
            '㎏' => out.push_str("kg"),
            '㎾' => out.push_str("kW"),
            '㎿' => out.push_str("MW"),
            'ℓ' => out.push('L'),
            '^' | '*' | '·' | '•' | '⋅' | '∙' | '×' | '・' => {}
            blank if blank.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// The unit with the prefix mega, if the symbol could as well mean milli.
fn may_be_milli(plain: &str) -> Option<&'static str> {
    let mega = match plain.to_ascii_lowercase().as_str() {
        "mwh" => "MWh",
        "mj" => "MJ",
        _ => return None,
    };
    plain.starts_with('m').then_some(mega)
}

/// The dimension and power of a plain symbol; multiples such as 万 and 10^4 precede the unit.
fn named(plain: &str) -> Option<Named> {
    if let Some(named) = by_letters(plain).or_else(|| by_words(plain)) {
        return Some(named);
    }
    const MULTIPLES: [(&str, i32); 7] = [
        ("百万", 6),
        ("亿", 8),
        ("万", 4),
        ("千", 3),
        ("104", 4),
        ("106", 6),
        ("108", 8),
    ];
    let (rest, power) = MULTIPLES
        .iter()
        .find_map(|(word, power)| Some((plain.strip_prefix(word)?, *power)))?;
    // OK because a symbol has few characters, and each multiple consumes at least one of them.
    named(rest).map(|(dimension, base)| (dimension, base + power))
}

/// Symbols of Latin letters. Their case is ignored where only one interpretation is a unit.
fn by_letters(plain: &str) -> Option<Named> {
    use Dimension::{Calories, Coal, Joules, Mass, NormalVolume, Volume, WattHours};
    Some(match plain.to_ascii_lowercase().as_str() {
        "wh" => (WattHours, -3),
        "kwh" | "kw.h" | "kw-h" => (WattHours, 0),
        "mwh" | "mw.h" | "mw-h" if plain.starts_with('M') => (WattHours, 3),
        "gwh" => (WattHours, 6),
        "twh" => (WattHours, 9),
        "j" => (Joules, -6),
        "kj" => (Joules, -3),
        "mj" if plain.starts_with('M') => (Joules, 0),
        "gj" => (Joules, 3),
        "tj" => (Joules, 6),
        "l" => (Volume, -3),
        "kl" | "m3" => (Volume, 0),
        "km3" => return None,
        "nm3" => (NormalVolume, 0),
        "t" => (Mass, 0),
        "kt" => (Mass, 3),
        "kg" => (Mass, -3),
        "g" if plain == "g" => (Mass, -6),
        "cal" | "kcal" | "mcal" | "gcal" => (Calories, 0),
        "tce" | "kgce" | "gce" => (Coal, 0),
        _ => return None,
    })
}

/// Symbols of Chinese characters, without multiples before them.
fn by_words(plain: &str) -> Option<Named> {
    use Dimension::{Calories, Coal, Du, Joules, Mass, NormalVolume, Volume, WattHours};
    Some(match plain {
        "瓦时" | "瓦小时" => (WattHours, -3),
        "兆瓦时" | "兆瓦小时" => (WattHours, 3),
        "吉瓦时" => (WattHours, 6),
        "度" | "度电" => (Du, 0),
        "焦" | "焦耳" => (Joules, -6),
        "兆焦" | "兆焦耳" => (Joules, 0),
        "吉焦" | "吉焦耳" => (Joules, 3),
        "太焦" => (Joules, 6),
        "立方米" | "立方" | "立米" | "方" => (Volume, 0),
        "升" | "公升" => (Volume, -3),
        "标方" | "标立方" | "标立方米" | "标准立方米" | "标m3" => (NormalVolume, 0),
        "吨" | "公吨" => (Mass, 0),
        "公斤" => (Mass, -3),
        "克" => (Mass, -6),
        "卡" | "大卡" | "卡路里" => (Calories, 0),
        "吨标准煤" | "吨标煤" | "标准煤" | "标煤" => (Coal, 0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
