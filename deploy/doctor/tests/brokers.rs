//! `greenpark doctor` at a real Kafka. Needs `GREENPARK_KAFKA=host:port`, says so and passes without it.

use std::{env, time::Duration};

use bytes::Bytes;
use greenpark_doctor::{
    kafka,
    report::{Findings, Outcome, Report},
};
use greenpark_log::{ContentType, Headers, Record, Topic};
use greenpark_log_kafka::{KafkaLog, KafkaSettings};
use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};
use greenpark_runtime::clock;

/// Topics of our own at a real broker, if there is one.
fn settings() -> Option<KafkaSettings> {
    let brokers = env::var("GREENPARK_KAFKA").ok();
    let Some(brokers) = brokers.filter(|brokers| !brokers.is_empty()) else {
        eprintln!("no real broker: set GREENPARK_KAFKA=host:port to run this test against one");
        return None;
    };
    // A folder's name is new each time, and so are the topics.
    let folder = tempfile::tempdir().expect("a folder can be made");
    let name = folder.path().file_name().expect("it has a name");
    let unique = name.to_string_lossy().replace('.', "-");
    Some(KafkaSettings {
        brokers,
        partitions: 2,
        linger: Duration::from_millis(5),
        prefix: format!("doctor{unique}."),
        ..KafkaSettings::default()
    })
}

async fn examined(settings: &KafkaSettings) -> Report {
    let mut findings = Findings::new("kafka");
    let clock = clock::system();
    let against = (&[][..], &clock);
    let unique = format!("{:x}", clock.now().millis());
    kafka::check(settings, "g", &unique, against, &mut findings).await;
    Report {
        checks: findings.into_checks(),
    }
}

fn verdict(report: &Report, name: &str) -> Outcome {
    let mut checks = report.checks.iter();
    let found = checks.find(|check| check.name == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {report:#?}"))
        .verdict
}

#[tokio::test]
async fn a_cluster_of_ours_has_no_fault_and_another_count_is_one() {
    let Some(settings) = settings() else { return };
    let report = examined(&settings).await;
    assert_eq!(verdict(&report, "topics"), Outcome::LeftOut, "{report:#?}");
    assert_eq!(verdict(&report, "produce"), Outcome::Ok, "{report:#?}");
    let log = KafkaLog::open(settings.clone()).await.expect("it opens");
    let record = Record {
        park: ParkId::new("p").expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            epoch: 0,
            sequence: 0,
            content_type: ContentType::ReadingBatch,
        },
        payload: Bytes::from_static(b"payload"),
    };
    let receipt = log.writer().append(Topic::Readings, vec![record]).await;
    assert_eq!(receipt.expect("it appends").records(), 1);
    let report = examined(&settings).await;
    assert_eq!(report.count(Outcome::Fault), 0, "{report:#?}");
    for name in [
        "topics",
        "retention",
        "unclean election",
        "message size",
        "lag",
        "clock",
    ] {
        assert_eq!(verdict(&report, name), Outcome::Ok, "{name} in {report:#?}");
    }
    // A single node has a single replica.
    assert_eq!(verdict(&report, "replication"), Outcome::Warning);
    let lag = report.checks.iter().find(|check| check.name == "lag");
    assert!(
        lag.expect("a check").seen.starts_with("1 records"),
        "{report:#?}"
    );
    let other = KafkaSettings {
        partitions: 3,
        ..settings
    };
    let report = examined(&other).await;
    assert_eq!(verdict(&report, "partition count"), Outcome::Fault);
}

#[tokio::test]
async fn a_cluster_that_is_away_is_a_fault() {
    let settings = KafkaSettings {
        brokers: "127.0.0.1:1".to_owned(),
        properties: [("log_level".to_owned(), "0".to_owned())].into(),
        ..KafkaSettings::default()
    };
    let report = examined(&settings).await;
    assert_eq!(verdict(&report, "connect"), Outcome::Fault, "{report:#?}");
}
