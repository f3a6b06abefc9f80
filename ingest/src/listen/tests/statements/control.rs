//! PINGREQ, DISCONNECT, and the largest packet to a client: sections 3.12, 3.14 and 4.13.

use super::*;

pub(super) fn rows(table: &mut Table) {
    let v = table.version;
    table.then(
        &number("MQTT-3.12.4-1", "MQTT-3.12.4-1"),
        "PINGREQ is answered",
        vec![0xc0, 0, 0xc0, 0],
        Back::Bytes(vec![0xd0, 0, 0xd0, 0]),
    );
    table.then(
        &number("MQTT-3.14.4-2", "MQTT-3.14.4-1"),
        "nothing is read behind DISCONNECT",
        [vec![0xe0, 0], publish_of(v, 0x32, b"a", &[]), vec![0xc0, 0]].concat(),
        Back::Silence,
    );
    if v == 5 {
        disconnects(table);
        small_clients(table);
    }
}

fn disconnects(table: &mut Table) {
    let n = number("", "MQTT-3.14.2-1");
    for code in [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ] {
        let statement = "a client may give these reasons";
        table.then(&n, statement, packet(0xe0, &[code]), Back::Silence);
        table.then(&n, statement, packet(0xe0, &[code, 0]), Back::Silence);
    }
    for code in [
        0x01, 0x10, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9d, 0xa2, 0xff,
    ] {
        let statement = "these reasons are none, or a server's";
        table.then(&n, statement, packet(0xe0, &[code]), Back::Closed(0x82));
    }
    let ends = packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 60]);
    let n = number("", "3.14.2.2.2");
    let statement = "a session that ends with its connection is not made to last";
    table.then(&n, statement, ends.clone(), Back::Closed(0x82));
    let lasts = connect_of(5, 0x02, &[0x11, 0, 0, 0, 60], &text(fresh_id().as_bytes()));
    let zero = packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 0]);
    table.then(&n, statement, zero, Back::Silence);
    // The CONNACK to a client that requested a session reports that its session ends.
    let back = accepted(&[&[0x11, 0, 0, 0, 0][..], OFFERED].concat());
    table.first(&n, statement, [lasts, ends].concat(), Back::Last(back));
}

/// The properties of every CONNACK of MQTT 5: receive maximum, maximum packet size, topic aliases, no shared
/// subscriptions.
const OFFERED: &[u8] = &[0x21, 0xff, 0xff, 0x27, 0, 0x10, 0, 0, 0x22, 0, 16, 0x2a, 0];

fn accepted(properties: &[u8]) -> Vec<u8> {
    let length = u8::try_from(properties.len()).expect("short properties");
    [&[0x20, length + 3, 0, 0, length], properties].concat()
}

/// Encodes a CONNECT of a client that accepts packets of so many bytes.
fn small(bytes_max: u8) -> Vec<u8> {
    let given = [0x27, 0, 0, 0, bytes_max];
    connect_of(5, 0x02, &given, &text(fresh_id().as_bytes()))
}

fn small_clients(table: &mut Table) {
    let n = number("", "MQTT-3.1.2-24");
    let statement = "no packet is larger than the client accepts";
    let end = packet(0xe0, &[]);
    for (bytes_max, back) in [
        (18, accepted(OFFERED)),
        (17, accepted(&[])),
        (5, accepted(&[])),
        (4, Vec::new()),
        (1, Vec::new()),
    ] {
        let sent = match back.is_empty() {
            true => small(bytes_max),
            false => [small(bytes_max), end.clone()].concat(),
        };
        table.first(&n, statement, sent, Back::Last(back));
    }
    let several = [&[0, 9, 0][..], &[&text(b"a")[..], &[0]].concat().repeat(3)].concat();
    let sent = [small(7), packet(0x82, &several)].concat();
    let back = [accepted(&[]), vec![0xe0, 2, 0x95, 0]].concat();
    table.first(&n, statement, sent, Back::Last(back));
    let sent = [small(8), packet(0x82, &several), end].concat();
    let suback = vec![0x90, 6, 0, 9, 0, 0x87, 0x87, 0x87];
    table.first(
        &n,
        statement,
        sent,
        Back::Last([accepted(&[]), suback].concat()),
    );
}
