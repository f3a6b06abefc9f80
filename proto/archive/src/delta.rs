//! A Delta table's log: replayed, followed, appended to and checkpointed.
//!
//! Appending is one conditional put of the next version: a writer that finds it taken has been overtaken.
//! deltalake provides the actions, the log store and the checkpoints. We must not use its conflict checker,
//! which would merge the commits of two writers, because a book has one.

mod checkpoint;
pub(crate) mod commit_info;
mod data_file;
pub(crate) mod expired;
mod folder;
mod history;
mod pack;
mod packed;
mod schema;
pub(crate) mod state;
mod torn;

use std::{
    collections::{BTreeMap, HashMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hasher as _},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use deltalake_core::{
    kernel::{
        Action, Snapshot as DeltaSnapshot, Transaction,
        transaction::{CommitData, TransactionError},
    },
    logstore::{CommitOrBytes, LogStoreRef, StorageConfig, default_logstore, get_actions},
    protocol::{DeltaOperation, SaveMode},
};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path, prefix::PrefixStore};
use serde_json::{Value, json};
use tracing::info;
use url::Url;

pub(crate) use data_file::{NewData, OldData};
pub(crate) use folder::with_gaps;

use folder::Folder;

use crate::{
    delta::{
        commit_info::{DIGESTS, NOTE, OURS, TXNS, ours_in, txns_of},
        state::{TableFile, TableState, check_protocol},
    },
    error::{LakePublishError, LakeReadError, LibraryError},
    store::{Storage, digest::hex},
};

/// Names this process in the log, so that we recognize our own entry after an error.
#[expect(
    clippy::disallowed_methods,
    reason = "two processes must differ, and nothing else depends on it"
)]
static WRITER: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}", RandomState::new().build_hasher().finish()));
/// Numbers this process's entries: two writers of one process that commit the same in the same millisecond must
/// not mistake each other's entry for their own.
static ENTRIES: AtomicU64 = AtomicU64::new(0);

/// Columns of a table, as Delta names their types, and its partition columns.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: &'static [(&'static str, &'static str, Null)],
    pub(crate) partition: &'static [&'static str],
    pub(crate) past: Past,
}

/// Whether past states of a table can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// They can: entries of its log are deleted only after their changes are packed.
    Kept,
    /// They cannot: entries of its log are deleted once a checkpoint is far enough behind them.
    Dropped,
}

/// Whether a column may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    Never,
    Allowed,
}

/// The contents of a commit.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) add: Vec<NewData>,
    pub(crate) remove: Vec<OldData>,
    pub(crate) txns: Vec<(String, i64)>,
    /// Replaces the note beside the transactions, if present.
    pub(crate) note: Option<Value>,
    pub(crate) nature: Nature,
}

/// Whether a commit changes the rows of the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Rows are added or removed.
    #[default]
    Change,
    /// The same rows in other files.
    Rearrangement,
}

/// A Delta table's log.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    log: LogStoreRef,
    storage: Storage,
    root: Path,
    shape: &'static Shape,
}

impl Table {
    pub(crate) fn new(storage: &Storage, root: Path, shape: &'static Shape) -> Self {
        let store = Arc::clone(storage.store());
        let prefixed = Arc::new(PrefixStore::new(Arc::clone(&store), root.clone()));
        // The store is rooted at the lake, so the URL's path is the table's path in it. No service of deltalake
        // has this scheme, so it uses this store alone.
        let mut url = Url::parse("lake:///").expect("a constant URL");
        url.set_path(&format!("/{root}/"));
        let log = default_logstore(prefixed, store, &url, &StorageConfig::default());
        Self {
            log,
            storage: storage.clone(),
            root,
            shape,
        }
    }

    /// The table's path in the lake.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path in the lake of a file of this table.
    pub(crate) fn place(&self, file: &str) -> Path {
        Path::from(format!("{}/{file}", self.root))
    }

    pub(crate) fn broken(&self, source: impl Into<LibraryError>) -> LakeReadError {
        LakeReadError::Log {
            table: self.root.to_string(),
            source: source.into(),
        }
    }

