//! CONNECT and CONNACK: section 3.1, 3.2 and 4.12.

use super::*;

const UTF8_NAME: Number = number("MQTT-3.1.2-1", "MQTT-3.1.2-1");
const RESERVED: Number = number("MQTT-3.1.2-3", "MQTT-3.1.2-3");

pub(super) fn rows(table: &mut Table) {
    versions(table);
    flags(table);
    credentials(table);
    client_ids(table);
    sessions(table);
}

/// A refusal before the client is accepted; 3.1 and 3.1.1 have a code for it too.
fn refused(version: u8, v4: u8, v5: u8) -> Back {
    Back::Last(match version {
        5 => vec![0x20, 3, 0, v5, 0],
        _ => vec![0x20, 2, 0, v4],
    })
}

fn versions(table: &mut Table) {
    let v = table.version;
    table.first(
        &number("MQTT-3.1.4-4", "MQTT-3.1.4-5"),
        "a CONNECT that is right is accepted",
        hello(v),
        Back::Welcome,
    );
    table.first(
        &number("MQTT-3.2.0-1", "MQTT-3.2.0-1"),
        "CONNACK is the first packet of the server",
        [hello(v), vec![0xc0, 0]].concat(),
        Back::Welcome,
    );
    let named = |name: &[u8], level: u8| {
        let head = [&text(name)[..], &[level, 2, 0, 60]].concat();
        packet(0x10, &[head, properties(v, &[]), text(b"c")].concat())
    };
    let back = || match v {
        5 => Back::Last(vec![0x20, 3, 0, 0x84, 0]),
        _ => Back::Silence,
    };
    for wrong in [&b"MQTX"[..], b"mqtt", b"MQT", b"MQTTT", b"", b"MQ\0T"] {
        let statement = "another protocol name is not served";
        table.first(&UTF8_NAME, statement, named(wrong, v), back());
    }
    let name: &[u8] = if v == 3 { b"MQIsdp" } else { b"MQTT" };
    for level in [0, 1, 2, 6, 7, 0x7f, 0xff] {
        let words = match level {
            6 | 7 | 0x7f | 0xff => vec![0x20, 3, 0, 0x84, 0],
            _ => vec![0x20, 2, 0, 1],
        };
        table.first(
            &number("MQTT-3.1.2-2", "MQTT-3.1.2-2"),
            "another protocol level is refused with its code",
            named(name, level),
            Back::Last(words),
        );
    }
    for n in [
        number("MQTT-3.2.2-5", "MQTT-3.2.2-7"),
        number("MQTT-3.2.2-4", "MQTT-3.2.2-6"),
        number("MQTT-3.1.4-5", "MQTT-3.1.4-6"),
    ] {
        let statement =
            "a CONNACK that refuses has no session, ends the connection, and nothing more is read";
        let sent = [named(name, 2), publish_of(v, 0x32, b"a", &[])].concat();
        table.first(&n, statement, sent, Back::Last(vec![0x20, 2, 0, 1]));
    }
    table.then(
        &number("MQTT-3.1.0-2", "MQTT-3.1.0-2"),
        "a second CONNECT is a protocol violation",
        hello(v),
        Back::Closed(0x82),
    );
    table.then(
        &number("MQTT-3.1.0-2", "MQTT-3.2.0-2"),
        "nor is there a second CONNACK",
        [hello(v), vec![0xc0, 0]].concat(),
        Back::Closed(0x82),
    );
}

/// Encodes a payload with a client id, and further fields.
fn payload(fields: &[&[u8]]) -> Vec<u8> {
    let id = text(fresh_id().as_bytes());
    [id, fields.concat()].concat()
}

/// Encodes the fields of a will.
fn will(version: u8) -> Vec<u8> {
    [properties(version, &[]), text(b"a/b"), text(b"gone")].concat()
}

