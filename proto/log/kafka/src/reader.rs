//! The reader's side of the consumer.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    KafkaSettings,
    assignment::End,
    away,
    consumer::{self, Shared, Watcher},
    find,
    topics::Inquirer,
};
use greenpark_log::{
    contract::{Delivered, LogReader},
    error::{CommitError, OpenError, ReadError},
    record::{Entry, Topic},
};
use greenpark_model::log_position::Partition;

/// How long a broker may take to say where a partition ends.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a drop waits for the consumer to leave its group; after that the session times out.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

type Consuming = BaseConsumer<Watcher>;

/// Reads from Kafka.
pub(crate) struct KafkaReader {
    /// `None` only while dropping.
    consumer: Option<Arc<Consuming>>,
    shared: Arc<Shared>,
    /// How to ask the brokers beside the group.
    asking: ClientConfig,
    left: mpsc::Receiver<()>,
    /// The last answer said that everything was handed out.
    at_end: bool,
}

impl std::fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaReader")
            .field("topic", &self.shared.topic)
            .finish_non_exhaustive()
    }
}

impl KafkaReader {
    pub(crate) fn open(
        settings: &KafkaSettings,
        inquirer: Arc<Inquirer>,
        topic: Topic,
        group: &str,
    ) -> Result<Self, OpenError> {
        let topic = settings.topic(topic);
        let shared = Arc::new(Shared::new(topic, settings.readahead_bytes, inquirer));
        // librdkafka reads ahead by itself: as much again as we do.
        let kilobytes = (settings.readahead_bytes / 1024)
            .clamp(1_024, 2_097_151)
            .to_string();
        let mut config = settings.client();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            .set("auto.offset.reset", "earliest")
            .set("allow.auto.create.topics", "false")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set(
                "session.timeout.ms",
                settings.session_timeout.as_millis().to_string(),
            )
            .set("queued.max.messages.kbytes", kilobytes);
        let config = settings.with_properties(config);
        let consumer: Consuming = config
            .create_with_context(Watcher(Arc::clone(&shared)))
            .map_err(|error| settings.fault(error))?;
        consumer
            .subscribe(&[&shared.topic])
            .map_err(|error| settings.fault(error))?;
        let consumer = Arc::new(consumer);
        let (leaving, left) = mpsc::channel();
        let (polled, polling) = (Arc::clone(&consumer), Arc::clone(&shared));
        thread::Builder::new()
            .name("log-consumer".to_owned())
            .spawn(move || {
                consumer::run(&polled, &polling);
                // To drop the last handle is to leave the group.
                drop(polled);
                let _gone = leaving.send(());
            })
            .map_err(|error| settings.fault(error))?;
        Ok(Self {
            consumer: Some(consumer),
            shared,
            asking: settings.with_properties(settings.client()),
            left,
            at_end: false,
        })
    }

