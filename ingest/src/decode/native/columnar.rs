//! The columnar form of the native JSON: `{"series":[{…,"at":[…],"value":[…]}]}`.
//!
//! A series gives its instants as `at` (one for each value) or as `from` and `step`. A `null` value
//! is a reading that the gateway does not have; it is skipped. Readings are indexed through the
//! payload from zero, nulls included. `nan` and the like are a null that a program printed, and are
//! counted as missing.

use greenpark_model::{
    letter::LetterCode,
    limits::BATCH_READINGS_MAX,
    reading::{Flag, Reading},
};

use super::{
    fields::{Fields, Key, wrong},
    values::{amount, flag, instant_ms, ticket},
};
use crate::decode::{
    Decoded, SeriesTable, Timing,
    fault::Fault,
    json_scanner::{Scanner, SyntaxError, Token},
    time::instant,
};

/// The destination of a payload's readings.
struct Sink<'a> {
    series: &'a mut SeriesTable,
    to: &'a mut Decoded,
    timing: &'a Timing<'a>,
}

/// The source of a series' instants.
enum Instants<'a> {
    Listed(Vec<Token<'a>>),
    Stepped { from: i64, step: i64 },
}

/// The source of a series' flags.
enum Flags<'a> {
    All(Flag),
    ByLetter(&'a [u8]),
}

/// Decodes an object with a `series` key into `to`; an error refuses the payload as a whole.
pub(super) fn decode(
    fields: &Fields<'_>,
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) -> Result<(), Fault> {
    fields.check(&Key::OF_A_SERIES)?;
    let list = match fields.required(Key::Series)? {
        Token::Array(text) => text,
        other => return Err(wrong(Key::Series, other, "an array")),
    };
    let mut sink = Sink { series, to, timing };
    let mut first = 0;
    let mut scanner = Scanner::new(list);
    let element = |scanner: &mut Scanner<'_>| {
        if scanner.peek() != Some(b'{') {
            let other = scanner.value()?;
            sink.to.refuse(
                first,
                1,
                format!("a series is {}, not an object", other.describe()),
            );
            first += 1;
            return Ok(());
        }
        let fields = Fields::read(scanner)?;
        let values = match fields.required(Key::Value) {
            Ok(Token::Array(text)) => elements(text)?,
            _ => Vec::new(),
        };
        let count = values.len().max(1);
        if let Err(reason) = one_series(&fields, &values, first, &mut sink) {
            sink.to.refuse(first, count, reason);
        }
        first += count;
        Ok(())
    };
    scanner
        .array(element)
        .map_err(|e: SyntaxError| e.to_string())?;
    if sink.to.readings.len() > BATCH_READINGS_MAX {
        let words =
            format!("more than {BATCH_READINGS_MAX} readings in one payload; send them in several");
        return Err(Fault::new(LetterCode::TooLarge, words));
    }
    Ok(())
}

fn elements(array: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    // OK because an element and its comma are at least two bytes.
    let mut elements = Vec::with_capacity((array.len() / 8).min(BATCH_READINGS_MAX));
    Scanner::new(array).array(|scanner| {
        elements.push(scanner.value()?);
        Ok(())
    })?;
    Ok(elements)
}

