//! Lines of CSV as spreadsheets save them: their ends and the separator of their cells.

use std::io::{self, BufRead, Read};

/// Separators that a header may have, the likeliest last.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];

/// The separator of the cells of `header`: the one that stands most often outside quotes, a comma where none
/// does.
#[must_use]
pub(crate) fn separator(header: &str) -> u8 {
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

/// Reads `input` with LF alone at the end of each line, whether it has LF, CRLF or CR there. The lines that a
/// CSV reader counts are then those that an editor shows.
#[derive(Debug)]
pub(crate) struct UnifiedLines<R> {
    input: R,
    after_return: bool,
}

impl<R: BufRead> UnifiedLines<R> {
    /// Reads from the start of `input`.
    pub(crate) fn new(input: R) -> Self {
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