/// Refused in 3.1.1 and 5; MQTT 3.1 ignores the flag.
fn unless_old(version: u8) -> Back {
    match version {
        3 => Back::Welcome,
        _ => Back::Closed(0x81),
    }
}

fn flags(table: &mut Table) {
    let v = table.version;
    let reserved = connect_of(v, 0x03, &[], &payload(&[]));
    table.first(
        &RESERVED,
        "the reserved flag is zero",
        reserved,
        unless_old(v),
    );
    for (flags, n, statement) in [
        (
            0x0a,
            number("MQTT-3.1.2-13", "MQTT-3.1.2-11"),
            "without a will its QoS is 0",
        ),
        (
            0x12,
            number("MQTT-3.1.2-11", "MQTT-3.1.2-11"),
            "without a will its QoS is 0",
        ),
        (
            0x1a,
            number("MQTT-3.1.2-13", "MQTT-3.1.2-11"),
            "without a will its QoS is 0",
        ),
        (
            0x22,
            number("MQTT-3.1.2-15", "MQTT-3.1.2-13"),
            "without a will it is not retained",
        ),
    ] {
        table.first(
            &n,
            statement,
            connect_of(v, flags, &[], &payload(&[])),
            unless_old(v),
        );
    }
    wills(table);
}

fn wills(table: &mut Table) {
    let v = table.version;
    let with_will = |flags: u8| connect_of(v, flags, &[], &payload(&[&will(v)]));
    for flags in [0x06, 0x0e, 0x16, 0x26, 0x36] {
        table.first(
            &number("MQTT-3.1.2-14", "MQTT-3.1.2-12"),
            "the QoS of a will may be 0, 1 or 2, and it may be retained",
            with_will(flags),
            Back::Welcome,
        );
    }
    table.first(
        &number("MQTT-3.1.2-14", "MQTT-3.1.2-12"),
        "the QoS of a will is not 3",
        with_will(0x1e),
        Back::Closed(0x81),
    );
    let fields = number("MQTT-3.1.2-9", "MQTT-3.1.2-9");
    for cut in [1, 5, 6, 9] {
        let whole = with_will(0x06);
        let short = packet(0x10, &whole[2..whole.len() - cut]);
        table.first(
            &fields,
            "a will has a topic and a payload",
            short,
            Back::Closed(0x81),
        );
    }
    let nameless = [properties(v, &[]), text(b""), text(b"gone")].concat();
    table.first(
        &number("MQTT-4.7.3-1", "MQTT-4.7.3-1"),
        "the topic of a will has at least one letter",
        connect_of(v, 0x06, &[], &payload(&[&nameless])),
        Back::Closed(0x81),
    );
    for wild in [&b"a/#"[..], b"+/a", b"a+"] {
        let wild = [properties(v, &[]), text(wild), text(b"gone")].concat();
        table.first(
            &number("MQTT-4.7.1-1", "MQTT-4.7.0-1"),
            "the topic of a will has no wildcard",
            connect_of(v, 0x06, &[], &payload(&[&wild])),
            Back::Closed(0x81),
        );
    }
}

