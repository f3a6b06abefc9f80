//! The settings of every process: one TOML file with a section per part.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use greenpark_archive::store::LogBounds;
use greenpark_ingest::{DecodeSettings, ListenSettings, MemorySettings, SubscribeSettings};
use greenpark_log_embedded::LogFileSettings;
use greenpark_log_kafka::KafkaSettings;
use greenpark_runtime::{
    logging,
    settings::{Document, Mistakes},
};
use greenpark_settings::{size::Size, span::Span};
use serde::{Deserialize, Serialize};

use crate::node_args::NodeArgs;

/// The default folder of the data.
const DATA_DIR: &str = "greenpark-data";
/// The lower bound of `kept_entries`.
const KEPT_ENTRIES_MIN: u32 = 8;

/// All settings.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// The process.
    pub process: ProcessSettings,
    /// Its logs.
    pub logs: logging::LoggingSettings,
    /// The lake.
    pub lake: LakeSettings,
    /// The log that readings queue in.
    pub log: LogSettings,
    /// The embedded log.
    pub embedded_log: EmbeddedSettings,
    /// The log in Kafka.
    pub kafka: KafkaSection,
    /// The memory bound of ingest.
    pub ingest: MemorySettings,
    /// The decoding of payloads.
    pub decode: DecodeSettings,
    /// The endpoint that gateways connect to.
    pub listen: ListenSettings,
    /// The session at an MQTT broker, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<SubscribeSettings>,
    /// The processor.
    pub processor: greenpark_processor::ProcessorSettings,
    /// The query service.
    pub query: greenpark_query::QuerySettings,
}

/// The process as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessSettings {
    /// The address of `/livez`, `/readyz` and `/metrics`; none if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<SocketAddr>,
    /// How long a shutdown may take.
    pub grace: Span,
}

/// The lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeSettings {
    /// Its folder.
    pub root: String,
    /// Newest commits of a table that stay separate entries of its log; older ones are packed into one file.
    pub kept_entries: u32,
    /// The minimum age of a commit that is packed.
    pub kept_age: Span,
}

impl LakeSettings {
    /// Returns the bounds of its tables' logs.
    pub(crate) fn log_bounds(&self) -> LogBounds {
        LogBounds {
            kept_entries: self.kept_entries.into(),
            kept_ms: i64::try_from(self.kept_age.0.as_millis()).unwrap_or(i64::MAX),
            ..LogBounds::default()
        }
    }
}

/// Which log readings queue in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Embedded for one process on one machine, Kafka for several.
    pub kind: LogKind,
}

/// The kind of log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// A file on this machine, opened by one process.
    #[default]
    Embedded,
    /// A Kafka cluster.
    Kafka,
}

/// The embedded log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedSettings {
    /// Its folder.
    pub folder: PathBuf,
    /// Partitions; never changed once the lake has data.
    pub partitions: u32,
    /// Bytes of records that are kept after the processor has stored them.
    pub retain: Size,
    /// Bytes of dead letters that are kept.
    pub dead_letters: Size,
    /// Bytes of appends in flight, at most.
    pub inflight: Size,
    /// How long a small group of appends waits for more.
    pub linger: Span,
    /// Memory for cached pages.
    pub cache: Size,
}

/// Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSection {
    /// The bootstrap servers, `host:port` separated by commas.
    pub brokers: String,
    /// Partitions of each topic; never changed once the lake has data.
    pub partitions: u32,
    /// Replicas of each partition, if this process creates the topics.
    pub replication: u16,
    /// The prefix of the topics' names.
    pub prefix: String,
    /// How long the producer batches records before it sends.
    pub linger: Span,
    /// The delivery time after which an append fails.
    pub delivery_timeout: Span,
    /// Most bytes of appends under way.
    pub inflight: Size,
    /// Bytes that a reader fetches ahead, at most.
    pub readahead: Size,
    /// The silence after which a reader loses its partitions.
    pub session_timeout: Span,
    /// Further properties of librdkafka, such as TLS; they override ours.
    pub properties: BTreeMap<String, String>,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            health: None,
            grace: Span(std::time::Duration::from_secs(30)),
        }
    }
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self {
            root: format!("{DATA_DIR}/lake"),
            kept_entries: 4_096,
            kept_age: Span(std::time::Duration::from_secs(3_600)),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            kind: LogKind::Embedded,
        }
    }
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        let own = LogFileSettings::default();
        Self {
            folder: Path::new(DATA_DIR).join("log"),
            partitions: own.partitions,
            retain: Size(own.retain_bytes),
            dead_letters: Size(own.dead_letter_bytes),
            inflight: Size(own.inflight_bytes as u64),
            linger: Span(own.linger),
            cache: Size(own.cache_bytes as u64),
        }
    }
}

impl Default for KafkaSection {
    fn default() -> Self {
        let own = KafkaSettings::default();
        Self {
            brokers: own.brokers,
            partitions: own.partitions,
            replication: own.replication,
            prefix: own.prefix,
            linger: Span(own.linger),
            delivery_timeout: Span(own.delivery_timeout),
            inflight: Size(own.inflight_bytes as u64),
            readahead: Size(own.readahead_bytes as u64),
            session_timeout: Span(own.session_timeout),
            properties: own.properties,
        }
    }
}

