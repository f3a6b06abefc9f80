//! Turns the fields of a foreign payload into readings, if the map names them and their value and
//! instant are valid.

use greenpark_model::{
    amount::Amount,
    letter::LetterCode,
    reading::{Flag, Reading},
    ticket::Ticket,
};

use super::mapping::Mapping;
use crate::decode::{
    Decoded, SeriesTable, Timing,
    fault::{self, Fault},
    json_scanner::{Token, is_no_number},
    series::clip,
    time::instant,
};

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// A number, as text.
    Digits(&'a str),
    /// The sender marks the field as having no value.
    Missing,
    /// A description of something that is not a number.
    Other(&'a str),
}

/// The instant of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum When<'a> {
    At(i64),
    /// The payload has no instant: the time of arrival applies.
    Received,
    /// The reason why the instant is invalid.
    Wrong(LetterCode, &'a str),
}

/// Returns the text of another field of the same object, by the dialect's name for it.
pub(super) type Beside<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One field.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) device: &'a str,
    /// A qualifier of the field's name: a map may name `group/field`, or the field alone.
    pub(super) group: &'a str,
    pub(super) field: &'a str,
    pub(super) value: Value<'a>,
    pub(super) when: When<'a>,
    pub(super) flag: Flag,
    /// Access to the other fields of the object, one of which may be the ticket.
    pub(super) beside: Beside<'a>,
}

/// Turns fields into readings; see the module.
#[derive(Debug)]
pub(in crate::decode) struct Sink<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) series: &'a mut SeriesTable,
    pub(super) to: &'a mut Decoded,
    pub(super) timing: &'a Timing<'a>,
    index: usize,
    meter: String,
    full: String,
}

impl<'a> Value<'a> {
    /// Converts a JSON token.
    pub(super) fn of(token: &'a Token<'_>) -> Self {
        match token {
            Token::Number(digits) => Self::Digits(digits),
            Token::Text(text) => Self::Digits(text),
            Token::Null | Token::NoNumber(_) => Self::Missing,
            other => Self::Other(other.describe()),
        }
    }
}

impl<'a> Sink<'a> {
    pub(in crate::decode) fn new(
        mapping: &'a Mapping,
        series: &'a mut SeriesTable,
        timing: &'a Timing<'a>,
        to: &'a mut Decoded,
    ) -> Self {
        Self {
            mapping,
            series,
            to,
            timing,
            index: 0,
            meter: String::new(),
            full: String::new(),
        }
    }

    /// Accepts a field, refuses it, or counts it as missing or ignored.
    pub(super) fn add(&mut self, sample: Sample<'_>) {
        let missing = match sample.value {
            Value::Missing => true,
            Value::Digits(digits) => is_no_number(digits),
            Value::Other(_) => false,
        };
        if missing {
            self.to.missing += 1;
            self.index += 1;
            return;
        }
        let Some(at) = self.find(&sample) else {
            return self.pass(&sample);
        };
        match self.accept(&sample, at) {
            Ok(()) => self.index += 1,
            Err(reason) => self.refuse(&sample, reason),
        }
    }

    /// Ignores or refuses a field that no entry names.
    fn pass(&mut self, sample: &Sample<'_>) {
        if self.mapping.is_ticket(sample.field) || self.mapping.ignores_others() {
            self.to.ignored += 1;
            self.index += 1;
            return;
        }
        let words = "no entry of the rule's map names it";
        self.refuse(sample, Fault::new(LetterCode::UnmappedField, words));
    }

    /// Refuses a field.
    pub(super) fn refuse(&mut self, sample: &Sample<'_>, reason: impl Into<Fault>) {
        let (device, field) = (clip(sample.device), clip(sample.field));
        let of = if device.is_empty() { "" } else { " of " };
        let place = format!("field '{field}'{of}{device}");
        self.to.refuse(self.index, 1, reason.into().at(&place));
        self.index += 1;
    }

    /// Refuses an element that is not a field.
    pub(super) fn refuse_element(&mut self, reason: impl Into<Fault>) {
        self.to.refuse(self.index, 1, reason);
        self.index += 1;
    }

    fn find(&mut self, sample: &Sample<'_>) -> Option<usize> {
        if !sample.group.is_empty() {
            self.full.clear();
            for part in [sample.group, "/", sample.field] {
                self.full.push_str(part);
            }
            if let Some(at) = self.mapping.find(sample.device, &self.full) {
                return Some(at);
            }
        }
        self.mapping.find(sample.device, sample.field)
    }

    /// Adds the reading of a field, which the entry at `at` describes.
    fn accept(&mut self, sample: &Sample<'_>, at: usize) -> Result<(), Fault> {
        let name = self.mapping.name(at, sample.device, &mut self.meter);
        let of = self.series.find(name)?;
        let entry = self.mapping.entry(at);
        let ms = match sample.when {
            When::At(ms) => ms,
            When::Received if entry.adds => {
                let words =
                    "the payload has no instant, and an amount that comes twice would count twice";
                return Err(Fault::new(LetterCode::BadInstant, words));
            }
            When::Received => self.timing.stamp()?,
            When::Wrong(code, reason) => return Err(Fault::new(code, reason)),
        };
        let digits = match sample.value {
            Value::Digits(digits) => digits,
            Value::Other(what) => {
                let words = format!("it is {what}, not a number");
                return Err(Fault::new(LetterCode::BadValue, words));
            }
            Value::Missing => return Err(Fault::new(LetterCode::BadValue, "it has no value")),
        };
        let ticket = match &entry.ticket {
            Some(field) => ticket(field, sample.beside)?,
            None => None,
        };
        let value = Amount::parse_by(digits.as_bytes(), entry.ratio);
        let reading = Reading {
            instant: instant::check(ms, self.timing)?,
            value: value.map_err(|e| {
                let words = format!("'{}' is {e}", clip(digits));
                Fault::new(fault::of_amount(&e), words)
            })?,
            flag: sample.flag,
        };
        self.to.accept_ticketed(of, reading, ticket);
        Ok(())
    }
}

/// Returns the ticket in `field`; `None` if the field is absent.
fn ticket(field: &str, beside: Beside<'_>) -> Result<Option<Ticket>, Fault> {
    let Some(text) = beside(field) else {
        return Ok(None);
    };
    Ticket::new(&text).map(Some).map_err(|reason| {
        let words = format!("its ticket in '{}': {reason}", clip(field));
        Fault::new(LetterCode::BadField, words)
    })
}
