//! What only a real Kafka shows: the settings of topics, records dropped, control records. Each test needs
//! `GREENPARK_KAFKA=host:port`, says so and passes without it.

mod reading;

use std::{env, io::Write, time::Duration};

use bytes::Bytes;
use greenpark_log::{ContentType, Headers, OpenError, Record, Topic};
use greenpark_log_kafka::{KafkaLog, KafkaSettings, inspect};
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    log_position::Partition,
};
use greenpark_runtime::clock;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::time::Instant;

use self::reading::read_to_the_end;

/// Settings for a real broker with topics of our own, if there is one.
fn settings() -> Option<KafkaSettings> {
    let brokers = env::var("GREENPARK_KAFKA")
        .ok()
        .filter(|brokers| !brokers.is_empty());
    let Some(brokers) = brokers else {
        // A lost line is no failure.
        let _written = writeln!(
            std::io::stderr(),
            "no real broker: set GREENPARK_KAFKA=host:port to run this test against one"
        );
        return None;
    };
    // A folder's name is new each time, and so are the topics.
    let folder = tempfile::tempdir().expect("a folder can be made");
    let unique = folder
        .path()
        .file_name()
        .expect("it has a name")
        .to_string_lossy();
    Some(KafkaSettings {
        brokers,
        partitions: 1,
        linger: Duration::from_millis(5),
        prefix: format!("test{}.", unique.replace('.', "-")),
        ..KafkaSettings::default()
    })
}

async fn open(settings: &KafkaSettings) -> KafkaLog {
    KafkaLog::open(settings.clone())
        .await
        .expect("the log opens")
}

fn admin(settings: &KafkaSettings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .create()
        .expect("a client")
}

fn record(sequence: u64) -> Record {
    Record {
        park: ParkId::new("park-1").expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("steel-01").expect("an id"),
            gateway: GatewayId::new("gw-7").expect("an id"),
            epoch: 1,
            sequence,
            content_type: ContentType::ReadingBatch,
        },
        payload: Bytes::from_static(b"payload"),
    }
}

async fn append(log: &KafkaLog, sequences: std::ops::Range<u64>) {
    // One call for each, so that each may be dropped by itself.
    for sequence in sequences {
        let writer = log.writer();
        let receipt = writer
            .append(Topic::Readings, vec![record(sequence)])
            .await
            .expect("the log appends");
        assert_eq!(receipt.records(), 1);
    }
}

#[tokio::test]
async fn topics_on_a_real_broker_are_made_to_last() {
    let Some(settings) = settings() else { return };
    open(&settings).await;
    for topic in [Topic::Readings, Topic::DeadLetters] {
        let name = settings.topic(topic);
        let described = admin(&settings)
            .describe_configs(&[ResourceSpecifier::Topic(&name)], &AdminOptions::new())
            .await
            .expect("the broker answers")
            .remove(0)
            .expect("the topic is there");
        for property in ["retention.ms", "retention.bytes"] {
            let entry = described.get(property).expect("a setting");
            assert_eq!(entry.value.as_deref(), Some("-1"), "{property} of {name}");
        }
    }
    // What was made here is accepted.
    open(&settings).await;
}

#[tokio::test]
async fn a_topic_on_a_real_broker_that_could_lose_readings_is_refused() {
    let Some(settings) = settings() else { return };
    let name = settings.topic(Topic::Readings);
    let week = "604800000";
    let short = NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("retention.ms", week);
    let made = admin(&settings)
        .create_topics(&[short], &AdminOptions::new())
        .await
        .expect("the broker answers");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let refused = KafkaLog::open(settings).await;
    assert!(
        matches!(
            &refused,
            Err(OpenError::Retention { topic, property: "retention.ms", found, .. })
                if *topic == name && found == week
        ),
        "{refused:?}"
    );
}

/// Goal: a group whose records were dropped goes on with what is left. Method: an administrator deletes
/// records past the group's offset.
#[tokio::test]
async fn a_reader_on_a_real_broker_goes_on_after_a_gap() {
    let Some(settings) = settings() else { return };
    let log = open(&settings).await;
    append(&log, 0..10).await;
    let mut reader = log.reader("g").expect("a reader");
    assert_eq!(read_to_the_end(&mut reader).await.len(), 10);
    reader
        .commit(Partition::FIRST, 3)
        .await
        .expect("the log commits");
    drop(reader);
    for (until, left) in [(6, 4), (10, 0)] {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&settings.topic(Topic::Readings), 0, Offset::Offset(until))
            .expect("an offset");
        let deleted = admin(&settings)
            .delete_records(&list, &AdminOptions::new())
            .await;
        assert!(deleted.is_ok(), "{deleted:?}");
        let rest = read_to_the_end(&mut log.reader("g").expect("a reader")).await;
        assert_eq!(rest.len(), left, "records before {until} were deleted");
    }
}

