//! Resource names and periods in the notation of the command line.

use anyhow::{Context, bail};
use greenpark_model::{day::CivilDay, id};
use greenpark_proto::query::v1 as api;

/// Returns the name of an enterprise.
#[must_use]
pub fn enterprise(park: &str, enterprise: &str) -> String {
    format!("parks/{park}/enterprises/{enterprise}")
}

/// Returns the name of a meter.
#[must_use]
pub fn meter(park: &str, enterprise: &str, meter: &str) -> String {
    format!("parks/{park}/enterprises/{enterprise}/meters/{meter}")
}

/// Returns the last part of a name.
#[must_use]
pub fn leaf(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Parses `2025`, `2025-Q4`, `2025-11`, `2025-11-23`, `2025-11-01..2025-11-30` or a plan's id.
///
/// # Errors
/// The text is none of these; a plan's id begins with a letter.
pub fn period(text: &str) -> anyhow::Result<api::Period> {
    use api::period::Period;
    let day = |text: &str| text.parse::<CivilDay>().map(|_| text.to_owned());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let period = if let Some((first, last)) = text.split_once("..") {
        Period::Days(api::Days {
            first: day(first)?,
            last: day(last)?,
        })
    } else if digits(text) && text.len() == 4 {
        Period::Year(text.parse().context("a year")?)
    } else if let Some((year, part)) = text.split_once('-').filter(|(year, _)| digits(year)) {
        match part.strip_prefix('Q') {
            Some(quarter) if year.len() == 4 && digits(quarter) => Period::Quarter(text.to_owned()),
            None if year.len() == 4 && digits(part) && part.len() == 2 => {
                Period::Month(text.to_owned())
            }
            _ => Period::Days(api::Days {
                first: day(text)?,
                last: day(text)?,
            }),
        }
    } else if text.starts_with(|c: char| c.is_ascii_alphabetic()) && id::check(text).is_ok() {
        Period::Plan(text.to_owned())
    } else {
        bail!(
            "'{text}' is no period; write 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id"
        );
    };
    Ok(api::Period {
        period: Some(period),
    })
}

/// Returns the period from one day to another.
#[must_use]
pub fn days(first: CivilDay, last: CivilDay) -> api::Period {
    let days = api::Days {
        first: first.to_string(),
        last: last.to_string(),
    };
    api::Period {
        period: Some(api::period::Period::Days(days)),
    }
}

#[cfg(test)]
mod tests {
    use api::period::Period;

    use super::*;

    #[test]
    fn a_period_is_read_as_people_write_it() {
        let read = |text: &str| period(text).expect("a period").period.expect("a period");
        assert_eq!(read("2025"), Period::Year(2025));
        assert_eq!(read("2025-Q4"), Period::Quarter("2025-Q4".into()));
        assert_eq!(read("2025-11"), Period::Month("2025-11".into()));
        let days = |first: &str, last: &str| {
            Period::Days(api::Days {
                first: first.into(),
                last: last.into(),
            })
        };
        assert_eq!(read("2025-11-23"), days("2025-11-23", "2025-11-23"));
        assert_eq!(
            read("2025-11-01..2025-11-30"),
            days("2025-11-01", "2025-11-30")
        );
        assert_eq!(
            read("chongqing-parks-14fyp"),
            Period::Plan("chongqing-parks-14fyp".into())
        );
        for bad in [
            "",
            "25",
            "2025-1",
            "2025-13-01",
            "2025-11-01..",
            "20251101",
            "../x",
        ] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }
}
