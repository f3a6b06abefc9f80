//! The Parquet schema of readings, and its encoder.
//!
//! | column | type | encoding |
//! |---|---|---|
//! | `enterprise`, `meter` | UTF8 | dictionary |
//! | `quantity` | UTF8, `electricity` or `fly_ash.utilized` | dictionary |
//! | `kind` | UTF8, `register`, `interval`, `event` or `gauge` | dictionary |
//! | `instant` | TIMESTAMP(ms, UTC) | DELTA_BINARY_PACKED |
//! | `value` | DECIMAL(18,6) in INT64, in the medium's canonical unit | DELTA_BINARY_PACKED |
//! | `flag` | UTF8, HJ 212-2017 table 8 | dictionary |
//! | `superseded` | BOOLEAN | PLAIN |
//! | `ticket` | UTF8, nullable: an event's number, or `#2` … for its place in its message | dictionary |
//! | `late_received` | TIMESTAMP(ms, UTC), nullable: when a late reading was received | DELTA_BINARY_PACKED |
//! | `late_gateway` | UTF8, nullable: from which gateway | dictionary |
//!
//! A file has the last three columns only if one of its readings has them; in other files they read as null.
//!
//! `day` is the partition column and is in the path alone. A file is one row group sorted by series and
//! instant. It declares only the sorting columns that hold as texts: `quantity` is sorted by its code, so a
//! file whose meters have several quantities may declare enterprise and meter only.
//!
//! Pages of small files are stored uncompressed, because compressing bytes that fill less than a disk block
//! saves nothing; pages of large files are zstd. The footer holds park, day, kind, counts and rules. Its
//! `repeats` lists, by the first row of a series, how many of its readings were dropped as repeats; `again`
//! lists the rows of a hot file that may only have been sent again.

mod chunks;

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use bytes::Bytes;
use greenpark_model::{
    day::CivilDay,
    id::{EnterpriseId, ParkId},
    log_position::OffsetRange,
    reading::Flag,
};
use parquet::{
    data_type::ByteArray,
    file::{
        metadata::{
            ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter,
            RowGroupMetaData, SortingColumn,
        },
        statistics::Statistics,
        writer::TrackedWrite,
    },
    schema::{
        parser::parse_message_type,
        types::{SchemaDescPtr, SchemaDescriptor},
    },
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

use self::chunks::{ChunkWriter, Optional};
pub use crate::{
    error::{EncodeError, FileDecodeError},
    readings::decode::{Outline, decode_readings},
};
use crate::{
    readings::{
        file::FileKind,
        pages::{self, Run},
    },
    rows::ReadingRows,
};

/// The program that wrote the file.
const CREATED_BY: &str = concat!("greenpark-archive version ", env!("CARGO_PKG_VERSION"));
/// The rules that the rows follow; a rule that changes gets a new number.
const RULES: &str = "identity/2 merge/2 sort/2";

/// The columns of every file.
const USUAL: &str = "
    required binary enterprise (STRING);
    required binary meter (STRING);
    required binary quantity (STRING);
    required binary kind (STRING);
    required int64 instant (TIMESTAMP(MILLIS,true));
    required int64 value (DECIMAL(18,6));
    required binary flag (STRING);
    required boolean superseded;";
/// The column of files with tickets.
const TICKET: &str = "optional binary ticket (STRING);";
/// The columns of files with late readings.
const LATE: &str = "
    optional int64 late_received (TIMESTAMP(MILLIS,true));
    optional binary late_gateway (STRING);";
/// The names of the columns that few files have, as the table's schema has them.
pub(crate) const TICKET_COLUMNS: &[&str] = &["ticket"];
/// See [`TICKET_COLUMNS`].
pub(crate) const LATE_COLUMNS: &[&str] = &["late_received", "late_gateway"];

/// The schemas of files without and with tickets, and each without and with late readings.
static SCHEMAS: LazyLock<[SchemaDescPtr; 4]> = LazyLock::new(|| {
    [("", ""), ("", LATE), (TICKET, ""), (TICKET, LATE)].map(|(tickets, late)| {
        let message = format!("message readings {{ {USUAL} {tickets} {late} }}");
        let schema = parse_message_type(&message).expect("the message type is well-formed");
        Arc::new(SchemaDescriptor::new(Arc::new(schema)))
    })
});

/// The schema of the file of `rows`.
fn schema(rows: &ReadingRows) -> &'static SchemaDescPtr {
    let (tickets, late) = (!rows.tickets.is_empty(), !rows.late.is_empty());
    &SCHEMAS[usize::from(tickets) * 2 + usize::from(late)]
}

/// The contents of a file's footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The park.
    pub park: ParkId,
    /// The civil day of every reading.
    pub day: CivilDay,
    /// Hot or sealed.
    pub kind: FileKind,
    /// The partition, first offset and next offset of the records that the readings came from.
    pub offsets: Option<OffsetRange>,
}

