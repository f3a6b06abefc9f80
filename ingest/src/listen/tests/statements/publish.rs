//! PUBLISH and its answers: sections 3.3 to 3.7 and 4.3.

use super::*;

pub(super) fn rows(table: &mut Table) {
    headers(table);
    topics(table);
    answers(table);
    if table.version == 5 {
        aliases(table);
    }
}

/// The acknowledgement of a PUBLISH of QoS 1 or 2.
fn taken(first: u8) -> Back {
    Back::Bytes(match first & 6 {
        0 => Vec::new(),
        2 => vec![0x40, 2, 0, 7],
        _ => vec![0x50, 2, 0, 7],
    })
}

fn headers(table: &mut Table) {
    let v = table.version;
    let n = number("MQTT-4.3.2-2", "MQTT-3.3.4-1");
    for first in [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3a, 0x3b, 0x3c, 0x3d] {
        let statement = "a PUBLISH is answered as its QoS says";
        table.then(
            &n,
            statement,
            publish_of(v, first, b"a/b", &[]),
            taken(first),
        );
    }
    for first in [0x36, 0x37, 0x3e, 0x3f] {
        table.then(
            &number("MQTT-3.3.1-4", "MQTT-3.3.1-4"),
            "not both bits of the QoS are set",
            publish_of(v, first, b"a", &[]),
            Back::Closed(0x81),
        );
    }
    for first in [0x38, 0x39] {
        let back = match v {
            3 => Back::Bytes(Vec::new()),
            _ => Back::Closed(0x81),
        };
        let statement = "a PUBLISH of QoS 0 is no repeat";
        let n = number("MQTT-3.3.1-2", "MQTT-3.3.1-2");
        table.then(&n, statement, publish_of(v, first, b"a", &[]), back);
    }
    let n = number("MQTT-2.3.1-1", "MQTT-2.2.1-3");
    for first in [0x32, 0x34, 0x3a, 0x3c] {
        let sent = packet(
            first,
            &[&text(b"a")[..], &[0, 0], &properties(v, &[])].concat(),
        );
        table.then(&n, "a packet id is not zero", sent, Back::Closed(0x82));
    }
    for body in [&[][..], &[0], &[0, 1], &[0, 1, b'a'], &[0, 1, b'a', 0]] {
        let statement = "a PUBLISH has all of its fields";
        let n = number("MQTT-3.3.2-1", "MQTT-3.3.2-1");
        table.then(&n, statement, packet(0x32, body), Back::Closed(0x81));
    }
    let sent = packet(0x30, &[text(b"a"), properties(v, &[])].concat());
    let n = number("MQTT-2.3.1-5", "MQTT-2.2.1-2");
    let statement = "QoS 0 has no packet id, and a payload may be empty";
    table.then(&n, statement, sent, Back::Bytes(Vec::new()));
}

fn topics(table: &mut Table) {
    let v = table.version;
    for first in [0x30, 0x32, 0x34] {
        for wild in [&b"#"[..], b"+", b"a/#", b"a/+/b", b"a+b", b"a#"] {
            table.then(
                &number("MQTT-3.3.2-2", "MQTT-3.3.2-2"),
                "a topic name has no wildcard",
                publish_of(v, first, wild, &[]),
                Back::Closed(0x81),
            );
        }
        table.then(
            &number("MQTT-4.7.3-1", "MQTT-4.7.3-1"),
            "a topic name has at least one letter",
            publish_of(v, first, b"", &[]),
            Back::Closed(0x82),
        );
        for odd in [&b"/"[..], b" ", b"a//b", b"/a", &[b'a'; 65_535]] {
            let statement = "any other topic name is taken";
            let n = number("MQTT-4.7.3-3", "MQTT-4.7.3-3");
            table.then(&n, statement, publish_of(v, first, odd, &[]), taken(first));
        }
        // The server's own topics: 3.1 and 3.1.1 have no reason code for a refusal, so it is a dead
        // letter there.
        let own = publish_of(v, first, b"$SYS/broker/uptime", &[]);
        let back = match (v, first) {
            (5, 0x32) => Back::Bytes(vec![0x40, 3, 0, 7, 0x87]),
            (5, 0x34) => Back::Bytes(vec![0x50, 3, 0, 7, 0x87]),
            _ => taken(first),
        };
        let n = number("4.7.2", "4.7.2");
        table.then(
            &n,
            "clients do not publish on the server's topics",
            own,
            back,
        );
    }
}

