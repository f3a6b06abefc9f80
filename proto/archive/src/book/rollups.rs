//! Makes the monthly rollups of a book's series from its totals, several seals at a time. A failure does no
//! harm: a later flush tries again.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_model::day::CivilDay;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{Book, SEALS};
use crate::{
    book::rolled_at::RolledAt,
    delta::{Commit, Nature, NewData, OldData},
    error::{EncodeError, LakePublishError, LakeReadError},
    reference::meters::Meters,
    tables::{
        rollups::{self, Rollup, RollupsFile},
        totals::{TotalsFile, TotalsRow, decode_totals},
    },
};

/// Versions of the readings after which the start of brief readers is recorded anew: they read so many entries
/// at most.
const NOTED_EVERY: i64 = 256;
/// Days of all series, and files of totals, that wait to be rolled up together. Each time their whole month is
/// rewritten; until then readers read the totals of what waits.
const WAITING_DAYS: u64 = 4;
const WAITING_FILES: usize = 16;
/// Rows of totals that are rolled up at once, some hundred bytes each.
const ROWS_AT_ONCE: u64 = 1 << 17;

impl Book {
    /// Returns true if totals should be rolled up now: any totals if the book `is_idle`, which means that no day
    /// of its year waits to be sealed; otherwise once there are enough of them.
    #[must_use]
    pub fn is_roll_up_due(&self, is_idle: bool) -> bool {
        let waiting = self.waiting();
        if waiting.is_empty() || !self.rolls_up {
            return false;
        }
        let rows: u64 = waiting.iter().map(|file| file.rows).sum();
        let newest = self.rollups_state.files.values().max_by_key(|of| of.month);
        let series = newest.map_or(0, |month| month.rows);
        is_idle
            || waiting.len() >= WAITING_FILES
            || rows >= WAITING_DAYS * series
            || self.state.version - self.noted_version() >= NOTED_EVERY
    }

    /// Rolls up all totals that are in no rollup yet, with the traits of `meters`.
    ///
    /// # Errors
    /// [`LakePublishError`]: some rollups may be made. Another call makes the missing ones.
    pub async fn roll_up(&mut self, meters: &Arc<Meters>) -> Result<(), LakePublishError> {
        while self.rolls_up {
            let mut rows = 0;
            let mut waiting = self.waiting();
            waiting.retain(|file| {
                let first = rows == 0;
                rows += file.rows;
                first || rows <= ROWS_AT_ONCE
            });
            let Some(seal) = waiting.last().map(|file| file.seal) else {
                return Ok(());
            };
            self.roll_up_to(seal, &waiting, meters).await?;
        }
        Ok(())
    }

    /// The note for rollups up to `seal`: where a reader starts that needs no names of files sealed before.
    /// Null if totals of sealed days are in no rollup yet.
    async fn rolled_at(&self, seal: i64) -> Result<Value, LakeReadError> {
        if seal != self.state.txn(SEALS) {
            return Ok(Value::Null);
        }
        let rolled_at = RolledAt::of(&self.readings, &self.state).await?;
        Ok(rolled_at.map_or(Value::Null, |of| of.write()))
    }

    /// Records the start of brief readers anew after many commits; a failure does no harm.
    pub(super) async fn note_if_due(&mut self) {
        let noted = self.noted_version();
        if noted < 0 || self.state.version - noted < NOTED_EVERY || !self.waiting().is_empty() {
            return;
        }
        let noted = async {
            let seal = self.rollups_state.txn(SEALS);
            let commit = Commit {
                note: Some(self.rolled_at(seal).await?),
                nature: Nature::Rearrangement,
                ..Commit::default()
            };
            self.commit_rollups(commit).await
        };
        if let Err(error) = noted.await {
            self.warn(&error, "readers begin with older rollups");
        }
    }

