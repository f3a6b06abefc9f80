//! A file of rows: CSV in several encodings and with several separators, or a workbook.
//!
//! Excel writes CSV with CRLF, as UTF-8 with a byte order mark, as GBK on a Chinese Windows or as UTF-16 with tabs, and
//! with semicolons if the comma is the decimal sign. Each row keeps its line number in an editor, or its row number in the
//! workbook.

mod text;
mod workbook;

use std::{fs, path::Path};

use csv::StringRecord;

/// The columns of a file by name, and its rows by line number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TableFile {
    /// Names of the columns, from the first line that is not empty.
    pub(super) header: StringRecord,
    /// Rows in order, each with its line number from one. Empty rows are left out.
    pub(super) rows: Vec<Row>,
}

/// One row of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The line in the file, or the row in the workbook, from one.
    pub(super) line: u64,
    /// The cells as text, one for each column, or why they cannot be read.
    pub(super) cells: Result<StringRecord, String>,
}

/// Reads `file`: a workbook if its first bytes are those of one, else CSV.
///
/// # Errors
/// The file cannot be read, its encoding is unknown or it has no header; the text says what to do.
pub(super) fn read(file: &Path) -> Result<TableFile, String> {
    let bytes = fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    if workbook::is_workbook(&bytes) {
        return workbook::read(bytes);
    }
    text::read(&bytes)
}

impl TableFile {
    /// Creates a table of `rows`; the first row that is not empty names the columns.
    fn of(rows: impl Iterator<Item = Row>) -> Result<Self, String> {
        let is_empty = |row: &Row| {
            row.cells
                .as_ref()
                .is_ok_and(|c| c.iter().all(str::is_empty))
        };
        let mut rows = rows.filter(|row| !is_empty(row));
        let first = rows.next().ok_or_else(no_header)?;
        let header = first
            .cells
            .map_err(|why| format!("line {}: {why}", first.line))?;
        let columns = used_cells(&header);
        let nameless = header.iter().take(columns).position(str::is_empty);
        if let Some(column) = nameless {
            let (line, column) = (first.line, column + 1);
            return Err(format!("line {line}: column {column} has no name"));
        }
        let fitted = rows.map(|row| Row {
            line: row.line,
            cells: row.cells.and_then(|cells| fit(&cells, columns)),
        });
        Ok(Self {
            rows: fitted.collect(),
            header: header.iter().take(columns).collect(),
        })
    }
}

fn no_header() -> String {
    "has no line; the first one names the columns".to_owned()
}

/// Counts the cells up to the last one that is not empty.
fn used_cells(record: &StringRecord) -> usize {
    let used = record
        .iter()
        .enumerate()
        .filter(|(_, cell)| !cell.is_empty());
    used.last().map_or(0, |(last, _)| last + 1)
}

/// Fits `cells` into `columns` columns: Excel adds empty cells at the end of a row, or omits them.
fn fit(cells: &StringRecord, columns: usize) -> Result<StringRecord, String> {
    let used = used_cells(cells);
    if used > columns {
        return Err(format!(
            "has {used} cells, the header names {columns} columns; quote a value that holds the separator"
        ));
    }
    let filled = cells.iter().chain(std::iter::repeat(""));
    Ok(filled.take(columns).collect())
}

#[cfg(test)]
mod tests;