    /// The bytes of an entry of the log.
    pub(crate) async fn entry(&self, version: i64) -> Result<Option<Bytes>, LakeReadError> {
        let place = self.place(&format!("_delta_log/{version:020}.json"));
        match self.storage.read(&place).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(LakeReadError::Store {
                path: place.to_string(),
                source,
            }),
        }
    }

    /// Returns true if a version after `version` exists already.
    pub(crate) async fn has_moved_past(&self, version: i64) -> Result<bool, LakeReadError> {
        Ok(self.entry(version + 1).await?.is_some() || self.is_packed_past(version).await?)
    }

    /// Returns true if entries after `version` may have been packed: there is a checkpoint of a later version,
    /// or the entry itself is gone, which happens only then.
    pub(crate) async fn is_packed_past(&self, version: i64) -> Result<bool, LakeReadError> {
        match self.hint().await? {
            Some(hint) if hint > version => Ok(true),
            // A hint may come from a writer that was fenced, and point back.
            _ => Ok(version >= 0 && !self.has_entry(version).await?),
        }
    }

    async fn has_entry(&self, version: i64) -> Result<bool, LakeReadError> {
        let place = self.place(&format!("_delta_log/{version:020}.json"));
        match self.storage.store().head(&place).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(LakeReadError::Store {
                path: place.to_string(),
                source,
            }),
        }
    }

    /// Makes the entry of `version` durable. A writer that was killed may have left it named but not synced: a
    /// power cut could still remove it after others have built on it.
    pub(crate) async fn make_durable(&self, version: i64) -> Result<(), LakeReadError> {
        if version < 0 {
            return Ok(());
        }
        let place = self.place(&format!("_delta_log/{version:020}.json"));
        match self.storage.sync(&place).await {
            // Another program cleaned the log up to a checkpoint, long after the entry was written.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(LakeReadError::Store {
                path: place.to_string(),
                source,
            }),
        }
    }

    /// The newest state: the last checkpoint, then every entry after it.
    pub(crate) async fn load<F: TableFile>(&self) -> Result<TableState<F>, LakeReadError> {
        let mut state = match self.checkpoint_version().await? {
            Some(version) => match Box::pin(self.load_at(version)).await {
                Ok(state) => state,
                // A writer that was fenced may have written its hint last, and its checkpoint may be packed by
                // now.
                Err(error) => match Folder::list(self).await?.checkpoints.last() {
                    Some(&newest) if newest > version => Box::pin(self.load_at(newest)).await?,
                    _ => return Err(error),
                },
            },
            None => TableState::default(),
        };
        self.follow(&mut state).await?;
        Ok(state)
    }

    /// Applies every entry after the state's version, or loads the state anew if they are packed by now.
    /// Returns true if the version changed.
    pub(crate) async fn follow<F: TableFile>(
        &self,
        state: &mut TableState<F>,
    ) -> Result<bool, LakeReadError> {
        let from = state.version;
        while let Some((actions, bytes)) = self.actions(state.version + 1).await? {
            state.apply(self.root.as_ref(), &actions, bytes)?;
        }
        if self.is_packed_past(state.version).await? {
            *state = Box::pin(self.load()).await?;
        }
        Ok(state.version > from)
    }

    /// The actions of the entry of `version`, and its size in bytes.
    pub(crate) async fn actions(
        &self,
        version: i64,
    ) -> Result<Option<(Vec<Action>, u64)>, LakeReadError> {
        let Some(entry) = self.entry(version).await? else {
            return Ok(None);
        };
        let version = u64::try_from(version).map_err(|source| self.broken(source))?;
        let actions = get_actions(version, &entry).map_err(|source| self.broken(source))?;
        torn::check(version, &actions).map_err(|source| self.broken(source))?;
        Ok(Some((actions, entry.len() as u64)))
    }

    /// Loads the state at `version` with deltalake, which reads every kind of checkpoint.
    pub(crate) async fn load_at<F: TableFile>(
        &self,
        version: i64,
    ) -> Result<TableState<F>, LakeReadError> {
        let wanted = u64::try_from(version).map_err(|source| self.broken(source))?;
        let snapshot = DeltaSnapshot::try_new(self.log.as_ref(), Some(wanted)).await;
        let snapshot = snapshot.map_err(|source| self.broken(source))?;
        let mut state = TableState {
            version,
            metadata: Some(snapshot.metadata().clone()),
            ..TableState::default()
        };
        check_protocol(self.root.as_ref(), snapshot.protocol())?;
        let mut views = snapshot.file_views(self.log.as_ref(), None);
        while let Some(view) = views
            .try_next()
            .await
            .map_err(|source| self.broken(source))?
        {
            let size = u64::try_from(view.size()).unwrap_or(0);
            let rows = view.num_records().unwrap_or(0) as u64;
            state.insert(self.root.as_ref(), &view.path(), size, rows)?;
        }
        let ours = self.ours_at(version).await?;
        (state.txns, state.note) = (txns_of(&ours), ours.get(NOTE).cloned());
        Ok(state)
    }

    /// The transactions at `newest`.
    pub(crate) async fn txns_at(
        &self,
        newest: i64,
    ) -> Result<BTreeMap<String, i64>, LakeReadError> {
        Ok(txns_of(&self.ours_at(newest).await?))
    }

    /// Our part of the commitInfo at `newest`: the transactions and a note. Each entry of ours repeats all of
    /// it, so that nothing depends on how long other programs keep transactions. Without them nobody knows what
    /// is sealed, nor how far the log was consumed.
    async fn ours_at(&self, newest: i64) -> Result<Value, LakeReadError> {
        for version in (0..=newest).rev() {
            let Some(entry) = self.entry(version).await? else {
                return Err(self.broken(format!(
                    "entry {version} is gone, although there is a checkpoint of it or of a later one: restore it from \
                     a copy; only where no later entry is there, move that checkpoint and _last_checkpoint away instead"
                )));
            };
            if let Some(ours) = ours_in(&entry).map_err(|source| self.broken(source))? {
                return Ok(ours);
            }
        }
        Ok(Value::Null)
    }

    /// Commits durably as the version after the state's, and updates the state.
    ///
    /// After an error the entry is read back: the store may have stored it and lost only the answer.
    pub(crate) async fn commit<F: TableFile>(
        &self,
        state: &mut TableState<F>,
        commit: Commit,
    ) -> Result<(), LakePublishError> {
        let version = state.version + 1;
        let table = || self.root.to_string();
        // A packed version would no longer be there to refuse a writer that has slept.
        if self.is_packed_past(state.version).await? {
            return Err(LakePublishError::Fenced {
                table: table(),
                version: state.version,
            });
        }
        let lost = |source: LibraryError| LakePublishError::Commit {
            table: table(),
            version,
            source,
        };
        let (actions, bytes) = self.entry_of(state, commit).map_err(lost)?;
        let number = u64::try_from(version).map_err(|source| lost(source.into()))?;
        let entry = CommitOrBytes::LogBytes(bytes.clone());
        if let Err(error) = self
            .log
            .write_commit_entry(number, entry, Default::default())
            .await
        {
            let taken = matches!(error, TransactionError::VersionAlreadyExists(_));
            match self.entry(version).await {
                Ok(Some(found)) if found == bytes => {
                    // It is there, but the error may have come from making it durable.
                    let place = self.place(&format!("_delta_log/{version:020}.json"));
                    self.storage
                        .sync(&place)
                        .await
                        .map_err(|source| lost(source.into()))?;
                    info!(table = %self.root, version, "commit had landed although its answer was lost");
                }
                Ok(Some(_)) => {
                    return Err(LakePublishError::Fenced {
                        table: table(),
                        version: state.version,
                    });
                }
                Err(_) if taken => {
                    return Err(LakePublishError::Fenced {
                        table: table(),
                        version: state.version,
                    });
                }
                Ok(None) | Err(_) => return Err(lost(error.into())),
            }
        }
        state.apply(self.root.as_ref(), &actions, bytes.len() as u64)?;
        self.checkpoint_if_due(state).await;
        Ok(())
    }

    /// The actions of a commit and the bytes of its entry. No other call returns the same bytes.
    pub(crate) fn entry_of<F>(
        &self,
        state: &TableState<F>,
        commit: Commit,
    ) -> Result<(Vec<Action>, Bytes), LibraryError> {
        let now = self.storage.now().millis();
        let changes = commit.nature == Nature::Change;
        let mut actions = Vec::with_capacity(commit.add.len() + commit.remove.len() + 4);
        if state.version < 0 {
            actions.extend(self.creation_actions()?);
        } else if let Some(metadata) =
            self.evolved_metadata(state.metadata.as_ref(), &commit.add)?
        {
            actions.push(Action::Metadata(metadata));
        }
        let digests = commit.add.iter().filter_map(|file| file.sha256.as_ref());
        let digests: Vec<String> = digests.map(|sha256| hex(sha256)).collect();
        actions.extend(
            commit
                .remove
                .into_iter()
                .map(|file| Action::Remove(file.action(now, changes))),
        );
        actions.extend(
            commit
                .add
                .into_iter()
                .map(|file| Action::Add(file.action(now, changes))),
        );
        let mut txns = state.txns.clone();
        txns.extend(commit.txns.iter().cloned());
        let number = ENTRIES.fetch_add(1, Ordering::Relaxed);
        let written = torn::written(actions.len() + commit.txns.len());
        let mut ours =
            json!({ "writer": *WRITER, "entry": number, (TXNS): txns, "actions": written });
        if let Some(note) = commit.note.or_else(|| state.note.clone()) {
            ours[NOTE] = note;
        }
        if !digests.is_empty() {
            ours[DIGESTS] = digests.into();
        }
        let transactions = commit
            .txns
            .iter()
            .map(|(name, version)| Transaction::new_with_last_update(name, *version, Some(now)));
        let partition = self
            .shape
            .partition
            .iter()
            .map(ToString::to_string)
            .collect();
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(partition),
            predicate: None,
        };
        let metadata = HashMap::from([(OURS.to_owned(), ours)]);
        let mut data = CommitData::new(actions, operation, metadata, transactions.collect());
        // deltalake dates its part by the system's clock.
        for action in &mut data.actions {
            if let Action::CommitInfo(info) = action {
                info.timestamp = Some(now);
            }
        }
        let bytes = data.get_bytes()?;
        Ok((data.actions, bytes))
    }
}
