//! The refusals of a payload: the first ones with their reasons, and the total counts.
//!
//! A payload of 1 MiB can contain half a million invalid readings. More than a few reasons help
//! nobody, so only the first are kept; the others are counted.

use greenpark_model::letter::LetterCode;

use super::fault::Fault;
use crate::limits::REFUSALS_APART_MAX;

/// Refused readings of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The index of the first of them, from zero; `None` if the whole payload is refused.
    pub(crate) index: Option<u32>,
    /// The number of readings.
    pub(crate) count: u32,
    /// The code, to count and filter by.
    pub(crate) code: LetterCode,
    /// The reason, for the engineer at the gateway.
    pub(crate) reason: String,
}

/// The refusals of a payload.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    first: Vec<Refusal>,
    parts: usize,
    readings: u64,
}

impl Refusals {
    /// Returns the first refusals, at most [`REFUSALS_APART_MAX`].
    pub(crate) fn first(&self) -> &[Refusal] {
        &self.first
    }

    /// Returns the number of refusals.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// Returns the number of refused readings; a payload refused as a whole counts as one.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// Returns the most frequent code of the first refusals; the earlier one if two are equally
    /// frequent.
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

    /// Adds a refusal; its reason is only allocated if it is kept.
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
