//! Merges readings: duplicates are dropped, contradictions are kept as superseded.
//!
//! Of the readings of one identity the latest in the log counts. It does not matter that a value came before:
//! 10, 12 and 10 again is 10, because somebody corrected a correction. This must be distinguished from a record
//! that is merely *read* again, after a kill between two commits of a flush: its rows are in a file already.
//! Parts therefore record how far into the log they reach, and are merged in that order. Each part holds every
//! record of its range, so the last value of an identity in the part that reaches furthest is the last one in
//! the log. A record that was *sent* again, by a gateway that numbers its messages, is recognized by its
//! numbers: its readings keep their place.

mod annotated;

use std::{collections::HashSet, ops::Range};

use greenpark_model::ticket::Ticket;

use crate::rows::{Again, LateArrival, Merged, ReadingRows, SeriesKey, sparse};

/// From this many readings of one identity on, a set finds repeats; below it, a scan is faster.
const SCAN_MAX: usize = 32;

/// The optional facts about a reading, which few readings have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Annotations<'a> {
    pub(crate) ticket: Option<&'a Ticket>,
    pub(crate) late: Option<&'a LateArrival>,
    pub(crate) again: Option<Again>,
}

impl<'a> Annotations<'a> {
    /// The annotations of a row.
    fn of(rows: &'a ReadingRows, row: usize) -> Self {
        Self {
            ticket: rows.ticket(row),
            late: rows.late(row),
            again: rows.is_again(row).then_some(Again),
        }
    }
}

/// Rows under construction, one series after the other.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    merged: Merged,
}

impl Sink {
    pub(crate) fn with_capacity(rows: usize, keys: usize) -> Self {
        let rows = ReadingRows {
            keys: Vec::with_capacity(keys),
            series: Vec::with_capacity(rows),
            instants: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
            superseded: Vec::with_capacity(rows),
            ..ReadingRows::default()
        };
        Self {
            merged: Merged {
                rows,
                duplicates: 0,
                conflicts: 0,
            },
        }
    }

    /// Appends a reading to the current series.
    pub(crate) fn push(&mut self, instant: i64, value: i64, flag: u8, superseded: bool) {
        let rows = &mut self.merged.rows;
        rows.instants.push(instant);
        rows.values.push(value);
        rows.flags.push(flag);
        rows.superseded.push(superseded);
    }

    /// Annotates the reading that was appended last.
    pub(crate) fn annotate(&mut self, annotations: Annotations<'_>) {
        let rows = &mut self.merged.rows;
        // OK because a day has fewer readings than 2^32.
        let row = rows.instants.len() as u32 - 1;
        rows.tickets
            .extend(annotations.ticket.map(|t| (row, t.clone())));
        rows.late
            .extend(annotations.late.map(|late| (row, late.clone())));
        rows.again
            .extend(annotations.again.map(|again| (row, again)));
    }

    /// Appends readings to the current series.
    pub(crate) fn extend(&mut self, from: &ReadingRows, range: Range<usize>) {
        let rows = &mut self.merged.rows;
        // OK because a day has fewer readings than 2^32.
        let start = rows.instants.len() as u32;
        let moved = |row: u32| row + start;
        rows.tickets.extend(
            sparse::cut(&from.tickets, &range)
                .into_iter()
                .map(|(row, ticket)| (moved(row), ticket)),
        );
        rows.late.extend(
            sparse::cut(&from.late, &range)
                .into_iter()
                .map(|(row, late)| (moved(row), late)),
        );
        rows.again.extend(
            sparse::cut(&from.again, &range)
                .into_iter()
                .map(|(row, again)| (moved(row), again)),
        );
        rows.instants
            .extend_from_slice(&from.instants[range.clone()]);
        rows.values.extend_from_slice(&from.values[range.clone()]);
        rows.flags.extend_from_slice(&from.flags[range.clone()]);
        rows.superseded.extend_from_slice(&from.superseded[range]);
    }

    /// Ends the current series: drops duplicates and marks superseded readings. Its readings are sorted by
    /// instant, those of one instant in the order of the log; `repeats` were dropped before.
    pub(crate) fn close(&mut self, key: SeriesKey, repeats: u32) {
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
        let before = instants.len();
        if instants.windows(2).any(|pair| pair[0] == pair[1]) {
            *conflicts += if annotated::is_annotated(rows, start) {
                annotated::resolve(rows, start)
            } else {
                resolve(rows, start)
            };
        } else {
            rows.superseded[start..].fill(false);
        }
        let dropped = before - (rows.instants.len() - start);
        *duplicates += dropped as u64;
        // OK because a book has fewer series than 2^32.
        let index = rows.keys.len() as u32;
        let repeats = u32::try_from(dropped)
            .unwrap_or(u32::MAX)
            .saturating_add(repeats);
        if repeats > 0 {
            rows.repeats.push((index, repeats));
        }
        rows.series.resize(rows.instants.len(), index);
        rows.keys.push(key);
    }

