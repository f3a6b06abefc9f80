//! What a check of a cluster asks: how the topics are kept, where a group stands, and whether a record of
//! ours is taken. Nothing is made but one topic, which is removed again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use greenpark_model::{clock::Clock, log_position::Partition};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    admin::{AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::Metadata,
    producer::{FutureProducer, FutureRecord},
};

use super::{
    KafkaSettings, retention,
    topics::{self, ANSWER_TIMEOUT},
    writer,
};
use greenpark_log::{error::OpenError, record::Topic};
use tokio::time::Instant;

/// How long the oldest records that a group has not read may take to come.
const OLDEST_WAIT: Duration = Duration::from_secs(5);
/// Bytes of the largest record, its key, headers and framing beside them: [`writer`] sends no larger one.
const LARGEST: usize = 1_000_000;

/// A topic as the brokers tell it.
#[derive(Debug, Clone)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// Its partitions; none where there is no such topic.
    pub partitions: Vec<PartitionState>,
    /// Its settings by name; empty where the brokers do not tell.
    pub settings: BTreeMap<String, String>,
}

/// A partition as the brokers tell it.
#[derive(Debug, Clone)]
pub struct PartitionState {
    /// Its number.
    pub partition: Partition,
    /// Brokers that should have it.
    pub replicas: usize,
    /// Brokers that have all of it.
    pub in_sync: usize,
    /// The first offset that is still there.
    pub first: u64,
    /// The next record's offset.
    pub end: u64,
    /// Where the group stands, if it has committed.
    pub committed: Option<u64>,
    /// When the first record that the group has not read came to the brokers, if it has one.
    pub oldest_unread_ms: Option<i64>,
}

/// What is found of a cluster.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// How many brokers it has.
    pub brokers: usize,
    /// The topic of readings.
    pub readings: TopicState,
    /// The topic of dead letters.
    pub dead_letters: TopicState,
}

/// How far a group is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records that are there and that it has not committed.
    pub records: u64,
    /// When the first of them came to the brokers, in UTC milliseconds; `None` where it has all, or nobody could tell.
    pub oldest_ms: Option<i64>,
}

impl TopicState {
    /// How far the group is behind.
    #[must_use]
    pub fn lag(&self) -> Lag {
        lag_of(&self.partitions)
    }
}

fn lag_of(partitions: &[PartitionState]) -> Lag {
    let unread = partitions.iter().map(|of| {
        let from = of.committed.unwrap_or(0).max(of.first);
        of.end.saturating_sub(from)
    });
    Lag {
        records: unread.sum(),
        oldest_ms: partitions.iter().filter_map(|of| of.oldest_unread_ms).min(),
    }
}

/// What became of records of ours on a topic of their own.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How long the first took to be acknowledged by all replicas, idempotently.
    pub took: Duration,
    /// How far the broker's clock is ahead of ours, in milliseconds; half of `took` is doubtful.
    pub skew_ms: Option<i64>,
    /// What the brokers said to a record of the largest size, if they refused it.
    pub largest: Result<(), String>,
}

/// Asks for the topics of `settings` and where `group` stands in them.
///
/// # Errors
/// [`OpenError::Kafka`]: no broker answers, or a property is wrong.
pub async fn inspect(settings: &KafkaSettings, group: &str) -> Result<Inspection, OpenError> {
    let asked = Arc::new(asking(settings, group)?);
    let names = [Topic::Readings, Topic::DeadLetters].map(|topic| settings.topic(topic));
    let (consumer, of) = (Arc::clone(&asked), names.clone());
    let ask = move || -> Result<_, KafkaError> {
        let metadata = consumer.fetch_metadata(None, ANSWER_TIMEOUT)?;
        let [readings, dead] = of
            .each_ref()
            .map(|name| partitions(&consumer, &metadata, name));
        let mut readings = readings?;
        standing(&consumer, &of[0], &mut readings)?;
        Ok((metadata.brokers().len(), readings, dead?))
    };
    let found = tokio::task::spawn_blocking(ask).await;
    let found = found.map_err(|error| settings.fault(error))?;
    let (brokers, readings, dead_letters) = found.map_err(|error| settings.fault(error))?;
    let [readings_name, dead_name] = names;
    Ok(Inspection {
        brokers,
        readings: state(settings, readings_name, readings).await?,
        dead_letters: state(settings, dead_name, dead_letters).await?,
    })
}

