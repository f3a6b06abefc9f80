//! The native JSON: one reading, an array of readings, or columns
//! (`ingest/schema/readings.schema.json`).
//!
//! Numbers are parsed from their text into exact amounts. An unknown key is refused by name, so
//! that a misspelt `untis` is not silently another unit.

use greenpark_model::{
    amount::Amount,
    letter::LetterCode,
    reading::{Flag, Kind, Reading},
    ticket::Ticket,
    unit::Ratio,
};

use super::{
    Decoded, SeriesTable, columnar,
    fault::{self, Fault},
    fields::{Fields, Key, wrong},
    instant,
    scan::{Scanner, SyntaxError, Token},
    series::clip,
    timing::Timing,
};
use crate::settings::TimeUnit;

/// Decodes `text` into `to`; an error refuses the payload as a whole.
pub(super) fn decode(
    text: &str,
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    let syntax = |e: SyntaxError| e.to_string();
    match scanner.peek() {
        Some(b'{') => {
            let fields = Fields::read(&mut scanner).map_err(syntax)?;
            scanner.end().map_err(syntax)?;
            if fields.has(Key::Series) {
                return columnar::decode(&fields, series, timing, to);
            }
            take(&fields, series, timing, to)?;
        }
        Some(b'[') => {
            let mut index = 0;
            let element = |scanner: &mut Scanner<'_>| {
                if let Err(reason) = element(scanner, series, timing, to)? {
                    to.refuse(index, 1, reason);
                }
                index += 1;
                Ok(())
            };
            scanner
                .array(element)
                .and_then(|()| scanner.end())
                .map_err(syntax)?;
        }
        Some(_) => return Err("the payload is neither a JSON object nor an array".into()),
        None => return Err(Fault::new(LetterCode::Empty, "the payload is empty")),
    }
    Ok(())
}

/// Decodes an element of an array; the outer error refuses the payload, the inner error refuses the
/// element.
fn element(
    scanner: &mut Scanner<'_>,
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) -> Result<Result<(), Fault>, SyntaxError> {
    if scanner.peek() == Some(b'{') {
        return Ok(take(&Fields::read(scanner)?, series, timing, to));
    }
    let other = scanner.value()?;
    let words = format!("a reading is {}, not an object", other.describe());
    Ok(Err(words.into()))
}

/// Decodes an object as one reading.
fn take(
    fields: &Fields<'_>,
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) -> Result<(), Fault> {
    fields.check(&[Key::From, Key::Step, Key::Series])?;
    let of = series.find(fields.name()?)?;
    let ms = instant_ms(Key::At, fields.required(Key::At)?, timing)?;
    let reading = Reading {
        instant: instant::check(ms, timing).map_err(|e| e.at("\"at\""))?,
        value: amount(fields.required(Key::Value)?, series.ratio(of))?,
        flag: flag(fields.text_or(Key::Flag, "N")?)?,
    };
    match fields.optional(Key::Ticket) {
        None => to.take(of, reading),
        Some(token) => to.take_ticketed(of, reading, ticket(token, series.kind(of))?),
    }
    Ok(())
}

/// Returns the UTC milliseconds of RFC 3339 text or an integer.
pub(super) fn instant_ms(key: Key, value: &Token<'_>, timing: &Timing<'_>) -> Result<i64, Fault> {
    match value {
        Token::Text(text) => match instant::parse(text, timing.stamps) {
            Ok(at) => Ok(at.0),
            Err(reason) => Err(reason.at("\"at\"")),
        },
        Token::Number(digits) => match digits.parse() {
            Ok(ms) => instant::check_count(ms, ms, TimeUnit::Ms, timing)
                .map_err(|reason| reason.at("\"at\"")),
            Err(_) => Err(Fault::new(LetterCode::BadInstant, not_whole(digits))),
        },
        other => Err(wrong(
            key,
            other,
            "an instant such as 2026-11-23T08:00:00+08:00 or UTC milliseconds",
        )),
    }
}

fn not_whole(digits: &str) -> String {
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let excel = whole.parse().ok();
    let excel = excel.and_then(|day| instant::excel_day(day, |_| true));
    let cause = excel.map_or(String::new(), |cause| format!(": {cause}"));
    format!(
        "\"at\": {} is no whole number of UTC milliseconds{cause}",
        clip(digits)
    )
}

/// Returns the exact amount of a number or a string.
pub(super) fn amount(value: &Token<'_>, ratio: Ratio) -> Result<Amount, Fault> {
    let digits = match value {
        Token::Number(digits) => digits,
        Token::Text(text) => text.as_ref(),
        Token::NoNumber(word) => {
            let words = format!(
                "\"value\" is {}, which is no number: leave the reading out",
                clip(word)
            );
            return Err(Fault::new(LetterCode::BadValue, words));
        }
        other => return Err(wrong(Key::Value, other, "a decimal number")),
    };
    Amount::parse_by(digits.as_bytes(), ratio).map_err(|e| {
        let words = format!("\"value\": '{}' is {e}", clip(digits));
        Fault::new(fault::of_amount(&e), words)
    })
}

/// Returns the ticket of a token; `None` for null.
pub(super) fn ticket(token: &Token<'_>, kind: Kind) -> Result<Option<Ticket>, Fault> {
    let text = match token {
        Token::Null => return Ok(None),
        Token::Number(digits) => digits,
        Token::Text(text) => text.as_ref(),
        other => return Err(wrong(Key::Ticket, other, "the number on a ticket")),
    };
    if kind != Kind::Event {
        let words = format!(
            "\"ticket\": a {} has none, only an event does; leave it out, or write kind \"event\"",
            kind.as_str()
        );
        return Err(Fault::new(LetterCode::BadField, words));
    }
    let ticket = Ticket::new(text);
    ticket
        .map(Some)
        .map_err(|e| Fault::new(LetterCode::BadField, format!("\"ticket\": {e}")))
}

/// Returns the data flag of a letter.
pub(super) fn flag(letter: &str) -> Result<Flag, Fault> {
    Flag::from_name(letter).ok_or_else(|| {
        let words = format!(
            "\"flag\": '{}' is no data flag of HJ 212; write N, F, M, S, D, C, T or B",
            clip(letter)
        );
        Fault::new(LetterCode::BadFlag, words)
    })
}

#[cfg(test)]
mod tests;
