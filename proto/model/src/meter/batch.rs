//! A batch: readings of one gateway in columns, as they travel through decoder, log and processor.
//!
//! A column has one entry per reading; the entry of `series` is the reading's index into
//! [`Batch::series_table`]. In a [`Batch`] all columns have the same length and every index exists.
//!
//! Few readings have a ticket, and fewer are late, so both are lists of rows, which are empty in most batches.

use crate::{
    limits::{BATCH_READINGS_MAX, BATCH_SERIES_MAX},
    meter::{
        amount::Amount,
        reading::{Flag, Kind, Reading, Series},
        ticket::Ticket,
    },
    time::day::Instant,
};

/// Readings in columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    table: Vec<Series>,
    series: Vec<u32>,
    instants: Vec<i64>,
    values: Vec<i64>,
    flags: Vec<u8>,
    tickets: Vec<(u32, Ticket)>,
    late: Vec<u32>,
    received: Option<Instant>,
}

/// Why columns do not make a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Columns of different lengths.
    #[error("the columns of a batch have different lengths")]
    Ragged,
    /// A reading names a series that is not in the table.
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
    /// An unknown flag.
    #[error("{0} is no data flag")]
    Flag(u8),
    /// A list of tickets or late readings that is out of order, or names a reading twice or one that does not exist.
    #[error("the list of {0} names reading {1} out of order, or a reading that is not there")]
    Sparse(&'static str, u32),
    /// A ticket of a reading that is not an event.
    #[error("reading {0} has a ticket, but only events have one")]
    TicketOfOther(u32),
    /// Late readings without the instant at which they were received.
    #[error("a batch has late readings and does not say when they were received")]
    Received,
}

/// The columns of a batch, with one entry per reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchColumns {
    /// Index into the series table.
    pub series: Vec<u32>,
    /// UTC milliseconds.
    pub instants: Vec<i64>,
    /// Millionths of the canonical unit.
    pub values: Vec<i64>,
    /// Codes of [`Flag`].
    pub flags: Vec<u8>,
    /// Tickets of events, by row, ascending.
    pub tickets: Vec<(u32, Ticket)>,
    /// Rows of late readings, ascending.
    pub late: Vec<u32>,
    /// The instant at which ingest received the late readings.
    pub received: Option<Instant>,
}

impl Batch {
    /// A batch without readings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a batch of whole columns.
    ///
    /// # Errors
    /// [`BatchError`] if the columns break an invariant of the type.
    pub fn from_columns(table: Vec<Series>, columns: BatchColumns) -> Result<Self, BatchError> {
        let BatchColumns {
            series,
            instants,
            values,
            flags,
            tickets,
            late,
            received,
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
        if values.iter().any(|&v| Amount::from_micro(v).is_err()) {
            return Err(BatchError::Value);
        }
        check_rows("tickets", rows, tickets.iter().map(|(row, _)| *row))?;
        check_rows("late readings", rows, late.iter().copied())?;
        if !late.is_empty() && received.is_none() {
            return Err(BatchError::Received);
        }
        let batch = Self {
            table,
            series,
            instants,
            values,
            flags,
            tickets,
            received: received.filter(|_| !late.is_empty()),
            late,
        };
        let other = |(row, _): &&(u32, Ticket)| batch.kind_of(*row) != Some(Kind::Event);
        match batch.tickets.iter().find(other) {
            Some(&(row, _)) => Err(BatchError::TicketOfOther(row)),
            None => Ok(batch),
        }
    }

    fn kind_of(&self, row: u32) -> Option<Kind> {
        let series = *self.series.get(usize::try_from(row).ok()?)?;
        Some(self.table.get(usize::try_from(series).ok()?)?.kind)
    }

    /// Adds a series and returns its index. The caller keeps the index; the batch does not look for duplicates.
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

    /// Appends a reading of the series at index `series`.
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
        self.instants.push(reading.instant.millis());
        self.values.push(reading.value.micro());
        self.flags.push(reading.flag.code());
        Ok(())
    }

    /// Appends an event with its ticket, sent or implied.
    ///
    /// # Errors
    /// [`BatchError`] as [`Batch::push`], and if the series does not consist of events.
    pub fn push_ticketed(
        &mut self,
        series: u32,
        reading: Reading,
        ticket: Ticket,
    ) -> Result<(), BatchError> {
        // OK because a batch has at most BATCH_READINGS_MAX readings.
        let row = u32::try_from(self.len()).map_err(|_| BatchError::TooManyReadings)?;
        let of = usize::try_from(series).ok();
        let event = |series: &Series| series.kind == Kind::Event;
        if of
            .and_then(|of| self.table.get(of))
            .is_some_and(|s| !event(s))
        {
            return Err(BatchError::TicketOfOther(row));
        }
        self.push(series, reading)?;
        self.tickets.push((row, ticket));
        Ok(())
    }

    /// Marks the last reading appended as late; ingest received it at `received`. The batch keeps the latest of
    /// these instants.
    pub fn mark_last_late(&mut self, received: Instant) {
        let Some(row) = self.len().checked_sub(1) else {
            return;
        };
        let row = u32::try_from(row).expect("a batch has at most BATCH_READINGS_MAX readings");
        if self.late.last() != Some(&row) {
            self.late.push(row);
        }
        self.received = self.received.max(Some(received));
    }

    /// The number of readings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Returns true if the batch has no reading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Returns true if no further reading or no further series fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.series.len() >= BATCH_READINGS_MAX || self.table.len() >= BATCH_SERIES_MAX
    }

    /// Drops the readings after the first `len`; the series stay.
    pub fn truncate(&mut self, len: usize) {
        self.series.truncate(len);
        self.instants.truncate(len);
        self.values.truncate(len);
        self.flags.truncate(len);
        if self.tickets.is_empty() && self.late.is_empty() {
            return;
        }
        let stays = |row: u32| usize::try_from(row).is_ok_and(|row| row < len);
        self.tickets
            .truncate(self.tickets.partition_point(|(row, _)| stays(*row)));
        self.late
            .truncate(self.late.partition_point(|row| stays(*row)));
        self.received = self.received.filter(|_| !self.late.is_empty());
    }

    /// Drops all readings and series, but keeps the allocated memory.
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

    /// The events that have a ticket: row and ticket, ascending. Empty in most batches.
    #[must_use]
    pub fn tickets(&self) -> &[(u32, Ticket)] {
        &self.tickets
    }

    /// The rows of late readings, ascending. Empty in most batches.
    #[must_use]
    pub fn late(&self) -> &[u32] {
        &self.late
    }

    /// The instant at which ingest received the late readings; `None` if there are none.
    #[must_use]
    pub fn received(&self) -> Option<Instant> {
        self.received
    }

    /// The latest instant of a reading; `None` for an empty batch.
    #[must_use]
    pub fn latest(&self) -> Option<Instant> {
        self.instants
            .iter()
            .max()
            .map(|&ms| Instant::from_millis(ms))
    }
}

/// Checks that `list` names rows below `rows`, each once and in order.
fn check_rows(
    name: &'static str,
    rows: usize,
    list: impl Iterator<Item = u32>,
) -> Result<(), BatchError> {
    let mut next = 0;
    for row in list {
        let there = usize::try_from(row).is_ok_and(|row| row < rows);
        if row < next || !there {
            return Err(BatchError::Sparse(name, row));
        }
        next = row.saturating_add(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
