//! Normalizes cells from the notations of spreadsheets to the one that the service reads.
//!
//! A spreadsheet shows the first of January as `2024/1/1`, a boolean as `TRUE` or `是`, an amount as `1,204.50` and a month
//! as `2025年11月`. The name of the column decides the type of a cell. An ambiguous cell is refused with advice.

use std::borrow::Cow;

const DAYS: &[&str] = &[
    "valid_from",
    "valid_to",
    "verified_until",
    "first",
    "last",
    "retired_on",
];
const TRUTHS: &[&str] = &["counted", "above_designated_size", "final", "withdrawn"];
const NUMBERS: &[&str] = &[
    "amount",
    "headroom",
    "interval_s",
    "kj_per_unit",
    "modulus",
    "mwh",
    "multiplier",
    "new_initial",
    "old_final",
    "rated_per_hour",
    "value",
    "year",
];

/// Decimals of a mantissa that indicate a number rounded by a spreadsheet.
const ROUNDED_DECIMALS_MIN: usize = 5;

/// Normalizes the cell `text` of `column`.
///
/// # Errors
/// The text is ambiguous or has lost digits; the error says what to write instead.
pub(super) fn canonical<'t>(column: &str, text: &'t str) -> Result<Cow<'t, str>, String> {
    if text.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    if DAYS.contains(&column) {
        return day(text);
    }
    if NUMBERS.contains(&column) {
        return number(text);
    }
    Ok(match column {
        "at" => instant(text)?,
        "period" | "generated" => period(text),
        _ if TRUTHS.contains(&column) => truth(text),
        _ => Cow::Borrowed(text),
    })
}

fn truth(text: &str) -> Cow<'_, str> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" | "是" | "真" => Cow::Borrowed("true"),
        "false" | "no" | "0" | "否" | "假" => Cow::Borrowed("false"),
        _ => Cow::Borrowed(text),
    }
}

/// Removes thousands separators.
fn number(text: &str) -> Result<Cow<'_, str>, String> {
    if let Some((mantissa, _)) = text.split_once("E+") {
        let decimals = mantissa.split_once('.').map_or(0, |(_, rest)| rest.len());
        if decimals >= ROUNDED_DECIMALS_MIN {
            return Err(format!(
                "'{text}' has lost digits: the spreadsheet shows it rounded; format the column as a number \
                 and save again"
            ));
        }
    }
    if !text.contains(',') {
        return Ok(Cow::Borrowed(text));
    }
    let unsigned = text.trim_start_matches(['-', '+']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let is_grouped = (1..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_digit())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()));
    if !is_grouped || fraction.contains(',') {
        return Err(format!(
            "'{text}' can be read in two ways; write a decimal point and no separators, such as 1204.50"
        ));
    }
    Ok(Cow::Owned(text.replace(',', "")))
}

/// Parses year, month and day of `text`, if it begins with the year.
fn parts_of_day(text: &str) -> Option<(&str, u8, u8)> {
    let is_number = |part: &str| (1..=2).contains(&part.len()) && digits(part);
    let (year, month, day) = ['/', '-', '.']
        .into_iter()
        .find_map(|mark| {
            let mut parts = text.split(mark);
            let found = (parts.next()?, parts.next()?, parts.next()?);
            parts.next().is_none().then_some(found)
        })
        .or_else(|| {
            let (year, rest) = text.split_once('年')?;
            let (month, rest) = rest.split_once('月')?;
            Some((year, month, rest.strip_suffix('日')?))
        })?;
    let whole = year.len() == 4 && digits(year) && is_number(month) && is_number(day);
    whole.then(|| Some((year, month.parse().ok()?, day.parse().ok()?)))?
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Normalizes a day, with or without the midnight that a spreadsheet appends.
fn day(text: &str) -> Result<Cow<'_, str>, String> {
    let midnight = [" 0:00:00", " 00:00:00", " 0:00", " 00:00"];
    let bare = midnight.iter().find_map(|end| text.strip_suffix(end));
    let bare = bare.unwrap_or(text);
    if let Some((year, month, day)) = parts_of_day(bare) {
        return Ok(Cow::Owned(format!("{year}-{month:02}-{day:02}")));
    }
    if bare.len() == 8 && digits(bare) {
        let (year, month, day) = (&bare[..4], &bare[4..6], &bare[6..]);
        return Ok(Cow::Owned(format!("{year}-{month}-{day}")));
    }
    if bare.contains('/') {
        return Err(format!(
            "'{text}' can be read in two ways; write the year first, such as 2024-01-31"
        ));
    }
    Ok(Cow::Borrowed(bare))
}

