//! A replay killed in the middle and started again sends only what is missing; everything is in the log once.
//!
//! Method: the binary replays a file to an endpoint over the log in memory, and SIGKILL ends it when the log has a part
//! of the file. Each reading has an instant of its own, so that the test sees a repeat.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::{Command, Output, Stdio},
    time::Duration,
};

use greenpark_ingest::{DecodeSettings, IngestMetrics, ListenSettings, MqttListener, Pipeline};
use greenpark_log::{Topic, memory::MemoryLog};
use greenpark_model::{clock::Clock, day::Instant};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use greenpark_tests_load::minutes::{Minutes, ReplayedMeter};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::task::spawn_blocking;

const READINGS: usize = 6_000;
const METER: ReplayedMeter = ReplayedMeter {
    park: "resumed",
    enterprise: "works",
    kind: "interval",
    batch: 3,
};

fn replay(minutes: &Minutes, mqtt: SocketAddr, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    command
        .arg("replay")
        .arg(&minutes.file)
        .arg("--map")
        .arg(&minutes.map)
        .args(["--connections", "3", "--mqtt", &mqtt.to_string()])
        .args(more);
    command
}

/// How often each instant is in the log.
fn counts(log: &MemoryLog) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    for entry in log.entries(Topic::Readings) {
        let record = entry.record.expect("a record of ours");
        let batch = reading_batch::decode(&record.payload).expect("a batch of ours");
        for &instant in batch.instants() {
            *counts.entry(instant).or_default() += 1;
        }
    }
    counts
}

fn shown(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).expect("a string");
    text
}

/// Returns the standard output and the standard error of a command.
fn output_text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Begins a replay, kills it, and tells how much the log has when all that it had sent was taken.
async fn kill_in_the_middle(
    minutes: &Minutes,
    mqtt: SocketAddr,
    log: &MemoryLog,
    registry: &Registry,
) -> usize {
    // Slow enough to be killed in the middle.
    let mut first = replay(minutes, mqtt, &["--speed", "3000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let some = async {
        while counts(log).len() < READINGS / 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), some)
        .await
        .expect("the log gets some of it");
    first.kill().expect("it runs");
    first.wait().expect("it was ours");
    // What it had sent by then is taken to its end.
    let gone = async {
        while !shown(registry).contains("greenpark_ingest_connections 0") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .expect("its connections end");
    let before = counts(log).len();
    assert!(before < READINGS, "it was done before it was killed");
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_was_killed_sends_only_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let minutes = Minutes::write(folder.path(), METER, READINGS as u64);
    let log = MemoryLog::new(1, clock::system());
    let clock = Clock::new(|| Instant::from_millis(1_795_392_000_000));
    let decode = DecodeSettings::default();
    let mut registry = Registry::default();
    let metrics = IngestMetrics::new(&mut registry);
    let pipeline = Pipeline::new(&decode, log.writer(), clock, metrics);
    let settings = ListenSettings {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ListenSettings::default()
    };
    let listener = MqttListener::bind(settings, pipeline)
        .await
        .expect("a port");
    let mqtt = listener.local_addr();
    let serving = tokio::spawn(listener.run(std::future::pending()));

    let before = kill_in_the_middle(&minutes, mqtt, &log, &registry).await;

    let mut again = replay(&minutes, mqtt, &[]);
    let second = spawn_blocking(move || again.output().expect("it runs"));
    let second = second.await.expect("no panic");
    assert!(second.status.success(), "{}", output_text(&second));
    let text = output_text(&second);
    let sent: usize = text
        .split_once("sent ")
        .and_then(|(_, rest)| rest.split_once(','))
        .and_then(|(count, _)| count.parse().ok())
        .expect("it says how many it sent");
    assert!(text.contains("are in the log already"), "{text}");
    assert!(sent == READINGS - before, "{sent}: {text}");
    let all = counts(&log);
    assert_eq!(all.len(), READINGS);
    assert!(all.values().all(|&times| times == 1));

    // A third has nothing to send, and one that does not ask sends everything.
    for (more, sent) in [(&[][..], 0), (&["--all"], READINGS)] {
        let mut again = replay(&minutes, mqtt, more);
        let output = spawn_blocking(move || again.output().expect("it runs"));
        let output = output.await.expect("no panic");
        let text = output_text(&output);
        assert!(output.status.success(), "{text}");
        let start = format!("sent {sent}, acknowledged {sent},");
        assert!(text.contains(&start), "{text}");
    }
    serving.abort();
}
