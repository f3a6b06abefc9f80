//! Instants of a reading: RFC 3339 text or UTC milliseconds.
//!
//! The form that gateways send, `2026-11-23T08:00:00+08:00` or `…Z` with up to nine digits of fraction,
//! is read here in a few nanoseconds; anything else is left to the model, which asks jiff. A property
//! test holds the two to each other.

use greenpark_model::{
    day::Instant,
    letter::LetterCode,
    limits::{FUTURE_MS_MAX, INSTANT_MS_MIN},
};

use super::fault::Fault;

/// Reads RFC 3339 text.
pub(super) fn parse(text: &str) -> Result<Instant, Fault> {
    match parse_fast(text.as_bytes()) {
        Some(instant) => Ok(instant),
        None => text.parse().map_err(|e: greenpark_model::day::TimeError| {
            Fault::new(LetterCode::BadInstant, e.to_string())
        }),
    }
}

/// Checks that `ms` lies in the time that readings may come from.
pub(super) fn check(ms: i64, now_ms: i64) -> Result<Instant, Fault> {
    if ms > now_ms.saturating_add(FUTURE_MS_MAX) {
        let ahead_s = ms.saturating_sub(now_ms) / 1000;
        let words = format!(
            "{} is {ahead_s} s ahead of this server's clock (at most {} s are allowed): set the gateway's clock and time zone",
            Instant(ms),
            FUTURE_MS_MAX / 1000,
        );
        return Err(Fault::new(LetterCode::FutureInstant, words));
    }
    if ms < INSTANT_MS_MIN {
        let words = format!(
            "{} is before {}: the gateway's clock was never set, or its instants are seconds instead of milliseconds",
            Instant(ms),
            Instant(INSTANT_MS_MIN),
        );
        return Err(Fault::new(LetterCode::BadInstant, words));
    }
    Ok(Instant(ms))
}

/// Reads the usual form from 1971 on, or says `None`.
fn parse_fast(text: &[u8]) -> Option<Instant> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| date_time[at] != byte) {
        return None;
    }
    let year = two(date_time, 0)? * 100 + two(date_time, 2)?;
    let (month, day) = (two(date_time, 5)?, two(date_time, 8)?);
    let (hour, minute, second) = (
        two(date_time, 11)?,
        two(date_time, 14)?,
        two(date_time, 17)?,
    );
    let valid = year >= 1971
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let (fraction_ms, rest) = fraction(rest)?;
    let seconds = i64::from((hour * 60 + minute) * 60 + second) - offset_s(rest)?;
    Some(Instant(
        (epoch_days(year, month, day) * 86_400 + seconds) * 1000 + fraction_ms,
    ))
}

/// The two digits at `at`.
fn two(text: &[u8], at: usize) -> Option<u32> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Reads `.digits`, cut to milliseconds, and returns what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let place = |i: usize| digits[..count].get(i).map_or(0, |b| i64::from(b - b'0'));
    Some((place(0) * 100 + place(1) * 10 + place(2), &digits[count..]))
}

/// Reads `Z` or `±HH:MM` to the end.
fn offset_s(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (two(text, 1)?, two(text, 4)?);
            let seconds = i64::from(hours * 3600 + minutes * 60);
            // `-00:00` has a meaning of its own in RFC 3339.
            let usual = hours < 24 && minutes < 60 && (*sign == b'+' || seconds != 0);
            usual.then_some(if *sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; years begin in March so that the
/// leap day is the last (Hinnant, `days_from_civil`).
fn epoch_days(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year / 400;
    let year_of_era = year - era * 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i64::from(era) * 146_097 + i64::from(day_of_era) - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow(text: &str) -> Option<i64> {
        text.parse::<Instant>().ok().map(|i| i.0)
    }

    #[test]
    fn the_usual_forms_take_the_fast_path() {
        for text in [
            "2026-11-23T08:00:00+08:00",
            "2026-11-23T00:00:00Z",
            "2024-02-29T23:59:59.999999999-11:30",
            "2000-01-01T00:00:00.5Z",
        ] {
            assert_eq!(
                parse_fast(text.as_bytes()).map(|i| i.0),
                slow(text),
                "{text}"
            );
            assert!(slow(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_has_no_offset_or_no_such_day_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T08:00:00",
            "2026-02-30T00:00:00Z",
            "yesterday",
            "2026-11-23T25:00:00Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_future_and_the_far_past_are_refused_in_words() {
        let now = 1_800_000_000_000;
        assert_eq!(
            check(now + FUTURE_MS_MAX, now),
            Ok(Instant(now + FUTURE_MS_MAX))
        );
        assert!(
            check(now + FUTURE_MS_MAX + 1, now)
                .expect_err("future")
                .contains("clock")
        );
        assert!(
            check(1_700_000_000, now)
                .expect_err("seconds")
                .contains("milliseconds")
        );
        assert_eq!(check(INSTANT_MS_MIN, now), Ok(Instant(INSTANT_MS_MIN)));
        assert!(check(i64::MAX, now).is_err() && check(i64::MIN, now).is_err());
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_jiff(
            year in 1960u32..2150, month in 0u32..14, day in 0u32..33, hour in 0u32..26,
            minute in 0u32..62, second in 0u32..62, fraction in "(\\.[0-9]{0,11})?",
            offset in "Z|z|[+-][0-2][0-9]:[0-6][0-9]|[+-]0000||\\+08",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
            if let Some(fast) = parse_fast(text.as_bytes()) {
                prop_assert_eq!(Some(fast.0), slow(&text), "{}", text);
            }
            prop_assert_eq!(parse(&text).ok().map(|i| i.0), slow(&text), "{}", text);
        }

        #[test]
        fn every_instant_of_the_calendar_is_read_back(ms in 31_536_000_000i64..4_102_444_800_000) {
            let text = Instant(ms).to_string();
            prop_assert_eq!(parse_fast(text.as_bytes()), Some(Instant(ms)));
        }
    }
}