/// Normalizes an instant; without a zone it is in China Standard Time.
fn instant(text: &str) -> Result<Cow<'_, str>, String> {
    let Some((date, time)) = text.split_once([' ', 'T']) else {
        return Ok(Cow::Borrowed(text));
    };
    let Some((year, month, of_month)) = parts_of_day(date) else {
        return day(date).map(|_| Cow::Borrowed(text));
    };
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, "+08:00"),
    };
    let (hour, rest) = clock.split_once(':').unwrap_or((clock, "00"));
    let seconds = if rest.contains(':') { "" } else { ":00" };
    Ok(Cow::Owned(format!(
        "{year}-{month:02}-{of_month:02}T{hour:0>2}:{rest}{seconds}{zone}"
    )))
}

/// Normalizes a year, quarter or month.
fn period(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches('月');
    if let Some(year) = text.strip_suffix('年') {
        return Cow::Borrowed(year);
    }
    let marks: &[char] = &['/', '-', '年', '.'];
    let Some((year, part)) = text.split_once(marks).or_else(|| split_quarter(text)) else {
        return Cow::Borrowed(text);
    };
    if year.len() != 4 || !digits(year) {
        return Cow::Borrowed(text);
    }
    let quarter = part
        .strip_prefix(['Q', 'q', '第'])
        .or_else(|| part.ends_with("季度").then_some(part));
    if let Some(quarter) = quarter {
        let quarter = quarter.trim_end_matches("季度");
        return Cow::Owned(format!("{year}-Q{quarter}"));
    }
    let is_month = (1..=2).contains(&part.len()) && digits(part);
    if is_month {
        return Cow::Owned(format!("{year}-{part:0>2}"));
    }
    Cow::Borrowed(text)
}

/// Splits `2025Q4` in two.
fn split_quarter(text: &str) -> Option<(&str, &str)> {
    let at = text.find(['Q', 'q'])?;
    Some(text.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(column: &str, text: &str) -> String {
        canonical(column, text).expect("one form").into_owned()
    }

    #[test]
    fn days_are_read_as_spreadsheets_show_them() {
        let written = [
            "2024/1/1",
            "2024-1-1",
            "2024.1.1",
            "2024年1月1日",
            "20240101",
            "2024-01-01",
            "2024/1/1 0:00",
            "2024-01-01 00:00:00",
        ];
        for text in written {
            assert_eq!(read("valid_from", text), "2024-01-01", "{text}");
        }
        for text in ["1/2/2024", "31/12/24", "1/1"] {
            let why = canonical("first", text).expect_err("two ways");
            assert!(why.contains(text) && why.contains("2024-01-31"), "{why}");
        }
        assert_eq!(read("valid_to", ""), "");
        assert_eq!(read("valid_to", "soon"), "soon");
    }

    #[test]
    fn separators_of_thousands_are_taken_away() {
        let numbers = [
            ("1,204.50", "1204.50"),
            ("12,345,678", "12345678"),
            ("-1,204", "-1204"),
            ("1204.50", "1204.50"),
            ("1e6", "1e6"),
            ("1E+06", "1E+06"),
        ];
        for (text, number) in numbers {
            assert_eq!(read("amount", text), number);
        }
        for text in [
            "1204,5",
            "1.204,50",
            "1,20,400",
            "12,34",
            ",123",
            "1,234.5,6",
        ] {
            let why = canonical("amount", text).expect_err("two ways");
            assert!(why.contains(text) && why.contains("1204.50"), "{why}");
        }
        let why = canonical("amount", "1.23457E+11").expect_err("rounded");
        assert!(why.contains("lost digits"), "{why}");
        // A title is no number.
        assert_eq!(read("title", "1,204,5"), "1,204,5");
    }

    #[test]
    fn truths_are_read_as_spreadsheets_show_them() {
        for text in ["TRUE", "True", "true", "yes", "1", "是"] {
            assert_eq!(read("counted", text), "true");
        }
        for text in ["FALSE", "No", "0", "否"] {
            assert_eq!(read("final", text), "false");
        }
        assert_eq!(read("counted", "maybe"), "maybe");
    }

    #[test]
    fn periods_and_instants_are_read_as_spreadsheets_show_them() {
        let periods = [
            ("2025", "2025"),
            ("2025年", "2025"),
            ("2025/11", "2025-11"),
            ("2025-1", "2025-01"),
            ("2025年3月", "2025-03"),
            ("2025Q4", "2025-Q4"),
            ("2025-q4", "2025-Q4"),
            ("2025年第4季度", "2025-Q4"),
            ("2025-11-01", "2025-11-01"),
            ("Nov-25", "Nov-25"),
        ];
        for (text, period) in periods {
            assert_eq!(read("period", text), period);
        }
        let instants = [
            ("2024/3/5 8:30", "2024-03-05T08:30:00+08:00"),
            ("2024-03-05 08:30:15", "2024-03-05T08:30:15+08:00"),
            ("2024-03-05T08:30:00+08:00", "2024-03-05T08:30:00+08:00"),
            ("2024-03-05T00:30:00Z", "2024-03-05T00:30:00Z"),
        ];
        for (text, instant) in instants {
            assert_eq!(read("at", text), instant);
        }
        assert!(canonical("at", "5/3/2024 8:30").is_err());
    }
}
