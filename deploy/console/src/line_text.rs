//! Lines of CSV as spreadsheets save them: their ends and the separator of their cells.

use std::io::{self, BufRead, Read};

/// Separators that a header may have, the likeliest last.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];

/// Returns the separator of the cells of `header`: the one that occurs most often outside quotes, or a comma if none
/// occurs.
#[must_use]
pub fn separator(header: &str) -> u8 {
    let most = SEPARATORS
        .into_iter()
        .max_by_key(|&separator| outside_quotes(header, separator));
    most.unwrap_or(b',')
}

fn outside_quotes(line: &str, separator: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        count += usize::from(!quoted && byte == separator);
    }
    count
}

/// Reads `input` and ends each line with LF alone, whether the input has LF, CRLF or CR there. A CSV reader then
/// counts the same lines as an editor.
#[derive(Debug)]
pub struct UnifiedLines<R> {
    input: R,
    after_return: bool,
}

impl<R: BufRead> UnifiedLines<R> {
    /// Reads from the start of `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            after_return: false,
        }
    }
}

impl<R: BufRead> Read for UnifiedLines<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() || to.is_empty() {
                return Ok(0);
            }
            let (mut used, mut written) = (0, 0);
            for (&byte, place) in bytes.iter().zip(0..to.len()) {
                used = place + 1;
                let follows = std::mem::replace(&mut self.after_return, byte == b'\r');
                if follows && byte == b'\n' {
                    continue;
                }
                to[written] = if byte == b'\r' { b'\n' } else { byte };
                written += 1;
            }
            self.input.consume(used);
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn every_end_of_a_line_becomes_one_feed_wherever_a_buffer_ends() {
        for capacity in 1..6 {
            let input = BufReader::with_capacity(capacity, &b"a\r\nb\rc\n\r\n\r\nd\r"[..]);
            let mut text = String::new();
            UnifiedLines::new(input)
                .read_to_string(&mut text)
                .expect("text");
            assert_eq!(text, "a\nb\nc\n\n\nd\n");
        }
    }

    #[test]
    fn a_separator_within_quotes_is_none() {
        assert_eq!(separator("a;b"), b';');
        assert_eq!(separator("\"a;x;y\",b"), b',');
        assert_eq!(separator("a\tb"), b'\t');
        assert_eq!(separator("a"), b',');
    }
}
