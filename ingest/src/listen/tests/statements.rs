//! Goal: the statements of MQTT 3.1, 3.1.1 and 5 for a server hold, as far as they concern an
//! endpoint that receives publishes. Method: a table. A row names a statement by its number (MQTT
//! 3.1 has none: its section), and has the bytes to send and the expected answer; each row runs on
//! a connection of its own, in each version that has the statement. [`coverage`] compares the
//! tables to the lists of all statements.

mod connect;
mod control;
mod coverage;
mod packets;
mod properties;
mod publish;
mod subscribe;
mod texts;

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// The versions, by their protocol level.
const VERSIONS: [u8; 3] = [3, 4, 5];

/// One statement in one version.
struct Row {
    /// For example `MQTT-3.1.2-20`, or a section of MQTT 3.1.
    number: &'static str,
    statement: &'static str,
    opening: Opening,
    sent: Vec<u8>,
    back: Back,
}

/// When the bytes of a row are sent.
#[derive(Clone, Copy)]
enum Opening {
    /// As the first bytes of the connection.
    First,
    /// After CONNACK.
    Accepted,
}

/// The answer that a row expects.
enum Back {
    /// The end of the connection. MQTT 5 sends the reason first: in CONNACK before the client is
    /// accepted, in DISCONNECT after.
    Closed(u8),
    /// The end of the connection without a packet.
    Silence,
    /// These bytes, then the end.
    Last(Vec<u8>),
    /// These bytes; the connection continues.
    Bytes(Vec<u8>),
    /// A CONNACK that accepts; the connection continues.
    Welcome,
}

