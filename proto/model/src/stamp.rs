//! Stamps: instants as texts that gateways, loggers and spreadsheets write, and which end of an interval
//! they are.
//!
//! A stamp with an offset needs nothing (`2026-11-23T08:00:00+08:00`). One without is read in the zone of
//! [`Stamps`], by their format or in the usual spellings (`2026-10-10 08:00:00`, `2026/1/1 8:00`,
//! `2026年1月1日 8:00`). `24:00:00` of a day is the start of the next one. An interval's instant is its
//! start; where a stamp is the interval's end, [`Stamps::shift_ms`] is to be subtracted.
//!
//! ```
//! use greenpark_model::stamp::{Spec, Stamps};
//! let spec = Spec { zone: Some("+08:00"), ..Spec::default() };
//! let stamps = Stamps::of(&spec, |key, reason| panic!("{key}: {reason}")).expect("stamps");
//! assert_eq!(stamps.parse("2026-01-01 24:00:00"), stamps.parse("2026-01-02T00:00:00+08:00"));
//! ```

use jiff::{
    civil::{DateTime, Time},
    fmt::strtime,
    tz::Offset,
};

use crate::day::{DAY_MS, Instant};

/// Longest stamp that is looked at, in bytes.
const STAMP_BYTES_MAX: usize = 64;

/// Names of UTC+8 that people write for a zone; China has kept it without daylight saving since 1991.
const CHINA: [&str; 5] = [
    "Asia/Shanghai",
    "Asia/Chongqing",
    "Asia/Hong_Kong",
    "PRC",
    "UTC+8",
];

/// What stamps are, as settings say it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spec<'a> {
    /// How they are written, in the letters of strptime, such as `%d/%m/%Y %H:%M`.
    pub format: Option<&'a str>,
    /// The zone of those that name none: an offset such as `+08:00`, `Z`, or `Asia/Shanghai`.
    pub zone: Option<&'a str>,
    /// Whether a stamp is the end of its interval, which is then to be said.
    pub is_end: bool,
    /// The interval, in milliseconds.
    pub interval_ms: Option<i64>,
    /// The time of day, `HH:MM`, that stands for 24:00 of its day.
    pub prints_24_as: Option<&'a str>,
}

/// How stamps are read; see the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps {
    format: Option<Box<str>>,
    offset: Option<Offset>,
    shift_ms: i64,
    midnight: Option<Time>,
}

/// A civil date and time as a stamp says it.
struct Civil {
    at: DateTime,
    /// The offset that stands behind it, if one does.
    offset: Option<Offset>,
    /// It was written as 24:00:00 of the day before.
    was_24: bool,
}

impl Stamps {
    /// Takes what `spec` says; `wrong` hears of everything that is wrong, by the name of its field.
    pub fn of(spec: &Spec<'_>, mut wrong: impl FnMut(&str, String)) -> Option<Self> {
        let mut sound = true;
        let mut say = |key: &str, reason: String| {
            sound = false;
            wrong(key, reason);
        };
        let offset = spec
            .zone
            .and_then(|text| zone(text).map_err(|e| say("zone", e)).ok());
        if let Some("") = spec.format {
            say("format", "is empty; write one like %Y-%m-%d %H:%M".into());
        }
        let interval_ms = spec.interval_ms.filter(|&ms| ms > 0);
        if spec.is_end && interval_ms.is_none() {
            say(
                "interval",
                "is needed where a stamp is the end of its interval".into(),
            );
        }
        let midnight = spec.prints_24_as.and_then(|text| {
            let time = strtime::parse("%H:%M", text).and_then(|parts| parts.to_time());
            let wrong = |_| say("prints_24_as", format!("'{text}' is not HH:MM"));
            time.map_err(wrong).ok()
        });
        sound.then(|| Self {
            format: spec.format.map(Into::into),
            offset,
            shift_ms: interval_ms.filter(|_| spec.is_end).unwrap_or(0),
            midnight,
        })
    }

    /// What is to be subtracted from the stamp of an interval, in milliseconds.
    #[must_use]
    pub fn shift_ms(&self) -> i64 {
        self.shift_ms
    }

    /// Whether stamps have a form of their own, so that a number may be one.
    #[must_use]
    pub fn has_format(&self) -> bool {
        self.format.is_some()
    }

