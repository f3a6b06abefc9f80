//! The table of one park's messages: read as a whole or without those of one log, and joined by month and log.

use std::collections::BTreeMap;

use bytes::Bytes;
use greenpark_model::{day::CivilDay, id::ParkId};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{
    FileKey, Messages,
    columns::{SHAPE, decode, encode},
};
use crate::{
    delta::{Commit, NewData, OldData, state::TableFile},
    error::{LakePublishError, LakeReadError},
    store::{Storage, digest::content_id},
    tables::{followed::Followed, written::commits_at},
};

/// Attempts to write while another writer commits first.
const ATTEMPTS_MAX: usize = 8;
/// Runs of one gateway in a file: more than two gaps a minute, half a megabyte.
const RUNS_MAX: usize = 1 << 17;
/// Files with more rows than this are joined on a blocking thread.
const JOIN_ROWS_INLINE: u64 = 4_096;

/// Separates a month and a log other than the first, in a file's name.
const AFTER: &str = "-after-";

/// A file of the table: all messages of a month that came by one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessagesFile {
    path: String,
    size: u64,
    rows: u64,
    of: FileKey,
}

impl TableFile for MessagesFile {
    fn parse(path: &str, size: u64, rows: u64) -> Option<Self> {
        let mut parts = path.strip_suffix(".parquet")?.split('.');
        let (month, version, _id) = (parts.next()?, parts.next()?, parts.next()?);
        version.parse::<i64>().ok()?;
        let (month, log) = match month.split_once(AFTER) {
            Some((month, log)) => (month, log.parse().ok()?),
            None => (month, 0),
        };
        parts.next().is_none().then(|| Self {
            path: path.to_owned(),
            size,
            rows,
            of: FileKey {
                month: month.to_owned(),
                log,
            },
        })
    }
}

/// One park's messages, for readers and writers. Nothing is read before a method needs it.
#[derive(Debug)]
pub struct MessagesTable {
    table: Followed<MessagesFile>,
}

impl MessagesTable {
    pub(crate) fn new(storage: &Storage, park: &ParkId) -> Self {
        let root = Path::from(format!("{park}/messages"));
        Self {
            table: Followed::new(storage, root, &SHAPE),
        }
    }

    /// Reads all current messages of the park.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read; a file that is not found was replaced meanwhile: read again.
    pub async fn read(&mut self) -> Result<Messages, LakeReadError> {
        self.read_where(|_| true).await
    }

    /// Reads the messages that came by other logs than `log`, which is named as in [`add`](Self::add).
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn read_beside(&mut self, log: u64) -> Result<Messages, LakeReadError> {
        self.read_where(|of| of.log != log).await
    }

    async fn read_where(
        &mut self,
        wanted: impl Fn(&FileKey) -> bool,
    ) -> Result<Messages, LakeReadError> {
        self.table.follow().await?;
        let mut messages = Messages::default();
        for file in self.table.files().filter(|file| wanted(&file.of)) {
            let (path, bytes) = self.table.read(&file.path).await?;
            let decoded = decode(bytes).map_err(|source| LakeReadError::Decode { path, source })?;
            messages.join(&decoded);
        }
        Ok(messages)
    }

    /// The number of the table's commits.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read.
    pub async fn commits(&mut self) -> Result<u64, LakeReadError> {
        self.table.follow().await?;
        Ok(self.known_commits())
    }

