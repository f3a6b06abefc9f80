//! Goal: the figures stay the same with a real Mosquitto and a real Kafka. Method: gateways publish to the
//! broker, ingest subscribes to it, and the log is Kafka. If `GREENPARK_MQTT` and `GREENPARK_KAFKA` (addresses)
//! are not set, the tests print a message and pass.

use std::time::Duration;

use greenpark::settings::{LogKind, Settings};
use greenpark_ingest::SubscribeSettings;
use greenpark_tests_pipeline::{
    dead_letters,
    meter_year::{self, MeterYear},
    query,
    test_park::{IN_ORDER, ReplayOrder, SHUFFLED, TestPark, replay_to},
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

/// Settings with a session and topics of the test's own, so that tests do not interfere at the brokers.
fn with_brokers(brokers: &Brokers, data: &MeterYear, name: &str) -> impl FnOnce(&mut Settings) {
    let (mqtt, kafka) = (brokers.mqtt.clone(), brokers.kafka.clone());
    let own = format!("{name}-{}", std::process::id());
    let park_id = data.park.trim_start_matches("parks/").to_owned();
    move |settings| {
        settings.log.kind = LogKind::Kafka;
        settings.kafka.brokers = kafka;
        settings.kafka.prefix = format!("{own}.");
        settings.kafka.partitions = 2;
        settings.subscribe = Some(SubscribeSettings {
            broker: mqtt,
            client_id: own,
            filters: vec![format!("park/{park_id}/+/+/up/readings")],
            ..SubscribeSettings::default()
        });
    }
}

/// Publishes one reading of another year until it arrives. From then on the session exists, and the broker keeps
/// all messages for it.
async fn wait_subscribed(park: &TestPark, brokers: &Brokers, data: &MeterYear) {
    let probe = park.folder().join("probe.csv");
    std::fs::write(&probe, "date,Usage_kWh\n05/03/2017 12:00,1\n").expect("written");
    let mut client = query::indicators(&park.grpc()).await;
    let arrived = async {
        let mut tick = tokio::time::interval(Duration::from_millis(300));
        loop {
            tick.tick().await;
            replay_to(&brokers.mqtt, &probe, &data.map, IN_ORDER).await;
            let answer = query::energy(&mut client, data.enterprise, 2017).await;
            if answer.is_ok_and(|f| f.coverage.is_some_and(|c| c.received == 1)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrived)
        .await
        .expect("the session is there");
}

async fn check_year(data: MeterYear, order: ReplayOrder, name: &str) {
    let Some(brokers) = brokers() else { return };
    let park = TestPark::start_with(with_brokers(&brokers, &data, name)).await;
    wait_subscribed(&park, &brokers, &data).await;
    replay_to(&brokers.mqtt, &data.file, &data.map, order).await;
    let mut client = query::indicators(&park.grpc()).await;
    let figure = query::sealed(&mut client, &data).await;
    assert_eq!(query::electricity(&figure), Some(data.kwh.as_str()));
    replay_to(&brokers.mqtt, &data.file, &data.map, order).await;
    let park = park.restart().await;
    let mut client = query::indicators(&park.grpc()).await;
    let again = query::sealed(&mut client, &data).await;
    assert_eq!(again.components, figure.components);
    park.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_in_kafka_are_found_and_resent_once() {
    let Some(brokers) = brokers() else { return };
    let prefix = format!("letters-{}.", std::process::id());
    let park = TestPark::start_with(|settings| {
        settings.log.kind = LogKind::Kafka;
        settings.kafka.brokers = brokers.kafka;
        settings.kafka.prefix = prefix;
        settings.kafka.partitions = 2;
    });
    Box::pin(dead_letters::check_course(park.await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_plants_year_is_exact_through_mosquitto_and_kafka() {
    if let Some(data) = meter_year::steel() {
        check_year(data, IN_ORDER, "steel").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shuffled_year_is_exact_through_mosquitto_and_kafka() {
    let folder = tempfile::tempdir().expect("a folder");
    check_year(meter_year::generate(folder.path()), SHUFFLED, "made").await;
}
