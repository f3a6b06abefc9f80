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

/// Whose series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The meter, quantity and kind.
    pub series: Series,
}

/// That a reading came long after the newest one of its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Late {
    /// When ingest received it.
    pub received: Instant,
    /// Which gateway sent it.
    pub gateway: GatewayId,
}

/// That a reading's record may only have been sent again: each message that ends in it had come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Again;

/// Readings of one park and civil day in columns, sorted by (series key, instant, ticket); readings of one
/// identity stand in the order of the log, the one that counts last.
///
/// `keys` is sorted and without repeats, `series` is non-decreasing and indexes it, and all columns have
/// one length. `tickets`, `late` and `again` name rows, `repeats` keys, each ascending and once; all of them
/// are empty in the usual file.
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
    /// Tickets of events, by row.
    pub tickets: Vec<(u32, Ticket)>,
    /// Readings that came late, by row.
    pub late: Vec<(u32, Late)>,
    /// Readings that do not count where what they say came before, by row. None in a sealed file.
    pub again: Vec<(u32, Again)>,
    /// Readings dropped on the way here because the value that counted then came again, by key.
    pub repeats: Vec<(u32, u32)>,
    /// The first offset of the log that these readings cannot come from: every record before it that has
    /// readings of them is among them. 0 where nobody knows.
    pub until: u64,
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

    /// Puts `parts` together in the order of the log: by the offsets that they reach, and as given where these
    /// are equal. Of readings of one identity the latest in the log counts, whatever came before it; the
    /// others are kept once for each value and flag, as superseded, in the order in which they last came. One
    /// that was only sent [`Again`] keeps the place that it had. So merging again, or merging merged parts,
    /// changes nothing.
    ///
    /// Linear in the readings where parts follow each other in time or do not share series.
    #[must_use]
    pub fn merge(parts: &[&Self]) -> Merged {
        merge::merge(parts)
    }

    /// Whether these are the readings of `other`; how many were dropped, and how far the log was read, does
    /// not matter.
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

    /// The ticket of a reading, if it has one.
    #[must_use]
    pub fn ticket(&self, row: usize) -> Option<&Ticket> {
        sparse::get(&self.tickets, row)
    }

    /// When and from whom a reading came late, if it did.
    #[must_use]
    pub fn late(&self, row: usize) -> Option<&Late> {
        sparse::get(&self.late, row)
    }

    /// The late ones among a range of readings that count.
    pub fn late_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Late)> {
        let late = self.late[sparse::places(&self.late, &range)].iter();
        late.map(|(row, late)| (*row as usize, late))
            .filter(|(row, _)| !self.superseded[*row])
    }

    /// Whether a reading may only have been sent again.
    #[must_use]
    pub fn is_again(&self, row: usize) -> bool {
        sparse::get(&self.again, row).is_some()
    }

    /// Readings of the series at place `key` that were dropped as repeats.
    #[must_use]
    pub fn repeats_of(&self, key: usize) -> u32 {
        sparse::get(&self.repeats, key).copied().unwrap_or(0)
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

    /// Whether the invariants of the type hold; for assertions and for rows that others built.
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

/// Lists of few things by their place, ascending.
pub(crate) mod sparse {
    use std::ops::Range;

    /// What `list` has at `place`.
    pub(crate) fn get<T>(list: &[(u32, T)], place: usize) -> Option<&T> {
        let at = list
            .binary_search_by_key(&place, |(of, _)| *of as usize)
            .ok()?;
        Some(&list[at].1)
    }

    /// Where `list` has the places of `range`.
    pub(crate) fn places<T>(list: &[(u32, T)], range: &Range<usize>) -> Range<usize> {
        let before = |end: usize| list.partition_point(|(of, _)| (*of as usize) < end);
        if list.is_empty() {
            return 0..0;
        }
        before(range.start)..before(range.end)
    }

    /// What `list` has in `range`, by the place within it.
    pub(crate) fn cut<T: Clone>(list: &[(u32, T)], range: &Range<usize>) -> Vec<(u32, T)> {
        // OK because places are counted by u32.
        let base = range.start as u32;
        let part = list[places(list, range)].iter();
        part.map(|(of, what)| (of - base, what.clone())).collect()
    }

    /// Whether the places of `list` ascend and are below `end`.
    pub(crate) fn is_sound<T>(list: &[(u32, T)], end: usize) -> bool {
        list.is_sorted_by(|(a, _), (b, _)| a < b)
            && list.last().is_none_or(|(last, _)| (*last as usize) < end)
    }
}
