//! Builds [`ReadingRows`](crate::rows::ReadingRows) from readings in the order of the log.

use std::collections::HashMap;

use greenpark_model::ticket::Ticket;

use crate::rows::{
    Again, LateArrival, Merged, SeriesKey,
    merge::{Annotations, Sink},
};

/// Collects readings of one park and civil day in the order of the log, and sorts them.
///
/// Sorting counts the series and then sorts by instant only the series that arrived out of order. No step costs
/// more than a few nanoseconds a reading while series arrive in their own order.
#[derive(Debug, Default)]
pub struct RowsBuilder {
    keys: Vec<SeriesKey>,
    index: HashMap<SeriesKey, u32>,
    series: Vec<u32>,
    instants: Vec<i64>,
    values: Vec<i64>,
    flags: Vec<u8>,
    /// Annotations of the few readings that have any, by row.
    annotations: HashMap<u32, Annotated>,
    until: u64,
}

/// The annotations of one reading.
#[derive(Debug, Default)]
struct Annotated {
    ticket: Option<Ticket>,
    late: Option<LateArrival>,
    again: Option<Again>,
}

impl RowsBuilder {
    /// Creates an empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of a series in this builder, for [`push`](Self::push).
    pub fn key(&mut self, key: &SeriesKey) -> u32 {
        if let Some(&index) = self.index.get(key) {
            return index;
        }
        // OK because a day has fewer series than 2^32.
        let index = self.keys.len() as u32;
        self.keys.push(key.clone());
        self.index.insert(key.clone(), index);
        index
    }

    /// Appends one reading of the series with this index.
    pub fn push(&mut self, key: u32, instant: i64, value: i64, flag: u8) {
        debug_assert!((key as usize) < self.keys.len(), "indices come from `key`");
        self.series.push(key);
        self.instants.push(instant);
        self.values.push(value);
        self.flags.push(flag);
    }

    /// Sets the ticket of the reading that was pushed after `row` others.
    pub fn ticket(&mut self, row: u32, ticket: Ticket) {
        self.annotations.entry(row).or_default().ticket = Some(ticket);
    }

    /// Marks the reading that was pushed after `row` others as late.
    pub fn late(&mut self, row: u32, late: LateArrival) {
        self.annotations.entry(row).or_default().late = Some(late);
    }

    /// Marks the reading that was pushed after `row` others as possibly only sent again.
    pub fn again(&mut self, row: u32) {
        self.annotations.entry(row).or_default().again = Some(Again);
    }

    /// Declares that the readings are all those of the log's records before this offset; see
    /// [`ReadingRows::until`](crate::rows::ReadingRows::until).
    pub fn reach(&mut self, until: u64) {
        self.until = until;
    }

    /// The number of readings so far, duplicates included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Returns true if there are no readings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Sorts the readings, drops duplicates and marks superseded ones.
    ///
    /// # Panics
    /// If a reading was pushed with an index that [`key`](Self::key) did not return.
    #[must_use]
    pub fn finish(self) -> Merged {
        let groups = self.group();
        let mut sink = Sink::with_capacity(self.len(), groups.order.len());
        let mut keys: Vec<Option<SeriesKey>> = self.keys.into_iter().map(Some).collect();
        let mut rows = groups.rows;
        for &key in &groups.order {
            let group = &mut rows[groups.starts[key as usize]..groups.starts[key as usize + 1]];
            let instant = |row: u32| self.instants[row as usize];
            if !group.is_sorted_by_key(|&row| instant(row)) {
                group.sort_by_key(|&row| instant(row));
            }
            for &row in &*group {
                let at = row as usize;
                sink.push(self.instants[at], self.values[at], self.flags[at], false);
                if !self.annotations.is_empty()
                    && let Some(annotated) = self.annotations.get(&row)
                {
                    sink.annotate(Annotations {
                        ticket: annotated.ticket.as_ref(),
                        late: annotated.late.as_ref(),
                        again: annotated.again,
                    });
                }
            }
            let key = keys[key as usize].take();
            sink.close(key.expect("a series is closed once"), 0);
        }
        sink.finish(self.until)
    }

    /// Rows by series: a stable counting sort.
    fn group(&self) -> Groups {
        let mut starts = vec![0usize; self.keys.len() + 1];
        for &key in &self.series {
            starts[key as usize + 1] += 1;
        }
        let mut order: Vec<u32> = (0u32..)
            .zip(&starts[1..])
            .filter(|(_, count)| **count > 0)
            .map(|(key, _)| key)
            .collect();
        order.sort_unstable_by(|&a, &b| self.keys[a as usize].cmp(&self.keys[b as usize]));
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; self.series.len()];
        // OK because a flush holds fewer readings than 2^32.
        for (&key, row) in self.series.iter().zip(0u32..) {
            let slot = &mut next[key as usize];
            rows[*slot] = row;
            *slot += 1;
        }
        Groups {
            order,
            starts,
            rows,
        }
    }
}

/// Rows grouped by series.
struct Groups {
    /// The series in these rows, sorted by key.
    order: Vec<u32>,
    /// Where each series' rows start.
    starts: Vec<usize>,
    /// Rows, series after series, each in the order of the log.
    rows: Vec<u32>,
}
