//! A batch: readings of one gateway in columns, as they travel through decoder, log and processor.
//!
//! Columns have one entry a reading; `series` says which of [`Batch::series_table`]'s entries the
//! reading belongs to. A [`Batch`] always has columns of one length and indices that exist.

use crate::{
    day::Instant,
    limits::{BATCH_READINGS_MAX, BATCH_SERIES_MAX},
    reading::{Flag, Reading, Series},
};

/// Readings in columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    table: Vec<Series>,
    series: Vec<u32>,
    instants: Vec<i64>,
    values: Vec<i64>,
    flags: Vec<u8>,
}

/// Why columns are no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Columns of different lengths.
    #[error("the columns of a batch have different lengths")]
    Ragged,
    /// A reading of a series that is not in the table.
    #[error("a reading names series {0}, which the batch does not list")]
    UnknownSeries(u32),
    /// More series than a record may have.
    #[error("a batch has more than {BATCH_SERIES_MAX} series")]
    TooManySeries,
    /// More readings than a record may have.
    #[error("a batch has more than {BATCH_READINGS_MAX} readings")]
    TooManyReadings,
    /// A value beyond eighteen digits.
    #[error("a value is beyond DECIMAL(18,6)")]
    Value,
    /// A flag that is no flag.
    #[error("{0} is no data flag")]
    Flag(u8),
}

/// The columns of a batch, one entry a reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Index into the series table.
    pub series: Vec<u32>,
    /// UTC milliseconds.
    pub instants: Vec<i64>,
    /// Millionths of the canonical unit.
    pub values: Vec<i64>,
    /// Codes of [`Flag`].
    pub flags: Vec<u8>,
}

impl Batch {
    /// A batch without readings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks and takes whole columns.
    ///
    /// # Errors
    /// [`BatchError`] if they break an invariant of the type.
    pub fn from_columns(table: Vec<Series>, columns: Columns) -> Result<Self, BatchError> {
        let Columns {
            series,
            instants,
            values,
            flags,
        } = columns;
        let rows = series.len();
        if instants.len() != rows || values.len() != rows || flags.len() != rows {
            return Err(BatchError::Ragged);
        }
        if rows > BATCH_READINGS_MAX {
            return Err(BatchError::TooManyReadings);
        }
        if table.len() > BATCH_SERIES_MAX {
            return Err(BatchError::TooManySeries);
        }
        let count = table.len();
        if let Some(&bad) = series
            .iter()
            .find(|&&s| usize::try_from(s).is_ok_and(|s| s >= count))
        {
            return Err(BatchError::UnknownSeries(bad));
        }
        if let Some(&bad) = flags.iter().find(|&&f| Flag::from_code(f).is_none()) {
            return Err(BatchError::Flag(bad));
        }
        if values
            .iter()
            .any(|&v| crate::amount::Amount::from_micro(v).is_err())
        {
            return Err(BatchError::Value);
        }
        Ok(Self {
            table,
            series,
            instants,
            values,
            flags,
        })
    }

    /// Adds a series and returns its index; the caller keeps the index, the batch does not search.
    ///
    /// # Errors
    /// [`BatchError::TooManySeries`] when the table is full.
    pub fn add_series(&mut self, series: Series) -> Result<u32, BatchError> {
        if self.table.len() >= BATCH_SERIES_MAX {
            return Err(BatchError::TooManySeries);
        }
        let index = u32::try_from(self.table.len()).map_err(|_| BatchError::TooManySeries)?;
        self.table.push(series);
        Ok(index)
    }

    /// Appends a reading of the series at `series`.
    ///
    /// # Errors
    /// [`BatchError`] if the series is not listed or the batch is full.
    pub fn push(&mut self, series: u32, reading: Reading) -> Result<(), BatchError> {
        if usize::try_from(series).map_or(true, |s| s >= self.table.len()) {
            return Err(BatchError::UnknownSeries(series));
        }
        if self.series.len() >= BATCH_READINGS_MAX {
            return Err(BatchError::TooManyReadings);
        }
        self.series.push(series);
        self.instants.push(reading.instant.0);
        self.values.push(reading.value.micro());
        self.flags.push(reading.flag.code());
        Ok(())
    }

    /// Readings in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no reading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Whether another reading still fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.series.len() >= BATCH_READINGS_MAX || self.table.len() >= BATCH_SERIES_MAX
    }

    /// Forgets the readings after the first `len`; series stay.
    pub fn truncate(&mut self, len: usize) {
        self.series.truncate(len);
        self.instants.truncate(len);
        self.values.truncate(len);
        self.flags.truncate(len);
    }

    /// Forgets readings and series, keeping the room.
    pub fn clear(&mut self) {
        self.truncate(0);
        self.table.clear();
    }

    /// The series that readings refer to.
    #[must_use]
    pub fn series_table(&self) -> &[Series] {
        &self.table
    }

    /// For each reading, its index into the series table.
    #[must_use]
    pub fn series(&self) -> &[u32] {
        &self.series
    }

    /// For each reading, UTC milliseconds.
    #[must_use]
    pub fn instants(&self) -> &[i64] {
        &self.instants
    }

    /// For each reading, millionths of the canonical unit.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// For each reading, the code of its [`Flag`].
    #[must_use]
    pub fn flags(&self) -> &[u8] {
        &self.flags
    }

    /// The latest instant, if there is a reading.
    #[must_use]
    pub fn latest(&self) -> Option<Instant> {
        self.instants.iter().max().map(|&ms| Instant(ms))
    }
}
