//! The table of one park's letters: writers append to it, readers read it file by file.

use std::collections::BTreeMap;

use bytes::Bytes;
use greenpark_model::{
    id::{EnterpriseId, ParkId},
    log_position::Partition,
};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};

use super::{
    Bounds, ENTERPRISES_MAX, Letter, Letters, OTHER, Payloads, ROOT,
    bounds::{self, Plan},
    columns::{SHAPE, decode, encode},
    file::LettersFile,
};
use crate::{
    delta::{Commit, NewData, state::TableState},
    error::{LakePublishError, LakeReadError},
    store::{Storage, digest::content_id},
    tables::{
        consumed::{Consumed, consumed_of, txns_of},
        followed::Followed,
    },
};

/// Attempts to write while another writer commits first.
const ATTEMPTS_MAX: usize = 8;
/// The prefix of a partition's transaction in tables from before 2026-12.
const FORMER_TXN: &str = "consumed/p";

/// The result of an addition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    /// The number of letters that were new to the table.
    pub letters: u64,
    /// The number of letters that the bounds dropped; some may have been new.
    pub dropped: u64,
}

/// One park's dead letters, for readers and writers. Nothing is read before a method needs it.
#[derive(Debug)]
pub struct LettersTable {
    table: Followed<LettersFile>,
}

impl LettersTable {
    pub(crate) fn new(storage: &Storage, park: &ParkId) -> Self {
        let root = Path::from(format!("{ROOT}/{park}"));
        Self {
            table: Followed::new(storage, root, &SHAPE),
        }
    }

    /// The current files.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table's log cannot be read.
    pub async fn files(&mut self) -> Result<Vec<LettersFile>, LakeReadError> {
        self.table.follow().await?;
        Ok(self.table.files().cloned().collect())
    }

    /// Reads the letters of `file`.
    ///
    /// # Errors
    /// [`LakeReadError`] if it cannot be read; a file that is not found was replaced meanwhile: list the files
    /// again.
    pub async fn read(
        &self,
        file: &LettersFile,
        payloads: Payloads,
    ) -> Result<Letters, LakeReadError> {
        let (path, bytes) = self.table.read(&file.path).await?;
        decode(bytes, payloads).map_err(|source| LakeReadError::Decode { path, source })
    }

    /// How far each partition of dead letters has been consumed into the table.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table's log cannot be read.
    pub async fn consumed(&mut self) -> Result<Vec<Consumed>, LakeReadError> {
        self.table.follow().await?;
        Ok(self.all_consumed())
    }

    /// Returns true if the log of `partition` may differ from the one that the table was written from.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table's log cannot be read.
    pub async fn may_be_another(&mut self, partition: Partition) -> Result<bool, LakeReadError> {
        self.table.follow().await?;
        let state = self.table.state();
        Ok(state.is_some_and(|state| state.txn(&another_txn(partition)) > 0))
    }

    /// Permits the next log of `partition` to be a different one.
    ///
    /// # Errors
    /// [`LakePublishError`] if that cannot be committed.
    pub async fn permit_another(&mut self, partition: Partition) -> Result<(), LakePublishError> {
        self.commit_txns(vec![(another_txn(partition), 1)]).await
    }

    /// Ends that permission. If the log is a different one, its offsets count from those in `adopted`.
    ///
    /// # Errors
    /// [`LakePublishError`] if that cannot be committed.
    pub async fn end_permission(
        &mut self,
        partition: Partition,
        adopted: Option<Consumed>,
    ) -> Result<(), LakePublishError> {
        self.table.follow().await?;
        let mut txns = adopted.map_or_else(Vec::new, |adopted| self.txns_of(adopted));
        txns.push((another_txn(partition), 0));
        self.commit_txns(txns).await
    }

    async fn commit_txns(&mut self, txns: Vec<(String, i64)>) -> Result<(), LakePublishError> {
        self.table.refresh().await?;
        let commit = Commit {
            txns,
            ..Commit::default()
        };
        self.table.commit(commit, Vec::new()).await
    }

    /// The paths within the table and the sizes of its files.
    pub(crate) async fn file_sizes(&mut self) -> Result<Vec<(String, u64)>, LakeReadError> {
        let files = self.files().await?;
        Ok(files
            .into_iter()
            .map(|file| (file.path, file.size))
            .collect())
    }

    /// The table's path in the lake.
    pub(crate) fn root(&self) -> String {
        self.table.root()
    }

