//! Goal: a session reports why it ended. Method: sessions without a broker.

use std::pin::pin;

use greenpark_log::memory::MemoryLog;
use greenpark_model::clock::Clock;
use greenpark_runtime::clock;

use super::*;
use crate::{IngestMetrics, settings::DecodeSettings};

#[tokio::test]
async fn a_session_whose_polling_task_has_ended_is_lost() {
    let pipeline = pipeline();
    let settings = SubscribeSettings::default();
    let session = Session::open(&settings, &pipeline, nowhere());
    session.poller.abort();
    let mut never = pin!(std::future::pending());
    let run = session.run(never.as_mut());
    let outcome = time::timeout(Duration::from_secs(30), run).await;
    let outcome = outcome.expect("it ends at once");
    assert!(matches!(outcome, Outcome::Lost { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_session_that_cannot_send_reports_why_the_connection_was_lost() {
    let pipeline = pipeline();
    let settings = SubscribeSettings::default();
    let mut session = Session::open(&settings, &pipeline, nowhere());
    while session.broker_events.recv().await.is_some() {}
    let filters = [Filter::new("park/#", QoS::AtLeastOnce)];
    let refused = session.client.try_subscribe_many(filters);
    let reason = refused.expect_err("the polling task has ended").to_string();
    let cause = session.cause(reason.clone());
    assert_ne!(cause, reason);
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn without_room_a_message_of_qos_0_is_dropped_and_ends_nothing() {
    let pipeline = pipeline();
    let (to, _arrivals) = mpsc::channel(HAND_OFF_SLACK);
    let mut poller = Poller {
        events: EventLoop::new(nowhere(), 1),
        to,
        budget: Arc::new(Semaphore::new(1)),
        keep_alive: Duration::from_secs(600),
        pipeline: pipeline.clone(),
        ended: Arc::default(),
    };
    let publish = |bytes: usize| Publish::new("t", QoS::AtMostOnce, vec![b'x'; bytes], None);
    let received = poller.wait_for_room(publish(10)).await;
    assert!(matches!(&received, Some(BrokerEvent::Publish(_))));
    assert!(poller.wait_for_room(publish(10)).await.is_none());
    drop(received);
    assert!(poller.wait_for_room(publish(10)).await.is_some());
    assert_eq!(pipeline.metrics().dropped_qos0.get(), 1);
}

/// Creates a pipeline into a log in memory.
fn pipeline() -> Pipeline {
    let (decode, log) = (
        DecodeSettings::default(),
        MemoryLog::new(1, clock::system()),
    );
    Pipeline::new(
        &decode,
        log.writer(),
        Clock::new(|| greenpark_model::day::Instant::from_millis(0)),
        IngestMetrics::default(),
    )
}

/// Options with an address where no broker listens.
fn nowhere() -> MqttOptions {
    MqttOptions::new("c", "127.0.0.1", 1)
}
