//! Writes the column chunks of a readings file.

use std::ops::Range;

use parquet::{
    basic::{Compression, Encoding, PageType, ZstdLevel},
    column::page::{CompressedPage, Page, PageWriter as _},
    errors::ParquetError,
    file::{
        metadata::ColumnChunkMetaData,
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::SchemaDescPtr,
};

use super::Texts;
use crate::{
    error::EncodeError,
    readings::pages::{self, Run},
};

/// Rows to a data page: decoders hold one page of each column at a time.
const PAGE_ROWS: usize = 65_536;
/// Pages are compressed in files of at least this many rows.
const COMPRESS_ROWS_MIN: usize = 2_048;

/// The rows of a nullable column that have a value.
pub(super) struct Optional {
    rows: Vec<u32>,
    all: usize,
}

impl Optional {
    /// Of `all` rows, `rows` have a value; they ascend.
    pub(super) fn new(all: usize, rows: impl Iterator<Item = u32>) -> Self {
        Self {
            rows: rows.collect(),
            all,
        }
    }

    fn nulls(&self) -> u64 {
        (self.all - self.rows.len()) as u64
    }

    /// The places, among the values, of the rows in `range`.
    fn values(&self, range: &Range<usize>) -> Range<usize> {
        let before = |end: usize| self.rows.partition_point(|&row| (row as usize) < end);
        before(range.start)..before(range.end)
    }

    /// The definition levels of `range`, with which a data page begins.
    fn levels(&self, range: &Range<usize>) -> Vec<u8> {
        let mut runs: Vec<Run> = Vec::new();
        let mut next = range.start;
        // OK because a page has at most PAGE_ROWS rows.
        let mut run = |from: usize, to: usize, index: u32| {
            if from < to {
                let length = (to - from) as u32;
                match runs.last_mut() {
                    Some(last) if last.index == index => last.length += length,
                    _ => runs.push(Run { length, index }),
                }
            }
        };
        for &row in &self.rows[self.values(range)] {
            let row = row as usize;
            run(next, row, 0);
            run(row, row + 1, 1);
            next = row + 1;
        }
        run(next, range.end, 0);
        pages::levels(&runs)
    }
}

/// Writes column chunks one after the other.
pub(super) struct ChunkWriter<'a> {
    schema: &'a SchemaDescPtr,
    sink: &'a mut TrackedWrite<Vec<u8>>,
    rows: usize,
    compress: bool,
}

impl<'a> ChunkWriter<'a> {
    pub(super) fn new(
        schema: &'a SchemaDescPtr,
        rows: usize,
        sink: &'a mut TrackedWrite<Vec<u8>>,
    ) -> Self {
        Self {
            schema,
            sink,
            rows,
            compress: rows >= COMPRESS_ROWS_MIN,
        }
    }

    pub(super) fn texts(
        &mut self,
        column: usize,
        texts: &Texts,
    ) -> Result<ColumnChunkMetaData, EncodeError> {
        let body = |range: Range<usize>| {
            pages::indices(&pages::cut(&texts.runs, range), texts.texts.len())
        };
        let chunk = Chunk {
            column,
            encoding: Encoding::RLE_DICTIONARY,
            dictionary: Some(dictionary(texts)),
            statistics: texts.statistics(0),
        };
        self.chunk(chunk, body)
    }

    /// A nullable column of texts: `texts` are those of the rows that have one.
    pub(super) fn optional_texts(
        &mut self,
        column: usize,
        texts: &Texts,
        at: &Optional,
    ) -> Result<ColumnChunkMetaData, EncodeError> {
        let body = |range: Range<usize>| {
            let mut body = at.levels(&range);
            let runs = pages::cut(&texts.runs, at.values(&range));
            body.extend(pages::indices(&runs, texts.texts.len()));
            body
        };
        let chunk = Chunk {
            column,
            encoding: Encoding::RLE_DICTIONARY,
            dictionary: Some(dictionary(texts)),
            statistics: texts.statistics(at.nulls()),
        };
        self.chunk(chunk, body)
    }

    /// A nullable column of integers: `values` are those of the rows that have one.
    pub(super) fn optional_integers(
        &mut self,
        column: usize,
        values: &[i64],
        at: &Optional,
    ) -> Result<ColumnChunkMetaData, EncodeError> {
        let chunk = Chunk {
            column,
            encoding: Encoding::DELTA_BINARY_PACKED,
            dictionary: None,
            statistics: None,
        };
        self.chunk(chunk, |range| {
            let mut body = at.levels(&range);
            body.extend(pages::deltas(&values[at.values(&range)]));
            body
        })
    }

    pub(super) fn integers(
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

    pub(super) fn booleans(
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
        let parquet = |source: ParquetError| EncodeError::Parquet(source.into());
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
        let mut builder = ColumnChunkMetaData::builder(self.schema.column(column))
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

/// The description of a column chunk, without its data pages.
struct Chunk {
    column: usize,
    encoding: Encoding,
    dictionary: Option<Page>,
    statistics: Option<Statistics>,
}

fn dictionary(texts: &Texts) -> Page {
    Page::DictionaryPage {
        buf: pages::dictionary(texts.texts.iter().map(String::as_str)).into(),
        num_values: texts.texts.len() as u32,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    }
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
