//! The writer of one park's year.
//!
//! # The order of a publish
//! 1. The change's files are made durable together.
//! 2. Its totals are committed, under the number of a new *seal*.
//! 3. Its readings are committed, with the offset that was consumed and the number of the seal.
//!
//! Totals go first so that no reader ever finds a sealed day without them: a total of a revision that is not
//! sealed (yet) does not count. A crash between 2 and 3 leaves totals of a seal that never reached the
//! readings. The next writer that opens the book removes them, after a commit to the readings that fences a
//! writer which may still be between the two. So nothing has to be repaired by hand.
//!
//! Rollups are made of totals right afterwards; see [`rollups`](crate::tables::rollups).
//!
//! # One writer
//! Every commit is the version after the one we know. If that version exists already, another writer has the
//! book: the commit fails with [`LakePublishError::Fenced`], and everything held for the book must be dropped.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use greenpark_model::{
    day::CivilDay,
    id::{EnterpriseId, ParkId},
    log_position::Partition,
};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};
use tracing::info;

pub use self::change::{Change, NewFile, WrittenFile};
use self::change::{new_data, old_data, old_totals};
pub(crate) use self::tables::Tables;
pub use crate::tables::consumed::Consumed;
use crate::{
    delta::{Commit, NewData, OldData, Table, expired::Expired, state::TableState},
    error::{EncodeError, FileDecodeError, LakeOpenError, LakePublishError, LakeReadError},
    readings::{
        decode::{Outline, decode_between, decode_outline, decode_readings},
        file::{FileKind, ReadingsFile, day_folder},
    },
    rows::ReadingRows,
    store::Storage,
    tables::{
        consumed::{consumed_of, partition_txn, txn_version, txns_of},
        rollups::RollupsFile,
        totals::{self, TotalsFile, TotalsRow},
        written::{commits_at, commits_txn},
    },
};

/// The Delta transaction that numbers seals, in all tables. In the rollups it is the last seal whose totals are
/// rolled up.
pub(crate) const SEALS: &str = "greenpark.seals";
/// Files with more rows than this are decoded on a blocking thread.
const DECODE_ROWS_INLINE: u64 = 4_096;
/// Attempts to open a book while another writer is still leaving it.
const OPEN_ATTEMPTS: usize = 4;

/// Proof that a change is durably in the book. Only [`Book::publish`] creates one.
#[must_use = "this is what allows to commit what was consumed"]
#[derive(Debug)]
pub struct Published {
    version: i64,
    next_offset: Option<u64>,
}

impl Published {
    /// The version of the readings table that holds the change.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The offset up to which the change consumed records.
    #[must_use]
    pub fn next_offset(&self) -> Option<u64> {
        self.next_offset
    }
}

/// The writer of one park's year.
#[derive(Debug)]
pub struct Book {
    park: ParkId,
    year: i16,
    storage: Storage,
    readings: Table,
    totals: Table,
    rollups: Table,
    state: TableState<ReadingsFile>,
    totals_state: TableState<TotalsFile>,
    rollups_state: TableState<RollupsFile>,
    /// False if the rollups could not be read: then they stay as they are.
    rolls_up: bool,
    expired: Expired,
}

impl Book {
    pub(crate) async fn open(
        storage: &Storage,
        park: &ParkId,
        year: i16,
    ) -> Result<Self, LakeOpenError> {
        let tables = Tables::of(storage, park, year);
        let Tables {
            readings, totals, ..
        } = &tables;
        let mut attempt = 1;
        loop {
            // Loaded before the others: they then hold everything that is rolled up meanwhile, and the rollups
            // never seem to be ahead.
            let rollups_state = tables.rollups_of_writer().await?;
            let mut book = Self {
                park: park.clone(),
                year,
                storage: storage.clone(),
                readings: readings.clone(),
                totals: totals.clone(),
                rollups: tables.rollups.clone(),
                state: readings.load().await?,
                totals_state: totals.load().await?,
                rolls_up: rollups_state.is_some(),
                rollups_state: rollups_state.unwrap_or_default(),
                expired: Expired::default(),
            };
            book.readings.check_whole(book.state.version).await?;
            book.totals.check_whole(book.totals_state.version).await?;
            book.readings.make_durable(book.state.version).await?;
            book.totals.make_durable(book.totals_state.version).await?;
            book.expire_removed();
            match book.repair().await {
                Ok(()) => return Ok(book),
                Err(LakePublishError::Fenced { .. }) if attempt < OPEN_ATTEMPTS => attempt += 1,
                Err(error) => return Err(LakeOpenError::Repair(error)),
            }
        }
    }

