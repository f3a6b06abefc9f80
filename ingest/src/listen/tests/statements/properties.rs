//! Properties of MQTT 5, by packet: section 2.2.2.

use super::*;

/// Each property, with a valid value.
const PROPERTIES: &[&[u8]] = &[
    &[0x01, 1],
    &[0x02, 0, 0, 0, 9],
    &[0x03, 0, 1, b't'],
    &[0x08, 0, 1, b'r'],
    &[0x09, 0, 1, 0xff],
    &[0x0b, 1],
    &[0x11, 0, 0, 0, 0],
    &[0x12, 0, 1, b'i'],
    &[0x13, 0, 1],
    &[0x15, 0, 1, b'm'],
    &[0x16, 0, 1, 0],
    &[0x17, 1],
    &[0x18, 0, 0, 0, 9],
    &[0x19, 0],
    &[0x1a, 0, 1, b'i'],
    &[0x1c, 0, 1, b's'],
    &[0x1f, 0, 1, b'r'],
    &[0x21, 0, 9],
    &[0x22, 0, 9],
    &[0x23, 0, 9],
    &[0x24, 1],
    &[0x25, 1],
    &[0x26, 0, 1, b'k', 0, 1, b'v'],
    &[0x27, 0, 0, 1, 0],
    &[0x28, 1],
    &[0x29, 1],
    &[0x2a, 1],
];

/// Builds a packet with these properties.
type Build = fn(&[u8]) -> Vec<u8>;

/// A packet, and when it is sent.
type Position = (Opening, Build);

