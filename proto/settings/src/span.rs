//! Durations as people write them: `"250ms"`, `"30s"`, `"15m"`, `"2h"`, `"7d"`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A duration in a settings file or an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

/// The error for a text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no duration; write one like \"250ms\", \"30s\", \"15m\", \"2h\" or \"7d\"")]
pub struct NoSpan(pub String);

impl FromStr for Span {
    type Err = NoSpan;
    fn from_str(text: &str) -> Result<Self, NoSpan> {
        parse(text)
            .map(Self)
            .ok_or_else(|| NoSpan(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Span {
    /// Prints the duration in the largest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ];
        match units
            .into_iter()
            .find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit))
        {
            Some((unit, symbol)) => write!(f, "{}{symbol}", ms / unit),
            None => write!(f, "{ms}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Serializes a plain duration like a [`Span`].
///
/// # Errors
/// The error of the serializer.
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    Span(*span).serialize(to)
}

/// Deserializes a plain duration like a [`Span`].
///
/// # Errors
/// [`NoSpan`], in the deserializer's form.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Span::deserialize(from).map(|span| span.0)
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let count: u64 = count.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(count)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    count.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_duration_parses_back() {
        for text in ["250ms", "30s", "15m", "2h", "7d", "0ms"] {
            assert_eq!(text.parse::<Span>().expect("a duration").to_string(), text);
        }
        assert_eq!(
            "90s".parse::<Span>().expect("a duration").0,
            Duration::from_secs(90)
        );
        for bad in ["", "30", "s", "-1s", "1.5s", "3 s", "99999999999999999999s"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