    /// The number of its commits when it was last read or written.
    #[must_use]
    pub fn known_commits(&self) -> u64 {
        commits_at(self.table.version())
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

    /// Adds `messages` that came by `log`, durably and all at once. A log is named by the lake's offset of its
    /// first record: 0 unless another log was adopted. Returns true if any of them was new; if not, nothing is
    /// committed, and the existing state is durable.
    ///
    /// # Errors
    /// [`LakePublishError`]: some of them may not be in the table; add them again.
    pub async fn add(&mut self, messages: &Messages, log: u64) -> Result<bool, LakePublishError> {
        let months = messages.by_file(log);
        let mut attempt = 1;
        loop {
            let (commit, files) = match self.joined(&months).await {
                Ok((commit, _)) if commit.add.is_empty() => return Ok(false),
                Ok(joined) => joined,
                Err(error) => {
                    self.table.forget();
                    return Err(error);
                }
            };
            match self.table.commit(commit, files).await {
                Ok(()) => break,
                Err(LakePublishError::Fenced { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => {
                    self.table.forget();
                    return Err(error);
                }
            }
        }
        self.table.tidy().await;
        Ok(true)
    }

    /// The commit after which the newest state holds `months`, with the bytes of its files.
    async fn joined(
        &mut self,
        months: &BTreeMap<FileKey, Messages>,
    ) -> Result<(Commit, Vec<(Path, Bytes)>), LakePublishError> {
        self.table.refresh().await?;
        let (mut commit, mut files) = (Commit::default(), Vec::new());
        let version = self.table.version() + 1;
        for (of, new) in months {
            let of_month = self.table.files().filter(|file| file.of == *of);
            let old: Vec<MessagesFile> = of_month.cloned().collect();
            let mut parts = Vec::with_capacity(old.len());
            for file in &old {
                parts.push(self.table.read(&file.path).await?);
            }
            let rows: u64 = old.iter().map(|file| file.rows).sum();
            let new = new.clone();
            let joined = if rows + new.runs() as u64 <= JOIN_ROWS_INLINE {
                join(parts, new)?
            } else {
                let interrupted = |_| LakeReadError::Interrupted { path: self.root() };
                let joined = tokio::task::spawn_blocking(move || join(parts, new)).await;
                joined.map_err(interrupted)??
            };
            let Some((messages, bytes)) = joined else {
                continue;
            };
            let data = new_data(of, version, &messages, &bytes);
            files.push((self.table.place(&data.path), bytes));
            commit.add.push(data);
            commit.remove.extend(old.into_iter().map(|file| OldData {
                path: file.path,
                day: None,
                size: file.size,
            }));
        }
        Ok((commit, files))
    }

    /// Deletes removed files at once.
    #[cfg(test)]
    pub(super) fn expire_now(&mut self) {
        self.table.expire_now();
    }
}

/// Joins the files of a month and log with the new messages; `None` if nothing is new.
fn join(
    parts: Vec<(String, Bytes)>,
    new: Messages,
) -> Result<Option<(Messages, Bytes)>, LakePublishError> {
    let mut old = Messages::default();
    for (path, bytes) in parts {
        let decoded = decode(bytes).map_err(|source| LakeReadError::Decode { path, source })?;
        old.join(&decoded);
    }
    let mut joined = old.clone();
    if !joined.join(&new) {
        return Ok(None);
    }
    if joined.forget_beyond(RUNS_MAX) {
        warn!("a gateway's numbers have more gaps in a month than are kept; some count as missing");
        if joined == old {
            return Ok(None);
        }
    }
    let bytes = encode(&joined)?;
    Ok(Some((joined, bytes)))
}

fn new_data(of: &FileKey, version: i64, messages: &Messages, bytes: &Bytes) -> NewData {
    let id = content_id(&Sha256::digest(bytes).into());
    let days = || messages.iter().map(|(_, day, _)| day);
    let day = |day: Option<CivilDay>| day.map(|day| day.to_string()).unwrap_or_default();
    let (first, last) = (day(days().min()), day(days().max()));
    let FileKey { month, log } = of;
    let after = match log {
        0 => String::new(),
        log => format!("{AFTER}{log}"),
    };
    NewData {
        path: format!("{month}{after}.{version:012}.{id}.parquet"),
        day: None,
        size: bytes.len() as u64,
        stats: format!(
            "{{\"numRecords\":{},\"minValues\":{{\"day\":\"{first}\"}},\
             \"maxValues\":{{\"day\":\"{last}\"}},\"nullCount\":{{\"day\":0}}}}",
            messages.runs()
        ),
        more_columns: Vec::new(),
        sha256: None,
    }
}
