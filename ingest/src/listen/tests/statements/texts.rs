//! Texts in all packets: section 1.5.

use super::*;

/// Bytes that are not an MQTT text, each with its statement. For the last group the standards let a
/// server choose whether to refuse it.
const WRONG: [(&[u8], Number, &str); 14] = [
    (b"a\xff", ILL_FORMED, "a text is UTF-8"),
    (b"a\xc0\x80", ILL_FORMED, "a text is UTF-8"),
    (b"\xe5\x9b", ILL_FORMED, "a text is UTF-8"),
    (b"\xed\xa0\x80", ILL_FORMED, "a text has no surrogate"),
    (b"\xed\xbf\xbf", ILL_FORMED, "a text has no surrogate"),
    (b"\xf4\x90\x80\x80", ILL_FORMED, "a text is UTF-8"),
    (b"a\0b", NUL, "a text has no U+0000"),
    (b"\0", NUL, "a text has no U+0000"),
    (b"\x01", CONTROL, "a text has no control character"),
    (b"a\nb", CONTROL, "a text has no control character"),
    (b"a\x1f", CONTROL, "a text has no control character"),
    (b"\x7f", CONTROL, "a text has no control character"),
    (b"\xc2\x9f", CONTROL, "a text has no control character"),
    (b"\xef\xbf\xbf", CONTROL, "a text has no noncharacter"),
];

const ILL_FORMED: Number = number("MQTT-1.5.3-1", "MQTT-1.5.4-1");
const NUL: Number = number("MQTT-1.5.3-2", "MQTT-1.5.4-2");
const CONTROL: Number = number("1.5.3", "1.5.4");

pub(super) fn rows(table: &mut Table) {
    let v = table.version;
    for (wrong, n, statement) in &WRONG {
        for sent in in_connect(v, wrong) {
            table.first(n, statement, sent, Back::Closed(0x81));
        }
        for sent in behind(v, wrong) {
            table.then(n, statement, sent, Back::Closed(0x81));
        }
    }
    let mark = "\u{feff}park/钢厂".as_bytes();
    table.then(
        &number("MQTT-1.5.3-3", "MQTT-1.5.4-3"),
        "U+FEFF is a character like others",
        publish_of(v, 0x32, mark, &[]),
        Back::Bytes(puback(7).to_vec()),
    );
}

/// Returns CONNECTs with `wrong` in each of their texts.
fn in_connect(v: u8, wrong: &[u8]) -> Vec<Vec<u8>> {
    let wrong = text(wrong);
    let id = text(fresh_id().as_bytes());
    let will = [&id[..], &properties(v, &[]), &wrong, &text(b"gone")].concat();
    let user = [&id[..], &wrong].concat();
    let mut sent = vec![
        connect_of(v, 0x02, &[], &wrong),
        connect_of(v, 0x06, &[], &will),
        connect_of(v, 0x82, &[], &user),
    ];
    if v == 5 {
        let good = text(b"k");
        for pair in [[wrong.clone(), good.clone()], [good.clone(), wrong.clone()]] {
            let pair = [&[0x26][..], &pair.concat()].concat();
            sent.push(connect_of(v, 0x02, &pair, &id));
            let will = [&id[..], &properties(v, &pair), &text(b"a"), &text(b"gone")].concat();
            sent.push(connect_of(v, 0x06, &[], &will));
        }
        // Content type, response topic.
        for property in [0x03, 0x08] {
            let given = [&[property][..], &wrong].concat();
            let will = [&id[..], &properties(v, &given), &text(b"a"), &text(b"gone")].concat();
            sent.push(connect_of(v, 0x06, &[], &will));
        }
        let method = [&[0x15][..], &wrong].concat();
        sent.push(connect_of(v, 0x02, &method, &id));
    }
    sent
}

/// Returns packets of an accepted client, with `wrong` in each of their texts.
fn behind(v: u8, wrong: &[u8]) -> Vec<Vec<u8>> {
    let mut sent = vec![
        publish_of(v, 0x30, wrong, &[]),
        publish_of(v, 0x32, wrong, &[]),
        publish_of(v, 0x34, wrong, &[]),
        subscribe_of(v, wrong, 0, &[]),
        unsubscribe_of(v, wrong, &[]),
    ];
    if v == 5 {
        let (wrong, good) = (text(wrong), text(b"k"));
        for pair in [[wrong.clone(), good.clone()], [good.clone(), wrong.clone()]] {
            let pair = [&[0x26][..], &pair.concat()].concat();
            sent.push(publish_of(v, 0x32, b"a", &pair));
            sent.push(subscribe_of(v, b"a", 0, &pair));
            sent.push(unsubscribe_of(v, b"a", &pair));
            for first in [0x40, 0x50, 0x62, 0x70] {
                sent.push(packet(
                    first,
                    &[&[0, 7, 0][..], &properties(v, &pair)].concat(),
                ));
            }
            sent.push(packet(0xe0, &[&[0][..], &properties(v, &pair)].concat()));
        }
        for property in [0x03, 0x08] {
            let given = [&[property][..], &wrong].concat();
            sent.push(publish_of(v, 0x32, b"a", &given));
        }
        let reason = [&[0x1f][..], &wrong].concat();
        sent.push(packet(0xe0, &[&[0][..], &properties(v, &reason)].concat()));
    }
    sent
}
