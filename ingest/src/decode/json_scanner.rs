//! A JSON scanner that borrows: numbers stay text, so no value passes through a float.
//!
//! It accepts exactly RFC 8259 (like serde_json, which a property test compares it to), with two
//! exceptions: nesting beyond [`JSON_DEPTH_MAX`] levels is refused, and `nan`, `inf` and the like,
//! which C programs print for a missing number, are a token of their own. Only a string with an
//! escape is copied.

use std::borrow::Cow;

use crate::limits::JSON_DEPTH_MAX;

/// A syntax error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON: {what} at byte {at}")]
pub(super) struct SyntaxError {
    what: &'static str,
    at: usize,
}

/// A value; arrays and objects are checked, and kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Text(Cow<'a, str>),
    Number(&'a str),
    /// `nan`, `-inf` and the like in place of a number.
    NoNumber(&'a str),
    Null,
    Bool,
    Array(&'a str),
    Object(&'a str),
}

/// Scans a JSON text from front to back.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Returns true if a text is what programs print for a number that does not exist: `nan`, `-NaN`,
/// `Infinity`, `1.#QNAN`.
pub(super) fn is_no_number(text: &str) -> bool {
    let plain = text.strip_prefix(['-', '+']).unwrap_or(text);
    // Nearly all texts begin with a digit, which one byte decides.
    match plain.as_bytes() {
        [b'n' | b'N' | b'i' | b'I' | b'q' | b'Q' | b's' | b'S', ..] => {
            const WORDS: [&str; 5] = ["nan", "inf", "infinity", "qnan", "snan"];
            let word = plain.split_once('(').map_or(plain, |(word, _)| word);
            WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
        }
        [b'1', b'.', b'#', ..] => true,
        _ => false,
    }
}

impl Token<'_> {
    /// Returns the kind of the token, for a refusal's text.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::NoNumber(_) => "nan or inf",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    fn error<T>(&self, what: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { what, at: self.at })
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space and returns the next byte.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Checks that only white space is left.
    pub(super) fn end(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            None => Ok(()),
            Some(0) => self.error("a NUL, and more behind it, after the end of the document"),
            Some(_) => self.error("something after the end of the document"),
        }
    }

    /// Scans an object; `member` is called at each value with its key, and must scan the value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), SyntaxError>,
    ) -> Result<(), SyntaxError> {
        if self.peek() != Some(b'{') {
            return self.error("expected '{'");
        }
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.error("expected a key in double quotes");
            }
            let key = self.string()?;
            if self.peek() != Some(b':') {
                return self.error("expected ':'");
            }
            self.at += 1;
            self.peek();
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return self.error("expected ',' or '}'"),
            }
        }
    }

    /// Scans an array; `element` is called at each value and must scan it.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), SyntaxError>,
    ) -> Result<(), SyntaxError> {
        if self.peek() != Some(b'[') {
            return self.error("expected '['");
        }
        self.enter()?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            self.peek();
            element(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return self.error("expected ',' or ']'"),
            }
        }
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        if self.depth == JSON_DEPTH_MAX {
            return self.error("nested too deep");
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), SyntaxError> {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    /// Scans a value of any kind.
    pub(super) fn value(&mut self) -> Result<Token<'a>, SyntaxError> {
        let start = match self.peek() {
            Some(b'"') => return self.string().map(Token::Text),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                return match self.number() {
                    Ok(digits) => Ok(Token::Number(digits)),
                    Err(error) => self.no_number(start).ok_or(error),
                };
            }
            Some(b'n') => {
                let start = self.at;
                let null = self.word("null", Token::Null);
                return null.or_else(|error| self.no_number(start).ok_or(error));
            }
            Some(b't') => return self.word("true", Token::Bool),
            Some(b'f') => return self.word("false", Token::Bool),
            _ => self.at,
        };
        match self.byte() {
            Some(b'[') => {
                self.array(|inner| inner.value().map(drop))?;
                // OK because both ends are ASCII brackets.
                Ok(Token::Array(&self.text[start..self.at]))
            }
            Some(b'{') => {
                self.object(|inner, _key| inner.value().map(drop))?;
                Ok(Token::Object(&self.text[start..self.at]))
            }
            _ => match self.no_number(start) {
                Some(token) => Ok(token),
                None => self.error("expected a value"),
            },
        }
    }

    /// Scans what a program printed at `start` in place of a number; does not move if it is
    /// something else.
    #[cold]
    fn no_number(&mut self, start: usize) -> Option<Token<'a>> {
        let rest = &self.text[start..];
        let ends = |c: char| !(c.is_ascii_alphanumeric() || "+-.#()_".contains(c));
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if !is_no_number(word) {
            return None;
        }
        self.at = start + word.len();
        Some(Token::NoNumber(word))
    }

    fn word(&mut self, word: &'static str, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.error("expected a value");
        }
        self.at += word.len();
        Ok(token)
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return self.error("expected a digit");
        }
        self.at += count;
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Scans a string, starting at its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let plain = rest
            .iter()
            .position(|&b| b == b'"' || b == b'\\' || b < 0x20);
        let Some(plain) = plain else {
            self.at = self.text.len();
            return self.error("a string without an end");
        };
        self.at += plain;
        match rest[plain] {
            b'"' => {
                self.at += 1;
                Ok(Cow::Borrowed(&self.text[start..start + plain]))
            }
            b'\\' => self.escaped(start).map(Cow::Owned),
            _ => self.error("a control character in a string"),
        }
    }

    /// Continues at the first backslash of the string that began at `start`.
    fn escaped(&mut self, start: usize) -> Result<String, SyntaxError> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let from = self.at;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(..0x20) => return self.error("a control character in a string"),
                Some(_) => {
                    let rest = &self.text.as_bytes()[from..];
                    let plain = rest
                        .iter()
                        .position(|&b| b == b'"' || b == b'\\' || b < 0x20);
                    self.at = plain.map_or(self.text.len(), |p| from + p);
                    text.push_str(&self.text[from..self.at]);
                }
                None => return self.error("a string without an end"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let Some(byte) = self.byte() else {
            return self.error("a string without an end");
        };
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return self.error("an unknown escape"),
        })
    }

    fn unicode(&mut self) -> Result<char, SyntaxError> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.text.as_bytes().get(self.at..self.at + 2) != Some(b"\\u") {
                    return self.error("half a surrogate pair");
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return self.error("half a surrogate pair");
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.error("half a surrogate pair"),
        }
    }

    fn hex(&mut self) -> Result<u32, SyntaxError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|d| std::str::from_utf8(d).ok());
        match code.and_then(|d| u32::from_str_radix(d, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.error("expected four hexadecimal digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.value().and_then(|_| scanner.end()).is_ok()
    }

    fn read(text: &str) -> Option<Cow<'_, str>> {
        match Scanner::new(text).value() {
            Ok(Token::Text(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn numbers_are_strict_and_stay_text() {
        for good in [
            "0",
            "-0",
            "12.50",
            "1e5",
            "1E-07",
            "999999999999999999999.123456789",
        ] {
            assert_eq!(Scanner::new(good).value(), Ok(Token::Number(good)));
        }
        for bad in ["01", "+1", "1.", ".5", "-", "1e", "0x1", "nano", "in", "-x"] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn a_printed_nan_is_a_token_of_its_own() {
        for word in [
            "nan",
            "NaN",
            "NAN",
            "-nan",
            "+nan",
            "inf",
            "Inf",
            "-inf",
            "+Infinity",
            "Infinity",
            "-Infinity",
            "nan(ind)",
            "-nan(snan)",
            "1.#QNAN",
            "-1.#IND",
            "1.#INF00",
        ] {
            assert_eq!(Scanner::new(word).value(), Ok(Token::NoNumber(word)));
            let text = format!("{{\"a\":{word},\"b\":[1, {word} ,{word}]}}");
            assert!(accepts(&text), "{text}");
        }
        for bad in [
            "nanx", "nul", "infinite", "--nan", "n", "i", "+", "none", "nan nan",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn strings_borrow_until_an_escape() {
        assert!(matches!(read(r#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(
            read(r#""a\"\\\/\b\f\n\r\t\u7535\ud83d\ude00z""#).as_deref(),
            Some("a\"\\/\u{8}\u{c}\n\r\t电😀z")
        );
        for bad in [
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\udc00""#,
            r#""\x""#,
            r#""\u12g4""#,
            "\"\n\"",
            "\"",
            "\"\\",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(accepts(&deep(JSON_DEPTH_MAX)));
        assert!(!accepts(&deep(JSON_DEPTH_MAX + 1)));
        assert!(!accepts(&"[".repeat(1 << 20)));
    }

    proptest! {
        #[test]
        fn what_is_json_is_what_serde_json_takes(
            text in r#"[ \[\]{},:"\\/a-cntu0-9.eE+truefalsn\n-]{0,40}"#,
        ) {
            prop_assume!(!text.to_ascii_lowercase().contains("nan"));
            // serde_json refuses a number beyond f64; the scanner keeps its text.
            let oracle = serde_json::from_str::<serde_json::Value>(&text);
            let beyond = oracle.as_ref().is_err_and(|e| e.to_string().starts_with("number out of range"));
            prop_assert_eq!(accepts(&text), oracle.is_ok() || beyond && accepts(&text));
        }

        #[test]
        fn a_string_is_read_as_serde_json_wrote_it(text in ".*") {
            let written = serde_json::to_string(&text).expect("a string has a JSON text");
            let back = read(&written);
            prop_assert_eq!(back.as_deref(), Some(text.as_str()));
        }
    }
}
