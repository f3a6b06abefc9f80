//! The text of a payload: without a byte order mark, without the NULs at the end of a C buffer, and
//! in UTF-8 or the rule's encoding.

use std::{borrow::Cow, str};

use encoding_rs::GB18030;

use crate::settings::Encoding;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes the text of `payload`; UTF-8 is borrowed, other encodings are copied.
#[inline]
pub(super) fn read(payload: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, String> {
    let bytes = trim(payload);
    match encoding {
        Encoding::Utf8 => match str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(not_utf8(bytes, error.valid_up_to())),
        },
        Encoding::Gbk => chinese(bytes).ok_or_else(|| {
            let what = if str::from_utf8(bytes).is_ok() {
                "it is UTF-8, so leave encoding out of the topic's rule"
            } else {
                "send GBK, or leave encoding out of the topic's rule and send UTF-8"
            };
            format!("not GBK, as the topic's rule says: {what}")
        }),
    }
}

/// Removes the byte order mark at the front, and NULs and white space at the end.
#[inline]
pub(super) fn trim(payload: &[u8]) -> &[u8] {
    let payload = payload.strip_prefix(MARK).unwrap_or(payload);
    let blank = |byte: &u8| matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n');
    let end = payload.iter().rposition(|byte| !blank(byte));
    &payload[..end.map_or(0, |last| last + 1)]
}

/// Decodes GBK and the additions of GB 18030.
fn chinese(bytes: &[u8]) -> Option<Cow<'_, str>> {
    GB18030.decode_without_bom_handling_and_without_replacement(bytes)
}

/// Explains bytes that are not UTF-8 from `at` on, and what to do.
fn not_utf8(bytes: &[u8], at: usize) -> String {
    let byte = bytes.get(at).copied().unwrap_or_default();
    let found = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "its byte order mark says UTF-16; send UTF-8".to_owned()
        }
        [0x1f, 0x8b, ..] => "it is gzip; send the text itself".to_owned(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is zstd; send the text itself".to_owned(),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if at < 8 => {
            "it looks like zlib; send the text itself".to_owned()
        }
        _ => match chinese(bytes) {
            Some(text) => {
                let from = str::from_utf8(&bytes[..at]).map_or(0, |good| good.chars().count());
                let excerpt: String = text.chars().skip(from).take(8).collect();
                format!(
                    "it reads as GBK ('{}…'); send UTF-8, or give the topic's rule encoding = \"gbk\"",
                    excerpt.escape_debug()
                )
            }
            None => "it is no text; send UTF-8".to_owned(),
        },
    };
    format!("not UTF-8 at byte {at} (0x{byte:02x}): {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_and_trailing_nuls_are_removed_and_nothing_else() {
        for (payload, text) in [
            (&b"\xef\xbb\xbf{}"[..], "{}"),
            (b"{}\0", "{}"),
            (b"{} \0\0\r\n\0 ", "{}"),
            (b" {}", " {}"),
            (b"\0", ""),
            (b"", ""),
            (b"{}\0{}", "{}\0{}"),
        ] {
            assert_eq!(read(payload, Encoding::Utf8).as_deref(), Ok(text));
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused_with_a_reason() {
        let gbk = b"{\"\xb5\xe7\xc4\xdc\":1}";
        for (payload, words) in [
            (&gbk[..], "reads as GBK ('电能\\\":1}…'); send UTF-8"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"\x1f\x8b\x08\0\xff", "gzip"),
            (b"{\"a\":\xff\xff", "no text"),
        ] {
            let reason = read(payload, Encoding::Utf8).expect_err("not UTF-8");
            assert!(reason.contains(words), "{reason}");
            assert!(reason.starts_with("not UTF-8 at byte "), "{reason}");
        }
        let text = read(gbk, Encoding::Gbk).expect("GBK");
        assert_eq!(text, "{\"电能\":1}");
        let utf8 = read("{\"电能表\":1}".as_bytes(), Encoding::Gbk);
        assert!(utf8.is_err() || utf8.is_ok_and(|text| !text.contains("电能表")));
    }
}
