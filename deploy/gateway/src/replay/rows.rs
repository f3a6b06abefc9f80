//! The readings of a CSV file in memory: instants, and values as text.

mod order;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, Read},
    path::Path,
};

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use greenpark_console::{
    encoding::{Decoded, NotText},
    line_text::{self, UnifiedLines},
};
use greenpark_model::{amount::Amount, id, ticket::Ticket};

use super::mapping::Mapping;

/// Rows of one file, at most: 1.5 GB at about 30 bytes a row.
const ROWS_MAX: usize = 50_000_000;
/// Reading stops after this many wrong lines.
const PROBLEMS_MAX: usize = 1_000;

/// Rows in columns; all values are concatenated in one text.
#[derive(Debug, Default)]
pub struct CsvRows {
    instants: Vec<i64>,
    meters: Vec<u32>,
    ends: Vec<usize>,
    values: String,
    names: Vec<String>,
    /// The tickets by row, ascending; few or no rows have one.
    tickets: Vec<(u32, Ticket)>,
    order: Vec<u32>,
    skipped: usize,
    of_events: bool,
    /// Of events: rows that are not in the line after the previous row, with their lines.
    lines: Vec<(u32, u64)>,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// UTC milliseconds.
    pub instant: i64,
    /// A JSON number.
    pub value: &'a str,
    /// The meter.
    pub meter: &'a str,
    /// The number on its ticket, if it has one.
    pub ticket: Option<&'a str>,
}

/// The positions of the mapping's columns in the file.
struct Places {
    instant: usize,
    value: usize,
    meter: Option<usize>,
    ticket: Option<usize>,
}

impl CsvRows {
    /// Reads `file` (`.gz` is unpacked) in any encoding that spreadsheets save. The second part lists the wrong lines.
    ///
    /// # Errors
    /// The file cannot be read or lacks a column.
    pub fn read(file: &Path, mapping: &Mapping) -> anyhow::Result<(Self, Vec<String>)> {
        let opened = File::open(file).with_context(|| format!("open {}", file.display()))?;
        let packed = file.extension().is_some_and(|e| e == "gz");
        let input: Box<dyn Read> = if packed {
            Box::new(MultiGzDecoder::new(opened))
        } else {
            Box::new(opened)
        };
        Self::read_from(input, &file.display().to_string(), mapping)
    }

    fn read_from(
        input: impl Read,
        shown: &str,
        mapping: &Mapping,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        let mut input = Decoded::new(input);
        let separator = separator(&mut input).with_context(|| format!("read {shown}"))?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(separator)
            .from_reader(UnifiedLines::new(input));
        let header = reader
            .headers()
            .with_context(|| format!("read {shown}"))?
            .clone();
        let places = Places::find(&header, shown, mapping)?;
        let mut rows = Self {
            of_events: mapping.is_of_events(),
            ..Self::default()
        };
        let mut known = HashMap::new();
        if let Some(meter) = &mapping.meter {
            rows.names.push(meter.clone());
        }
        let mut problems = Vec::new();
        let mut record = csv::StringRecord::new();
        while problems.len() < PROBLEMS_MAX {
            let more = reader.read_record(&mut record);
            let line = record.position().map_or(0, csv::Position::line);
            match more {
                Ok(false) => break,
                Ok(true) => {
                    if let Err(reason) = rows.push(&record, &places, mapping, &mut known) {
                        problems.push(format!("{shown}:{line}: {reason}"));
                    }
                }
                Err(error) => match not_text(&error) {
                    Some(why) => {
                        let broken = reader.position().line();
                        problems.push(format!("{shown}:{broken}: {why}"));
                        break;
                    }
                    None if error.is_io_error() => {
                        return Err(error).with_context(|| format!("read {shown}"));
                    }
                    None => problems.push(format!("{shown}: {error}")),
                },
            }
            if rows.instants.len() > ROWS_MAX {
                bail!("{shown}: more than {ROWS_MAX} rows; split the file");
            }
        }
        // OK because ROWS_MAX fits.
        rows.order = (0..rows.instants.len() as u32).collect();
        rows.join_ties();
        Ok((rows, problems))
    }