fn credentials(table: &mut Table) {
    let v = table.version;
    let both = [text(b"user"), text(b"secret")].concat();
    let of = |flags: u8, fields: &[u8]| connect_of(v, flags, &[], &payload(&[fields]));
    let order = number("MQTT-3.1.3-1", "MQTT-3.1.3-1");
    let statement = "the fields of the payload come in their order";
    let all = [will(v), both.clone()].concat();
    table.first(&order, statement, of(0xc6, &all), Back::Welcome);
    let absent = number("MQTT-3.1.2-18", "MQTT-3.1.2-16");
    table.first(
        &absent,
        "without its flag there is no user name",
        of(0x02, &text(b"user")),
        Back::Closed(0x81),
    );
    table.first(
        &number("MQTT-3.1.2-20", "MQTT-3.1.2-18"),
        "without its flag there is no password",
        of(0x82, &both),
        Back::Closed(0x81),
    );
    // Section 3.1 of MQTT 3.1: the length of the packet takes precedence over its flags.
    table.first(
        &number("MQTT-3.1.2-19", "MQTT-3.1.2-17"),
        "with its flag there is a user name",
        of(0x82, &[]),
        unless_old(v),
    );
    table.first(
        &number("MQTT-3.1.2-21", "MQTT-3.1.2-19"),
        "with its flag there is a password",
        of(0xc2, &text(b"user")),
        unless_old(v),
    );
    let alone = match v {
        5 => Back::Welcome,
        _ => Back::Silence,
    };
    table.first(
        &number("MQTT-3.1.2-22", "MQTT-3.1.2-19"),
        "before MQTT 5 there is no password without a user name",
        of(0x42, &text(b"secret")),
        alone,
    );
    table.first(
        &number("MQTT-3.1.4-1", "MQTT-3.1.4-1"),
        "nothing stands behind the last field",
        of(0xc2, &[both, vec![0]].concat()),
        Back::Closed(0x81),
    );
}

fn client_ids(table: &mut Table) {
    let v = table.version;
    let of = |flags: u8, id: &[u8]| connect_of(v, flags, &[], &text(id));
    table.first(
        &number("MQTT-3.1.3-3", "MQTT-3.1.3-3"),
        "there is a client id",
        connect_of(v, 0x02, &[], &[]),
        Back::Closed(0x81),
    );
    let letters = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for id in letters.chunks(23) {
        let statement = "ids of 1 to 23 letters and digits are allowed";
        table.first(
            &number("MQTT-3.1.3-5", "MQTT-3.1.3-5"),
            statement,
            of(0x02, id),
            Back::Welcome,
        );
    }
    // Accepted in MQTT 3.1 too, although its standard refuses it: see ingest/README.md.
    let long = [letters, &letters[..], fresh_id().as_bytes()].concat();
    let statement = "longer ids are taken";
    table.first(
        &number("MQTT-3.1.3-2", "MQTT-3.1.3-2"),
        statement,
        of(0x02, &long),
        Back::Welcome,
    );
    let empty = |clean: bool| match (v, clean) {
        (5, _) | (4, true) => Back::Welcome,
        _ => refused(v, 2, 0x85),
    };
    table.first(
        &number("MQTT-3.1.3-6", "MQTT-3.1.3-6"),
        "an empty id is one that the server chooses",
        of(0x02, b""),
        empty(true),
    );
    table.first(
        &number("MQTT-3.1.3-8", "MQTT-3.1.3-7"),
        "an empty id without a clean session",
        of(0x00, b""),
        empty(false),
    );
}

fn sessions(table: &mut Table) {
    let v = table.version;
    for (flags, n) in [
        (0x02, number("MQTT-3.2.2-1", "MQTT-3.2.2-2")),
        (0x00, number("MQTT-3.2.2-3", "MQTT-3.2.2-3")),
    ] {
        let id = text(fresh_id().as_bytes());
        let statement = "no session is present";
        table.first(&n, statement, connect_of(v, flags, &[], &id), Back::Welcome);
    }
    if v == 5 {
        let id = text(fresh_id().as_bytes());
        let method = [&[0x15][..], &text(b"SCRAM-SHA-1")].concat();
        table.first(
            &number("", "MQTT-4.12.0-1"),
            "a method of authentication is refused",
            connect_of(v, 0x02, &method, &id),
            Back::Closed(0x8c),
        );
    }
    let first = number("MQTT-3.1.0-1", "MQTT-3.1.0-1");
    for packet in [
        publish_of(v, 0x32, b"a", &[]),
        subscribe_of(v, b"a", 0, &[]),
        vec![0xc0, 0],
        vec![0xe0, 0],
        vec![0x20, 2, 0, 0],
        vec![0xf0, 0],
        vec![0x00, 0],
    ] {
        table.first(
            &first,
            "the first packet is a CONNECT",
            packet,
            Back::Silence,
        );
    }
}
