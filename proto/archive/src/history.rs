//! What a table was at an instant: the last version that had been committed by then.
//!
//! Every entry of a log tells when it was made, and no log of ours is cleaned. Versions are searched by
//! halves, so a year of flushes costs some fifteen looks. A writer's clock that was set back makes two
//! versions' instants overlap; the search then ends at one of them.

use greenpark_model::day::Instant;
use serde_json::Value;

use crate::{
    delta::Table,
    error::ReadError,
    table::{TableFile, TableState},
};

impl Table {
    /// The state that the table had at `at`, of which `newest` is the newest version; `None` if there was
    /// none yet.
    pub(crate) async fn load_as_of<F: TableFile>(
        &self,
        newest: i64,
        at: Instant,
    ) -> Result<Option<TableState<F>>, ReadError> {
        match self.version_as_of(newest, at).await? {
            Some(version) => Ok(Some(Box::pin(self.load_at(version)).await?)),
            None => Ok(None),
        }
    }

    /// The last version that was committed at or before `at`, from 0 to `newest`.
    pub(crate) async fn version_as_of(
        &self,
        newest: i64,
        at: Instant,
    ) -> Result<Option<i64>, ReadError> {
        // All versions below `low` were there; none from `high` on was.
        let (mut low, mut high) = (0, newest + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.made_at(middle).await? <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok((low > 0).then(|| low - 1))
    }

    /// When a version was made, by its entry.
    pub(crate) async fn made_at(&self, version: i64) -> Result<Instant, ReadError> {
        let entry = self.entry(version).await?;
        let entry = entry.ok_or_else(|| {
            let message = format!(
                "entry {version} is missing: the log was cleaned by another program, and what it told \
                 of the past is gone"
            );
            self.broken(message)
        })?;
        let told = entry
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .find_map(|action| action.get("commitInfo")?.get("timestamp")?.as_i64());
        told.map(Instant)
            .ok_or_else(|| self.broken(format!("entry {version} does not tell when it was made")))
    }
}