fn one_series(
    fields: &Fields<'_>,
    values: &[Token<'_>],
    first: usize,
    sink: &mut Sink<'_>,
) -> Result<(), Fault> {
    fields.check(&[Key::Series])?;
    let Sink { series, to, timing } = sink;
    let of = series.find(fields.name()?)?;
    match fields.required(Key::Value)? {
        Token::Array(_) if values.is_empty() => {
            return Err(Fault::new(LetterCode::Empty, "\"value\" is empty"));
        }
        Token::Array(_) => {}
        other => return Err(wrong(Key::Value, other, "an array")),
    }
    let instants = instants(fields, values.len(), timing)?;
    let flags = flags(fields, values.len())?;
    let tickets = tickets(fields, values.len())?;
    let (ratio, kind) = (series.ratio(of), series.kind(of));
    for (index, value) in values.iter().enumerate() {
        match value {
            Token::Null => continue,
            Token::NoNumber(_) => {
                to.missing += 1;
                continue;
            }
            _ => {}
        }
        let reading = || -> Result<Reading, Fault> {
            Ok(Reading {
                instant: instant::check(instants.at(index, timing)?, timing)
                    .map_err(|e| e.at("\"at\""))?,
                value: amount(value, ratio)?,
                flag: flags.at(index)?,
            })
        };
        // Nearly all readings have no ticket and are added directly.
        match reading() {
            Err(reason) => to.refuse(first + index, 1, reason),
            Ok(reading) => match tickets.get(index) {
                None => to.accept(of, reading),
                Some(token) => match ticket(token, kind) {
                    Err(reason) => to.refuse(first + index, 1, reason),
                    Ok(ticket) => to.accept_ticketed(of, reading, ticket),
                },
            },
        }
    }
    Ok(())
}

/// Returns one ticket for each value, or an empty list.
fn tickets<'a>(fields: &Fields<'a>, count: usize) -> Result<Vec<Token<'a>>, Fault> {
    let listed = match fields.optional(Key::Ticket) {
        None => return Ok(Vec::new()),
        Some(Token::Array(text)) => elements(text).map_err(|e| e.to_string())?,
        Some(other) => return Err(wrong(Key::Ticket, other, "an array")),
    };
    if listed.len() != count {
        let words = format!(
            "{count} values but {} tickets; write null where an event has none",
            listed.len()
        );
        return Err(Fault::new(LetterCode::BadField, words));
    }
    Ok(listed)
}

fn instants<'a>(
    fields: &Fields<'a>,
    count: usize,
    timing: &Timing<'_>,
) -> Result<Instants<'a>, Fault> {
    let stepped = fields.has(Key::From) || fields.has(Key::Step);
    if fields.has(Key::At) && stepped {
        let words = "give \"at\", or \"from\" and \"step\", not both";
        return Err(Fault::new(LetterCode::BadInstant, words));
    }
    if stepped {
        let from = instant_ms(Key::From, fields.required(Key::From)?, timing)?;
        let step = match fields.required(Key::Step)? {
            Token::Number(digits) => digits.parse().ok().filter(|&step: &i64| step > 0),
            _ => None,
        };
        let wrong = "\"step\" is not a whole number of milliseconds above zero";
        let step = step.ok_or_else(|| Fault::new(LetterCode::BadInstant, wrong))?;
        return Ok(Instants::Stepped { from, step });
    }
    let listed = match fields.required(Key::At)? {
        Token::Array(text) => elements(text).map_err(|e| e.to_string())?,
        other => return Err(wrong(Key::At, other, "an array")),
    };
    if listed.len() != count {
        let words = format!("{count} values but {} instants in \"at\"", listed.len());
        return Err(Fault::new(LetterCode::BadInstant, words));
    }
    Ok(Instants::Listed(listed))
}

fn flags<'s>(fields: &'s Fields<'_>, count: usize) -> Result<Flags<'s>, Fault> {
    let letters = fields.text_or(Key::Flag, "N")?;
    match letters.len() {
        1 => flag(letters).map(Flags::All),
        n if n == count && letters.is_ascii() => Ok(Flags::ByLetter(letters.as_bytes())),
        n => {
            let words = format!(
                "\"flag\" has {n} letters; give one for all or {count}, one for each value"
            );
            Err(Fault::new(LetterCode::BadFlag, words))
        }
    }
}

impl Instants<'_> {
    fn at(&self, index: usize, timing: &Timing<'_>) -> Result<i64, Fault> {
        match self {
            Self::Listed(listed) => instant_ms(Key::At, &listed[index], timing),
            Self::Stepped { from, step } => {
                // OK because an index is below 2^20; a saturated sum is refused as a future
                // instant.
                let index = i64::try_from(index).unwrap_or(i64::MAX);
                Ok(from.saturating_add(step.saturating_mul(index)))
            }
        }
    }
}

impl Flags<'_> {
    fn at(&self, index: usize) -> Result<Flag, Fault> {
        match self {
            Self::All(flag) => Ok(*flag),
            Self::ByLetter(letters) => {
                let letter = letters[index];
                Flag::from_code(letter).ok_or_else(|| flag_refused(letter))
            }
        }
    }
}

fn flag_refused(letter: u8) -> Fault {
    flag(char::from(letter).encode_utf8(&mut [0; 4]))
        .err()
        .unwrap_or_else(|| Fault::new(LetterCode::BadFlag, ""))
}
