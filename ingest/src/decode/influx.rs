//! The line protocol of InfluxDB: `measurement,tag=text field=1.5,other=3i 1556813561098000000`.
//!
//! A line is right or wrong by itself. Only what is escaped is copied. A map names a field, or
//! `measurement/field`; the device is the tag that the rule names.

use std::{borrow::Cow, str};

use greenpark_model::reading::Flag;

use super::{
    mapped::when,
    moment,
    sink::{Sample, Sink, Value},
};
use crate::settings::TimeUnit;

/// Reads one line from front to back.
struct Line<'a> {
    text: &'a str,
    at: usize,
}

/// Decodes `payload` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(payload: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
    let text = str::from_utf8(payload)
        .map_err(|e| format!("not line protocol: not UTF-8 at byte {}", e.valid_up_to()))?;
    let mut rest = text;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(end_of_line(rest));
        rest = behind.strip_prefix('\n').unwrap_or(behind);
        let line = line.trim_matches([' ', '\r', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(reason) = read(Line { text: line, at: 0 }, sink) {
            sink.refuse_element(format!("not line protocol: {reason}"));
        }
    }
    Ok(())
}

/// Where the line ends: at a line feed that is not within a string.
fn end_of_line(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return at,
            _ => {}
        }
    }
    // A quote that is never closed spoils its own line alone.
    if quoted {
        text.find('\n').unwrap_or(text.len())
    } else {
        text.len()
    }
}

fn read(mut line: Line<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let measurement = line.name(b", ")?;
    let mut device = Cow::Borrowed("");
    while line.skip(b',') {
        let tag = line.name(b"=, ")?;
        if !line.skip(b'=') {
            return Err("a tag has no '='".to_owned());
        }
        let value = line.name(b", ")?;
        if sink.mapping.device_tag() == Some(&*tag) {
            device = value;
        }
    }
    line.space()?;
    let fields = line.at;
    line.fields(|_, _| ())?;
    let at = line.timestamp(sink.mapping.unit_or(TimeUnit::Ns))?;
    line.at = fields;
    line.fields(|field, value| {
        sink.put(Sample {
            device: &device,
            group: &measurement,
            field,
            value,
            when: when(at.as_ref()),
            flag: Flag::Normal,
        });
    })
}

impl<'a> Line<'a> {
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

    /// Reads up to one of `ends`, which a backslash makes plain.
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

    /// Calls `on` with every field of the line.
    fn fields(&mut self, mut on: impl FnMut(&str, Value<'_>)) -> Result<(), String> {
        loop {
            let field = self.name(b"=, ")?;
            if !self.skip(b'=') {
                return Err(format!(
                    "the field '{}' has no '='",
                    super::series::clip(&field)
                ));
            }
            on(&field, self.value()?);
            if !self.skip(b',') {
                return Ok(());
            }
        }
    }

    fn value(&mut self) -> Result<Value<'a>, String> {
        if self.skip(b'"') {
            while let Some(byte) = self.byte() {
                self.at += 1;
                match byte {
                    b'"' => return Ok(Value::Other("a string")),
                    b'\\' => self.at += 1,
                    _ => {}
                }
            }
            return Err("a string has no end".to_owned());
        }
        let rest = &self.text[self.at..];
        let text = &rest[..rest.find([',', ' ']).unwrap_or(rest.len())];
        self.at += text.len();
        match text {
            "" => Err(format!("a value is missing at byte {}", self.at)),
            "t" | "T" | "true" | "True" | "TRUE" | "f" | "F" | "false" | "False" | "FALSE" => {
                Ok(Value::Other("true or false"))
            }
            number => Ok(Value::Digits(
                number.strip_suffix(['i', 'u']).unwrap_or(number),
            )),
        }
    }

    /// Reads the instant, if there is one, to the end.
    fn timestamp(&mut self, unit: TimeUnit) -> Result<Option<Result<i64, String>>, String> {
        let rest = &self.text[self.at.min(self.text.len())..];
        let digits = rest.trim_matches(' ');
        if !rest.is_empty() && !rest.starts_with(' ') {
            return Err(format!("a space is missing at byte {}", self.at));
        }
        Ok((!digits.is_empty()).then(|| moment::of_digits(digits, unit)))
    }
}
