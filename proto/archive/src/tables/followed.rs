//! A table outside the books, as one of its writers follows it: others may commit at any time.

use bytes::Bytes;
use greenpark_model::day::Instant;
use object_store::path::Path;

use crate::{
    delta::{
        Commit, Shape, Table,
        expired::Expired,
        state::{TableFile, TableState},
    },
    error::{LakePublishError, LakeReadError},
    store::Storage,
};

/// A table and its newest known state. Nothing is read before a method needs it.
#[derive(Debug)]
pub(crate) struct Followed<F> {
    table: Table,
    storage: Storage,
    state: Option<TableState<F>>,
    /// The version that is known to be durable.
    durable: i64,
    expired: Expired,
}

impl<F: TableFile> Followed<F> {
    pub(crate) fn new(storage: &Storage, root: Path, shape: &'static Shape) -> Self {
        Self {
            table: Table::new(storage, root, shape),
            storage: storage.clone(),
            state: None,
            durable: -1,
            expired: Expired::default(),
        }
    }

    /// The table's path in the lake.
    pub(crate) fn root(&self) -> String {
        self.table.root().to_string()
    }

    /// The path in the lake of a file of the table.
    pub(crate) fn place(&self, file: &str) -> Path {
        self.table.place(file)
    }

    /// The current instant, by the clock that commits are dated by.
    pub(crate) fn now(&self) -> Instant {
        self.storage.now()
    }

    /// The state that is known; `None` before the first [`follow`](Self::follow), and after a failed write.
    pub(crate) fn state(&self) -> Option<&TableState<F>> {
        self.state.as_ref()
    }

    /// The known files, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = &F> + Clone {
        let state = self.state.iter();
        state.flat_map(|state| state.files.values())
    }

    /// The version that is known; −1 while there is no table.
    pub(crate) fn version(&self) -> i64 {
        self.state.as_ref().map_or(-1, |state| state.version)
    }

    /// Updates the state to the newest version.
    pub(crate) async fn follow(&mut self) -> Result<(), LakeReadError> {
        match &mut self.state {
            Some(state) => {
                Box::pin(self.table.follow(state)).await?;
            }
            None => self.state = Some(Box::pin(self.table.load()).await?),
        }
        Ok(())
    }

    /// Updates the state to the newest version, which is durable when this returns: another writer may have named it
    /// without syncing it yet, and what it holds is not written again.
    pub(crate) async fn refresh(&mut self) -> Result<(), LakeReadError> {
        self.follow().await?;
        let version = self.version();
        if version != self.durable {
            self.table.make_durable(version).await?;
            self.durable = version;
        }
        self.expire_removed();
        Ok(())
    }

    /// Reads a file: its path in the lake, and its bytes. A file that is not found was replaced meanwhile.
    pub(crate) async fn read(&self, file: &str) -> Result<(String, Bytes), LakeReadError> {
        let place = self.place(file);
        let path = place.to_string();
        match self.storage.read(&place).await {
            Ok(bytes) => Ok((path, bytes)),
            Err(source) => Err(LakeReadError::Store { path, source }),
        }
    }

    /// Makes `files` durable, and commits them after the known version.
    pub(crate) async fn commit(
        &mut self,
        commit: Commit,
        files: Vec<(Path, Bytes)>,
    ) -> Result<(), LakePublishError> {
        let put = self.storage.put_together(files).await;
        put.map_err(|source| LakePublishError::Write {
            table: self.root(),
            source: source.into(),
        })?;
        match &mut self.state {
            Some(state) => Box::pin(self.table.commit(state, commit)).await,
            None => Ok(()),
        }
    }

    /// Forgets the state after a failed write, which may have landed.
    pub(crate) fn forget(&mut self) {
        self.state = None;
    }

    /// After a write: deletes files that were removed long enough ago, and packs the log if that is due.
    pub(crate) async fn tidy(&mut self) {
        self.expire_removed();
        self.expired.delete_due(&self.storage).await;
        if let Some(state) = &mut self.state {
            self.table.pack_if_due(state).await;
        }
    }

    fn expire_removed(&mut self) {
        let Some(state) = &mut self.state else { return };
        for path in state.removed.drain(..) {
            self.expired.note(self.table.place(&path));
        }
    }

    /// Deletes removed files at once.
    #[cfg(test)]
    pub(crate) fn expire_now(&mut self) {
        self.expired.expire_now();
    }
}
