//! Encodes a month's messages as a Parquet file, and decodes it.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, AsArray, Date32Array, DictionaryArray, Int64Array, RecordBatch},
    datatypes::{Date32Type, Int32Type, Int64Type, SchemaRef},
};
use bytes::Bytes;
use greenpark_model::{
    day::CivilDay,
    numbers::{NUMBER_MAX, Numbers},
};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{GatewayEpoch, Messages};
use crate::{
    delta::{Null, Past, Shape},
    error::{EncodeError, FileDecodeError},
    tables::tabular,
};

/// Columns of the table: a row is the run from `first` to `last`, both included.
pub(super) static SHAPE: Shape = Shape {
    columns: &[
        ("enterprise", "string", Null::Never),
        ("gateway", "string", Null::Never),
        ("epoch", "long", Null::Never),
        ("day", "date", Null::Never),
        ("first", "long", Null::Never),
        ("last", "long", Null::Never),
    ],
    partition: &[],
    past: Past::Dropped,
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| tabular::schema_of(&SHAPE));

/// Encodes `messages` as a Parquet file.
///
/// # Errors
/// [`EncodeError`] if there are none.
pub(super) fn encode(messages: &Messages) -> Result<Bytes, EncodeError> {
    if messages.is_empty() {
        return Err(EncodeError::Empty);
    }
    tabular::write(&SCHEMA, columns(messages)?)
}

/// A run of numbers, as a row of the file.
type Row<'a> = (&'a GatewayEpoch, CivilDay, u64, u64);

fn columns(messages: &Messages) -> Result<Vec<ArrayRef>, EncodeError> {
    let rows = messages.iter().flat_map(|(of, day, numbers)| {
        let runs = numbers.runs().iter();
        runs.map(move |&(first, last)| (of, day, first, last))
    });
    let rows: Vec<Row<'_>> = rows.collect();
    let long = |number: u64| i64::try_from(number).map_err(|_| EncodeError::Range);
    let longs = |of: &dyn Fn(&Row<'_>) -> u64| {
        let column = rows.iter().map(|row| long(of(row)));
        let column: Result<Vec<i64>, _> = column.collect();
        Ok::<ArrayRef, EncodeError>(Arc::new(Int64Array::from(column?)))
    };
    let enterprises: DictionaryArray<Int32Type> =
        rows.iter().map(|row| row.0.enterprise.as_str()).collect();
    let gateways: DictionaryArray<Int32Type> =
        rows.iter().map(|row| row.0.gateway.as_str()).collect();
    let days = rows.iter().map(|row| row.1.epoch_days());
    Ok(vec![
        Arc::new(enterprises),
        Arc::new(gateways),
        longs(&|row| row.0.epoch)?,
        Arc::new(Date32Array::from_iter_values(days)),
        longs(&|row| row.2)?,
        longs(&|row| row.3)?,
    ])
}

/// Decodes the messages of a file.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub(super) fn decode(bytes: Bytes) -> Result<Messages, FileDecodeError> {
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&SCHEMA));
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|source| FileDecodeError::Parquet(source.into()))?;
    let mut messages = Messages::default();
    for batch in reader {
        let batch = batch.map_err(|source| FileDecodeError::Parquet(source.into()))?;
        decode_batch(&batch, &mut messages)?;
    }
    Ok(messages)
}

fn decode_batch(batch: &RecordBatch, messages: &mut Messages) -> Result<(), FileDecodeError> {
    let column = |name: &'static str| {
        batch
            .column_by_name(name)
            .ok_or(FileDecodeError::Column(name))
    };
    let longs = |name| {
        let column = column(name)?.as_primitive_opt::<Int64Type>();
        column.ok_or(FileDecodeError::Column(name))
    };
    let days = column("day")?.as_primitive_opt::<Date32Type>();
    let days = days.ok_or(FileDecodeError::Column("day"))?;
    let (epochs, firsts, lasts) = (longs("epoch")?, longs("first")?, longs("last")?);
    for row in 0..batch.num_rows() {
        let of = GatewayEpoch {
            enterprise: id(batch, "enterprise", row)?,
            gateway: id(batch, "gateway", row)?,
            epoch: number(epochs.value(row), "epoch")?,
        };
        let first = number(firsts.value(row), "first")?;
        let last = number(lasts.value(row), "last")?;
        let mut numbers = Numbers::default();
        if !numbers.insert(first, last) {
            return Err(FileDecodeError::Column("last"));
        }
        messages.insert(&of, CivilDay::from_epoch_days(days.value(row)), &numbers);
    }
    Ok(())
}

fn id<T: std::str::FromStr>(
    batch: &RecordBatch,
    name: &'static str,
    row: usize,
) -> Result<T, FileDecodeError> {
    let missing = FileDecodeError::Column(name);
    let array = batch
        .column_by_name(name)
        .and_then(|column| column.as_dictionary_opt::<Int32Type>());
    let Some(array) = array else {
        return Err(missing);
    };
    let (Some(texts), Some(key)) = (array.values().as_string_opt::<i32>(), array.key(row)) else {
        return Err(missing);
    };
    let text = texts.value(key);
    text.parse().map_err(|_| FileDecodeError::Value {
        column: name,
        text: text.to_owned(),
    })
}

fn number(value: i64, name: &'static str) -> Result<u64, FileDecodeError> {
    let number = u64::try_from(value).ok();
    let number = number.filter(|number| (1..=NUMBER_MAX).contains(number));
    number.ok_or(FileDecodeError::Column(name))
}
