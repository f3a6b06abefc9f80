//! The native JSON: one reading, an array of readings, or columns
//! (`ingest/schema/readings.schema.json`).
//!
//! Numbers are parsed from their text into exact amounts. An unknown key is refused by name, so
//! that a misspelt `untis` is not silently another unit.

use greenpark_model::{letter::LetterCode, reading::Reading};

use super::{
    columnar,
    fields::{Fields, Key},
    values::{amount, flag, instant_ms, ticket},
};
use crate::decode::{
    Decoded, SeriesTable, Timing,
    fault::Fault,
    json_scanner::{Scanner, SyntaxError},
    time::instant,
};

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
            decode_reading(&fields, series, timing, to)?;
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
        return Ok(decode_reading(&Fields::read(scanner)?, series, timing, to));
    }
    let other = scanner.value()?;
    let words = format!("a reading is {}, not an object", other.describe());
    Ok(Err(words.into()))
}

/// Decodes an object as one reading.
fn decode_reading(
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
        None => to.accept(of, reading),
        Some(token) => to.accept_ticketed(of, reading, ticket(token, series.kind(of))?),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
