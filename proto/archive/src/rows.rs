//! Readings in columns, as files hold them.

use std::ops::Range;

use greenpark_model::{fold::DayColumns, id::EnterpriseId, reading::Series};

use crate::merge;

/// Whose series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The meter, quantity and kind.
    pub series: Series,
}

/// Readings of one park and civil day in columns, sorted by (series key, instant); readings of one
/// identity stand in the order of the log.
///
/// `keys` is sorted and without repeats, `series` is non-decreasing and indexes it, and all columns have
/// one length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The series that occur.
    pub keys: Vec<SeriesKey>,
    /// For each reading, its index into `keys`.
    pub series: Vec<u32>,
    /// UTC milliseconds.
    pub instants: Vec<i64>,
    /// Millionths of the canonical unit.
    pub values: Vec<i64>,
    /// Codes of [`greenpark_model::reading::Flag`].
    pub flags: Vec<u8>,
    /// A later reading of the same identity has another value, and counts instead.
    pub superseded: Vec<bool>,
}

/// What putting readings together gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The distinct readings.
    pub rows: Rows,
    /// Readings dropped, because the same identity, value and flag was there already.
    pub duplicates: u64,
    /// Readings that were superseded by this, and were not before.
    pub conflicts: u64,
}

impl Rows {
    /// Readings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Puts `parts` together, given oldest first. A reading whose identity, value and flag an earlier one
    /// has is dropped and counted; of readings of one identity that differ, all but the one latest in
    /// the log are kept as superseded. So merging again, or merging merged parts, changes nothing.
    ///
    /// Linear in the readings where parts follow each other in time or do not share series.
    #[must_use]
    pub fn merge(parts: &[&Self]) -> Merged {
        merge::merge(parts)
    }

    /// Each series with the range of its readings.
    pub fn spans(&self) -> impl Iterator<Item = (&SeriesKey, Range<usize>)> {
        let mut start = 0;
        self.keys.iter().zip(0u32..).map(move |(key, index)| {
            let from = start;
            start += self.series[from..].partition_point(|&series| series <= index);
            (key, from..start)
        })
    }

    /// The columns of a range of readings, as a fold takes them.
    ///
    /// # Panics
    /// If `range` is beyond the readings.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> DayColumns<'_> {
        DayColumns {
            instants: &self.instants[range.clone()],
            values: &self.values[range.clone()],
            flags: &self.flags[range.clone()],
            superseded: &self.superseded[range],
        }
    }

    /// The enterprises that occur, in order.
    pub fn enterprises(&self) -> impl Iterator<Item = &EnterpriseId> {
        self.keys
            .chunk_by(|a, b| a.enterprise == b.enterprise)
            .map(|keys| &keys[0].enterprise)
    }

    /// The readings of one enterprise.
    #[must_use]
    pub fn select_enterprise(&self, enterprise: &EnterpriseId) -> Self {
        self.select_between(enterprise, enterprise)
    }

    /// The readings of the enterprises from `first` to `last`.
    #[must_use]
    pub fn select_between(&self, first: &EnterpriseId, last: &EnterpriseId) -> Self {
        let from = self.keys.partition_point(|key| key.enterprise < *first);
        let many = self.keys[from..].partition_point(|key| key.enterprise <= *last);
        self.select_keys(from..from + many)
    }

    /// The readings of each enterprise, in order.
    pub fn count_enterprises(&self) -> impl Iterator<Item = (&EnterpriseId, usize)> {
        let mut start = 0;
        self.keys
            .chunk_by(|a, b| a.enterprise == b.enterprise)
            .scan(0, move |keys, chunk| {
                *keys += chunk.len();
                let end = self.series.partition_point(|&of| (of as usize) < *keys);
                let rows = end - start;
                start = end;
                Some((&chunk[0].enterprise, rows))
            })
    }

    fn select_keys(&self, keys: Range<usize>) -> Self {
        let row = |key: usize| {
            self.series
                .partition_point(|&series| (series as usize) < key)
        };
        let rows = row(keys.start)..row(keys.end);
        // OK because keys are indexed by u32.
        let base = keys.start as u32;
        Self {
            keys: self.keys[keys].to_vec(),
            series: self.series[rows.clone()]
                .iter()
                .map(|series| series - base)
                .collect(),
            instants: self.instants[rows.clone()].to_vec(),
            values: self.values[rows.clone()].to_vec(),
            flags: self.flags[rows.clone()].to_vec(),
            superseded: self.superseded[rows].to_vec(),
        }
    }

    /// Whether the invariants of the type hold; for assertions and for rows that others built.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let n = self.len();
        let one_length = self.instants.len() == n
            && self.values.len() == n
            && self.flags.len() == n
            && self.superseded.len() == n;
        one_length
            && self.keys.is_sorted_by(|a, b| a < b)
            && self.series.is_sorted()
            && self
                .series
                .last()
                .is_none_or(|&last| (last as usize) < self.keys.len())
            && self
                .spans()
                .all(|(_, span)| !span.is_empty() && self.instants[span].is_sorted())
    }
}
