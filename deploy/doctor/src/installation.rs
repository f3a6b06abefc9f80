//! What the doctor examines.

use std::{path::PathBuf, time::Duration};

use greenpark_ingest::SubscribeSettings;
use greenpark_log_embedded::LogFileSettings;
use greenpark_log_kafka::KafkaSettings;

/// One installation of Greenpark, as its settings describe it.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Root of the lake: a folder, or a URL.
    pub lake_root: String,
    /// How long a day waits for late readings before it is sealed.
    pub grace: Duration,
    /// The processor's group in the log.
    pub group: String,
    /// The group of the processor's reader of dead letters.
    pub dead_letter_group: String,
    /// The log.
    pub log: InstalledLog,
    /// The session at an MQTT broker, if ingest subscribes to one.
    pub subscribe: Option<SubscribeSettings>,
}

impl Installation {
    /// Returns true if `group` is the processor's, or that of its reader of dead letters.
    pub(crate) fn owns(&self, group: &str) -> bool {
        group == self.group || group == self.dead_letter_group
    }
}

/// The log of an installation.
#[derive(Debug, Clone)]
pub enum InstalledLog {
    /// A file on this machine.
    Embedded {
        /// Its folder.
        folder: PathBuf,
        /// How it is opened.
        settings: LogFileSettings,
    },
    /// Topics of a Kafka cluster.
    Kafka(KafkaSettings),
}
