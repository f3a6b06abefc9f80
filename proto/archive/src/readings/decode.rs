//! Decodes a readings file to [`ReadingRows`], column by column.
//!
//! Texts stay dictionary indices until the series changes, so no row allocates. A file of ours is sorted and is
//! decoded as it is; one that another program compacted is sorted again. Columns that few files have are read
//! where they exist.

mod footer;

use std::ops::Range;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch,
        StringArray,
    },
    datatypes::{Decimal128Type, Int32Type, TimestampMillisecondType},
};
use bytes::Bytes;
use greenpark_model::{
    day::Instant,
    id::{EnterpriseId, GatewayId, MeterId},
    quantity::Quantity,
    reading::{Flag, Kind, Series},
    ticket::Ticket,
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector},
};

use self::footer::{Footer, open};
use crate::{
    error::FileDecodeError,
    rows::{LateArrival, ReadingRows, SeriesKey, builder::RowsBuilder},
};

/// Rows decoded at a time: the columns of one batch fit the second-level cache.
const BATCH_ROWS: usize = 16_384;

/// Decodes a file that [`encode_readings`](crate::readings::columns::encode_readings) made.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub fn decode_readings(bytes: Bytes) -> Result<ReadingRows, FileDecodeError> {
    let builder = open(bytes)?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    decode_all(builder, 0..rows)
}

/// Decodes only the rows of the enterprises from `first` to `last`; `outline` is that of the file.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub(crate) fn decode_between(
    bytes: Bytes,
    outline: &Outline,
    (first, last): (&EnterpriseId, &EnterpriseId),
) -> Result<ReadingRows, FileDecodeError> {
    let wanted = |enterprise: &EnterpriseId| first <= enterprise && enterprise <= last;
    let (mut before, mut rows) = (0, 0);
    let selectors = outline.runs.iter().map(|(enterprise, count)| {
        if wanted(enterprise) {
            rows += count;
            RowSelector::select(*count)
        } else {
            before += if rows == 0 { *count } else { 0 };
            RowSelector::skip(*count)
        }
    });
    let selection: RowSelection = selectors.collect::<Vec<_>>().into();
    decode_all(
        open(bytes)?.with_row_selection(selection),
        before..before + rows,
    )
}

/// The enterprises of a file's rows, in the file's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    runs: Vec<(EnterpriseId, usize)>,
}

impl Outline {
    /// Runs of rows of one enterprise. In a file of ours each enterprise has one run.
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

/// Reads only which enterprises a file's rows belong to.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub(crate) fn decode_outline(bytes: Bytes) -> Result<Outline, FileDecodeError> {
    let builder = open(bytes)?;
    let enterprises = ProjectionMask::roots(builder.parquet_schema(), [0]);
    let reader = builder
        .with_projection(enterprises)
        .with_batch_size(BATCH_ROWS)
        .build();
    let mut outline = Outline::default();
    for batch in reader.map_err(parquet)? {
        let batch = batch.map_err(|source| FileDecodeError::Parquet(source.into()))?;
        let enterprises = enterprises_of(batch.column(0))?;
        for run in enterprises.indices.chunk_by(|a, b| a == b) {
            // OK because indices of a valid dictionary array are not negative.
            outline.add(&enterprises.values[run[0] as usize], run.len());
        }
    }
    Ok(outline)
}

fn parquet(source: parquet::errors::ParquetError) -> FileDecodeError {
    FileDecodeError::Parquet(source.into())
}

