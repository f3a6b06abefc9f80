//! Checkpoints: where the replay of a log begins, so that readers need not read the entries before it.

use std::sync::Arc;

use deltalake_core::{
    DeltaTable, kernel::Snapshot as DeltaSnapshot, protocol::checkpoints::create_checkpoint,
};
use serde_json::Value;
use tracing::warn;

use super::{Table, folder::Folder};
use crate::{delta::state::TableState, error::LakeReadError};

/// For each so many files the interval between checkpoints grows by one: a checkpoint rewrites all of them.
const FILES: usize = 10_000;
/// Bytes of log entries after which a checkpoint is written early: they parse in some tens of milliseconds.
const BYTES: u64 = 8 << 20;

impl Table {
    /// The version of the newest checkpoint, which the hint names. Without a hint the folder is listed.
    pub(super) async fn checkpoint_version(&self) -> Result<Option<i64>, LakeReadError> {
        if let Some(hint) = self.hint().await? {
            return Ok(Some(hint));
        }
        let folder = Folder::list(self).await?;
        if let Some(&newest) = folder.checkpoints.last() {
            return Ok(Some(newest));
        }
        if folder.is_empty() || folder.entries.first() == Some(&0) {
            return Ok(None);
        }
        // Another program cleaned the log; deltalake finds where it starts.
        let found = DeltaSnapshot::try_new(self.log.as_ref(), None).await;
        let found = found.map_err(|source| self.broken(source))?;
        Ok(i64::try_from(found.version()).ok())
    }

    /// The version that `_last_checkpoint` names.
    pub(super) async fn hint(&self) -> Result<Option<i64>, LakeReadError> {
        let place = self.place("_delta_log/_last_checkpoint");
        let hint = match self.storage.read(&place).await {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => {
                let path = place.to_string();
                return Err(LakeReadError::Store { path, source });
            }
        };
        // A hint that cannot be parsed is ignored: without it the folder is listed.
        let hint: Option<Value> = serde_json::from_slice(&hint).ok();
        Ok(hint.and_then(|hint| hint.get("version")?.as_i64()))
    }

    /// Refuses a log in which an entry is missing before later ones. The later ones record that the log was
    /// consumed up to them, so the records of the missing one would never be consumed again.
    pub(crate) async fn check_whole(&self, newest: i64) -> Result<(), LakeReadError> {
        let last = Folder::list(self).await?.entries.last().copied();
        let has_hole = last.is_some_and(|last| last > newest + 1);
        if has_hole
            && self.entry(newest + 1).await?.is_none()
            && !self.is_packed_past(newest).await?
        {
            let missing = newest + 1;
            return Err(self.broken(format!(
                "entry {missing} is missing and there are later ones: restore it from a copy"
            )));
        }
        Ok(())
    }

    /// Writes a checkpoint if one is due. It saves readers from replaying the log; a failure does no harm.
    pub(super) async fn checkpoint_if_due<F>(&self, state: &mut TableState<F>) {
        let entries = self.storage.log_bounds().checkpoint_entries;
        let interval = entries * (1 + state.files.len() / FILES);
        let due = state.entries >= interval || state.entry_bytes > BYTES;
        if !due {
            return;
        }
        let version = u64::try_from(state.version).unwrap_or(0);
        let checkpoint = async {
            let mut table = DeltaTable::new(Arc::clone(&self.log));
            table.load_version(version).await?;
            create_checkpoint(&table, None).await
        };
        match Box::pin(checkpoint).await {
            Ok(()) => (state.entries, state.entry_bytes) = (0, 0),
            Err(error) => {
                warn!(table = %self.root, version, error = &error as &dyn std::error::Error, "checkpoint failed");
            }
        }
    }
}
