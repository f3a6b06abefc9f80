//! The logs under test, all with three partitions and small windows.

use std::{env, io::Write, path::Path, time::Duration};

use greenpark_log::{LogReader, LogWriter, Topic, memory::MemoryLog};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_log_kafka::{KafkaLog, KafkaSettings};
use greenpark_runtime::clock;
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

pub(crate) const PARTITIONS: u32 = 3;

/// Small, so that a test can fill it.
pub(crate) const WINDOW_BYTES: usize = 4 << 20;

enum Log {
    Memory(MemoryLog),
    Embedded(
        EmbeddedLog,
        #[expect(dead_code, reason = "kept until the test ends")] tempfile::TempDir,
    ),
    Kafka(
        KafkaLog,
        #[expect(dead_code, reason = "kept until the test ends")] Option<Mock>,
    ),
}

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A log under test.
pub(crate) struct Subject {
    log: Log,
}

impl Subject {
    pub(crate) fn memory() -> Self {
        Self {
            log: Log::Memory(MemoryLog::new(PARTITIONS, clock::system())),
        }
    }

    pub(crate) fn embedded() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let log = open_embedded(folder.path());
        Self {
            log: Log::Embedded(log, folder),
        }
    }

    pub(crate) async fn kafka_mock() -> Self {
        let mock = MockCluster::new(1).expect("the mock starts");
        for topic in [Topic::Readings, Topic::DeadLetters] {
            mock.create_topic(topic.as_str(), 3, 1)
                .expect("the mock makes topics");
        }
        let log = open_kafka(&mock.bootstrap_servers(), String::new()).await;
        Self {
            log: Log::Kafka(log, Some(mock)),
        }
    }

    pub(crate) async fn kafka_real(brokers: &str, case: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        // The folder's name is new each time, and so are the topics.
        let unique = folder
            .path()
            .file_name()
            .expect("it has a name")
            .to_string_lossy();
        let prefix = format!("test{}.{case}.", unique.replace('.', "-"));
        Self {
            log: Log::Kafka(open_kafka(brokers, prefix).await, None),
        }
    }

    pub(crate) fn writer(&self) -> LogWriter {
        match &self.log {
            Log::Memory(log) => log.writer(),
            Log::Embedded(log, _) => log.writer(),
            Log::Kafka(log, _) => log.writer(),
        }
    }

    pub(crate) fn reader(&self, group: &str) -> Box<dyn LogReader> {
        match &self.log {
            Log::Memory(log) => log.reader(group),
            Log::Embedded(log, _) => log.reader(group),
            Log::Kafka(log, _) => log.reader(group).expect("a reader opens"),
        }
    }
}

fn open_embedded(folder: &Path) -> EmbeddedLog {
    let settings = LogFileSettings {
        partitions: PARTITIONS,
        inflight_bytes: WINDOW_BYTES,
        ..LogFileSettings::default()
    };
    EmbeddedLog::open(folder, settings, clock::system()).expect("the log opens")
}

async fn open_kafka(brokers: &str, prefix: String) -> KafkaLog {
    let settings = KafkaSettings {
        brokers: brokers.to_owned(),
        partitions: PARTITIONS,
        prefix,
        linger: Duration::from_millis(5),
        inflight_bytes: WINDOW_BYTES,
        readahead_bytes: WINDOW_BYTES,
        // Room for three heartbeats on a busy machine. The mock makes the second reader of a group wait
        // for nearly as long.
        session_timeout: Duration::from_secs(10),
        ..KafkaSettings::default()
    };
    KafkaLog::open(settings).await.expect("the log opens")
}

/// The address of a real broker, if there is one.
pub(crate) fn real_brokers() -> Option<String> {
    let brokers = env::var("GREENPARK_KAFKA")
        .ok()
        .filter(|brokers| !brokers.is_empty());
    if brokers.is_none() {
        say("no real broker: set GREENPARK_KAFKA=host:port to run the suite against one");
    }
    brokers
}

/// A line for whoever runs the tests.
pub(crate) fn say(line: &str) {
    // A lost line is no failure.
    let _written = writeln!(std::io::stderr(), "{line}");
}
