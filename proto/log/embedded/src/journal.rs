//! The one thread that writes: it takes what has gathered, writes it in one transaction and mints the
//! receipts.
//!
//! In the same transaction it stores the groups' offsets and trims what the bounds no longer allow, a
//! few chunks at a time, so that trimming never holds an append up for long.

use std::{sync::Arc, thread};

use greenpark_model::{clock::Clock, day::Instant, log_position::Partition};
use redb::{ReadableTable, Table};
use tracing::{error, info};

use super::{
    LogFileSettings,
    chunk::Builder,
    groups,
    published::Published,
    queue::{Append, Commit, Group, Queue},
    store::{self, CHUNKS, COMMITTED, Contents, Key, LETTERS, Lane, LaneId, Store, StoreError},
};
use greenpark_log::{
    error::{AppendError, Cause, CommitError},
    local_reader::PastEnd,
    ownership::Owners,
    partition,
    record::{Record, Topic},
};

/// A chunk and its key fit a page of 256 KiB of redb, whose pages are powers of two.
const CHUNK_BYTES: usize = 255 << 10;

/// Most chunks that one transaction trims from a lane: at least twice what it can add.
const TRIM_CHUNKS_MAX: usize = 160;

/// Everything the thread needs.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) published: Arc<Published>,
    pub(crate) owners: Arc<Owners>,
    /// Those of dead letters.
    pub(crate) letter_owners: Arc<Owners>,
    pub(crate) settings: LogFileSettings,
    pub(crate) clock: Clock,
    pub(crate) contents: Contents,
    /// The last write did not succeed and the file has not been read since.
    pub(crate) unsure: bool,
    pub(crate) buffer: Vec<u8>,
}

/// Abandons the queue when the thread ends, so that nobody waits for a thread that has panicked.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("log's thread panicked; the log takes no more until it is opened again");
        }
        self.0.abandon();
    }
}

