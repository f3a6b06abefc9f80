//! What one publish changes, and how a log entry says it.

use std::collections::BTreeMap;

use greenpark_model::day::{CivilDay, Instant};

use crate::{
    columns::EncodedFile,
    delta::{NewData, OldData},
    file::{FileKind, ReadingsFile},
    totals::{TotalsFile, TotalsRow},
    written::Commits,
};

/// A file to be published.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The civil day of its readings.
    pub day: CivilDay,
    /// What it is.
    pub kind: FileKind,
    /// Its content.
    pub encoded: EncodedFile,
}

/// A file that lies in the book's folder, durably, and of which no version of the book knows: only
/// [`Book::write_ahead`](crate::book::Book::write_ahead) can make one.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    pub(crate) day: CivilDay,
    pub(crate) kind: FileKind,
    pub(crate) data: NewData,
}

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

/// What one publish changes; readers see all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Files that join the book.
    pub add: Vec<NewFile>,
    /// Files that join it, too, and that were written before: what does not fit into memory at once is published at
    /// once.
    pub written: Vec<WrittenFile>,
    /// Files that leave it. Hot ones are deleted later; sealed ones stay on disk.
    pub remove: Vec<ReadingsFile>,
    /// Totals of the sealed files among `add`.
    pub totals: Vec<TotalsRow>,
    /// What was consumed. A book that has consumed more keeps its own mark.
    pub consumed: Option<Consumed>,
    /// How many commits the other tables of the partition have.
    pub commits_beside: Commits,
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

pub(crate) fn old_data(file: &ReadingsFile) -> OldData {
    OldData {
        path: file.path.clone(),
        day: Some(file.day.to_string()),
        size: file.size,
    }
}

pub(crate) fn old_totals(file: &TotalsFile) -> OldData {
    OldData {
        path: file.path.clone(),
        day: None,
        size: file.size,
    }
}

/// A file's entry, with what lets readers skip it: its count, its instants and its enterprises.
pub(crate) fn new_data(file: &NewFile) -> NewData {
    let encoded = &file.encoded;
    let ((from, to), (first, last)) = (encoded.instants, &encoded.enterprises);
    let stats = format!(
        "{{\"numRecords\":{},\"minValues\":{{\"enterprise\":\"{first}\",\"instant\":\"{}\"}},\
         \"maxValues\":{{\"enterprise\":\"{last}\",\"instant\":\"{}\"}},\
         \"nullCount\":{{\"enterprise\":0,\"instant\":0}}}}",
        encoded.rows,
        utc(from),
        utc(to),
    );
    NewData {
        path: file.kind.path(file.day, &encoded.sha256),
        day: Some(file.day.to_string()),
        size: encoded.bytes.len() as u64,
        stats,
        more_columns: encoded.more_columns.clone(),
    }
}

/// `2026-11-22T16:00:00.000Z`, as Delta statistics write instants.
fn utc(ms: i64) -> String {
    // A civil day of UTC is one of Shanghai's eight hours later.
    let shifted = Instant(ms - 8 * 3_600_000);
    let day = shifted.day();
    let ms = shifted.0 - day.start().0;
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!(
        "{day}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
        ms % 1_000
    )
}
