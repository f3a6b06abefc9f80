//! What of a lake is published, and what is not yet.

use std::collections::BTreeMap;

use deltalake_core::kernel::{Action, Add};
use greenpark_model::{day::Instant, id::ParkId};
use greenpark_proof::leaf::{Leaf, LeafKind};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    book::Tables,
    delta::{
        Table,
        commit_info::{OURS, digests_of},
    },
    error::LakeReadError,
    lake::Lake,
    readings::file::ReadingsFile,
    reference::ReferenceEntry,
    store::digest::hex,
};

/// How far the lake is published: everything up to here has a leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Published {
    /// By book, such as `east/2026`: the version of its readings.
    pub books: BTreeMap<String, i64>,
    /// The number of entries of the reference table.
    pub entries: usize,
    /// The last published day of the access log; `None` if no day is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<String>,
    /// By name: the SHA-256 of each data file and of the rules.
    pub data: BTreeMap<String, String>,
}

/// The name of a book in [`Published`].
#[must_use]
pub fn book_name(park: &ParkId, year: i16) -> String {
    format!("{park}/{year:04}")
}

/// A sealed file that a version of a table added.
struct AddedFile {
    version: i64,
    made_at: Instant,
    path: String,
    /// Its size and its digest in hex, if its entry tells them; the file itself does, too.
    told: Option<(u64, String)>,
}

impl Lake {
    /// The leaves of the sealed files that a book got after `version`, about `max` of them, and the version they reach.
    ///
    /// # Errors
    /// [`LakeReadError`] if the book's log or a file cannot be read.
    pub async fn sealed_after(
        &self,
        (park, year): (&ParkId, i16),
        version: i64,
        max: usize,
    ) -> Result<(Vec<Leaf>, i64), LakeReadError> {
        let readings = Tables::of(self.storage(), park, year).readings;
        let (added, reached) = added_after(&readings, version, max).await?;
        let mut leaves = Vec::with_capacity(added.len());
        for file in added {
            let place = readings.place(&file.path);
            let (size, sha256) = match file.told {
                Some(told) => told,
                None => self.digest_of(&place).await?,
            };
            leaves.push(Leaf {
                kind: LeafKind::Readings,
                name: place.to_string(),
                sha256,
                size,
                recorded_at: file.made_at.millis(),
                version: file.version,
            });
        }
        Ok((leaves, reached))
    }

    async fn digest_of(&self, place: &Path) -> Result<(u64, String), LakeReadError> {
        let bytes = self.storage().read(place).await;
        let bytes = bytes.map_err(|source| LakeReadError::Store {
            path: place.to_string(),
            source,
        })?;
        Ok((bytes.len() as u64, hex(&Sha256::digest(&bytes))))
    }
}

/// The sealed files that versions after `version` added, until there are `max`, and the last of these versions.
async fn added_after(
    table: &Table,
    mut version: i64,
    max: usize,
) -> Result<(Vec<AddedFile>, i64), LakeReadError> {
    let mut added = Vec::new();
    while added.len() < max {
        if let Some((actions, _)) = table.actions(version + 1).await? {
            version += 1;
            added.extend(sealed_in(&actions, version));
            continue;
        }
        let packed = table.packed().await?;
        let Some(packed) = packed.filter(|packed| packed.upto() > version) else {
            break;
        };
        for (number, made_at, files) in packed.added_after(version) {
            version = number;
            let sealed = files.filter(|path| is_sealed(path));
            added.extend(sealed.map(|path| AddedFile {
                version,
                made_at,
                path: path.to_owned(),
                told: None,
            }));
            if added.len() >= max {
                return Ok((added, version));
            }
        }
        version = version.max(packed.upto());
    }
    Ok((added, version))
}

fn is_sealed(path: &str) -> bool {
    ReadingsFile::parse(path, 0, 0).is_some_and(|file| !file.is_hot())
}

/// The sealed files that the entry of `version` adds.
fn sealed_in(actions: &[Action], version: i64) -> Vec<AddedFile> {
    let info = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => Some(info),
        _ => None,
    });
    let adds = actions.iter().filter_map(|action| match action {
        Action::Add(add) if is_sealed(&add.path) => Some(add),
        _ => None,
    });
    let adds: Vec<_> = adds.collect();
    let ours = info.and_then(|info| info.info.get(OURS));
    let digests: Vec<&str> = ours
        .map(|ours| digests_of(ours).collect())
        .unwrap_or_default();
    // Entries of earlier versions, and of other programs, have none.
    let is_told = digests.len() == adds.len();
    let made_at = info.and_then(|info| info.timestamp).unwrap_or_default();
    let file = |(place, add): (usize, &&Add)| AddedFile {
        version,
        made_at: Instant::from_millis(made_at),
        path: add.path.clone(),
        told: is_told.then(|| {
            (
                u64::try_from(add.size).unwrap_or(0),
                digests[place].to_owned(),
            )
        }),
    };
    adds.iter().enumerate().map(file).collect()
}

/// The canonical line of an entry of the reference table: JSON without spaces, fields in this order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    kind: String,
    subject: String,
    valid_from: String,
    valid_to: Option<String>,
    recorded_at: i64,
    recorded_by: String,
    evidence: String,
    body: String,
}

/// Writes the canonical line of an entry, without a newline; its leaf has the digest of it.
#[must_use]
pub fn entry_line(entry: &ReferenceEntry) -> String {
    let line = EntryLine {
        kind: entry.kind.clone(),
        subject: entry.subject.clone(),
        valid_from: entry.valid_from.to_string(),
        valid_to: entry.valid_to.map(|day| day.to_string()),
        recorded_at: entry.recorded_at.millis(),
        recorded_by: entry.recorded_by.clone(),
        evidence: entry.evidence.clone(),
        body: entry.body.clone(),
    };
    serde_json::to_string(&line).expect("texts and numbers are JSON")
}

/// Reads an entry from its canonical line; `None` if `text` is no such line.
#[must_use]
pub fn read_entry_line(text: &str) -> Option<ReferenceEntry> {
    let line: EntryLine = serde_json::from_str(text).ok()?;
    let entry = ReferenceEntry {
        kind: line.kind,
        subject: line.subject,
        valid_from: line.valid_from.parse().ok()?,
        valid_to: line.valid_to.map(|day| day.parse()).transpose().ok()?,
        recorded_at: Instant::from_millis(line.recorded_at),
        recorded_by: line.recorded_by,
        evidence: line.evidence,
        body: line.body,
    };
    (entry_line(&entry) == text).then_some(entry)
}

/// The leaf of the `number`-th entry of the reference table.
#[must_use]
pub fn entry_leaf(number: usize, entry: &ReferenceEntry) -> Leaf {
    let line = entry_line(entry);
    Leaf {
        kind: LeafKind::Entry,
        name: format!("{} {}", entry.kind, entry.subject),
        sha256: hex(&Sha256::digest(&line)),
        size: line.len() as u64,
        recorded_at: entry.recorded_at.millis(),
        version: i64::try_from(number).unwrap_or(i64::MAX),
    }
}