    fn warn(&self, error: &(dyn std::error::Error + 'static), what: &str) {
        warn!(park = %self.park, year = self.year, error, "{what}");
    }

    /// The version of the readings that is recorded with the rollups; −1 if no version is recorded.
    fn noted_version(&self) -> i64 {
        let note = self.rollups_state.note.as_ref();
        note.and_then(RolledAt::read).map_or(-1, |of| of.version)
    }

    async fn commit_rollups(&mut self, commit: Commit) -> Result<(), LakePublishError> {
        let committed = self.rollups.commit(&mut self.rollups_state, commit).await;
        if committed.is_err() {
            // Another writer may have committed first, while it still had the book.
            self.rollups_state = self.rollups.load().await?;
        }
        self.expire_removed();
        committed
    }

    /// Files of totals that are in no rollup yet, in the order of their seals.
    fn waiting(&self) -> Vec<TotalsFile> {
        let rolled = self.rollups_state.txn(SEALS);
        let files = self.totals_state.files.values();
        let mut waiting: Vec<TotalsFile> =
            files.filter(|file| file.seal > rolled).cloned().collect();
        waiting.sort_by_key(|file| file.seal);
        waiting
    }

    async fn roll_up_to(
        &mut self,
        seal: i64,
        files: &[TotalsFile],
        meters: &Arc<Meters>,
    ) -> Result<(), LakePublishError> {
        let mut months: BTreeMap<CivilDay, Vec<TotalsRow>> = BTreeMap::new();
        for file in files {
            let rows = self.totals_of(file).await?;
            for of_month in rows.chunk_by(|a, b| a.day.month() == b.day.month()) {
                let month = months.entry(of_month[0].day.month().first());
                month.or_default().extend_from_slice(of_month);
            }
        }
        let mut commit = Commit {
            txns: vec![(SEALS.to_owned(), seal)],
            note: Some(self.rolled_at(seal).await?),
            ..Commit::default()
        };
        let mut bytes = Vec::with_capacity(months.len());
        for (month, rows) in months {
            let (mut known, mut old) = (Vec::new(), Vec::new());
            for file in self.rollups_state.files.values() {
                if file.month != month {
                    continue;
                }
                match self.rollups_of(file).await {
                    Ok(of_file) => known.extend(of_file),
                    Err(error) if is_damaged(&error) => {
                        self.warn(&error, "everything is rolled up anew");
                        return self.forget_rollups().await;
                    }
                    Err(error) => return Err(error.into()),
                }
                old.push(old_rollups(file));
            }
            commit.remove.extend(old);
            let meters = Arc::clone(meters);
            let made = tokio::task::spawn_blocking(move || {
                let rollups = Rollup::with_totals(known, rows, &meters);
                match rollups.is_empty() {
                    true => Ok(None),
                    false => {
                        rollups::encode_rollups(&rollups).map(|bytes| Some((bytes, rollups.len())))
                    }
                }
            });
            let made: Result<_, EncodeError> =
                made.await.map_err(|_| LakeReadError::Interrupted {
                    path: self.rollups.root().to_string(),
                })?;
            let Some((encoded, rows)) = made? else {
                continue;
            };
            let data = NewData {
                path: rollups::file_name(month, seal, &Sha256::digest(&encoded).into()),
                day: None,
                size: encoded.len() as u64,
                stats: format!("{{\"numRecords\":{rows}}}"),
                more_columns: Vec::new(),
                sha256: None,
            };
            bytes.push((self.rollups.place(&data.path), encoded));
            // The same totals produce the same file.
            commit.remove.retain(|old| old.path != data.path);
            commit.add.push(data);
        }
        self.put(bytes).await?;
        self.commit_rollups(commit).await
    }

    async fn rollups_of(&self, file: &RollupsFile) -> Result<Vec<Rollup>, LakeReadError> {
        let place = self.rollups.place(&file.path);
        let path = place.to_string();
        match self.storage.read(&place).await {
            Ok(bytes) => rollups::decode_rollups(bytes)
                .map_err(|source| LakeReadError::Decode { path, source }),
            Err(source) => Err(LakeReadError::Store { path, source }),
        }
    }

    pub(super) async fn totals_of(
        &self,
        file: &TotalsFile,
    ) -> Result<Vec<TotalsRow>, LakeReadError> {
        let place = self.totals.place(&file.path);
        let path = place.to_string();
        match self.storage.read(&place).await {
            Ok(bytes) => {
                decode_totals(bytes).map_err(|source| LakeReadError::Decode { path, source })
            }
            Err(source) => Err(LakeReadError::Store { path, source }),
        }
    }

    /// Removes rollups of seals or of a version that never reached the readings: those of a lake that was ahead
    /// of this one.
    pub(super) async fn forget_rollups_ahead(&mut self) -> Result<(), LakePublishError> {
        let version = self.noted_version();
        let is_ahead = self.rollups_state.txn(SEALS) > self.state.txn(SEALS);
        if !self.rolls_up || !is_ahead && version <= self.state.version {
            return Ok(());
        }
        self.forget_rollups().await
    }

    async fn forget_rollups(&mut self) -> Result<(), LakePublishError> {
        let commit = Commit {
            remove: self.rollups_state.files.values().map(old_rollups).collect(),
            txns: vec![(SEALS.to_owned(), 0)],
            note: Some(Value::Null),
            ..Commit::default()
        };
        self.commit_rollups(commit).await
    }
}

/// Returns true if a file of rollups is gone or damaged: its contents are made again.
fn is_damaged(error: &LakeReadError) -> bool {
    match error {
        LakeReadError::Decode { .. } => true,
        LakeReadError::Store { source, .. } => {
            matches!(source, object_store::Error::NotFound { .. })
        }
        _ => false,
    }
}

fn old_rollups(file: &RollupsFile) -> OldData {
    OldData {
        path: file.path.clone(),
        day: None,
        size: file.size,
    }
}
