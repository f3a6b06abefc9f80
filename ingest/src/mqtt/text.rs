//! Texts, topics and topic filters: sections 1.5.4 and 4.7 of MQTT 5, 1.5.3 and 4.7 of 3.1.1.
//!
//! The usual text is printable ASCII, which one branch-free pass detects; all others are checked
//! character by character.

use std::str;

use super::Violation;

const NOT_UTF8: Violation = Violation::malformed("a text is not UTF-8");

/// A name with a wildcard, which only filters may have.
const WILDCARD: Violation = Violation::malformed("a topic name with a wildcard");

/// A filter whose wildcards are not levels of their own, or whose `#` is not the last one.
const FILTER: Violation =
    Violation::malformed("a wildcard that is not a level of its own, or not the last one");

/// Parses a text. Control characters and noncharacters are refused like U+0000: the standard says
/// that they SHOULD NOT be sent, a receiver may refuse them, and no meter's name contains one.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Violation> {
    let text = str::from_utf8(bytes).map_err(|_| NOT_UTF8)?;
    let special = bytes
        .iter()
        .fold(false, |found, &byte| found | !(0x20..0x7f).contains(&byte));
    if special && text.chars().any(is_refused) {
        return Err(Violation::malformed("a text has a control character"));
    }
    Ok(text)
}

/// Parses a topic name, which may be empty.
#[inline]
pub(super) fn topic(bytes: &[u8]) -> Result<&str, Violation> {
    // Numbers instead of booleans let a processor handle sixteen bytes at a time.
    let unusual = |byte: u8| u8::from(!(0x20..0x7f).contains(&byte) | matches!(byte, b'+' | b'#'));
    match bytes.iter().fold(0, |any, &byte| any | unusual(byte)) {
        0 => str::from_utf8(bytes).map_err(|_| NOT_UTF8),
        _ => unusual_topic(bytes),
    }
}

fn unusual_topic(bytes: &[u8]) -> Result<&str, Violation> {
    let name = text(bytes)?;
    match name.contains(['+', '#']) {
        true => Err(WILDCARD),
        false => Ok(name),
    }
}

/// U+0000 to U+001F, U+007F to U+009F, and the noncharacters of Unicode.
fn is_refused(letter: char) -> bool {
    let code = u32::from(letter);
    letter.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// Refuses a topic filter that violates section 4.7.
pub(super) fn check_filter(filter: &str) -> Result<(), Violation> {
    if filter.is_empty() {
        return Err(Violation::malformed("an empty topic filter"));
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let alone = level.len() == 1 || !level.contains(['+', '#']);
        if !alone || (level == "#" && levels.peek().is_some()) {
            return Err(FILTER);
        }
    }
    Ok(())
}

/// Returns true if a filter of MQTT 5 is a shared subscription: `$share/{name}/{filter}`.
pub(super) fn is_shared(filter: &str) -> Result<bool, Violation> {
    const WRONG: Violation =
        Violation::malformed("a shared subscription without a name or a filter");
    let mut parts = filter.splitn(3, '/');
    if parts.next() != Some("$share") {
        return Ok(false);
    }
    let name = parts.next().unwrap_or_default();
    let of = parts.next().unwrap_or_default();
    if name.is_empty() || name.contains(['+', '#']) || of.is_empty() {
        return Err(WRONG);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_well_formed_unicode_without_controls() {
        for good in ["", "gw-1", "园区/电表", "\u{feff}x", "a b~", "\u{10fffd}"] {
            assert_eq!(text(good.as_bytes()), Ok(good));
        }
        for bad in [
            "\0",
            "a\nb",
            "\u{1f}",
            "\u{7f}",
            "\u{9f}",
            "\u{ffff}",
            "\u{fdd0}",
            "\u{1fffe}",
        ] {
            assert!(text(bad.as_bytes()).is_err(), "{bad:?}");
        }
        for bad in [
            &b"\xff"[..],
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xe5\x9b",
            b"\xf4\x90\x80\x80",
        ] {
            assert!(text(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn filters_are_those_of_section_4_7() {
        for good in [
            "#", "+", "a", "/", "+/+", "a/#", "a/+/b", "$SYS/#", "a//b", "+/#",
        ] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["", "a#", "a/#/b", "a+", "+a", "#/", "a/b#", "##", "a/+b/c"] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
        assert_eq!(is_shared("$share/g/a"), Ok(true));
        assert_eq!(is_shared("$shared/g/a"), Ok(false));
        for bad in [
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/g+/a",
        ] {
            assert!(is_shared(bad).is_err(), "{bad}");
        }
    }
}
