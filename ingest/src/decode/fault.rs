//! Why something was not taken: a code to count and filter by, and words for the engineer at the gateway.
//!
//! Text alone becomes a fault of the commonest code, [`LetterCode::Undecodable`]; a decoder that knows better
//! says so with [`Fault::new`].

use std::fmt;

use greenpark_model::{amount::AmountError, letter::LetterCode};

/// A reason for a dead letter: its code, and the words for a gateway engineer.
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

    /// The same with `place` before its words, which says where it is.
    pub(crate) fn at(self, place: &str) -> Self {
        let words = format!("{place}: {}", self.words);
        Self { words, ..self }
    }
}

#[cfg(test)]
impl Fault {
    /// Whether its words have `word` among them.
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

/// The code of a number that is no amount.
pub(super) fn of_amount(error: &AmountError) -> LetterCode {
    match error {
        AmountError::NotDecimal => LetterCode::BadValue,
        AmountError::OutOfRange => LetterCode::OutOfRange,
    }
}
