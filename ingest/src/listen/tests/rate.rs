//! The cost of a message. The tests run a tenth of a second's worth, so that they stay quick; the
//! figures of the README come from `tests/bench`. `INGEST_RATE_MESSAGES=2000000 cargo test
//! --release -p greenpark-ingest rate -- --nocapture` measures with this.

use std::{env, fs};

use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::clock::Clock;
use greenpark_runtime::clock;

use super::*;
use crate::mqtt::Publish;

fn messages() -> u64 {
    env::var("INGEST_RATE_MESSAGES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000)
}

/// Returns the CPU milliseconds of all threads of this process.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (ticks(12) + ticks(13)) * 10
}

fn report(what: &str, count: u64, started: time::Instant, cpu_before_ms: u64) {
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = f64::from(u32::try_from(cpu_ms() - cpu_before_ms).unwrap_or(u32::MAX)) / 1000.0;
    let per_million = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / 1e6;
    eprintln!(
        "{what}: {:.0} /s, {:.2} CPU-s per million",
        per_million * 1e6 / seconds,
        cpu_s / per_million
    );
}

fn payload(number: u64) -> String {
    let (meter, at) = (number % 80, 1_700_000_000_000 + number);
    format!(
        r#"{{"meter":"electricity-{meter:03}","quantity":"electricity","at":{at},"value":12345.678,"unit":"kWh"}}"#
    )
}

#[tokio::test]
async fn decoding_alone_at_a_rate() {
    let count = messages();
    let metrics = IngestMetrics::default();
    let log = MemoryLog::new(1, clock::system());
    let pipeline = Pipeline::new(
        &DecodeSettings::default(),
        log.writer(),
        Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
        metrics,
    );
    let payloads: Vec<_> = (0..count).map(payload).collect();
    let (started, cpu) = (time::Instant::now(), cpu_ms());
    let (mut accumulator, mut readings) = (pipeline.accumulator(), 0);
    for payload in &payloads {
        accumulator.add(
            Publish {
                topic: TOPIC,
                payload: payload.as_bytes(),
                qos: 1,
                packet_id: 1,
                ..Publish::default()
            },
            NOW,
        );
        if accumulator.is_ready() {
            readings += accumulator
                .seal()
                .tallies
                .iter()
                .map(|t| t.accepted)
                .sum::<u64>();
        }
    }
    readings += accumulator
        .seal()
        .tallies
        .iter()
        .map(|t| t.accepted)
        .sum::<u64>();
    report(
        "decode and encode, single JSON readings",
        count,
        started,
        cpu,
    );
    assert_eq!(readings, count);
}

#[tokio::test]
async fn decoding_batches_at_a_rate() {
    let count = messages() / 100;
    let metrics = IngestMetrics::default();
    let log = MemoryLog::new(1, clock::system());
    let decode = DecodeSettings::default();
    let pipeline = Pipeline::new(
        &decode,
        log.writer(),
        Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
        metrics,
    );
    let array = (0..100).map(payload).collect::<Vec<_>>().join(",");
    let payload = format!("[{array}]");
    let (started, cpu) = (time::Instant::now(), cpu_ms());
    let (mut accumulator, mut readings) = (pipeline.accumulator(), 0);
    for _ in 0..count {
        let payload = payload.as_bytes();
        accumulator.add(
            Publish {
                topic: TOPIC,
                payload,
                qos: 1,
                packet_id: 1,
                ..Publish::default()
            },
            NOW,
        );
        readings += accumulator
            .seal()
            .tallies
            .iter()
            .map(|t| t.accepted)
            .sum::<u64>();
    }
    report(
        "decode and encode, arrays of 100 JSON readings",
        readings,
        started,
        cpu,
    );
    assert_eq!(readings, count * 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listener_and_log_in_memory_at_a_rate() {
    let endpoint = Endpoint::start().await;
    drive(
        "listener, log in memory and load generator",
        endpoint,
        (8, 4_000),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listener_and_embedded_log_at_a_rate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = EmbeddedLog::open(folder.path(), LogFileSettings::default(), clock::system())
        .expect("a log");
    let (unused, writer) = (MemoryLog::new(1, clock::system()), log.writer());
    let endpoint = Endpoint::start_over(ListenSettings::default(), unused, writer).await;
    drive(
        "listener, embedded log and load generator",
        endpoint,
        (8, 4_000),
    )
    .await;
}

/// Gateways with paho's window of 20: small batches are the expensive ones. A hundred of them stay
/// far below the file descriptor limit of a shell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_with_small_windows_at_a_rate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = EmbeddedLog::open(folder.path(), LogFileSettings::default(), clock::system())
        .expect("a log");
    let (unused, writer) = (MemoryLog::new(1, clock::system()), log.writer());
    let endpoint = Endpoint::start_over(ListenSettings::default(), unused, writer).await;
    drive(
        "100 connections with 20 in flight, embedded log and load generator",
        endpoint,
        (100, 20),
    )
    .await;
}

/// Publishes single readings over a number of connections, each with a window of messages.
async fn drive(what: &str, endpoint: Endpoint, (connections, window): (u64, usize)) {
    let each = messages() / connections;
    let (started, cpu) = (time::Instant::now(), cpu_ms());
    let mut clients = JoinSet::new();
    for number in 0..connections {
        let mut client = Client::open(endpoint.address).await;
        client
            .send(&connect(4, &format!("gw{number}"), 60, None))
            .await;
        client.connack(4).await;
        clients.spawn(async move {
            let topic = format!("park/p1/e{number}/g1/up/readings");
            let mut acks = vec![0; 4 * window];
            let mut sent = 0;
            while sent < each {
                let mut bytes = Vec::new();
                let count = window.min(usize::try_from(each - sent).expect("a count"));
                for id in 1..=count {
                    let id = u16::try_from(id).expect("a packet id");
                    bytes.extend_from_slice(&publish(id, &topic, payload(sent).as_bytes()));
                    sent += 1;
                }
                client.send(&bytes).await;
                client
                    .stream
                    .read_exact(&mut acks[..4 * count])
                    .await
                    .expect("acknowledged");
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("a client ends well");
    }
    report(what, each * connections, started, cpu);
    assert_eq!(endpoint.metrics.accepted(), each * connections);
    endpoint.stopped().await;
}