/// Asks how far `group` is behind in the topic of readings.
///
/// # Errors
/// [`OpenError::Kafka`]: no broker answers, or a property is wrong.
pub(crate) async fn lag(settings: &KafkaSettings, group: &str) -> Result<Lag, OpenError> {
    let consumer = asking(settings, group)?;
    let name = settings.topic(Topic::Readings);
    let ask = move || -> Result<Lag, KafkaError> {
        let metadata = consumer.fetch_metadata(Some(&name), ANSWER_TIMEOUT)?;
        let mut readings = partitions(&consumer, &metadata, &name)?;
        if readings.is_empty() {
            return Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownTopicOrPartition,
            ));
        }
        standing(&consumer, &name, &mut readings)?;
        Ok(lag_of(&readings))
    };
    let found = tokio::task::spawn_blocking(ask).await;
    let found = found.map_err(|error| settings.fault(error))?;
    found.map_err(|error| settings.fault(error))
}

/// A consumer that asks where `group` stands, and is no member of it. Of the records that a group has not read it wants
/// the first ones, so it holds few.
fn asking(settings: &KafkaSettings, group: &str) -> Result<BaseConsumer, OpenError> {
    let mut config = settings.client();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", "1024")
        .set("fetch.message.max.bytes", "65536");
    let created = settings.with_properties(config).create();
    created.map_err(|error| settings.fault(error))
}

