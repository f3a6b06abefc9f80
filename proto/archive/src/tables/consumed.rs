//! How far the log has been consumed into a table, as its Delta transaction identifiers record it.

use std::collections::BTreeMap;

use greenpark_model::day::Instant;

/// How far a partition of the log has been consumed into a book, and of which log. Offsets are those of the lake:
/// an offset of the log and `shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumed {
    /// The partition.
    pub partition: u32,
    /// The first offset that was not consumed.
    pub next_offset: u64,
    /// Everything before this offset was in the lake when the change was made, whatever book it belongs to; `None`
    /// in a book of before this was kept.
    pub since: Option<u64>,
    /// The fingerprint of the record before `next_offset`, by which the log is known again.
    pub last: Option<u64>,
    /// When the newest record was taken by its log that the book had consumed; `None` in one of before this was kept.
    pub taken: Option<Instant>,
    /// What is added to an offset of the log: where the lake had got to when it adopted this log.
    pub shift: u64,
    /// The same of the logs before this one. What this log took no later, it holds as a copy of one of them.
    pub copies_until: Option<Instant>,
}

impl Consumed {
    /// Consumed up to `next_offset`, and nothing else is known.
    #[must_use]
    pub const fn up_to(partition: u32, next_offset: u64) -> Self {
        Self {
            partition,
            next_offset,
            since: None,
            last: None,
            taken: None,
            shift: 0,
            copies_until: None,
        }
    }
}

pub(crate) fn partition_mark(partition: u32) -> String {
    format!("greenpark.p{partition}")
}

/// The marks that stand beside [`partition_mark`].
fn since_mark(partition: u32) -> String {
    format!("greenpark.since.p{partition}")
}

fn last_mark(partition: u32) -> String {
    format!("greenpark.last.p{partition}")
}

fn taken_mark(partition: u32) -> String {
    format!("greenpark.taken.p{partition}")
}

fn shift_mark(partition: u32) -> String {
    format!("greenpark.shift.p{partition}")
}

fn copies_mark(partition: u32) -> String {
    format!("greenpark.copies.p{partition}")
}

/// The partition whose mark has this name, if it is one.
pub(crate) fn partition_of_mark(name: &str) -> Option<u32> {
    name.strip_prefix("greenpark.p")?.parse().ok()
}

/// What the marks of a book say of each partition.
pub(crate) fn consumed_of(marks: &BTreeMap<String, i64>) -> Vec<Consumed> {
    let number = |name: &str| marks.get(name).and_then(|mark| u64::try_from(*mark).ok());
    let instant = |name: &str| marks.get(name).map(|mark| Instant(*mark));
    let each = marks.keys().filter_map(|name| {
        let partition = partition_of_mark(name)?;
        Some(Consumed {
            partition,
            next_offset: number(name)?,
            since: number(&since_mark(partition)),
            last: number(&last_mark(partition)),
            taken: instant(&taken_mark(partition)),
            shift: number(&shift_mark(partition)).unwrap_or(0),
            copies_until: instant(&copies_mark(partition)),
        })
    });
    each.collect()
}

/// A mark that says a number.
pub(crate) fn mark_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The marks that say `new` in a book which says `known`. What a book has it has: after a kill the log is read again
/// from before its mark, and the mark never goes back, for it says behind which files new rows stand.
pub(crate) fn marks_of(new: Consumed, known: Option<Consumed>) -> Vec<(String, i64)> {
    let partition = new.partition;
    let mut marks = Vec::with_capacity(6);
    if known.is_none_or(|known| known.next_offset <= new.next_offset) {
        marks.push((partition_mark(partition), mark_of(new.next_offset)));
        if new.last.is_some() || known.is_some_and(|known| known.last.is_some()) {
            // A number below zero is none.
            marks.push((last_mark(partition), new.last.map_or(-1, mark_of)));
        }
        let taken = new.taken.max(known.and_then(|known| known.taken));
        marks.extend(taken.map(|at| (taken_mark(partition), at.0)));
    }
    if let Some(since) = new.since.max(known.and_then(|known| known.since)) {
        marks.push((since_mark(partition), mark_of(since)));
    }
    if new.shift > 0 {
        marks.push((shift_mark(partition), mark_of(new.shift)));
    }
    if let Some(at) = new
        .copies_until
        .max(known.and_then(|known| known.copies_until))
    {
        marks.push((copies_mark(partition), at.0));
    }
    marks
}
