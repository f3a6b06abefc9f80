//! The files that a commit adds and removes, as actions of its entry.

use deltalake_core::kernel::{Add, Remove};

/// A file that a commit adds.
#[derive(Debug, Clone)]
pub(crate) struct NewData {
    pub(crate) path: String,
    pub(crate) day: Option<String>,
    pub(crate) size: u64,
    pub(crate) stats: String,
    /// Columns that few files have, and that a table made by an earlier version may lack.
    pub(crate) more_columns: Vec<&'static str>,
    /// Its digest, if the entry is to tell it.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// A file that a commit removes.
#[derive(Debug)]
pub(crate) struct OldData {
    pub(crate) path: String,
    pub(crate) day: Option<String>,
    pub(crate) size: u64,
}

impl NewData {
    pub(super) fn action(self, now: i64, data_change: bool) -> Add {
        Add {
            path: self.path,
            partition_values: self
                .day
                .map(|day| ("day".to_owned(), Some(day)))
                .into_iter()
                .collect(),
            // OK because a file is far below 2^63 bytes.
            size: self.size as i64,
            modification_time: now,
            data_change,
            stats: Some(self.stats),
            ..Add::default()
        }
    }
}

impl OldData {
    pub(super) fn action(self, now: i64, data_change: bool) -> Remove {
        Remove {
            path: self.path,
            data_change,
            deletion_timestamp: Some(now),
            extended_file_metadata: Some(true),
            partition_values: Some(
                self.day
                    .map(|day| ("day".to_owned(), Some(day)))
                    .into_iter()
                    .collect(),
            ),
            // OK because a file is far below 2^63 bytes.
            size: Some(self.size as i64),
            ..Remove::default()
        }
    }
}
