//! The publisher against the real MQTT endpoint over an in-memory log: what it counts as acknowledged is
//! in the log, also when the endpoint goes away in the middle and comes back.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use greenpark_gateway::{
    payload::{self, Head},
    publisher::{self, OutgoingMessage, Tally},
};
use greenpark_ingest::{DecodeSettings, IngestMetrics, ListenSettings, MqttListener, Pipeline};
use greenpark_log::{Topic, memory::MemoryLog};
use greenpark_model::{
    clock::Clock,
    day::Instant,
    quantity::{Medium, Quantity},
    reading::{Flag, Kind},
};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const START_MS: i64 = 1_767_200_400_000;
const READINGS: i64 = 4_000;
const HEAD: Head<'_> = Head {
    meter: "e-1",
    quantity: Quantity::consumed(Medium::Electricity),
    kind: Kind::Interval,
    unit: "",
};

struct Endpoint {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Endpoint {
    async fn start(address: SocketAddr, log: &MemoryLog) -> Self {
        let clock = Clock::new(|| Instant::from_millis(START_MS + READINGS * 1_000));
        let pipeline = Pipeline::new(
            &DecodeSettings::default(),
            log.writer(),
            clock,
            IngestMetrics::default(),
        );
        let settings = ListenSettings {
            address,
            ..ListenSettings::default()
        };
        let listener = MqttListener::bind(settings, pipeline)
            .await
            .expect("the port is free");
        let address = listener.local_addr();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener.run(shutdown.clone().cancelled_owned()));
        Self {
            address,
            shutdown,
            task,
        }
    }

    async fn stop(self) -> SocketAddr {
        self.shutdown.cancel();
        self.task.await.expect("no panic");
        self.address
    }
}

/// Instants of every reading in the log, and how many records held them.
fn logged(log: &MemoryLog) -> (BTreeSet<i64>, usize) {
    let mut instants = BTreeSet::new();
    let mut count = 0;
    for entry in log.entries(Topic::Readings) {
        let record = entry.record.expect("a record of ours");
        let batch = reading_batch::decode(&record.payload).expect("a batch of ours");
        count += batch.len();
        instants.extend(batch.instants());
    }
    (instants, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_reading_is_in_the_log_across_restarts_of_the_endpoint() {
    let log = MemoryLog::new(1, clock::system());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = Endpoint::start(any, &log).await;
    let address = endpoint.address;
    let endpoint = Arc::new(Mutex::new(Some(endpoint)));

    let tally = Arc::new(Tally::default());
    let (sender, receiver) = mpsc::channel(16);
    let settings = publisher::PublisherSettings {
        address: address.to_string(),
        inflight_max: 100,
        patience: Duration::from_secs(30),
        ..publisher::PublisherSettings::default()
    };
    let publisher = tokio::spawn(publisher::publish(settings, receiver, Arc::clone(&tally)));
    for n in 0..READINGS {
        if n == 1_000 || n == 2_500 {
            let running = endpoint
                .lock()
                .expect("not poisoned")
                .take()
                .expect("it runs");
            let address = running.stop().await;
            let again = Endpoint::start(address, &log).await;
            *endpoint.lock().expect("not poisoned") = Some(again);
        }
        let payload = payload::single(HEAD, START_MS + n * 1_000, "1.5", Flag::Normal, None);
        let message = OutgoingMessage {
            topic: Arc::from("park/p/e/g/up/readings"),
            payload,
            readings: 1,
            numbered: None,
            replay_of: None,
        };
        sender.send(message).await.expect("the publisher takes all");
    }
    drop(sender);
    publisher
        .await
        .expect("no panic")
        .expect("all is acknowledged");

    let (instants, count) = logged(&log);
    let sent: BTreeSet<i64> = (0..READINGS).map(|n| START_MS + n * 1_000).collect();
    assert_eq!(instants, sent);
    assert!(count >= sent.len());
    assert_eq!(tally.acknowledged(), sent.len() as u64);
    assert!(tally.reconnects() >= 2, "{} reconnects", tally.reconnects());
    assert!(log.entries(Topic::DeadLetters).is_empty());
}
