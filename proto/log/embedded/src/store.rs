//! The file: five tables of redb, and what a commit does to them.
//!
//! ```text
//! chunks     (topic u8, partition u32, offset of the first record u64) -> chunk
//! committed  (group, partition u32) -> next offset u64, of readings
//! letters    group -> next offset u64, of dead letters
//! seen       (topic u8, group) -> UTC milliseconds u64 of its last commit
//! meta       "format", "partitions" -> u64
//! ```
//!
//! Everything that one write changes becomes durable together, with fsync, or not at all. After a write
//! that did not succeed redb refuses the file until it is opened anew, which [`Store::reopen`] does;
//! what such a write brought may or may not be there.

use std::{
    collections::BTreeMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, WriteTransaction,
};

use super::{
    chunk::{self, Damage},
    groups::Seen,
};
use greenpark_log::{
    error::OpenError,
    record::{Entry, Position, Topic},
};
use greenpark_model::log_position::Partition;

pub(crate) type Key = (u8, u32, u64);
pub(crate) const CHUNKS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("chunks");
pub(crate) const COMMITTED: TableDefinition<'_, (&str, u32), u64> =
    TableDefinition::new("committed");
pub(crate) const LETTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("letters");
pub(crate) const SEEN: TableDefinition<'_, (u8, &str), u64> = TableDefinition::new("seen");
pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout described above.
const FORMAT: u64 = 1;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("use the log's file")]
    File(#[from] redb::Error),
    #[error("the log's file is damaged; move it away or restore it from a copy")]
    Panicked,
    #[error("the log's file was closed by an earlier error and could not be opened again yet")]
    Closed,
    #[error("read partition {partition} at offset {offset}")]
    Damaged {
        partition: Partition,
        offset: u64,
        #[source]
        damage: Damage,
    },
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::File(error.into())
            }
        }
    )*};
}
from_redb!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    SetDurabilityError
);

/// Why the file cannot be opened, with what to do.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("create the folder")]
    Folder(#[source] std::io::Error),
    #[error("another process has the file open; stop it or give each its own folder")]
    Locked,
    #[error("the file is damaged; move it away or restore it from a copy")]
    Corrupt(#[source] Option<DatabaseError>),
    #[error(
        "the file has format {0}, which this release does not know; use the release that wrote it"
    )]
    Format(u64),
    #[error("use the file")]
    Use(#[source] StoreError),
}

/// A topic's partition in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneId {
    pub(crate) topic: Topic,
    pub(crate) partition: Partition,
}

impl LaneId {
    pub(crate) fn key(self, offset: u64) -> Key {
        let topic = match self.topic {
            Topic::Readings => 0,
            Topic::DeadLetters => 1,
        };
        (topic, self.partition.get(), offset)
    }
}

/// What a lane holds: offsets, and bytes counted from the lane's beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lane {
    /// The next record's offset.
    pub(crate) next: u64,
    /// Bytes of all chunks ever.
    pub(crate) bytes: u64,
    /// Bytes of those that were trimmed.
    pub(crate) trimmed: u64,
}

/// What the file held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) readings: Vec<Lane>,
    pub(crate) dead: Lane,
    pub(crate) committed: BTreeMap<(String, Partition), u64>,
    /// Next offsets of dead letters, by group.
    pub(crate) letters: BTreeMap<String, u64>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    cache_bytes: usize,
    partitions: u32,
    /// `None` after an error, until it is open again.
    database: RwLock<Option<Database>>,
}

impl Store {
    /// Opens or creates the file in `folder`.
    pub(crate) fn open(
        folder: &Path,
        partitions: u32,
        cache_bytes: usize,
    ) -> Result<(Self, Contents), OpenError> {
        let path = folder.join("log.redb");
        let shown = path.display().to_string();
        let fault = |trouble: Trouble| OpenError::File {
            path: shown.clone(),
            cause: Box::new(trouble),
        };
        std::fs::create_dir_all(folder).map_err(|error| fault(Trouble::Folder(error)))?;
        let database = open_database(&path, cache_bytes).map_err(fault)?;
        let store = Self {
            path,
            cache_bytes,
            partitions,
            database: RwLock::new(Some(database)),
        };
        let sync = File::open(folder).and_then(|folder| folder.sync_all());
        sync.map_err(|error| fault(Trouble::Folder(error)))?;
        let (format, found) = unpanicked(|| store.settle_meta())
            .unwrap_or(Err(StoreError::Panicked))
            .map_err(|error| fault(Trouble::Use(error)))?;
        if format != FORMAT {
            return Err(fault(Trouble::Format(format)));
        }
        if found != partitions {
            let topic = Topic::Readings.as_str();
            return Err(OpenError::PartitionCount {
                topic,
                expected: partitions,
                found,
            });
        }
        let contents = unpanicked(|| store.contents())
            .unwrap_or(Err(StoreError::Panicked))
            .map_err(|error| fault(Trouble::Use(error)))?;
        Ok((store, contents))
    }

