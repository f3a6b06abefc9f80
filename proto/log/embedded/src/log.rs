//! The log: what is open, how it appends and hands out readers.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use greenpark_log::{
    append::{DurableLog, LogWriter},
    contract::LogReader,
    error::{AppendError, CommitError, OpenError, ReadError},
    inflight::{self, Held, Window},
    local_reader::{LocalReader, PartitionStore},
    ownership::Owners,
    record::{Entry, Record, Topic},
};
use greenpark_model::{clock::Clock, log_position::Partition};
use tokio::sync::{oneshot, watch};

use crate::{
    journal::Journal,
    letters::Letters,
    published::Published,
    queue::{Append, Commit, Queue},
    store::{LaneId, Store},
};

/// Most payload that one [`EmbeddedLog::dead_letters`] call reads: a page for a person.
const DEAD_LETTER_PAGE_BYTES: usize = 8 << 20;

/// What may be tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFileSettings {
    /// How many partitions; a file keeps the count it was made with.
    pub partitions: u32,
    /// How many bytes of records that every group has committed are kept.
    pub retain_bytes: u64,
    /// How many bytes of dead letters are kept, at least until every group that reads them has committed them.
    pub dead_letter_bytes: u64,
    /// Most bytes of appends under way; further ones wait.
    pub inflight_bytes: usize,
    /// How long a small group waits for company before it is written.
    pub linger: Duration,
    /// Memory for the file's pages.
    pub cache_bytes: usize,
}

impl Default for LogFileSettings {
    fn default() -> Self {
        Self {
            partitions: 1,
            retain_bytes: 1 << 30,
            dead_letter_bytes: 1 << 30,
            inflight_bytes: 64 << 20,
            linger: Duration::from_millis(2),
            cache_bytes: 64 << 20,
        }
    }
}

/// The log in one file. Clones are the same log; the file is closed with the last clone, writer and
/// reader.
#[derive(Debug, Clone)]
pub struct EmbeddedLog {
    pub(crate) core: Arc<Core>,
}

/// What writers and readers share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) published: Arc<Published>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) letter_owners: Arc<Owners>,
    pub(crate) window: Window,
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("log's thread panicked");
        }
    }
}

impl EmbeddedLog {
    /// Opens the log in `folder`, which is made if it is not there. Records and commits are stamped by `clock`.
    ///
    /// # Errors
    /// [`OpenError`]: the file is locked by another process, damaged, of another format or partition
    /// count, or the disk refuses.
    pub fn open(folder: &Path, settings: LogFileSettings, clock: Clock) -> Result<Self, OpenError> {
        let settings = LogFileSettings {
            partitions: settings.partitions.max(1),
            ..settings
        };
        let (store, contents) = Store::open(folder, settings.partitions, settings.cache_bytes)?;
        let store = Arc::new(store);
        let queue = Arc::new(Queue::new(settings.linger));
        let published = Arc::new(Published::new(&contents));
        let (owners, letter_owners) = (Arc::new(Owners::default()), Arc::new(Owners::default()));
        let journal = Journal {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            published: Arc::clone(&published),
            owners: Arc::clone(&owners),
            letter_owners: Arc::clone(&letter_owners),
            settings,
            clock,
            contents,
            unsure: false,
            buffer: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name("log-journal".to_owned())
            .spawn(move || journal.run())
            .map_err(|error| OpenError::File {
                path: folder.display().to_string(),
                cause: Box::new(error),
            })?;
        let window = Window::new(settings.inflight_bytes);
        let thread = Some(thread);
        Ok(Self {
            core: Arc::new(Core {
                store,
                queue,
                published,
                owners,
                letter_owners,
                window,
                thread,
            }),
        })
    }

    /// The one that appends.
    #[must_use]
    pub fn writer(&self) -> LogWriter {
        LogWriter::new(Arc::new(self.clone()))
    }

    /// A new reader of `group`, which takes every partition over from an older one.
    #[must_use]
    pub fn reader(&self, group: &str) -> Box<dyn LogReader> {
        Box::new(LocalReader::new(Arc::clone(&self.core), group))
    }

    /// The same for dead letters, which lie in one partition.
    #[must_use]
    pub fn letter_reader(&self, group: &str) -> Box<dyn LogReader> {
        let shelf = Arc::new(Letters::of(&self.core));
        Box::new(LocalReader::new(shelf, group))
    }

    /// At most `max` dead letters from `from_offset` on, in order; fewer when they are large, none at
    /// the end.
    ///
    /// # Errors
    /// [`ReadError`]: the file cannot be read.
    pub async fn dead_letters(
        &self,
        from_offset: u64,
        max: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let lane = LaneId {
            topic: Topic::DeadLetters,
            partition: Partition::FIRST,
        };
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        while entries.len() < max && bytes < DEAD_LETTER_PAGE_BYTES {
            let from = entries
                .last()
                .map_or(from_offset, |last| last.position.offset + 1);
            let read = Arc::clone(&self.core).read_lane(lane, from, 1).await?;
            if read.is_empty() {
                break;
            }
            bytes += read
                .iter()
                .map(|entry| {
                    entry
                        .record
                        .as_ref()
                        .map_or(0, |record| record.payload.len())
                })
                .sum::<usize>();
            entries.extend(read);
        }
        entries.truncate(max);
        Ok(entries)
    }

    /// Why the last write to the file did not succeed; `None` where it did.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.core.published.trouble()
    }

