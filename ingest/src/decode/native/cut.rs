//! Extracts one reading from a payload.

use std::str;

use greenpark_model::reading::Kind;

use super::fields::{Fields, Key};
use crate::decode::{
    json_scanner::{Scanner, Token},
    text,
};

/// Returns the text of the reading at `index`, if the payload is a list of readings in the native
/// JSON. The text is a payload of its own. `None` if the reading cannot be extracted.
#[must_use]
pub fn cut_reading(payload: &[u8], index: u32) -> Option<&[u8]> {
    let text = str::from_utf8(text::trim(payload)).ok()?;
    let mut scanner = Scanner::new(text);
    let (mut at, mut found) = (0, None);
    let read = scanner.array(|scanner| {
        let value = scanner.value()?;
        if at == index {
            found = Some(value);
        }
        at += 1;
        Ok(())
    });
    read.and_then(|()| scanner.end()).ok()?;
    let Token::Object(reading) = found? else {
        return None;
    };
    let fields = Fields::read(&mut Scanner::new(reading)).ok()?;
    let is_native = fields.has(Key::Meter) && fields.has(Key::Quantity) && !fields.has(Key::Series);
    // An event without a ticket is identified by its position among the others, so it cannot be
    // extracted.
    let is_event = fields.text_or(Key::Kind, "register").ok()? == Kind::Event.as_str();
    let stands_alone = !is_event || fields.has(Key::Ticket);
    (is_native && stands_alone).then_some(reading.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_of_a_list_is_extracted_unchanged() {
        let list = br#" [ {"meter":"a","quantity":"steam"} , {"meter":"b","quantity":"x", "value":1.50} ] "#;
        let cut = cut_reading(list, 1).expect("a reading");
        assert_eq!(cut, br#"{"meter":"b","quantity":"x", "value":1.50}"#);
        assert_eq!(cut_reading(list, 2), None);
        let padded = [&b"\xef\xbb\xbf"[..], &list[..], b"\0\0"].concat();
        assert_eq!(cut_reading(&padded, 1), Some(cut));
    }

    #[test]
    fn a_payload_that_is_not_a_list_of_readings_is_not_split() {
        for other in [
            &br#"{"meter":"a","quantity":"steam"}"#[..],
            br#"{"series":[{"meter":"a","quantity":"steam"}]}"#,
            br#"[{"ts":1,"values":{"a":1}}]"#,
            br#"[1,2]"#,
            b"[",
            b"\xff",
        ] {
            assert_eq!(cut_reading(other, 0), None);
        }
    }

    #[test]
    fn an_event_without_a_ticket_is_not_extracted() {
        let event = |more: &str| {
            format!(
                r#"[{{"meter":"a","quantity":"raw_coal","kind":"event","at":1,"value":1{more}}}]"#
            )
        };
        assert_eq!(cut_reading(event("").as_bytes(), 0), None);
        assert!(cut_reading(event(r#","ticket":"B-7""#).as_bytes(), 0).is_some());
    }
}
