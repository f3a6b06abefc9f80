//! The log: its settings, and how it is opened, appended to and read.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use greenpark_log::{
    append::{DurableLog, LogWriter},
    contract::LogReader,
    error::{Cause, OpenError},
    record::Topic,
};
use rdkafka::{ClientConfig, error::KafkaError};

use crate::{
    away, inspect,
    reader::KafkaReader,
    retention,
    topics::{self, Inquirer},
    writer::KafkaWriter,
};

/// Most bytes of dead letters that a reader holds ahead: they come seldom, and nobody waits for them.
const LETTERS_AHEAD_BYTES: usize = 4 << 20;

/// How Kafka is reached and used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// The bootstrap servers, `host:port` separated by commas.
    pub brokers: String,
    /// Partitions of each topic; never changed once the archive has data.
    pub partitions: u32,
    /// Replicas of each partition, when the topics are made here.
    pub replication: u16,
    /// Written before the topics' names, so that several parks can share a cluster.
    pub prefix: String,
    /// How long the producer gathers records before it sends: small batches are what costs.
    pub linger: Duration,
    /// How long a record may take to be delivered before its append fails.
    pub delivery_timeout: Duration,
    /// Most bytes of appends under way; further ones wait.
    pub inflight_bytes: usize,
    /// Most bytes that a reader holds ahead of its caller.
    pub readahead_bytes: usize,
    /// After how long without a sign of life a reader loses its partitions.
    pub session_timeout: Duration,
    /// Further properties of librdkafka, for TLS and the like; they win over ours.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            partitions: 8,
            replication: 1,
            prefix: String::new(),
            linger: Duration::from_millis(20),
            delivery_timeout: Duration::from_secs(30),
            inflight_bytes: 64 << 20,
            readahead_bytes: 32 << 20,
            session_timeout: Duration::from_secs(10),
            properties: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// The topic's name with the prefix.
    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.as_str())
    }

    /// What every client of ours has in common.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "greenpark");
        config
    }

    /// Adds what the operator has set.
    pub(crate) fn with_properties(&self, mut config: ClientConfig) -> ClientConfig {
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }

    pub(crate) fn fault(&self, cause: impl Into<Cause>) -> OpenError {
        let cause = cause.into();
        OpenError::Kafka {
            brokers: self.brokers.clone(),
            is_away: cause.downcast_ref::<KafkaError>().is_some_and(away::passes),
            cause,
        }
    }
}

/// The log in Kafka. Clones share one producer.
#[derive(Clone)]
pub struct KafkaLog {
    settings: Arc<KafkaSettings>,
    writer: Arc<KafkaWriter>,
    inquirer: Arc<Inquirer>,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Connects, makes the topics if they are not there, checks their partition counts and how long
    /// they keep readings.
    ///
    /// # Errors
    /// [`OpenError`]: no broker answers, the topics cannot be made, they have another number of
    /// partitions, or they could lose readings that nobody has read.
    pub async fn open(settings: KafkaSettings) -> Result<Self, OpenError> {
        let settings = Arc::new(settings);
        let inquirer = topics::ensure(&settings).await?;
        retention::check(&settings).await?;
        let writer = KafkaWriter::open(Arc::clone(&settings))?;
        Ok(Self {
            settings,
            writer: Arc::new(writer),
            inquirer,
        })
    }

    /// The one that appends.
    #[must_use]
    pub fn writer(&self) -> LogWriter {
        LogWriter::new(Arc::clone(&self.writer) as Arc<dyn DurableLog>)
    }

    /// Asks the cluster whether it answers.
    ///
    /// # Errors
    /// [`OpenError::Kafka`]: it does not, and why.
    pub async fn reach(&self) -> Result<(), OpenError> {
        topics::reach(&self.settings, &self.inquirer).await
    }

    /// How far `group` is behind in the topic of readings. Asks the brokers, for some seconds if they are slow.
    ///
    /// # Errors
    /// [`OpenError::Kafka`]: no broker answers.
    pub async fn lag(&self, group: &str) -> Result<inspect::Lag, OpenError> {
        inspect::lag(&self.settings, group).await
    }

    /// A new reader of `group`, among which Kafka shares the partitions out.
    ///
    /// # Errors
    /// [`OpenError::Kafka`]: a property is wrong.
    pub fn reader(&self, group: &str) -> Result<Box<dyn LogReader>, OpenError> {
        self.reader_of(&self.settings, Topic::Readings, group)
    }

    /// The same for dead letters.
    ///
    /// # Errors
    /// [`OpenError::Kafka`]: a property is wrong.
    pub fn letter_reader(&self, group: &str) -> Result<Box<dyn LogReader>, OpenError> {
        let settings = KafkaSettings {
            readahead_bytes: self.settings.readahead_bytes.min(LETTERS_AHEAD_BYTES),
            ..KafkaSettings::clone(&self.settings)
        };
        self.reader_of(&settings, Topic::DeadLetters, group)
    }

    fn reader_of(
        &self,
        settings: &KafkaSettings,
        topic: Topic,
        group: &str,
    ) -> Result<Box<dyn LogReader>, OpenError> {
        let inquirer = Arc::clone(&self.inquirer);
        let reader = KafkaReader::open(settings, inquirer, topic, group)?;
        Ok(Box::new(reader))
    }
}
