//! Goal: PUBACK means the log has it, whatever the client, the log or the network do. Method: a
//! listener over the log in memory, with its switches, and clients that write bytes by hand, so
//! that the tests assert the bytes on the wire.

mod auth;
mod clients;
mod endings;
mod flows;
mod pressure;
mod rate;
mod receipts;
mod refusals;
mod senders;
mod statements;

use std::time::Duration;

use greenpark_log::{Entry, LogWriter, Topic, memory::MemoryLog};
use greenpark_model::clock::Clock;
use greenpark_proto::{reading_batch, telemetry::v1::DeadLetter};
use greenpark_runtime::clock;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::{IngestMetrics, settings::DecodeSettings};

const NOW: i64 = 1_800_000_000_000;
const TOPIC: &str = "park/p1/e1/g1/up/readings";
/// Longer than any expected wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running listener over a log in memory.
struct Endpoint {
    log: MemoryLog,
    metrics: IngestMetrics,
    pipeline: Pipeline,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Endpoint {
    async fn start() -> Self {
        Self::start_with(ListenSettings::default()).await
    }

    async fn start_with(settings: ListenSettings) -> Self {
        let log = MemoryLog::new(1, clock::system());
        let writer = log.writer();
        Self::start_over(settings, log, writer).await
    }

    /// Starts an endpoint with recorded grants.
    async fn start_granted(
        settings: ListenSettings,
        grants: watch::Receiver<Arc<GatewayGrants>>,
    ) -> Self {
        let log = MemoryLog::new(1, clock::system());
        let pipeline = Pipeline::new(
            &DecodeSettings::default(),
            log.writer(),
            Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
            IngestMetrics::default(),
        );
        let bound = MqttListener::bind_with(at_any_port(settings), pipeline.clone(), grants).await;
        Self::run(bound.expect("a free port"), log, pipeline)
    }

    async fn start_over(settings: ListenSettings, log: MemoryLog, writer: LogWriter) -> Self {
        let decode = DecodeSettings::default();
        let pipeline = Pipeline::new(
            &decode,
            writer,
            Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
            IngestMetrics::default(),
        );
        Self::start_into(settings, log, pipeline).await
    }

    /// Starts an endpoint with a memory bound of `bytes_max` for all connections.
    async fn start_holding(bytes_max: usize) -> Self {
        let log = MemoryLog::new(1, clock::system());
        let decode = DecodeSettings::default();
        let metrics = IngestMetrics::default();
        let pipeline = Pipeline::new(
            &decode,
            log.writer(),
            Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
            metrics,
        );
        let pipeline = pipeline.with_held_bytes_max(bytes_max);
        Self::start_into(ListenSettings::default(), log, pipeline).await
    }

    async fn start_into(settings: ListenSettings, log: MemoryLog, pipeline: Pipeline) -> Self {
        let bound = MqttListener::bind(at_any_port(settings), pipeline.clone()).await;
        Self::run(bound.expect("a free port"), log, pipeline)
    }

    fn run(listener: MqttListener, log: MemoryLog, pipeline: Pipeline) -> Self {
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(listener.run(async move { drop(stopped.await) }));
        Self {
            log,
            metrics: pipeline.metrics().clone(),
            pipeline,
            address,
            stop: Some(stop),
            running,
        }
    }

    fn stop(&mut self) {
        drop(self.stop.take());
    }

    async fn stopped(mut self) {
        self.stop();
        within(self.running).await.expect("the listener ends");
    }

    /// Returns the values of the readings in the log, in order.
    fn values(&self) -> Vec<i64> {
        let batches = payloads(&self.log, Topic::Readings).into_iter();
        batches
            .flat_map(|payload| {
                reading_batch::decode(&payload)
                    .expect("a batch")
                    .values()
                    .to_vec()
            })
            .collect()
    }

    fn dead_letters(&self) -> Vec<DeadLetter> {
        let dead_letters = payloads(&self.log, Topic::DeadLetters).into_iter();
        dead_letters
            .map(|payload| DeadLetter::decode(payload).expect("a letter"))
            .collect()
    }

    async fn client(&self, version: u8) -> Client {
        self.client_named(version, "gw1").await
    }

    async fn client_named(&self, version: u8, client_id: &str) -> Client {
        let mut client = Client::open(self.address).await;
        client.send(&connect(version, client_id, 60, None)).await;
        client.connack(version).await;
        client
    }
}

fn at_any_port(settings: ListenSettings) -> ListenSettings {
    ListenSettings {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..settings
    }
}

fn payloads(log: &MemoryLog, topic: Topic) -> Vec<bytes::Bytes> {
    let payload = |entry: Entry| entry.record.expect("a record").payload;
    log.entries(topic).into_iter().map(payload).collect()
}

async fn within<F: Future>(future: F) -> F::Output {
    time::timeout(PATIENCE, future)
        .await
        .expect("it happens in time")
}

/// Waits until `fact` holds.
async fn until(fact: impl Fn() -> bool) {
    within(async {
        while !fact() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A client that writes bytes by hand.
struct Client {
    stream: TcpStream,
    /// The subscription identifier of the last receipt.
    identifier: Option<u8>,
}

impl Client {
    async fn open(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address)
                .await
                .expect("the listener accepts"),
            identifier: None,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .await
            .expect("the listener reads");
    }

    /// Expects exactly these bytes next.
    async fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        within(self.stream.read_exact(&mut got))
            .await
            .expect("the listener answers");
        assert_eq!(got, bytes);
    }

    async fn connack(&mut self, version: u8) {
        if version == 4 {
            return self.expect(&[0x20, 2, 0, 0]).await;
        }
        self.expect(&[0x20]).await;
        let length = within(self.stream.read_u8()).await.expect("a length");
        let mut rest = vec![0; usize::from(length)];
        within(self.stream.read_exact(&mut rest))
            .await
            .expect("a CONNACK");
        assert_eq!(rest[..2], [0, 0]);
    }

    /// Expects the end of the stream, after `bytes`.
    async fn expect_end(&mut self, bytes: &[u8]) {
        let mut got = Vec::new();
        within(self.stream.read_to_end(&mut got))
            .await
            .expect("an orderly end");
        assert_eq!(got, bytes);
    }

    /// Returns true if the client has received nothing.
    fn has_nothing(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends PINGREQ and expects PINGRESP next; then everything before it has been read.
    async fn ping(&mut self) {
        self.send(&[0xc0, 0]).await;
        self.expect(&[0xd0, 0]).await;
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits");
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn text(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes(), text].concat()
}

/// Encodes a CONNECT with a clean session.
fn connect(version: u8, client_id: &str, keep_alive_s: u16, will: Option<(&str, &str)>) -> Vec<u8> {
    let mut body = text(b"MQTT");
    body.extend_from_slice(&[version, if will.is_some() { 0x0e } else { 0x02 }]);
    body.extend_from_slice(&keep_alive_s.to_be_bytes());
    let properties = vec![0; usize::from(version == 5)];
    body.extend_from_slice(&properties);
    body.extend_from_slice(&text(client_id.as_bytes()));
    if let Some((topic, payload)) = will {
        body.extend_from_slice(&properties);
        body.extend_from_slice(&text(topic.as_bytes()));
        body.extend_from_slice(&text(payload.as_bytes()));
    }
    packet(0x10, &body)
}

/// Encodes a PUBLISH of QoS 1 for MQTT 3.1.1.
fn publish(packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let id = packet_id.to_be_bytes();
    packet(0x32, &[&text(topic.as_bytes()), &id[..], payload].concat())
}

fn reading(value: u32) -> Vec<u8> {
    let at = 1_700_000_000_000i64 + i64::from(value);
    format!(r#"{{"meter":"m1","quantity":"electricity","at":{at},"value":{value}}}"#).into_bytes()
}

fn puback(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x40, 2, high, low]
}

#[tokio::test]
async fn a_reading_is_acknowledged_when_the_log_has_it() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    client.send(&publish(7, TOPIC, &reading(5))).await;
    client.expect(&puback(7)).await;
    assert_eq!(endpoint.values(), [5_000_000]);
    assert_eq!(
        (endpoint.metrics.received(), endpoint.metrics.accepted()),
        (1, 1)
    );
    endpoint.stopped().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_before_its_receipt_and_pings_are_answered() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    endpoint.log.pause();
    for id in 1..=20_000u16 {
        client
            .send(&publish(id, TOPIC, &reading(u32::from(id))))
            .await;
        if id % 5_000 == 0 {
            client.ping().await;
        }
    }
    assert!(client.has_nothing());
    assert_eq!(endpoint.metrics.received(), 0);
    endpoint.log.resume();
    for id in 1..=20_000u16 {
        client.expect(&puback(id)).await;
    }
    assert_eq!(
        endpoint.values(),
        (1..=20_000).map(|v| v * 1_000_000).collect::<Vec<i64>>()
    );
    endpoint.stopped().await;
}

#[tokio::test]
async fn each_quality_of_service_gets_its_acknowledgement() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    client
        .send(&packet(
            0x30,
            &[&text(TOPIC.as_bytes())[..], &reading(1)].concat(),
        ))
        .await;
    client.ping().await;
    let mut exactly_once = publish(9, TOPIC, &reading(2));
    exactly_once[0] = 0x34;
    endpoint.log.pause();
    client.send(&exactly_once).await;
    client.ping().await;
    endpoint.log.resume();
    client.expect(&[0x50, 2, 0, 9]).await;
    // PUBREL is answered whether or not its publish is known.
    client.send(&[0x62, 2, 0, 9, 0x62, 2, 0x12, 0x34]).await;
    client.expect(&[0x70, 2, 0, 9, 0x70, 2, 0x12, 0x34]).await;
    // A repeat is accepted and acknowledged again; its identity makes it harmless.
    exactly_once[0] = 0x3c;
    client.send(&exactly_once).await;
    client.expect(&[0x50, 2, 0, 9]).await;
    until(|| endpoint.values().len() == 3).await;
    let by_qos: Vec<_> = (0..3).map(|qos| endpoint.metrics.messages(qos)).collect();
    assert_eq!(by_qos, [1, 0, 2]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn packets_are_parsed_however_the_network_splits_them() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    client.stream.set_nodelay(true).expect("an option of TCP");
    let mut bytes = publish(1, TOPIC, &reading(1));
    bytes.extend_from_slice(&publish(2, TOPIC, &reading(2)));
    for byte in bytes {
        client.send(&[byte]).await;
    }
    client.expect(&[puback(1), puback(2)].concat()).await;
    // CONNECT and the packets after it may arrive in one segment.
    let mut other = Client::open(endpoint.address).await;
    let hello = connect(4, "gw2", 0, None);
    other
        .send(&[hello, publish(3, TOPIC, &reading(3))].concat())
        .await;
    other
        .expect(&[&[0x20, 2, 0, 0][..], &puback(3)].concat())
        .await;
    endpoint.stopped().await;
}
