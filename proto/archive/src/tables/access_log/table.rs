//! The table of the access log: appended to, joined day by day, and read.

use std::collections::BTreeMap;

use bytes::Bytes;
use greenpark_model::day::CivilDay;
use greenpark_proof::leaf::{Leaf, LeafKind};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{
    AccessRecord, KEPT_DAYS, ROOT,
    columns::{SHAPE, decode, encode},
};
use crate::{
    delta::{Commit, Nature, NewData, OldData, state::TableFile},
    error::{LakePublishError, LakeReadError},
    store::{
        Storage,
        digest::{content_id, hex},
    },
    tables::followed::Followed,
};

/// Attempts to write while another writer commits first.
const ATTEMPTS_MAX: usize = 16;
/// Files of a day that are joined once there are more.
const FILES_MAX: usize = 64;
/// The most rows of a joined file.
const ROWS_MAX: u64 = 200_000;

/// A file of the table: records of one civil day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFile {
    path: String,
    size: u64,
    day: CivilDay,
    rows: u64,
    version: i64,
    id: String,
}

impl TableFile for AccessFile {
    /// `<day>.<rows>.<version>.<id>.parquet`.
    fn parse(path: &str, size: u64, _rows: u64) -> Option<Self> {
        let mut parts = path.strip_suffix(".parquet")?.split('.');
        let (day, rows, version) = (parts.next()?, parts.next()?, parts.next()?);
        let id = parts.next()?;
        Some(Self {
            path: path.to_owned(),
            size,
            day: day.parse().ok()?,
            rows: rows.parse().ok()?,
            version: version.parse().ok()?,
            id: id.to_owned(),
        })
        .filter(|_| parts.next().is_none())
    }
}

impl AccessFile {
    fn old(&self) -> OldData {
        OldData {
            path: self.path.clone(),
            day: None,
            size: self.size,
        }
    }
}

/// The access log, for a writer and for readers. Nothing is read before a method needs it.
#[derive(Debug)]
pub struct AccessTable {
    table: Followed<AccessFile>,
}

impl AccessTable {
    pub(crate) fn new(storage: &Storage) -> Self {
        Self {
            table: Followed::new(storage, Path::from(ROOT), &SHAPE),
        }
    }

