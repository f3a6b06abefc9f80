//! The same figures through a real Mosquitto and a real Kafka: gateways publish to the broker, ingest
//! holds a session there, the log is Kafka. Where `GREENPARK_MQTT` and `GREENPARK_KAFKA` (addresses)
//! are not set, the tests say so and pass.

use std::time::Duration;

use greenpark::settings::{LogKind, Settings};
use greenpark_ingest::SubscribeSettings;
use greenpark_tests_pipeline::{
    ask, letters,
    meter_year::{self, MeterYear},
    site::{IN_ORDER, SHUFFLED, Site, Way, replay_to},
};

struct Brokers {
    mqtt: String,
    kafka: String,
}

fn brokers() -> Option<Brokers> {
    let address = |name: &str| std::env::var(name).ok().filter(|a| !a.is_empty());
    let found = address("GREENPARK_MQTT").zip(address("GREENPARK_KAFKA"));
    if found.is_none() {
        eprintln!("GREENPARK_MQTT and GREENPARK_KAFKA are not set: no broker was tested");
    }
    found.map(|(mqtt, kafka)| Brokers { mqtt, kafka })
}

/// A session and topics of the test's own, so that tests do not meet at the brokers.
fn through(brokers: &Brokers, data: &MeterYear, name: &str) -> impl FnOnce(&mut Settings) {
    let (mqtt, kafka) = (brokers.mqtt.clone(), brokers.kafka.clone());
    let own = format!("{name}-{}", std::process::id());
    let park = data.park.trim_start_matches("parks/").to_owned();
    move |settings| {
        settings.log.kind = LogKind::Kafka;
        settings.kafka.brokers = kafka;
        settings.kafka.prefix = format!("{own}.");
        settings.kafka.partitions = 2;
        settings.subscribe = Some(SubscribeSettings {
            broker: mqtt,
            client_id: own,
            filters: vec![format!("park/{park}/+/+/up/readings")],
            ..SubscribeSettings::default()
        });
    }
}

/// Publishes one reading of another year until it arrives: from then on the session is there, and the
/// broker keeps for it whatever comes.
async fn subscribed(site: &Site, brokers: &Brokers, data: &MeterYear) {
    let probe = site.folder().join("probe.csv");
    std::fs::write(&probe, "date,Usage_kWh\n05/03/2017 12:00,1\n").expect("written");
    let mut client = ask::indicators(&site.grpc()).await;
    let arrived = async {
        let mut tick = tokio::time::interval(Duration::from_millis(300));
        loop {
            tick.tick().await;
            replay_to(&brokers.mqtt, &probe, &data.map, IN_ORDER).await;
            let answer = ask::energy(&mut client, data.enterprise, 2017).await;
            if answer.is_ok_and(|f| f.coverage.is_some_and(|c| c.received == 1)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrived)
        .await
        .expect("the session is there");
}

async fn a_year(data: MeterYear, way: Way, name: &str) {
    let Some(brokers) = brokers() else { return };
    let site = Site::start_with(through(&brokers, &data, name)).await;
    subscribed(&site, &brokers, &data).await;
    replay_to(&brokers.mqtt, &data.file, &data.map, way).await;
    let mut client = ask::indicators(&site.grpc()).await;
    let figure = ask::sealed(&mut client, &data).await;
    assert_eq!(ask::electricity(&figure), Some(data.kwh.as_str()));
    replay_to(&brokers.mqtt, &data.file, &data.map, way).await;
    let site = site.restart().await;
    let mut client = ask::indicators(&site.grpc()).await;
    let again = ask::sealed(&mut client, &data).await;
    assert_eq!(again.components, figure.components);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_in_kafka_are_found_and_sent_again_once() {
    let Some(brokers) = brokers() else { return };
    let own = format!("letters-{}.", std::process::id());
    let site = Site::start_with(|settings| {
        settings.log.kind = LogKind::Kafka;
        settings.kafka.brokers = brokers.kafka;
        settings.kafka.prefix = own;
        settings.kafka.partitions = 2;
    });
    Box::pin(letters::course(site.await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_plants_year_through_mosquitto_and_kafka() {
    if let Some(data) = meter_year::steel() {
        a_year(data, IN_ORDER, "steel").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_year_shuffled_through_mosquitto_and_kafka() {
    let folder = tempfile::tempdir().expect("a folder");
    a_year(meter_year::made(folder.path()), SHUFFLED, "made").await;
}
