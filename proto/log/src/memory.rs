//! A log in memory, for tests and simulation, with switches for the faults that real logs have.
//!
//! It promises what [`crate::contract`] promises except that it survives nothing. It keeps at most
//! [`BYTES_MAX`]: past that, what every group has committed goes first, and then appends fail.

mod letters;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use greenpark_model::{clock::Clock, log_position::Partition};
use tokio::sync::watch;

use self::letters::Letters;
use crate::{
    append::{DurableLog, LogWriter},
    contract::LogReader,
    error::{AppendError, CommitError, ReadError},
    inflight::{self, Held, Window},
    local_reader::{LocalReader, PartitionStore, PastEnd},
    ownership::Owners,
    partition,
    record::{Entry, Position, Record, Topic},
};

/// Most bytes of payload that the log keeps: what a test machine can spare.
pub const BYTES_MAX: usize = 512 << 20;

/// Most bytes of appends under way: small, so that tests meet the bound.
pub const INFLIGHT_BYTES: usize = 4 << 20;

/// A log in memory. Clones are the same log.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    shelf: Arc<MemoryPartitionStore>,
}

/// Records of one partition.
#[derive(Debug, Default)]
struct Lane {
    base: u64,
    bytes: usize,
    entries: VecDeque<Entry>,
}

