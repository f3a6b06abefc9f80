//! From a readings file to [`Rows`], column by column.
//!
//! Texts stay dictionary indices until the series changes, so no row allocates. A file of ours is sorted
//! and is taken as it is; one that another program compacted is sorted again.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch,
        StringArray,
    },
    datatypes::{
        DataType, Decimal128Type, Field, Int32Type, Schema, SchemaRef, TimeUnit,
        TimestampMillisecondType,
    },
};
use bytes::Bytes;
use greenpark_model::{
    id::{EnterpriseId, MeterId},
    quantity::Quantity,
    reading::{Flag, Kind, Series},
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    },
};

use crate::{
    builder::RowsBuilder,
    error::DecodeError,
    rows::{Rows, SeriesKey},
};

/// Rows decoded at a time: the columns of one batch fit the second-level cache.
const BATCH_ROWS: usize = 16_384;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("enterprise", text(), false),
        Field::new("meter", text(), false),
        Field::new("quantity", text(), false),
        Field::new("kind", text(), false),
        Field::new("instant", instant, false),
        Field::new("value", DataType::Decimal128(18, 6), false),
        Field::new("flag", text(), false),
        Field::new("superseded", DataType::Boolean, false),
    ]))
});

/// The rows of a file that [`encode_readings`](crate::columns::encode_readings) made.
///
/// # Errors
/// [`DecodeError`] if the bytes are no such file.
pub fn decode_readings(bytes: Bytes) -> Result<Rows, DecodeError> {
    let builder = open(bytes)?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    take_all(builder, rows)
}

/// The rows of the enterprises from `first` to `last` alone; `outline` is that of the file.
///
/// # Errors
/// [`DecodeError`] if the bytes are no such file.
pub(crate) fn decode_between(
    bytes: Bytes,
    outline: &Outline,
    (first, last): (&EnterpriseId, &EnterpriseId),
) -> Result<Rows, DecodeError> {
    let wanted = |enterprise: &EnterpriseId| first <= enterprise && enterprise <= last;
    let mut rows = 0;
    let selectors = outline.runs.iter().map(|(enterprise, count)| {
        if wanted(enterprise) {
            rows += count;
            RowSelector::select(*count)
        } else {
            RowSelector::skip(*count)
        }
    });
    let selection: RowSelection = selectors.collect::<Vec<_>>().into();
    take_all(open(bytes)?.with_row_selection(selection), rows)
}

/// Whose rows a file holds, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    runs: Vec<(EnterpriseId, usize)>,
}

impl Outline {
    /// Runs of rows of one enterprise; in a file of ours each has one.
    pub fn runs(&self) -> impl Iterator<Item = (&EnterpriseId, usize)> {
        self.runs
            .iter()
            .map(|(enterprise, rows)| (enterprise, *rows))
    }

    fn add(&mut self, enterprise: &EnterpriseId, rows: usize) {
        match self.runs.last_mut() {
            Some((last, before)) if last == enterprise => *before += rows,
            _ => self.runs.push((enterprise.clone(), rows)),
        }
    }
}

/// Reads whose rows a file holds, and nothing else of it.
///
/// # Errors
/// [`DecodeError`] if the bytes are no such file.
pub(crate) fn decode_outline(bytes: Bytes) -> Result<Outline, DecodeError> {
    let builder = open(bytes)?;
    let enterprises = ProjectionMask::roots(builder.parquet_schema(), [0]);
    let reader = builder
        .with_projection(enterprises)
        .with_batch_size(BATCH_ROWS)
        .build();
    let mut outline = Outline::default();
    for batch in reader.map_err(parquet)? {
        let batch = batch.map_err(|source| DecodeError::Parquet(source.into()))?;
        let enterprises = enterprises_of(batch.column(0))?;
        for run in enterprises.indices.chunk_by(|a, b| a == b) {
            // OK because indices of a valid dictionary array are not negative.
            outline.add(&enterprises.values[run[0] as usize], run.len());
        }
    }
    Ok(outline)
}

fn parquet(source: parquet::errors::ParquetError) -> DecodeError {
    DecodeError::Parquet(source.into())
}

fn open(bytes: Bytes) -> Result<ParquetRecordBatchReaderBuilder<Bytes>, DecodeError> {
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&SCHEMA));
    ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(parquet)
}

/// Takes what `builder` reads, `rows` rows.
fn take_all(
    builder: ParquetRecordBatchReaderBuilder<Bytes>,
    rows: usize,
) -> Result<Rows, DecodeError> {
    let reader = builder
        .with_batch_size(BATCH_ROWS.min(rows.max(1)))
        .build()
        .map_err(parquet)?;
    let mut taken = Taken::with_capacity(rows);
    for batch in reader {
        let batch = batch.map_err(|source| DecodeError::Parquet(source.into()))?;
        taken.take(&Batch::new(&batch)?)?;
    }
    Ok(taken.finish())
}

/// A text column of one batch.
struct Texts<'a, T> {
    indices: &'a [i32],
    values: Vec<T>,
}

impl<'a, T> Texts<'a, T> {
    fn new(
        column: &'a ArrayRef,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Self, DecodeError> {
        let array: &DictionaryArray<Int32Type> = column
            .as_dictionary_opt()
            .ok_or(DecodeError::Column(name))?;
        let texts: &StringArray = array
            .values()
            .as_string_opt()
            .ok_or(DecodeError::Column(name))?;
        let keys: &Int32Array = array.keys();
        if keys.null_count() > 0 {
            return Err(DecodeError::Column(name));
        }
        let value = |text: Option<&str>| {
            let text = text.unwrap_or_default();
            parse(text).ok_or_else(|| DecodeError::Value {
                column: name,
                text: text.to_owned(),
            })
        };
        let values = texts.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Self {
            indices: keys.values(),
            values,
        })
    }

    fn get(&self, row: usize) -> &T {
        // OK because indices of a valid dictionary array are not negative.
        &self.values[self.indices[row] as usize]
    }
}