fn answers(table: &mut Table) {
    let v = table.version;
    let n = number("MQTT-2.3.1-6", "MQTT-2.2.1-5");
    let unknown = |first: u8| match v {
        5 => Back::Bytes(vec![first, 3, 0, 7, 0x92]),
        _ => Back::Bytes(vec![first, 2, 0, 7]),
    };
    let statement = "PUBREL of an id that is not known";
    table.then(
        &number("MQTT-4.3.3-2", "MQTT-4.3.3-11"),
        statement,
        packet(0x62, &[0, 7]),
        unknown(0x70),
    );
    let statement = "PUBREC of an id that is not known";
    table.then(
        &number("MQTT-4.3.3-1", "MQTT-4.3.3-4"),
        statement,
        packet(0x50, &[0, 7]),
        unknown(0x62),
    );
    for first in [0x40, 0x70] {
        let statement = "PUBACK and PUBCOMP of an id that is not known change nothing";
        table.then(
            &n,
            statement,
            packet(first, &[0, 7]),
            Back::Bytes(Vec::new()),
        );
    }
    for first in [0x40, 0x50, 0x62, 0x70] {
        let n = number("MQTT-2.3.1-1", "MQTT-2.2.1-5");
        let sent = packet(first, &[0, 0]);
        table.then(&n, "a packet id is not zero", sent, Back::Closed(0x82));
    }
    if v != 5 {
        return;
    }
    let codes: [(u8, &[u8], Number); 4] = [
        (0x40, &[0x92, 0x01, 0x04, 0xff], number("", "MQTT-3.4.2-1")),
        (0x50, &[0x92, 0x01, 0x18, 0x8e], number("", "MQTT-3.5.2-1")),
        (0x62, &[0x10, 0x80, 0x01, 0xff], number("", "MQTT-3.6.2-1")),
        (0x70, &[0x10, 0x80, 0x91, 0xff], number("", "MQTT-3.7.2-1")),
    ];
    for (first, wrong, n) in codes {
        for &code in wrong {
            let statement = "a reason code is one of its packet's";
            let sent = packet(first, &[0, 7, code]);
            table.then(&n, statement, sent, Back::Closed(0x82));
        }
    }
    for code in [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
        let n = number("", "MQTT-3.5.2-1");
        let statement = "PUBREC that fails ends its exchange";
        table.then(
            &n,
            statement,
            packet(0x50, &[0, 7, code]),
            Back::Bytes(Vec::new()),
        );
    }
}

/// Encodes a PUBLISH of QoS 1 with an alias.
fn aliased(topic: &[u8], alias: u16) -> Vec<u8> {
    let [high, low] = alias.to_be_bytes();
    publish_of(5, 0x32, topic, &[0x23, high, low])
}

fn aliases(table: &mut Table) {
    let n = number("", "MQTT-3.3.2-12");
    let ack = puback(7);
    for alias in [1, 2, 16] {
        let sent = [aliased(b"a", alias), aliased(b"", alias)].concat();
        let statement = "an alias up to the maximum is taken";
        table.then(&n, statement, sent, Back::Bytes([ack, ack].concat()));
    }
    let sent = [aliased(b"a", 1), aliased(b"b", 1), aliased(b"", 1)].concat();
    table.then(
        &n,
        "an alias may be given anew",
        sent,
        Back::Bytes([ack; 3].concat()),
    );
    for (alias, n) in [
        (0, number("", "MQTT-3.3.2-8")),
        (17, number("", "MQTT-3.3.2-9")),
        (u16::MAX, number("", "MQTT-3.3.2-9")),
    ] {
        let statement = "an alias is neither zero nor above the maximum";
        table.then(&n, statement, aliased(b"a", alias), Back::Closed(0x94));
    }
    let n = number("", "MQTT-3.3.2-7");
    let statement = "an alias that was not given on this connection stands for nothing";
    table.then(&n, statement, aliased(b"", 1), Back::Closed(0x82));
    table.then(&n, statement, aliased(b"", 16), Back::Closed(0x82));
}
