//! The first sheet of a workbook: `.xlsx`, `.xls`, `.xlsb` or `.ods`.

use std::io::Cursor;

use calamine::{Data, ExcelDateTime, Reader as _, open_workbook_auto_from_rs};
use csv::StringRecord;

use super::{Row, TableFile};

/// Returns true if the first bytes are those of a workbook: a zip archive or an OLE document.
pub(super) fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
}

/// Reads the first sheet.
///
/// # Errors
/// The file is no workbook, or its first sheet has no header.
pub(super) fn read(bytes: Vec<u8>) -> Result<TableFile, String> {
    let opened = open_workbook_auto_from_rs(Cursor::new(bytes));
    let mut workbook = opened.map_err(|error| format!("is no workbook: {error}"))?;
    let first = workbook.sheet_names().into_iter().next();
    let first = first.ok_or_else(|| "is a workbook without a sheet".to_owned())?;
    let sheet = workbook
        .worksheet_range(&first)
        .map_err(|error| format!("sheet '{first}' cannot be read: {error}"))?;
    let above = sheet.start().map_or(0, |(row, _)| u64::from(row));
    let left = sheet.start().map_or(0, |(_, column)| column);
    let rows = sheet.rows().zip(above + 1..).map(|(cells, line)| Row {
        line,
        cells: record(left, cells),
    });
    TableFile::of(rows)
}

/// Converts the cells of one row to text; the first of them is in column `left`.
fn record(left: u32, cells: &[Data]) -> Result<StringRecord, String> {
    let mut record = StringRecord::new();
    for (cell, column) in cells.iter().zip(left..) {
        let text = text(cell).map_err(|why| format!("column {}: {why}", column_name(column)))?;
        record.push_field(text.trim());
    }
    Ok(record)
}

fn text(cell: &Data) -> Result<String, String> {
    Ok(match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::Bool(flag) => flag.to_string(),
        Data::DateTime(at) => instant(at)?,
        Data::DurationIso(_) => return Err("holds a duration; write it as text".to_owned()),
        Data::Error(error) => {
            return Err(format!("holds the error {error}; mend the formula"));
        }
    })
}

/// Formats a day if the time is midnight, else an instant of China Standard Time.
fn instant(at: &ExcelDateTime) -> Result<String, String> {
    if at.is_duration() {
        return Err("holds a duration; write it as text".to_owned());
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    Ok(match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}+08:00"),
        _ => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}+08:00"),
    })
}

/// Returns the spreadsheet name of a column: A, B … Z, AA.
fn column_name(column: u32) -> String {
    let mut name = Vec::new();
    let mut rest = column;
    loop {
        // OK because the remainder is below 26.
        name.push(b'A' + (rest % 26) as u8);
        match (rest / 26).checked_sub(1) {
            Some(next) => rest = next,
            None => break,
        }
    }
    name.iter().rev().map(|&byte| char::from(byte)).collect()
}
