//! Packs the older entries of a log into one file, so that a log of many small commits stays short.
//!
//! # The order of a pack
//! 1. The entries up to a checkpoint are replayed, from where the last pack ended.
//! 2. The result is compared with the checkpoint: an entry is deleted only if both agree. For a table whose
//!    past is not kept, the state from the checkpoint is compared with the writer's state.
//! 3. The packed form is made durable: `_delta_log/_packed/upto-<version>.<id>.zst`.
//! 4. Entries and checkpoints before that checkpoint are deleted.
//!
//! A pack that is killed leaves more files than needed, and the next one deletes them. A reader that follows
//! the log and finds the next entry gone finds a checkpoint after it, and loads the table anew.

use deltalake_core::{kernel::Action, logstore::get_actions};
use futures::{StreamExt as _, stream};
use greenpark_model::day::Instant;
use object_store::{ObjectStoreExt as _, path::Path};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::{
    Past, Table,
    folder::{self, Folder},
    packed::{Packed, PackedChange, PackedFile},
    torn,
};
use crate::{
    delta::state::{TableFile, TableState, row_count},
    error::LakeReadError,
    store::{LogBounds, digest::content_id},
};

/// The compression level. Digests in names hardly compress.
const ZSTD_LEVEL: i32 = 3;

/// Entries that are read at once.
const READS: usize = 16;

impl<F> TableState<F> {
    /// Returns true if enough entries were added since the last pack for another one.
    pub(crate) fn is_pack_due(&self, bounds: &LogBounds) -> bool {
        let many = bounds.kept_entries.max(1);
        self.version >= many && self.version >= self.pack_at
    }
}

