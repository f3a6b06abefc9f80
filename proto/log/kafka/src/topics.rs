//! Makes the topics and refuses another partition count.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use tokio::time::Instant;
use tracing::info;

use super::{KafkaSettings, retention};
use greenpark_log::{error::OpenError, record::Topic};

/// How long a broker may take to answer while we open.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long brokers may take to learn of a topic that was just made.
const SPREAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Between two looks for a topic that was just made.
const SPREAD_PAUSE: Duration = Duration::from_millis(100);

const TOPICS: [Topic; 2] = [Topic::Readings, Topic::DeadLetters];

/// A client that only asks. It belongs to no group and fetches nothing, so that no answer waits behind
/// a fetch that waits for records.
pub(crate) type Inquirer = BaseConsumer;

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("create topic {topic}: {code}; create it by hand or allow this client to")]
    Create {
        topic: String,
        code: RDKafkaErrorCode,
    },
    #[error("topic {0} was created and is still unknown to the brokers; try again")]
    Unknown(String),
    #[error("topic {0} is not there")]
    Gone(String),
}

/// Leaves both topics there with the configured number of partitions. Returns the client that asked.
pub(crate) async fn ensure(settings: &KafkaSettings) -> Result<Arc<Inquirer>, OpenError> {
    let mut config = settings.client();
    config.set("allow.auto.create.topics", "false");
    let created = settings.with_properties(config).create();
    let inquirer: Arc<Inquirer> = Arc::new(created.map_err(|error| settings.fault(error))?);
    let mut counts = counts(settings, &inquirer).await?;
    let missing: Vec<Topic> = TOPICS
        .into_iter()
        .zip(&counts)
        .filter(|(_, n)| n.is_none())
        .map(|(t, _)| t)
        .collect();
    if !missing.is_empty() {
        create(settings, &missing).await?;
        counts = spread(settings, &inquirer).await?;
    }
    for (topic, found) in TOPICS.into_iter().zip(counts) {
        let (expected, topic) = (settings.partitions, topic.as_str());
        match found {
            Some(found) if found == expected => {}
            Some(found) => {
                return Err(OpenError::PartitionCount {
                    topic,
                    expected,
                    found,
                });
            }
            None => return Err(settings.fault(Trouble::Unknown(topic.to_owned()))),
        }
    }
    Ok(inquirer)
}

/// Looks until both topics are known or the time is over.
async fn spread(
    settings: &KafkaSettings,
    inquirer: &Arc<Inquirer>,
) -> Result<[Option<u32>; 2], OpenError> {
    let deadline = Instant::now() + SPREAD_TIMEOUT;
    loop {
        let counts = counts(settings, inquirer).await?;
        if counts.iter().all(Option::is_some) || Instant::now() > deadline {
            return Ok(counts);
        }
        tokio::time::sleep(SPREAD_PAUSE).await;
    }
}

/// The partition counts of our topics. Asks for all topics: to ask for one by name could make it.
async fn counts(
    settings: &KafkaSettings,
    inquirer: &Arc<Inquirer>,
) -> Result<[Option<u32>; 2], OpenError> {
    let inquirer = Arc::clone(inquirer);
    let fetch = move || inquirer.fetch_metadata(None, ANSWER_TIMEOUT);
    let metadata = tokio::task::spawn_blocking(fetch)
        .await
        .map_err(|error| settings.fault(error))?
        .map_err(|error| settings.fault(error))?;
    Ok(TOPICS.map(|topic| {
        let name = settings.topic(topic);
        let found = metadata
            .topics()
            .iter()
            .find(|t| t.name() == name && t.error().is_none())?;
        let count = found.partitions().len();
        (count > 0).then(|| u32::try_from(count).unwrap_or(u32::MAX))
    }))
}

/// Asks for our topics.
pub(crate) async fn reach(
    settings: &KafkaSettings,
    inquirer: &Arc<Inquirer>,
) -> Result<(), OpenError> {
    let counts = counts(settings, inquirer).await?;
    for (topic, found) in TOPICS.into_iter().zip(counts) {
        if found.is_none() {
            return Err(settings.fault(Trouble::Gone(settings.topic(topic))));
        }
    }
    Ok(())
}

/// A client that makes and describes topics.
pub(crate) fn admin(
    settings: &KafkaSettings,
) -> Result<AdminClient<DefaultClientContext>, OpenError> {
    let config = settings.with_properties(settings.client());
    config.create().map_err(|error| settings.fault(error))
}

async fn create(settings: &KafkaSettings, missing: &[Topic]) -> Result<(), OpenError> {
    let admin = admin(settings)?;
    let replication = i32::from(settings.replication);
    let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    let names: Vec<String> = missing.iter().map(|&topic| settings.topic(topic)).collect();
    // With three replicas one may be down while `acks=all` still means two disks.
    let in_sync = if settings.replication >= 3 { "2" } else { "1" };
    let new: Vec<NewTopic<'_>> = names
        .iter()
        .map(|name| {
            let new = NewTopic::new(name, partitions, TopicReplication::Fixed(replication))
                .set("min.insync.replicas", in_sync);
            retention::FOR_GOOD
                .iter()
                .fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(ANSWER_TIMEOUT))
        .operation_timeout(Some(ANSWER_TIMEOUT));
    let created: Result<_, KafkaError> = admin.create_topics(&new, &options).await;
    for result in created.map_err(|error| settings.fault(error))? {
        match result {
            Ok(topic) => info!(topic, partitions, "kafka topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(settings.fault(Trouble::Create { topic, code })),
        }
    }
    Ok(())
}