fn enterprises_of(column: &ArrayRef) -> Result<Texts<'_, EnterpriseId>, DecodeError> {
    Texts::new(column, "enterprise", |text| EnterpriseId::new(text).ok())
}

/// The columns of one batch.
struct Batch<'a> {
    enterprises: Texts<'a, EnterpriseId>,
    meters: Texts<'a, MeterId>,
    quantities: Texts<'a, Quantity>,
    kinds: Texts<'a, Kind>,
    instants: &'a [i64],
    values: &'a [i128],
    flags: Texts<'a, u8>,
    superseded: &'a BooleanArray,
}

impl<'a> Batch<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, DecodeError> {
        let column = |index: usize| batch.column(index);
        let instants = column(4)
            .as_primitive_opt::<TimestampMillisecondType>()
            .ok_or(DecodeError::Column("instant"))?;
        let values = column(5)
            .as_primitive_opt::<Decimal128Type>()
            .ok_or(DecodeError::Column("value"))?;
        let superseded = column(7)
            .as_boolean_opt()
            .ok_or(DecodeError::Column("superseded"))?;
        Ok(Self {
            enterprises: enterprises_of(column(0))?,
            meters: Texts::new(column(1), "meter", |text| MeterId::new(text).ok())?,
            quantities: Texts::new(column(2), "quantity", |text| text.parse().ok())?,
            kinds: Texts::new(column(3), "kind", Kind::from_name)?,
            instants: instants.values(),
            values: values.values(),
            flags: Texts::new(column(6), "flag", |text| {
                Flag::from_name(text).map(Flag::code)
            })?,
            superseded,
        })
    }

    fn key(&self, row: usize) -> SeriesKey {
        SeriesKey {
            enterprise: self.enterprises.get(row).clone(),
            series: Series {
                meter: self.meters.get(row).clone(),
                quantity: *self.quantities.get(row),
                kind: *self.kinds.get(row),
            },
        }
    }

    /// Whether rows `a` and `b` are of one series.
    fn one_series(&self, a: usize, b: usize) -> bool {
        let same = |indices: &[i32]| indices[a] == indices[b];
        same(self.meters.indices)
            && same(self.quantities.indices)
            && same(self.kinds.indices)
            && same(self.enterprises.indices)
    }

    /// The end of the series that `start` belongs to.
    fn series_end(&self, start: usize) -> usize {
        let rows = self.instants.len();
        let mut end = start + 1;
        while end < rows && self.one_series(start, end) {
            end += 1;
        }
        end
    }
}

/// Rows taken from batches.
struct Taken {
    rows: Rows,
    in_order: bool,
}

impl Taken {
    fn with_capacity(rows: usize) -> Self {
        let rows = Rows {
            keys: Vec::new(),
            series: Vec::with_capacity(rows),
            instants: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
            superseded: Vec::with_capacity(rows),
        };
        Self {
            rows,
            in_order: true,
        }
    }

    fn take(&mut self, batch: &Batch<'_>) -> Result<(), DecodeError> {
        let out = &mut self.rows;
        let before = out.instants.len();
        out.instants.extend_from_slice(batch.instants);
        // OK because a DECIMAL(18,6) fits an i64.
        out.values
            .extend(batch.values.iter().map(|&value| value as i64));
        let flags = &batch.flags;
        match flags.values.as_slice() {
            [only] => out.flags.resize(before + flags.indices.len(), *only),
            many => out
                .flags
                .extend(flags.indices.iter().map(|&index| many[index as usize])),
        }
        if batch.superseded.true_count() == 0 {
            out.superseded.resize(out.instants.len(), false);
        } else {
            out.superseded.extend(batch.superseded.values().iter());
        }
        let mut start = 0;
        while start < batch.instants.len() {
            let end = batch.series_end(start);
            self.take_series(batch.key(start), before + end);
            start = end;
        }
        Ok(())
    }

    /// Rows up to `end` are of series `key`.
    fn take_series(&mut self, key: SeriesKey, end: usize) {
        let out = &mut self.rows;
        let start = out.series.len();
        let goes_on = out.keys.last() == Some(&key);
        if !goes_on {
            self.in_order &= out.keys.last().is_none_or(|last| *last < key);
            out.keys.push(key);
        }
        let from = if goes_on { start - 1 } else { start };
        self.in_order &= out.instants[from..end].is_sorted();
        // OK because a file has fewer series than 2^32.
        out.series.resize(end, out.keys.len() as u32 - 1);
    }

    fn finish(self) -> Rows {
        if self.in_order {
            debug_assert!(self.rows.is_sound());
            return self.rows;
        }
        let rows = self.rows;
        let mut builder = RowsBuilder::new();
        // What was superseded came earlier in the log, whatever order the file has it in.
        let (superseded, current): (Vec<_>, Vec<_>) =
            (0..rows.len()).partition(|&row| rows.superseded[row]);
        for row in superseded.into_iter().chain(current) {
            let key = builder.key(&rows.keys[rows.series[row] as usize]);
            builder.push(key, rows.instants[row], rows.values[row], rows.flags[row]);
        }
        builder.finish().rows
    }
}