    fn push(
        &mut self,
        record: &csv::StringRecord,
        places: &Places,
        mapping: &Mapping,
        known: &mut HashMap<String, u32>,
    ) -> Result<(), String> {
        let cell = |index: usize| record.get(index).unwrap_or_default();
        let value = cell(places.value);
        if value.is_empty() {
            self.skipped += 1;
            return Ok(());
        }
        let decimal = value.parse::<Amount>();
        decimal.map_err(|error| match value.contains(',') {
            true => format!(
                "'{value}': {error}; write a decimal point and no separators, such as 1204.50"
            ),
            false => format!("'{value}': {error}"),
        })?;
        // Ingest refuses a decimal that is not JSON, such as +1 or 1.
        if serde_json::from_str::<serde_json::Number>(value).is_err() {
            return Err(format!("'{value}' is no JSON number"));
        }
        let instant = mapping.instant(cell(places.instant))?;
        let meter = match places.meter {
            None => 0,
            Some(column) => self.meter_index(cell(column), known)?,
        };
        let ticket = places.ticket.map_or("", cell);
        if !ticket.is_empty() {
            let ticket = Ticket::new(ticket).map_err(|error| error.to_string())?;
            // OK because ROWS_MAX fits.
            self.tickets.push((self.instants.len() as u32, ticket));
        }
        if self.of_events {
            self.note_line(record.position().map_or(0, csv::Position::line));
        }
        self.values.push_str(value);
        self.ends.push(self.values.len());
        self.instants.push(instant);
        self.meters.push(meter);
        Ok(())
    }

    fn meter_index(&mut self, name: &str, known: &mut HashMap<String, u32>) -> Result<u32, String> {
        if let Some(&index) = known.get(name) {
            return Ok(index);
        }
        id::check(name).map_err(|error| format!("meter: {error}"))?;
        let index = u32::try_from(self.names.len()).map_err(|_| "too many meters".to_owned())?;
        self.names.push(name.to_owned());
        known.insert(name.to_owned(), index);
        Ok(index)
    }

    /// Returns the number of readings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns true if there is no reading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the number of rows without a value.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Returns the meters, by index.
    #[must_use]
    pub fn meters(&self) -> &[String] {
        &self.names
    }

    /// Returns the index of a row's meter.
    #[must_use]
    pub fn meter_of(&self, row: u32) -> u32 {
        self.meters[row as usize]
    }

    /// Returns the row with this number in the file.
    #[must_use]
    pub fn row(&self, row: u32) -> Row<'_> {
        let index = row as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Row {
            instant: self.instants[index],
            value: &self.values[start..self.ends[index]],
            meter: &self.names[self.meters[index] as usize],
            ticket: self.ticket(row),
        }
    }

    fn ticket(&self, row: u32) -> Option<&str> {
        let found = self.tickets.binary_search_by_key(&row, |(of, _)| *of).ok();
        found.map(|at| self.tickets[at].1.as_str())
    }

    /// Returns the line of an event in the file.
    pub(super) fn line_of(&self, row: u32) -> u64 {
        let known = self.lines.partition_point(|(from, _)| *from <= row);
        let last = known.checked_sub(1).map(|at| self.lines[at]);
        last.map_or(0, |(from, line)| line + u64::from(row - from))
    }

    /// Records the line of the event that is added next.
    fn note_line(&mut self, line: u64) {
        // OK because ROWS_MAX fits.
        let row = self.instants.len() as u32;
        if self.line_of(row) != line {
            self.lines.push((row, line));
        }
    }
}

/// Returns the encoding error behind a CSV error, if there is one.
fn not_text(error: &csv::Error) -> Option<NotText> {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.get_ref()?.downcast_ref::<NotText>().copied(),
        _ => None,
    }
}

/// Peeks at the header and returns its separator.
fn separator(input: &mut impl BufRead) -> io::Result<u8> {
    let start = input.fill_buf()?;
    let end = start.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let header = &start[..end.unwrap_or(start.len())];
    Ok(line_text::separator(&String::from_utf8_lossy(header)))
}

impl Places {
    fn find(header: &csv::StringRecord, shown: &str, mapping: &Mapping) -> anyhow::Result<Self> {
        let place = |name: &str| {
            let found = header.iter().position(|column| column == name);
            let columns = || header.iter().collect::<Vec<_>>().join(", ");
            found.with_context(|| format!("{shown} has no column '{name}'; it has {}", columns()))
        };
        Ok(Self {
            instant: place(&mapping.columns.instant)?,
            value: place(&mapping.columns.value)?,
            meter: mapping.columns.meter.as_deref().map(place).transpose()?,
            ticket: mapping.columns.ticket.as_deref().map(place).transpose()?,
        })
    }
}
