//! The factor of a field's values, exactly as it is written.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A factor, exactly as it is written: `value × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldScale {
    value: i64,
    exponent: i32,
}

impl Default for FieldScale {
    fn default() -> Self {
        Self {
            value: 1,
            exponent: 0,
        }
    }
}

impl FieldScale {
    /// Parses a decimal such as `0.01` or `40`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let plain = digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
        let mut value: i64 = digits.parse().ok().filter(|&value| plain && value > 0)?;
        let mut exponent = -i32::try_from(fraction.len()).ok()?;
        while value % 10 == 0 {
            (value, exponent) = (value / 10, exponent + 1);
        }
        Some(Self { value, exponent })
    }

    /// Returns the factor without its trailing zeros.
    pub(crate) fn value(self) -> i64 {
        self.value
    }

    /// Returns the power of ten that belongs to [`FieldScale::value`].
    pub(crate) fn exponent(self) -> i32 {
        self.exponent
    }

    pub(super) fn is_one(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for FieldScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.value.to_string();
        let places = usize::try_from(-self.exponent).unwrap_or(0);
        if places == 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{digits}{}", "0".repeat(zeros));
        }
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        write!(f, "{whole}.{fraction}")
    }
}

impl Serialize for FieldScale {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for FieldScale {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScaleText)
    }
}

/// Deserializes a factor from a number or a text; the shortest text of a float is what was written.
struct ScaleText;

impl de::Visitor<'_> for ScaleText {
    type Value = FieldScale;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal above zero of at most 15 digits, such as 0.01 or 40")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FieldScale, E> {
        FieldScale::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<FieldScale, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<FieldScale, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<FieldScale, E> {
        self.visit_str(&value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_what_was_written() {
        for (text, value, exponent) in [("0.01", 1, -2), ("40", 4, 1), ("1", 1, 0), ("2.5", 25, -1)]
        {
            let scale = FieldScale::parse(text).expect("a factor");
            assert_eq!((scale.value, scale.exponent), (value, exponent));
            assert_eq!(scale.to_string(), text);
        }
        for bad in ["", "0", "-1", "1e3", "NaN", "1.2.3", "12345678901234567"] {
            assert_eq!(FieldScale::parse(bad), None, "{bad}");
        }
        let read = |text: &str| serde_json::from_str::<FieldScale>(text).ok();
        assert_eq!(read("0.1"), read("\"0.1\""));
        assert_eq!(read("0.1"), FieldScale::parse("0.1"));
        assert!(read("120").is_some() && read("-2").is_none() && read("true").is_none());
    }
}
