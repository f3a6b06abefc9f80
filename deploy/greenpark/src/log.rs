//! The log of a process: embedded or Kafka.

use anyhow::Context;
use greenpark_log::{LogReader, LogWriter};
use greenpark_log_embedded::EmbeddedLog;
use greenpark_log_kafka::KafkaLog;
use greenpark_runtime::clock;

use crate::settings::{LogKind, Settings};

/// The log of a process.
#[derive(Clone)]
pub(crate) enum Log {
    Embedded(EmbeddedLog),
    Kafka(KafkaLog),
}

impl Log {
    /// Returns the reason why the log cannot be used now, or `None`.
    pub(crate) async fn trouble(&self) -> Option<String> {
        match self {
            Self::Embedded(log) => log.trouble(),
            Self::Kafka(log) => {
                let reached = log.reach().await;
                reached
                    .err()
                    .map(|error| format!("{:#}", anyhow::Error::from(error)))
            }
        }
    }

    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        Ok(match settings.log.kind {
            LogKind::Embedded => {
                let embedded = &settings.embedded_log;
                let (folder, tuned) = (embedded.folder.clone(), embedded.to_log());
                let open = tokio::task::spawn_blocking(move || {
                    EmbeddedLog::open(&folder, tuned, clock::system())
                });
                Self::Embedded(open.await.context("open the log")??)
            }
            LogKind::Kafka => Self::Kafka(KafkaLog::open(settings.kafka.to_log()).await?),
        })
    }

    pub(crate) fn writer(&self) -> LogWriter {
        match self {
            Self::Embedded(log) => log.writer(),
            Self::Kafka(log) => log.writer(),
        }
    }

    pub(crate) fn letter_reader(&self, group: &str) -> anyhow::Result<Box<dyn LogReader>> {
        Ok(match self {
            Self::Embedded(log) => log.letter_reader(group),
            Self::Kafka(log) => log.letter_reader(group)?,
        })
    }

    pub(crate) fn reader(&self, group: &str) -> anyhow::Result<Box<dyn LogReader>> {
        Ok(match self {
            Self::Embedded(log) => log.reader(group),
            Self::Kafka(log) => log.reader(group)?,
        })
    }
}
