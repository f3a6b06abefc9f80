//! What a command writes: the answer on standard output, everything else on standard error.

use std::io::{self, Write};

use anyhow::Context;
use clap::ValueEnum;

/// Form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// Everything the service said.
    Json,
    /// The table's columns for other programs and spreadsheets.
    Csv,
    /// The table as a workbook; redirect it to a file.
    Xlsx,
}

/// Writes `text` to standard output.
///
/// # Errors
/// Standard output is closed.
pub fn answer(text: &str) -> anyhow::Result<()> {
    write_out(text.as_bytes())
}

pub(crate) fn write_out(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .context("write the answer")
}

/// Writes a line to standard error. A failure is ignored: nobody reads a closed standard error.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Groups digits: `1234567` becomes `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped() {
        let told = [0, 999, 1_000, 12_345, 4_871_234].map(super::thousands);
        assert_eq!(told, ["0", "999", "1,000", "12,345", "4,871,234"]);
    }
}