impl Table {
    /// Packs the entries that are due; `state` is the state of the table. A failure does no harm.
    pub(crate) async fn pack_if_due<F: TableFile>(&self, state: &mut TableState<F>) {
        let bounds = self.storage.log_bounds();
        if !state.is_pack_due(&bounds) {
            return;
        }
        state.pack_at = state.version + (bounds.kept_entries / 32).max(1);
        match Box::pin(self.pack(state, &bounds)).await {
            Ok(Some(upto)) => info!(table = %self.root, upto, "entries of its log were packed"),
            Ok(None) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(table = %self.root, error, "entries of its log were not packed");
            }
        }
    }

    /// Packs entries far enough behind the newest; returns the version up to which it packed, if any.
    async fn pack<F: TableFile>(
        &self,
        state: &TableState<F>,
        bounds: &LogBounds,
    ) -> Result<Option<i64>, LakeReadError> {
        let folder = Folder::list(self).await?;
        let Some(upto) = self.pack_upto(&folder, state.version, bounds).await? else {
            return Ok(None);
        };
        let kept = match self.shape.past {
            Past::Kept => self.keep::<F>(&folder, upto).await?,
            Past::Dropped => self.leads_to(state, upto).await?.then_some(upto),
        };
        let Some(kept) = kept else {
            return Ok(None);
        };
        self.delete_before(upto, kept, &folder).await;
        Ok(Some(upto))
    }

    /// Packs the changes of the entries up to `upto`, unless they are packed already. Returns the version of
    /// the packed file that it started from. Returns `None` if entries are missing: then their part of the past
    /// is lost, and the remaining entries stay.
    async fn keep<F: TableFile>(
        &self,
        folder: &Folder,
        upto: i64,
    ) -> Result<Option<i64>, LakeReadError> {
        let mut past = Packed::nothing();
        for (_, place) in folder.packed.iter().rev() {
            match self.read_packed(place).await {
                Ok(packed) => {
                    past = packed;
                    break;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(table = %self.root, error, "a file of packed entries is passed over");
                }
            }
        }
        let read = past.upto;
        if read >= upto {
            return Ok(Some(read));
        }
        let first = folder.entries.first();
        if first.is_none_or(|first| *first > read + 1) {
            warn!(table = %self.root, after = read, "entries of its log are missing, so it is not packed");
            return Ok(None);
        }
        self.replay(&mut past, upto).await?;
        past.stand_in::<F>();
        self.compare_with_checkpoint::<F>(&past).await?;
        self.write_packed(&past).await?;
        Ok(Some(read))
    }

    /// Returns true if the checkpoint and the entries after it lead to `state`; false also if another writer
    /// has committed meanwhile.
    async fn leads_to<F: TableFile>(
        &self,
        state: &TableState<F>,
        checkpoint: i64,
    ) -> Result<bool, LakeReadError> {
        let mut found: TableState<F> = Box::pin(self.load_at(checkpoint)).await?;
        self.follow(&mut found).await?;
        if found.version != state.version {
            return Ok(false);
        }
        if found.files.keys().eq(state.files.keys()) && found.txns == state.txns {
            return Ok(true);
        }
        let message = format!(
            "its checkpoint {checkpoint} leads to {} files, and its entries to {}",
            found.files.len(),
            state.files.len()
        );
        Err(self.broken(message))
    }

    /// The checkpoint before which everything is to be packed.
    async fn pack_upto(
        &self,
        folder: &Folder,
        newest: i64,
        bounds: &LogBounds,
    ) -> Result<Option<i64>, LakeReadError> {
        let Some(first) = folder.entries.first() else {
            return Ok(None);
        };
        let hint = self.hint().await?.unwrap_or(-1);
        let behind = newest.saturating_sub(bounds.kept_entries).min(hint);
        let far = folder
            .checkpoints
            .iter()
            .copied()
            .filter(|c| *c <= behind && c > first);
        let far: Vec<i64> = far.collect();
        let at_once = far
            .iter()
            .rposition(|c| *c <= first.saturating_add(bounds.packed_at_once))
            .unwrap_or(0);
        let old = Instant::from_millis(self.storage.now().millis().saturating_sub(bounds.kept_ms));
        // Binary search, because each step reads an entry.
        let far = &far[..far.len().min(at_once + 1)];
        let (mut low, mut high) = (0, far.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry_made_at(far[middle]).await? <= old {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.checked_sub(1).map(|at| far[at]))
    }

    /// Adds the changes of the entries up to `upto`.
    async fn replay(&self, past: &mut Packed, upto: i64) -> Result<(), LakeReadError> {
        let entries = stream::iter(past.upto + 1..=upto)
            .map(|version| async move { (version, self.entry(version).await) });
        let mut entries = entries.buffered(READS);
        while let Some((version, entry)) = entries.next().await {
            let gone = || self.broken(format!("entry {version} of its log is gone"));
            let entry = entry?.ok_or_else(gone)?;
            let number = u64::try_from(version).unwrap_or(0);
            let actions = get_actions(number, &entry).map_err(|source| self.broken(source))?;
            torn::check(number, &actions).map_err(|source| self.broken(source))?;
            let undated = || self.broken(format!("entry {version} does not tell when it was made"));
            let change = change_of(actions).ok_or_else(undated)?;
            past.changes.insert(version, change);
        }
        past.upto = upto;
        Ok(())
    }

    /// Refuses changes that do not lead to the state of the checkpoint.
    async fn compare_with_checkpoint<F: TableFile>(
        &self,
        past: &Packed,
    ) -> Result<(), LakeReadError> {
        let state: TableState<F> = Box::pin(self.load_at(past.upto)).await?;
        let files = past
            .as_of(Instant::from_millis(i64::MAX))
            .map(|(_, files)| files);
        let files = files.unwrap_or_default();
        if state
            .files
            .keys()
            .map(String::as_str)
            .eq(files.keys().copied())
        {
            return Ok(());
        }
        let message = format!(
            "its checkpoint {} names {} files, and the entries before it {}",
            past.upto,
            state.files.len(),
            files.len()
        );
        Err(self.broken(message))
    }

    async fn write_packed(&self, past: &Packed) -> Result<(), LakeReadError> {
        let text = past.to_text().map_err(|source| self.broken(source))?;
        let bytes = tokio::task::spawn_blocking(move || zstd::encode_all(&*text, ZSTD_LEVEL)).await;
        let bytes = bytes.map_err(|source| self.broken(source))?;
        let bytes = bytes.map_err(|source| self.broken(source))?;
        let id = content_id(&Sha256::digest(&bytes).into());
        let place = self.place(&folder::packed_name(past.upto, &id));
        let path = place.to_string();
        // In one step: a torn file of this name would be mistaken for it.
        match self.storage.store().put(&place, bytes.into()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(LakeReadError::Store { path, source }),
        }
    }

    async fn read_packed(&self, place: &Path) -> Result<Packed, LakeReadError> {
        let path = place.to_string();
        let bytes = match self.storage.read(place).await {
            Ok(bytes) => bytes,
            Err(source) => return Err(LakeReadError::Store { path, source }),
        };
        let id = content_id(&Sha256::digest(&bytes).into());
        if !path.ends_with(&format!(".{id}.zst")) {
            return Err(self.broken(format!(
                "{path} is damaged: its digest is not the one of its name"
            )));
        }
        let text = tokio::task::spawn_blocking(move || zstd::decode_all(&*bytes)).await;
        let text = text.map_err(|source| self.broken(source))?;
        let text = text.map_err(|source| self.broken(source))?;
        Packed::from_text(&text).map_err(|source| self.broken(source))
    }

    /// The last version that is packed; −1 if none is.
    pub(crate) async fn packed_upto(&self) -> Result<i64, LakeReadError> {
        let packed = folder::list_packed(self).await?;
        Ok(packed.last().map_or(-1, |(upto, _)| *upto))
    }

    /// The packed past; `None` if nothing is packed.
    ///
    /// # Errors
    /// [`LakeReadError`] if it is gone or damaged.
    pub(crate) async fn packed(&self) -> Result<Option<Packed>, LakeReadError> {
        match folder::list_packed(self).await?.last() {
            Some((_, place)) => Ok(Some(self.read_packed(place).await?)),
            None => Ok(None),
        }
    }

    /// Reads the packed past, and refuses a log with entries that are neither present nor packed.
    pub(crate) async fn check_past(&self) -> Result<(), LakeReadError> {
        // Listed first: the packed file holds what is packed meanwhile, and exists before entries are deleted.
        let mut folder = Folder::list(self).await?;
        folder.packed = folder::list_packed(self).await?;
        let packed = match folder.packed.last() {
            Some((_, place)) => Some(self.read_packed(place).await?),
            None => None,
        };
        match folder.gap() {
            None => Ok(()),
            // We pack before we delete.
            Some(version) if packed.is_none() => Err(LakeReadError::Cleaned {
                table: self.root.to_string(),
                version,
            }),
            Some(version) => Err(self.broken(format!(
                "entry {version} of its log is gone, and it is not packed"
            ))),
        }
    }

    /// Deletes everything before the checkpoint `upto`, and packed files before `kept`. That one stays beside a
    /// newer one, because a copy may be under way.
    async fn delete_before(&self, upto: i64, kept: i64, folder: &Folder) {
        let entries = folder.entries.iter().take_while(|version| **version < upto);
        let entries = entries.map(|version| format!("{version:020}.json"));
        let checkpoints = folder
            .checkpoints
            .iter()
            .take_while(|version| **version < upto);
        let checkpoints = checkpoints.map(|version| format!("{version:020}.checkpoint.parquet"));
        let log = entries.chain(checkpoints);
        let log = log.map(|name| self.place(&format!("_delta_log/{name}")));
        let packed = folder.packed.iter().filter(|(last, _)| *last < kept);
        let packed = packed.map(|(_, place)| place.clone());
        self.storage.delete(log.chain(packed).collect()).await;
    }
}

/// The change of an entry; `None` if it does not record when it was made.
fn change_of(actions: Vec<Action>) -> Option<PackedChange> {
    let mut change = PackedChange::default();
    let mut made_at = None;
    for action in actions {
        match action {
            Action::CommitInfo(info) => made_at = info.timestamp,
            Action::Add(add) => change.add.push(PackedFile {
                rows: row_count(&add),
                size: u64::try_from(add.size).unwrap_or(0),
                path: add.path,
            }),
            Action::Remove(remove) => change.remove.push(remove.path),
            _ => {}
        }
    }
    change.made_at = made_at?;
    Some(change)
}
