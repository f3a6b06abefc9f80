//! Goal: what a broker hands over is in the log before it is acknowledged, over reconnects and failures.
//! Method: a real Mosquitto on a port of its own, if there is one on this machine; else the test says so.

use std::{
    io::Write,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use greenpark_log::{Topic, memory::MemoryLog};
use greenpark_proto::reading_batch;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle};

use super::*;
use crate::{Metrics, settings::DecodeSettings};

const NOW: i64 = 1_800_000_000_000;
const TOPIC: &str = "park/p1/e1/g1/up/readings";

/// A broker process, killed when it is dropped.
struct Broker {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A process that has ended by itself cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Broker {
    /// Starts Mosquitto; `None`, said aloud, where there is none.
    async fn start() -> Option<Self> {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let folder = TempDir::new().expect("a temporary folder");
        let mut file = fs::File::create(folder.path().join("mosquitto.conf")).expect("a file");
        writeln!(
            file,
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n\
             max_queued_messages 0\nlog_dest none"
        )
        .expect("written");
        let process = Self::spawn(&folder)?;
        let broker = Self {
            process,
            port,
            folder,
        };
        broker.answers().await;
        Some(broker)
    }

    fn spawn(folder: &TempDir) -> Option<Child> {
        for program in [
            "mosquitto",
            "/usr/sbin/mosquitto",
            "/usr/local/sbin/mosquitto",
        ] {
            let config = folder.path().join("mosquitto.conf");
            let mut command = Command::new(program);
            command
                .arg("-c")
                .arg(config)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if let Ok(process) = command.spawn() {
                return Some(process);
            }
        }
        eprintln!("skipped: no mosquitto on this machine");
        None
    }

    async fn answers(&self) {
        let connected = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        within(connected).await;
    }

    async fn restart(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        self.process = Self::spawn(&self.folder).expect("it was there before");
        self.answers().await;
    }

    fn settings(&self) -> SubscribeSettings {
        SubscribeSettings {
            broker: format!("127.0.0.1:{}", self.port),
            backoff_max: Duration::from_secs(1),
            ..SubscribeSettings::default()
        }
    }

    /// Publishes the values, and returns when the broker has acknowledged them.
    async fn publish(&self, values: impl Iterator<Item = u32>) {
        let mut options = MqttOptions::new("publisher", "127.0.0.1", self.port);
        options
            .set_inflight(1000)
            .set_max_packet_size(4 << 20, 4 << 20);
        let (client, mut events) = AsyncClient::new(options, 10);
        let values: Vec<_> = values.collect();
        let mut left = values.len();
        let sender = tokio::spawn(async move {
            for value in values {
                client
                    .publish(TOPIC, QoS::AtLeastOnce, false, reading(value))
                    .await
                    .expect("queued");
            }
            client
        });
        within(async {
            while left > 0 {
                let event = events.poll().await.expect("the broker stays");
                left -= usize::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
            }
        })
        .await;
        drop(within(sender).await.expect("all were queued"));
    }
}

/// A subscriber that runs over a log in memory.
struct Running {
    log: MemoryLog,
    metrics: Metrics,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(settings: SubscribeSettings, log: &MemoryLog) -> Self {
        let metrics = Metrics::default();
        let decode = DecodeSettings::default();
        let pipeline = Pipeline::new(&decode, log.writer(), Arc::new(|| NOW), metrics.clone());
        let subscriber = Subscriber::new(settings, pipeline).expect("sound settings");
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(subscriber.run(async move { drop(stopped.await) }));
        Self {
            log: log.clone(),
            metrics,
            stop,
            task,
        }
    }

    async fn accepted(&self, count: u64) {
        within(async {
            while self.metrics.accepted() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until the session exists at the broker, which its first message proves.
    async fn subscribed(&self, broker: &Broker) {
        within(async {
            while self.metrics.accepted() == 0 {
                broker.publish(std::iter::once(0)).await;
            }
        })
        .await;
    }

    async fn stopped(self) {
        drop(self.stop);
        within(self.task).await.expect("it ends");
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it happens in time")
}

fn reading(value: u32) -> Vec<u8> {
    let at = 1_700_000_000_000i64 + i64::from(value);
    format!(r#"{{"meter":"m1","quantity":"electricity","at":{at},"value":{value}}}"#).into_bytes()
}

/// Distinct values in the log, in order.
fn values(log: &MemoryLog) -> Vec<i64> {
    let records = log
        .entries(Topic::Readings)
        .into_iter()
        .map(|entry| entry.record.expect("a record"));
    let batches = records.map(|r| reading_batch::decode(&r.payload).expect("a batch"));
    let mut values: Vec<_> = batches
        .flat_map(|b| b.values().to_vec())
        .map(|v| v / 1_000_000)
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_while_we_are_away_is_received() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1);
    let first = Running::start(broker.settings(), &log).await;
    first.subscribed(&broker).await;
    broker.publish(1..=500).await;
    first.accepted(501).await;
    first.stopped().await;
    let before = log.entries(Topic::Readings).len();
    broker.publish(501..=1000).await;
    assert_eq!(log.entries(Topic::Readings).len(), before);
    let second = Running::start(broker.settings(), &log).await;
    second.accepted(500).await;
    second.stopped().await;
    // Nothing came twice: what was acknowledged stayed acknowledged.
    assert_eq!(values(&log), (0..=1000).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_append_makes_the_broker_send_again() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1);
    let running = Running::start(broker.settings(), &log).await;
    running.subscribed(&broker).await;
    running.log.fail_appends(1);
    broker.publish(1..=300).await;
    within(async {
        while values(&running.log).len() < 301 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(running.metrics.reconnects.get() > 0);
    assert_eq!(running.metrics.append_failures.get(), 1);
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_back_is_found_again() {
    let Some(mut broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1);
    let running = Running::start(broker.settings(), &log).await;
    running.subscribed(&broker).await;
    broker.restart().await;
    let before = running.metrics.accepted();
    within(async {
        while running.metrics.accepted() == before {
            broker.publish(std::iter::once(7)).await;
        }
    })
    .await;
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_packets_are_taken_and_too_large_ones_are_letters() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1);
    let running = Running::start(broker.settings(), &log).await;
    running.subscribed(&broker).await;
    let mut options = MqttOptions::new("large", "127.0.0.1", broker.port);
    options.set_max_packet_size(4 << 20, 4 << 20);
    let (client, mut events) = AsyncClient::new(options, 10);
    let mut fits = reading(5);
    fits.resize((1 << 20) - 100, b' ');
    for payload in [fits, vec![b'x'; 2 << 20]] {
        client
            .publish(TOPIC, QoS::AtLeastOnce, false, payload)
            .await
            .expect("queued");
    }
    within(async {
        while running.metrics.dead_lettered() == 0 || !values(&log).contains(&5) {
            let _ = time::timeout(Duration::from_millis(20), events.poll()).await;
        }
    })
    .await;
    running.stopped().await;
}

#[tokio::test]
async fn a_missing_file_of_the_settings_is_named() {
    let missing = PathBuf::from("no/such/file");
    let settings = SubscribeSettings {
        username: Some("u".into()),
        password_file: Some(missing),
        ..SubscribeSettings::default()
    };
    let log = MemoryLog::new(1);
    let decode = DecodeSettings::default();
    let pipeline = Pipeline::new(&decode, log.writer(), Arc::new(|| NOW), Metrics::default());
    let error = Subscriber::new(settings, pipeline).expect_err("no file");
    assert!(error.to_string().contains("no/such/file"), "{error}");
}