/// The numbers of one statement in 3.1.1 and in 5, and its section in 3.1.
struct Number([&'static str; 3]);

impl Number {
    fn of(&self, version: u8) -> &'static str {
        self.0[usize::from(version) - 3]
    }
}

/// A statement of both numbered versions.
const fn number(v4: &'static str, v5: &'static str) -> Number {
    Number(["MQTT 3.1", v4, v5])
}

/// Collects the rows of one version.
struct Table {
    version: u8,
    rows: Vec<Row>,
}

impl Table {
    fn new(version: u8) -> Self {
        Self {
            version,
            rows: Vec::new(),
        }
    }

    fn first(&mut self, number: &Number, statement: &'static str, sent: Vec<u8>, back: Back) {
        self.push(number, statement, (Opening::First, sent, back));
    }

    fn then(&mut self, number: &Number, statement: &'static str, sent: Vec<u8>, back: Back) {
        self.push(number, statement, (Opening::Accepted, sent, back));
    }

    fn push(&mut self, number: &Number, statement: &'static str, row: (Opening, Vec<u8>, Back)) {
        let (opening, sent, back) = row;
        self.rows.push(Row {
            number: number.of(self.version),
            statement,
            opening,
            sent,
            back,
        });
    }
}

/// Returns a client id that no other row has, so that no row disconnects another's client.
fn fresh_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("s{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Prefixes properties with their length; nothing before MQTT 5.
fn properties(version: u8, properties: &[u8]) -> Vec<u8> {
    match version {
        5 => {
            let length = u8::try_from(properties.len()).expect("short properties");
            assert!(length < 0x80, "short properties");
            [&[length], properties].concat()
        }
        _ => Vec::new(),
    }
}

/// Encodes a CONNECT with an explicit payload.
fn connect_of(version: u8, flags: u8, given: &[u8], payload: &[u8]) -> Vec<u8> {
    let name = text(if version == 3 { b"MQIsdp" } else { b"MQTT" });
    let head = [&name[..], &[version, flags, 0, 60]].concat();
    packet(
        0x10,
        &[head, properties(version, given), payload.to_vec()].concat(),
    )
}

/// Encodes a CONNECT of a new client with a clean session.
fn hello(version: u8) -> Vec<u8> {
    connect_of(version, 0x02, &[], &text(fresh_id().as_bytes()))
}

/// Encodes a PUBLISH; `first` has its flags, which decide whether it has a packet id.
fn publish_of(version: u8, first: u8, topic: &[u8], given: &[u8]) -> Vec<u8> {
    let id: &[u8] = if first & 6 == 0 { &[] } else { &[0, 7] };
    let body = [&text(topic), id, &properties(version, given), b"{}"].concat();
    packet(first, &body)
}

/// Encodes a SUBSCRIBE to one filter.
fn subscribe_of(version: u8, filter: &[u8], options: u8, given: &[u8]) -> Vec<u8> {
    let body = [
        &[0, 9][..],
        &properties(version, given),
        &text(filter),
        &[options],
    ]
    .concat();
    packet(0x82, &body)
}

/// Encodes an UNSUBSCRIBE from one filter.
fn unsubscribe_of(version: u8, filter: &[u8], given: &[u8]) -> Vec<u8> {
    packet(
        0xa2,
        &[&[0, 9][..], &properties(version, given), &text(filter)].concat(),
    )
}

async fn run(endpoint: &Endpoint, version: u8, row: Row) {
    let Row {
        number,
        statement,
        opening,
        sent,
        back,
    } = row;
    let shown = format!(
        "{number} in level {version}: {statement}: {:02x?}",
        &sent[..sent.len().min(60)]
    );
    let mut client = Client::open(endpoint.address).await;
    client.stream.set_nodelay(true).expect("an option of TCP");
    let early = matches!(opening, Opening::First);
    if !early {
        client.send(&hello(version)).await;
        client.connack(version.max(4)).await;
    }
    client.send(&sent).await;
    let expected = match (back, early, version) {
        (Back::Welcome, ..) => {
            client.connack(version.max(4)).await;
            return client.ping().await;
        }
        (Back::Bytes(bytes), ..) => {
            let got = client.next(bytes.len()).await;
            assert_eq!(got, bytes, "{shown}");
            return client.ping().await;
        }
        (Back::Last(bytes), ..) => bytes,
        (Back::Closed(code), true, 5) => vec![0x20, 3, 0, code, 0],
        (Back::Closed(code), false, 5) => vec![0xe0, 2, code, 0],
        (Back::Closed(_), ..) | (Back::Silence, ..) => Vec::new(),
    };
    let got = client.rest().await;
    assert_eq!(got, expected, "{shown}");
}

impl Client {
    /// Reads the next `count` bytes, or fewer at the end of the stream.
    async fn next(&mut self, count: usize) -> Vec<u8> {
        let mut got = Vec::new();
        let mut some = (&mut self.stream).take(count as u64);
        within(some.read_to_end(&mut got)).await.expect("bytes");
        got
    }

    /// Reads to the end of the stream.
    async fn rest(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        within(self.stream.read_to_end(&mut got))
            .await
            .expect("an orderly end");
        got
    }
}

/// Runs a table in each version.
async fn hold(fill: fn(&mut Table)) {
    let endpoint = Endpoint::start().await;
    for version in VERSIONS {
        let mut table = Table::new(version);
        fill(&mut table);
        for row in table.rows {
            run(&endpoint, version, row).await;
        }
    }
    endpoint.stopped().await;
}

#[tokio::test]
async fn connects_are_answered_as_the_standards_say() {
    hold(connect::rows).await;
}

#[tokio::test]
async fn texts_follow_the_standards() {
    hold(texts::rows).await;
}

#[tokio::test]
async fn fixed_headers_and_lengths_follow_the_standards() {
    hold(packets::rows).await;
}

#[tokio::test]
async fn publishes_are_answered_as_the_standards_say() {
    hold(publish::rows).await;
}

#[tokio::test]
async fn subscriptions_are_answered_as_the_standards_say() {
    hold(subscribe::rows).await;
}

#[tokio::test]
async fn the_other_packets_are_answered_as_the_standards_say() {
    hold(control::rows).await;
}

#[tokio::test]
async fn properties_follow_the_standard() {
    hold(properties::rows).await;
}