    /// Adds `letters`, durably and at once: all letters of the park in a partition up to the last of them.
    /// Letters that the table has consumed are skipped. `consumed` identifies their log; the last letter
    /// determines how far it was consumed.
    ///
    /// # Errors
    /// [`LakePublishError`]: some of them may not be in the table; add them again.
    pub async fn add(
        &mut self,
        consumed: Consumed,
        letters: Vec<Letter>,
        bounds: &Bounds,
    ) -> Result<Added, LakePublishError> {
        let mut attempt = 1;
        loop {
            match self.add_once(consumed, &letters, bounds).await {
                Ok(added) => {
                    self.table.tidy().await;
                    return Ok(added);
                }
                Err(LakePublishError::Fenced { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => {
                    self.table.forget();
                    return Err(error);
                }
            }
        }
    }

    async fn add_once(
        &mut self,
        of: Consumed,
        letters: &[Letter],
        bounds: &Bounds,
    ) -> Result<Added, LakePublishError> {
        self.table.refresh().await?;
        let consumed = self.next_offset(of.partition);
        let is_new = |letter: &&Letter| letter.id.offset >= consumed;
        let new: Vec<&Letter> = letters.iter().filter(is_new).collect();
        let (Some(state), Some(last)) = (self.table.state(), new.last()) else {
            return Ok(Added::default());
        };
        let next = last.id.offset.saturating_add(1);
        let new = by_enterprise(state, &new);
        let mut added = Added {
            letters: new.values().map(|letters| letters.kept.len() as u64).sum(),
            dropped: 0,
        };
        let before: u64 = state.files.values().map(|file| file.letters).sum();
        let version = state.version + 1;
        let plans = bounds::plan(new, state.files.values().cloned(), bounds);
        let (mut commit, mut files) = (Commit::default(), Vec::new());
        let (mut added_letters, mut removed_letters) = (0, 0);
        for (enterprise, plan) in plans {
            let old = plan.join.iter().chain(&plan.drop);
            removed_letters += old.clone().map(|file| file.letters).sum::<u64>();
            commit.remove.extend(old.map(LettersFile::old));
            let letters = self.letters_of_plan(plan).await?;
            added_letters += letters.kept.len() as u64;
            let bytes = encode(&enterprise, &letters)?;
            let data = new_data(&enterprise, version, &letters, &bytes);
            files.push((self.table.place(&data.path), bytes));
            commit.add.push(data);
        }
        added.dropped =
            (before + added.letters).saturating_sub(before - removed_letters + added_letters);
        commit.txns = self.txns_of(Consumed {
            next_offset: next,
            ..of
        });
        self.table.commit(commit, files).await?;
        Ok(added)
    }

    /// The letters to write for a plan.
    async fn letters_of_plan(&self, plan: Plan) -> Result<Letters, LakeReadError> {
        let mut letters = Letters::default();
        for file in &plan.drop {
            letters.absorb(self.read(file, Payloads::Left).await?);
        }
        for file in &plan.join {
            letters.extend(self.read(file, Payloads::Taken).await?);
        }
        letters.extend(plan.new);
        Ok(letters)
    }

    /// The first offset of `partition` that the table has not consumed; 0 if it has consumed none.
    fn next_offset(&self, partition: Partition) -> u64 {
        let consumed = self.all_consumed().into_iter();
        let mut of_partition = consumed.filter(|one| one.partition == partition);
        of_partition.next().map_or(0, |one| one.next_offset)
    }

    /// The progress of each partition. Older tables have only one transaction for a partition, which does not
    /// identify the log.
    fn all_consumed(&self) -> Vec<Consumed> {
        let Some(state) = self.table.state() else {
            return Vec::new();
        };
        let mut consumed = consumed_of(&state.txns);
        for (name, version) in &state.txns {
            let partition = name.strip_prefix(FORMER_TXN).and_then(|p| p.parse().ok());
            let former = partition.zip(u64::try_from(*version).ok());
            consumed.extend(
                former
                    .filter(|(partition, _)| consumed.iter().all(|one| one.partition != *partition))
                    .map(|(partition, next)| Consumed::up_to(partition, next)),
            );
        }
        consumed
    }

    fn txns_of(&self, new: Consumed) -> Vec<(String, i64)> {
        let mut known = self.all_consumed().into_iter();
        txns_of(new, known.find(|one| one.partition == new.partition))
    }
}

/// Records that the next log of a partition may be a different one.
fn another_txn(partition: Partition) -> String {
    format!("greenpark.another.p{partition}")
}

/// The letters of each enterprise; those of too many enterprises belong to [`OTHER`].
fn by_enterprise(
    state: &TableState<LettersFile>,
    letters: &[&Letter],
) -> BTreeMap<EnterpriseId, Letters> {
    let other = EnterpriseId::new(OTHER).expect("'_other' is an id");
    let mut all: BTreeMap<EnterpriseId, Letters> = BTreeMap::new();
    let mut known: std::collections::BTreeSet<EnterpriseId> = state
        .files
        .values()
        .map(|file| file.enterprise.clone())
        .collect();
    for &letter in letters {
        let mut letter = letter.clone();
        if !known.contains(&letter.enterprise) {
            match known.len() < ENTERPRISES_MAX {
                true => {
                    known.insert(letter.enterprise.clone());
                }
                false => letter.enterprise = other.clone(),
            }
        }
        let of = all.entry(letter.enterprise.clone()).or_default();
        of.kept.push(letter);
    }
    all
}

fn new_data(enterprise: &EnterpriseId, version: i64, letters: &Letters, bytes: &Bytes) -> NewData {
    let id = content_id(&Sha256::digest(bytes).into());
    let received = || {
        letters
            .kept
            .iter()
            .map(|letter| letter.received.millis().max(0))
    };
    let gone = || {
        letters
            .gone
            .keys()
            .map(|(day, _)| day.start().millis().max(0))
    };
    let first = received().chain(gone()).min().unwrap_or(0);
    let last = received().chain(gone()).max().unwrap_or(0);
    let count = letters.kept.len();
    NewData {
        path: format!("{enterprise}.{count}.{first}-{last}.{version:012}.{id}.parquet"),
        day: None,
        size: bytes.len() as u64,
        stats: format!("{{\"numRecords\":{}}}", count + letters.gone.len()),
        more_columns: Vec::new(),
        sha256: None,
    }
}
