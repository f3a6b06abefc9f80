//! Sizes in bytes as people write them: `"64KiB"`, `"128MiB"`, `"2GiB"`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A number of bytes in a settings file or an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size(pub u64);

/// The error for a text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no size; write one like \"512B\", \"64KiB\", \"128MiB\" or \"2GiB\"")]
pub struct NoSize(pub String);

impl FromStr for Size {
    type Err = NoSize;
    fn from_str(text: &str) -> Result<Self, NoSize> {
        parse(text)
            .map(Self)
            .ok_or_else(|| NoSize(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Size {
    /// Prints the size in the largest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units
            .into_iter()
            .find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit))
        {
            Some((unit, symbol)) => write!(f, "{}{symbol}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Serializes a plain count of bytes like a [`Size`].
///
/// # Errors
/// The error of the serializer.
pub fn serialize<S: Serializer>(bytes: &usize, to: S) -> Result<S::Ok, S::Error> {
    Size(*bytes as u64).serialize(to)
}

/// Deserializes a plain count of bytes like a [`Size`].
///
/// # Errors
/// [`NoSize`], in the deserializer's form.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let Size(bytes) = Size::deserialize(from)?;
    usize::try_from(bytes).map_err(D::Error::custom)
}

fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let count: u64 = count.parse().ok()?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_size_parses_back() {
        for text in ["0B", "512B", "64KiB", "128MiB", "2GiB"] {
            assert_eq!(text.parse::<Size>().expect("a size").to_string(), text);
        }
        for bad in ["", "128", "MiB", "1.5GiB", "128MB", "99999999999999999999B"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
