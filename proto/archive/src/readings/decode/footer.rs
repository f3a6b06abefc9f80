//! Opens a readings file: its columns, and the facts in its footer.

use std::{
    ops::Range,
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    },
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};

use super::parquet as failed;
use crate::{
    error::FileDecodeError,
    rows::{Again, ReadingRows},
};

/// The columns of every file.
const USUAL_COLUMNS: usize = 8;

fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("enterprise", text(), false),
        Field::new("meter", text(), false),
        Field::new("quantity", text(), false),
        Field::new("kind", text(), false),
        Field::new("instant", instant(), false),
        Field::new("value", DataType::Decimal128(18, 6), false),
        Field::new("flag", text(), false),
        Field::new("superseded", DataType::Boolean, false),
    ]))
});

/// Opens a file.
pub(super) fn open(
    bytes: Bytes,
) -> Result<ParquetRecordBatchReaderBuilder<Bytes>, FileDecodeError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes);
    let metadata = metadata.map_err(failed)?;
    let options = ArrowReaderOptions::new().with_schema(schema_of(&metadata));
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(failed)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(
        bytes, metadata,
    ))
}

/// The Arrow schema by which a file is read.
fn schema_of(metadata: &ParquetMetaData) -> SchemaRef {
    let columns = metadata.file_metadata().schema_descr().root_schema();
    let columns = columns.get_fields();
    if columns.len() <= USUAL_COLUMNS {
        return Arc::clone(&SCHEMA);
    }
    let more = columns[USUAL_COLUMNS..].iter().map(|column| {
        let kind = match column.name() {
            "late_received" => instant(),
            _ => text(),
        };
        Arc::new(Field::new(column.name(), kind, true))
    });
    let usual = SCHEMA.fields().iter().map(Arc::clone);
    Arc::new(Schema::new(usual.chain(more).collect::<Vec<_>>()))
}

/// The facts in a file's footer about its rows.
#[derive(Debug, Default)]
pub(super) struct Footer {
    /// How far into the log they reach.
    pub(super) until: u64,
    /// How many readings were dropped as repeats, by the first row of their series.
    repeats: Vec<(usize, u32)>,
    /// The rows that may only have been sent again.
    again: Vec<usize>,
}

impl Footer {
    pub(super) fn read(metadata: &ParquetMetaData) -> Self {
        let pairs = metadata.file_metadata().key_value_metadata();
        let value = |name: &str| {
            let pair = pairs?.iter().find(|pair| pair.key == name)?;
            pair.value.as_deref()
        };
        let list = |name: &str| value(name).unwrap_or_default().split(',');
        let repeats = list("greenpark.repeats").filter_map(|pair| {
            let (row, many) = pair.split_once(':')?;
            Some((row.parse().ok()?, many.parse().ok()?))
        });
        let until = value("greenpark.next_offset").and_then(|text| text.parse().ok());
        Self {
            until: until.unwrap_or(0),
            repeats: repeats.collect(),
            again: list("greenpark.again")
                .filter_map(|row| row.parse().ok())
                .collect(),
        }
    }

    /// Adds the facts of the footer to `rows`, which are those of the file in `range`. A file that another
    /// program made has other rows, and a footer without these facts.
    pub(super) fn apply(self, range: Range<usize>, rows: &mut ReadingRows) {
        for (row, many) in self.repeats {
            if range.contains(&row) {
                rows.repeats.push((rows.series[row - range.start], many));
            }
        }
        let again = self.again.into_iter().filter(|row| range.contains(row));
        // OK because a file has fewer rows than 2^32.
        rows.again
            .extend(again.map(|row| ((row - range.start) as u32, Again)));
    }
}