/// One error for every caller of a group.
#[derive(Debug, Clone, thiserror::Error)]
#[error("commit a group to the log's file")]
struct GroupError(#[source] Arc<StoreError>);

impl Journal {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _abandon = Abandon(Arc::clone(&self.queue));
        while let Some(group) = self.queue.next_group() {
            self.settle(group);
        }
    }

    fn settle(&mut self, group: Group) {
        let (commits, refused) = self.check(group.commits);
        for (commit, past) in refused {
            // A caller that has gone needs no answer; so everywhere below.
            let _gone = commit.done.send(Err(CommitError::Store(Box::new(past))));
        }
        let written = self
            .recover()
            .and_then(|()| self.write(&group.appends, &commits));
        match written {
            Ok(contents) => {
                self.contents = contents;
                self.published.show(&self.contents);
                self.published.set_trouble(None);
                for append in group.appends {
                    let _gone = append.done.send(Ok(()));
                }
                for commit in commits {
                    let _gone = commit.done.send(Ok(()));
                }
            }
            Err(cause) => {
                error!(
                    cause = &cause as &dyn std::error::Error,
                    "log cannot be written"
                );
                self.unsure = true;
                self.published.set_trouble(Some(chain(&cause)));
                let shared = GroupError(Arc::new(cause));
                let boxed = || -> Cause { Box::new(shared.clone()) };
                for append in group.appends {
                    let _gone = append.done.send(Err(AppendError::Write(boxed())));
                }
                for commit in commits {
                    let _gone = commit.done.send(Err(CommitError::Store(boxed())));
                }
            }
        }
    }

    /// Parts commits into those that name an offset the log has reached and those that do not.
    fn check(&self, commits: Vec<Commit>) -> (Vec<Commit>, Vec<(Commit, PastEnd)>) {
        let mut good = Vec::with_capacity(commits.len());
        let mut refused = Vec::new();
        for commit in commits {
            let partition = commit.partition;
            let lane = match commit.topic {
                Topic::Readings => self.contents.readings.get(partition.index()),
                Topic::DeadLetters => {
                    (partition == Partition::FIRST).then_some(&self.contents.dead)
                }
            };
            let tail = lane.map_or(0, |lane| lane.next);
            if commit.next_offset > tail || lane.is_none() {
                let past = PastEnd {
                    partition,
                    offset: commit.next_offset,
                    tail,
                };
                refused.push((commit, past));
            } else {
                good.push(commit);
            }
        }
        (good, refused)
    }

    /// After an error, learns from the file what is in it.
    fn recover(&mut self) -> Result<(), StoreError> {
        if self.unsure {
            self.contents = self.store.reopen()?;
            self.unsure = false;
            self.published.show(&self.contents);
            info!("log can be written again");
        }
        Ok(())
    }

    /// Writes a group and returns what the file holds then.
    fn write(&mut self, appends: &[Append], commits: &[Commit]) -> Result<Contents, StoreError> {
        let mut contents = Contents {
            readings: self.contents.readings.clone(),
            dead: self.contents.dead,
            committed: self.contents.committed.clone(),
            letters: self.contents.letters.clone(),
        };
        let (buffer, now) = (std::mem::take(&mut self.buffer), self.clock.now());
        self.buffer = self.store.write(|transaction| {
            let mut chunks = transaction.open_table(CHUNKS)?;
            let buffer = insert(&mut chunks, &mut contents, appends, now, buffer)?;
            let mut committed = transaction.open_table(COMMITTED)?;
            let mut letters = transaction.open_table(LETTERS)?;
            for commit in commits {
                if commit.topic == Topic::DeadLetters {
                    let offset = contents.letters.entry(commit.group.clone()).or_insert(0);
                    *offset = commit.next_offset.max(*offset);
                    letters.insert(commit.group.as_str(), *offset)?;
                    continue;
                }
                let key = (commit.group.clone(), commit.partition);
                let offset = contents.committed.entry(key).or_insert(0);
                *offset = commit.next_offset.max(*offset);
                committed.insert((commit.group.as_str(), commit.partition.get()), *offset)?;
            }
            let seen = commits.iter().map(|of| (of.topic, of.group.as_str()));
            groups::see(transaction, seen, now)?;
            self.trim(&mut chunks, &mut contents)?;
            Ok(buffer)
        })?;
        Ok(contents)
    }

    /// Removes the oldest chunks that the bounds no longer allow.
    fn trim(
        &self,
        chunks: &mut Table<'_, Key, &'static [u8]>,
        contents: &mut Contents,
    ) -> Result<(), StoreError> {
        let retain = self.settings.retain_bytes / u64::from(self.settings.partitions.max(1));
        for partition in Partition::all(self.settings.partitions) {
            let id = LaneId {
                topic: Topic::Readings,
                partition,
            };
            let lane = contents.readings[partition.index()];
            if lane.bytes - lane.trimmed <= retain {
                continue;
            }
            let floor = self.floor(contents, partition);
            let lane = &mut contents.readings[partition.index()];
            if floor > 0 {
                let consumed = store::bytes_before(chunks, id, *lane, floor)?;
                trim_lane(chunks, id, lane, consumed.saturating_sub(retain))?;
            }
        }
        let dead = contents.dead;
        let mut until = dead.bytes.saturating_sub(self.settings.dead_letter_bytes);
        if until > dead.trimmed {
            let id = LaneId {
                topic: Topic::DeadLetters,
                partition: Partition::FIRST,
            };
            if let Some(floor) = self.letter_floor(contents) {
                until = until.min(store::bytes_before(chunks, id, dead, floor)?);
            }
            trim_lane(chunks, id, &mut contents.dead, until)?;
        }
        Ok(())
    }

    /// The offset below which every group has committed dead letters; `None` while nobody reads them.
    fn letter_floor(&self, contents: &Contents) -> Option<u64> {
        let mut groups = self.letter_owners.groups();
        groups.extend(contents.letters.keys().cloned());
        let committed = |group| contents.letters.get(&group).copied().unwrap_or(0);
        groups.into_iter().map(committed).min()
    }

    /// The offset below which every group has committed; 0 while no group has committed anything.
    fn floor(&self, contents: &Contents, partition: Partition) -> u64 {
        let mut groups = self.owners.groups();
        groups.extend(
            contents
                .committed
                .keys()
                .map(|(group, _partition)| group.clone()),
        );
        let committed = |group| {
            contents
                .committed
                .get(&(group, partition))
                .copied()
                .unwrap_or(0)
        };
        groups.into_iter().map(committed).min().unwrap_or(0)
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// Cuts the appended records into chunks and inserts them. Returns the buffer for the next group.
fn insert(
    chunks: &mut Table<'_, Key, &'static [u8]>,
    contents: &mut Contents,
    appends: &[Append],
    now: Instant,
    mut buffer: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let appended_ms = now.millis();
    let partitions = u32::try_from(contents.readings.len()).unwrap_or(u32::MAX);
    let mut open: Vec<Option<Builder<'_>>> = (0..=partitions).map(|_| None).collect();
    for append in appends {
        for record in &append.records {
            let index = match append.topic {
                Topic::Readings => partition::of(&record.park, partitions).get(),
                Topic::DeadLetters => partitions,
            };
            let slot = &mut open[index as usize];
            if let Some(full) = slot.take_if(|builder| is_full(builder, record)) {
                buffer = store_chunk(chunks, contents, index, full, appended_ms)?;
            }
            slot.get_or_insert_with(|| Builder::new(std::mem::take(&mut buffer)))
                .push(record);
        }
    }
    for (index, builder) in (0..).zip(open) {
        if let Some(builder) = builder {
            buffer = store_chunk(chunks, contents, index, builder, appended_ms)?;
        }
    }
    Ok(buffer)
}

fn is_full(builder: &Builder<'_>, record: &Record) -> bool {
    builder.size_with(record) > CHUNK_BYTES
}

/// Inserts a chunk of the lane with this index, of which the last is the dead letters', and gives back
/// its buffer.
fn store_chunk(
    chunks: &mut Table<'_, Key, &'static [u8]>,
    contents: &mut Contents,
    index: u32,
    builder: Builder<'_>,
    appended_ms: i64,
) -> Result<Vec<u8>, StoreError> {
    let (id, lane) = match contents.readings.get_mut(index as usize) {
        Some(lane) => (
            LaneId {
                topic: Topic::Readings,
                partition: Partition::new(index),
            },
            lane,
        ),
        None => (
            LaneId {
                topic: Topic::DeadLetters,
                partition: Partition::FIRST,
            },
            &mut contents.dead,
        ),
    };
    let records = builder.records();
    let chunk = builder.finish(appended_ms, lane.bytes);
    chunks.insert(id.key(lane.next), chunk.as_slice())?;
    lane.next += u64::from(records);
    lane.bytes += chunk.len() as u64;
    Ok(chunk)
}

/// Removes chunks from the front while they end at or before `until`, counted in bytes.
fn trim_lane(
    chunks: &mut Table<'_, Key, &'static [u8]>,
    id: LaneId,
    lane: &mut Lane,
    until: u64,
) -> Result<(), StoreError> {
    let mut old = Vec::new();
    let mut trimmed = lane.trimmed;
    for pair in chunks
        .range(id.key(0)..=id.key(u64::MAX))?
        .take(TRIM_CHUNKS_MAX)
    {
        let (key, value) = pair?;
        let end = trimmed + value.value().len() as u64;
        // The last chunk stays: it says where the lane goes on.
        if end > until || end >= lane.bytes {
            break;
        }
        trimmed = end;
        old.push(key.value());
    }
    for key in old {
        chunks.remove(key)?;
    }
    lane.trimmed = trimmed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};
    use tokio::sync::oneshot;

    use super::*;
    use greenpark_log::{
        inflight::Window,
        record::{ContentType, Headers},
    };

    fn record() -> Record {
        Record {
            park: ParkId::new("park-1").expect("an id"),
            headers: Headers {
                enterprise: EnterpriseId::new("steel-01").expect("an id"),
                gateway: GatewayId::new("gw-7").expect("an id"),
                epoch: 1,
                sequence: 1,
                content_type: ContentType::ReadingBatch,
            },
            payload: Bytes::from_static(b"payload"),
        }
    }

    /// Goal: callers are answered when the thread has panicked. Method: the settings name one partition
    /// more than the file has, so that the first write panics.
    #[tokio::test]
    async fn a_thread_that_panicked_leaves_nobody_waiting() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, contents) = Store::open(folder.path(), 1, 1 << 20).expect("the file opens");
        let queue = Arc::new(Queue::new(Duration::ZERO));
        let journal = Journal {
            store: Arc::new(store),
            queue: Arc::clone(&queue),
            published: Arc::new(Published::new(&contents)),
            owners: Arc::new(Owners::default()),
            letter_owners: Arc::new(Owners::default()),
            settings: LogFileSettings {
                partitions: 2,
                ..LogFileSettings::default()
            },
            clock: Clock::new(|| Instant::from_millis(0)),
            contents,
            unsure: false,
            buffer: Vec::new(),
        };
        let running = thread::Builder::new().spawn(move || journal.run());
        let running = running.expect("a thread");
        let window = Window::new(1 << 10);
        for call in ["the one that panics", "a later one"] {
            let (done, settled) = oneshot::channel();
            queue.append(Append {
                topic: Topic::Readings,
                records: vec![record()],
                bytes: 200,
                done,
                _held: window.try_enter(200).expect("there is room"),
            });
            let answer = tokio::time::timeout(Duration::from_secs(20), settled).await;
            assert!(matches!(answer, Ok(Err(_))), "{call}: {answer:?}");
        }
        assert!(running.join().is_err(), "it did not panic");
    }
}
