//! Weighbridge loads without ticket numbers, replayed: all of them are in the log, however they are sent.
//!
//! Method: the binary replays four loads, two of one minute and two equal ones of another, to an endpoint over
//! the log in memory. As in the lake, loads with the same instant and ticket count once.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, process::Command};

use greenpark_ingest::{DecodeSettings, IngestMetrics, ListenSettings, MqttListener, Pipeline};
use greenpark_log::{Topic, memory::MemoryLog};
use greenpark_model::{amount::Sum, clock::Clock, day::Instant};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use tokio::task::spawn_blocking;

const LOADS: &str = "at,t\n2025-01-01 08:00,31.46\n2025-01-01 09:30,31.46\n2025-01-01 08:00,28.9\n\
    2025-01-01 09:30,31.46\n";

fn map(batch: usize) -> String {
    format!(
        r#"
park = "loads"
enterprise = "works"
gateway = "bridge"
meter = "coal-in"
quantity = "raw_coal"
kind = "event"
unit = "t"
batch = {batch}

[columns]
instant = "at"
value = "t"

[time]
format = "%Y-%m-%d %H:%M"
offset = "+08:00"
"#
    )
}

fn replay(folder: &Path, mqtt: SocketAddr, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    command
        .arg("replay")
        .arg(folder.join("loads.csv"))
        .arg("--map")
        .arg(folder.join("loads.toml"))
        .args(["--connections", "3", "--mqtt", &mqtt.to_string()])
        .args(more);
    command
}

/// Tons of all distinct events of the log.
fn tons(log: &MemoryLog) -> String {
    let mut events = BTreeMap::new();
    for entry in log.entries(Topic::Readings) {
        let record = entry.record.expect("a record of ours");
        let batch = reading_batch::decode(&record.payload).expect("a batch of ours");
        let tickets = batch.tickets().iter();
        let tickets: BTreeMap<u32, &str> = tickets.map(|(row, t)| (*row, t.as_str())).collect();
        let amounts = batch.instants().iter().zip(batch.values());
        for (row, (&instant, &micro)) in (0u32..).zip(amounts) {
            let ticket = tickets.get(&row).map(|&ticket| ticket.to_owned());
            events.insert((instant, ticket), i128::from(micro));
        }
    }
    Sum(events.values().sum()).to_string()
}

/// Replays with `more` to an empty log, twice, and tells the tons that are in it.
async fn replayed(batch: usize, more: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("loads.csv"), LOADS).expect("written");
    fs::write(folder.path().join("loads.toml"), map(batch)).expect("written");
    let log = MemoryLog::new(1, clock::system());
    let clock = Clock::new(|| Instant::from_millis(1_795_392_000_000));
    let decode = DecodeSettings::default();
    let pipeline = Pipeline::new(&decode, log.writer(), clock, IngestMetrics::default());
    let settings = ListenSettings {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ListenSettings::default()
    };
    let listener = MqttListener::bind(settings, pipeline)
        .await
        .expect("a port");
    let mqtt = listener.local_addr();
    let serving = tokio::spawn(listener.run(std::future::pending()));
    for again in [&[][..], &["--all"]] {
        let mut command = replay(folder.path(), mqtt, more);
        command.args(again);
        let output = spawn_blocking(move || command.output().expect("it runs"));
        let output = output.await.expect("no panic");
        let (out, err) = (&output.stdout, &output.stderr);
        let text = [&out[..], &err[..]].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
    serving.abort();
    tons(&log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_of_one_minute_without_a_ticket_all_count() {
    for batch in [1, 3] {
        for more in [&[][..], &["--shuffle", "7"]] {
            assert_eq!(replayed(batch, more).await, "123.28", "{batch} {more:?}");
        }
    }
}
