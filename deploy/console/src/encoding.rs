//! The encodings in which spreadsheets save text: UTF-8, UTF-16 with a byte order mark, and GBK.
//!
//! A byte order mark decides. A text without one is UTF-8 if it, or most of its characters beyond ASCII, decode as
//! UTF-8; in the second case it is UTF-8 with a broken byte. Any other text is GBK. [`decode`] examines the whole text.
//! [`Decoded`] reads a stream of any length and examines one window of it, the first that is not pure ASCII. No byte is
//! replaced: an undecodable byte is an error.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

use encoding_rs::{Decoder, DecoderResult, Encoding, GBK, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes of a stream that are examined and decoded at a time.
const WINDOW_BYTES: usize = 64 * 1024;

/// The reason why a line cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// The text has no mark of UTF-16.
    #[error("is neither UTF-8 nor GBK; save it as \"CSV UTF-8\"")]
    Unmarked,
    /// The text has a mark of UTF-16.
    #[error("is not the UTF-16 that the file begins as; save it as \"CSV UTF-8\"")]
    Utf16,
}

/// A text that cannot be decoded, with the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {why}")]
pub struct Broken {
    /// The line of the first broken byte, from one.
    line: usize,
    /// The reason.
    why: NotText,
}

/// Decodes `bytes` and drops the byte order mark.
///
/// # Errors
/// [`Broken`] names the first line that cannot be decoded.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Broken> {
    let (encoding, mark) = marked(bytes).unwrap_or_else(|| (unmarked(bytes), 0));
    let bytes = &bytes[mark..];
    if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        return Ok(text);
    }
    let mut before = String::new();
    let mut decoder = encoding.new_decoder_without_bom_handling();
    transcode(&mut decoder, bytes, &mut before, Part::Last);
    Err(Broken {
        line: 1 + line_ends(&before),
        why: NotText::of(encoding),
    })
}

/// Reads `input` as UTF-8 in any of the encodings, without its mark. At an undecodable byte the reader returns all
/// text before it and then an error of kind [`io::ErrorKind::InvalidData`] that holds [`NotText`].
#[derive(Debug)]
pub struct Decoded<R> {
    input: R,
    window_bytes: usize,
    /// Bytes of the input that are not decoded yet.
    raw: Vec<u8>,
    /// True once bytes were read: only the first bytes may be a mark.
    has_begun: bool,
    is_at_end: bool,
    /// `None` while everything was ASCII, which is the same in every encoding.
    decoder: Option<Decoder>,
    broken: Option<NotText>,
    text: String,
    /// Bytes of `text` that were read.
    passed: usize,
}

/// Tells the decoder if more bytes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Earlier,
    Last,
}

impl<R: Read> Decoded<R> {
    /// Reads from the start of `input`.
    pub fn new(input: R) -> Self {
        Self::with_window(input, WINDOW_BYTES)
    }

    /// Reads in windows of `window` bytes: at least four, so that every character fits.
    fn with_window(input: R, window_bytes: usize) -> Self {
        Self {
            input,
            window_bytes,
            raw: Vec::with_capacity(window_bytes),
            has_begun: false,
            is_at_end: false,
            decoder: None,
            broken: None,
            text: String::new(),
            passed: 0,
        }
    }

    /// Replaces the consumed text by the next window; the text is empty at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.passed = 0;
        while self.text.is_empty() {
            if let Some(why) = self.broken {
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if self.is_at_end {
                break;
            }
            let room = self.window_bytes - self.raw.len();
            let mut more = self.input.by_ref().take(room as u64);
            self.is_at_end = more.read_to_end(&mut self.raw)? < room;
            if self.decoder.is_none() {
                self.choose();
            }
            self.decode();
            self.has_begun = true;
        }
        Ok(())
    }

