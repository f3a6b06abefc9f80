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
//!
//! `day` is the partition column and is in the path alone. A file is one row group sorted by series and
//! instant; the sorting columns it declares are the ones that hold as texts: `quantity` is sorted by
//! its code, so a file whose meters have several quantities may declare enterprise and meter only.
//!
//! Pages of small files are stored as they are, for compressing bytes that fill less than a disk block
//! saves nothing; large ones are zstd. The footer names park, day, kind, counts and rules.

use std::{collections::BTreeMap, ops::Range, sync::LazyLock};

use bytes::Bytes;
use greenpark_model::{
    day::CivilDay,
    id::{EnterpriseId, ParkId},
    reading::Flag,
};
use parquet::{
    basic::{Compression, Encoding, PageType, ZstdLevel},
    column::page::{CompressedPage, Page, PageWriter as _},
    data_type::ByteArray,
    file::{
        metadata::{
            ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter,
            RowGroupMetaData, SortingColumn,
        },
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::{
        parser::parse_message_type,
        types::{SchemaDescPtr, SchemaDescriptor},
    },
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

pub use crate::{
    decode::{Outline, decode_readings},
    error::{DecodeError, EncodeError},
};
use crate::{
    file::FileKind,
    pages::{self, Run},
    rows::Rows,
};

/// Rows to a data page: decoders hold one page of each column at a time.
const PAGE_ROWS: usize = 65_536;
/// From this many rows on, pages are compressed.
const COMPRESS_ROWS_MIN: usize = 2_048;
/// What wrote the file.
const CREATED_BY: &str = concat!("greenpark-archive version ", env!("CARGO_PKG_VERSION"));
/// The rules that the rows obey; a rule that changes gets a new number.
const RULES: &str = "identity/1 merge/1 sort/1";

static SCHEMA: LazyLock<SchemaDescPtr> = LazyLock::new(|| {
    let message = "message readings {
        required binary enterprise (STRING);
        required binary meter (STRING);
        required binary quantity (STRING);
        required binary kind (STRING);
        required int64 instant (TIMESTAMP(MILLIS,true));
        required int64 value (DECIMAL(18,6));
        required binary flag (STRING);
        required boolean superseded;
    }";
    let schema = parse_message_type(message).expect("the message type is well-formed");
    Arc::new(SchemaDescriptor::new(Arc::new(schema)))
});

/// What a file says of itself in its footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The park.
    pub park: ParkId,
    /// The civil day of every reading.
    pub day: CivilDay,
    /// Hot or sealed.
    pub kind: FileKind,
    /// The partition, first offset and next offset of the records that the readings came from.
    pub offsets: Option<(u32, u64, u64)>,
    /// Readings that were dropped as duplicates on the way here.
    pub duplicates: u64,
    /// Readings that are superseded.
    pub conflicts: u64,
}

/// A Parquet file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFile {
    /// The file.
    pub bytes: Bytes,
    /// Its digest, which names it.
    pub sha256: [u8; 32],
    /// How many rows it holds.
    pub rows: u64,
    /// The first and last instant, in UTC milliseconds.
    pub instants: (i64, i64),
    /// The first and last enterprise.
    pub enterprises: (EnterpriseId, EnterpriseId),
}