impl Lane {
    fn tail(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// At least one entry from `from` on if there is any, about `bytes_max` of them.
    fn read(&self, from: u64, bytes_max: usize) -> Vec<Entry> {
        let skip = usize::try_from(from.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in self.entries.iter().skip(skip) {
            bytes += entry
                .record
                .as_ref()
                .map_or(0, |record| record.payload.len());
            entries.push(entry.clone());
            if bytes >= bytes_max {
                break;
            }
        }
        entries
    }

    /// Drops records before `offset` until at most `bytes_max` are held.
    fn trim(&mut self, offset: u64, bytes_max: usize) {
        while self.bytes > bytes_max && self.base < offset {
            if let Some(Entry {
                record: Ok(record), ..
            }) = self.entries.pop_front()
            {
                self.bytes -= record.payload.len();
            }
            self.base += 1;
        }
    }
}

#[derive(Debug, Default)]
struct State {
    readings: Vec<Lane>,
    dead: Lane,
    committed: BTreeMap<(String, Partition), u64>,
    letters: BTreeMap<String, u64>,
    failures: u32,
}

struct MemoryPartitionStore {
    partitions: u32,
    state: Mutex<State>,
    tails: watch::Sender<Vec<u64>>,
    letter_tails: watch::Sender<Vec<u64>>,
    letter_owners: Arc<Owners>,
    paused: watch::Sender<bool>,
    owners: Owners,
    window: Window,
    clock: Clock,
}

impl fmt::Debug for MemoryPartitionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPartitionStore")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

/// The fault that [`MemoryLog::fail_appends`] asks for.
#[derive(Debug, thiserror::Error)]
#[error("the append was told to fail")]
struct ToldToFail;

/// The log holds [`BYTES_MAX`] that no reader has committed.
#[derive(Debug, thiserror::Error)]
#[error("the log in memory is full; commit what was read")]
struct Full;

impl MemoryLog {
    /// An empty log with `partitions` partitions, whose records are stamped by `clock`.
    #[must_use]
    pub fn new(partitions: u32, clock: Clock) -> Self {
        let partitions = partitions.max(1);
        let readings: Vec<Lane> = (0..partitions).map(|_| Lane::default()).collect();
        let tails = watch::Sender::new(vec![0; readings.len()]);
        let shelf = MemoryPartitionStore {
            partitions,
            state: Mutex::new(State {
                readings,
                ..State::default()
            }),
            tails,
            letter_tails: watch::Sender::new(vec![0]),
            letter_owners: Arc::new(Owners::default()),
            paused: watch::Sender::new(false),
            owners: Owners::default(),
            window: Window::new(INFLIGHT_BYTES),
            clock,
        };
        Self {
            shelf: Arc::new(shelf),
        }
    }

    /// The one that appends.
    #[must_use]
    pub fn writer(&self) -> LogWriter {
        LogWriter::new(Arc::new(self.clone()))
    }

    /// A new reader of `group`, which takes every partition over.
    #[must_use]
    pub fn reader(&self, group: &str) -> Box<dyn LogReader> {
        Box::new(LocalReader::new(Arc::clone(&self.shelf), group))
    }

    /// A new reader of dead letters of `group`; they lie in one partition.
    #[must_use]
    pub fn letter_reader(&self, group: &str) -> Box<dyn LogReader> {
        let shelf = Arc::new(Letters::of(&self.shelf));
        Box::new(LocalReader::new(shelf, group))
    }

    /// Where `group` would start to read dead letters.
    #[must_use]
    pub fn letters_committed(&self, group: &str) -> u64 {
        letters::committed(&self.shelf.lock(), group)
    }

    /// Makes appends wait until [`MemoryLog::resume`].
    pub fn pause(&self) {
        self.shelf.paused.send_replace(true);
    }

    /// Lets appends go on.
    pub fn resume(&self) {
        self.shelf.paused.send_replace(false);
    }

    /// Makes the next `appends` calls fail, with nothing written.
    pub fn fail_appends(&self, appends: u32) {
        self.shelf.lock().failures = appends;
    }

    /// Takes `partition` away from the reader of `group`.
    pub fn revoke(&self, group: &str, partition: Partition) {
        self.shelf.owners.revoke(group, partition);
    }

    /// Gives `partition` to the newest reader of `group`, from the committed offset on.
    pub fn assign(&self, group: &str, partition: Partition) {
        self.shelf.owners.assign(group, partition);
    }

    /// Where `group` would start to read `partition`.
    #[must_use]
    pub fn committed(&self, group: &str, partition: Partition) -> u64 {
        self.shelf.committed(group, partition)
    }

    /// Everything that `topic` holds, by partition and offset.
    #[must_use]
    pub fn entries(&self, topic: Topic) -> Vec<Entry> {
        let state = self.shelf.lock();
        match topic {
            Topic::Readings => state
                .readings
                .iter()
                .flat_map(|lane| lane.entries.iter().cloned())
                .collect(),
            Topic::DeadLetters => state.dead.entries.iter().cloned().collect(),
        }
    }
}

impl DurableLog for MemoryLog {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>> {
        let bytes = match inflight::weigh(&records) {
            Ok(bytes) => bytes,
            Err(error) => return futures::future::err(error).boxed(),
        };
        let paused = *self.shelf.paused.borrow();
        match self.shelf.window.try_enter(bytes) {
            Some(_held) if !paused => {
                futures::future::ready(self.shelf.put(topic, records)).boxed()
            }
            Some(held) => self.shelf.put_when_resumed(topic, records, held).boxed(),
            None => {
                let waiting = self.shelf.window.queue(bytes);
                async move {
                    let held = waiting.enter().await?;
                    self.shelf.put_when_resumed(topic, records, held).await
                }
                .boxed()
            }
        }
    }
}

impl MemoryPartitionStore {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put_when_resumed(
        &self,
        topic: Topic,
        records: Vec<Record>,
        _held: Held,
    ) -> Result<(), AppendError> {
        let mut paused = self.paused.subscribe();
        paused
            .wait_for(|paused| !paused)
            .await
            .map_err(|_gone| AppendError::Closed)?;
        self.put(topic, records)
    }

    fn put(&self, topic: Topic, records: Vec<Record>) -> Result<(), AppendError> {
        let mut state = self.lock();
        if state.failures > 0 {
            state.failures -= 1;
            return Err(AppendError::Write(Box::new(ToldToFail)));
        }
        let floors: Vec<u64> = Partition::all(self.partitions)
            .map(|p| self.floor(&state, p))
            .collect();
        let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
        let share = BYTES_MAX / (self.partitions as usize + 1);
        for (lane, floor) in state.readings.iter_mut().zip(floors) {
            lane.trim(floor, share.saturating_sub(bytes));
        }
        let State { readings, dead, .. } = &mut *state;
        dead.trim(u64::MAX, share);
        let held: usize = readings.iter().map(|lane| lane.bytes).sum();
        if held + bytes > BYTES_MAX {
            return Err(AppendError::Write(Box::new(Full)));
        }
        let appended_ms = self.clock.now().millis();
        for record in records {
            let (partition, lane) = match topic {
                Topic::Readings => {
                    let partition = partition::of(&record.park, self.partitions);
                    (partition, &mut readings[partition.index()])
                }
                Topic::DeadLetters => (Partition::FIRST, &mut *dead),
            };
            let position = Position {
                partition,
                offset: lane.tail(),
            };
            lane.bytes += record.payload.len();
            lane.entries.push_back(Entry {
                position,
                appended_ms,
                record: Ok(record),
            });
        }
        let tails = readings.iter().map(Lane::tail).collect();
        // Under the lock, so that tails never go back.
        self.tails.send_replace(tails);
        self.letter_tails.send_replace(vec![state.dead.tail()]);
        Ok(())
    }

    /// The offset below which every group has committed.
    fn floor(&self, state: &State, partition: Partition) -> u64 {
        let committed = |group| {
            state
                .committed
                .get(&(group, partition))
                .copied()
                .unwrap_or(0)
        };
        self.owners
            .groups()
            .into_iter()
            .map(committed)
            .min()
            .unwrap_or(0)
    }
}

impl PartitionStore for MemoryPartitionStore {
    fn owners(&self) -> &Owners {
        &self.owners
    }

    fn tails(&self) -> watch::Receiver<Vec<u64>> {
        self.tails.subscribe()
    }

    fn committed(&self, group: &str, partition: Partition) -> u64 {
        self.lock()
            .committed
            .get(&(group.to_owned(), partition))
            .copied()
            .unwrap_or(0)
    }

    fn read(
        self: Arc<Self>,
        partition: Partition,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let entries = self.lock().readings[partition.index()].read(from, bytes_max);
        futures::future::ok(entries).boxed()
    }

    fn commit(
        &self,
        group: &str,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        let mut state = self.lock();
        let tail = state.readings.get(partition.index()).map_or(0, Lane::tail);
        if next_offset > tail {
            let past = PastEnd {
                partition,
                offset: next_offset,
                tail,
            };
            return futures::future::err(CommitError::Store(Box::new(past))).boxed();
        }
        let committed = state
            .committed
            .entry((group.to_owned(), partition))
            .or_insert(0);
        *committed = next_offset.max(*committed);
        futures::future::ok(()).boxed()
    }
}
