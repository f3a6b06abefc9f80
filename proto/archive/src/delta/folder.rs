//! The contents of a log's folder, by file name.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use object_store::path::Path;

use super::Table;
use crate::error::LakeReadError;

const LOG: &str = "_delta_log";
/// The folder of packed entries, within that of the log.
const PACKED: &str = "_delta_log/_packed";
/// The prefix of a packed file's name, before the last version that it holds.
const UPTO: &str = "upto-";

/// The contents of a log's folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Versions of entries, in order.
    pub(super) entries: Vec<i64>,
    /// Versions of checkpoints of one file, in order.
    pub(super) checkpoints: Vec<i64>,
    /// Files of packed entries by the last version, in order.
    pub(super) packed: Vec<(i64, Path)>,
}

impl Folder {
    pub(super) async fn list(table: &Table) -> Result<Self, LakeReadError> {
        Ok(names(table, LOG).await?.into_iter().collect())
    }

    /// The first version that is neither an entry nor packed, although a later one is.
    pub(super) fn gap(&self) -> Option<i64> {
        let next = self.packed.last().map_or(0, |(upto, _)| upto + 1);
        let later = self.entries.iter().filter(|version| **version >= next);
        let holes = (next..).zip(later).find(|(due, found)| due != *found);
        holes.map(|(due, _)| due)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.checkpoints.is_empty()
    }
}

impl FromIterator<Path> for Folder {
    fn from_iter<I: IntoIterator<Item = Path>>(names: I) -> Self {
        let mut folder = Self::default();
        for name in names {
            if let Some(upto) = packed_upto(&name) {
                folder.packed.push((upto, name));
                continue;
            }
            let parts = name.filename().and_then(|name| name.split_once('.'));
            let Some((Ok(version), kind)) = parts.map(|(of, kind)| (of.parse(), kind)) else {
                continue;
            };
            match kind {
                "json" => folder.entries.push(version),
                "checkpoint.parquet" => folder.checkpoints.push(version),
                _ => {}
            }
        }
        folder.entries.sort_unstable();
        folder.checkpoints.sort_unstable();
        folder.packed.sort_unstable();
        folder
    }
}

/// The tables that lack a version in `paths`, although a later one is there.
pub(crate) fn with_gaps<'a>(paths: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut logs: BTreeMap<&str, Vec<Path>> = BTreeMap::new();
    for path in paths {
        if let Some((table, _)) = path.split_once("/_delta_log/") {
            logs.entry(table).or_default().push(Path::from(path));
        }
    }
    let folders = logs
        .into_iter()
        .map(|(table, names)| (table, Folder::from_iter(names)));
    folders
        .filter(|(_, folder)| folder.gap().is_some())
        .map(|(table, _)| table)
        .collect()
}

/// The packed files alone, by their last version, in order.
pub(super) async fn list_packed(table: &Table) -> Result<Vec<(i64, Path)>, LakeReadError> {
    let names = names(table, PACKED).await?.into_iter();
    let mut packed: Vec<_> = names
        .filter_map(|name| Some((packed_upto(&name)?, name)))
        .collect();
    packed.sort_unstable();
    Ok(packed)
}

/// The path within the table of a packed file with the versions up to `upto`; `id` is the start of its digest.
pub(super) fn packed_name(upto: i64, id: &str) -> String {
    format!("{PACKED}/{UPTO}{upto:020}.{id}.zst")
}

/// The last version in a packed file of this name.
fn packed_upto(name: &Path) -> Option<i64> {
    let version = name.filename()?.strip_prefix(UPTO)?;
    version.split_once('.')?.0.parse().ok()
}

async fn names(table: &Table, folder: &str) -> Result<Vec<Path>, LakeReadError> {
    let folder = table.place(folder);
    let listed = table.storage.store().list(Some(&folder));
    let names: Result<Vec<Path>, _> = listed.map_ok(|found| found.location).try_collect().await;
    names.map_err(|source| LakeReadError::Store {
        path: folder.to_string(),
        source,
    })
}
