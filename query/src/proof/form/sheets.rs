//! A form as a workbook: the form, where each number comes from, why each empty cell is empty, and the checks.

use bytes::Bytes;
use rust_decimal::Decimal;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatBorder, Workbook, Worksheet, XlsxError,
};

use super::{Cell, Check, Form, Outcome};
use crate::proof::{folder::Manifest, workbook::number};

/// The rows above the header.
const HEAD_ROWS: u32 = 6;
/// The names of the sheets behind the form.
const LINEAGE: &str = "lineage 来源";
const EMPTY: &str = "empty cells 空缺";
const CHECKS: &str = "checks 校验";

/// The workbook of `form`. Equal forms give equal bytes.
pub(crate) fn workbook(manifest: &Manifest, form: &Form) -> Result<Bytes, XlsxError> {
    let mut workbook = Workbook::new();
    // Without a date of its own it would hold the clock's.
    let made = ExcelDateTime::from_timestamp(manifest.as_of_ms / 1_000)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let sheet = workbook.add_worksheet().set_name(&form.layout.id)?;
    head(sheet, manifest, form)?;
    let (mut lineage, mut empty) = (Vec::new(), Vec::new());
    let cell_format = Format::new().set_border(FormatBorder::Thin);
    for (at, row) in (HEAD_ROWS + 1..).zip(&form.rows) {
        for (column, cell) in (0u16..).zip(row.labels.iter().chain(&row.cells)) {
            let place = || rust_xlsxwriter::utility::row_col_to_cell(at, column);
            match cell {
                Cell::Text(text) => {
                    sheet.write_string_with_format(at, column, text, &cell_format)?;
                }
                Cell::Known(value, origin) => {
                    write_number(sheet, (at, column), *value, &cell_format)?;
                    lineage.push(vec![place(), value.to_string(), origin.clone()]);
                }
                Cell::Unknown(reason) => {
                    sheet.write_blank(at, column, &cell_format)?;
                    empty.push(vec![place(), reason.clone()]);
                }
            }
        }
    }
    let after = HEAD_ROWS + 2 + u32::try_from(form.rows.len()).unwrap_or(u32::MAX);
    for (at, note) in (after..).zip(&form.notes) {
        sheet.write_string(at, 0, note)?;
    }
    table(&mut workbook, LINEAGE, &["cell", "value", "from"], &lineage)?;
    table(&mut workbook, EMPTY, &["cell", "why"], &empty)?;
    let checks: Vec<Vec<String>> = form.checks.iter().map(check_row).collect();
    let header = ["row", "rule", "outcome", "left", "right", "why"];
    table(&mut workbook, CHECKS, &header, &checks)?;
    Ok(workbook.save_to_buffer()?.into())
}

/// The title, whom and what it is about, and the header.
fn head(sheet: &mut Worksheet, manifest: &Manifest, form: &Form) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    let layout = &form.layout;
    sheet.write_string_with_format(0, 0, &layout.title, &bold)?;
    let lines = [
        ("enterprise 企业", manifest.name.clone()),
        (
            "period 报告期",
            format!("{} – {}", manifest.first, manifest.last),
        ),
        ("as of 数据截至", manifest.as_of.clone()),
        ("form 表号", format!("{}: {}", layout.id, layout.edition)),
        ("source 依据", layout.source.clone()),
    ];
    for (at, (what, text)) in (1u32..).zip(&lines) {
        sheet.write_string(at, 0, *what)?;
        sheet.write_string(at, 1, text)?;
    }
    let header = bold.set_border(FormatBorder::Thin).set_text_wrap();
    let labels = form.labels.iter().map(|label| (*label).to_owned());
    let columns = layout
        .columns
        .iter()
        .map(|of| format!("{}\n{}", of.title, of.meaning));
    for (column, text) in (0u16..).zip(labels.chain(columns)) {
        sheet.write_string_with_format(HEAD_ROWS, column, text, &header)?;
        sheet.set_column_width(column, 16)?;
    }
    sheet.set_freeze_panes(HEAD_ROWS + 1, 1)?;
    Ok(())
}

/// Writes a number, as text if a spreadsheet would round it.
fn write_number(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    value: Decimal,
    format: &Format,
) -> Result<(), XlsxError> {
    let text = value.to_string();
    match number(&text) {
        Some(number) => sheet.write_number_with_format(row, column, number, format)?,
        None => sheet.write_string_with_format(row, column, &text, format)?,
    };
    Ok(())
}

fn check_row(check: &Check) -> Vec<String> {
    let (outcome, left, right, why) = match &check.outcome {
        Outcome::Holds => ("holds 通过", String::new(), String::new(), String::new()),
        Outcome::Fails(left, right) => (
            "does not hold 不通过",
            left.to_string(),
            right.to_string(),
            String::new(),
        ),
        Outcome::Open(reason) => (
            "cannot be checked 无法校验",
            String::new(),
            String::new(),
            reason.clone(),
        ),
    };
    vec![
        check.row.clone(),
        check.rule.to_owned(),
        outcome.to_owned(),
        left,
        right,
        why,
    ]
}

fn table(
    workbook: &mut Workbook,
    name: &str,
    header: &[&str],
    rows: &[Vec<String>],
) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet().set_name(name)?;
    for (column, title) in (0u16..).zip(header) {
        sheet.write_string_with_format(0, column, *title, &bold)?;
        sheet.set_column_width(column, 24)?;
    }
    for (at, row) in (1u32..).zip(rows) {
        for (column, text) in (0u16..).zip(row) {
            sheet.write_string(at, column, text)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}
