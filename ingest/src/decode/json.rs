//! The native JSON: one reading, an array of readings, or columns (`ingest/schema/readings.schema.json`).
//!
//! Numbers go from their text into exact amounts. An unknown key is refused by name, so that a
//! misspelt `untis` is not silently another unit.

use std::str;

use greenpark_model::{
    amount::Amount,
    day::Instant,
    letter::LetterCode,
    reading::{Flag, Reading},
};

use super::{
    Decoded, SeriesTable, columnar,
    fault::{self, Fault},
    fields::{Fields, Key, wrong},
    instant,
    scan::{Scanner, SyntaxError, Token},
    series::clip,
};

/// Decodes `payload` into `to`; an error refuses the payload as a whole.
pub(super) fn decode(
    payload: &[u8],
    series: &mut SeriesTable,
    now_ms: i64,
    to: &mut Decoded,
) -> Result<(), Fault> {
    let text = str::from_utf8(payload)
        .map_err(|e| format!("not JSON: not UTF-8 at byte {}", e.valid_up_to()))?;
    let mut scanner = Scanner::new(text);
    let syntax = |e: SyntaxError| e.to_string();
    match scanner.peek() {
        Some(b'{') => {
            let fields = Fields::read(&mut scanner).map_err(syntax)?;
            scanner.end().map_err(syntax)?;
            if fields.has(Key::Series) {
                return columnar::decode(&fields, series, now_ms, to);
            }
            to.readings.push(reading(&fields, series, now_ms)?);
        }
        Some(b'[') => {
            let mut index = 0;
            let element = |scanner: &mut Scanner<'_>| {
                let outcome = element(scanner, series, now_ms)?;
                match outcome {
                    Ok(reading) => to.readings.push(reading),
                    Err(reason) => to.refuse(index, 1, reason),
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

type Outcome = Result<(u32, Reading), Fault>;

fn element(
    scanner: &mut Scanner<'_>,
    series: &mut SeriesTable,
    now_ms: i64,
) -> Result<Outcome, SyntaxError> {
    if scanner.peek() == Some(b'{') {
        return Ok(reading(&Fields::read(scanner)?, series, now_ms));
    }
    let other = scanner.value()?;
    let words = format!("a reading is {}, not an object", other.describe());
    Ok(Err(words.into()))
}

fn reading(fields: &Fields<'_>, series: &mut SeriesTable, now_ms: i64) -> Outcome {
    fields.check(&[Key::From, Key::Step, Key::Series])?;
    let of = series.find(fields.name()?)?;
    let ms = instant_ms(Key::At, fields.required(Key::At)?)?;
    let reading = Reading {
        instant: instant::check(ms, now_ms).map_err(|e| e.at("\"at\""))?,
        value: amount(fields.required(Key::Value)?, series.scale(of))?,
        flag: flag(fields.text_or(Key::Flag, "N")?)?,
    };
    Ok((of, reading))
}

/// UTC milliseconds of RFC 3339 text or an integer.
pub(super) fn instant_ms(key: Key, value: &Token<'_>) -> Result<i64, Fault> {
    match value {
        Token::Text(text) => match instant::parse(text) {
            Ok(Instant(ms)) => Ok(ms),
            Err(reason) => Err(reason.at("\"at\"")),
        },
        Token::Number(digits) => digits.parse().map_err(|_| {
            let words = format!(
                "\"at\": {} is no whole number of UTC milliseconds",
                clip(digits)
            );
            Fault::new(LetterCode::BadInstant, words)
        }),
        other => Err(wrong(
            key,
            other,
            "an instant such as 2026-11-23T08:00:00+08:00 or UTC milliseconds",
        )),
    }
}

/// The exact amount of a number or a string.
pub(super) fn amount(value: &Token<'_>, scale: i32) -> Result<Amount, Fault> {
    let digits = match value {
        Token::Number(digits) => digits,
        Token::Text(text) => text.as_ref(),
        other => return Err(wrong(Key::Value, other, "a decimal number")),
    };
    Amount::parse_scaled(digits.as_bytes(), scale).map_err(|e| {
        let words = format!("\"value\": '{}' is {e}", clip(digits));
        Fault::new(fault::of_amount(&e), words)
    })
}

/// The data flag that a letter means.
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