    /// UTC milliseconds of a stamp, as it stands: an interval's end is not shifted.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        let shown = || text.chars().take(40).collect::<String>();
        if text.len() > STAMP_BYTES_MAX {
            return Err(format!("'{}…' is no instant", shown()));
        }
        let civil = match &self.format {
            Some(format) => by_format(format, text)
                .ok_or_else(|| format!("'{}' is not of the form {format}", shown()))?,
            None => match text.parse::<Instant>() {
                Ok(instant) => return Ok(instant.0),
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

/// `+08:00`, `+0800` or `+08`.
fn offset(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text.get(1..)?.replacen(':', "", 1);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let sound = hours < 24 && minutes < 60;
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60))
        .ok()
        .filter(|_| sound)
}

/// Reads a stamp by a format; 24:00:00, which no format knows, is the next day's start.
fn by_format(format: &str, text: &str) -> Option<Civil> {
    let read = |text: &str| {
        let parts = strtime::parse(format, text).ok()?;
        Some((parts.to_datetime().ok()?, parts.offset()))
    };
    if let Some((at, offset)) = read(text) {
        return Some(Civil {
            at,
            offset,
            was_24: false,
        });
    }
    // Only an hour of 24 is cured by being 00, whatever else the text has 24 of.
    text.match_indices("24").find_map(|(place, _)| {
        let (before, rest) = text.split_at(place);
        let (at, offset) = read(&format!("{before}00{}", &rest[2..]))?;
        let midnight = at.time() == Time::midnight();
        let at = at.date().tomorrow().ok().filter(|_| midnight)?;
        Some(Civil {
            at: at.to_datetime(Time::midnight()),
            offset,
            was_24: true,
        })
    })
}

/// Reads the usual spellings of a civil date and time; `None` if it is none of them.
fn usual(text: &str) -> Option<Civil> {
    let mut rest = Rest(text.trim());
    let year = rest.number(4, 4)?;
    rest.one_of("-/.年")?;
    let month = rest.number(1, 2)?;
    rest.one_of("-/.月")?;
    let day = rest.number(1, 2)?;
    let named = rest.one_of("日").is_some();
    let apart = rest.one_of("Tt ").is_some();
    rest.spaces();
    if !named && !apart {
        return None;
    }
    let hour = rest.number(1, 2)?;
    rest.one_of(":时点")?;
    let minute = rest.number(1, 2)?;
    let mut second = 0;
    if rest.one_of(":分").is_some() && rest.0.starts_with(|c: char| c.is_ascii_digit()) {
        second = rest.number(1, 2)?;
    }
    let ms = rest.fraction_ms()?;
    rest.one_of("秒");
    rest.spaces();
    let offset = match rest.0 {
        "" => None,
        "Z" | "z" => Some(Offset::UTC),
        other => Some(offset(other)?),
    };
    let small = |number: i32| i8::try_from(number).ok();
    let was_24 = hour == 24 && (minute, second, ms) == (0, 0, 0);
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(if was_24 { 0 } else { hour })?,
        small(minute)?,
        small(second)?,
        ms * 1_000_000,
    );
    let at = civil.ok()?;
    let at = match was_24 {
        true => at.date().tomorrow().ok()?.to_datetime(Time::midnight()),
        false => at,
    };
    Some(Civil { at, offset, was_24 })
}

/// The start of the day after one of which an RFC 3339 text says 24:00:00; `None` if it does not.
pub(crate) fn next_day(text: &str) -> Option<Instant> {
    // The date of RFC 3339 has ten bytes.
    let rfc = text.as_bytes().get(4) == Some(&b'-') && text.get(11..16) == Some("24:00");
    if !rfc || text.len() > STAMP_BYTES_MAX {
        return None;
    }
    let civil = usual(text)?;
    let stamp = civil.offset?.to_timestamp(civil.at).ok()?;
    Some(Instant(stamp.as_millisecond()))
}

/// What is left of a text that is read from front to back.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Reads a number of `least` to `most` digits, and no more of them.
    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(least..=most).contains(&digits) {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok()
    }

    /// Passes over one character of `set`, if it stands there.
    fn one_of(&mut self, set: &str) -> Option<()> {
        let first = self.0.chars().next().filter(|c| set.contains(*c))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(())
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    /// Reads `.digits`, cut to milliseconds; zero if there is none.
    fn fraction_ms(&mut self) -> Option<i32> {
        if self.one_of(".,").is_none() {
            return Some(0);
        }
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let padded = format!("{fraction:0<3}");
        padded.get(..3)?.parse().ok().filter(|_| digits > 0)
    }
}

#[cfg(test)]
mod tests;
