//! Publishes receipts to the broker, retained, at most once a second.
//!
//! It uses a client of its own, because an acknowledgement would have to wait behind the session's
//! publishes. The client connects when there is the first receipt, so a park without numbering
//! gateways is not affected. A receipt that cannot be published now is published later, with its
//! contents of that time.

use std::{
    mem,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rumqttc::v5::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{ConnectProperties, Packet},
    },
};
use tokio::time::{self, Interval, MissedTickBehavior};
use tracing::{debug, warn};

use crate::{
    limits::{RECEIPT_MS, RECEIPTS_AT_ONCE_MAX},
    pipeline::Pipeline,
};

/// The first pause before connecting again.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// Publishes until it is dropped.
pub(super) async fn publish(pipeline: Pipeline, options: MqttOptions, pause_max: Duration) {
    let (options, mut pause) = (as_publisher(options), PAUSE_MIN);
    let mut ticks = time::interval(Duration::from_millis(RECEIPT_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while pipeline
        .receipts()
        .unpublished(pipeline.now_ms())
        .is_empty()
    {
        ticks.tick().await;
    }
    loop {
        // A client's queue is lost with the client: each new one publishes all receipts.
        pipeline.receipts().publish_anew();
        let (client, events) = AsyncClient::new(options.clone(), 2 * RECEIPTS_AT_ONCE_MAX);
        let lost = converse(&pipeline, &client, events, &mut ticks).await;
        match lost {
            Lost::Early(reason) => {
                // Logged once per outage, and once if the broker always refuses.
                if pause == PAUSE_MIN {
                    warn!(
                        reason,
                        "cannot publish receipts at the broker; will try again"
                    );
                }
                pause = (pause * 2).min(pause_max.max(PAUSE_MIN));
            }
            Lost::Later(reason) => {
                debug!(reason, "the connection for receipts is lost");
                pause = PAUSE_MIN;
            }
        }
        time::sleep(pause).await;
    }
}

/// How a connection ended.
enum Lost {
    /// Before a receipt was published.
    Early(String),
    /// After the broker had acknowledged a receipt.
    Later(String),
}

/// Publishes on one connection until it is lost. The poll runs concurrently: cancelling a poll
/// could lose what it was about to write.
async fn converse(
    pipeline: &Pipeline,
    client: &AsyncClient,
    mut events: EventLoop,
    ticks: &mut Interval,
) -> Lost {
    let connected = AtomicBool::new(false);
    tokio::select! {
        lost = listen(&mut events, &connected) => lost,
        lost = feed(pipeline, client, &connected, ticks) => lost,
    }
}

async fn listen(events: &mut EventLoop, connected: &AtomicBool) -> Lost {
    let mut worked = false;
    loop {
        match poll(events).await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => connected.store(true, Ordering::Relaxed),
            Ok(Event::Incoming(Packet::PubAck(_))) => worked = true,
            Ok(_) => {}
            Err(reason) if worked => return Lost::Later(reason),
            Err(reason) => return Lost::Early(reason),
        }
    }
}

/// Queues the changed receipts at each tick.
async fn feed(
    pipeline: &Pipeline,
    client: &AsyncClient,
    connected: &AtomicBool,
    ticks: &mut Interval,
) -> Lost {
    let receipts = pipeline.receipts();
    loop {
        ticks.tick().await;
        if !connected.load(Ordering::Relaxed) {
            continue;
        }
        for mut receipt in receipts.unpublished(pipeline.now_ms()) {
            let (topic, payload) = (
                mem::take(&mut receipt.topic),
                mem::take(&mut receipt.payload),
            );
            let queued = client.try_publish(topic, QoS::AtLeastOnce, true, payload);
            if queued.is_err() {
                // The queue is full: the rest is sent at the next tick, with its contents of that
                // time.
                break;
            }
            receipts.published(&receipt);
        }
    }
}

/// Returns the next event, or the reason of the loss. rumqttc does not bound its writes: see
/// [`super::session`].
async fn poll(events: &mut EventLoop) -> Result<Event, String> {
    let silence = events.options.keep_alive() * 2;
    let polled: Result<Result<Event, ConnectionError>, _> =
        time::timeout(silence, events.poll()).await;
    match polled {
        Ok(event) => event.map_err(|error| error.to_string()),
        Err(_) => Err("no word from the broker for two keep-alives".to_owned()),
    }
}

/// Derives the options of a client without a session from those of the session's client.
fn as_publisher(mut options: MqttOptions) -> MqttOptions {
    let id = format!("{}-receipts", options.client_id());
    options.set_client_id(id);
    options.set_clean_start(true);
    options.set_manual_acks(false);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(0);
    options.set_connect_properties(properties);
    options
}
