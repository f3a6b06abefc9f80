//! The history over MQTT: one connection per gateway, in step and in chronological order.
//!
//! One task builds the payloads of a few days for each gateway in turn and waits for the slowest, so no gateway is ahead
//! by more than its small window, and days end in order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use greenpark_console::progress::ProgressBar;
use greenpark_model::{
    day::DAY_MS,
    quantity::{Medium, MediumClass},
};
use greenpark_runtime::clock;
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
    time::Instant,
};

use super::{
    meter::HOUR_MS,
    park::{ENTERPRISES, MeterPlace},
    source::{Source, first_instant},
};
use crate::publisher::{self, GatewayError, OutgoingMessage, Tally, login::Login};

/// Days in one message of a gateway.
const STEP_MS: i64 = 2 * DAY_MS;
/// Messages of a gateway in flight; together with [`STEP_MS`] it bounds how far gateways drift apart.
const INFLIGHT_MAX: u16 = 3;
/// How long the publishers try to reach the listener of their own process.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two updates of the progress bar.
const GAUGE_PAUSE: Duration = Duration::from_millis(100);

/// Instants of the latest readings, by enterprise and meter.
pub type Latest = BTreeMap<(String, String), i64>;

/// The result of loading the history.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// Readings sent and acknowledged by this run.
    pub readings: u64,
    /// How long it took.
    pub took: Duration,
    /// The instant up to which every reading was sent, by this run or an earlier one.
    pub until: i64,
}

/// Publishes the missing readings up to the last full hour, with `login` at every connection.
///
/// # Errors
/// A gateway is refused, or gives up.
pub async fn load(address: &str, login: &Login, latest: &Latest) -> anyhow::Result<Loaded> {
    let until = clock::now().millis().div_euclid(HOUR_MS) * HOUR_MS;
    let sources: Vec<Source> = (0..ENTERPRISES.len())
        .map(|index| Source::new(index, sent_until(index, latest)))
        .collect();
    let total = sources.iter().map(|source| estimate(source, until)).sum();
    let tally = Arc::new(Tally::default());
    let mut connections: JoinSet<Result<(), GatewayError>> = JoinSet::new();
    let mut gateways = Vec::new();
    for source in sources {
        let (sender, receiver) = mpsc::channel(1);
        let settings = publisher::PublisherSettings {
            address: address.to_owned(),
            client_id: source.client_id(),
            login: login.clone(),
            inflight_max: INFLIGHT_MAX,
            patience: PATIENCE,
            replays: true,
            ..publisher::PublisherSettings::default()
        };
        connections.spawn(publisher::publish(settings, receiver, Arc::clone(&tally)));
        gateways.push((source, sender));
    }
    let started = Instant::now();
    let feeder = tokio::spawn(feed(gateways, until));
    let mut gauge = ProgressBar::new("history over MQTT", total);
    loop {
        let deadline = Instant::now() + GAUGE_PAUSE;
        match tokio::time::timeout_at(deadline, connections.join_next()).await {
            Ok(None) => break,
            Ok(Some(ended)) => ended.context("a gateway's task ended")??,
            Err(_) => {}
        }
        gauge.set(tally.acknowledged().min(total));
    }
    gauge.finish();
    feeder.await.context("the generator's task ended")?;
    Ok(Loaded {
        readings: tally.acknowledged(),
        took: started.elapsed(),
        until,
    })
}

/// Builds payloads for every gateway in turn, a step of days at a time.
async fn feed(mut gateways: Vec<(Source, mpsc::Sender<OutgoingMessage>)>, until: i64) {
    let topics: Vec<Arc<str>> = gateways
        .iter()
        .map(|(source, _)| source.topic().into())
        .collect();
    let mut at = gateways
        .iter()
        .map(|(source, _)| source.until())
        .min()
        .unwrap_or(until);
    while at < until {
        at = (at + STEP_MS).min(until);
        for ((source, sender), topic) in gateways.iter_mut().zip(&topics) {
            let columns = source.advance(at);
            let readings = columns.readings();
            if readings == 0 {
                continue;
            }
            let message = OutgoingMessage {
                topic: Arc::clone(topic),
                payload: columns.finish(),
                readings,
                numbered: None,
                replay_of: None,
            };
            if sender.send(message).await.is_err() {
                // The connection gave up; its task returns the error.
                return;
            }
            yield_now().await;
        }
    }
}

/// Returns the instant up to which everything of the enterprise was sent: a gateway sends all its meters together, so
/// the register that is furthest behind decides.
fn sent_until(index: usize, latest: &Latest) -> i64 {
    let enterprise = &ENTERPRISES[index];
    let registers = enterprise
        .meters
        .iter()
        .filter(|meter| meter.kind == greenpark_model::reading::Kind::Register);
    let ends = registers.map(|meter| {
        latest
            .get(&(enterprise.id.to_owned(), meter.id.to_owned()))
            .copied()
    });
    ends.min().flatten().unwrap_or(first_instant() - 1)
}

/// Estimates the readings that a source has yet to send; tickets count by their mean.
fn estimate(source: &Source, until: i64) -> u64 {
    let hours = (until - source.until()).max(0) / HOUR_MS;
    source.hourly(hours.unsigned_abs())
}

/// Returns the counted readings up to and including `until`, by indicator.
#[must_use]
pub fn expected(until: i64) -> Expected {
    let mut expected = Expected::default();
    for index in (0..ENTERPRISES.len()).filter(|&i| ENTERPRISES[i].above_designated_size) {
        Source::new(index, 0).count(until, |spec, readings| {
            // Reused water counts once, at its intake.
            if spec.place != MeterPlace::Main || spec.quantity.medium == Medium::ReusedWater {
                return;
            }
            match spec.quantity.medium.class() {
                MediumClass::Energy => expected.energy += readings,
                MediumClass::Water => expected.water += readings,
                MediumClass::Waste => expected.waste += readings,
                MediumClass::CarryingMedium => {}
            }
        });
    }
    expected
}

/// Readings by the indicator that counts them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Readings of energy.
    pub energy: u64,
    /// Readings of water.
    pub water: u64,
    /// Readings of waste.
    pub waste: u64,
}

#[cfg(test)]
mod tests {
    use greenpark_model::day::CivilDay;

    use super::*;

    #[test]
    fn the_history_has_millions_of_readings() {
        let end = "2026-11-23"
            .parse::<CivilDay>()
            .expect("a day")
            .end()
            .millis()
            - 1;
        let expected = expected(end);
        assert!(
            expected.energy > 2_000_000 && expected.water > 800_000,
            "{expected:?}"
        );
        assert!(expected.waste > 50_000, "{expected:?}");
        let sent: u64 = (0..ENTERPRISES.len())
            .map(|i| estimate(&Source::new(i, 0), end))
            .sum();
        assert!((4_500_000..6_000_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_meter_without_readings_starts_its_enterprise_from_the_beginning() {
        let enterprise = &ENTERPRISES[14];
        let mut latest = Latest::new();
        assert_eq!(sent_until(14, &latest), first_instant() - 1);
        for (n, meter) in (0i64..).zip(enterprise.meters) {
            latest.insert(
                (enterprise.id.to_owned(), meter.id.to_owned()),
                first_instant() + n,
            );
        }
        assert_eq!(sent_until(14, &latest), first_instant());
    }
}
