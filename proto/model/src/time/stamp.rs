//! Stamps: instants as gateways, loggers and spreadsheets write them, and which end of an interval they denote.
//!
//! A stamp with an offset needs no settings (`2026-11-23T08:00:00+08:00`). One without is parsed in the zone of
//! [`Stamps`], by their format or in the usual spellings (`2026-10-10 08:00:00`, `2026/1/1 8:00`,
//! `2026年1月1日 8:00`). `24:00:00` of a day is the start of the next one. The instant of an interval is its
//! start; where a stamp denotes the end, the caller subtracts [`Stamps::shift_ms`].
//!
//! ```
//! use greenpark_model::stamp::{Spec, Stamps};
//! let spec = Spec { zone: Some("+08:00"), ..Spec::default() };
//! let stamps = Stamps::of(&spec, |key, reason| panic!("{key}: {reason}")).expect("stamps");
//! assert_eq!(stamps.parse("2026-01-01 24:00:00"), stamps.parse("2026-01-02T00:00:00+08:00"));
//! ```

use jiff::{civil::Time, fmt::strtime, tz::Offset};

use crate::time::{
    day::{DAY_MS, Instant},
    spelling::{STAMP_BYTES_MAX, by_format, offset, usual},
};

/// Names of UTC+8 that people write for a zone; China has kept it without daylight saving since 1991.
const CHINA: [&str; 5] = [
    "Asia/Shanghai",
    "Asia/Chongqing",
    "Asia/Hong_Kong",
    "PRC",
    "UTC+8",
];

/// The settings that describe stamps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spec<'a> {
    /// The format, in the letters of strptime, such as `%d/%m/%Y %H:%M`.
    pub format: Option<&'a str>,
    /// The zone of stamps without an offset: an offset such as `+08:00`, `Z`, or `Asia/Shanghai`.
    pub zone: Option<&'a str>,
    /// A stamp is the end of its interval, which then needs `interval_ms`.
    pub is_end: bool,
    /// The interval, in milliseconds.
    pub interval_ms: Option<i64>,
    /// The time of day, `HH:MM`, that is printed for 24:00 of its day.
    pub prints_24_as: Option<&'a str>,
}

/// The parser of stamps, made from a [`Spec`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps {
    format: Option<Box<str>>,
    offset: Option<Offset>,
    shift_ms: i64,
    midnight: Option<Time>,
}

impl Stamps {
    /// Makes the parser that `spec` describes. Calls `report` with the field's name and the reason of every
    /// mistake; `None` if there is one.
    pub fn of(spec: &Spec<'_>, mut report: impl FnMut(&str, String)) -> Option<Self> {
        let mut valid = true;
        let mut refuse = |key: &str, reason: String| {
            valid = false;
            report(key, reason);
        };
        let offset = spec
            .zone
            .and_then(|text| zone(text).map_err(|e| refuse("zone", e)).ok());
        if let Some("") = spec.format {
            refuse("format", "is empty; write one like %Y-%m-%d %H:%M".into());
        }
        let interval_ms = spec.interval_ms.filter(|&ms| ms > 0);
        if spec.is_end && interval_ms.is_none() {
            refuse(
                "interval",
                "is needed where a stamp is the end of its interval".into(),
            );
        }
        let midnight = spec.prints_24_as.and_then(|text| {
            let time = strtime::parse("%H:%M", text).and_then(|parts| parts.to_time());
            let not_a_time = |_| refuse("prints_24_as", format!("'{text}' is not HH:MM"));
            time.map_err(not_a_time).ok()
        });
        valid.then(|| Self {
            format: spec.format.map(Into::into),
            offset,
            shift_ms: interval_ms.filter(|_| spec.is_end).unwrap_or(0),
            midnight,
        })
    }

    /// Milliseconds to subtract from the stamp of an interval to get its start.
    #[must_use]
    pub fn shift_ms(&self) -> i64 {
        self.shift_ms
    }

    /// Returns true if stamps have a format of their own, so that a number may be a stamp.
    #[must_use]
    pub fn has_format(&self) -> bool {
        self.format.is_some()
    }

    /// Parses a stamp to UTC milliseconds, without shifting an interval's end to its start.
    ///
    /// # Errors
    /// The mistake, and what to write instead.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        let shown = || text.chars().take(40).collect::<String>();
        if text.len() > STAMP_BYTES_MAX {
            return Err(format!("'{}…' is no instant", shown()));
        }
        let civil = match &self.format {
            Some(format) => by_format(format, text)
                .ok_or_else(|| format!("'{}' is not of the form {format}", shown()))?,
            None => match text.parse::<Instant>() {
                Ok(instant) => return Ok(instant.millis()),
                Err(error) => usual(text).ok_or_else(|| error.to_string())?,
            },
        };
        let offset = civil.offset.or(self.offset).ok_or_else(|| {
            format!(
                "'{}' has no zone; write +08:00 behind it, or give its rule zone = \"+08:00\"",
                shown()
            )
        })?;
        let beyond = |_| format!("'{}' is beyond the calendar", shown());
        let stamp = offset.to_timestamp(civil.at).map_err(beyond)?;
        let ms = stamp.as_millisecond();
        let next_day = self.midnight == Some(civil.at.time()) && !civil.was_24;
        Ok(ms + if next_day { DAY_MS } else { 0 })
    }
}

/// The offset of a zone: `+08:00`, `-03:30`, `Z`, `UTC` or a name of China's.
///
/// # Errors
/// What to write instead.
pub fn zone(text: &str) -> Result<Offset, String> {
    if CHINA.contains(&text) {
        return Ok(Offset::constant(8));
    }
    if matches!(text, "Z" | "UTC") {
        return Ok(Offset::UTC);
    }
    let plain = text.len() == 6 && text.as_bytes()[3] == b':';
    let offset = plain.then(|| offset(text)).flatten();
    offset.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("'{shown}' is no offset; write +08:00 or Z")
    })
}

#[cfg(test)]
mod tests;
