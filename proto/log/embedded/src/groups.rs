//! Who reads the log, and how to let go of one who does not any more.
//!
//! A group that has committed keeps all that it has not read, for ever: so its name, how far it is and when it was
//! last there can be asked, and a group can be forgotten while nothing has the file open.

use std::{collections::BTreeMap, path::Path};

use greenpark_model::day::Instant;
use redb::WriteTransaction;

use super::{
    EmbeddedLog, LogFileSettings,
    store::{COMMITTED, LETTERS, SEEN, Store, StoreError},
};
use greenpark_log::{
    error::{OpenError, ReadError},
    record::Topic,
};

/// How a group that reads the log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProgress {
    /// Its name.
    pub group: String,
    /// What it reads.
    pub topic: Topic,
    /// Records that it has not committed.
    pub behind: u64,
    /// When it last committed, in UTC milliseconds; `None` where that was before the file told.
    pub seen_ms: Option<i64>,
}

impl EmbeddedLog {
    /// The groups that keep records, by name.
    ///
    /// # Errors
    /// [`ReadError`]: the file cannot be read.
    pub fn groups(&self) -> Result<Vec<GroupProgress>, ReadError> {
        let store = &self.core.store;
        let seen = store.seen();
        let seen = seen.map_err(|error| ReadError::Read(Box::new(error)))?;
        let published = &self.core.published;
        let tails = published.tails.borrow().clone();
        let letters: u64 = published.letter_tails.borrow().iter().sum();
        let mut groups = Vec::new();
        for group in published.groups() {
            groups.push(GroupProgress {
                behind: self.backlog_to(&group, &tails),
                seen_ms: seen.get(&(0, group.clone())).copied(),
                topic: Topic::Readings,
                group,
            });
        }
        for (group, next) in published.letter_groups() {
            groups.push(GroupProgress {
                behind: letters.saturating_sub(next),
                seen_ms: seen.get(&(1, group.clone())).copied(),
                topic: Topic::DeadLetters,
                group,
            });
        }
        Ok(groups)
    }

    /// Lets go of `group` in the file in `folder`, which nothing may have open: what it has not read is kept for it
    /// no longer. Whether it was there.
    ///
    /// # Errors
    /// [`OpenError`]: another process has the file open, it is damaged, or the disk refuses.
    pub fn forget(
        folder: &Path,
        settings: LogFileSettings,
        group: &str,
    ) -> Result<bool, OpenError> {
        let (store, _contents) = Store::open(folder, settings.partitions, settings.cache_bytes)?;
        let forgotten = store.write(|transaction| forget(transaction, group));
        forgotten.map_err(|error| OpenError::File {
            path: folder.display().to_string(),
            cause: Box::new(error),
        })
    }
}

fn forget(transaction: &WriteTransaction, group: &str) -> Result<bool, StoreError> {
    let mut committed = transaction.open_table(COMMITTED)?;
    let partitions = (group, 0)..=(group, u32::MAX);
    let mut there = false;
    for removed in committed.extract_from_if(partitions, |_, _| true)? {
        removed?;
        there = true;
    }
    there |= transaction.open_table(LETTERS)?.remove(group)?.is_some();
    let mut seen = transaction.open_table(SEEN)?;
    for topic in [0, 1] {
        seen.remove((topic, group))?;
    }
    Ok(there)
}

/// Stores that `groups` committed at `now`.
pub(crate) fn see<'a>(
    transaction: &WriteTransaction,
    groups: impl Iterator<Item = (Topic, &'a str)>,
    now: Instant,
) -> Result<(), StoreError> {
    let mut groups = groups.peekable();
    if groups.peek().is_none() {
        return Ok(());
    }
    let now_ms = u64::try_from(now.millis()).unwrap_or(0);
    let mut seen = transaction.open_table(SEEN)?;
    for (topic, group) in groups {
        let topic = u8::from(topic == Topic::DeadLetters);
        seen.insert((topic, group), now_ms)?;
    }
    Ok(())
}

/// When each group last committed, by what it reads.
pub(crate) type Seen = BTreeMap<(u8, String), i64>;
