//! Lists every file of a lake, to copy it while others write to it.
//!
//! Data files are never overwritten, and a log entry is made after the files that it names. So the entries of
//! one moment and all other files listed afterwards form a lake. Files that were removed between the two are
//! found by [`Lake::astray_anywhere`] on the copy; then later entries are copied, too.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;

use crate::{
    delta,
    error::LakeReadError,
    lake::{Lake, inspect::Astray},
};

/// The newest checkpoint of the transparency log, which is overwritten.
pub(crate) const CHECKPOINT: &str = "transparency/checkpoint";

/// A file of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The path within the lake.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Stored {
    /// The order in which files are copied: entries of readings, then entries that were committed before them,
    /// then data files.
    fn rank(&self) -> u8 {
        match (self.is_of_log(), self.path.contains("/readings/")) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        }
    }

    /// Returns true for a file of a table's log: an entry, a checkpoint, or a packed file.
    #[must_use]
    pub fn is_of_log(&self) -> bool {
        self.path.contains("/_delta_log/")
    }

    /// Returns true for an entry of a table's log.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.is_of_log() && self.path.ends_with(".json")
    }

    /// Returns true for a file that is overwritten and therefore not copied: it only hints where to begin
    /// reading.
    fn is_hint(&self) -> bool {
        self.path.ends_with("/_last_checkpoint") || self.path == CHECKPOINT
    }
}

/// The tables that lack a version in `paths`, as an entry and packed, although a later one is there. Entries
/// may be packed while a lake is listed, so that the list has neither.
pub fn tables_with_gaps<'a>(paths: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    delta::with_gaps(paths)
}

impl Lake {
    /// Every file, in the order in which files are copied.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake cannot be listed.
    pub async fn inventory(&self) -> Result<Vec<Stored>, LakeReadError> {
        let listed = self.store().list(None).map_ok(|found| Stored {
            path: found.location.to_string(),
            size: found.size,
        });
        let listed: Result<Vec<Stored>, _> = listed.try_collect().await;
        let mut files = listed.map_err(|source| LakeReadError::Store {
            path: String::new(),
            source,
        })?;
        files.retain(|file| !file.is_hint());
        files.sort_by(|a, b| (a.rank(), &a.path).cmp(&(b.rank(), &b.path)));
        Ok(files)
    }

    /// The bytes of a file; `None` if it is gone by now.
    ///
    /// # Errors
    /// [`LakeReadError`] if the store does not answer.
    pub async fn bytes_of(&self, path: &str) -> Result<Option<Bytes>, LakeReadError> {
        match self.storage().read(&Path::from(path)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(LakeReadError::Store {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The files that any table of the lake names and that are gone or have another size.
    ///
    /// # Errors
    /// [`LakeReadError`] if a log or the registry cannot be read completely.
    pub async fn astray_anywhere(&self) -> Result<Vec<Astray>, LakeReadError> {
        self.reference().entries().await?;
        let mut astray = Vec::new();
        for park in self.parks().await? {
            for year in self.years(&park).await? {
                if let Some(book) = self.inspect(&park, year).await? {
                    astray.extend(self.astray(&book.snapshot).await?);
                }
            }
            astray.extend(self.astray_messages(&park).await?.1);
        }
        for park in self.letter_parks().await? {
            astray.extend(self.astray_letters(&park).await?.1);
        }
        astray.extend(self.astray_access_log().await?.1);
        Ok(astray)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_what_was_packed_meanwhile_has_a_gap() {
        let entries = |table: &str, of: std::ops::Range<i64>| -> Vec<String> {
            of.map(|version| format!("{table}/_delta_log/{version:020}.json"))
                .collect()
        };
        let packed =
            |upto: i64| format!("a/2026/readings/_delta_log/_packed/upto-{upto:020}.0f.zst");
        for (first, packed, gap) in [
            (0, None, false),
            (7, Some(packed(6)), false),
            (4, Some(packed(6)), false),
            (8, Some(packed(6)), true),
            (7, None, true),
        ] {
            let mut paths = entries("a/2026/readings", first..12);
            paths.extend(packed);
            paths.extend(entries("b/2026/readings", 0..3));
            let found = tables_with_gaps(paths.iter().map(String::as_str));
            assert_eq!(found.contains("a/2026/readings"), gap, "{first}");
            assert!(!found.contains("b/2026/readings"));
        }
        let mut paths = entries("a/2026/readings", 0..3);
        paths.extend(entries("a/2026/readings", 5..9));
        let found = tables_with_gaps(paths.iter().map(String::as_str));
        assert_eq!(found, BTreeSet::from(["a/2026/readings"]));
    }
}