    /// How many readings' records `group` has not committed yet.
    #[must_use]
    pub fn backlog(&self, group: &str) -> u64 {
        let tails = self.core.published.tails.borrow().clone();
        self.backlog_to(group, &tails)
    }

    /// When the oldest record that `group` has not committed was appended, in UTC milliseconds; `None` where it has
    /// all.
    ///
    /// # Errors
    /// [`ReadError`]: the file cannot be read.
    pub async fn oldest_unread_ms(&self, group: &str) -> Result<Option<i64>, ReadError> {
        let tails = self.core.published.tails.borrow().clone();
        let mut oldest: Option<i64> = None;
        for (partition, tail) in Partition::all(u32::MAX).zip(tails) {
            let from = self.core.published.committed(group, partition);
            if from >= tail {
                continue;
            }
            let lane = LaneId {
                topic: Topic::Readings,
                partition,
            };
            let read = Arc::clone(&self.core).read_lane(lane, from, 1).await?;
            let first = read.first().map(|entry| entry.appended_ms);
            oldest = oldest.into_iter().chain(first).min();
        }
        Ok(oldest)
    }

    pub(crate) fn backlog_to(&self, group: &str, tails: &[u64]) -> u64 {
        let behind = |(partition, &tail): (Partition, &u64)| {
            tail.saturating_sub(self.core.published.committed(group, partition))
        };
        Partition::all(u32::MAX).zip(tails).map(behind).sum()
    }
}

impl Core {
    fn submit(
        &self,
        topic: Topic,
        records: Vec<Record>,
        bytes: usize,
        held: Held,
    ) -> oneshot::Receiver<Result<(), AppendError>> {
        let (done, settled) = oneshot::channel();
        self.queue.append(Append {
            topic,
            records,
            bytes,
            done,
            _held: held,
        });
        settled
    }

    pub(crate) async fn read_lane(
        self: Arc<Self>,
        lane: LaneId,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        // Only the store goes along: the log must close when its handles are gone.
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || store.read(lane, from, bytes_max)).await;
        read.map_err(|error| ReadError::Read(Box::new(error)))?
            .map_err(|error| ReadError::Read(Box::new(error)))
    }
}

impl DurableLog for EmbeddedLog {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>> {
        let bytes = match inflight::weigh(&records) {
            Ok(bytes) => bytes,
            Err(error) => return futures::future::err(error).boxed(),
        };
        if records.is_empty() {
            return futures::future::ok(()).boxed();
        }
        if let Some(held) = self.core.window.try_enter(bytes) {
            let settled = self.core.submit(topic, records, bytes, held);
            return async move { settled.await.unwrap_or(Err(AppendError::Closed)) }.boxed();
        }
        let waiting = self.core.window.queue(bytes);
        async move {
            let held = waiting.enter().await?;
            let settled = self.core.submit(topic, records, bytes, held);
            settled.await.unwrap_or(Err(AppendError::Closed))
        }
        .boxed()
    }
}

impl PartitionStore for Core {
    fn owners(&self) -> &Owners {
        &self.owners
    }

    fn tails(&self) -> watch::Receiver<Vec<u64>> {
        self.published.tails.subscribe()
    }

    fn committed(&self, group: &str, partition: Partition) -> u64 {
        self.published.committed(group, partition)
    }

    fn read(
        self: Arc<Self>,
        partition: Partition,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        self.read_lane(
            LaneId {
                topic: Topic::Readings,
                partition,
            },
            from,
            bytes_max,
        )
        .boxed()
    }

    fn commit(
        &self,
        group: &str,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        let (done, settled) = oneshot::channel();
        let group = group.to_owned();
        self.queue.commit(Commit {
            topic: Topic::Readings,
            group,
            partition,
            next_offset,
            done,
        });
        stored(settled).boxed()
    }
}

/// What became of a commit.
pub(crate) async fn stored(
    settled: oneshot::Receiver<Result<(), CommitError>>,
) -> Result<(), CommitError> {
    settled
        .await
        .unwrap_or_else(|_gone| Err(CommitError::Store(Box::new(ReadError::Closed))))
}
