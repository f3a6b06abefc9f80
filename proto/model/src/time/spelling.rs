//! The spellings of a civil date and time in the stamps of gateways, loggers and spreadsheets.

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    fmt::strtime,
    tz::Offset,
};

/// Longest stamp that is read, in bytes.
pub(super) const STAMP_BYTES_MAX: usize = 64;

/// The civil date and time of a stamp.
pub(super) struct Civil {
    pub(super) at: DateTime,
    /// The offset written behind it, if any.
    pub(super) offset: Option<Offset>,
    /// True if the stamp was written as 24:00:00 of the day before.
    pub(super) was_24: bool,
}

/// Parses `+08:00`, `+0800` or `+08`.
pub(super) fn offset(text: &str) -> Option<Offset> {
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

/// Parses a stamp by a format; 24:00:00, which no format allows, is the next day's start.
pub(super) fn by_format(format: &str, text: &str) -> Option<Civil> {
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
    // Try each "24" of the text as the hour: with 00 in its place, only the hour gives a valid midnight.
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

/// Parses the usual spellings of a civil date and time; `None` for any other text.
pub(super) fn usual(text: &str) -> Option<Civil> {
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

/// The start of the next day if `text` is 24:00:00 of a day in RFC 3339; `None` otherwise.
pub(super) fn next_day(text: &str) -> Option<Timestamp> {
    // The date of RFC 3339 has ten bytes.
    let rfc = text.as_bytes().get(4) == Some(&b'-') && text.get(11..16) == Some("24:00");
    if !rfc || text.len() > STAMP_BYTES_MAX {
        return None;
    }
    let civil = usual(text)?;
    civil.offset?.to_timestamp(civil.at).ok()
}

/// The rest of a text that is parsed from front to back.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Parses a number of `least` to `most` digits; refuses one with more.
    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(least..=most).contains(&digits) {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok()
    }

    /// Skips one character of `set`, if it comes next.
    fn one_of(&mut self, set: &str) -> Option<()> {
        let first = self.0.chars().next().filter(|c| set.contains(*c))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(())
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    /// Parses `.digits`, cut to milliseconds; returns zero for a text without a fraction.
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
