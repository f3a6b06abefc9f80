//! Statements with a valid time and a recorded time. Of the statements that cover a day, the one recorded last
//! holds.

use greenpark_model::day::{CivilDay, DayRange, Instant};

use crate::reference::ReferenceEntry;

/// A statement and the days on which it holds.
#[derive(Debug, Clone)]
pub struct DatedEntry<T> {
    /// The first day on which it holds.
    pub valid_from: CivilDay,
    /// The last day on which it holds; `None` if it has no end.
    pub valid_to: Option<CivilDay>,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The statement.
    pub body: T,
}

/// Statements about one subject in the order of their recording.
#[derive(Debug, Clone)]
pub struct Dated<T>(Vec<DatedEntry<T>>);

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> DatedEntry<T> {
    /// Returns true if it covers `day`.
    #[must_use]
    pub fn covers(&self, day: CivilDay) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

impl<T> Dated<T> {
    /// Adds the statement of `entry`, which was recorded after all others.
    pub fn record(&mut self, entry: &ReferenceEntry, body: T) {
        self.0.push(DatedEntry {
            valid_from: entry.valid_from,
            valid_to: entry.valid_to,
            recorded_at: entry.recorded_at,
            body,
        });
    }

    /// All statements.
    #[must_use]
    pub fn entries(&self) -> &[DatedEntry<T>] {
        &self.0
    }

    /// The statement that holds on `day`.
    #[must_use]
    pub fn on(&self, day: CivilDay) -> Option<&DatedEntry<T>> {
        self.0.iter().rev().find(|entry| entry.covers(day))
    }

    /// The statement that holds on `day`, or else the last one that held before `day`.
    #[must_use]
    pub fn holding(&self, day: CivilDay) -> Option<&DatedEntry<T>> {
        let before = self.0.iter().filter(|entry| entry.valid_from <= day);
        self.on(day)
            .or_else(|| before.max_by_key(|entry| entry.valid_to))
    }

    /// The statement that holds on `day`, or the last one before it, or the first one of all: the first and
    /// last statements about a subject also hold before and after their days, unless another one does.
    #[must_use]
    pub fn nearest(&self, day: CivilDay) -> Option<&DatedEntry<T>> {
        let first = || {
            let from = self.0.iter().map(|entry| entry.valid_from).min()?;
            self.on(from)
        };
        self.holding(day).or_else(first)
    }

    /// The statement recorded last.
    #[must_use]
    pub fn latest(&self) -> Option<&DatedEntry<T>> {
        self.0.last()
    }

    /// Cuts `range` wherever another statement begins to hold, so that one holds throughout each part.
    #[must_use]
    pub fn parts(&self, range: DayRange) -> Vec<DayRange> {
        let changes = self.0.iter().flat_map(|entry| {
            let ends = entry.valid_to.map(CivilDay::next);
            [Some(entry.valid_from), ends].into_iter().flatten()
        });
        range.cut(changes)
    }
}
