//! The consumer's thread: polls librdkafka, keeps what came for the reader, minds the partitions.
//!
//! It is the only one that polls, so rebalances happen here. When the reader is slow the thread waits a
//! moment and then pauses the partitions, but goes on polling: a slow reader must not look dead.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::KafkaError,
};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::{topics::Inquirer, wire};
use crate::{contract::Assigned, record::Entry};

/// One poll: also how long a stop may take.
const POLL: Duration = Duration::from_millis(100);

/// How long a full queue is waited for before the partitions are paused, which costs a new fetch.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a broker may take to say where a group stands.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two questions to brokers that did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What an entry costs beside its payload.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// A partition that is ours.
#[derive(Debug, Default, Clone)]
pub(super) struct Owned {
    /// The offset after the last message seen, or where reading began.
    pub(super) seen: u64,
    /// The offset after the last entry handed out, or where reading began.
    pub(super) handed: u64,
    /// What the group has committed, as far as we know.
    pub(super) committed: Option<u64>,
    /// The end was reached and nothing came since.
    pub(super) at_end: bool,
}

/// What thread and reader share.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) entries: VecDeque<Entry>,
    pub(super) bytes: usize,
    pub(super) owned: BTreeMap<u32, Owned>,
    /// Assigned by Kafka; not ours before we know where they start.
    incoming: Vec<u32>,
    pub(super) revoked: Vec<u32>,
    pub(super) assigned: Vec<Assigned>,
    pub(super) failed: Option<KafkaError>,
    pub(super) stopping: bool,
}

/// The state, and how each side wakes the other.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The reader took entries or wants the thread to stop.
    drained: Condvar,
    /// There is news for the reader.
    pub(super) news: Notify,
    pub(super) topic: String,
    pub(super) inquirer: Arc<Inquirer>,
    bytes_max: usize,
}

impl Shared {
    pub(super) fn new(topic: String, bytes_max: usize, inquirer: Arc<Inquirer>) -> Self {
        Self {
            state: Mutex::default(),
            drained: Condvar::new(),
            news: Notify::new(),
            topic,
            inquirer,
            bytes_max,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that there is room, or that it should stop.
    pub(super) fn wake_thread(&self) {
        self.drained.notify_one();
    }
}

pub(super) fn weight(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES
        + entry
            .record
            .as_ref()
            .map_or(0, |record| record.payload.len())
}

/// What the brokers say of a partition that was assigned.
#[derive(Debug, Clone, Copy)]
struct Start {
    partition: u32,
    /// What the group has committed.
    committed: Option<u64>,
    /// Where the partition begins.
    low: u64,
    /// Where it ends.
    high: u64,
}

/// Hears of rebalances.
pub(super) struct Watcher(pub(super) Arc<Shared>);

impl ClientContext for Watcher {
    fn error(&self, cause: KafkaError, reason: &str) {
        warn!(%cause, reason, "kafka consumer in trouble");
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

fn partitions(list: &TopicPartitionList) -> Vec<u32> {
    list.elements()
        .iter()
        .filter_map(|element| u32::try_from(element.partition()).ok())
        .collect()
}

impl State {
    fn lose(&mut self, lost: &[u32]) {
        self.incoming.retain(|partition| !lost.contains(partition));
        self.assigned
            .retain(|assigned| !lost.contains(&assigned.partition));
        self.entries
            .retain(|entry| !lost.contains(&entry.position.partition));
        self.bytes = self.entries.iter().map(weight).sum();
        for partition in lost {
            if self.owned.remove(partition).is_some() {
                self.revoked.push(*partition);
            }
        }
    }

    /// Makes a partition ours.
    fn own(&mut self, start: Start) {
        let seen = start.committed.unwrap_or(start.low);
        let owned = Owned {
            seen,
            handed: seen,
            committed: start.committed,
            at_end: false,
        };
        self.owned.insert(start.partition, owned);
        self.assigned.push(Assigned {
            partition: start.partition,
            end: start.high,
        });
    }

    fn keep(&mut self, entry: Entry) {
        let position = entry.position;
        // A message of a partition that was taken away between poll and here.
        let Some(owned) = self.owned.get_mut(&position.partition) else {
            return;
        };
        if let Some(committed) = owned.committed
            && owned.seen == committed
            && position.offset > owned.seen
        {
            // Not always a loss: aborted transactions of foreign producers leave gaps as well.
            warn!(
                partition = position.partition,
                expected = owned.seen,
                found = position.offset,
                "kafka log has a gap at the committed offset; check its retention"
            );
        }
        owned.seen = position.offset + 1;
        owned.at_end = false;
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
    }
}

/// Polls until told to stop. The consumer leaves the group when its last handle is dropped.
pub(super) fn run(consumer: &BaseConsumer<Watcher>, shared: &Shared) {
    let mut paused = false;
    loop {
        let polled = consumer
            .poll(POLL)
            .map(|polled| polled.map(|m| wire::entry_of(&m)));
        settle_incoming(consumer, shared);
        let is_news = polled.is_some();
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
        let full = state.bytes >= shared.bytes_max;
        let relieved = state.bytes <= shared.bytes_max / 2;
        if full && !paused {
            let wait = |state: &mut State| !state.stopping && state.bytes >= shared.bytes_max;
            let waited = shared.drained.wait_timeout_while(state, PATIENCE, wait);
            let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
            paused = timed_out && set_paused(consumer, Flow::Pause);
        } else if paused && relieved {
            drop(state);
            paused = !set_paused(consumer, Flow::Resume);
        }
    }
}

/// Keeps what a poll brought.
fn take_in(state: &mut State, polled: Result<Entry, KafkaError>) {
    match polled {
        Ok(entry) => state.keep(entry),
        Err(KafkaError::PartitionEOF(partition)) => {
            let owned = u32::try_from(partition)
                .ok()
                .and_then(|p| state.owned.get_mut(&p));
            if let Some(owned) = owned {
                owned.at_end = true;
            }
        }
        Err(cause @ KafkaError::MessageConsumptionFatal(_)) => {
            error!(%cause, "kafka consumer failed");
            state.failed = Some(cause);
        }
        // librdkafka goes on by itself.
        Err(cause) => warn!(%cause, "kafka consumer met an error"),
    }
}

#[derive(Debug, Clone, Copy)]
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
                    state.own(start);
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
    partitions: &[u32],
) -> Result<Vec<Start>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for &partition in partitions {
        // OK because it came from Kafka as an i32; so below.
        list.add_partition(&shared.topic, partition as i32);
    }
    let committed = consumer.committed_offsets(list, ANSWER_TIMEOUT)?;
    let start = |&partition: &u32| {
        let found = committed.find_partition(&shared.topic, partition as i32);
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
        let (low, high) =
            shared
                .inquirer
                .fetch_watermarks(&shared.topic, partition as i32, ANSWER_TIMEOUT)?;
        Ok(Start {
            partition,
            committed,
            low: u64::try_from(low).unwrap_or(0),
            high: u64::try_from(high).unwrap_or(0),
        })
    };
    partitions.iter().map(start).collect()
}
