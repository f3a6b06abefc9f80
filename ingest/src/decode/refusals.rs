//! What of a payload was not taken: the first of it in words, all of it in numbers.
//!
//! A payload of 1 MiB can hold half a million things that are no reading. More than a few reasons help
//! nobody, so only the first are kept; the rest is counted.

use greenpark_model::letter::LetterCode;

use super::fault::Fault;
use crate::limits::REFUSALS_APART_MAX;

/// Readings of a payload that were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The first of them in the payload, from zero; `None` where the whole payload is refused.
    pub(crate) index: Option<u32>,
    /// How many.
    pub(crate) count: u32,
    /// Why, to count and filter by.
    pub(crate) code: LetterCode,
    /// Why, in words for the engineer at the gateway.
    pub(crate) reason: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    first: Vec<Refusal>,
    parts: usize,
    readings: u64,
}

impl Refusals {
    /// The first refusals, at most [`REFUSALS_APART_MAX`].
    pub(crate) fn first(&self) -> &[Refusal] {
        &self.first
    }

    /// How many refusals there were.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// How many readings they refused; a payload refused as a whole counts as one.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// The code that most of the first refusals have; of two that as many have, the earlier.
    pub(crate) fn code(&self) -> LetterCode {
        let having = |code| self.first.iter().filter(|of| of.code == code).count();
        let codes = self.first.iter().rev().map(|of| of.code);
        let most = codes.max_by_key(|&code| having(code));
        most.unwrap_or(LetterCode::Undecodable)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts == 0
    }

    pub(super) fn clear(&mut self) {
        self.first.clear();
        (self.parts, self.readings) = (0, 0);
    }

    /// Adds one; its reason becomes a text of its own only if it is kept.
    pub(super) fn add(&mut self, index: Option<u32>, count: u32, reason: impl Into<Fault>) {
        self.parts += 1;
        self.readings += u64::from(count);
        if self.first.len() < REFUSALS_APART_MAX {
            let Fault { code, words } = reason.into();
            self.first.push(Refusal {
                index,
                count,
                code,
                reason: words,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_all_are_counted() {
        let mut refusals = Refusals::default();
        for index in 0..500_000 {
            refusals.add(Some(index), 2, "no reading");
        }
        assert_eq!(
            (refusals.parts(), refusals.readings()),
            (500_000, 1_000_000)
        );
        assert_eq!(refusals.first().len(), REFUSALS_APART_MAX);
        assert_eq!(refusals.first()[1].index, Some(1));
        assert!(refusals.first.capacity() <= 2 * REFUSALS_APART_MAX);
        refusals.clear();
        assert!(refusals.is_empty() && refusals.readings() == 0);
    }
}