/// Makes a Parquet file of `rows`. The same rows and facts give the same bytes.
///
/// # Errors
/// [`EncodeError`] if there is no row or the columns are unsound.
pub fn encode_readings(rows: &Rows, facts: &FileFacts) -> Result<EncodedFile, EncodeError> {
    let (Some(first), Some(last)) = (rows.keys.first(), rows.keys.last()) else {
        return Err(EncodeError::Empty);
    };
    if rows.is_empty() || !rows.is_sound() {
        return Err(EncodeError::Columns);
    }
    let mut sink = TrackedWrite::new(Vec::with_capacity(2_048 + rows.len() * 3));
    let parquet = |source: parquet::errors::ParquetError| EncodeError::Parquet(source.into());
    std::io::Write::write_all(&mut sink, b"PAR1")
        .map_err(|source| EncodeError::Parquet(source.into()))?;
    let instants = extremes(&rows.instants);
    let chunks = write_chunks(rows, instants, &mut sink)?;
    let uncompressed = chunks
        .iter()
        .map(ColumnChunkMetaData::uncompressed_size)
        .sum();
    let group = RowGroupMetaData::builder(Arc::clone(&SCHEMA))
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
        Arc::clone(&SCHEMA),
        None,
    );
    let metadata = ParquetMetaData::new(file, vec![group]);
    ParquetMetaDataWriter::new_with_tracked(TrackedWrite::new(&mut sink), &metadata)
        .finish()
        .map_err(parquet)?;
    let bytes = Bytes::from(sink.into_inner().map_err(parquet)?);
    let sha256 = Sha256::digest(&bytes).into();
    let enterprises = (first.enterprise.clone(), last.enterprise.clone());
    Ok(EncodedFile {
        bytes,
        sha256,
        rows: rows.len() as u64,
        instants,
        enterprises,
    })
}

fn extremes(instants: &[i64]) -> (i64, i64) {
    let least = instants.iter().copied().min().unwrap_or(0);
    (least, instants.iter().copied().max().unwrap_or(0))
}

/// One dictionary column: its texts in order of first use and its runs.
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

    fn statistics(&self) -> Option<Statistics> {
        let bytes = |text: &String| ByteArray::from(text.as_str());
        let (least, most) = (self.texts.iter().min()?, self.texts.iter().max()?);
        Some(Statistics::byte_array(
            Some(bytes(least)),
            Some(bytes(most)),
            None,
            Some(0),
            false,
        ))
    }
}

fn write_chunks(
    rows: &Rows,
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
    let mut writer = ChunkWriter {
        sink,
        rows: rows.len(),
        compress: rows.len() >= COMPRESS_ROWS_MIN,
    };
    let mut chunks = Vec::with_capacity(8);
    for (column, texts) in columns.iter().enumerate() {
        chunks.push(writer.texts(column, texts)?);
    }
    let span = Statistics::int64(Some(instants.0), Some(instants.1), None, Some(0), false);
    chunks.push(writer.integers(4, &rows.instants, Some(span))?);
    chunks.push(writer.integers(5, &rows.values, None)?);
    chunks.push(writer.texts(6, &flags(&rows.flags)?)?);
    chunks.push(writer.booleans(7, &rows.superseded)?);
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

/// Writes column chunks one after the other.
struct ChunkWriter<'a> {
    sink: &'a mut TrackedWrite<Vec<u8>>,
    rows: usize,
    compress: bool,
}

