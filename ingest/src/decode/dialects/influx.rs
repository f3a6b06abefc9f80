//! The line protocol of InfluxDB: `measurement,tag=text field=1.5,other=3i 1556813561098000000`.
//!
//! Each line is valid or invalid by itself. A quote is special only at the beginning of a field's
//! value; elsewhere it is a plain character. A string may contain a line feed, unless the text
//! after it is a line of its own: then the quote was never closed, which invalidates that line
//! only. Only escaped text is copied. A map names a field, or `measurement/field`; the device is
//! the tag that the rule names.

use std::borrow::Cow;

use greenpark_model::reading::Flag;

use super::{
    mapped::when,
    sink::{Sample, Sink, Value},
};
use crate::{
    decode::{series::clip, time::foreign},
    settings::TimeUnit,
};

/// Parses one line from front to back.
struct Line<'a> {
    /// The text from the start of the line, as far as a string in it may reach.
    text: &'a str,
    at: usize,
}

/// Limits the search for the end of strings that are not closed on their line, in multiples of the
/// payload's size.
const SCANS_MAX: usize = 64;

/// Decodes `text` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut rest = text;
    let mut scan_budget = text.len().saturating_mul(SCANS_MAX);
    while !rest.is_empty() {
        let first = rest.find('\n').unwrap_or(rest.len());
        let line = rest[..first].trim_start_matches([' ', '\t', '\r']);
        let start = first - line.len();
        if line.trim_end().is_empty() || line.starts_with('#') {
            rest = rest.get(first + 1..).unwrap_or_default();
            continue;
        }
        let used = match read(&rest[start..first], sink) {
            Err(LineError::Unclosed) => {
                end_of_string_line(&rest[start..], first - start, &mut scan_budget)
                    .and_then(|end| Some((end, read(&rest[start..start + end], sink).ok()?)))
                    .map_or(Err(LineError::Unclosed), |(end, ())| Ok(start + end))
            }
            other => other.map(|()| first),
        };
        let end = used.unwrap_or_else(|error| {
            sink.refuse_element(format!("not line protocol: {}", error.reason()));
            first
        });
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(())
}

/// The error of a line.
#[derive(Debug, PartialEq, Eq)]
enum LineError {
    /// A string value is not closed on the line.
    Unclosed,
    Invalid(String),
}

impl LineError {
    fn reason(self) -> String {
        match self {
            Self::Unclosed => "the text of a field has no closing quote".to_owned(),
            Self::Invalid(reason) => reason,
        }
    }
}

