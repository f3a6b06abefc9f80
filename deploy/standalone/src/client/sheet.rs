//! An answer as a table, as JSON or as CSV.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use comfy_table::{
    CellAlignment, Table, modifiers::UTF8_ROUND_CORNERS, presets::UTF8_FULL_CONDENSED,
};
use serde_json::Value;

use crate::cli::Format;

/// Rows for people and other programs, and the whole answer as JSON.
#[derive(Debug)]
pub struct Sheet {
    header: Vec<String>,
    /// Columns of numbers, which stand to the right.
    numeric: Vec<usize>,
    rows: Vec<Vec<String>>,
    json: Value,
}

impl Sheet {
    /// A sheet without rows.
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

    /// The table as text.
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

    /// The sheet in `format`.
    ///
    /// # Errors
    /// None that rows of text can cause.
    pub fn render(&self, format: Format) -> anyhow::Result<String> {
        match format {
            Format::Table => Ok(self.table() + "\n"),
            Format::Json => Ok(serde_json::to_string_pretty(&self.json)? + "\n"),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(&self.header)?;
                for row in &self.rows {
                    writer.write_record(row)?;
                }
                let bytes = writer.into_inner().context("write CSV")?;
                Ok(String::from_utf8(bytes)?)
            }
        }
    }

    /// Writes the sheet to standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn print(&self, format: Format) -> anyhow::Result<()> {
        answer(&self.render(format)?)
    }
}

/// Writes to standard output.
///
/// # Errors
/// Standard output is closed.
pub fn answer(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("write the answer")
}

/// `text` in an ANSI color, where standard output is a terminal that shows one.
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
    /// By the way.
    Dim,
    /// A heading.
    Bold,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_written_in_three_forms() {
        let mut sheet = Sheet::new(
            &["name", "value"],
            &[1],
            serde_json::json!({"figures": [1]}),
        );
        sheet.push(vec!["parks/demo".into(), "0,5".into()]);
        let csv = sheet.render(Format::Csv).expect("CSV");
        assert_eq!(csv, "name,value\nparks/demo,\"0,5\"\n");
        let table = sheet.render(Format::Table).expect("a table");
        assert!(
            table.contains("parks/demo") && table.starts_with('╭'),
            "{table}"
        );
        let json: Value =
            serde_json::from_str(&sheet.render(Format::Json).expect("JSON")).expect("JSON");
        assert_eq!(json["figures"][0], 1);
    }
}