/// Decodes everything that `builder` reads: the rows of a file in `range`.
fn decode_all(
    builder: ParquetRecordBatchReaderBuilder<Bytes>,
    range: Range<usize>,
) -> Result<ReadingRows, FileDecodeError> {
    let footer = Footer::read(builder.metadata());
    let rows = range.len();
    let reader = builder
        .with_batch_size(BATCH_ROWS.min(rows.max(1)))
        .build()
        .map_err(parquet)?;
    let mut decoded = DecodedRows::with_capacity(rows);
    for batch in reader {
        let batch = batch.map_err(|source| FileDecodeError::Parquet(source.into()))?;
        decoded.append_batch(&Batch::new(&batch)?)?;
    }
    let mut rows = decoded.finish(footer.until);
    footer.apply(range, &mut rows);
    Ok(rows)
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
    ) -> Result<Self, FileDecodeError> {
        let array: &DictionaryArray<Int32Type> = column
            .as_dictionary_opt()
            .ok_or(FileDecodeError::Column(name))?;
        let texts: &StringArray = array
            .values()
            .as_string_opt()
            .ok_or(FileDecodeError::Column(name))?;
        let keys: &Int32Array = array.keys();
        if keys.null_count() > 0 {
            return Err(FileDecodeError::Column(name));
        }
        let value = |text: Option<&str>| {
            let text = text.unwrap_or_default();
            parse(text).ok_or_else(|| FileDecodeError::Value {
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

/// The texts of a nullable column of one batch, by row.
fn optional<T>(
    batch: &RecordBatch,
    name: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<(u32, T)>, FileDecodeError> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(Vec::new());
    };
    let array: &DictionaryArray<Int32Type> = column
        .as_dictionary_opt()
        .ok_or(FileDecodeError::Column(name))?;
    let texts: &StringArray = array
        .values()
        .as_string_opt()
        .ok_or(FileDecodeError::Column(name))?;
    let mut found = Vec::new();
    for (row, key) in (0u32..).zip(array.keys_iter()) {
        let Some(text) = key.map(|key| texts.value(key)) else {
            continue;
        };
        let value = parse(text).ok_or_else(|| FileDecodeError::Value {
            column: name,
            text: text.to_owned(),
        })?;
        found.push((row, value));
    }
    Ok(found)
}

/// The late readings of one batch, by row.
fn late_of(batch: &RecordBatch) -> Result<Vec<(u32, LateArrival)>, FileDecodeError> {
    let gateways = optional(batch, "late_gateway", |text| GatewayId::new(text).ok())?;
    if gateways.is_empty() {
        return Ok(Vec::new());
    }
    let received = batch
        .column_by_name("late_received")
        .and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>())
        .ok_or(FileDecodeError::Column("late_received"))?;
    let late = gateways.into_iter().map(|(row, gateway)| {
        let received = Instant::from_millis(received.value(row as usize));
        (row, LateArrival { received, gateway })
    });
    Ok(late.collect())
}

fn enterprises_of(column: &ArrayRef) -> Result<Texts<'_, EnterpriseId>, FileDecodeError> {
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
    tickets: Vec<(u32, Ticket)>,
    late: Vec<(u32, LateArrival)>,
}

impl<'a> Batch<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, FileDecodeError> {
        let column = |index: usize| batch.column(index);
        let instants = column(4)
            .as_primitive_opt::<TimestampMillisecondType>()
            .ok_or(FileDecodeError::Column("instant"))?;
        let values = column(5)
            .as_primitive_opt::<Decimal128Type>()
            .ok_or(FileDecodeError::Column("value"))?;
        let superseded = column(7)
            .as_boolean_opt()
            .ok_or(FileDecodeError::Column("superseded"))?;
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
            tickets: optional(batch, "ticket", |text| Ticket::parse(text).ok())?,
            late: late_of(batch)?,
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

    /// Returns true if rows `a` and `b` belong to one series.
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

/// Rows decoded from batches.
struct DecodedRows {
    rows: ReadingRows,
    in_order: bool,
}

impl DecodedRows {
    fn with_capacity(rows: usize) -> Self {
        let rows = ReadingRows {
            keys: Vec::new(),
            series: Vec::with_capacity(rows),
            instants: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
            superseded: Vec::with_capacity(rows),
            ..ReadingRows::default()
        };
        Self {
            rows,
            in_order: true,
        }
    }

    fn append_batch(&mut self, batch: &Batch<'_>) -> Result<(), FileDecodeError> {
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
        // OK because a file has fewer rows than 2^32.
        let moved = |row: u32| row + before as u32;
        let tickets = batch.tickets.iter();
        out.tickets
            .extend(tickets.map(|(row, ticket)| (moved(*row), ticket.clone())));
        let late = batch.late.iter();
        out.late
            .extend(late.map(|(row, late)| (moved(*row), late.clone())));
        let mut start = 0;
        while start < batch.instants.len() {
            let end = batch.series_end(start);
            self.append_series(batch.key(start), before + end);
            start = end;
        }
        Ok(())
    }

    /// Assigns the rows up to `end` to the series `key`.
    fn append_series(&mut self, key: SeriesKey, end: usize) {
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

    fn finish(mut self, until: u64) -> ReadingRows {
        if self.in_order {
            self.rows.until = until;
            debug_assert!(self.rows.is_sound());
            return self.rows;
        }
        let rows = self.rows;
        let mut builder = RowsBuilder::new();
        builder.reach(until);
        // Superseded readings came earlier in the log, in whatever order the file has them.
        let (superseded, current): (Vec<_>, Vec<_>) =
            (0..rows.len()).partition(|&row| rows.superseded[row]);
        for (place, row) in (0u32..).zip(superseded.into_iter().chain(current)) {
            let key = builder.key(&rows.keys[rows.series[row] as usize]);
            builder.push(key, rows.instants[row], rows.values[row], rows.flags[row]);
            if let Some(ticket) = rows.ticket(row) {
                builder.ticket(place, ticket.clone());
            }
            if let Some(late) = rows.late(row) {
                builder.late(place, late.clone());
            }
        }
        builder.finish().rows
    }
}
