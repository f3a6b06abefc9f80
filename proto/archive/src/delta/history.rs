//! The state of a table at an instant: the last version that had been committed by then.
//!
//! Every log entry records when it was made, and the [packed](crate::delta) form of older entries records it of
//! each change. Versions are found by binary search: 12 reads for some thousand entries. If a writer's clock
//! was set back, two versions' instants overlap; the search then ends at one of them.

use greenpark_model::day::Instant;
use serde_json::Value;

use crate::{
    delta::{
        Table,
        state::{TableFile, TableState},
    },
    error::LakeReadError,
};

impl Table {
    /// The state of the table at `at`; `newest` is its newest version. `None` if there was no table yet. If the
    /// entries of `at` are packed, the state's version is that of the last packed change.
    pub(crate) async fn load_as_of<F: TableFile>(
        &self,
        newest: i64,
        at: Instant,
    ) -> Result<Option<TableState<F>>, LakeReadError> {
        let first = self.packed_upto().await?.max(0);
        if first > 0 && at < self.entry_made_at(first).await? {
            return self.packed_as_of(at).await;
        }
        match self.version_as_of((first, newest), at).await? {
            Some(version) => Ok(Some(Box::pin(self.load_at(version)).await?)),
            None => Ok(None),
        }
    }

    async fn packed_as_of<F: TableFile>(
        &self,
        at: Instant,
    ) -> Result<Option<TableState<F>>, LakeReadError> {
        let packed = self.packed().await?;
        if packed.as_ref().is_some_and(|packed| packed.is_unclear(at)) {
            return Err(self.broken(format!(
                "the clock of its writer was set back or forth about {at}, so that nobody can say what was there then"
            )));
        }
        let Some((version, files)) = packed.as_ref().and_then(|packed| packed.as_of(at)) else {
            return Ok(None);
        };
        let mut state = TableState {
            version,
            ..TableState::default()
        };
        for (path, file) in files {
            state.insert(self.root().as_ref(), path, file.size, file.rows)?;
        }
        Ok(Some(state))
    }

    /// The last version that was committed at or before `at`, of those from `first` to `newest`.
    async fn version_as_of(
        &self,
        (first, newest): (i64, i64),
        at: Instant,
    ) -> Result<Option<i64>, LakeReadError> {
        // All versions below `low` existed; none from `high` on did.
        let (mut low, mut high) = (first, newest + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry_made_at(middle).await? <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok((low > first).then(|| low - 1))
    }

    /// When a version was made; for a packed one, when the first change from it on was.
    pub(crate) async fn made_at(&self, version: i64) -> Result<Instant, LakeReadError> {
        if let Some(entry) = self.entry(version).await? {
            return self.made_at_of(version, &entry);
        }
        if let Some(packed) = self.packed().await?
            && version < packed.upto()
        {
            return match packed.made_at(version) {
                Some(made_at) => Ok(made_at),
                None => self.entry_made_at(packed.upto()).await,
            };
        }
        Err(self.gone(version))
    }

    /// When the version of an existing entry was made.
    pub(crate) async fn entry_made_at(&self, version: i64) -> Result<Instant, LakeReadError> {
        let entry = self.entry(version).await?;
        let entry = entry.ok_or_else(|| self.gone(version))?;
        self.made_at_of(version, &entry)
    }

    fn gone(&self, version: i64) -> LakeReadError {
        LakeReadError::Cleaned {
            table: self.root().to_string(),
            version,
        }
    }

    /// The instant at which an entry was made, as it records.
    fn made_at_of(&self, version: i64, entry: &[u8]) -> Result<Instant, LakeReadError> {
        let made_at = entry
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .find_map(|action| action.get("commitInfo")?.get("timestamp")?.as_i64());
        made_at
            .map(Instant::from_millis)
            .ok_or_else(|| self.broken(format!("entry {version} does not tell when it was made")))
    }
}