    async fn next_delivered(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Delivered, ReadError> {
        let deadline = Instant::now() + wait;
        let shared = Arc::clone(&self.shared);
        let mut caught_up = false;
        loop {
            let news = shared.news.notified();
            if !caught_up {
                caught_up = self.is_caught_up().await;
            }
            // The end is news once; after that an empty answer comes when the wait is over.
            let reached = caught_up && !self.at_end;
            {
                let mut state = shared.lock();
                if let Some(cause) = &state.failed {
                    return Err(ReadError::Read(Box::new(cause.clone())));
                }
                let idle = state.entries.is_empty()
                    && state.revoked.is_empty()
                    && state.assigned.is_empty();
                if !idle || reached || Instant::now() >= deadline {
                    let delivered = state.take(bytes_max, caught_up);
                    drop(state);
                    shared.wake_thread();
                    self.at_end = delivered.caught_up;
                    return Ok(delivered);
                }
            }
            // An elapsed deadline is seen at the top.
            let _elapsed = tokio::time::timeout_at(deadline, news).await;
        }
    }

    /// Whether everything that was in the partitions when this was called has been handed out. Asks the
    /// brokers, but only when the consumer has seen the ends and nothing waits here.
    async fn is_caught_up(&mut self) -> bool {
        let owned = {
            let state = self.shared.lock();
            let mut ends = state.owned.values().map(|owned| owned.end);
            let at_ends = ends.all(|end| end == End::Reached);
            if !state.entries.is_empty() || state.owned.is_empty() || !at_ends {
                return false;
            }
            state.owned.clone()
        };
        let inquirer = Arc::clone(&self.shared.inquirer);
        let topic = self.shared.topic.clone();
        let partitions: Vec<Partition> = owned.keys().copied().collect();
        let ask = move || -> Result<Vec<u64>, KafkaError> {
            let high = |partition: &Partition| {
                // OK because it came from Kafka as an i32.
                let partition = partition.get() as i32;
                let (_low, high) =
                    inquirer.fetch_watermarks(&topic, partition, WATERMARK_TIMEOUT)?;
                Ok(u64::try_from(high).unwrap_or(0))
            };
            partitions.iter().map(high).collect()
        };
        match tokio::task::spawn_blocking(ask).await {
            Ok(Ok(highs)) => {
                let mut state = self.shared.lock();
                let ends = owned.iter().zip(highs);
                // Not `all`, so that every partition that is not at its end is doubted.
                ends.fold(true, |all, ((&partition, owned), high)| {
                    state.ends_at(partition, owned.handed, high) && all
                })
            }
            Ok(Err(cause)) => {
                debug!(%cause, "kafka did not say where a partition ends");
                false
            }
            Err(_stopped) => false,
        }
    }

    async fn found(
        &mut self,
        partition: Partition,
        offset: u64,
    ) -> Result<Option<Entry>, ReadError> {
        let (config, topic) = (self.asking.clone(), self.shared.topic.clone());
        let ask = move || find::find(&config, &topic, partition, offset);
        let asked = tokio::task::spawn_blocking(ask).await;
        asked
            .map_err(|error| ReadError::Read(Box::new(error)))?
            .map_err(|error| ReadError::Read(Box::new(error)))
    }

    async fn store(&mut self, partition: Partition, next_offset: u64) -> Result<(), CommitError> {
        let known = self
            .shared
            .lock()
            .owned
            .get(&partition)
            .map(|owned| owned.committed);
        let Some(committed) = known else {
            return Err(CommitError::Revoked(partition));
        };
        if committed.is_some_and(|committed| committed >= next_offset) {
            return Ok(());
        }
        let Some(consumer) = self.consumer.clone() else {
            return Err(CommitError::Revoked(partition));
        };
        let topic = self.shared.topic.clone();
        let send = move || {
            let offset = Offset::Offset(i64::try_from(next_offset).unwrap_or(i64::MAX));
            let mut list = TopicPartitionList::new();
            // OK because Kafka's partitions are counted in an i32.
            list.add_partition_offset(&topic, partition.get() as i32, offset)?;
            consumer.commit(&list, CommitMode::Sync)
        };
        let sent = tokio::task::spawn_blocking(send)
            .await
            .map_err(|error| CommitError::Store(Box::new(error)))?;
        match sent {
            Ok(()) => {
                if let Some(owned) = self.shared.lock().owned.get_mut(&partition) {
                    owned.committed = Some(next_offset);
                }
                Ok(())
            }
            Err(error) if is_fenced(&error) => Err(CommitError::Revoked(partition)),
            Err(error) if away::passes(&error) => Err(CommitError::NotNow(Box::new(error))),
            Err(error) => Err(CommitError::Store(Box::new(error))),
        }
    }
}

/// The group has gone on without us.
fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::FencedInstanceId
        )
    )
}

impl LogReader for KafkaReader {
    fn next(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Delivered, ReadError>> {
        self.next_delivered(bytes_max, wait).boxed()
    }

    fn find(
        &mut self,
        partition: Partition,
        offset: u64,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        self.found(partition, offset).boxed()
    }

    fn rewind(&mut self, partition: Partition, offset: u64) {
        self.shared.lock().rewind(partition, offset);
        self.at_end = false;
    }

    fn commit(
        &mut self,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        self.store(partition, next_offset).boxed()
    }
}

impl Drop for KafkaReader {
    /// Leaves the group, so that the next reader need not wait for a session to time out.
    fn drop(&mut self) {
        self.consumer = None;
        self.shared.lock().stopping = true;
        self.shared.wake_thread();
        if self.left.recv_timeout(LEAVE_TIMEOUT).is_err() {
            warn!("kafka consumer takes long to leave its group");
        }
    }
}
