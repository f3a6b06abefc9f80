//! Live readings after the verdict: every gateway publishes every few seconds, until a signal.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use greenpark_console::{
    output::{line, thousands},
    progress::ProgressBar,
};
use greenpark_runtime::clock;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{park::ENTERPRISES, source::Source};
use crate::publisher::{self, GatewayError, OutgoingMessage, Tally, login::Login};

/// The pause between two readings of a meter.
const STEP: Duration = Duration::from_secs(5);
const STEP_MS: i64 = 5_000;
/// Messages of a gateway that may wait for the listener: one minute.
const QUEUE_MAX: usize = 12;

/// Publishes the readings of every meter to `mqtt` from `resume` on, until `shutdown`.
///
/// # Errors
/// A gateway is refused, or gives up.
pub async fn run(
    mqtt: &str,
    login: &Login,
    resume: i64,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let tally = Arc::new(Tally::default());
    let mut connections: JoinSet<Result<(), GatewayError>> = JoinSet::new();
    let mut gateways: Vec<(Source, Arc<str>, mpsc::Sender<OutgoingMessage>)> = Vec::new();
    for source in (0..ENTERPRISES.len()).map(|index| Source::new(index, resume)) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let settings = publisher::PublisherSettings {
            address: mqtt.to_owned(),
            client_id: source.client_id(),
            login: login.clone(),
            ..publisher::PublisherSettings::default()
        };
        connections.spawn(publisher::publish(settings, receiver, Arc::clone(&tally)));
        let topic = source.topic().into();
        gateways.push((source, topic, sender));
    }
    line(&format!(
        "live readings every {} s; Ctrl-C stops",
        STEP.as_secs()
    ));
    let mut gauge = ProgressBar::wait("live");
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {
                let now = clock::now().millis().div_euclid(STEP_MS) * STEP_MS;
                publish(&mut gateways, now);
                gauge.show(&format!("live: {} readings acknowledged", thousands(tally.acknowledged())));
            }
            Some(ended) = connections.join_next() => ended.context("a gateway's task ended")??,
        }
    }
    drop(gateways);
    while let Some(ended) = connections.join_next().await {
        ended.context("a gateway's task ended")??;
    }
    gauge.finish();
    line(&format!(
        "stopped; {} live readings were acknowledged",
        thousands(tally.acknowledged())
    ));
    Ok(())
}

/// Queues the readings up to `now` at every gateway. A gateway whose queue is full keeps its readings for the next time.
fn publish(gateways: &mut [(Source, Arc<str>, mpsc::Sender<OutgoingMessage>)], now: i64) {
    for (source, topic, sender) in gateways {
        let Ok(permit) = sender.try_reserve() else {
            continue;
        };
        let columns = source.advance_live(now);
        let readings = columns.readings();
        if readings > 0 {
            permit.send(OutgoingMessage {
                topic: Arc::clone(topic),
                payload: columns.finish(),
                readings,
                numbered: None,
                replay_of: None,
            });
        }
    }
}