/// The client's packets that have properties, with the allowed ones; then those that are refused
/// for another reason.
const PACKETS: &[(Opening, Build, &[u8], &[u8])] = &[
    (
        Opening::First,
        |given| connect_of(5, 0x02, given, &text(fresh_id().as_bytes())),
        &[0x11, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        &[0x15, 0x16],
    ),
    (
        Opening::First,
        |given| {
            let id = text(fresh_id().as_bytes());
            let fields = [id, properties(5, given), text(b"a"), text(b"gone")];
            connect_of(5, 0x06, &[], &fields.concat())
        },
        &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| publish_of(5, 0x32, b"a", given),
        &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
        &[0x0b],
    ),
    (
        Opening::Accepted,
        |given| packet(0x40, &[&[0, 7, 0][..], &properties(5, given)].concat()),
        &[0x1f, 0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| packet(0x50, &[&[0, 7, 0x80][..], &properties(5, given)].concat()),
        &[0x1f, 0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| packet(0x62, &[&[0, 7, 0][..], &properties(5, given)].concat()),
        &[0x1f, 0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| packet(0x70, &[&[0, 7, 0][..], &properties(5, given)].concat()),
        &[0x1f, 0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| subscribe_of(5, b"a", 0, given),
        &[0x0b, 0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| unsubscribe_of(5, b"a", given),
        &[0x26],
        &[],
    ),
    (
        Opening::Accepted,
        |given| packet(0xe0, &[&[0][..], &properties(5, given)].concat()),
        &[0x11, 0x1f, 0x26],
        &[0x1c],
    ),
];

pub(super) fn rows(table: &mut Table) {
    if table.version != 5 {
        return;
    }
    for &(opening, build, allowed, otherwise) in PACKETS {
        misplaced(table, (opening, build), &[allowed, otherwise].concat());
        twice(table, (opening, build), allowed);
        cut(table, (opening, build));
        table.push(
            &number("", "MQTT-2.2.2-1"),
            "properties may be none, or all that the packet has",
            (opening, build(&all_of(allowed)), welcome(opening, build)),
        );
    }
    values(table);
}

fn all_of(ids: &[u8]) -> Vec<u8> {
    let has = |property: &&&[u8]| ids.contains(&property[0]) && property[0] != 0x27;
    // A user property may be repeated.
    let mut all: Vec<u8> = PROPERTIES
        .iter()
        .filter(has)
        .copied()
        .flatten()
        .copied()
        .collect();
    all.extend_from_slice(&[0x26, 0, 1, b'k', 0, 1, b'v']);
    all
}

/// Returns the answer to a valid packet.
fn welcome(opening: Opening, build: Build) -> Back {
    match (opening, build(&[])[0]) {
        (Opening::First, _) => Back::Welcome,
        (_, 0x32) => Back::Bytes(puback(7).to_vec()),
        (_, 0x62) => Back::Bytes(vec![0x70, 3, 0, 7, 0x92]),
        (_, 0x82) => Back::Bytes(vec![0x90, 4, 0, 9, 0, 0x87]),
        (_, 0xa2) => Back::Bytes(vec![0xb0, 4, 0, 9, 0, 0x11]),
        (_, 0xe0) => Back::Silence,
        _ => Back::Bytes(Vec::new()),
    }
}

fn misplaced(table: &mut Table, (opening, build): Position, known: &[u8]) {
    let n = number("", "2.2.2.2");
    for property in PROPERTIES.iter().filter(|p| !known.contains(&p[0])) {
        let statement = "a property of another packet";
        table.push(
            &n,
            statement,
            (opening, build(property), Back::Closed(0x81)),
        );
    }
    for unknown in [0x00, 0x04, 0x0a, 0x10, 0x2b, 0x3f, 0x40, 0x7f, 0x80, 0xff] {
        let statement = "a property that there is not";
        let sent = build(&[unknown, 0, 0, 0, 0]);
        table.push(&n, statement, (opening, sent, Back::Closed(0x81)));
    }
}

fn twice(table: &mut Table, (opening, build): Position, ids: &[u8]) {
    let n = number("", "2.2.2.2");
    for property in PROPERTIES
        .iter()
        .filter(|p| ids.contains(&p[0]) && p[0] != 0x26)
    {
        let statement = "a property comes once";
        let sent = build(&[*property, *property].concat());
        table.push(&n, statement, (opening, sent, Back::Closed(0x82)));
    }
}

fn cut(table: &mut Table, (opening, build): Position) {
    let n = number("", "MQTT-2.2.2-1");
    for short in [
        &[0x26][..],
        &[0x26, 0, 1, b'k'],
        &[0x26, 0, 9, b'k', 0, 1, b'v'],
    ] {
        let statement = "a property ends within its length";
        table.push(&n, statement, (opening, build(short), Back::Closed(0x81)));
    }
}

/// Indices of [`PACKETS`].
const CONNECT: usize = 0;
const WILL: usize = 1;
const PUBLISH: usize = 2;
const SUBSCRIBE: usize = 7;
const DISCONNECT: usize = 9;

/// Packets with invalid values: the reason code, the statement or section, and its content.
const VALUES: &[(usize, &[u8], u8, &str, &str)] = &[
    (
        CONNECT,
        &[0x21, 0, 0],
        0x82,
        "3.1.2.11.3",
        "receive maximum is not zero",
    ),
    (
        CONNECT,
        &[0x27, 0, 0, 0, 0],
        0x82,
        "3.1.2.11.4",
        "maximum packet size is not zero",
    ),
    (
        CONNECT,
        &[0x19, 2],
        0x82,
        "3.1.2.11.6",
        "request response information is 0 or 1",
    ),
    (
        CONNECT,
        &[0x17, 2],
        0x82,
        "3.1.2.11.7",
        "request problem information is 0 or 1",
    ),
    (
        CONNECT,
        &[0x17, 255],
        0x82,
        "3.1.2.11.7",
        "request problem information is 0 or 1",
    ),
    (
        CONNECT,
        &[0x16, 0, 1, 0],
        0x82,
        "3.1.2.11.10",
        "data need a method",
    ),
    (
        CONNECT,
        &[0x15, 0, 1, b'm'],
        0x8c,
        "MQTT-4.12.0-1",
        "no method is offered",
    ),
    (
        WILL,
        &[0x01, 2],
        0x82,
        "3.1.3.2.3",
        "a payload format is 0 or 1",
    ),
    (
        WILL,
        &[0x08, 0, 1, b'#'],
        0x82,
        "MQTT-3.3.2-14",
        "a response topic has no wildcard",
    ),
    (
        WILL,
        &[0x08, 0, 0],
        0x82,
        "MQTT-4.7.3-1",
        "a response topic has a letter",
    ),
    (
        PUBLISH,
        &[0x01, 2],
        0x82,
        "3.3.2.3.2",
        "a payload format is 0 or 1",
    ),
    (
        PUBLISH,
        &[0x01, 255],
        0x82,
        "3.3.2.3.2",
        "a payload format is 0 or 1",
    ),
    (
        PUBLISH,
        &[0x08, 0, 3, b'a', b'/', b'#'],
        0x82,
        "MQTT-3.3.2-14",
        "a response topic has no wildcard",
    ),
    (
        PUBLISH,
        &[0x08, 0, 1, b'+'],
        0x82,
        "MQTT-3.3.2-14",
        "a response topic has no wildcard",
    ),
    (
        PUBLISH,
        &[0x08, 0, 0],
        0x82,
        "MQTT-4.7.3-1",
        "a response topic has a letter",
    ),
    (
        PUBLISH,
        &[0x23, 0, 0],
        0x94,
        "MQTT-3.3.2-8",
        "a topic alias is not zero",
    ),
    (
        PUBLISH,
        &[0x23, 0, 17],
        0x94,
        "MQTT-3.3.2-9",
        "a topic alias is not above the maximum",
    ),
    (
        PUBLISH,
        &[0x0b, 1],
        0x82,
        "MQTT-3.3.4-6",
        "a client's PUBLISH has no subscription identifier",
    ),
    (
        PUBLISH,
        &[0x0b, 0],
        0x82,
        "MQTT-3.3.4-6",
        "a client's PUBLISH has no subscription identifier",
    ),
    (
        SUBSCRIBE,
        &[0x0b, 0],
        0x82,
        "3.8.2.1.2",
        "a subscription identifier is not zero",
    ),
    (
        SUBSCRIBE,
        &[0x0b, 0x80, 0],
        0x81,
        "MQTT-1.5.5-1",
        "an integer is as short as it can be",
    ),
    (
        SUBSCRIBE,
        &[0x0b, 0xff, 0xff, 0xff, 0xff, 1],
        0x81,
        "1.5.5",
        "an integer has four bytes at most",
    ),
    (
        SUBSCRIBE,
        &[0x0b, 1, 0x0b, 2],
        0x82,
        "3.8.2.1.2",
        "there is one subscription identifier",
    ),
    (
        DISCONNECT,
        &[0x1c, 0, 1, b's'],
        0x82,
        "3.14.2.2.5",
        "only a server refers to another",
    ),
    (
        SUBSCRIBE,
        &[0x0b],
        0x81,
        "MQTT-2.2.2-1",
        "a property ends within its length",
    ),
];

fn values(table: &mut Table) {
    for &(index, given, code, section, statement) in VALUES {
        let n = Number(["", "", section]);
        let (opening, build, ..) = PACKETS[index];
        table.push(&n, statement, (opening, build(given), Back::Closed(code)));
    }
    // Invalid lengths of the properties: not the shortest form, beyond the packet, of five bytes.
    let n = number("", "MQTT-1.5.5-1");
    for length in [&[0x80, 0][..], &[1], &[0x7f], &[0xff, 0xff, 0xff, 0xff, 1]] {
        let statement = "the length of properties";
        let sent = packet(0x32, &[&text(b"a")[..], &[0, 7], length].concat());
        table.push(&n, statement, (Opening::Accepted, sent, Back::Closed(0x81)));
    }
}
