//! SUBSCRIBE and UNSUBSCRIBE: sections 3.8 to 3.11, 4.7 and 4.8.

use super::*;

pub(super) fn rows(table: &mut Table) {
    payloads(table);
    options(table);
    filters(table);
    codes(table);
    if table.version == 5 {
        shared(table);
    }
}

fn payloads(table: &mut Table) {
    let v = table.version;
    let empty = [&[0, 9][..], &properties(v, &[])].concat();
    table.then(
        &number("MQTT-3.8.3-3", "MQTT-3.8.3-2"),
        "a SUBSCRIBE has a filter",
        packet(0x82, &empty),
        Back::Closed(0x82),
    );
    table.then(
        &number("MQTT-3.10.3-2", "MQTT-3.10.3-2"),
        "an UNSUBSCRIBE has a filter",
        packet(0xa2, &empty),
        Back::Closed(0x82),
    );
    let n = number("MQTT-2.3.1-1", "MQTT-2.2.1-3");
    for sample in [subscribe_of(v, b"a", 0, &[]), unsubscribe_of(v, b"a", &[])] {
        let body = [&[0, 0][..], &sample[4..]].concat();
        let sent = packet(sample[0], &body);
        table.then(&n, "a packet id is not zero", sent, Back::Closed(0x82));
    }
}

fn options(table: &mut Table) {
    let v = table.version;
    let n = number("MQTT-3.8.3-4", "MQTT-3.8.3-5");
    let granted = |options: u8| match v {
        5 => Back::Bytes(vec![0x90, 4, 0, 9, 0, 0x87]),
        4 => Back::Bytes(vec![0x90, 3, 0, 9, 0x80]),
        // MQTT 3.1 has no code for a refused subscription: section 3.8 there.
        _ if options & 3 == 3 => Back::Silence,
        _ => Back::Bytes(vec![0x90, 3, 0, 9, 0]),
    };
    for options in 0..=2 {
        let statement = "a QoS may be 0, 1 or 2";
        table.then(
            &n,
            statement,
            subscribe_of(v, b"a", options, &[]),
            granted(options),
        );
    }
    let statement = "a QoS is not 3";
    table.then(
        &n,
        statement,
        subscribe_of(v, b"a", 3, &[]),
        Back::Closed(0x82),
    );
    for options in [0x40, 0x80, 0xc0, 0xc1] {
        let statement = "reserved bits are zero";
        let back = if v == 3 {
            granted(options)
        } else {
            Back::Closed(0x81)
        };
        table.then(&n, statement, subscribe_of(v, b"a", options, &[]), back);
    }
    for options in [0x04, 0x08, 0x0c, 0x10, 0x20, 0x2e] {
        let statement = "bits 2 to 5 are reserved before MQTT 5";
        let back = if v == 4 {
            Back::Closed(0x81)
        } else {
            granted(options)
        };
        table.then(&n, statement, subscribe_of(v, b"a", options, &[]), back);
    }
    if v == 5 {
        let statement = "a retain handling is not 3";
        let n = number("", "MQTT-3.8.3-5");
        table.then(
            &n,
            statement,
            subscribe_of(v, b"a", 0x30, &[]),
            Back::Closed(0x82),
        );
    }
}

fn filters(table: &mut Table) {
    let v = table.version;
    for (wrong, n, statement) in [
        (
            &b""[..],
            number("MQTT-4.7.3-1", "MQTT-4.7.3-1"),
            "a filter has at least one letter",
        ),
        (
            b"a#",
            number("MQTT-4.7.1-2", "MQTT-4.7.1-1"),
            "# has a level of its own",
        ),
        (
            b"a/b#",
            number("MQTT-4.7.1-2", "MQTT-4.7.1-1"),
            "# has a level of its own",
        ),
        (
            b"a/#/b",
            number("MQTT-4.7.1-2", "MQTT-4.7.1-1"),
            "# is the last level",
        ),
        (
            b"#/",
            number("MQTT-4.7.1-2", "MQTT-4.7.1-1"),
            "# is the last level",
        ),
        (
            b"a+",
            number("MQTT-4.7.1-3", "MQTT-4.7.1-2"),
            "+ has a level of its own",
        ),
        (
            b"+a/b",
            number("MQTT-4.7.1-3", "MQTT-4.7.1-2"),
            "+ has a level of its own",
        ),
        (
            b"a/++",
            number("MQTT-4.7.1-3", "MQTT-4.7.1-2"),
            "+ has a level of its own",
        ),
    ] {
        table.then(
            &n,
            statement,
            subscribe_of(v, wrong, 0, &[]),
            Back::Closed(0x81),
        );
        table.then(
            &n,
            statement,
            unsubscribe_of(v, wrong, &[]),
            Back::Closed(0x81),
        );
    }
    others(table);
}

