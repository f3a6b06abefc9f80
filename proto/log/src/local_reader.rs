//! The reader of a log that lives in this process, over any store of its records.
//!
//! It sleeps until a tail of the store moves, a partition changes its owner or the wait is over. Its future
//! may be dropped at any point: a position moves only when its records are buffered here.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use greenpark_model::log_position::Partition;
use tokio::{sync::watch, time::Instant};

use crate::{
    contract::{Assigned, Delivered, LogReader},
    error::{CommitError, ReadError},
    ownership::{Lease, Owners},
    record::Entry,
};

/// Stores the records of one topic of a log in this process.
pub trait PartitionStore: fmt::Debug + Send + Sync + 'static {
    /// The owners of the partitions.
    fn owners(&self) -> &Owners;

    /// The offset after the last durable record, by partition.
    fn tails(&self) -> watch::Receiver<Vec<u64>>;

    /// The committed offset of `group`.
    fn committed(&self, group: &str, partition: Partition) -> u64;

    /// Reads about `bytes_max` of records from `from` on, at least one if there is any.
    fn read(
        self: Arc<Self>,
        partition: Partition,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>>;

    /// Stores the group's offset durably.
    fn commit(
        &self,
        group: &str,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>>;
}

/// The committed offset lies past the end of the log.
#[derive(Debug, thiserror::Error)]
#[error("offset {offset} lies past the end of partition {partition}, which is {tail}")]
pub struct PastEnd {
    /// The partition.
    pub partition: Partition,
    /// The offset that was to be committed.
    pub offset: u64,
    /// The offset after the last record.
    pub tail: u64,
}

/// A partition that this reader owns.
#[derive(Debug)]
struct Owned {
    lease: Lease,
    /// The next offset to fetch.
    fetch: u64,
    /// The offset after the last record handed out.
    handed: u64,
}

/// Reads a [`PartitionStore`] for one consumer group.
#[derive(Debug)]
pub struct LocalReader<S> {
    store: Arc<S>,
    group: String,
    id: u64,
    tails: watch::Receiver<Vec<u64>>,
    changes: watch::Receiver<()>,
    owned: BTreeMap<Partition, Owned>,
    ready: VecDeque<Entry>,
    revoked: Vec<Partition>,
    assigned: Vec<Assigned>,
}

impl<S: PartitionStore> LocalReader<S> {
    /// A new reader of `group`, which takes every partition over.
    #[must_use]
    pub fn new(store: Arc<S>, group: &str) -> Self {
        let tails = store.tails();
        let changes = store.owners().changes();
        let partitions = u32::try_from(tails.borrow().len()).unwrap_or(u32::MAX);
        let id = store.owners().claim(group, partitions);
        Self {
            store,
            group: group.to_owned(),
            id,
            tails,
            changes,
            owned: BTreeMap::new(),
            ready: VecDeque::new(),
            revoked: Vec::new(),
            assigned: Vec::new(),
        }
    }

    /// Compares the partitions that this reader holds with those that it owns.
    fn update_ownership(&mut self) {
        let partitions = u32::try_from(self.tails.borrow().len()).unwrap_or(u32::MAX);
        for partition in Partition::all(partitions) {
            let lease = self.store.owners().lease(&self.group, partition);
            let lease = lease.filter(|lease| lease.reader == self.id);
            if self.owned.get(&partition).map(|owned| owned.lease) == lease {
                continue;
            }
            if self.owned.remove(&partition).is_some() {
                self.ready
                    .retain(|entry| entry.position.partition != partition);
                self.assigned
                    .retain(|assigned| assigned.partition != partition);
                self.revoked.push(partition);
            }
            if let Some(lease) = lease {
                let start = self.store.committed(&self.group, partition);
                // Read after the committed offset, so that it is never the smaller of the two.
                let end = self.tails.borrow()[partition.index()];
                self.owned.insert(
                    partition,
                    Owned {
                        lease,
                        fetch: start,
                        handed: start,
                    },
                );
                self.assigned.push(Assigned {
                    partition,
                    start,
                    end,
                });
            }
        }
    }

    /// Fetches about `bytes_max` of the records between the positions and the tails.
    async fn fetch(&mut self, bytes_max: usize) -> Result<(), ReadError> {
        let mut room = bytes_max;
        let tails = self.tails.borrow_and_update().clone();
        for (partition, owned) in &mut self.owned {
            let tail = tails.get(partition.index()).copied().unwrap_or(0);
            if room == 0 || owned.fetch >= tail {
                continue;
            }
            let store = Arc::clone(&self.store);
            let entries = store.read(*partition, owned.fetch, room).await?;
            if let Some(last) = entries.last() {
                owned.fetch = last.position.offset + 1;
            }
            room = room.saturating_sub(entries.iter().map(payload_bytes).sum());
            self.ready.extend(entries);
        }
        Ok(())
    }

    /// Hands out the buffered records. It does not wait, so a dropped future loses none.
    fn deliver(&mut self, bytes_max: usize, targets: &[u64]) -> Delivered {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.ready.pop_front() {
            bytes += payload_bytes(&entry);
            if let Some(owned) = self.owned.get_mut(&entry.position.partition) {
                owned.handed = entry.position.offset + 1;
            }
            entries.push(entry);
            if bytes >= bytes_max {
                break;
            }
        }
        let caught_up = self.owned.iter().all(|(&partition, owned)| {
            owned.handed >= targets.get(partition.index()).copied().unwrap_or(0)
        });
        Delivered {
            entries,
            revoked: std::mem::take(&mut self.revoked),
            assigned: std::mem::take(&mut self.assigned),
            caught_up,
        }
    }

    async fn next_delivered(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Delivered, ReadError> {
        let deadline = Instant::now() + wait;
        let targets = self.tails.borrow().clone();
        loop {
            self.changes.mark_unchanged();
            self.update_ownership();
            if self.ready.is_empty() {
                self.fetch(bytes_max).await?;
            }
            if !(self.ready.is_empty() && self.revoked.is_empty() && self.assigned.is_empty()) {
                break;
            }
            // A timer would take a millisecond.
            if wait.is_zero() {
                break;
            }
            let changed = tokio::select! {
                changed = self.tails.changed() => changed,
                changed = self.changes.changed() => changed,
                () = tokio::time::sleep_until(deadline) => break,
            };
            changed.map_err(|_gone| ReadError::Closed)?;
        }
        Ok(self.deliver(bytes_max, &targets))
    }

    async fn found(&self, partition: Partition, offset: u64) -> Result<Option<Entry>, ReadError> {
        let tail = self.tails.borrow().get(partition.index()).copied();
        if tail.is_none_or(|tail| offset >= tail) {
            return Ok(None);
        }
        let read = Arc::clone(&self.store).read(partition, offset, 1).await?;
        Ok(read
            .into_iter()
            .find(|entry| entry.position.offset == offset))
    }

    async fn store(&mut self, partition: Partition, next_offset: u64) -> Result<(), CommitError> {
        let lease = self.store.owners().lease(&self.group, partition);
        if lease.is_none_or(|lease| lease.reader != self.id) {
            return Err(CommitError::Revoked(partition));
        }
        self.store.commit(&self.group, partition, next_offset).await
    }
}

fn payload_bytes(entry: &Entry) -> usize {
    // An entry counts at least one byte, so that any number of empty ones is not free.
    entry
        .record
        .as_ref()
        .map_or(1, |record| record.payload.len().max(1))
}

impl<S: PartitionStore> LogReader for LocalReader<S> {
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
        if let Some(owned) = self.owned.get_mut(&partition) {
            (owned.fetch, owned.handed) = (offset, offset);
            self.ready
                .retain(|entry| entry.position.partition != partition);
        }
    }

    fn commit(
        &mut self,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        self.store(partition, next_offset).boxed()
    }
}
