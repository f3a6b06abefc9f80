//! Encodes records of the access log as a Parquet file, and decodes it.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch,
        TimestampMillisecondArray,
    },
    datatypes::{Int32Type, Int64Type, SchemaRef, TimestampMillisecondType},
};
use bytes::Bytes;
use greenpark_model::day::Instant;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{AccessEvent, AccessRecord};
use crate::{
    delta::{Null, Past, Shape},
    error::{EncodeError, FileDecodeError},
    tables::tabular,
};

/// Columns of the table: a row is an event.
pub(super) static SHAPE: Shape = Shape {
    columns: &[
        ("at", "timestamp", Null::Never),
        ("event", "string", Null::Never),
        ("request_id", "string", Null::Never),
        ("caller", "string", Null::Never),
        ("source", "string", Null::Never),
        ("method", "string", Null::Never),
        ("scope_asked", "string", Null::Never),
        ("decision", "string", Null::Never),
        ("determined_by", "string", Null::Never),
        ("requests", "long", Null::Never),
        ("rows", "long", Null::Allowed),
        ("bytes", "long", Null::Allowed),
        ("extract_sha256", "string", Null::Allowed),
        ("versions", "string", Null::Never),
    ],
    partition: &[],
    past: Past::Dropped,
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| tabular::schema_of(&SHAPE));

/// Encodes `records` as a Parquet file.
///
/// # Errors
/// [`EncodeError`] if there are none.
pub(super) fn encode(records: &[AccessRecord]) -> Result<Bytes, EncodeError> {
    if records.is_empty() {
        return Err(EncodeError::Empty);
    }
    let texts = |of: &dyn Fn(&AccessRecord) -> Option<&str>| -> ArrayRef {
        let array: DictionaryArray<Int32Type> = records.iter().map(of).collect();
        Arc::new(array)
    };
    let longs = |of: &dyn Fn(&AccessRecord) -> Option<u64>| -> ArrayRef {
        let long = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let array: Int64Array = records.iter().map(|record| of(record).map(long)).collect();
        Arc::new(array)
    };
    let instants = records.iter().map(|record| record.at.millis());
    let instants = TimestampMillisecondArray::from_iter_values(instants);
    let columns = vec![
        Arc::new(instants.with_timezone("UTC")) as ArrayRef,
        texts(&|r| Some(r.event.as_str())),
        texts(&|r| Some(&r.request_id)),
        texts(&|r| Some(&r.caller)),
        texts(&|r| Some(&r.source)),
        texts(&|r| Some(&r.method)),
        texts(&|r| Some(&r.scope_asked)),
        texts(&|r| Some(&r.decision)),
        texts(&|r| Some(&r.determined_by)),
        longs(&|r| Some(r.requests)),
        longs(&|r| r.rows),
        longs(&|r| r.bytes),
        texts(&|r| r.extract_sha256.as_deref()),
        texts(&|r| Some(&r.versions)),
    ];
    tabular::write(&SCHEMA, columns)
}

/// Decodes the records of a file.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub(super) fn decode(bytes: Bytes) -> Result<Vec<AccessRecord>, FileDecodeError> {
    let parquet = |source: parquet::errors::ParquetError| FileDecodeError::Parquet(source.into());
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&SCHEMA));
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(parquet)?;
    let mut records = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|source| FileDecodeError::Parquet(source.into()))?;
        decode_batch(&batch, &mut records)?;
    }
    Ok(records)
}

fn decode_batch(batch: &RecordBatch, to: &mut Vec<AccessRecord>) -> Result<(), FileDecodeError> {
    let instants = column(batch, "at")?.as_primitive_opt::<TimestampMillisecondType>();
    let instants = instants.ok_or(FileDecodeError::Column("at"))?;
    let events = Texts::of(batch, "event")?;
    let [request_ids, callers, sources, methods] =
        ["request_id", "caller", "source", "method"].map(|name| Texts::of(batch, name));
    let (request_ids, callers, sources, methods) = (request_ids?, callers?, sources?, methods?);
    let [asked, decisions, grants, versions] =
        ["scope_asked", "decision", "determined_by", "versions"].map(|name| Texts::of(batch, name));
    let (asked, decisions, grants, versions) = (asked?, decisions?, grants?, versions?);
    let digests = Texts::of(batch, "extract_sha256")?;
    let [requests, rows, bytes] =
        ["requests", "rows", "bytes"].map(|name| -> Result<&Int64Array, FileDecodeError> {
            let array = column(batch, name)?.as_primitive_opt::<Int64Type>();
            array.ok_or(FileDecodeError::Column(name))
        });
    let (requests, rows, bytes) = (requests?, rows?, bytes?);
    for row in 0..batch.num_rows() {
        let event = events.get(row)?;
        to.push(AccessRecord {
            at: Instant::from_millis(instants.value(row)),
            event: event
                .parse::<AccessEvent>()
                .map_err(|_| FileDecodeError::Value {
                    column: "event",
                    text: event.to_string(),
                })?,
            request_id: request_ids.get(row)?,
            caller: callers.get(row)?,
            source: sources.get(row)?,
            method: methods.get(row)?,
            scope_asked: asked.get(row)?,
            decision: decisions.get(row)?,
            determined_by: grants.get(row)?,
            requests: count(requests, row).unwrap_or(0),
            rows: count(rows, row),
            bytes: count(bytes, row),
            extract_sha256: digests.get(row).ok(),
            versions: versions.get(row)?,
        });
    }
    Ok(())
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, FileDecodeError> {
    let column = batch.column_by_name(name);
    column.ok_or(FileDecodeError::Column(name))
}

fn count(array: &Int64Array, row: usize) -> Option<u64> {
    let value = (!array.is_null(row)).then(|| array.value(row));
    value.and_then(|value| u64::try_from(value).ok())
}

/// A column of texts: each text of its dictionary is made once.
struct Texts<'a> {
    name: &'static str,
    texts: Vec<Arc<str>>,
    array: &'a DictionaryArray<Int32Type>,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Self, FileDecodeError> {
        let array = column(batch, name)?.as_dictionary_opt::<Int32Type>();
        let array = array.ok_or(FileDecodeError::Column(name))?;
        let texts = array.values().as_string_opt::<i32>();
        let texts = texts.ok_or(FileDecodeError::Column(name))?;
        Ok(Self {
            name,
            texts: texts.iter().map(|text| text.unwrap_or("").into()).collect(),
            array,
        })
    }

    fn get(&self, row: usize) -> Result<Arc<str>, FileDecodeError> {
        let key = self.array.key(row);
        let text = key.and_then(|key| self.texts.get(key));
        text.cloned().ok_or(FileDecodeError::Column(self.name))
    }
}