    /// Opens the file again after an error, if that is needed.
    pub(crate) fn reopen(&self) -> Result<Contents, StoreError> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Closed first: the file is locked while it is open.
        close(guard.take());
        // Not created: a file that has gone is not to be replaced by an empty one.
        let open = || {
            Builder::new()
                .set_cache_size(self.cache_bytes)
                .open(&self.path)
        };
        let opened = unpanicked(open).ok_or(StoreError::Panicked)?;
        *guard = Some(opened.map_err(redb::Error::from)?);
        drop(guard);
        unpanicked(|| self.contents()).unwrap_or(Err(StoreError::Panicked))
    }

    /// Runs `change` in one durable transaction.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// At least one record of `lane` from `from` on if there is any, about `bytes_max` of them.
    pub(crate) fn read(
        &self,
        lane: LaneId,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut chunks = Vec::new();
        self.with(|database| {
            let table = database.begin_read()?.open_table(CHUNKS)?;
            let start = first_at_or_before(&table, lane, from)?.unwrap_or(from);
            let mut bytes = 0;
            for pair in table.range(lane.key(start)..=lane.key(u64::MAX))? {
                let (key, value) = pair?;
                let chunk = Bytes::copy_from_slice(value.value());
                bytes += chunk.len();
                chunks.push((key.value().2, chunk));
                if bytes >= bytes_max {
                    break;
                }
            }
            Ok(())
        })?;
        let partition = lane.partition;
        let mut entries = Vec::new();
        for (offset, chunk) in chunks {
            chunk::decode(&chunk, Position { partition, offset }, from, &mut entries).map_err(
                |damage| StoreError::Damaged {
                    partition,
                    offset,
                    damage,
                },
            )?;
        }
        Ok(entries)
    }

    pub(crate) fn with<T>(
        &self,
        job: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        job(guard.as_ref().ok_or(StoreError::Closed)?)
    }

    /// The file's format and partition count, which a new file gets from here.
    fn settle_meta(&self) -> Result<(u64, u32), StoreError> {
        self.write(|transaction| {
            transaction.open_table(CHUNKS)?;
            transaction.open_table(COMMITTED)?;
            transaction.open_table(LETTERS)?;
            transaction.open_table(SEEN)?;
            let mut meta = transaction.open_table(META)?;
            let format = meta.get("format")?.map(|guard| guard.value());
            let partitions = meta.get("partitions")?.map(|guard| guard.value());
            if format.is_none() {
                meta.insert("format", FORMAT)?;
                meta.insert("partitions", u64::from(self.partitions))?;
            }
            let partitions = partitions.unwrap_or(u64::from(self.partitions));
            Ok((
                format.unwrap_or(FORMAT),
                u32::try_from(partitions).unwrap_or(u32::MAX),
            ))
        })
    }

    /// When each group last committed.
    pub(crate) fn seen(&self) -> Result<Seen, StoreError> {
        self.with(|database| {
            let mut seen = Seen::new();
            for pair in database.begin_read()?.open_table(SEEN)?.iter()? {
                let (key, ms) = pair?;
                let (topic, group) = key.value();
                let ms = i64::try_from(ms.value()).unwrap_or(i64::MAX);
                seen.insert((topic, group.to_owned()), ms);
            }
            Ok(seen)
        })
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let chunks = transaction.open_table(CHUNKS)?;
            let readings = Partition::all(self.partitions)
                .map(|partition| {
                    survey(
                        &chunks,
                        LaneId {
                            topic: Topic::Readings,
                            partition,
                        },
                    )
                })
                .collect::<Result<_, _>>()?;
            let dead = survey(
                &chunks,
                LaneId {
                    topic: Topic::DeadLetters,
                    partition: Partition::FIRST,
                },
            )?;
            let mut committed = BTreeMap::new();
            for pair in transaction.open_table(COMMITTED)?.iter()? {
                let (key, offset) = pair?;
                let (group, partition) = key.value();
                let partition = Partition::new(partition);
                committed.insert((group.to_owned(), partition), offset.value());
            }
            let mut letters = BTreeMap::new();
            for pair in transaction.open_table(LETTERS)?.iter()? {
                let (group, offset) = pair?;
                letters.insert(group.value().to_owned(), offset.value());
            }
            Ok(Contents {
                readings,
                dead,
                committed,
                letters,
            })
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let database = self.database.get_mut();
        close(database.unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The answer of `job`, or nothing if it panics: redb may, at a file that something else wrote over. That
/// is damage, not a reason to crash.
fn unpanicked<T>(job: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(job)).ok()
}

/// Closes the file, which redb writes to once more. Every receipt was durable before, so a panic there
/// loses nothing; whoever opens the file next is told of the damage.
fn close(database: Option<Database>) {
    let _closed = unpanicked(|| drop(database));
}

fn open_database(path: &Path, cache_bytes: usize) -> Result<Database, Trouble> {
    let open = || Builder::new().set_cache_size(cache_bytes).create(path);
    match unpanicked(open) {
        Some(Ok(database)) => Ok(database),
        Some(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(Trouble::Locked),
        Some(Err(DatabaseError::Storage(StorageError::Io(error))))
            if error.kind() != std::io::ErrorKind::InvalidData =>
        {
            Err(Trouble::Use(StoreError::File(
                StorageError::Io(error).into(),
            )))
        }
        Some(Err(error)) => Err(Trouble::Corrupt(Some(error))),
        None => Err(Trouble::Corrupt(None)),
    }
}

/// The offset of the chunk that holds `offset`, or of the last one before it.
fn first_at_or_before(
    table: &impl ReadableTable<Key, &'static [u8]>,
    lane: LaneId,
    offset: u64,
) -> Result<Option<u64>, StoreError> {
    let last = table
        .range(lane.key(0)..=lane.key(offset))?
        .next_back()
        .transpose()?;
    Ok(last.map(|(key, _chunk)| key.value().2))
}

/// Reads a lane's ends.
fn survey(
    table: &impl ReadableTable<Key, &'static [u8]>,
    lane: LaneId,
) -> Result<Lane, StoreError> {
    let mut range = table.range(lane.key(0)..=lane.key(u64::MAX))?;
    let Some(first) = range.next().transpose()? else {
        return Ok(Lane::default());
    };
    let look = |offset: u64, chunk: &[u8]| {
        let partition = lane.partition;
        chunk::outline(chunk).map_err(|damage| StoreError::Damaged {
            partition,
            offset,
            damage,
        })
    };
    let trimmed = look(first.0.value().2, first.1.value())?.bytes_before;
    let last = range.next_back().transpose()?.unwrap_or(first);
    let (base, chunk) = (last.0.value().2, last.1.value());
    let outline = look(base, chunk)?;
    let bytes = outline.bytes_before + chunk.len() as u64;
    Ok(Lane {
        next: base + u64::from(outline.records),
        bytes,
        trimmed,
    })
}

/// Bytes of the lane's chunks that lie wholly before `offset`, counted from its beginning.
pub(crate) fn bytes_before(
    table: &impl ReadableTable<Key, &'static [u8]>,
    id: LaneId,
    lane: Lane,
    offset: u64,
) -> Result<u64, StoreError> {
    if offset >= lane.next {
        return Ok(lane.bytes);
    }
    let last = table
        .range(id.key(0)..=id.key(offset))?
        .next_back()
        .transpose()?;
    let Some((key, value)) = last else {
        return Ok(lane.trimmed);
    };
    let outline = chunk::outline(value.value()).map_err(|damage| StoreError::Damaged {
        partition: id.partition,
        offset: key.value().2,
        damage,
    })?;
    Ok(outline.bytes_before)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_damaged_meanwhile_is_an_error_until_it_is_restored() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _contents) = Store::open(folder.path(), 1, 1 << 20).expect("the file opens");
        let path = folder.path().join("log.redb");
        let whole = fs::read(&path).expect("it reads");
        let cuts = (0..64).map(|part| whole.len() * part / 64);
        for cut in cuts {
            let mut damaged = whole.clone();
            damaged[cut..].fill(0x5a);
            fs::write(&path, &damaged).expect("it is written");
            // Some damage goes unnoticed until it is read.
            let _opened = store.reopen();
            fs::write(&path, &whole[..cut]).expect("it is written");
            let _opened = store.reopen();
        }
        fs::write(&path, [b'?'; 64]).expect("it is written");
        let refused = store.reopen();
        assert!(refused.is_err(), "{refused:?}");
        fs::write(&path, &whole).expect("it is written");
        store.reopen().expect("the file opens again");
    }
}