    /// Chooses the encoding from the window, or passes on its ASCII prefix.
    fn choose(&mut self) {
        let valid = match std::str::from_utf8(&self.raw) {
            Ok(text) => Some(text),
            // The window ends within a character.
            Err(error) if error.error_len().is_none() && !self.is_at_end => {
                std::str::from_utf8(&self.raw[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        if let Some(ascii) = valid.filter(|text| text.is_ascii()) {
            self.text.push_str(ascii);
            let passed = ascii.len();
            self.raw.drain(..passed);
            return;
        }
        let judged = valid.map_or(self.raw.as_slice(), str::as_bytes);
        let mark = if self.has_begun { None } else { marked(judged) };
        let (encoding, mark_bytes) = mark.unwrap_or_else(|| (unmarked(judged), 0));
        self.raw.drain(..mark_bytes);
        self.decoder = Some(encoding.new_decoder_without_bom_handling());
    }

    /// Decodes the window in the known encoding.
    fn decode(&mut self) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        let part = match self.is_at_end {
            true => Part::Last,
            false => Part::Earlier,
        };
        if !transcode(decoder, &self.raw, &mut self.text, part) {
            self.broken = Some(NotText::of(decoder.encoding()));
        }
        self.raw.clear();
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.passed == self.text.len() {
            self.refill()?;
        }
        Ok(&self.text.as_bytes()[self.passed..])
    }

    fn consume(&mut self, count: usize) {
        self.passed = (self.passed + count).min(self.text.len());
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = bytes.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

impl NotText {
    fn of(encoding: &'static Encoding) -> Self {
        match encoding == UTF_16LE || encoding == UTF_16BE {
            true => Self::Utf16,
            false => Self::Unmarked,
        }
    }
}

/// The encoding that a mark at the start of `bytes` names, and the length of the mark.
fn marked(bytes: &[u8]) -> Option<(&'static Encoding, usize)> {
    Encoding::for_bom(bytes)
}

/// The encoding of `bytes` without a mark.
fn unmarked(bytes: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(bytes).is_ok() || is_mostly_utf8(bytes) {
        true => UTF_8,
        false => GBK,
    }
}

/// Returns true if most characters beyond ASCII are UTF-8: the text is then UTF-8 with a broken byte.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole >= broken && whole > 0
}

/// Appends the decoded `bytes` to `text`, up to the first undecodable byte; returns true if there is no such byte.
fn transcode(decoder: &mut Decoder, bytes: &[u8], text: &mut String, part: Part) -> bool {
    let mut rest = bytes;
    loop {
        let room = decoder.max_utf8_buffer_length_without_replacement(rest.len());
        text.reserve(room.unwrap_or_else(|| rest.len().saturating_mul(3)));
        let is_last = part == Part::Last;
        let (result, used) = decoder.decode_to_string_without_replacement(rest, text, is_last);
        rest = &rest[used..];
        match result {
            DecoderResult::InputEmpty => return true,
            DecoderResult::Malformed(..) => return false,
            DecoderResult::OutputFull => {}
        }
    }
}

/// Counts the line ends in `text`: LF, CRLF or CR alone.
fn line_ends(text: &str) -> usize {
    let count = |end: &str| text.matches(end).count();
    count("\n") + count("\r") - count("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "at,表,m³\r\n08:00,1,企业\r\n09:00,2.50,a\r\n";

    fn utf16(text: &str, mark: [u8; 2], of: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        mark.into_iter()
            .chain(text.encode_utf16().flat_map(of))
            .collect()
    }

    fn stream(bytes: &[u8], window_bytes: usize) -> (Vec<u8>, io::Result<usize>) {
        let mut text = Vec::new();
        let result = Decoded::with_window(bytes, window_bytes).read_to_end(&mut text);
        (text, result)
    }

    #[test]
    fn a_text_is_read_wherever_a_window_ends() {
        let gbk_text = TEXT.replace('³', "3");
        let (gbk, ..) = GBK.encode(&gbk_text);
        let utf8_marked = [b"\xef\xbb\xbf", TEXT.as_bytes()].concat();
        let little = utf16(TEXT, [0xff, 0xfe], u16::to_le_bytes);
        let big = utf16(TEXT, [0xfe, 0xff], u16::to_be_bytes);
        let cases: [(&[u8], &str); 5] = [
            (TEXT.as_bytes(), TEXT),
            (&utf8_marked, TEXT),
            (&little, TEXT),
            (&big, TEXT),
            (&gbk, &gbk_text),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode(bytes).expect("a text"), text);
            for window_bytes in (4..=bytes.len() + 1).chain([WINDOW_BYTES]) {
                let (read, result) = stream(bytes, window_bytes);
                result.expect("a text");
                assert_eq!(String::from_utf8(read).expect("UTF-8"), text);
            }
        }
    }

    #[test]
    fn the_first_character_beyond_ascii_chooses_however_late_it_comes() {
        let rows = "2025-01-01 08:00,31.46\n".repeat(10_000);
        let (name, ..) = GBK.encode("企业");
        for (end, text) in [(&name[..], "企业"), ("企业".as_bytes(), "企业")] {
            let (read, result) = stream(&[rows.as_bytes(), end].concat(), WINDOW_BYTES);
            result.expect("a text");
            assert_eq!(
                String::from_utf8(read).expect("UTF-8"),
                format!("{rows}{text}")
            );
        }
        // A mark in the middle is ordinary text.
        let (read, result) = stream(b"abcd\xef\xbb\xbfe", 4);
        result.expect("a text");
        assert_eq!(read, "abcd\u{feff}e".as_bytes());
    }

    #[test]
    fn what_is_no_text_is_an_error_behind_what_is_whole() {
        let half_a_pair = utf16("a\n", [0xff, 0xfe], u16::to_le_bytes);
        let half_a_pair = [&half_a_pair[..], b"\x00\xd8,\0"].concat();
        let cases: [(&[u8], &str, NotText); 3] = [
            (
                b"a\r\n\xe4\xbc\x81,2\r\n\xe4\xbc,3\n",
                "a\r\n企,2\r\n",
                NotText::Unmarked,
            ),
            (b"a\n\xff\xff\n1\n", "a\n", NotText::Unmarked),
            (&half_a_pair, "a\n", NotText::Utf16),
        ];
        for (bytes, whole, why) in cases {
            let (read, result) = stream(bytes, WINDOW_BYTES);
            assert_eq!(read, whole.as_bytes());
            let error = result.expect_err("no text");
            let told = error.get_ref().and_then(|e| e.downcast_ref::<NotText>());
            assert_eq!(told, Some(&why));
            let line = 1 + whole.lines().count();
            assert_eq!(decode(bytes), Err(Broken { line, why }));
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        assert_eq!(line_ends("a\r\nb\rc\n\r\n\r\nd"), 5);
    }
}