    /// The park.
    #[must_use]
    pub fn park(&self) -> &ParkId {
        &self.park
    }

    /// The year.
    #[must_use]
    pub fn year(&self) -> i16 {
        self.year
    }

    /// The version of the readings table; −1 before the first publish.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.state.version
    }

    /// The number of commits to its readings.
    #[must_use]
    pub fn commits(&self) -> u64 {
        commits_at(self.state.version)
    }

    /// The first offset of a partition that was not consumed into this book.
    #[must_use]
    pub fn next_offset(&self, partition: Partition) -> Option<u64> {
        let version = self.state.txns.get(&partition_txn(partition))?;
        u64::try_from(*version).ok()
    }

    fn consumed_of(&self, partition: Partition) -> Option<Consumed> {
        self.consumed().find(|one| one.partition == partition)
    }

    /// How far each partition has been consumed into this book: one partition, unless the park has moved.
    pub fn consumed(&self) -> impl Iterator<Item = Consumed> {
        consumed_of(&self.state.txns).into_iter()
    }

    /// All files, by day.
    pub fn files(&self) -> impl Iterator<Item = &ReadingsFile> {
        self.state.files.values()
    }

    /// The files of one day.
    pub fn day_files(&self, day: CivilDay) -> impl Iterator<Item = &ReadingsFile> {
        let folders = day_folder(day)..day_folder(day.next());
        self.state
            .files
            .range(folders)
            .map(|(_, file)| file)
            .filter(move |file| file.day == day)
    }

    /// The days that have hot files, in order.
    #[must_use]
    pub fn hot_days(&self) -> Vec<CivilDay> {
        let mut days: Vec<_> = self
            .files()
            .filter(|file| file.is_hot())
            .map(|file| file.day)
            .collect();
        days.dedup();
        days
    }

    /// Reads the readings of a file.
    ///
    /// # Errors
    /// [`LakeReadError`] if it is gone or damaged.
    pub async fn read(&self, file: &ReadingsFile) -> Result<ReadingRows, LakeReadError> {
        self.decode(file, decode_readings).await
    }

    /// Reads which enterprises a file holds readings of.
    ///
    /// # Errors
    /// [`LakeReadError`] if it is gone or damaged.
    pub async fn outline(&self, file: &ReadingsFile) -> Result<Outline, LakeReadError> {
        self.decode(file, decode_outline).await
    }

    /// Reads the readings of the enterprises from `first` to `last`; `outline` is that of `file`.
    ///
    /// # Errors
    /// [`LakeReadError`] if it is gone or damaged.
    pub async fn read_between(
        &self,
        file: &ReadingsFile,
        outline: &Arc<Outline>,
        first: &EnterpriseId,
        last: &EnterpriseId,
    ) -> Result<ReadingRows, LakeReadError> {
        let (outline, first, last) = (Arc::clone(outline), first.clone(), last.clone());
        self.decode(file, move |bytes| {
            decode_between(bytes, &outline, (&first, &last))
        })
        .await
    }

    async fn decode<T: Send + 'static>(
        &self,
        file: &ReadingsFile,
        decode: impl FnOnce(Bytes) -> Result<T, FileDecodeError> + Send + 'static,
    ) -> Result<T, LakeReadError> {
        let place = self.readings.place(&file.path);
        let path = place.to_string();
        let bytes = match self.storage.read(&place).await {
            Ok(bytes) => bytes,
            Err(source) => return Err(LakeReadError::Store { path, source }),
        };
        let decoded = if file.rows <= DECODE_ROWS_INLINE {
            decode(bytes)
        } else {
            let decoded = tokio::task::spawn_blocking(move || decode(bytes)).await;
            decoded.map_err(|_| LakeReadError::Interrupted { path: path.clone() })?
        };
        decoded.map_err(|source| LakeReadError::Decode { path, source })
    }

    /// Publishes a change. When this returns, the change survives any crash.
    ///
    /// # Errors
    /// [`LakePublishError`]: after [`Fenced`](LakePublishError::Fenced) the caller must drop everything and leave;
    /// after [`Write`](LakePublishError::Write) nothing is in the book and the change may be published again.
    pub async fn publish(&mut self, change: Change) -> Result<Published, LakePublishError> {
        self.check(&change)?;
        self.repair().await?;
        let next_offset = change.consumed.map(|consumed| consumed.next_offset);
        let seal = self.next_seal();
        let totals = match change.totals.is_empty() {
            true => None,
            false => Some(self.totals_data(change.totals, seal).await?),
        };
        let mut files = Vec::with_capacity(change.add.len() + 1);
        let mut commit = Commit {
            remove: change.remove.iter().map(old_data).collect(),
            ..Commit::default()
        };
        let written = change.written.into_iter().map(|file| file.data);
        commit.add.extend(written);
        for file in change.add {
            let data = new_data(&file);
            files.push((self.readings.place(&data.path), file.encoded.bytes));
            commit.add.push(data);
        }
        if let Some(consumed) = change.consumed {
            let known = self.consumed_of(consumed.partition);
            commit.txns.extend(txns_of(consumed, known));
        }
        let beside = change.commits_beside.iter();
        let txns = beside.map(|(table, many)| (commits_txn(table), txn_version(*many)));
        let txns = txns.filter(|(name, version)| self.state.txns.get(name) != Some(version));
        commit.txns.extend(txns);
        if let Some((data, bytes)) = &totals {
            files.push((self.totals.place(&data.path), bytes.clone()));
            commit.txns.push((SEALS.to_owned(), seal));
        }
        self.put(files).await?;
        if let Some((data, _)) = totals {
            self.commit_totals(data, seal).await?;
        }
        self.readings.commit(&mut self.state, commit).await?;
        self.expire_removed();
        self.tidy().await;
        Ok(Published {
            version: self.state.version,
            next_offset,
        })
    }

    /// Writes files durably into the book's folder, for a change with more files than fit into memory. No
    /// version of the book names them until that change is published. If it never is, the next attempt
    /// overwrites them.
    ///
    /// # Errors
    /// [`LakePublishError::Write`]: some of the files may have been written.
    pub async fn write_ahead(
        &self,
        files: Vec<NewFile>,
    ) -> Result<Vec<WrittenFile>, LakePublishError> {
        let (mut written, mut bytes) = (Vec::new(), Vec::new());
        for file in files {
            let data = new_data(&file);
            bytes.push((self.readings.place(&data.path), file.encoded.bytes));
            written.push(WrittenFile {
                day: file.day,
                kind: file.kind,
                data,
            });
        }
        self.put(bytes).await?;
        Ok(written)
    }

    async fn put(&self, files: Vec<(Path, Bytes)>) -> Result<(), LakePublishError> {
        let put = self.storage.put_together(files).await;
        put.map_err(|source| LakePublishError::Write {
            table: self.readings.root().to_string(),
            source: source.into(),
        })
    }

    /// Records from which log, and how far, the book is consumed from now on. What the book has recorded never
    /// goes back.
    ///
    /// # Errors
    /// [`LakePublishError`], as for [`publish`](Self::publish).
    pub async fn adopt(&mut self, consumed: Consumed) -> Result<(), LakePublishError> {
        let known = self.consumed_of(consumed.partition);
        let commit = Commit {
            txns: txns_of(consumed, known),
            ..Commit::default()
        };
        self.readings.commit(&mut self.state, commit).await
    }

    /// Refuses a change that would leave the book inconsistent.
    fn check(&self, change: &Change) -> Result<(), LakePublishError> {
        let removed: HashSet<&str> = change
            .remove
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        if let Some(file) = change
            .remove
            .iter()
            .find(|file| !self.state.files.contains_key(&file.path))
        {
            return Err(LakePublishError::NotThere {
                path: file.path.clone(),
            });
        }
        let mut sealed = HashSet::new();
        let written = change.written.iter();
        let written = written.map(|file| (file.day, &file.kind, file.data.path.clone()));
        let add = change.add.iter().map(|file| {
            let path = file.kind.path(file.day, &file.encoded.sha256);
            (file.day, &file.kind, path)
        });
        for (day, kind, path) in written.chain(add) {
            if day.year() != self.year {
                return Err(LakePublishError::OtherYear {
                    day,
                    year: self.year,
                });
            }
            let FileKind::Sealed { enterprise, .. } = kind else {
                continue;
            };
            let before = self.day_files(day).find(|old| {
                old.sealed().is_some_and(|(whose, _)| whose == enterprise)
                    && !removed.contains(old.path.as_str())
            });
            if let Some(before) = before {
                return Err(LakePublishError::SealedTwice {
                    path: before.path.clone(),
                });
            }
            if !sealed.insert((day, enterprise)) {
                return Err(LakePublishError::SealedTwice { path });
            }
        }
        Ok(())
    }

    /// The number of the next seal: above every number in either table.
    fn next_seal(&self) -> i64 {
        self.state.txn(SEALS).max(self.totals_state.txn(SEALS)) + 1
    }

    async fn totals_data(
        &self,
        mut rows: Vec<TotalsRow>,
        seal: i64,
    ) -> Result<(NewData, Bytes), LakePublishError> {
        let encoded = tokio::task::spawn_blocking(move || {
            totals::sort(&mut rows);
            let bytes = totals::encode_totals(&rows)?;
            let name = totals::file_name(seal, &Sha256::digest(&bytes).into());
            let more_columns = totals::more_columns(&rows);
            let stats = format!("{{\"numRecords\":{}}}", rows.len());
            Ok::<_, EncodeError>((
                NewData {
                    path: name,
                    day: None,
                    size: bytes.len() as u64,
                    stats,
                    more_columns,
                    sha256: None,
                },
                bytes,
            ))
        });
        let interrupted = |_| LakeReadError::Interrupted {
            path: self.totals.root().to_string(),
        };
        Ok(encoded.await.map_err(interrupted)??)
    }

    async fn commit_totals(&mut self, data: NewData, seal: i64) -> Result<(), LakePublishError> {
        // A writer that has lost the readings should leave no totals behind.
        if self.readings.has_moved_past(self.state.version).await? {
            let table = self.readings.root().to_string();
            return Err(LakePublishError::Fenced {
                table,
                version: self.state.version,
            });
        }
        let txns = vec![(SEALS.to_owned(), seal)];
        let commit = Commit {
            add: vec![data],
            txns,
            ..Commit::default()
        };
        self.totals.commit(&mut self.totals_state, commit).await
    }

    /// Removes totals of a seal that never reached the readings, and rollups of them.
    async fn repair(&mut self) -> Result<(), LakePublishError> {
        self.forget_rollups_ahead().await?;
        let sealed = self.state.txn(SEALS);
        let files = self.totals_state.files.values();
        let orphans: Vec<OldData> = files
            .filter(|file| file.seal > sealed)
            .map(old_totals)
            .collect();
        if orphans.is_empty() {
            return Ok(());
        }
        info!(park = %self.park, year = self.year, "removing totals of a seal that was cut short");
        // The fence: a writer that is about to commit the readings of that seal finds its version taken.
        let fence = Commit {
            txns: vec![(SEALS.to_owned(), sealed)],
            ..Commit::default()
        };
        self.readings.commit(&mut self.state, fence).await?;
        let commit = Commit {
            remove: orphans,
            ..Commit::default()
        };
        self.totals.commit(&mut self.totals_state, commit).await
    }
}

mod change;
pub(crate) mod rolled_at;
mod rollups;
pub mod sealed_sum;
mod tables;
mod upkeep;

#[cfg(test)]
mod tests;
