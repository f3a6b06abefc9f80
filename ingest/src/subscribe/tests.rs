//! Goal: every message of a broker is in the log before it is acknowledged, over reconnects and
//! failures. Method: a real Mosquitto on a port of its own, if installed on this machine; else the
//! test prints that it is skipped.

mod receipts;
mod sparkplug;

use std::{collections::BTreeMap, pin::pin};

use greenpark_log::{Topic, memory::MemoryLog};
use greenpark_model::clock::Clock;
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::{
    IngestMetrics,
    mosquitto::{Broker, TOPIC},
    settings::DecodeSettings,
};

const NOW: i64 = 1_800_000_000_000;

/// Returns settings for `broker`.
fn settings(broker: &Broker) -> SubscribeSettings {
    SubscribeSettings {
        broker: format!("127.0.0.1:{}", broker.port),
        backoff_max: Duration::from_secs(1),
        ..SubscribeSettings::default()
    }
}

fn pipeline(log: &MemoryLog, metrics: &IngestMetrics) -> Pipeline {
    let decode = DecodeSettings::default();
    Pipeline::new(
        &decode,
        log.writer(),
        Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
        metrics.clone(),
    )
}

/// A running subscriber over a log in memory.
struct Running {
    log: MemoryLog,
    metrics: IngestMetrics,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(settings: SubscribeSettings, log: &MemoryLog) -> Self {
        let metrics = IngestMetrics::default();
        let pipeline = pipeline(log, &metrics);
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

    /// Waits until the log contains these values, however often.
    async fn holds(&self, values: impl Iterator<Item = i64> + Clone) {
        within(async {
            while !values
                .clone()
                .all(|value| counts(&self.log).contains_key(&value))
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until the session exists at the broker, which the arrival of a first message proves: a
    /// zero, of which there may be several.
    async fn subscribed(&self, broker: &Broker) {
        within(async {
            while self.metrics.accepted() == 0 {
                broker.publish([reading(0)]).await;
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

fn reading(value: i64) -> Vec<u8> {
    let at = 1_700_000_000_000i64 + value;
    format!(r#"{{"meter":"m1","quantity":"electricity","at":{at},"value":{value}}}"#).into_bytes()
}

/// Counts each value in the log.
fn counts(log: &MemoryLog) -> BTreeMap<i64, usize> {
    let records = log
        .entries(Topic::Readings)
        .into_iter()
        .map(|entry| entry.record.expect("a record"));
    let batches = records.map(|r| reading_batch::decode(&r.payload).expect("a batch"));
    let mut counts = BTreeMap::new();
    for micro in batches.flat_map(|b| b.values().to_vec()) {
        *counts.entry(micro / 1_000_000).or_default() += 1;
    }
    counts
}

/// Asserts that the log contains each of `1..=last` once, and otherwise only zeros.
fn assert_once_each(log: &MemoryLog, last: i64) {
    let mut counts = counts(log);
    counts.remove(&0);
    let expected: BTreeMap<_, _> = (1..=last).map(|value| (value, 1)).collect();
    assert_eq!(counts, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_published_while_disconnected_are_received() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1, clock::system());
    let first = Running::start(settings(&broker), &log).await;
    first.subscribed(&broker).await;
    broker.publish((1..=500).map(reading)).await;
    first.holds(1..=500).await;
    first.stopped().await;
    let before = log.entries(Topic::Readings).len();
    broker.publish((501..=1000).map(reading)).await;
    assert_eq!(log.entries(Topic::Readings).len(), before);
    let second = Running::start(settings(&broker), &log).await;
    second.holds(501..=1000).await;
    second.stopped().await;
    // The broker had read every acknowledgement when the first session ended, so it repeats
    // nothing.
    assert_once_each(&log, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_append_makes_the_broker_send_again() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1, clock::system());
    let running = Running::start(settings(&broker), &log).await;
    running.subscribed(&broker).await;
    running.log.fail_appends(1);
    broker.publish((1..=300).map(reading)).await;
    running.holds(1..=300).await;
    assert!(running.metrics.reconnects.get() > 0);
    assert_eq!(running.metrics.append_failures.get(), 1);
    running.stopped().await;
    // The failed append wrote nothing, and nothing after it was acknowledged.
    assert_once_each(&log, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_worked_when_an_append_has() {
    let Some(mut broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1, clock::system());
    let settings = settings(&broker);
    let running = Running::start(settings.clone(), &log).await;
    running.subscribed(&broker).await;
    running.stopped().await;
    broker.publish([reading(1)]).await;
    // The broker accepts the connection, but the log refuses its messages: there is no reason to
    // reconnect quickly.
    let pipeline = pipeline(&log, &IngestMetrics::default());
    let options = options(&settings).expect("sound settings");
    log.fail_appends(1);
    let mut never = pin!(std::future::pending());
    let session = Session::open(&settings, &pipeline, options.clone());
    let outcome = within(session.run(never.as_mut())).await;
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Lost { worked: false, .. });
    assert!(failed(&outcome), "{outcome:?}");
    let session = Session::open(&settings, &pipeline, options);
    let end = async {
        while !counts(&log).contains_key(&1) {
            tokio::task::yield_now().await;
        }
        broker.kill();
    };
    let (outcome, ()) = within(futures::future::join(session.run(never.as_mut()), end)).await;
    let worked = matches!(outcome, Outcome::Lost { worked: true, .. });
    assert!(worked, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_subscriber_reconnects_to_a_restarted_broker() {
    let Some(mut broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1, clock::system());
    let running = Running::start(settings(&broker), &log).await;
    running.subscribed(&broker).await;
    broker.restart().await;
    // The session is gone with the broker, so messages before the next session are lost.
    within(async {
        while !counts(&log).contains_key(&7) {
            broker.publish([reading(7)]).await;
        }
    })
    .await;
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_packets_are_accepted_and_oversized_ones_are_dead_letters() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1, clock::system());
    let running = Running::start(settings(&broker), &log).await;
    running.subscribed(&broker).await;
    let mut fits = reading(5);
    fits.resize((1 << 20) - TOPIC.len() - 100, b' ');
    broker.publish([fits, vec![b'x'; 2 << 20]]).await;
    running.holds(5..=5).await;
    within(async {
        while running.metrics.dead_lettered() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stopped().await;
}

/// Answers CONNECT and SUBSCRIBE on one connection, and nothing after that. It keeps reading, like
/// the kernel of a machine whose broker hangs.
async fn fall_silent(mut peer: TcpStream) {
    let mut buffer = [0; 512];
    let connect = peer.read(&mut buffer).await.expect("CONNECT");
    assert!(connect > 0, "the connection ended before CONNECT");
    peer.write_all(&[0x20, 3, 0, 0, 0]).await.expect("CONNACK");
    let subscribe = peer.read(&mut buffer).await.expect("SUBSCRIBE");
    assert!(subscribe > 4 && buffer[0] == 0x82, "no SUBSCRIBE");
    let suback = [0x90, 4, buffer[2], buffer[3], 0, 1];
    peer.write_all(&suback).await.expect("SUBACK");
    while peer.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_broker_is_disconnected_and_reconnected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = SubscribeSettings {
        broker: listener.local_addr().expect("bound").to_string(),
        keep_alive: Duration::from_secs(5),
        backoff_max: Duration::from_secs(1),
        ..SubscribeSettings::default()
    };
    let running = Running::start(settings, &MemoryLog::new(1, clock::system())).await;
    let (first, _) = within(listener.accept()).await.expect("a connection");
    let silent = tokio::spawn(fall_silent(first));
    let (_second, _) = within(listener.accept()).await.expect("a connection");
    assert!(running.metrics.reconnects.get() > 0);
    within(silent)
        .await
        .expect("the first connection was closed");
    running.stopped().await;
}

#[test]
fn pauses_grow_to_their_bound_and_are_not_in_step() {
    let pause = |now: i64, failures: u32| {
        let log = MemoryLog::new(1, clock::system());
        let decode = DecodeSettings::default();
        let clock = Clock::new(move || greenpark_model::day::Instant::from_millis(now));
        let pipeline = Pipeline::new(&decode, log.writer(), clock, IngestMetrics::default());
        let settings = SubscribeSettings::default();
        let subscriber = Subscriber::new(settings, pipeline).expect("sound settings");
        subscriber.pause(failures)
    };
    let bound = SubscribeSettings::default().backoff_max;
    let mut whole = BACKOFF_MIN;
    for failures in 0..40 {
        let pauses: Vec<Duration> = (0..100).map(|n| pause(NOW + n, failures)).collect();
        let within = pauses.iter().all(|&one| one >= whole / 2 && one <= whole);
        assert!(within, "after {failures} failures: {pauses:?}");
        let distinct: std::collections::BTreeSet<_> = pauses.iter().collect();
        assert!(distinct.len() > 50, "in step after {failures} failures");
        whole = (whole * 2).min(bound);
    }
}

#[tokio::test]
async fn a_missing_settings_file_is_reported_by_name() {
    let missing = PathBuf::from("no/such/file");
    let settings = SubscribeSettings {
        username: Some("u".into()),
        password_file: Some(missing),
        ..SubscribeSettings::default()
    };
    let pipeline = pipeline(
        &MemoryLog::new(1, clock::system()),
        &IngestMetrics::default(),
    );
    let error = Subscriber::new(settings, pipeline).expect_err("no file");
    assert!(error.to_string().contains("no/such/file"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_messages_are_requested_only_for_a_new_subscription() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = SubscribeSettings {
        broker: listener.local_addr().expect("bound").to_string(),
        filters: vec!["park/#".to_owned()],
        ..SubscribeSettings::default()
    };
    let running = Running::start(settings, &MemoryLog::new(1, clock::system())).await;
    let (mut peer, _) = within(listener.accept()).await.expect("a connection");
    let mut buffer = [0; 512];
    assert!(peer.read(&mut buffer).await.expect("CONNECT") > 0);
    peer.write_all(&[0x20, 3, 1, 0, 0]).await.expect("CONNACK");
    let count = within(peer.read(&mut buffer)).await.expect("SUBSCRIBE");
    // QoS 1, retain handling 1, the retain flag only on retained messages.
    let subscribe = &buffer[..count];
    assert!(subscribe.ends_with(b"park/#\x11"), "{subscribe:02x?}");
    drop(peer);
    running.stopped().await;
}
