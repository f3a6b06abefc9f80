//! Instants as other dialects write them: a count since 1970 in some unit, or text.

use super::{instant, scan::Token, series::clip};
use crate::settings::TimeUnit;

/// UTC milliseconds of a JSON token.
pub(super) fn of_token(token: &Token<'_>, unit: TimeUnit) -> Result<i64, String> {
    match token {
        Token::Number(digits) => of_digits(digits, unit),
        Token::Text(text) => of_text(text, unit),
        other => Err(format!(
            "its instant is {}, not a number or text",
            other.describe()
        )),
    }
}

/// UTC milliseconds of a whole number.
pub(super) fn of_digits(digits: &str, unit: TimeUnit) -> Result<i64, String> {
    let wrong = || {
        format!(
            "its instant '{}' is no whole number of its unit",
            clip(digits)
        )
    };
    let count: i64 = digits.parse().map_err(|_| wrong())?;
    match unit {
        TimeUnit::SOrMs if digits.len() <= 10 => count.checked_mul(1000),
        TimeUnit::S => count.checked_mul(1000),
        TimeUnit::Ms | TimeUnit::SOrMs => Some(count),
        TimeUnit::Us => Some(count.div_euclid(1000)),
        TimeUnit::Ns => Some(count.div_euclid(1_000_000)),
    }
    .ok_or_else(wrong)
}

/// UTC milliseconds of RFC 3339 text, of the short form `20261123T000000Z`, or of a number in quotes.
fn of_text(text: &str, unit: TimeUnit) -> Result<i64, String> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return of_digits(text, unit);
    }
    let parsed = match short(text) {
        Some(long) => instant::parse(&long),
        None => instant::parse(text),
    };
    parsed
        .map(|instant| instant.0)
        .map_err(|reason| format!("its instant: {reason}"))
}

/// The usual spelling of `20261123T000000Z`.
fn short(text: &str) -> Option<String> {
    let (bytes, digit) = (text.as_bytes(), |at: usize| {
        text.as_bytes()[at].is_ascii_digit()
    });
    let fits = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
    if !fits || !(0..8).chain(9..15).all(digit) {
        return None;
    }
    let part = |from: usize, to: usize| &text[from..to];
    let (date, time) = (
        [part(0, 4), part(4, 6), part(6, 8)].join("-"),
        [part(9, 11), part(11, 13), part(13, 15)].join(":"),
    );
    Some(format!("{date}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_unit() {
        for (digits, unit) in [
            ("1626197189", TimeUnit::S),
            ("1626197189000", TimeUnit::Ms),
            ("1626197189000000", TimeUnit::Us),
            ("1626197189000000000", TimeUnit::Ns),
            ("1626197189", TimeUnit::SOrMs),
            ("1626197189000", TimeUnit::SOrMs),
        ] {
            assert_eq!(of_digits(digits, unit), Ok(1_626_197_189_000), "{digits}");
        }
        for text in [
            "20210713T172629Z",
            "2021-07-13T17:26:29.000Z",
            "1626197189000",
        ] {
            assert_eq!(of_text(text, TimeUnit::Ms), Ok(1_626_197_189_000), "{text}");
        }
        for bad in [
            "",
            "1.5",
            "99999999999999999999",
            "2021-07-13 17:26:29",
            "20211313T172629Z",
        ] {
            assert!(of_text(bad, TimeUnit::Ms).is_err(), "{bad}");
        }
    }
}