impl Settings {
    /// Reads `file` and the overrides among `environment`.
    ///
    /// # Errors
    /// [`Mistakes`] lists everything that is wrong with them.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        let mut document = Document::load(file, environment);
        let subscribes = document.mentions("subscribe");
        let subscribe: SubscribeSettings = document.section("subscribe");
        let settings = Self {
            process: document.section("process"),
            logs: document.section("logs"),
            lake: document.section("lake"),
            log: document.section("log"),
            embedded_log: document.section("embedded_log"),
            kafka: document.section("kafka"),
            ingest: document.section("ingest"),
            decode: document.section("decode"),
            listen: document.section("listen"),
            subscribe: subscribes.then_some(subscribe),
            processor: document.section("processor"),
            query: document.section("query"),
        };
        settings.check(document.problems());
        document.finish()?;
        Ok(settings)
    }

    fn check(&self, problems: &mut Vec<String>) {
        self.logs.check(problems);
        self.ingest.check(problems);
        self.decode.check(problems);
        self.listen.check(problems);
        if let Some(subscribe) = &self.subscribe {
            subscribe.check(problems);
        }
        self.processor.check(problems);
        self.query.check(problems);
        if self.lake.root.is_empty() {
            problems.push("lake.root: is empty; name a folder".to_owned());
        }
        if self.lake.kept_entries < KEPT_ENTRIES_MIN {
            problems.push(format!(
                "lake.kept_entries: must be at least {KEPT_ENTRIES_MIN}, for readers follow a log entry by entry"
            ));
        }
        if self.process.grace.0.is_zero() {
            problems.push(
                "process.grace: must be at least 1s, or a stop cuts what is under way".to_owned(),
            );
        }
        self.embedded_log.check(problems);
        self.kafka.check(problems);
    }

    /// Overrides the settings by the arguments of a node.
    pub fn place(&mut self, place: &NodeArgs) {
        if let Some(folder) = &place.data {
            self.lake.root = folder.join("lake").display().to_string();
            self.embedded_log.folder = folder.join("log");
        }
        if let Some(address) = place.mqtt {
            self.listen.address = address;
        }
        if let Some(address) = place.grpc {
            self.query.address = address;
        }
    }

    /// The settings of the query service, with keys of the transparency log beside a lake that is a folder.
    #[must_use]
    pub fn published_query(&self) -> greenpark_query::QuerySettings {
        let mut query = self.query.clone();
        let folder = Some(Path::new(&self.lake.root)).filter(|_| !self.lake.root.contains("://"));
        if let (None, Some(folder)) = (&query.proof_key, folder) {
            query.proof_key = Some(folder.with_file_name("proof.key"));
        }
        query
    }

    /// Returns the partitions of the log in use.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        match self.log.kind {
            LogKind::Embedded => self.embedded_log.partitions,
            LogKind::Kafka => self.kafka.partitions,
        }
    }

    /// Prints the settings in effect as an equivalent file.
    ///
    /// # Errors
    /// A value that TOML cannot represent; none of ours is.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

impl EmbeddedSettings {
    fn check(&self, problems: &mut Vec<String>) {
        if !(1..=1024).contains(&self.partitions) {
            problems.push("embedded_log.partitions: must be from 1 to 1024".to_owned());
        }
        if self.inflight.0 < 1 << 20 {
            problems.push(
                "embedded_log.inflight: must be at least 1MiB, the largest record".to_owned(),
            );
        }
        if self.cache.0 < 1 << 20 {
            problems.push("embedded_log.cache: must be at least 1MiB".to_owned());
        }
    }

    /// As the log takes them.
    #[must_use]
    pub fn to_log(&self) -> LogFileSettings {
        LogFileSettings {
            partitions: self.partitions,
            retain_bytes: self.retain.0,
            dead_letter_bytes: self.dead_letters.0,
            inflight_bytes: bytes(self.inflight),
            linger: self.linger.0,
            cache_bytes: bytes(self.cache),
        }
    }
}

impl KafkaSection {
    fn check(&self, problems: &mut Vec<String>) {
        if self
            .brokers
            .split(',')
            .any(|broker| !broker.trim().contains(':'))
        {
            problems.push(format!(
                "kafka.brokers: '{}' is not host:port[,host:port]",
                self.brokers
            ));
        }
        if self.partitions == 0 {
            problems.push("kafka.partitions: must be at least 1".to_owned());
        }
        if self.replication == 0 {
            problems.push("kafka.replication: must be at least 1".to_owned());
        }
        if self.inflight.0 < 1 << 20 {
            problems.push("kafka.inflight: must be at least 1MiB, the largest record".to_owned());
        }
    }

    /// As the log takes them.
    #[must_use]
    pub fn to_log(&self) -> KafkaSettings {
        KafkaSettings {
            brokers: self.brokers.clone(),
            partitions: self.partitions,
            replication: self.replication,
            prefix: self.prefix.clone(),
            linger: self.linger.0,
            delivery_timeout: self.delivery_timeout.0,
            inflight_bytes: bytes(self.inflight),
            readahead_bytes: bytes(self.readahead),
            session_timeout: self.session_timeout.0,
            properties: self.properties.clone(),
        }
    }
}

fn bytes(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
