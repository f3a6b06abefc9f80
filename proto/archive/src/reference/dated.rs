//! Statements with a valid time and a recorded time: what holds on a day is what was recorded last of
//! what covers it.

use greenpark_model::day::{CivilDay, DayRange, Instant};

use crate::reference::ReferenceEntry;

/// A statement and the days it holds.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// The first day it holds.
    pub valid_from: CivilDay,
    /// The last day it holds; `None` while it holds.
    pub valid_to: Option<CivilDay>,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// What it says.
    pub body: T,
}

/// Statements about one subject in the order of their recording.
#[derive(Debug, Clone)]
pub struct Dated<T>(Vec<Entry<T>>);

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entry<T> {
    /// Whether it covers `day`.
    #[must_use]
    pub fn covers(&self, day: CivilDay) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

impl<T> Dated<T> {
    /// Adds what `entry` says, which was recorded after everything before.
    pub fn record(&mut self, entry: &ReferenceEntry, body: T) {
        self.0.push(Entry {
            valid_from: entry.valid_from,
            valid_to: entry.valid_to,
            recorded_at: entry.recorded_at,
            body,
        });
    }

    /// All statements.
    #[must_use]
    pub fn entries(&self) -> &[Entry<T>] {
        &self.0
    }

    /// The one that holds on `day`.
    #[must_use]
    pub fn on(&self, day: CivilDay) -> Option<&Entry<T>> {
        self.0.iter().rev().find(|entry| entry.covers(day))
    }

    /// The one that holds on `day`, or the one that held last before it where nothing else does.
    #[must_use]
    pub fn holding(&self, day: CivilDay) -> Option<&Entry<T>> {
        let before = self.0.iter().filter(|entry| entry.valid_from <= day);
        self.on(day)
            .or_else(|| before.max_by_key(|entry| entry.valid_to))
    }

    /// The one that holds on `day`, or held last before it, or is the first to hold: what is registered of a
    /// thing first and last is so before and after it, where nothing else says.
    #[must_use]
    pub fn nearest(&self, day: CivilDay) -> Option<&Entry<T>> {
        let first = || {
            let from = self.0.iter().map(|entry| entry.valid_from).min()?;
            self.on(from)
        };
        self.holding(day).or_else(first)
    }

    /// The one recorded last.
    #[must_use]
    pub fn latest(&self) -> Option<&Entry<T>> {
        self.0.last()
    }

    /// `range` cut where another statement begins to hold, so that one holds throughout each part.
    #[must_use]
    pub fn parts(&self, range: DayRange) -> Vec<DayRange> {
        let changes = self.0.iter().flat_map(|entry| {
            let ends = entry.valid_to.map(CivilDay::next);
            [Some(entry.valid_from), ends].into_iter().flatten()
        });
        range.cut(changes)
    }
}
