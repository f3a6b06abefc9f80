//! Putting readings together: what is the same is dropped, what contradicts is kept and superseded.

use std::{collections::HashSet, ops::Range};

use crate::rows::{Merged, Rows, SeriesKey};

/// From this many readings of one identity on, a set finds repeats; below it, looking is faster.
const LOOK_MAX: usize = 32;

/// Rows under construction, one series after the other.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    merged: Merged,
}

impl Sink {
    pub(crate) fn with_capacity(rows: usize, keys: usize) -> Self {
        let rows = Rows {
            keys: Vec::with_capacity(keys),
            series: Vec::with_capacity(rows),
            instants: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
            superseded: Vec::with_capacity(rows),
        };
        Self {
            merged: Merged {
                rows,
                duplicates: 0,
                conflicts: 0,
            },
        }
    }

    /// Appends a reading of the series that is under way.
    pub(crate) fn push(&mut self, instant: i64, value: i64, flag: u8, superseded: bool) {
        let rows = &mut self.merged.rows;
        rows.instants.push(instant);
        rows.values.push(value);
        rows.flags.push(flag);
        rows.superseded.push(superseded);
    }

    /// Appends readings of the series that is under way.
    pub(crate) fn extend(&mut self, from: &Rows, range: Range<usize>) {
        let rows = &mut self.merged.rows;
        rows.instants
            .extend_from_slice(&from.instants[range.clone()]);
        rows.values.extend_from_slice(&from.values[range.clone()]);
        rows.flags.extend_from_slice(&from.flags[range.clone()]);
        rows.superseded.extend_from_slice(&from.superseded[range]);
    }

    /// Ends the series that is under way: drops duplicates and marks what is superseded. Its readings
    /// are sorted by instant, those of one instant in the order of the log.
    pub(crate) fn close(&mut self, key: SeriesKey) {
        let Merged {
            rows,
            duplicates,
            conflicts,
        } = &mut self.merged;
        let start = rows.series.len();
        let instants = &rows.instants[start..];
        debug_assert!(
            instants.is_sorted(),
            "a series is closed in the order of its instants"
        );
        if instants.windows(2).any(|pair| pair[0] == pair[1]) {
            let (dropped, contradicted) = settle(rows, start);
            *duplicates += dropped;
            *conflicts += contradicted;
        } else {
            rows.superseded[start..].fill(false);
        }
        // OK because a book has fewer series than 2^32.
        let index = rows.keys.len() as u32;
        rows.series.resize(rows.instants.len(), index);
        rows.keys.push(key);
    }

    pub(crate) fn finish(self) -> Merged {
        debug_assert!(self.merged.rows.is_sound());
        self.merged
    }
}

/// Settles the identities from row `start` on; returns how many rows it dropped and newly superseded.
fn settle(rows: &mut Rows, start: usize) -> (u64, u64) {
    let end = rows.instants.len();
    let (mut read, mut write, mut superseded) = (start, start, 0u64);
    while read < end {
        let instant = rows.instants[read];
        let same = rows.instants[read..].partition_point(|&other| other == instant);
        let first = write;
        let mut seen = HashSet::new();
        for row in read..read + same {
            let (value, flag) = (rows.values[row], rows.flags[row]);
            let known = if same < LOOK_MAX {
                (first..write).any(|kept| rows.values[kept] == value && rows.flags[kept] == flag)
            } else {
                !seen.insert((value, flag))
            };
            if !known {
                rows.instants[write] = instant;
                rows.values[write] = value;
                rows.flags[write] = flag;
                rows.superseded[write] = rows.superseded[row];
                write += 1;
            }
        }
        let older = &mut rows.superseded[first..write - 1];
        superseded += older.iter().filter(|before| !**before).count() as u64;
        older.fill(true);
        rows.superseded[write - 1] = false;
        read += same;
    }
    rows.instants.truncate(write);
    rows.values.truncate(write);
    rows.flags.truncate(write);
    rows.superseded.truncate(write);
    ((end - write) as u64, superseded)
}

/// See [`Rows::merge`].
pub(crate) fn merge(parts: &[&Rows]) -> Merged {
    let parts: Vec<&Rows> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    let mut keys: Vec<&SeriesKey> = parts.iter().flat_map(|part| &part.keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let total = parts.iter().map(|part| part.len()).sum();
    let mut sink = Sink::with_capacity(total, keys.len());
    let mut cursors: Vec<_> = parts
        .iter()
        .map(|part| (*part, part.spans().peekable()))
        .collect();
    let (mut slices, mut scratch) = (Vec::new(), Vec::new());
    for key in keys {
        slices.clear();
        for (part, spans) in &mut cursors {
            if let Some((_, span)) = spans.next_if(|(other, _)| *other == key) {
                slices.push((*part, span));
            }
        }
        gather(&mut sink, &slices, &mut scratch);
        sink.close(key.clone());
    }
    sink.finish()
}

/// Appends the slices of one series to the sink, by instant and, within one, in the order of the slices.
fn gather(sink: &mut Sink, slices: &[(&Rows, Range<usize>)], scratch: &mut Vec<(i64, u32, usize)>) {
    let follow = slices.windows(2).all(|pair| {
        let ((before, a), (after, b)) = (&pair[0], &pair[1]);
        before.instants[a.end - 1] <= after.instants[b.start]
    });
    if follow {
        for (part, span) in slices {
            sink.extend(part, span.clone());
        }
        return;
    }
    scratch.clear();
    for ((part, span), index) in slices.iter().zip(0u32..) {
        scratch.extend(span.clone().map(|row| (part.instants[row], index, row)));
    }
    // Stable and fast on the sorted runs it is given.
    scratch.sort_by_key(|(instant, _, _)| *instant);
    for &(instant, index, row) in scratch.iter() {
        let part = slices[index as usize].0;
        sink.push(
            instant,
            part.values[row],
            part.flags[row],
            part.superseded[row],
        );
    }
}

#[cfg(test)]
mod tests;
