//! Reads the sealed files of a lake, the totals in force and the known messages.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bytes::Bytes;
use greenpark_archive::{
    columns::{FileFacts, decode_readings, encode_readings},
    file::FileKind,
    lake::Lake,
    rows::ReadingRows,
    totals::{TotalsRow, decode_totals},
};
use greenpark_model::{day::CivilDay, id::ParkId, log_position::Partition, numbers::Numbers};
use greenpark_runtime::clock;

/// Bytes at the end of a Parquet file: the length of the footer and the magic.
const TAIL: usize = 8;

/// A sealed day of an enterprise.
#[derive(Debug)]
pub struct SealedDay {
    /// The revision.
    pub revision: u32,
    /// The rows.
    pub rows: ReadingRows,
    /// All bytes before the footer: the magic and the column chunks.
    chunks: Bytes,
}

impl SealedDay {
    /// All bytes before the footer of the file. If the file marks late readings, the bytes of the same file without
    /// the marks, or `None` if it cannot be encoded.
    #[must_use]
    pub fn chunks(&self) -> Option<Bytes> {
        if self.rows.late.is_empty() {
            return Some(self.chunks.clone());
        }
        let rows = ReadingRows {
            late: Vec::new(),
            ..self.rows.clone()
        };
        let facts = FileFacts {
            park: ParkId::new("any").ok()?,
            day: CivilDay::from_epoch_days(0),
            kind: FileKind::Hot {
                partition: Partition::FIRST,
                offset: 0,
            },
            offsets: None,
        };
        before_footer(&encode_readings(&rows, &facts).ok()?.bytes)
    }
}

/// The content of a lake in force.
#[derive(Debug, Default)]
pub struct Books {
    /// Sealed days by enterprise and day.
    pub sealed: BTreeMap<(String, CivilDay), SealedDay>,
    /// The totals in force.
    pub totals: Vec<TotalsRow>,
    /// The messages that the lake knows, by gateway and epoch.
    pub messages: BTreeMap<(String, u64), Numbers>,
}

/// Counts the hot files and the rows of a lake.
///
/// # Errors
/// The lake cannot be read.
pub async fn progress(lake: &Lake) -> anyhow::Result<(usize, u64)> {
    let (mut hot, mut rows) = (0, 0);
    for park in lake.parks().await? {
        for year in lake.years(&park).await? {
            if let Some(snapshot) = lake.snapshot(&park, year).await? {
                hot += snapshot.files.iter().filter(|file| file.is_hot()).count();
                rows += snapshot.files.iter().map(|file| file.rows).sum::<u64>();
            }
        }
    }
    Ok((hot, rows))
}

/// Reads the content of a lake in force.
///
/// # Errors
/// A file cannot be read, or it is not in the format of the lake.
pub async fn read(root: &str) -> anyhow::Result<Books> {
    let lake = Lake::open(root, clock::system()).await?;
    let mut books = Books::default();
    for park in lake.parks().await? {
        for (of, _, numbers) in lake.messages(&park).read().await?.iter() {
            let key = (of.gateway.to_string(), of.epoch);
            books.messages.entry(key).or_default().join(numbers);
        }
        for year in lake.years(&park).await? {
            let Some(snapshot) = lake.snapshot(&park, year).await? else {
                continue;
            };
            for file in &snapshot.files {
                let Some((enterprise, revision)) = file.sealed() else {
                    continue;
                };
                let path = format!("{}/{}", snapshot.readings_root(), file.path);
                let bytes = lake.bytes_of(&path).await?.with_context(|| path.clone())?;
                let day = SealedDay {
                    revision,
                    rows: decode_readings(bytes.clone())?,
                    chunks: before_footer(&bytes).with_context(|| path)?,
                };
                books.sealed.insert((enterprise.to_string(), file.day), day);
            }
            for file in &snapshot.totals_files {
                let path = format!("{}/{}", snapshot.totals_root(), file.path);
                let bytes = lake.bytes_of(&path).await?.with_context(|| path)?;
                let rows = decode_totals(bytes)?;
                books.totals.extend(rows.into_iter().filter(|row| {
                    let revision = snapshot.sealed_revision(row.day, &row.enterprise);
                    revision == Some(row.revision)
                }));
            }
        }
    }
    Ok(books)
}

fn before_footer(bytes: &Bytes) -> Option<Bytes> {
    let tail = bytes.len().checked_sub(TAIL)?;
    let length = bytes.get(tail..tail + 4)?.try_into().ok()?;
    let end = tail.checked_sub(u32::from_le_bytes(length) as usize)?;
    Some(bytes.slice(..end))
}
