//! The tables of an extract folder as one workbook, for people who look with a spreadsheet.
//!
//! The CSV files beside it are what counts: a spreadsheet rounds numbers beyond fifteen digits, so such a number is
//! text here. The same tables give the same bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use serde_json::Value;

use super::folder::{ENTRIES, Files, Manifest, READINGS};

/// Readings of a workbook: more make it slow to open, and the CSV has them anyway.
const READINGS_MAX: usize = 200_000;
/// Digits that a spreadsheet holds exactly.
const DIGITS_MAX: usize = 15;
/// Characters of a cell.
const CELL_CHARS_MAX: usize = 32_000;
/// Columns that hold numbers.
const NUMERIC: [&str; 11] = [
    "value",
    "consumption",
    "estimated",
    "readings",
    "resets",
    "jumps",
    "glitches",
    "invalid",
    "manual",
    "revision",
    "bytes",
];

/// The workbook of the tables in `files`.
pub(crate) fn workbook(manifest: &Manifest, files: &Files) -> Result<Bytes, XlsxError> {
    let mut workbook = Workbook::new();
    // Without a date of its own it would hold the clock's.
    let made = ExcelDateTime::from_timestamp(manifest.as_of_ms / 1_000)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let readings = records(files, "readings.csv");
    let is_whole = readings.len() <= READINGS_MAX + 1;
    sheet(&mut workbook, "extract 摘录", &about(manifest, is_whole))?;
    sheet(&mut workbook, "figures 指标", &figures(files))?;
    sheet(
        &mut workbook,
        "daily totals 日累计",
        &records(files, "daily-totals.csv"),
    )?;
    sheet(&mut workbook, "entries 台账", &entries(files))?;
    sheet(&mut workbook, "files 文件", &sources(files))?;
    if is_whole {
        sheet(&mut workbook, "readings 读数", &readings)?;
    }
    Ok(workbook.save_to_buffer()?.into())
}

/// A table: its header and its rows.
type Table = Vec<Vec<String>>;

fn sheet(workbook: &mut Workbook, name: &str, table: &Table) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    let worksheet: &mut Worksheet = workbook.add_worksheet().set_name(name)?;
    let header = table.first().map(Vec::as_slice).unwrap_or_default();
    let numeric: BTreeSet<usize> = header
        .iter()
        .enumerate()
        .filter(|(_, name)| NUMERIC.contains(&name.as_str()))
        .map(|(column, _)| column)
        .collect();
    worksheet.set_freeze_panes(1, 0)?;
    for (at, cells) in (0u32..).zip(table) {
        for (column, text) in (0u16..).zip(cells) {
            let text = cut(text);
            let number = numeric
                .contains(&usize::from(column))
                .then(|| number(text))
                .flatten();
            match number {
                Some(number) if at > 0 => worksheet.write_number(at, column, number)?,
                _ if at == 0 => worksheet.write_string_with_format(at, column, text, &bold)?,
                _ => worksheet.write_string(at, column, text)?,
            };
        }
    }
    Ok(())
}

/// As much of `text` as a cell holds.
fn cut(text: &str) -> &str {
    text.char_indices()
        .nth(CELL_CHARS_MAX)
        .map_or(text, |(at, _)| &text[..at])
}

/// The number that `text` is, if a spreadsheet holds it exactly.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    (is_plain && digits <= DIGITS_MAX)
        .then(|| text.parse().ok())
        .flatten()
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn about(manifest: &Manifest, is_whole: bool) -> Table {
    let mut table = vec![
        row(&["extract", ""]),
        row(&["name", &manifest.name]),
        row(&["first", &manifest.first]),
        row(&["last", &manifest.last]),
        row(&["as of", &manifest.as_of]),
        row(&["made by", &manifest.made_by]),
        row(&["grid region", &manifest.choices.grid_region]),
        row(&["bulk waste", &manifest.choices.waste_set]),
        row(&["rules", &manifest.rules]),
        row(&["check it", "greenpark verify FOLDER"]),
    ];
    if !is_whole {
        table.push(row(&[
            "readings",
            "too many for a workbook: see readings.csv",
        ]));
    }
    table.extend(
        manifest
            .shipped
            .iter()
            .map(|(name, sha256)| row(&[name, sha256])),
    );
    table
}

fn figures(files: &Files) -> Table {
    let columns = [
        "indicator",
        "value",
        "unit",
        "numerator",
        "denominator",
        "status",
        "sound",
        "refused",
    ];
    let figures = files.get("figures.json");
    let figures: Vec<Value> = figures
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    // A figure is text: it is never added up.
    let mut columns_named = row(&columns);
    columns_named[1] = "figure".to_owned();
    let rows = figures.iter().map(|figure| cells(figure, &columns));
    std::iter::once(columns_named).chain(rows).collect()
}

fn entries(files: &Files) -> Table {
    let columns = [
        "kind",
        "subject",
        "valid_from",
        "valid_to",
        "recorded_at",
        "recorded_by",
        "evidence",
        "body",
    ];
    let lines = files
        .get(ENTRIES)
        .map(|bytes| String::from_utf8_lossy(bytes));
    let read = |line: &str| serde_json::from_str(line).unwrap_or(Value::Null);
    let rows: Table = lines
        .unwrap_or_default()
        .lines()
        .map(|line| cells(&read(line), &columns))
        .collect();
    std::iter::once(row(&columns)).chain(rows).collect()
}

/// The fields `columns` of a JSON object, as text.
fn cells(object: &Value, columns: &[&str]) -> Vec<String> {
    let cell = |column: &&str| match &object[*column] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    columns.iter().map(cell).collect()
}

fn sources(files: &Files) -> Table {
    let given = files
        .iter()
        .filter(|(path, _)| path.starts_with(READINGS) || path.starts_with("data/"));
    let rows = given.map(|(path, bytes)| {
        let of = super::folder::FileDigest::of(bytes);
        vec![path.clone(), of.bytes.to_string(), of.sha256]
    });
    std::iter::once(row(&["path", "bytes", "sha256"]))
        .chain(rows)
        .collect()
}

/// The records of a CSV file, its header first.
fn records(files: &Files, name: &str) -> Table {
    let bytes = files.get(name).map(Bytes::as_ref).unwrap_or_default();
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(bytes);
    let records = reader.records().filter_map(Result::ok);
    records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect()
}
