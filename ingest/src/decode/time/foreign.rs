//! Instants in other dialects: a count since 1970 in some unit, or text.

use greenpark_model::letter::LetterCode;

use super::{instant, timing::Timing};
use crate::{
    decode::{fault::Fault, json_scanner::Token, series::clip},
    settings::TimeUnit,
};

/// Returns the UTC milliseconds of a JSON token.
pub(in crate::decode) fn of_token(
    token: &Token<'_>,
    unit: TimeUnit,
    timing: &Timing<'_>,
) -> Result<i64, Fault> {
    match token {
        Token::Number(digits) => of_digits(digits, unit, timing),
        Token::Text(text) => of_text(text, unit, timing),
        other => {
            let words = format!("its instant is {}, not a number or text", other.describe());
            Err(Fault::new(LetterCode::BadInstant, words))
        }
    }
}

/// Returns the UTC milliseconds of a whole number.
pub(in crate::decode) fn of_digits(
    digits: &str,
    unit: TimeUnit,
    timing: &Timing<'_>,
) -> Result<i64, Fault> {
    if timing.stamps.has_format() {
        return stamped(digits, timing);
    }
    let Ok(count) = digits.parse::<i64>() else {
        return Err(Fault::new(LetterCode::BadInstant, no_count(digits, unit)));
    };
    let unit = match unit {
        TimeUnit::SOrMs if digits.len() <= 10 => TimeUnit::S,
        TimeUnit::SOrMs => TimeUnit::Ms,
        other => other,
    };
    let ms = unit
        .to_ms(count)
        .unwrap_or(if count < 0 { i64::MIN } else { i64::MAX });
    let checked = instant::check_count(count, ms, unit, timing);
    checked.map_err(|reason| reason.at("its instant"))
}

/// Explains why a text is not a count of a unit.
fn no_count(digits: &str, unit: TimeUnit) -> String {
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let excel = whole
        .parse()
        .ok()
        .and_then(|day| instant::excel_day(day, |_| true));
    let cause = excel.map_or(String::new(), |cause| format!(": {cause}"));
    format!(
        "its instant '{}' is no whole number of {}{cause}",
        clip(digits),
        instant::name(unit)
    )
}

/// Returns the UTC milliseconds of text in the rule's format, in RFC 3339, in the short form
/// `20261123T000000Z`, or of a quoted number.
fn of_text(text: &str, unit: TimeUnit, timing: &Timing<'_>) -> Result<i64, Fault> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return of_digits(text, unit, timing);
    }
    match short(text) {
        Some(long) if !timing.stamps.has_format() => stamped(&long, timing),
        _ => stamped(text, timing),
    }
}

fn stamped(text: &str, timing: &Timing<'_>) -> Result<i64, Fault> {
    let parsed = instant::parse(text, timing.stamps);
    parsed
        .map(|instant| instant.millis())
        .map_err(|reason| reason.at("its instant"))
}

/// Expands `20261123T000000Z` to RFC 3339.
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
    use greenpark_model::stamp::{Spec, Stamps};

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn of_digits(digits: &str, unit: TimeUnit) -> Result<i64, Fault> {
        super::of_digits(digits, unit, &Timing::live(NOW, &Stamps::default()))
    }

    fn of_text(text: &str, unit: TimeUnit) -> Result<i64, Fault> {
        super::of_text(text, unit, &Timing::live(NOW, &Stamps::default()))
    }

    #[test]
    fn a_time_stamp_is_parsed_in_the_rules_format() {
        let spec = Spec {
            format: Some("%Y%m%d%H%M%S"),
            zone: Some("+08:00"),
            ..Spec::default()
        };
        let stamps = Stamps::of(&spec, |key, reason| panic!("{key}: {reason}")).expect("stamps");
        let timing = Timing::live(NOW, &stamps);
        for token in [
            Token::Number("20210714012629"),
            Token::Text("20210714012629".into()),
            Token::Text("2021-07-14T01:26:29+08:00".into()),
        ] {
            let ms = of_token(&token, TimeUnit::Ms, &timing);
            assert_eq!(ms, Ok(1_626_197_189_000), "{token:?}");
        }
    }

    #[test]
    fn an_excel_day_number_with_a_fraction_is_recognized() {
        let reason = of_digits("45992.333", TimeUnit::Ms).expect_err("no count");
        assert!(reason.contains("Excel (2025-12-01)"), "{reason}");
    }

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