async fn state(
    settings: &KafkaSettings,
    name: String,
    partitions: Vec<PartitionState>,
) -> Result<TopicState, OpenError> {
    let mut told = BTreeMap::new();
    if !partitions.is_empty()
        && let Some(found) = retention::describe(settings, &name).await?
    {
        let entries = found.entries.into_iter();
        told.extend(entries.filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(TopicState {
        name,
        partitions,
        settings: told,
    })
}

fn partitions(
    consumer: &BaseConsumer,
    metadata: &Metadata,
    name: &str,
) -> Result<Vec<PartitionState>, KafkaError> {
    let mut topics = metadata.topics().iter();
    let Some(topic) = topics.find(|topic| topic.name() == name && topic.error().is_none()) else {
        return Ok(Vec::new());
    };
    let one = |found: &rdkafka::metadata::MetadataPartition| {
        let (first, end) = consumer.fetch_watermarks(name, found.id(), ANSWER_TIMEOUT)?;
        Ok(PartitionState {
            partition: Partition::new(u32::try_from(found.id()).unwrap_or(0)),
            replicas: found.replicas().len(),
            in_sync: found.isr().len(),
            first: u64::try_from(first).unwrap_or(0),
            end: u64::try_from(end).unwrap_or(0),
            committed: None,
            oldest_unread_ms: None,
        })
    };
    topic.partitions().iter().map(one).collect()
}

/// Where the group stands, and how old the first record is that it has not read.
fn standing(
    consumer: &BaseConsumer,
    name: &str,
    partitions: &mut [PartitionState],
) -> Result<(), KafkaError> {
    let mut asked = TopicPartitionList::new();
    for found in partitions.iter() {
        asked.add_partition(name, number(found));
    }
    if partitions.is_empty() {
        return Ok(());
    }
    let committed = consumer.committed_offsets(asked, ANSWER_TIMEOUT)?;
    for (found, told) in partitions.iter_mut().zip(committed.elements()) {
        if let Offset::Offset(offset) = told.offset() {
            found.committed = u64::try_from(offset).ok();
        }
    }
    let mut unread = TopicPartitionList::new();
    let mut waiting = 0;
    for found in partitions.iter() {
        let from = found.committed.unwrap_or(0).max(found.first);
        if from < found.end {
            let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
            unread.add_partition_offset(name, number(found), offset)?;
            waiting += 1;
        }
    }
    if waiting == 0 {
        return Ok(());
    }
    // Assigned, not subscribed: the group's members do not hear of it.
    consumer.assign(&unread)?;
    let deadline = Instant::now() + OLDEST_WAIT;
    while waiting > 0 && Instant::now() < deadline {
        let Some(polled) = consumer.poll(Duration::from_millis(200)) else {
            continue;
        };
        // Of a broker that is down, for one; librdkafka goes on by itself.
        let Ok(message) = polled else {
            continue;
        };
        let mut all = partitions.iter_mut();
        let of = all.find(|found| number(found) == message.partition());
        if let Some(of) = of.filter(|of| of.oldest_unread_ms.is_none()) {
            of.oldest_unread_ms = message.timestamp().to_millis();
            waiting -= 1;
        }
    }
    consumer.unassign()
}

fn number(found: &PartitionState) -> i32 {
    // OK because Kafka's partitions are counted in an i32.
    found.partition.get() as i32
}

/// Produces to a topic of its own, as the writer does, and removes it. `unique` tells this run from others, and the
/// broker's clock is compared with `clock`.
///
/// # Errors
/// [`OpenError::Kafka`]: the topic cannot be made, or the record was not taken.
pub async fn try_produce(
    settings: &KafkaSettings,
    unique: &str,
    clock: &Clock,
) -> Result<Trial, OpenError> {
    let name = format!("{}greenpark.doctor.{unique}", settings.prefix);
    let admin = topics::admin(settings)?;
    let options = AdminOptions::new()
        .request_timeout(Some(ANSWER_TIMEOUT))
        .operation_timeout(Some(ANSWER_TIMEOUT));
    let replication = TopicReplication::Fixed(i32::from(settings.replication));
    let new = NewTopic::new(&name, 1, replication).set("message.timestamp.type", "LogAppendTime");
    let made = admin.create_topics(&[new], &options).await;
    for result in made.map_err(|error| settings.fault(error))? {
        result.map_err(|(topic, code)| settings.fault(format!("create topic {topic}: {code}")))?;
    }
    let trial = produce(settings, &name, clock).await;
    let removed = admin.delete_topics(&[&name], &options).await;
    if let Err(error) = removed {
        tracing::warn!(topic = name, %error, "the doctor's topic was not removed");
    }
    trial
}

async fn produce(settings: &KafkaSettings, name: &str, clock: &Clock) -> Result<Trial, OpenError> {
    let created = writer::config(settings).create();
    let producer: FutureProducer<DefaultClientContext> =
        created.map_err(|error| settings.fault(error))?;
    let send = |bytes: usize| {
        let producer = producer.clone();
        async move {
            let payload = vec![b'x'; bytes];
            let record = FutureRecord::to(name).key("doctor").payload(&payload);
            producer.send(record, ANSWER_TIMEOUT).await
        }
    };
    // The first waits until the topic is known everywhere.
    let first = send(10).await;
    first.map_err(|(error, _)| settings.fault(error))?;
    let (began, began_ms) = (Instant::now(), clock.now().millis());
    let second = send(10).await;
    let second = second.map_err(|(error, _)| settings.fault(error))?;
    let took = began.elapsed();
    let half = i64::try_from(took.as_millis() / 2).unwrap_or(0);
    let there = second.timestamp.to_millis();
    Ok(Trial {
        took,
        skew_ms: there.map(|there| there - began_ms - half),
        largest: send(LARGEST)
            .await
            .map(drop)
            .map_err(|(e, _)| e.to_string()),
    })
}
