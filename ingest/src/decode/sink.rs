//! Where the fields of a foreign payload go: to a reading if the map names them, and if their value and
//! instant are ones.

use greenpark_model::{
    amount::{Amount, AmountError},
    letter::LetterCode,
    reading::{Flag, Reading},
};

use super::{
    Decoded, SeriesTable,
    fault::{self, Fault},
    instant,
    mapping::{Entry, Mapping},
    scan::Token,
    series::clip,
};

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// A number, as text.
    Digits(&'a str),
    /// The sender says that it has none.
    Missing,
    /// What is no number, in words.
    Other(&'a str),
}

/// The instant of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum When<'a> {
    At(i64),
    /// The payload has none: it is the one of its arrival.
    Received,
    /// Why it is none.
    Wrong(&'a str),
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) device: &'a str,
    /// What qualifies the field's name: a map may name `group/field`, or the field alone.
    pub(super) group: &'a str,
    pub(super) field: &'a str,
    pub(super) value: Value<'a>,
    pub(super) when: When<'a>,
    pub(super) flag: Flag,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) series: &'a mut SeriesTable,
    pub(super) to: &'a mut Decoded,
    pub(super) now_ms: i64,
    index: usize,
    meter: String,
    full: String,
}

impl<'a> Value<'a> {
    /// The value of a JSON token.
    pub(super) fn of(token: &'a Token<'_>) -> Self {
        match token {
            Token::Number(digits) => Self::Digits(digits),
            Token::Text(text) => Self::Digits(text),
            Token::Null => Self::Missing,
            other => Self::Other(other.describe()),
        }
    }
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        mapping: &'a Mapping,
        series: &'a mut SeriesTable,
        now_ms: i64,
        to: &'a mut Decoded,
    ) -> Self {
        Self {
            mapping,
            series,
            to,
            now_ms,
            index: 0,
            meter: String::new(),
            full: String::new(),
        }
    }

    /// Takes a field, refuses it, or counts it as missing or ignored.
    pub(super) fn put(&mut self, sample: Sample<'_>) {
        if let Value::Missing = sample.value {
            self.to.missing += 1;
            self.index += 1;
            return;
        }
        let Some(at) = self.find(&sample) else {
            if self.mapping.ignores_others() {
                self.to.ignored += 1;
                self.index += 1;
                return;
            }
            let words = "no entry of the rule's map names it";
            return self.refuse(&sample, Fault::new(LetterCode::UnmappedField, words));
        };
        match self.reading(&sample, at) {
            Ok((of, reading)) => {
                self.to.readings.push((of, reading));
                self.index += 1;
            }
            Err(reason) => self.refuse(&sample, reason),
        }
    }

    /// Refuses what cannot be read.
    pub(super) fn refuse(&mut self, sample: &Sample<'_>, reason: impl Into<Fault>) {
        let (device, field) = (clip(sample.device), clip(sample.field));
        let of = if device.is_empty() { "" } else { " of " };
        let place = format!("field '{field}'{of}{device}");
        self.to.refuse(self.index, 1, reason.into().at(&place));
        self.index += 1;
    }

    /// Refuses an element that is no field.
    pub(super) fn refuse_element(&mut self, reason: String) {
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

    fn reading(&mut self, sample: &Sample<'_>, at: usize) -> Result<(u32, Reading), Fault> {
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
            When::Received => self.now_ms,
            When::Wrong(reason) => return Err(Fault::new(LetterCode::BadInstant, reason)),
        };
        let digits = match sample.value {
            Value::Digits(digits) => digits,
            Value::Other(what) => {
                let words = format!("it is {what}, not a number");
                return Err(Fault::new(LetterCode::BadValue, words));
            }
            Value::Missing => return Err(Fault::new(LetterCode::BadValue, "it has no value")),
        };
        let reading = Reading {
            instant: instant::check(ms, self.now_ms)?,
            value: amount(digits, self.series.scale(of), entry)?,
            flag: sample.flag,
        };
        Ok((of, reading))
    }
}

/// The exact amount of `digits` by the entry's scale; where the scale is no power of ten, what it
/// multiplies is rounded to the sixth place first.
fn amount(digits: &str, unit_scale: i32, entry: &Entry) -> Result<Amount, Fault> {
    let scale = entry.scale;
    let wrong = |e: AmountError| {
        let words = format!("'{}' is {e}", clip(digits));
        Fault::new(fault::of_amount(&e), words)
    };
    let one = Amount::parse_scaled(digits.as_bytes(), unit_scale + scale.exponent());
    let one = one.map_err(wrong)?;
    let micro = i128::from(one.micro()) * i128::from(scale.value());
    let micro = i64::try_from(micro).unwrap_or(i64::MAX);
    Amount::from_micro(micro).map_err(wrong)
}
