//! What one publish changes, and the log entry that records it.

use bytes::Bytes;
use greenpark_model::day::{CivilDay, Instant};
use sha2::{Digest as _, Sha256};

use crate::{
    delta::{NewData, OldData},
    error::FileDecodeError,
    readings::{
        columns::EncodedFile,
        decode::decode_readings,
        file::{FileKind, ReadingsFile},
    },
    tables::{
        consumed::Consumed,
        totals::{TotalsFile, TotalsRow},
        written::Commits,
    },
};

/// A file to be published.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The civil day of its readings.
    pub day: CivilDay,
    /// Hot or sealed.
    pub kind: FileKind,
    /// Its content.
    pub encoded: EncodedFile,
}

impl NewFile {
    /// A file that was published elsewhere, from its path within its table and its bytes.
    ///
    /// # Errors
    /// [`FileDecodeError`] if the path does not begin the digest of the bytes, or they are no readings of its day.
    pub fn read(path: &str, bytes: Bytes) -> Result<Self, FileDecodeError> {
        let named = ReadingsFile::parse(path, bytes.len() as u64, 0);
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let file = named.filter(|file| file.kind.path(file.day, &sha256) == path);
        let file = file.ok_or(FileDecodeError::Column("path"))?;
        let rows = decode_readings(bytes.clone())?;
        let is_of_day = |instant: &i64| Instant::from_millis(*instant).day() == file.day;
        if !rows.instants.iter().all(is_of_day) {
            return Err(FileDecodeError::Column("instant"));
        }
        let encoded =
            EncodedFile::read(bytes, sha256, &rows).ok_or(FileDecodeError::Column("enterprise"))?;
        Ok(Self {
            day: file.day,
            kind: file.kind,
            encoded,
        })
    }
}

/// A file that is durable in the book's folder and that no version of the book names yet. Only
/// [`Book::write_ahead`](crate::book::Book::write_ahead) creates one.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    pub(crate) day: CivilDay,
    pub(crate) kind: FileKind,
    pub(crate) data: NewData,
}

/// The change of one publish. Readers see all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Files to add to the book.
    pub add: Vec<NewFile>,
    /// Files to add that are written already, because they do not fit into memory together.
    pub written: Vec<WrittenFile>,
    /// Files to remove. Hot files are deleted later; sealed files stay on disk.
    pub remove: Vec<ReadingsFile>,
    /// Totals of the sealed files among `add`.
    pub totals: Vec<TotalsRow>,
    /// How far the log was consumed. A book that has consumed more keeps its own offset.
    pub consumed: Option<Consumed>,
    /// The number of commits of the other tables of the partition.
    pub commits_beside: Commits,
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

/// The log entry of a file, with the statistics by which readers skip it: its count, its instants and its
/// enterprises.
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
        sha256: matches!(file.kind, FileKind::Sealed { .. }).then_some(encoded.sha256),
    }
}

/// Formats an instant as `2026-11-22T16:00:00.000Z`, as Delta statistics write it.
fn utc(ms: i64) -> String {
    // A civil day of UTC is one of Shanghai's eight hours later.
    let shifted = Instant::from_millis(ms - 8 * 3_600_000);
    let day = shifted.day();
    let ms = shifted.millis() - day.start().millis();
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!(
        "{day}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
        ms % 1_000
    )
}