impl ChunkWriter<'_> {
    fn texts(&mut self, column: usize, texts: &Texts) -> Result<ColumnChunkMetaData, EncodeError> {
        let dictionary = Page::DictionaryPage {
            buf: pages::dictionary(texts.texts.iter().map(String::as_str)).into(),
            num_values: texts.texts.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let body = |range: Range<usize>| {
            pages::indices(&pages::cut(&texts.runs, range), texts.texts.len())
        };
        let chunk = Chunk {
            column,
            encoding: Encoding::RLE_DICTIONARY,
            dictionary: Some(dictionary),
            statistics: texts.statistics(),
        };
        self.chunk(chunk, body)
    }

    fn integers(
        &mut self,
        column: usize,
        values: &[i64],
        statistics: Option<Statistics>,
    ) -> Result<ColumnChunkMetaData, EncodeError> {
        let encoding = Encoding::DELTA_BINARY_PACKED;
        let chunk = Chunk {
            column,
            encoding,
            dictionary: None,
            statistics,
        };
        self.chunk(chunk, |range| pages::deltas(&values[range]))
    }

    fn booleans(
        &mut self,
        column: usize,
        values: &[bool],
    ) -> Result<ColumnChunkMetaData, EncodeError> {
        let chunk = Chunk {
            column,
            encoding: Encoding::PLAIN,
            dictionary: None,
            statistics: None,
        };
        self.chunk(chunk, |range| pages::booleans(&values[range]))
    }

    fn chunk(
        &mut self,
        chunk: Chunk,
        body: impl Fn(Range<usize>) -> Vec<u8>,
    ) -> Result<ColumnChunkMetaData, EncodeError> {
        let Chunk {
            column,
            encoding,
            dictionary,
            statistics,
        } = chunk;
        let parquet = |source: parquet::errors::ParquetError| EncodeError::Parquet(source.into());
        let (mut sizes, mut first_data) = ((0, 0), None);
        let start = self.sink.bytes_written() as i64;
        let dictionary_at = dictionary.is_some().then_some(start);
        let data = (0..self.rows).step_by(PAGE_ROWS).map(|from| {
            let range = from..self.rows.min(from + PAGE_ROWS);
            let num_values = range.len() as u32;
            Page::DataPage {
                buf: body(range).into(),
                num_values,
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            }
        });
        for page in dictionary.into_iter().chain(data) {
            let page = if self.compress {
                compressed(page)?
            } else {
                stored(page)
            };
            let spec = SerializedPageWriter::new(self.sink)
                .write_page(page)
                .map_err(parquet)?;
            sizes.0 += spec.compressed_size as i64;
            sizes.1 += spec.uncompressed_size as i64;
            if spec.page_type != PageType::DICTIONARY_PAGE {
                first_data.get_or_insert(spec.offset as i64);
            }
        }
        let mut encodings = vec![encoding];
        encodings.extend(dictionary_at.map(|_| Encoding::PLAIN));
        let codec = if self.compress {
            zstd()
        } else {
            Compression::UNCOMPRESSED
        };
        let mut builder = ColumnChunkMetaData::builder(SCHEMA.column(column))
            .set_compression(codec)
            .set_encodings(encodings)
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(sizes.0)
            .set_total_uncompressed_size(sizes.1)
            .set_dictionary_page_offset(dictionary_at)
            .set_data_page_offset(first_data.unwrap_or(start));
        if let Some(statistics) = statistics {
            builder = builder.set_statistics(statistics);
        }
        builder.build().map_err(parquet)
    }
}

/// What a column chunk is besides its data pages.
struct Chunk {
    column: usize,
    encoding: Encoding,
    dictionary: Option<Page>,
    statistics: Option<Statistics>,
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

fn stored(page: Page) -> CompressedPage {
    let size = page.buffer().len();
    CompressedPage::new(page, size)
}

fn compressed(mut page: Page) -> Result<CompressedPage, EncodeError> {
    let (Page::DataPage { buf, .. }
    | Page::DataPageV2 { buf, .. }
    | Page::DictionaryPage { buf, .. }) = &mut page;
    let size = buf.len();
    *buf = pages::compress(buf)
        .map_err(|source| EncodeError::Parquet(source.into()))?
        .into();
    Ok(CompressedPage::new(page, size))
}

/// The columns by which the rows are sorted as texts.
fn sorting(rows: &Rows) -> Vec<SortingColumn> {
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

fn footer(rows: &Rows, facts: &FileFacts) -> Vec<KeyValue> {
    let mut pairs = vec![
        ("park", facts.park.to_string()),
        ("day", facts.day.to_string()),
        ("readings", rows.len().to_string()),
        ("duplicates", facts.duplicates.to_string()),
        ("conflicts", facts.conflicts.to_string()),
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
    if let Some((partition, first, next)) = facts.offsets {
        pairs.push(("partition", partition.to_string()));
        pairs.push(("first_offset", first.to_string()));
        pairs.push(("next_offset", next.to_string()));
    }
    pairs
        .into_iter()
        .map(|(key, value)| KeyValue::new(format!("greenpark.{key}"), value))
        .collect()
}

#[cfg(test)]
mod tests;
