//! The members of a reading or series object, in any order, before they are interpreted.
//!
//! Collecting all members first isolates the errors of a reading: the scanner has passed the whole
//! object when the first invalid key or value is reported, so the next reading is still decoded.

use std::borrow::Cow;

use greenpark_model::letter::LetterCode;

use crate::decode::{
    fault::Fault,
    json_scanner::{Scanner, SyntaxError, Token},
    series::{Name, clip},
};

/// A key of the native JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Meter,
    Quantity,
    Kind,
    At,
    Value,
    Unit,
    Flag,
    From,
    Step,
    Ticket,
    Series,
}

const KEYS: usize = 11;
const NAMES: [&str; KEYS] = [
    "meter", "quantity", "kind", "at", "value", "unit", "flag", "from", "step", "ticket", "series",
];

/// The members of one object.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    values: [Option<Token<'a>>; KEYS],
    problem: Option<String>,
}

impl Key {
    /// The keys of a series object, which are not allowed beside `series`.
    pub(super) const OF_A_SERIES: [Self; KEYS - 1] = [
        Self::Meter,
        Self::Quantity,
        Self::Kind,
        Self::At,
        Self::Value,
        Self::Unit,
        Self::Flag,
        Self::From,
        Self::Step,
        Self::Ticket,
    ];

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "meter" => Self::Meter,
            "quantity" => Self::Quantity,
            "kind" => Self::Kind,
            "at" => Self::At,
            "value" => Self::Value,
            "unit" => Self::Unit,
            "flag" => Self::Flag,
            "from" => Self::From,
            "step" => Self::Step,
            "ticket" => Self::Ticket,
            "series" => Self::Series,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Returns the code of a missing value or one of the wrong type.
    fn code(self) -> LetterCode {
        match self {
            Self::At | Self::From | Self::Step => LetterCode::BadInstant,
            Self::Value => LetterCode::BadValue,
            Self::Flag => LetterCode::BadFlag,
            _ => LetterCode::BadField,
        }
    }
}

impl<'a> Fields<'a> {
    /// Reads an object; errors other than syntax errors are reported by [`Fields::check`].
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Self, SyntaxError> {
        let mut fields = Self::default();
        scanner.object(|scanner, name| {
            let value = scanner.value()?;
            match Key::from_name(&name) {
                Some(key) => fields.insert(key, value),
                None => {
                    fields.problem.get_or_insert_with(|| unknown(&name));
                }
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn insert(&mut self, key: Key, value: Token<'a>) {
        let place = &mut self.values[key as usize];
        if place.is_some() {
            let twice = || format!("the key \"{}\" is there twice", key.name());
            self.problem.get_or_insert_with(twice);
        }
        *place = Some(value);
    }

    /// Refuses an object with an unknown or repeated key, or with one of `foreign`, the keys of
    /// another form.
    pub(super) fn check(&self, foreign: &[Key]) -> Result<(), Fault> {
        if let Some(problem) = &self.problem {
            return Err(bad(problem.clone()));
        }
        match foreign.iter().find(|&&key| self.has(key)) {
            Some(key) => {
                let words = format!("the key \"{}\" does not belong here", key.name());
                Err(bad(words))
            }
            None => Ok(()),
        }
    }

    pub(super) fn has(&self, key: Key) -> bool {
        self.values[key as usize].is_some()
    }

    /// Returns the value of a required key.
    pub(super) fn required(&self, key: Key) -> Result<&Token<'a>, Fault> {
        match &self.values[key as usize] {
            None => {
                let words = format!("\"{}\" is missing", key.name());
                Err(Fault::new(key.code(), words))
            }
            Some(value) => Ok(value),
        }
    }

    /// Returns the value of a key that may be absent or null.
    pub(super) fn optional(&self, key: Key) -> Option<&Token<'a>> {
        self.values[key as usize]
            .as_ref()
            .filter(|value| **value != Token::Null)
    }

    /// Returns the series that the members name.
    pub(super) fn name(&self) -> Result<Name<'_>, Fault> {
        Ok(Name {
            meter: text(Key::Meter, self.required(Key::Meter)?)?,
            quantity: text(Key::Quantity, self.required(Key::Quantity)?)?,
            kind: self.text_or(Key::Kind, "register")?,
            unit: self.text_or(Key::Unit, "")?,
        })
    }

    /// Returns the text of an optional key, or `default`.
    pub(super) fn text_or<'s>(&'s self, key: Key, default: &'static str) -> Result<&'s str, Fault> {
        self.optional(key)
            .map_or(Ok(default), |value| text(key, value))
    }
}

/// Returns the fault of a value of the wrong type.
pub(super) fn wrong(key: Key, value: &Token<'_>, expected: &str) -> Fault {
    let words = format!("\"{}\" is {}, not {expected}", key.name(), value.describe());
    Fault::new(key.code(), words)
}

fn bad(words: String) -> Fault {
    Fault::new(LetterCode::BadField, words)
}

fn text<'s>(key: Key, value: &'s Token<'_>) -> Result<&'s str, Fault> {
    match value {
        Token::Text(Cow::Borrowed(text)) => Ok(text),
        Token::Text(Cow::Owned(text)) => Ok(text),
        other => Err(wrong(key, other, "a string")),
    }
}

fn unknown(name: &str) -> String {
    format!(
        "unknown key \"{}\"; the keys are {}",
        clip(name),
        NAMES[..KEYS - 1].join(", ")
    )
}