impl From<String> for LineError {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

/// Returns the end of the line whose first `first` bytes end within a string. `None` if the next
/// text is a line of its own, or if the string is never closed. `scan_budget` bounds the bytes
/// examined, over all lines of a payload.
fn end_of_string_line(text: &str, first: usize, scan_budget: &mut usize) -> Option<usize> {
    let mut end = first;
    while end < text.len() {
        let next = text[end + 1..]
            .find('\n')
            .map_or(text.len(), |at| end + 1 + at);
        *scan_budget = scan_budget.checked_sub(next)?;
        if is_line(&text[end + 1..next]) {
            return None;
        }
        end = next;
        match check(&text[..end]) {
            Ok(()) => return Some(end),
            Err(LineError::Unclosed) => {}
            Err(LineError::Invalid(_)) => return None,
        }
    }
    None
}

/// Returns true if a text is a complete line, or a comment.
fn is_line(text: &str) -> bool {
    let line = text.trim_start_matches([' ', '\t', '\r']);
    line.starts_with('#') || check(line).is_ok()
}

/// Checks that `text` is one line, whatever its contents.
fn check(text: &str) -> Result<(), LineError> {
    let mut line = Line::of(text);
    line.series(|_, _| ())?;
    line.fields(|_, _| ())?;
    match line.timestamp()? {
        Some(digits) if digits.parse::<i64>().is_err() => {
            Err(LineError::Invalid("its instant is no number".to_owned()))
        }
        _ => Ok(()),
    }
}

fn read(text: &str, sink: &mut Sink<'_>) -> Result<(), LineError> {
    let mut line = Line::of(text);
    let mut device = Cow::Borrowed("");
    let tag = sink.mapping.device_tag();
    let measurement = line.series(|name, value| {
        if tag == Some(name) {
            device = value;
        }
    })?;
    let fields = line.at;
    line.fields(|_, _| ())?;
    let digits = line.timestamp()?;
    let unit = sink.mapping.unit_or(TimeUnit::Ns);
    let at = digits.map(|digits| foreign::of_digits(digits, unit, sink.timing));
    line.at = fields;
    let beside = |name: &str| ticket(text, name);
    line.fields(|field, value| {
        sink.add(Sample {
            device: &device,
            group: &measurement,
            field,
            value,
            when: when(at.as_ref()),
            flag: Flag::Normal,
            beside: &beside,
        });
    })
}

/// Returns the text of the field or tag `name` of a line that was parsed before.
fn ticket(text: &str, name: &str) -> Option<String> {
    let (mut found, mut tag) = (None, None);
    let mut line = Line::of(text);
    let series = line.series(|own, value| {
        if own == name {
            tag = Some(value.into_owned());
        }
    });
    series.ok()?;
    let start = line.at;
    let mut quoted = false;
    let fields = line.fields(|field, value| {
        if field == name {
            match value {
                Value::Digits(digits) => found = Some(digits.to_owned()),
                _ => quoted = true,
            }
        }
    });
    fields.ok()?;
    if quoted {
        let fields = Line {
            text: line.text,
            at: start,
        };
        found = fields.quoted(name);
    }
    found.or(tag)
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text: text.trim_end_matches([' ', '\t', '\r']),
            at: 0,
        }
    }

    /// Parses the measurement and the tags, and the space after them.
    fn series(
        &mut self,
        mut on: impl FnMut(&str, Cow<'a, str>),
    ) -> Result<Cow<'a, str>, LineError> {
        let measurement = self.name(b", ")?;
        while self.skip(b',') {
            let tag = self.name(b"=, ")?;
            if !self.skip(b'=') {
                return Err(LineError::Invalid("a tag has no '='".to_owned()));
            }
            on(&tag, self.name(b", ")?);
        }
        self.space()?;
        Ok(measurement)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.byte() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn space(&mut self) -> Result<(), String> {
        if !self.skip(b' ') {
            return Err(format!("a space is missing at byte {}", self.at));
        }
        while self.skip(b' ') {}
        Ok(())
    }

    /// Parses up to one of `ends`; a backslash escapes them.
    fn name(&mut self, ends: &[u8]) -> Result<Cow<'a, str>, String> {
        let (start, mut escaped) = (self.at, false);
        while let Some(byte) = self.byte() {
            if ends.contains(&byte) {
                break;
            }
            let plain = |next: &u8| matches!(next, b',' | b'=' | b' ' | b'\\');
            let next = self.text.as_bytes().get(self.at + 1);
            let pair = byte == b'\\' && next.is_some_and(plain);
            escaped |= pair;
            self.at += 1 + usize::from(pair);
        }
        // OK because every end is ASCII.
        let text = &self.text[start..self.at];
        if text.is_empty() {
            return Err(format!("a name or a value is missing at byte {start}"));
        }
        if !escaped {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let pair = char == '\\' && matches!(chars.peek(), Some(',' | '=' | ' ' | '\\'));
            out.push(if pair {
                chars.next().unwrap_or(char)
            } else {
                char
            });
        }
        Ok(Cow::Owned(out))
    }

    /// Calls `on` for every field of the line.
    fn fields(&mut self, mut on: impl FnMut(&str, Value<'_>)) -> Result<(), LineError> {
        loop {
            let field = self.name(b"=, ")?;
            if !self.skip(b'=') {
                let field = clip(&field);
                return Err(LineError::Invalid(format!(
                    "the field '{field}' has no '='"
                )));
            }
            on(&field, self.value()?);
            if !self.skip(b',') {
                return Ok(());
            }
        }
    }

    /// Parses a string up to its closing quote; a backslash escapes a quote or a backslash, and
    /// nothing else.
    fn text(&mut self) -> Result<&'a str, LineError> {
        let start = self.at;
        while let Some(byte) = self.byte() {
            let next = self.text.as_bytes().get(self.at + 1);
            match byte {
                b'"' => {
                    self.at += 1;
                    // OK because both ends are ASCII.
                    return Ok(&self.text[start..self.at - 1]);
                }
                b'\\' if matches!(next, Some(b'"' | b'\\')) => self.at += 2,
                _ => self.at += 1,
            }
        }
        Err(LineError::Unclosed)
    }

    /// Returns the string value of the field `name`, starting at the first field.
    fn quoted(mut self, name: &str) -> Option<String> {
        loop {
            let field = self.name(b"=, ").ok()?;
            self.skip(b'=').then_some(())?;
            if field == name && self.skip(b'"') {
                let text = self.text().ok()?;
                return Some(text.replace("\\\"", "\"").replace("\\\\", "\\"));
            }
            self.value().ok()?;
            self.skip(b',').then_some(())?;
        }
    }

    fn value(&mut self) -> Result<Value<'a>, LineError> {
        if self.skip(b'"') {
            self.text()?;
            return Ok(Value::Other("a string"));
        }
        let rest = &self.text[self.at..];
        let text = &rest[..rest.find([',', ' ']).unwrap_or(rest.len())];
        self.at += text.len();
        match text {
            "" => Err(LineError::Invalid(format!(
                "a value is missing at byte {}",
                self.at
            ))),
            "t" | "T" | "true" | "True" | "TRUE" | "f" | "F" | "false" | "False" | "FALSE" => {
                Ok(Value::Other("true or false"))
            }
            number => Ok(Value::Digits(
                number.strip_suffix(['i', 'u']).unwrap_or(number),
            )),
        }
    }

    /// Parses the optional instant at the end of the line.
    fn timestamp(&mut self) -> Result<Option<&'a str>, LineError> {
        let rest = &self.text[self.at.min(self.text.len())..];
        let digits = rest.trim_matches(' ');
        if !rest.is_empty() && !rest.starts_with(' ') {
            return Err(LineError::Invalid(format!(
                "a space is missing at byte {}",
                self.at
            )));
        }
        Ok((!digits.is_empty()).then_some(digits))
    }
}
