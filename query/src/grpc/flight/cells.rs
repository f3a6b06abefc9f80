//! Rows of a view, cell by cell, as an Arrow batch: plain texts, decimals with six places, numbers, days and instants.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
        TimestampMillisecondArray,
    },
    compute::kernels::cast_utils::parse_decimal,
    datatypes::{DataType, Decimal128Type, Field, Schema, TimeUnit},
};
use greenpark_model::day::CivilDay;

use crate::error::QueryError;

/// Digits and places of a decimal.
const DECIMAL: (u8, i8) = (38, 6);

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Decimal,
    Integer,
    Truth,
    Day,
    Instant,
}

/// A column's name and type. Every column may be null: a cell that is not known is not 0.
pub(super) type Column = (&'static str, Kind);

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Text(String),
    /// In millionths.
    Decimal(i128),
    Integer(i64),
    Truth(bool),
    /// Days since 1970-01-01.
    Day(i32),
    /// UTC milliseconds.
    Instant(i64),
}

impl Cell {
    /// A text; null if it is empty.
    pub(super) fn text(text: impl Into<String>) -> Self {
        match text.into() {
            text if text.is_empty() => Self::Null,
            text => Self::Text(text),
        }
    }

    /// A decimal on the wire; null if it is empty.
    ///
    /// # Errors
    /// It is no decimal of 38 digits and six places.
    pub(super) fn decimal(text: &str) -> Result<Self, QueryError> {
        if text.is_empty() {
            return Ok(Self::Null);
        }
        let (digits, places) = DECIMAL;
        let value = parse_decimal::<Decimal128Type>(text, digits, places);
        let value = value.map_err(|_| QueryError::Broken(format!("'{text}' is no decimal")))?;
        Ok(Self::Decimal(value))
    }

    /// A civil day on the wire; null if it is empty.
    pub(super) fn day(text: &str) -> Self {
        let day = text.parse::<CivilDay>();
        day.map_or(Self::Null, |day| Self::Day(day.epoch_days()))
    }

    /// An instant on the wire.
    pub(super) fn instant(at: Option<&prost_types::Timestamp>) -> Self {
        at.map_or(Self::Null, |at| {
            let ms = at.seconds.saturating_mul(1_000);
            Self::Instant(ms.saturating_add(i64::from(at.nanos / 1_000_000)))
        })
    }

    /// A count.
    pub(super) fn count(count: impl TryInto<i64>) -> Self {
        Self::Integer(count.try_into().unwrap_or(i64::MAX))
    }
}

/// The schema of columns.
pub(super) fn schema_of(columns: &[Column]) -> Schema {
    let field = |(name, kind): &Column| Field::new(*name, type_of(*kind), true);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

/// The type of instants: UTC milliseconds.
pub(super) fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn type_of(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Decimal => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
        Kind::Integer => DataType::Int64,
        Kind::Truth => DataType::Boolean,
        Kind::Day => DataType::Date32,
        Kind::Instant => instant_type(),
    }
}

/// The batch of `rows`, each with a cell for every column.
///
/// # Errors
/// [`QueryError::Encode`] if the rows do not fit the columns.
pub(super) fn batch(columns: &[Column], rows: &[Vec<Cell>]) -> Result<RecordBatch, QueryError> {
    let arrays = columns.iter().enumerate().map(|(at, (_, kind))| {
        let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
        array(*kind, cells)
    });
    let arrays = arrays
        .collect::<Result<Vec<_>, _>>()
        .map_err(QueryError::Encode)?;
    RecordBatch::try_new(Arc::new(schema_of(columns)), arrays).map_err(QueryError::Encode)
}

fn array<'a>(
    kind: Kind,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<ArrayRef, arrow::error::ArrowError> {
    macro_rules! collected {
        ($array:ty, $cell:ident) => {
            cells
                .map(|cell| match cell {
                    Cell::$cell(value) => Some(value.clone()),
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    Ok(match kind {
        Kind::Text => Arc::new(collected!(StringArray, Text)),
        Kind::Integer => Arc::new(collected!(Int64Array, Integer)),
        Kind::Truth => Arc::new(collected!(BooleanArray, Truth)),
        Kind::Day => Arc::new(collected!(Date32Array, Day)),
        Kind::Instant => {
            Arc::new(collected!(TimestampMillisecondArray, Instant).with_timezone("UTC"))
        }
        Kind::Decimal => Arc::new(
            collected!(Decimal128Array, Decimal).with_precision_and_scale(DECIMAL.0, DECIMAL.1)?,
        ),
    })
}
