//! Fixed headers, lengths and ends of packets: section 2.

use super::*;

const RESERVED: Number = number("MQTT-2.2.2-2", "MQTT-2.1.3-1");

pub(super) fn rows(table: &mut Table) {
    types(table);
    flags(table);
    lengths(table);
    ends(table);
}

fn types(table: &mut Table) {
    let v = table.version;
    table.then(
        &RESERVED,
        "type 0 is forbidden",
        vec![0x00, 0],
        Back::Closed(0x81),
    );
    for (first, body) in [
        (0x20, &[0, 0][..]),
        (0x90, &[0, 9, 0]),
        (0xb0, &[0, 9]),
        (0xd0, &[]),
    ] {
        table.then(
            &number("MQTT-4.8.0-1", "MQTT-4.13.1-1"),
            "a packet that only servers send is a protocol violation",
            packet(first, body),
            Back::Closed(0x82),
        );
    }
    let back = if v == 5 { 0x82 } else { 0x81 };
    let n = number("MQTT-2.2.2-1", "MQTT-4.12.0-7");
    let statement =
        "type 15 is reserved, and AUTH where CONNECT named no method is a protocol violation";
    for body in [&[][..], &[0x18], &[0x19, 0], &[0, 0]] {
        table.then(&n, statement, packet(0xf0, body), Back::Closed(back));
    }
    if v == 5 {
        let statement = "AUTH is read to its end";
        for body in [
            &[0x18, 0, 0][..],
            &[0x18, 3, 0x15, 0, 1],
            &[0x18, 2, 0x21, 0],
        ] {
            table.then(&n, statement, packet(0xf0, body), Back::Closed(0x81));
        }
    }
}

/// Returns each packet of a client, with its flags.
fn samples(v: u8) -> Vec<Vec<u8>> {
    vec![
        packet(0x40, &[0, 7]),
        packet(0x50, &[0, 7]),
        packet(0x62, &[0, 7]),
        packet(0x70, &[0, 7]),
        subscribe_of(v, b"a", 0, &[]),
        unsubscribe_of(v, b"a", &[]),
        packet(0xc0, &[]),
        packet(0xe0, &[]),
    ]
}

fn flags(table: &mut Table) {
    let v = table.version;
    for sample in samples(v) {
        let right = sample[0] & 0x0f;
        let n = match sample[0] >> 4 {
            6 => number("MQTT-3.6.1-1", "MQTT-3.6.1-1"),
            8 => number("MQTT-3.8.1-1", "MQTT-3.8.1-1"),
            10 => number("MQTT-3.10.1-1", "MQTT-3.10.1-1"),
            14 => number("MQTT-3.14.1-1", "MQTT-3.14.1-1"),
            _ => RESERVED,
        };
        for wrong in (0..16).filter(|flags| *flags != right) {
            // Old gateways set DUP on repeats, and the flags of the others are unused there.
            if v == 3 && (right == 0 || wrong & 6 == 2) {
                continue;
            }
            let mut sent = sample.clone();
            sent[0] = sent[0] & 0xf0 | wrong;
            table.then(
                &n,
                "reserved flags are what they are",
                sent,
                Back::Closed(0x81),
            );
        }
    }
    for wrong in [0x11, 0x12, 0x18, 0x1f] {
        let mut sent = hello(v);
        sent[0] = wrong;
        let back = if v == 3 {
            Back::Welcome
        } else {
            Back::Closed(0x81)
        };
        table.first(&RESERVED, "the flags of CONNECT are zero", sent, back);
    }
    if v == 3 {
        for (first, back) in [(0x6a, vec![0x70, 2, 0, 7]), (0x8a, vec![0x90, 3, 0, 9, 0])] {
            let mut sent = match first {
                0x6a => packet(0x62, &[0, 7]),
                _ => subscribe_of(v, b"a", 0, &[]),
            };
            sent[0] = first;
            let statement = "old gateways mark what they send again";
            table.then(
                &Number(["MQTT 3.1, 2.1", "", ""]),
                statement,
                sent,
                Back::Bytes(back),
            );
        }
    }
}

fn lengths(table: &mut Table) {
    let v = table.version;
    let five = number("2.2.3", "MQTT-1.5.5-1");
    let statement = "a remaining length has at most four bytes";
    for first in [0x30, 0x32, 0x82, 0xc0, 0xe0] {
        let sent = vec![first, 0x80, 0x80, 0x80, 0x80, 0x01];
        table.then(&five, statement, sent, Back::Closed(0x81));
        let sent = vec![first, 0xff, 0xff, 0xff, 0xff, 0x7f];
        table.then(&five, statement, sent, Back::Closed(0x81));
    }
    let sent = vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x7f];
    table.first(&five, statement, sent, Back::Silence);
    // Before MQTT 5 the shortest form is not required, and devices do write lengths of a fixed
    // width.
    let padded = |sent: Vec<u8>| {
        let mut padded = vec![sent[0], sent[1] | 0x80, 0];
        padded.extend_from_slice(&sent[2..]);
        padded
    };
    let statement = "a remaining length is as short as it can be";
    let ping = padded(vec![0xc0, 0]);
    let published = padded(publish_of(v, 0x32, b"a", &[]));
    let (pong, acknowledged) = (vec![0xd0, 0], puback(7).to_vec());
    for (sent, answer) in [(ping, pong), (published, acknowledged)] {
        let back = if v == 5 {
            Back::Closed(0x81)
        } else {
            Back::Bytes(answer)
        };
        table.then(&five, statement, sent, back);
    }
    let back = if v == 5 {
        Back::Closed(0x81)
    } else {
        Back::Welcome
    };
    table.first(&five, statement, padded(hello(v)), back);
}

fn ends(table: &mut Table) {
    let v = table.version;
    let n = number("MQTT-4.8.0-1", "MQTT-4.13.1-1");
    for sample in samples(v) {
        let kind = sample[0] >> 4;
        let body = &sample[2..];
        if v != 5 && kind != 8 && kind != 10 {
            for more in [&[0][..], &[0, 0], &[1, 2, 3]] {
                let sent = packet(sample[0], &[body, more].concat());
                table.then(
                    &n,
                    "nothing stands behind a packet's end",
                    sent,
                    Back::Closed(0x81),
                );
            }
        }
        if v == 5 && kind < 8 {
            for more in [&[0, 0, 0][..], &[0, 0, 0, 0], &[0, 1], &[0, 0x80]] {
                let sent = packet(sample[0], &[body, more].concat());
                table.then(
                    &n,
                    "nothing stands behind a packet's end",
                    sent,
                    Back::Closed(0x81),
                );
            }
        }
        for cut in 1..=body.len().min(2) {
            // Truncated within the last field of one filter, or within a packet id.
            let short = packet(sample[0], &body[..body.len() - cut]);
            table.then(
                &n,
                "a packet has all of its fields",
                short,
                Back::Closed(0x81),
            );
        }
        if kind == 8 || kind == 10 {
            let sent = packet(sample[0], &[body, &[0]].concat());
            table.then(
                &n,
                "nothing stands behind a packet's end",
                sent,
                Back::Closed(0x81),
            );
        }
    }
    let ping = packet(0xc0, &[0]);
    table.then(&n, "PINGREQ has no body", ping, Back::Closed(0x81));
    if v == 5 {
        for body in [&[0, 1][..], &[0, 0, 0], &[0, 0x80]] {
            let statement = "DISCONNECT is read to its end";
            table.then(&n, statement, packet(0xe0, body), Back::Closed(0x81));
        }
    }
}
