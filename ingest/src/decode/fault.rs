//! A refusal's reason: a code to count and filter by, and text for the engineer at the gateway.
//!
//! Plain text becomes a fault with the commonest code, [`LetterCode::Undecodable`]; a decoder that
//! knows a better code uses [`Fault::new`].

use std::fmt;

use greenpark_model::{amount::AmountError, letter::LetterCode};

/// The reason of a dead letter: its code, and text for the gateway engineer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: LetterCode,
    pub(crate) words: String,
}

impl Fault {
    pub(crate) fn new(code: LetterCode, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { code, words }
    }

    /// Prefixes the text with `place`, the location of the fault.
    pub(crate) fn at(self, place: &str) -> Self {
        let words = format!("{place}: {}", self.words);
        Self { words, ..self }
    }
}

#[cfg(test)]
impl Fault {
    /// Returns true if the text contains `word`.
    pub(crate) fn contains(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<String> for Fault {
    fn from(words: String) -> Self {
        Self::new(LetterCode::Undecodable, words)
    }
}

impl From<&str> for Fault {
    fn from(words: &str) -> Self {
        Self::new(LetterCode::Undecodable, words)
    }
}

impl From<&Self> for Fault {
    fn from(fault: &Self) -> Self {
        fault.clone()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.words
    }
}

/// Returns the code of an invalid amount.
pub(super) fn of_amount(error: &AmountError) -> LetterCode {
    match error {
        AmountError::NotDecimal => LetterCode::BadValue,
        AmountError::OutOfRange => LetterCode::OutOfRange,
    }
}
