//! Instants of a reading: RFC 3339 text, text in the format of a rule, or a count since 1970.
//!
//! The usual format, `2026-11-23T08:00:00+08:00` or `…Z` with up to nine digits of fraction, is
//! parsed here in a few nanoseconds; any other text goes to the model, which uses jiff. A property
//! test compares the two. An instant outside the accepted range is refused together with its
//! meaning in another unit, because a wrong unit is the usual mistake.

use greenpark_model::{
    day::Instant,
    letter::LetterCode,
    limits::{FUTURE_MS_MAX, INSTANT_MS_MIN},
    stamp::Stamps,
};

use super::timing::Timing;
use crate::{decode::fault::Fault, settings::TimeUnit};

/// An hour, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Parses a text in the format of `stamps`, or as RFC 3339.
pub(in crate::decode) fn parse(text: &str, stamps: &Stamps) -> Result<Instant, Fault> {
    match parse_fast(text.as_bytes()) {
        Some(instant) => Ok(instant),
        None => match stamps.parse(text) {
            Ok(ms) => Ok(Instant::from_millis(ms)),
            Err(reason) => Err(Fault::new(LetterCode::BadInstant, reason)),
        },
    }
}

/// Checks that `ms` is in the accepted range of instants.
pub(in crate::decode) fn check(ms: i64, timing: &Timing<'_>) -> Result<Instant, Fault> {
    if is_taken(ms, timing) {
        return Ok(Instant::from_millis(ms));
    }
    Err(refusal(ms, ms, TimeUnit::Ms, timing))
}

/// Checks a count of `unit` since 1970, which is `ms` milliseconds.
pub(in crate::decode) fn check_count(
    count: i64,
    ms: i64,
    unit: TimeUnit,
    timing: &Timing<'_>,
) -> Result<i64, Fault> {
    if is_taken(ms, timing) {
        return Ok(ms);
    }
    Err(refusal(count, ms, unit, timing))
}

fn is_taken(ms: i64, timing: &Timing<'_>) -> bool {
    ms >= timing.floor_ms() && ms <= timing.now_ms.saturating_add(FUTURE_MS_MAX)
}

/// Builds the fault of an instant `ms` outside the accepted range, which was sent as `count` of
/// `unit`.
#[cold]
fn refusal(count: i64, ms: i64, unit: TimeUnit, timing: &Timing<'_>) -> Fault {
    let at = Instant::from_millis(ms);
    if (INSTANT_MS_MIN..timing.floor_ms()).contains(&ms) {
        let words = format!(
            "late: {at} is before {}, too far behind the newest reading of this gateway: set the gateway's clock; \
             send what is old on purpose with the user property replay = 1",
            Instant::from_millis(timing.floor_ms()),
        );
        return Fault::new(LetterCode::TooLate, words);
    }
    let code = if ms < INSTANT_MS_MIN {
        LetterCode::BadInstant
    } else {
        LetterCode::FutureInstant
    };
    if let Some(meant) = meant(count, unit, timing.now_ms) {
        let words = format!("{count} is {at} as {}: {meant}", name(unit));
        return Fault::new(code, words);
    }
    if ms < INSTANT_MS_MIN {
        let words = format!(
            "{at} is before {}: the gateway's clock was never set; set it and its time zone",
            Instant::from_millis(INSTANT_MS_MIN),
        );
        return Fault::new(code, words);
    }
    let ahead_ms = ms.saturating_sub(timing.now_ms);
    let hours = ahead_ms.saturating_add(HOUR_MS / 2) / HOUR_MS;
    let off_ms = (ahead_ms - hours * HOUR_MS).abs();
    let zone = if (1..=14).contains(&hours) && off_ms <= FUTURE_MS_MAX {
        format!(" (as if local time of UTC+{hours} were sent as UTC)")
    } else {
        String::new()
    };
    let words = format!(
        "{at} is {} s ahead of this server's clock{zone} (at most {} s are allowed): set the gateway's clock and time zone",
        ahead_ms / 1000,
        FUTURE_MS_MAX / 1000,
    );
    Fault::new(code, words)
}

/// Returns the likely cause, if `count` is a plausible instant in another unit.
fn meant(count: i64, unit: TimeUnit, now_ms: i64) -> Option<String> {
    let sensible = |ms: i64| (INSTANT_MS_MIN..=now_ms.saturating_add(FUTURE_MS_MAX)).contains(&ms);
    for other in [TimeUnit::Ms, TimeUnit::S, TimeUnit::Us, TimeUnit::Ns] {
        let Some(ms) = other.to_ms(count).filter(|&ms| sensible(ms)) else {
            continue;
        };
        let (sent, wanted) = (name(other), name(unit));
        return Some(format!(
            "it looks like {sent} where {wanted} are meant ({}): send {wanted} (of a dialect's rule, at_unit = \"{}\" says so)",
            Instant::from_millis(ms),
            other.key(),
        ));
    }
    excel_day(count, sensible)
}

/// Returns the likely cause, if `count` is an Excel day number.
pub(in crate::decode) fn excel_day(count: i64, sensible: impl Fn(i64) -> bool) -> Option<String> {
    if !(30_000..80_000).contains(&count) {
        return None;
    }
    // Day 25,569 is 1970-01-01; a spreadsheet counts in local time, here UTC+8.
    let ms = (count - 25_569) * 24 * HOUR_MS - 8 * HOUR_MS;
    let plausible = sensible(ms);
    plausible.then(|| {
        format!(
            "it looks like a day number of Excel ({}): send the date as text such as 2026-11-23T08:00:00+08:00",
            Instant::from_millis(ms).day()
        )
    })
}