/// A Parquet file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFile {
    /// The file.
    pub bytes: Bytes,
    /// Its digest, which is part of its name.
    pub sha256: [u8; 32],
    /// How many rows it holds.
    pub rows: u64,
    /// The first and last instant, in UTC milliseconds.
    pub instants: (i64, i64),
    /// The first and last enterprise.
    pub enterprises: (EnterpriseId, EnterpriseId),
    /// The columns beyond those of every file.
    pub more_columns: Vec<&'static str>,
}

impl EncodedFile {
    /// The file of `bytes`, whose digest and rows are given; `None` if it has no row.
    pub(crate) fn read(bytes: Bytes, sha256: [u8; 32], rows: &ReadingRows) -> Option<Self> {
        let (first, last) = (rows.keys.first()?, rows.keys.last()?);
        Some(Self {
            bytes,
            sha256,
            rows: rows.len() as u64,
            instants: extremes(&rows.instants),
            enterprises: (first.enterprise.clone(), last.enterprise.clone()),
            more_columns: more_columns(rows),
        })
    }
}

/// Encodes `rows` as a Parquet file. The same rows and facts give the same bytes.
///
/// # Errors
/// [`EncodeError`] if there is no row or the columns are inconsistent.
pub fn encode_readings(rows: &ReadingRows, facts: &FileFacts) -> Result<EncodedFile, EncodeError> {
    if rows.keys.is_empty() {
        return Err(EncodeError::Empty);
    }
    if rows.is_empty() || !rows.is_sound() {
        return Err(EncodeError::Columns);
    }
    let mut sink = TrackedWrite::new(Vec::with_capacity(2_048 + rows.len() * 3));
    let parquet = |source: parquet::errors::ParquetError| EncodeError::Parquet(source.into());
    std::io::Write::write_all(&mut sink, b"PAR1")
        .map_err(|source| EncodeError::Parquet(source.into()))?;
    let instants = extremes(&rows.instants);
    let schema = schema(rows);
    let chunks = write_chunks(rows, instants, &mut sink)?;
    let uncompressed = chunks
        .iter()
        .map(ColumnChunkMetaData::uncompressed_size)
        .sum();
    let group = RowGroupMetaData::builder(Arc::clone(schema))
        .set_num_rows(rows.len() as i64)
        .set_total_byte_size(uncompressed)
        .set_sorting_columns(Some(sorting(rows)))
        .set_file_offset(4)
        .set_ordinal(0)
        .set_column_metadata(chunks)
        .build()
        .map_err(parquet)?;
    let file = FileMetaData::new(
        2,
        rows.len() as i64,
        Some(CREATED_BY.to_owned()),
        Some(footer(rows, facts)),
        Arc::clone(schema),
        None,
    );
    let metadata = ParquetMetaData::new(file, vec![group]);
    ParquetMetaDataWriter::new_with_tracked(TrackedWrite::new(&mut sink), &metadata)
        .finish()
        .map_err(parquet)?;
    let bytes = Bytes::from(sink.into_inner().map_err(parquet)?);
    let sha256 = Sha256::digest(&bytes).into();
    EncodedFile::read(bytes, sha256, rows).ok_or(EncodeError::Empty)
}

fn more_columns(rows: &ReadingRows) -> Vec<&'static str> {
    let tickets = TICKET_COLUMNS.iter().filter(|_| !rows.tickets.is_empty());
    let late = LATE_COLUMNS.iter().filter(|_| !rows.late.is_empty());
    tickets.chain(late).copied().collect()
}

fn extremes(instants: &[i64]) -> (i64, i64) {
    let least = instants.iter().copied().min().unwrap_or(0);
    (least, instants.iter().copied().max().unwrap_or(0))
}

/// A dictionary column: its texts in order of first use, and its runs.
struct Texts {
    texts: Vec<String>,
    runs: Vec<Run>,
}

impl Texts {
    fn new<'a>(items: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut index: BTreeMap<&str, u32> = BTreeMap::new();
        let mut texts = Vec::new();
        let runs = pages::runs_of(items.map(|(text, length)| {
            let next = texts.len() as u32;
            let index = *index.entry(text).or_insert_with(|| {
                texts.push(text.to_owned());
                next
            });
            (index, length)
        }));
        Self { texts, runs }
    }

    fn statistics(&self, nulls: u64) -> Option<Statistics> {
        let bytes = |text: &String| ByteArray::from(text.as_str());
        let (least, most) = (self.texts.iter().min()?, self.texts.iter().max()?);
        Some(Statistics::byte_array(
            Some(bytes(least)),
            Some(bytes(most)),
            None,
            Some(nulls),
            false,
        ))
    }
}

