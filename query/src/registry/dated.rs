//! Entries with a valid time and a recorded time.

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::day::{CivilDay, DayRange, Instant};

use crate::registry::parts_between;

/// An entry and the days it holds.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub(crate) valid_from: CivilDay,
    pub(crate) valid_to: Option<CivilDay>,
    pub(crate) recorded_at: Instant,
    pub(crate) body: T,
}

/// Entries of one subject in the order of their recording.
#[derive(Debug, Clone)]
pub(crate) struct Dated<T>(Vec<Entry<T>>);

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entry<T> {
    /// Whether it covers `day`.
    pub(crate) fn covers(&self, day: CivilDay) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

impl<T> Dated<T> {
    pub(crate) fn record(&mut self, entry: &ReferenceEntry, body: T) {
        self.0.push(Entry {
            valid_from: entry.valid_from,
            valid_to: entry.valid_to,
            recorded_at: entry.recorded_at,
            body,
        });
    }

    pub(crate) fn entries(&self) -> &[Entry<T>] {
        &self.0
    }

    /// The entry that holds on `day`: of those that cover it, the one recorded last.
    pub(crate) fn on(&self, day: CivilDay) -> Option<&Entry<T>> {
        self.0.iter().rev().find(|entry| entry.covers(day))
    }

    /// The entry recorded last.
    pub(crate) fn latest(&self) -> Option<&Entry<T>> {
        self.0.last()
    }

    /// `range` cut where another entry begins to hold, so that one holds throughout each part.
    pub(crate) fn parts(&self, range: DayRange) -> Vec<DayRange> {
        let changes = self.0.iter().flat_map(|entry| {
            [Some(entry.valid_from), entry.valid_to.map(CivilDay::next)]
                .into_iter()
                .flatten()
        });
        parts_between(range, changes)
    }
}
