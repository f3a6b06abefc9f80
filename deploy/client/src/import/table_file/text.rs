//! CSV: its separator and its line numbers.

use std::borrow::Cow;

use csv::StringRecord;
use greenpark_console::{encoding, line_text};

use super::{Row, TableFile};

/// Reads CSV.
///
/// # Errors
/// The encoding is unknown, or there is no header.
pub(super) fn read(bytes: &[u8]) -> Result<TableFile, String> {
    let text = encoding::decode(bytes).map_err(|broken| broken.to_string())?;
    let text = unify_line_ends(&text);
    let (separator, body, lines_before) = separator(&text);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(body.as_bytes());
    let mut lines = LineCounter::new(body, lines_before);
    let mut record = StringRecord::new();
    let rows = std::iter::from_fn(|| match reader.read_record(&mut record) {
        Ok(false) => None,
        Ok(true) => {
            let start = record.position().map_or(0, csv::Position::byte);
            Some(Row {
                line: lines.line_of(usize::try_from(start).unwrap_or(usize::MAX)),
                cells: Ok(record.clone()),
            })
        }
        Err(error) => Some(Row {
            line: lines.last,
            cells: Err(error.to_string()),
        }),
    });
    TableFile::of(rows)
}

/// Counts the lines before each record.
struct LineCounter<'t> {
    text: &'t [u8],
    counted: usize,
    last: u64,
}

impl<'t> LineCounter<'t> {
    fn new(text: &'t str, before: u64) -> Self {
        Self {
            text: text.as_bytes(),
            counted: 0,
            last: before + 1,
        }
    }

    /// Returns the line of the record at byte `start`; the reader skips empty lines before it.
    fn line_of(&mut self, start: usize) -> u64 {
        let rest = self.text.get(start..).unwrap_or_default();
        let empty = rest.iter().take_while(|&&byte| byte == b'\n').count();
        let until = (start + empty).min(self.text.len());
        let passed = self.text.get(self.counted..until).unwrap_or_default();
        self.last += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.counted = self.counted.max(until);
        self.last
    }
}

/// Replaces every line end by LF.
fn unify_line_ends(text: &str) -> Cow<'_, str> {
    if !text.contains('\r') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Returns the separator of `text`, the text after a line such as `sep=;`, and the number of skipped lines.
fn separator(text: &str) -> (u8, &str, u64) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(named) = first.strip_prefix("sep=").map(str::trim_end)
        && let &[byte] = named.as_bytes()
    {
        return (byte, rest, 1);
    }
    let header = text.trim_start_matches('\n');
    let header = header.split('\n').next().unwrap_or_default();
    (line_text::separator(header), text, 0)
}