fn write_chunks(
    rows: &ReadingRows,
    instants: (i64, i64),
    sink: &mut TrackedWrite<Vec<u8>>,
) -> Result<Vec<ColumnChunkMetaData>, EncodeError> {
    let lengths: Vec<u32> = rows.spans().map(|(_, span)| span.len() as u32).collect();
    let names: Vec<String> = rows
        .keys
        .iter()
        .map(|key| key.series.quantity.to_string())
        .collect();
    let keys = || rows.keys.iter().zip(lengths.iter().copied());
    let columns = [
        Texts::new(keys().map(|(key, length)| (key.enterprise.as_str(), length))),
        Texts::new(keys().map(|(key, length)| (key.series.meter.as_str(), length))),
        Texts::new(
            names
                .iter()
                .map(String::as_str)
                .zip(lengths.iter().copied()),
        ),
        Texts::new(keys().map(|(key, length)| (key.series.kind.as_str(), length))),
    ];
    let mut writer = ChunkWriter::new(schema(rows), rows.len(), sink);
    let mut chunks = Vec::with_capacity(11);
    for (column, texts) in columns.iter().enumerate() {
        chunks.push(writer.texts(column, texts)?);
    }
    let span = Statistics::int64(Some(instants.0), Some(instants.1), None, Some(0), false);
    chunks.push(writer.integers(4, &rows.instants, Some(span))?);
    chunks.push(writer.integers(5, &rows.values, None)?);
    chunks.push(writer.texts(6, &flags(&rows.flags)?)?);
    chunks.push(writer.booleans(7, &rows.superseded)?);
    if !rows.tickets.is_empty() {
        let at = Optional::new(rows.len(), rows.tickets.iter().map(|(row, _)| *row));
        let tickets = rows.tickets.iter();
        let texts = Texts::new(tickets.map(|(_, ticket)| (ticket.as_str(), 1)));
        chunks.push(writer.optional_texts(chunks.len(), &texts, &at)?);
    }
    if !rows.late.is_empty() {
        let at = Optional::new(rows.len(), rows.late.iter().map(|(row, _)| *row));
        let late = || rows.late.iter().map(|(_, late)| late);
        let received: Vec<i64> = late().map(|late| late.received.millis()).collect();
        chunks.push(writer.optional_integers(chunks.len(), &received, &at)?);
        let gateways = Texts::new(late().map(|late| (late.gateway.as_str(), 1)));
        chunks.push(writer.optional_texts(chunks.len(), &gateways, &at)?);
    }
    Ok(chunks)
}

fn flags(codes: &[u8]) -> Result<Texts, EncodeError> {
    let mut runs = Vec::new();
    for run in codes.chunk_by(|a, b| a == b) {
        let flag = Flag::from_code(run[0]).ok_or(EncodeError::Columns)?;
        runs.push((flag.as_str(), run.len() as u32));
    }
    Ok(Texts::new(runs.into_iter()))
}

/// The columns by which the rows are sorted as texts.
fn sorting(rows: &ReadingRows) -> Vec<SortingColumn> {
    let by_text = rows.keys.is_sorted_by_key(|key| {
        let series = &key.series;
        (
            &key.enterprise,
            &series.meter,
            series.quantity.to_string(),
            series.kind.as_str(),
        )
    });
    let columns = if by_text { 0..5 } else { 0..2 };
    columns
        .map(|column| SortingColumn {
            column_idx: column,
            descending: false,
            nulls_first: false,
        })
        .collect()
}

fn footer(rows: &ReadingRows, facts: &FileFacts) -> Vec<KeyValue> {
    let duplicates: u64 = rows.repeats.iter().map(|(_, many)| u64::from(*many)).sum();
    let conflicts = rows.superseded.iter().filter(|older| **older).count();
    let mut pairs = vec![
        ("park", facts.park.to_string()),
        ("day", facts.day.to_string()),
        ("readings", rows.len().to_string()),
        ("duplicates", duplicates.to_string()),
        ("conflicts", conflicts.to_string()),
        ("rules", RULES.to_owned()),
    ];
    match &facts.kind {
        FileKind::Hot { .. } => pairs.push(("state", "hot".to_owned())),
        FileKind::Sealed {
            enterprise,
            revision,
        } => {
            pairs.push(("state", "sealed".to_owned()));
            pairs.push(("enterprise", enterprise.to_string()));
            pairs.push(("revision", revision.to_string()));
        }
    }
    if let Some(OffsetRange {
        partition,
        first,
        next,
    }) = facts.offsets
    {
        pairs.push(("partition", partition.to_string()));
        pairs.push(("first_offset", first.to_string()));
        pairs.push(("next_offset", next.to_string()));
    }
    if !rows.repeats.is_empty() {
        pairs.push(("repeats", repeats(rows)));
    }
    if !rows.again.is_empty() {
        let again: Vec<String> = rows.again.iter().map(|(row, _)| row.to_string()).collect();
        pairs.push(("again", again.join(",")));
    }
    pairs
        .into_iter()
        .map(|(key, value)| KeyValue::new(format!("greenpark.{key}"), value))
        .collect()
}

/// `ROW:MANY,ROW:MANY`: the number of readings dropped as repeats, by the first row of their series.
fn repeats(rows: &ReadingRows) -> String {
    let mut text = String::new();
    for (key, many) in &rows.repeats {
        let row = rows.series.partition_point(|series| series < key);
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{row}:{many}").expect("a string takes all text");
    }
    text
}

#[cfg(test)]
mod tests;
