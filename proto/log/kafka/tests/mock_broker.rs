//! What only the Kafka log meets: foreign records, other partition counts, brokers that are away.

mod reading;

use std::time::Duration;

use bytes::Bytes;
use greenpark_log::{AppendError, ContentType, Headers, OpenError, Record, Topic};
use greenpark_log_kafka::{KafkaLog, KafkaSettings};
use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use self::reading::read_to_the_end;

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock(partitions: i32) -> Mock {
    let mock = MockCluster::new(1).expect("the mock starts");
    for topic in [Topic::Readings, Topic::DeadLetters] {
        mock.create_topic(topic.as_str(), partitions, 1)
            .expect("the mock makes topics");
    }
    mock
}

fn settings(mock: &Mock) -> KafkaSettings {
    KafkaSettings {
        brokers: mock.bootstrap_servers(),
        partitions: 2,
        linger: Duration::from_millis(5),
        ..KafkaSettings::default()
    }
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

#[tokio::test]
async fn another_partition_count_is_refused() {
    let mock = mock(5);
    let refused = KafkaLog::open(settings(&mock)).await;
    assert!(
        matches!(
            refused,
            Err(OpenError::PartitionCount {
                expected: 2,
                found: 5,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_foreign_record_is_an_entry_with_a_reason() {
    let mock = mock(2);
    let foreign: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", mock.bootstrap_servers())
        .create()
        .expect("a producer");
    let topic = Topic::Readings.as_str();
    let sent = [
        foreign.send(
            BaseRecord::<str, str>::to(topic)
                .partition(0)
                .payload("no key"),
        ),
        foreign.send(
            BaseRecord::to(topic)
                .partition(0)
                .key("../etc")
                .payload("bad key"),
        ),
        foreign.send(
            BaseRecord::to(topic)
                .partition(0)
                .key("park-1")
                .payload("no headers"),
        ),
    ];
    assert!(sent.iter().all(Result::is_ok));
    foreign
        .flush(Duration::from_secs(10))
        .expect("they are delivered");
    let log = KafkaLog::open(settings(&mock))
        .await
        .expect("the log opens");
    let receipt = log.writer().append(Topic::Readings, vec![record(1)]).await;
    assert_eq!(receipt.expect("the log appends").records(), 1);
    let mut reader = log.reader("g").expect("a reader");
    let mut reasons = Vec::new();
    let mut ours = 0;
    while reasons.len() + ours < 4 {
        let delivered = reader
            .next(1 << 20, Duration::from_secs(20))
            .await
            .expect("it reads");
        for entry in delivered.entries {
            match entry.record {
                Ok(_) => ours += 1,
                Err(reason) => reasons.push(reason),
            }
        }
    }
    assert_eq!(ours, 1);
    for (reason, expected) in reasons.iter().zip(["no key", "key: ", "no header"]) {
        assert!(reason.contains(expected), "{reasons:?}");
    }
}

#[tokio::test]
async fn an_append_fails_while_the_broker_is_away_and_works_again_after() {
    let mock = mock(2);
    let settings = KafkaSettings {
        // Long enough for a busy machine to deliver the first record.
        delivery_timeout: Duration::from_secs(10),
        ..settings(&mock)
    };
    let log = KafkaLog::open(settings).await.expect("the log opens");
    let writer = log.writer();
    let receipt = writer.append(Topic::Readings, vec![record(1)]).await;
    assert_eq!(receipt.expect("the log appends").records(), 1);
    mock.broker_down(1).expect("the broker goes");
    let failed = writer.append(Topic::Readings, vec![record(2)]).await;
    assert!(matches!(failed, Err(AppendError::Write(_))), "{failed:?}");
    mock.broker_up(1).expect("the broker comes back");
    // The first calls after an outage may still fail; the caller sends again, as here.
    let mut tries = 0;
    while let Err(error) = writer.append(Topic::Readings, vec![record(3)]).await {
        tries += 1;
        assert!(tries < 20, "{error}");
    }
}

#[tokio::test]
async fn no_broker_is_a_clear_refusal() {
    let settings = KafkaSettings {
        brokers: "127.0.0.1:1".to_owned(),
        properties: [("log_level".to_owned(), "0".to_owned())].into(),
        ..KafkaSettings::default()
    };
    let refused = KafkaLog::open(settings).await;
    assert!(matches!(&refused, Err(OpenError::Kafka { brokers, .. }) if brokers == "127.0.0.1:1"));
}

async fn append_one(log: &KafkaLog, sequence: u64) {
    let receipt = log
        .writer()
        .append(Topic::Readings, vec![record(sequence)])
        .await;
    assert_eq!(receipt.expect("the log appends").records(), 1);
}

/// Goal: a reader that cannot fetch does not take the last record it got for the end. Method: the mock
/// refuses fetches for some ten seconds, in which a record is appended.
#[tokio::test]
async fn a_reader_that_cannot_fetch_is_not_caught_up() {
    const REFUSALS: usize = 10;
    let mock = mock(2);
    let settings = KafkaSettings {
        properties: [
            ("fetch.error.backoff.ms".to_owned(), "1000".to_owned()),
            ("fetch.wait.max.ms".to_owned(), "50".to_owned()),
        ]
        .into(),
        ..settings(&mock)
    };
    let log = KafkaLog::open(settings).await.expect("the log opens");
    append_one(&log, 1).await;
    let mut reader = log.reader("g").expect("a reader");
    assert_eq!(read_to_the_end(&mut reader).await.len(), 1);
    mock.request_errors(
        RDKafkaApiKey::Fetch,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR; REFUSALS],
    );
    // The fetch that waits at the broker ends meanwhile, so that the next one is refused.
    let idle = reader
        .next(1 << 20, Duration::from_secs(1))
        .await
        .expect("the log reads");
    assert!(idle.entries.is_empty());
    append_one(&log, 2).await;
    let rest = read_to_the_end(&mut reader).await;
    assert_eq!(
        rest.len(),
        1,
        "caught up without the record that was appended"
    );
}
