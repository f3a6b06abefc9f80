//! Readings in columns, as files hold them.

pub mod builder;
mod merge;

use std::ops::Range;

use greenpark_model::{
    day::Instant,
    fold::DayColumns,
    id::{EnterpriseId, GatewayId},
    reading::Series,
    ticket::Ticket,
};

/// A series of an enterprise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The meter, quantity and kind.
    pub series: Series,
}

/// Marks a reading that was received long after the newest one of its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LateArrival {
    /// When ingest received it.
    pub received: Instant,
    /// The gateway that sent it.
    pub gateway: GatewayId,
}

/// Marks a reading whose record may only have been sent again: each message in the record had been received
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Again;

/// Readings of one park and civil day in columns, sorted by (series key, instant, ticket). Readings of one
/// identity are in the order of the log; the last one counts.
///
/// `keys` is sorted and unique, `series` is non-decreasing and indexes it, and all columns have one length.
/// `tickets`, `late` and `again` name rows, `repeats` names keys, each ascending and unique; all of them are
/// empty in most files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadingRows {
    /// The series in these rows.
    pub keys: Vec<SeriesKey>,
    /// For each reading, its index into `keys`.
    pub series: Vec<u32>,
    /// UTC milliseconds.
    pub instants: Vec<i64>,
    /// Millionths of the canonical unit.
    pub values: Vec<i64>,
    /// Codes of [`greenpark_model::reading::Flag`].
    pub flags: Vec<u8>,
    /// True if a later reading of the same identity has another value and counts instead.
    pub superseded: Vec<bool>,
    /// Tickets of events, by row.
    pub tickets: Vec<(u32, Ticket)>,
    /// Late readings, by row.
    pub late: Vec<(u32, LateArrival)>,
    /// Readings that do not count if the same value came before, by row. Empty in a sealed file.
    pub again: Vec<(u32, Again)>,
    /// The number of readings dropped because the value that counted came again, by key.
    pub repeats: Vec<(u32, u32)>,
    /// The offset of the log up to which these rows are complete: they include every record before it that has
    /// readings of them. 0 if unknown.
    pub until: u64,
}

/// The result of merging readings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The distinct readings.
    pub rows: ReadingRows,
    /// The number of readings dropped because the same identity, value and flag existed already.
    pub duplicates: u64,
    /// The number of newly superseded readings.
    pub conflicts: u64,
}

impl ReadingRows {
    /// The number of readings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Returns true if there are no readings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Merges `parts` in the order of the log: by the offsets that they reach, or in the given order if these
    /// are equal. Of the readings of one identity the latest in the log counts. The others are kept as
    /// superseded, once for each value and flag, in the order in which they last came. A reading that was only
    /// sent [`Again`] keeps its place. So merging again, or merging merged parts, changes nothing.
    ///
    /// Linear in the readings if parts follow each other in time or do not share series.
    #[must_use]
    pub fn merge(parts: &[&Self]) -> Merged {
        merge::merge(parts)
    }

    /// Returns true if `other` has the same readings; how many were dropped, and how far the log was consumed,
    /// may differ.
    #[must_use]
    pub fn are_those_of(&self, other: &Self) -> bool {
        self.keys == other.keys
            && self.series == other.series
            && self.instants == other.instants
            && self.values == other.values
            && self.flags == other.flags
            && self.superseded == other.superseded
            && self.tickets == other.tickets
            && self.late == other.late
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

    /// The columns of a range of readings, as a fold accepts them.
    ///
    /// # Panics
    /// If `range` is out of bounds.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> DayColumns<'_> {
        DayColumns {
            instants: &self.instants[range.clone()],
            values: &self.values[range.clone()],
            flags: &self.flags[range.clone()],
            superseded: &self.superseded[range],
        }
    }

    /// The ticket of a reading, if it has one.
    #[must_use]
    pub fn ticket(&self, row: usize) -> Option<&Ticket> {
        sparse::get(&self.tickets, row)
    }

    /// When and from which gateway a late reading was received.
    #[must_use]
    pub fn late(&self, row: usize) -> Option<&LateArrival> {
        sparse::get(&self.late, row)
    }

    /// The late readings in a range that count.
    pub fn late_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &LateArrival)> {
        let late = self.late[sparse::places(&self.late, &range)].iter();
        late.map(|(row, late)| (*row as usize, late))
            .filter(|(row, _)| !self.superseded[*row])
    }

    /// Returns true if a reading may only have been sent again.
    #[must_use]
    pub fn is_again(&self, row: usize) -> bool {
        sparse::get(&self.again, row).is_some()
    }

    /// The number of readings of the series at place `key` that were dropped as repeats.
    #[must_use]
    pub fn repeats_of(&self, key: usize) -> u32 {
        sparse::get(&self.repeats, key).copied().unwrap_or(0)
    }

    /// The enterprises in these rows, in order.
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

    /// The number of readings of each enterprise, in order.
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
            series: self.series[rows.clone()]
                .iter()
                .map(|series| series - base)
                .collect(),
            instants: self.instants[rows.clone()].to_vec(),
            values: self.values[rows.clone()].to_vec(),
            flags: self.flags[rows.clone()].to_vec(),
            superseded: self.superseded[rows.clone()].to_vec(),
            tickets: sparse::cut(&self.tickets, &rows),
            late: sparse::cut(&self.late, &rows),
            again: sparse::cut(&self.again, &rows),
            repeats: sparse::cut(&self.repeats, &keys),
            until: self.until,
            keys: self.keys[keys].to_vec(),
        }
    }

    /// Returns true if the invariants of the type hold; for assertions, and for rows that other code built.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let n = self.len();
        let one_length = self.instants.len() == n
            && self.values.len() == n
            && self.flags.len() == n
            && self.superseded.len() == n;
        one_length
            && sparse::is_sound(&self.tickets, n)
            && sparse::is_sound(&self.late, n)
            && sparse::is_sound(&self.again, n)
            && sparse::is_sound(&self.repeats, self.keys.len())
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

/// Short lists of values by place, ascending.
pub(crate) mod sparse {
    use std::ops::Range;

    /// The value at `place`.
    pub(crate) fn get<T>(list: &[(u32, T)], place: usize) -> Option<&T> {
        let at = list
            .binary_search_by_key(&place, |(of, _)| *of as usize)
            .ok()?;
        Some(&list[at].1)
    }

    /// The part of `list` whose places are in `range`.
    pub(crate) fn places<T>(list: &[(u32, T)], range: &Range<usize>) -> Range<usize> {
        let before = |end: usize| list.partition_point(|(of, _)| (*of as usize) < end);
        if list.is_empty() {
            return 0..0;
        }
        before(range.start)..before(range.end)
    }

    /// The values of `list` in `range`, by their place within it.
    pub(crate) fn cut<T: Clone>(list: &[(u32, T)], range: &Range<usize>) -> Vec<(u32, T)> {
        // OK because places are counted by u32.
        let base = range.start as u32;
        let part = list[places(list, range)].iter();
        part.map(|(of, what)| (of - base, what.clone())).collect()
    }

    /// Returns true if the places of `list` ascend and are below `end`.
    pub(crate) fn is_sound<T>(list: &[(u32, T)], end: usize) -> bool {
        list.is_sorted_by(|(a, _), (b, _)| a < b)
            && list.last().is_none_or(|(last, _)| (*last as usize) < end)
    }
}
