//! The consumer's thread: polls librdkafka, keeps what came for the reader, minds the partitions.
//!
//! It is the only one that polls, so rebalances happen here. When the reader is slow the thread waits a
//! moment and then pauses the partitions, but goes on polling: a slow reader must not look dead.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::KafkaError,
};
use tokio::{sync::Notify, time::Instant};
use tracing::{debug, error, info, warn};

use super::{
    assignment::{Start, State},
    topics::Inquirer,
    wire,
};
use greenpark_log::record::Entry;
use greenpark_model::log_position::Partition;

/// One poll: also how long a stop may take.
const POLL: Duration = Duration::from_millis(100);

/// How long a full queue is waited for before the partitions are paused, which costs a new fetch.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a broker may take to say where a group stands.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long librdkafka may take to begin a fetch from another offset; brokers are not asked.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two questions to brokers that did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The state, and how each side wakes the other.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The reader took entries or wants the thread to stop.
    drained: Condvar,
    /// There is news for the reader.
    pub(crate) news: Notify,
    pub(crate) topic: String,
    pub(crate) inquirer: Arc<Inquirer>,
    bytes_max: usize,
}

impl Shared {
    pub(crate) fn new(topic: String, bytes_max: usize, inquirer: Arc<Inquirer>) -> Self {
        Self {
            state: Mutex::default(),
            drained: Condvar::new(),
            news: Notify::new(),
            topic,
            inquirer,
            bytes_max,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that there is room, or that it should stop.
    pub(crate) fn wake_thread(&self) {
        self.drained.notify_one();
    }
}

/// Hears of rebalances.
pub(crate) struct Watcher(pub(crate) Arc<Shared>);

impl ClientContext for Watcher {
    fn error(&self, cause: KafkaError, reason: &str) {
        if self.0.lock().troubles.is_news(&cause, Instant::now()) {
            warn!(%cause, reason, "kafka consumer in trouble");
        } else {
            debug!(%cause, reason, "kafka consumer reports");
        }
    }
}

impl ConsumerContext for Watcher {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut state = self.0.lock();
        match rebalance {
            Rebalance::Assign(list) => {
                let incoming = partitions(list);
                info!(?incoming, "kafka partitions assigned");
                state.incoming.extend(incoming);
            }
            Rebalance::Revoke(list) => {
                let lost = partitions(list);
                info!(?lost, "kafka partitions revoked");
                state.lose(&lost);
            }
            Rebalance::Error(cause) => warn!(%cause, "kafka rebalance failed"),
        }
        drop(state);
        self.0.news.notify_one();
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements()
        .iter()
        .filter_map(|element| u32::try_from(element.partition()).ok().map(Partition::new))
        .collect()
}

/// Polls until told to stop. The consumer leaves the group when its last handle is dropped.
pub(crate) fn run(consumer: &BaseConsumer<Watcher>, shared: &Shared) {
    let mut paused = false;
    loop {
        fetch_rewound(consumer, shared);
        refetch_doubted(consumer, shared);
        let polled = consumer
            .poll(POLL)
            .map(|polled| polled.map(|m| wire::entry_of(&m)));
        settle_incoming(consumer, shared);
        let is_news = polled.is_some();
        let brought = matches!(polled, Some(Ok(_)));
        let mut state = shared.lock();
        if let Some(polled) = polled {
            take_in(&mut state, polled);
        }
        if is_news {
            shared.news.notify_one();
        }
        if state.stopping || state.failed.is_some() {
            return;
        }
        match flow(paused, brought, state.bytes, shared.bytes_max) {
            Some(Flow::Pause) => {
                let wait = |state: &mut State| !state.stopping && state.bytes >= shared.bytes_max;
                let waited = shared.drained.wait_timeout_while(state, PATIENCE, wait);
                let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
                paused |= timed_out && set_paused(consumer, Flow::Pause);
            }
            Some(Flow::Resume) => {
                drop(state);
                paused = !set_paused(consumer, Flow::Resume);
            }
            None => {}
        }
    }
}

/// What is to be done about the partitions when `bytes` of at most `bytes_max` are held and the last poll
/// `brought` a record or not. One that comes although the partitions are paused is of a partition that
/// was assigned since, which Kafka hands over unpaused: all are paused again.
fn flow(paused: bool, brought: bool, bytes: usize, bytes_max: usize) -> Option<Flow> {
    if bytes >= bytes_max && (!paused || brought) {
        Some(Flow::Pause)
    } else if bytes <= bytes_max / 2 && paused {
        Some(Flow::Resume)
    } else {
        None
    }
}

/// Keeps what a poll brought.
fn take_in(state: &mut State, polled: Result<Entry, KafkaError>) {
    let works = matches!(polled, Ok(_) | Err(KafkaError::PartitionEOF(_)));
    if works && state.troubles.end() {
        info!("kafka consumer reads again");
    }
    match polled {
        Ok(entry) => {
            if let Some(gap) = state.keep(entry) {
                // A producer of another make leaves gaps as well, by its transactions.
                error!(?gap, "kafka log has a gap; were records dropped unread?");
            }
        }
        Err(KafkaError::PartitionEOF(partition)) => {
            if let Ok(partition) = u32::try_from(partition) {
                state.reach_end(Partition::new(partition));
            }
        }
        Err(cause @ KafkaError::MessageConsumptionFatal(_)) => {
            error!(%cause, "kafka consumer failed");
            state.failed = Some(cause);
        }
        // librdkafka goes on by itself, and the watcher has told it.
        Err(cause) => debug!(%cause, "kafka consumer met an error"),
    }
}

/// Fetches again, from the last message on, what may not have been the end. librdkafka says once where
/// the end is, and no more after a fetch that fails or brings nothing to hand out; a seek makes it say so
/// anew, and drops what it had to say before.
fn refetch_doubted(consumer: &BaseConsumer<Watcher>, shared: &Shared) {
    let doubted = shared.lock().doubted();
    for (partition, from) in doubted {
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        // OK because Kafka's partitions are counted in an i32.
        match consumer.seek(&shared.topic, partition.get() as i32, offset, SEEK_TIMEOUT) {
            Ok(()) => shared.lock().refetch(partition),
            // The doubt stands, so it is tried again after the next poll.
            Err(cause) => {
                debug!(%cause, partition = partition.get(), "kafka partition was not fetched again")
            }
        }
    }
}

/// Fetches from where the reader wants to begin again. A seek drops what was fetched before.
fn fetch_rewound(consumer: &BaseConsumer<Watcher>, shared: &Shared) {
    let rewound = shared.lock().rewound();
    for (partition, from) in rewound {
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        // OK because Kafka's partitions are counted in an i32.
        match consumer.seek(&shared.topic, partition.get() as i32, offset, SEEK_TIMEOUT) {
            Ok(()) => shared.lock().fetch_from(partition, from),
            // Nothing is handed out of it before it is tried again, after the next poll.
            Err(cause) => {
                debug!(%cause, partition = partition.get(), "kafka partition was not rewound")
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Pause,
    Resume,
}

/// Says whether it worked.
fn set_paused(consumer: &BaseConsumer<Watcher>, flow: Flow) -> bool {
    let done = consumer.assignment().and_then(|all| match flow {
        Flow::Pause => consumer.pause(&all),
        Flow::Resume => consumer.resume(&all),
    });
    if let Err(cause) = &done {
        warn!(%cause, ?flow, "kafka partitions were not paused or resumed");
    }
    done.is_ok()
}

/// Learns where newly assigned partitions start and end, and makes them ours. Does not poll before it
/// knows: a record of a partition that is not ours yet would be passed over.
fn settle_incoming(consumer: &BaseConsumer<Watcher>, shared: &Shared) {
    loop {
        let incoming = shared.lock().incoming.clone();
        if incoming.is_empty() {
            return;
        }
        match starts(consumer, shared, &incoming) {
            Ok(starts) => {
                let mut state = shared.lock();
                for start in starts {
                    if let Some(gap) = state.own(start) {
                        error!(
                            ?gap,
                            "kafka has dropped records that the group has not read"
                        );
                    }
                }
                state.incoming.clear();
                drop(state);
                shared.news.notify_one();
            }
            Err(cause) => {
                warn!(%cause, ?incoming, "kafka did not say where partitions stand; asking again");
                let state = shared.lock();
                let waiting = |state: &mut State| !state.stopping;
                let waited = shared
                    .drained
                    .wait_timeout_while(state, ASK_AGAIN, waiting)
                    .unwrap_or_else(PoisonError::into_inner);
                if waited.0.stopping {
                    return;
                }
            }
        }
    }
}

/// Asks where the group stands and where the partitions begin and end.
fn starts(
    consumer: &BaseConsumer<Watcher>,
    shared: &Shared,
    partitions: &[Partition],
) -> Result<Vec<Start>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for &partition in partitions {
        // OK because it came from Kafka as an i32; so below.
        list.add_partition(&shared.topic, partition.get() as i32);
    }
    let committed = consumer.committed_offsets(list, ANSWER_TIMEOUT)?;
    let start = |&partition: &Partition| {
        let found = committed.find_partition(&shared.topic, partition.get() as i32);
        let committed = match found {
            Some(element) => {
                element.error()?;
                match element.offset() {
                    Offset::Offset(offset) => u64::try_from(offset).ok(),
                    _ => None,
                }
            }
            None => None,
        };
        let (low, high) = shared.inquirer.fetch_watermarks(
            &shared.topic,
            partition.get() as i32,
            ANSWER_TIMEOUT,
        )?;
        Ok(Start {
            partition,
            committed,
            low: u64::try_from(low).unwrap_or(0),
            high: u64::try_from(high).unwrap_or(0),
        })
    };
    partitions.iter().map(start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_reader_pauses_and_an_emptied_one_resumes() {
        assert_eq!(flow(false, true, 99, 100), None);
        assert_eq!(flow(false, true, 100, 100), Some(Flow::Pause));
        assert_eq!(flow(false, false, 100, 100), Some(Flow::Pause));
        assert_eq!(flow(true, false, 100, 100), None);
        assert_eq!(flow(true, false, 51, 100), None);
        assert_eq!(flow(true, false, 50, 100), Some(Flow::Resume));
    }

    #[test]
    fn a_record_that_comes_in_spite_of_the_pause_pauses_again() {
        assert_eq!(flow(true, true, 100, 100), Some(Flow::Pause));
        assert_eq!(flow(true, true, 99, 100), None);
    }
}
