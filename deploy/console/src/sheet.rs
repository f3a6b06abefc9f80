//! An answer as a table, as JSON, as CSV or as a workbook.

use std::io::{self, IsTerminal};

use anyhow::{Context, bail};
use comfy_table::{
    CellAlignment, Table, modifiers::UTF8_ROUND_CORNERS, presets::UTF8_FULL_CONDENSED,
};
use rust_xlsxwriter::{Workbook, XlsxError};
use serde_json::Value;

use crate::output::{OutputFormat, write_out};

/// The start of each CSV file: without it a spreadsheet on a Chinese machine reads the file as GBK.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Decimal digits of a number that a spreadsheet keeps.
const SPREADSHEET_DIGITS: usize = 15;

/// Rows for people and other programs, and the whole answer as JSON.
#[derive(Debug)]
pub struct Sheet {
    header: Vec<String>,
    /// Columns of numbers, aligned to the right.
    numeric: Vec<usize>,
    rows: Vec<Vec<String>>,
    json: Value,
}

impl Sheet {
    /// Creates a sheet without rows.
    #[must_use]
    pub fn new(header: &[&str], numeric: &[usize], json: Value) -> Self {
        Self {
            header: header.iter().map(|&name| name.to_owned()).collect(),
            numeric: numeric.to_vec(),
            rows: Vec::new(),
            json,
        }
    }

    /// Adds a row; it has a cell for each column.
    pub fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.header.len());
        self.rows.push(row);
    }

    /// Renders the table as text.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_preset(UTF8_FULL_CONDENSED)
            .apply_modifier(UTF8_ROUND_CORNERS);
        table.set_header(&self.header);
        table.add_rows(&self.rows);
        for &index in &self.numeric {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }

    /// Renders the sheet in `format`.
    ///
    /// # Errors
    /// A workbook cannot hold it: more than 1,048,576 rows, or a cell of more than 32,767 characters.
    pub fn render(&self, format: OutputFormat) -> anyhow::Result<Vec<u8>> {
        match format {
            OutputFormat::Table => Ok((self.table() + "\n").into_bytes()),
            OutputFormat::Json => {
                Ok((serde_json::to_string_pretty(&self.json)? + "\n").into_bytes())
            }
            OutputFormat::Csv => {
                let mut writer = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
                writer.write_record(&self.header)?;
                for row in &self.rows {
                    writer.write_record(row)?;
                }
                writer.into_inner().context("write CSV")
            }
            OutputFormat::Xlsx => self.workbook().context("write a workbook"),
        }
    }

    /// Renders the sheet as an `.xlsx` file. A number that a spreadsheet would round stays text.
    fn workbook(&self) -> Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        let bold = rust_xlsxwriter::Format::new().set_bold();
        let sheet = workbook.add_worksheet();
        sheet.write_row_with_format(0, 0, &self.header, &bold)?;
        sheet.set_freeze_panes(1, 0)?;
        for (row, cells) in (1..).zip(&self.rows) {
            for (column, cell) in (0..).zip(cells) {
                let is_number = self.numeric.contains(&usize::from(column));
                match exact_float(cell).filter(|_| is_number) {
                    Some(number) => sheet.write_number(row, column, number)?,
                    None => sheet.write_string(row, column, cell)?,
                };
            }
        }
        sheet.autofit();
        workbook.save_to_buffer()
    }

    /// Writes the sheet to standard output.
    ///
    /// # Errors
    /// Standard output is closed, or is a terminal while the sheet is to be a workbook.
    pub fn print(&self, format: OutputFormat) -> anyhow::Result<()> {
        if format == OutputFormat::Xlsx && io::stdout().is_terminal() {
            bail!("a workbook is no text for a terminal; redirect it: --format xlsx > answer.xlsx");
        }
        write_out(&self.render(format)?)
    }
}

/// Parses the number in `text`, if a spreadsheet's binary number keeps every digit of it.
fn exact_float(text: &str) -> Option<f64> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    (plain && (1..=SPREADSHEET_DIGITS).contains(&digits)).then(|| text.parse().ok())?
}

/// Colors `text` for a terminal; elsewhere, and with `NO_COLOR`, it stays plain.
#[must_use]
pub fn tint(text: &str, color: Color) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match color {
        Color::Green => 32,
        Color::Red => 31,
        Color::Yellow => 33,
        Color::Dim => 2,
        Color::Bold => 1,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// A color of [`tint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Reached.
    Green,
    /// Not reached.
    Red,
    /// Not known yet.
    Yellow,
    /// Secondary.
    Dim,
    /// A heading.
    Bold,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(sheet: &Sheet, format: OutputFormat) -> String {
        String::from_utf8(sheet.render(format).expect("rendered")).expect("text")
    }

    #[test]
    fn a_sheet_is_written_in_three_text_forms() {
        let mut sheet = Sheet::new(
            &["name", "value"],
            &[1],
            serde_json::json!({"figures": [1]}),
        );
        sheet.push(vec!["parks/demo".into(), "0,5".into()]);
        let csv = rendered(&sheet, OutputFormat::Csv);
        assert_eq!(csv, "\u{feff}name,value\nparks/demo,\"0,5\"\n");
        let table = rendered(&sheet, OutputFormat::Table);
        assert!(
            table.contains("parks/demo") && table.starts_with('╭'),
            "{table}"
        );
        let json: Value =
            serde_json::from_str(&rendered(&sheet, OutputFormat::Json)).expect("JSON");
        assert_eq!(json["figures"][0], 1);
    }

    #[test]
    fn a_workbook_holds_numbers_that_no_digit_is_lost_of() {
        use calamine::{Data, Reader, Xlsx};
        let mut sheet = Sheet::new(&["指标", "value"], &[1], Value::Null);
        for value in ["-1204.5", "12345678901234567.5", "", "0.1"] {
            sheet.push(vec!["能耗".into(), value.into()]);
        }
        let bytes = sheet.render(OutputFormat::Xlsx).expect("a workbook");
        let mut book: Xlsx<_> = Xlsx::new(io::Cursor::new(bytes)).expect("a workbook");
        let range = book.worksheet_range("Sheet1").expect("a sheet");
        let at = |row| range.get_value((row, 1)).cloned();
        assert_eq!(range.get_value((0, 0)), Some(&Data::String("指标".into())));
        assert_eq!(at(1), Some(Data::Float(-1204.5)));
        assert_eq!(at(2), Some(Data::String("12345678901234567.5".into())));
        assert_eq!(at(4), Some(Data::Float(0.1)));
    }
}