fn others(table: &mut Table) {
    let v = table.version;
    let answer = |code: u8| match v {
        5 => vec![0x90, 4, 0, 9, 0, code],
        4 => vec![0x90, 3, 0, 9, 0x80],
        _ => vec![0x90, 3, 0, 9, 0],
    };
    let n = number("MQTT-3.8.4-1", "MQTT-3.8.4-1");
    for filter in [
        &b"#"[..],
        b"+",
        b"+/#",
        b"a/+/b",
        b"$SYS/#",
        b"/",
        &[b'a'; 65_535],
    ] {
        let statement = "any other filter is answered; none is granted but that of receipts";
        let sent = subscribe_of(v, filter, 1, &[]);
        table.then(&n, statement, sent, Back::Bytes(answer(0x87)));
    }
    if v == 5 {
        let sent = subscribe_of(v, b"a", 1, &[0x0b, 0xff, 0xff, 0xff, 0x7f]);
        let statement = "a subscription may have an identifier";
        table.then(&n, statement, sent, Back::Bytes(answer(0x87)));
    }
}

fn codes(table: &mut Table) {
    let v = table.version;
    let own: &[u8] = b"park/p1/e1/g9/down/receipt";
    let several = [
        &[0, 9][..],
        &properties(v, &[]),
        &text(b"#"),
        &[1],
        &text(own),
        &[1],
        &text(b"a/b"),
        &[0],
    ]
    .concat();
    let answer = match v {
        5 => vec![0x90, 6, 0, 9, 0, 0x87, 0, 0x87],
        4 => vec![0x90, 5, 0, 9, 0x80, 0, 0x80],
        _ => vec![0x90, 5, 0, 9, 0, 0, 0],
    };
    for n in [
        number("MQTT-3.9.3-1", "MQTT-3.9.3-1"),
        number("MQTT-3.8.4-5", "MQTT-3.8.4-6"),
        number("MQTT-3.8.4-4", "MQTT-3.8.4-5"),
        number("MQTT-3.9.3-2", "MQTT-3.9.3-2"),
    ] {
        let statement = "SUBACK has a code for each filter, in their order";
        table.then(
            &n,
            statement,
            packet(0x82, &several),
            Back::Bytes(answer.clone()),
        );
    }
    for n in [
        number("MQTT-3.8.4-2", "MQTT-3.8.4-2"),
        number("MQTT-2.3.1-7", "MQTT-2.2.1-6"),
    ] {
        let sent = [&[0x12, 0x34][..], &several[2..]].concat();
        let answer = [&answer[..2], &[0x12, 0x34], &answer[4..]].concat();
        let statement = "SUBACK has the packet id of its SUBSCRIBE";
        table.then(&n, statement, packet(0x82, &sent), Back::Bytes(answer));
    }
    unsubscribes(table, own);
}

fn unsubscribes(table: &mut Table, own: &[u8]) {
    let v = table.version;
    let twice = [&properties(v, &[])[..], &text(b"a"), &text(own)].concat();
    let given = subscribe_of(v, own, 0, &[]);
    let suback = if v == 5 {
        vec![0x90, 4, 0, 9, 0, 0]
    } else {
        vec![0x90, 3, 0, 9, 0]
    };
    let unsuback = match v {
        5 => vec![0xb0, 5, 0x12, 0x34, 0, 0x11, 0],
        _ => vec![0xb0, 2, 0x12, 0x34],
    };
    for n in [
        number("MQTT-3.10.4-4", "MQTT-3.10.4-4"),
        number("MQTT-3.10.4-5", "MQTT-3.10.4-5"),
        number("MQTT-3.10.4-6", "MQTT-3.10.4-6"),
        number("MQTT-3.10.4-1", "MQTT-3.10.4-1"),
        number("MQTT-3.10.4-2", "MQTT-3.11.3-1"),
        number("MQTT-3.10.4-2", "MQTT-3.10.4-2"),
        number("MQTT-3.10.4-2", "MQTT-3.11.3-2"),
    ] {
        let unsubscribe = packet(0xa2, &[&[0x12, 0x34][..], &twice].concat());
        let sent = [given.clone(), unsubscribe].concat();
        let statement = "UNSUBACK has the packet id, and in MQTT 5 a code for each filter";
        table.then(
            &n,
            statement,
            sent,
            Back::Bytes([&suback[..], &unsuback].concat()),
        );
    }
}

fn shared(table: &mut Table) {
    for filter in [&b"$share"[..], b"$share/", b"$share//a"] {
        let n = number("", "MQTT-4.8.2-1");
        let statement = "a shared subscription has a name";
        table.then(
            &n,
            statement,
            subscribe_of(5, filter, 0, &[]),
            Back::Closed(0x81),
        );
    }
    for filter in [
        &b"$share/g"[..],
        b"$share/g/",
        b"$share/g+/a",
        b"$share/g#/a",
    ] {
        let n = number("", "MQTT-4.8.2-2");
        let statement = "the name has no wildcard, and a filter follows";
        table.then(
            &n,
            statement,
            subscribe_of(5, filter, 0, &[]),
            Back::Closed(0x81),
        );
    }
    let n = number("", "3.2.2.3.13");
    let statement = "shared subscriptions are not offered";
    table.then(
        &n,
        statement,
        subscribe_of(5, b"$share/g/a", 0, &[]),
        Back::Closed(0x9e),
    );
    let n = number("", "MQTT-3.8.3-4");
    let statement = "no local is not for a shared subscription";
    table.then(
        &n,
        statement,
        subscribe_of(5, b"$share/g/a", 0x04, &[]),
        Back::Closed(0x82),
    );
}
