//! Upkeep that keeps a book small. A failure does no harm.

use tracing::warn;

use crate::{
    book::{Book, SEALS, change::old_totals},
    delta::{Commit, Nature},
    error::LakePublishError,
    readings::file::ReadingsFile,
    tables::totals::TotalsFile,
};

/// Totals files beyond this many are merged.
const TOTALS_FILES_MAX: usize = 32;
/// Totals files are merged whole up to this many rows; beyond it, large ones are left alone.
const TOTALS_ROWS_MAX: u64 = 1 << 18;
/// Rows that are merged at once, some hundred bytes each, so that memory does not grow with a book.
const TOTALS_MERGED_MAX: u64 = 1 << 18;
/// Rows of a large totals file.
const TOTALS_LARGE_ROWS: u64 = 1 << 16;

impl Book {
    /// Schedules removed hot files, and rollups that were made again, for deletion.
    pub(super) fn expire_removed(&mut self) {
        for path in self.state.removed.drain(..) {
            if ReadingsFile::parse(&path, 0, 0).is_some_and(|file| file.is_hot()) {
                self.expired.note(self.readings.place(&path));
            }
        }
        self.totals_state.removed.clear();
        for path in self.rollups_state.removed.drain(..) {
            // The same totals may have made the same file again.
            if !self.rollups_state.files.contains_key(&path) {
                self.expired.note(self.rollups.place(&path));
            }
        }
    }

    /// Deletes expired files and merges totals files. A failure does no harm.
    pub(super) async fn tidy(&mut self) {
        self.expired.delete_due(&self.storage).await;
        if self.totals_state.files.len() > TOTALS_FILES_MAX
            && let Err(error) = Box::pin(self.merge_totals()).await
        {
            let error = &error as &dyn std::error::Error;
            warn!(park = %self.park, year = self.year, error, "totals were not merged");
        }
    }

    /// Packs older entries of its logs, if enough were added since the last pack.
    pub async fn pack_if_due(&mut self) {
        // Before the entries are packed from which brief readers start.
        self.note_if_due().await;
        self.readings.pack_if_due(&mut self.state).await;
        self.totals.pack_if_due(&mut self.totals_state).await;
        self.rollups.pack_if_due(&mut self.rollups_state).await;
    }

    async fn merge_totals(&mut self) -> Result<(), LakePublishError> {
        if !self.rolls_up {
            // It is unknown which of them are rolled up.
            return Ok(());
        }
        // Files that are rolled up are not mixed with others: a total is rolled up once.
        let rolled = self.rollups_state.txn(SEALS);
        let is_rolled = |file: &&TotalsFile| file.seal <= rolled;
        let many = self.totals_state.files.values().filter(is_rolled).count();
        let side = 2 * many >= self.totals_state.files.len();
        let files = self.totals_state.files.values();
        let files = files.filter(|file| is_rolled(file) == side);
        let all: u64 = files.clone().map(|file| file.rows).sum();
        let small = |file: &&TotalsFile| all <= TOTALS_ROWS_MAX || file.rows < TOTALS_LARGE_ROWS;
        let merged = smallest_files(files.filter(small).cloned().collect());
        if merged.len() < 2 {
            // A single file would be replaced by itself.
            return Ok(());
        }
        let mut rows = Vec::new();
        for file in &merged {
            rows.extend(self.totals_of(file).await?);
        }
        let Some(seal) = merged.iter().map(|file| file.seal).max() else {
            return Ok(());
        };
        let (data, bytes) = self.totals_data(rows, seal).await?;
        let table = || self.totals.root().to_string();
        self.storage
            .put_together(vec![(self.totals.place(&data.path), bytes)])
            .await
            .map_err(|source| LakePublishError::Write {
                table: table(),
                source: source.into(),
            })?;
        let remove = merged.iter().map(old_totals).collect();
        let commit = Commit {
            add: vec![data],
            remove,
            nature: Nature::Rearrangement,
            ..Commit::default()
        };
        self.totals.commit(&mut self.totals_state, commit).await?;
        self.totals_state.removed.clear();
        Ok(())
    }
}

/// The files with the fewest rows, at most [`TOTALS_MERGED_MAX`] rows together, in the order of their names.
fn smallest_files(mut files: Vec<TotalsFile>) -> Vec<TotalsFile> {
    files.sort_by_key(|file| file.rows);
    let mut rows = 0;
    files.retain(|file| {
        rows += file.rows;
        rows <= TOTALS_MERGED_MAX
    });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delta::state::TableFile as _, tables::totals};

    #[test]
    fn no_more_rows_are_merged_at_once_than_memory_is_for() {
        let file = |(seal, rows): (i64, u64)| {
            let path = totals::file_name(seal, &[7; 32]);
            TotalsFile::parse(&path, 1, rows).expect("a name of ours")
        };
        let merged = |rows: &[u64]| {
            let files = (1..).zip(rows.iter().copied()).map(file).collect();
            let few = smallest_files(files);
            few.iter().map(|file| file.rows).collect::<Vec<_>>()
        };
        let large = TOTALS_LARGE_ROWS - 1;
        assert_eq!(merged(&[9, 7, 8]), [9, 7, 8]);
        assert_eq!(merged(&[large; 33]).len(), 4);
        assert_eq!(
            merged(&[TOTALS_MERGED_MAX, 5, TOTALS_MERGED_MAX, 6]),
            [5, 6]
        );
    }
}