/// The mock writes no control records.
#[tokio::test]
async fn transactions_on_a_real_broker_do_not_hide_the_end() {
    let Some(settings) = settings() else { return };
    let log = open(&settings).await;
    let topic = settings.topic(Topic::Readings);
    let foreign: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("transactional.id", &topic)
        .create()
        .expect("a producer");
    let patience = Duration::from_secs(30);
    foreign.init_transactions(patience).expect("it begins");
    let write = || {
        foreign.begin_transaction().expect("it begins");
        let message = BaseRecord::<str, str>::to(&topic).partition(0);
        assert!(foreign.send(message.payload("foreign")).is_ok());
        foreign.flush(patience).expect("it is delivered");
    };
    append(&log, 0..1).await;
    let mut reader = log.reader("g").expect("a reader");
    assert_eq!(read_to_the_end(&mut reader).await.len(), 1);
    write();
    foreign.commit_transaction(patience).expect("it commits");
    assert_eq!(read_to_the_end(&mut reader).await.len(), 1);
    write();
    foreign.abort_transaction(patience).expect("it aborts");
    assert_eq!(read_to_the_end(&mut reader).await.len(), 0);
    append(&log, 1..2).await;
    assert_eq!(read_to_the_end(&mut reader).await.len(), 1);
    // A new reader meets all of it at once.
    let all = read_to_the_end(&mut log.reader("late").expect("a reader")).await;
    assert_eq!(all.len(), 3);
}

/// Goal: a check sees what a topic is and where a group stands, and a trial leaves no topic behind.
#[tokio::test]
async fn a_real_broker_is_inspected_and_tried() {
    let Some(settings) = settings() else { return };
    let nothing = inspect::inspect(&settings, "g").await.expect("it answers");
    assert!(nothing.readings.partitions.is_empty());
    let log = open(&settings).await;
    append(&log, 0..10).await;
    let mut reader = log.reader("g").expect("a reader");
    assert_eq!(read_to_the_end(&mut reader).await.len(), 10);
    reader
        .commit(Partition::FIRST, 4)
        .await
        .expect("the log commits");
    let found = inspect::inspect(&settings, "g").await.expect("it answers");
    let partition = &found.readings.partitions[0];
    assert_eq!((partition.first, partition.end), (0, 10));
    assert_eq!((partition.replicas, partition.in_sync), (1, 1));
    assert_eq!(partition.committed, Some(4));
    assert!(partition.oldest_unread_ms.is_some(), "{partition:?}");
    let lag = log.lag("g").await.expect("it answers");
    assert_eq!(lag.records, 6);
    assert_eq!(lag.oldest_ms, partition.oldest_unread_ms);
    reader
        .commit(Partition::FIRST, 10)
        .await
        .expect("the log commits");
    let none = log.lag("g").await.expect("it answers");
    assert_eq!(none, inspect::Lag::default());
    let kept = found.readings.settings.get("retention.ms");
    assert_eq!(kept.map(String::as_str), Some("-1"));
    let trial = inspect::try_produce(&settings, "test", &clock::system())
        .await
        .expect("taken");
    assert!(trial.largest.is_ok(), "{trial:?}");
    let skew = trial.skew_ms.expect("the broker stamps it");
    assert!(skew.abs() < 60_000, "one machine has one clock: {skew} ms");
    let asked: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .create()
        .expect("a client");
    let began = Instant::now();
    loop {
        let metadata = asked.fetch_metadata(None, Duration::from_secs(10));
        let metadata = metadata.expect("it answers");
        let mut names = metadata.topics().iter().map(|topic| topic.name());
        let own = format!("{}greenpark.doctor", settings.prefix);
        if !names.any(|name| name.starts_with(&own)) {
            break;
        }
        let late = began.elapsed() > Duration::from_secs(30);
        assert!(!late, "the topic of the trial is still there");
    }
}