    /// Appends `records`, durably and all at once. The same records again change nothing: after an error they may be
    /// there.
    ///
    /// # Errors
    /// [`LakePublishError`]: some of them may not be in the table; append the same records again.
    pub async fn append(&mut self, records: &[AccessRecord]) -> Result<(), LakePublishError> {
        let mut by_day: BTreeMap<CivilDay, Vec<AccessRecord>> = BTreeMap::new();
        for record in records {
            let of_day = by_day.entry(record.at.day()).or_default();
            of_day.push(record.clone());
        }
        let mut attempt = 1;
        loop {
            match self.append_once(&by_day).await {
                Ok(()) => break,
                Err(LakePublishError::Fenced { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => {
                    self.table.forget();
                    return Err(error);
                }
            }
        }
        if let Err(error) = self.join_days().await {
            self.table.forget();
            let error = &error as &dyn std::error::Error;
            warn!(error, "files of the access log were not joined");
        }
        self.table.tidy().await;
        Ok(())
    }

    async fn append_once(
        &mut self,
        by_day: &BTreeMap<CivilDay, Vec<AccessRecord>>,
    ) -> Result<(), LakePublishError> {
        self.table.refresh().await?;
        let (mut commit, mut files) = (Commit::default(), Vec::new());
        for (&day, records) in by_day {
            let (data, bytes) = self.new_file(day, records)?;
            let id = AccessFile::parse(&data.path, data.size, 0).map(|file| file.id);
            let mut known = self.table.files().filter(|file| file.day == day);
            if known.any(|file| Some(&file.id) == id.as_ref()) {
                continue;
            }
            files.push((self.table.place(&data.path), bytes));
            commit.add.push(data);
        }
        match files.is_empty() {
            true => Ok(()),
            false => self.table.commit(commit, files).await,
        }
    }

    /// Joins the small files of a day: of the newest day if there are many, of earlier days always. Removes the days
    /// that are no longer kept.
    async fn join_days(&mut self) -> Result<(), LakePublishError> {
        let Some(newest) = self.table.files().map(|file| file.day).max() else {
            return Ok(());
        };
        let (mut commit, mut files) = (Commit::default(), Vec::new());
        for group in groups(self.table.files(), newest) {
            let mut records = Vec::new();
            for file in &group {
                records.extend(self.read(file).await?);
            }
            records.sort_by(|a, b| {
                (a.at, &a.request_id, a.event).cmp(&(b.at, &b.request_id, b.event))
            });
            let (data, bytes) = self.new_file(group[0].day, &records)?;
            files.push((self.table.place(&data.path), bytes));
            commit.add.push(data);
            commit.remove.extend(group.iter().map(AccessFile::old));
        }
        if !files.is_empty() {
            commit.nature = Nature::Rearrangement;
            self.table.commit(commit, files).await?;
        }
        let over = newest.plus(-KEPT_DAYS);
        let over = self.table.files().filter(|file| file.day <= over);
        let commit = Commit {
            remove: over.map(AccessFile::old).collect(),
            ..Commit::default()
        };
        match commit.remove.is_empty() {
            true => Ok(()),
            false => self.table.commit(commit, Vec::new()).await,
        }
    }

    /// The files of the civil days from `first` to `last`, in the order in which they were written.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table's log cannot be read.
    pub async fn files_between(
        &mut self,
        first: CivilDay,
        last: CivilDay,
    ) -> Result<Vec<AccessFile>, LakeReadError> {
        self.table.follow().await?;
        let files = self.table.files();
        let files = files.filter(|file| (first..=last).contains(&file.day));
        let mut files: Vec<AccessFile> = files.cloned().collect();
        files.sort_by_key(|file| (file.day, file.version));
        Ok(files)
    }

    /// The records of a file.
    ///
    /// # Errors
    /// [`LakeReadError`] if it cannot be read; if it is not found, it was replaced meanwhile: list the files again.
    pub async fn read(&self, file: &AccessFile) -> Result<Vec<AccessRecord>, LakeReadError> {
        let (path, bytes) = self.table.read(&file.path).await?;
        decode(bytes).map_err(|source| LakeReadError::Decode { path, source })
    }

    /// The records of a civil day, in the order of their instants.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn of_day(&mut self, day: CivilDay) -> Result<Vec<AccessRecord>, LakeReadError> {
        let mut records = Vec::new();
        for file in self.files_between(day, day).await? {
            records.extend(self.read(&file).await?);
        }
        records.sort_by_key(|record| record.at);
        Ok(records)
    }

    /// The civil days that have records, in order.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table's log cannot be read.
    pub async fn days(&mut self) -> Result<Vec<CivilDay>, LakeReadError> {
        self.table.follow().await?;
        let mut days: Vec<CivilDay> = self.table.files().map(|file| file.day).collect();
        days.sort();
        days.dedup();
        Ok(days)
    }

    /// The leaves of the days after `after` that were over before `today`, and the last of these days. A day whose
    /// files are still to be joined is left for later, with those that follow it.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read.
    pub async fn finished(
        &mut self,
        after: Option<CivilDay>,
        today: CivilDay,
    ) -> Result<(Vec<Leaf>, Option<CivilDay>), LakeReadError> {
        self.table.follow().await?;
        let unjoined = groups(self.table.files(), today);
        let unjoined = unjoined.iter().map(|group| group[0].day).min();
        let before = unjoined.map_or(today, |unjoined| unjoined.min(today));
        let new = |file: &&AccessFile| file.day < before && Some(file.day) > after;
        let mut files: Vec<&AccessFile> = self.table.files().filter(new).collect();
        files.sort_by_key(|file| (file.day, file.version));
        let mut leaves = Vec::with_capacity(files.len());
        for file in &files {
            let (name, bytes) = self.table.read(&file.path).await?;
            leaves.push(Leaf {
                kind: LeafKind::AccessLog,
                name,
                sha256: hex(&Sha256::digest(&bytes)),
                size: bytes.len() as u64,
                recorded_at: self.table.now().millis(),
                version: file.version,
            });
        }
        Ok((leaves, files.last().map(|file| file.day)))
    }

    /// The paths within the table and the sizes of its files.
    pub(crate) async fn file_sizes(&mut self) -> Result<Vec<(String, u64)>, LakeReadError> {
        self.table.follow().await?;
        let files = self.table.files();
        Ok(files.map(|file| (file.path.clone(), file.size)).collect())
    }

    /// The table's path in the lake.
    pub(crate) fn root(&self) -> String {
        self.table.root()
    }

    /// Deletes removed files at once.
    #[cfg(test)]
    pub(super) fn expire_now(&mut self) {
        self.table.expire_now();
    }

    fn new_file(
        &self,
        day: CivilDay,
        records: &[AccessRecord],
    ) -> Result<(NewData, Bytes), LakePublishError> {
        let bytes = encode(records)?;
        let id = content_id(&Sha256::digest(&bytes).into());
        let (rows, version) = (records.len(), self.table.version() + 1);
        let data = NewData {
            path: format!("{day}.{rows}.{version:012}.{id}.parquet"),
            day: None,
            size: bytes.len() as u64,
            stats: format!("{{\"numRecords\":{rows}}}"),
            more_columns: Vec::new(),
            sha256: None,
        };
        Ok((data, bytes))
    }
}

/// The files to join, a group for each new file.
fn groups<'a>(
    files: impl Iterator<Item = &'a AccessFile>,
    newest: CivilDay,
) -> Vec<Vec<AccessFile>> {
    let mut small: BTreeMap<CivilDay, Vec<AccessFile>> = BTreeMap::new();
    for file in files.filter(|file| file.rows < ROWS_MAX / 2) {
        small.entry(file.day).or_default().push(file.clone());
    }
    small.retain(|day, files| files.len() > if *day == newest { FILES_MAX } else { 1 });
    let mut groups: Vec<Vec<AccessFile>> = Vec::new();
    for mut files in small.into_values() {
        files.sort_by_key(|file| file.version);
        let mut rows = u64::MAX;
        for file in files {
            rows = rows.saturating_add(file.rows);
            match groups.last_mut().filter(|_| rows <= ROWS_MAX) {
                Some(group) => group.push(file),
                None => {
                    rows = file.rows;
                    groups.push(vec![file]);
                }
            }
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}
