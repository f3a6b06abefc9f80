//! The state that we keep of a Delta table: its version, its files and its transactions.
//!
//! deltalake's own snapshot keeps every action with its statistics and grows with every update; a book needs
//! names and sizes.

use std::collections::BTreeMap;

use deltalake_core::kernel::{Action, Add, Metadata, Protocol};
use serde_json::Value;

use crate::{
    delta::commit_info::{NOTE, OURS},
    error::{LakeReadError, LibraryError},
};

/// A file as its table's log names it.
pub(crate) trait TableFile: Sized + Clone + Send + Sync + 'static {
    /// Parses the file with this path; `None` if another program wrote it.
    fn parse(path: &str, size: u64, rows: u64) -> Option<Self>;

    /// For a file that is deleted once its table has removed it: a name of no file, the same for all files that
    /// stand for the same readings.
    fn stand_in(&self) -> Option<String> {
        None
    }
}

/// The state of a table at a version.
#[derive(Debug, Clone)]
pub(crate) struct TableState<F> {
    /// The version; −1 while there is no table.
    pub(crate) version: i64,
    /// Its files by path.
    pub(crate) files: BTreeMap<String, F>,
    /// Delta application transactions: how far the log was consumed, and which seal is in.
    pub(crate) txns: BTreeMap<String, i64>,
    /// The writer's note beside the transactions, if any.
    pub(crate) note: Option<Value>,
    /// Paths removed since the state was loaded, oldest first.
    pub(crate) removed: Vec<String>,
    /// Its newest metadata action, which holds the schema; `None` while there is no table.
    pub(crate) metadata: Option<Metadata>,
    /// Log entries since the last checkpoint.
    pub(crate) entries: usize,
    /// Their bytes.
    pub(crate) entry_bytes: u64,
    /// The version from which on another pack of the log is worthwhile.
    pub(crate) pack_at: i64,
}

impl<F> Default for TableState<F> {
    fn default() -> Self {
        Self {
            version: -1,
            files: BTreeMap::new(),
            txns: BTreeMap::new(),
            note: None,
            removed: Vec::new(),
            metadata: None,
            entries: 0,
            entry_bytes: 0,
            pack_at: 0,
        }
    }
}

impl<F: TableFile> TableState<F> {
    /// Applies the actions of the next version.
    pub(crate) fn apply(
        &mut self,
        table: &str,
        actions: &[Action],
        bytes: u64,
    ) -> Result<(), LakeReadError> {
        for action in actions {
            self.apply_action(table, action)?;
        }
        self.version += 1;
        self.entries += 1;
        self.entry_bytes += bytes;
        Ok(())
    }

    fn apply_action(&mut self, table: &str, action: &Action) -> Result<(), LakeReadError> {
        match action {
            Action::Add(add) => {
                if add.deletion_vector.is_some() {
                    let feature = "deletion vectors".to_owned();
                    return Err(LakeReadError::Feature {
                        table: table.to_owned(),
                        feature,
                    });
                }
                let size = u64::try_from(add.size).unwrap_or(0);
                self.insert(table, &add.path, size, row_count(add))?;
            }
            Action::Remove(remove) => {
                self.files.remove(&remove.path);
                self.removed.push(remove.path.clone());
            }
            Action::Txn(txn) => {
                self.txns.insert(txn.app_id.clone(), txn.version);
            }
            Action::Protocol(protocol) => check_protocol(table, protocol)?,
            Action::Metadata(metadata) => self.metadata = Some(metadata.clone()),
            // Each entry of ours repeats it, like the transactions.
            Action::CommitInfo(info) => {
                if let Some(ours) = info.info.get(OURS) {
                    self.note = ours.get(NOTE).cloned();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds a file of the table.
    pub(crate) fn insert(
        &mut self,
        table: &str,
        path: &str,
        size: u64,
        rows: u64,
    ) -> Result<(), LakeReadError> {
        let file = F::parse(path, size, rows).ok_or_else(|| LakeReadError::Name {
            table: table.to_owned(),
            path: path.to_owned(),
        })?;
        self.files.insert(path.to_owned(), file);
        Ok(())
    }

    /// The version of the transaction with this name; 0 if it was never set.
    pub(crate) fn txn(&self, name: &str) -> i64 {
        self.txns.get(name).copied().unwrap_or(0)
    }
}

/// Refuses a table whose protocol needs more than we implement.
pub(crate) fn check_protocol(table: &str, protocol: &Protocol) -> Result<(), LakeReadError> {
    let log = |source: LibraryError| LakeReadError::Log {
        table: table.to_owned(),
        source,
    };
    let value = serde_json::to_value(protocol).map_err(|source| log(source.into()))?;
    let reader = value.get("minReaderVersion").and_then(Value::as_i64);
    if reader == Some(1) {
        return Ok(());
    }
    let features = value
        .get("readerFeatures")
        .map(ToString::to_string)
        .unwrap_or_default();
    let feature = format!("reader version {} {features}", reader.unwrap_or(0));
    Err(LakeReadError::Feature {
        table: table.to_owned(),
        feature,
    })
}

/// The `numRecords` in a file's statistics; 0 if there are none.
pub(crate) fn row_count(add: &Add) -> u64 {
    const KEY: &str = "\"numRecords\":";
    let text = add.stats.as_deref().unwrap_or_default();
    // Our own statistics begin with the count; those of other programs are parsed.
    if let Some(rest) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_prefix(KEY))
    {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        return rest[..digits].parse().unwrap_or(0);
    }
    let stats: Option<Value> = serde_json::from_str(text).ok();
    stats
        .and_then(|stats| stats.get("numRecords")?.as_u64())
        .unwrap_or(0)
}