/// Returns the name of a unit.
pub(in crate::decode) fn name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::S => "seconds",
        TimeUnit::Ms => "milliseconds",
        TimeUnit::Us => "microseconds",
        TimeUnit::Ns => "nanoseconds",
        TimeUnit::SOrMs => "seconds or milliseconds",
    }
}

/// Parses the usual format, from 1971 on; `None` for any other text.
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
    Some(Instant::from_millis(
        (epoch_days(year, month, day) * 86_400 + seconds) * 1000 + fraction_ms,
    ))
}

/// Parses the two digits at `at`.
fn two(text: &[u8], at: usize) -> Option<u32> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Parses `.digits`, truncated to milliseconds, and returns the rest.
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

/// Parses `Z` or `±HH:MM` at the end.
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

/// Returns the days since 1970-01-01 of a date in the proleptic Gregorian calendar; years begin in
/// March so that the leap day is the last one (Hinnant, `days_from_civil`).
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

    const NOW: i64 = 1_800_000_000_000;

    fn parse(text: &str) -> Result<Instant, Fault> {
        super::parse(text, &Stamps::default())
    }

    fn check(ms: i64) -> Result<Instant, Fault> {
        super::check(ms, &Timing::live(NOW, &Stamps::default()))
    }

    fn slow(text: &str) -> Option<i64> {
        Stamps::default().parse(text).ok()
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
                parse_fast(text.as_bytes()).map(|i| i.millis()),
                slow(text),
                "{text}"
            );
            assert!(slow(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_time_without_an_offset_or_with_an_invalid_day_is_refused() {
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
    fn the_future_and_the_far_past_are_refused_with_a_reason() {
        assert_eq!(
            check(NOW + FUTURE_MS_MAX),
            Ok(Instant::from_millis(NOW + FUTURE_MS_MAX))
        );
        let future = check(NOW + FUTURE_MS_MAX + 1).expect_err("future");
        assert!(
            future.contains("clock") && !future.contains("UTC+"),
            "{future}"
        );
        let local = check(NOW + 8 * HOUR_MS - 3_000).expect_err("future");
        assert!(
            local.contains("local time of UTC+8 were sent as UTC"),
            "{local}"
        );
        let unset = check(86_400_000 * 400).expect_err("the past");
        assert!(unset.contains("never set"), "{unset}");
        assert_eq!(
            check(INSTANT_MS_MIN),
            Ok(Instant::from_millis(INSTANT_MS_MIN))
        );
        assert!(check(i64::MAX).is_err() && check(i64::MIN).is_err());
    }

    #[test]
    fn the_likely_cause_of_a_wrong_count_is_reported() {
        let stamps = Stamps::default();
        let timing = Timing::live(NOW, &stamps);
        let reason = |count: i64, unit: TimeUnit| {
            let ms = unit.to_ms(count).unwrap_or(i64::MAX);
            check_count(count, ms, unit, &timing).expect_err("refused")
        };
        for (count, unit, words) in [
            (
                1_789_794_453_948,
                TimeUnit::S,
                "milliseconds where seconds are meant",
            ),
            (
                1_789_794_453,
                TimeUnit::Ms,
                "seconds where milliseconds are meant",
            ),
            (
                1_789_794_453_948_000,
                TimeUnit::Ms,
                "microseconds where milliseconds are meant",
            ),
            (
                1_789_794_453_948_000_000,
                TimeUnit::Ms,
                "nanoseconds where milliseconds are meant",
            ),
            (
                1_789_794_453_948_000_000,
                TimeUnit::Us,
                "nanoseconds where microseconds are meant",
            ),
            (
                1_789_794_453,
                TimeUnit::Ns,
                "seconds where nanoseconds are meant",
            ),
            (
                1_789_794_453_948,
                TimeUnit::Ns,
                "milliseconds where nanoseconds are meant",
            ),
            (46_000, TimeUnit::Ms, "day number of Excel (2025-12-09)"),
            (46_000, TimeUnit::S, "day number of Excel (2025-12-09)"),
        ] {
            let reason = reason(count, unit);
            assert!(reason.contains(words), "{count}: {reason}");
            assert!(reason.contains(&count.to_string()), "{reason}");
        }
        assert!(reason(5, TimeUnit::Ms).contains("never set"));
        let late = timing.of(crate::decode::Arrival::Live, NOW - 7 * 24 * HOUR_MS);
        assert!(super::check(NOW - 7 * 24 * HOUR_MS, &late).is_ok());
        let reason = super::check(NOW - 8 * 24 * HOUR_MS, &late).expect_err("late");
        assert!(
            reason.code == LetterCode::TooLate
                && reason.words.starts_with("late: ")
                && reason.contains("replay"),
            "{reason}"
        );
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
                prop_assert_eq!(Some(fast.millis()), slow(&text), "{}", text);
            }
            prop_assert_eq!(parse(&text).ok().map(|i| i.millis()), slow(&text), "{}", text);
        }

        #[test]
        fn every_instant_of_the_calendar_is_read_back(ms in 31_536_000_000i64..4_102_444_800_000) {
            let text = Instant::from_millis(ms).to_string();
            prop_assert_eq!(parse_fast(text.as_bytes()), Some(Instant::from_millis(ms)));
        }
    }
}