    /// The merged rows of records before `until`.
    pub(crate) fn finish(mut self, until: u64) -> Merged {
        self.merged.rows.until = until;
        debug_assert!(self.merged.rows.is_sound());
        self.merged
    }
}

/// Resolves the identities from row `start` on, none of which is annotated; returns the number of newly
/// superseded rows.
fn resolve(rows: &mut ReadingRows, start: usize) -> u64 {
    let end = rows.instants.len();
    let (mut read, mut write, mut superseded) = (start, start, 0u64);
    while read < end {
        let instant = rows.instants[read];
        let same = rows.instants[read..].partition_point(|&other| other == instant);
        let first = write;
        if same < SCAN_MAX {
            for row in read..read + same {
                write = keep(rows, first..write, row);
            }
        } else {
            for row in last_of_each(&rows.values, &rows.flags, read..read + same) {
                copy(rows, row, write);
                write += 1;
            }
        }
        rows.instants[first..write].fill(instant);
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
    superseded
}

/// Moves `row` behind the `kept` ones of its identity, in place of an equal one if there is one; returns their
/// new end.
fn keep(rows: &mut ReadingRows, kept: Range<usize>, row: usize) -> usize {
    let (value, flag) = (rows.values[row], rows.flags[row]);
    let same = |at: &usize| rows.values[*at] == value && rows.flags[*at] == flag;
    let Some(at) = kept.clone().rev().find(same) else {
        copy(rows, row, kept.end);
        return kept.end + 1;
    };
    if at + 1 < kept.end {
        let moved = at..kept.end;
        rows.values[moved.clone()].rotate_left(1);
        rows.flags[moved.clone()].rotate_left(1);
        rows.superseded[moved].rotate_left(1);
    }
    kept.end
}

fn copy(rows: &mut ReadingRows, from: usize, to: usize) {
    rows.values[to] = rows.values[from];
    rows.flags[to] = rows.flags[from];
    rows.superseded[to] = rows.superseded[from];
}

/// The last row of each (value, flag) among `range`, in order.
fn last_of_each(values: &[i64], flags: &[u8], range: Range<usize>) -> Vec<usize> {
    let mut seen = HashSet::new();
    let mut kept: Vec<usize> = range
        .rev()
        .filter(|&row| seen.insert((values[row], flags[row])))
        .collect();
    kept.reverse();
    kept
}

/// See [`ReadingRows::merge`].
pub(crate) fn merge(parts: &[&ReadingRows]) -> Merged {
    let mut parts: Vec<&ReadingRows> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.sort_by_key(|part| part.until);
    let until = parts.last().map_or(0, |part| part.until);
    let mut keys: Vec<&SeriesKey> = parts.iter().flat_map(|part| &part.keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let total = parts.iter().map(|part| part.len()).sum();
    let mut sink = Sink::with_capacity(total, keys.len());
    let mut cursors: Vec<_> = parts
        .iter()
        .map(|part| (*part, part.spans().enumerate().peekable()))
        .collect();
    let (mut slices, mut scratch) = (Vec::new(), Vec::new());
    for key in keys {
        slices.clear();
        let mut repeats = 0u32;
        for (part, spans) in &mut cursors {
            if let Some((at, (_, span))) = spans.next_if(|(_, (other, _))| *other == key) {
                repeats = repeats.saturating_add(part.repeats_of(at));
                slices.push((*part, span));
            }
        }
        append_slices(&mut sink, &slices, &mut scratch);
        sink.close(key.clone(), repeats);
    }
    sink.finish(until)
}

/// Appends the slices of one series to the sink, by instant and, within one, in the order of the slices.
fn append_slices(
    sink: &mut Sink,
    slices: &[(&ReadingRows, Range<usize>)],
    scratch: &mut Vec<(i64, u32, usize)>,
) {
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
    // Stable, and fast on the sorted runs of the parts.
    scratch.sort_by_key(|(instant, _, _)| *instant);
    for &(instant, index, row) in scratch.iter() {
        let part = slices[index as usize].0;
        sink.push(
            instant,
            part.values[row],
            part.flags[row],
            part.superseded[row],
        );
        if !(part.tickets.is_empty() && part.late.is_empty() && part.again.is_empty()) {
            sink.annotate(Annotations::of(part, row));
        }
    }
}

#[cfg(test)]
mod tests;
