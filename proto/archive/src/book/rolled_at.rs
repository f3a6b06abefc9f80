//! The version of the readings up to which the rollups hold all sealed days.
//!
//! It is recorded as a note in the commit of the rollups, with the hot files of that version. A reader starts
//! there and follows the log of the readings. It need not know the names of the files that were sealed before:
//! in a book of a year there is one for each enterprise and day.

use std::collections::HashSet;

use deltalake_core::kernel::Action;
use greenpark_model::{day::CivilDay, id::EnterpriseId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    book::sealed_sum::SealedSum,
    delta::{
        Table,
        commit_info::{ours_in, txns_of},
        state::TableState,
    },
    error::LakeReadError,
    readings::file::ReadingsFile,
    store::digest::content_id,
};

/// A version of the readings at which the rollups have every sealed day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RolledAt {
    /// The version.
    pub(crate) version: i64,
    /// Identifies its log entry, in case a restored log has another entry of that version.
    entry: String,
    /// The hot files of that version.
    hot: Vec<ReadingsFile>,
    /// The sum over the sealed days of that version, which equals the sum over the days of the rollups.
    pub(crate) sealed: SealedSum,
}

impl RolledAt {
    /// That of a state; `None` if the entry of its version is removed.
    pub(crate) async fn of(
        readings: &Table,
        state: &TableState<ReadingsFile>,
    ) -> Result<Option<Self>, LakeReadError> {
        let entry = readings.entry(state.version).await?;
        let hot = state.files.values().filter(|file| file.is_hot());
        let sealed = state.files.values().filter_map(|file| {
            let (enterprise, revision) = file.sealed()?;
            Some((enterprise, file.day, revision))
        });
        Ok(entry.map(|entry| Self {
            version: state.version,
            entry: content_id(&Sha256::digest(&entry).into()),
            hot: hot.cloned().collect(),
            sealed: SealedSum::of(sealed),
        }))
    }

    /// Encodes it as a note.
    pub(crate) fn write(&self) -> Value {
        let hot = self.hot.iter();
        let hot: Vec<Value> = hot
            .map(|file| json!([file.path, file.size, file.rows]))
            .collect();
        json!({ "readings": self.version, "entry": self.entry, "hot": hot, "sealed": self.sealed.0 })
    }

    /// Decodes a note; `None` if the note has another form.
    pub(crate) fn read(note: &Value) -> Option<Self> {
        let file = |of: &Value| {
            let (size, rows) = (of.get(1)?.as_u64()?, of.get(2)?.as_u64()?);
            ReadingsFile::parse(of.get(0)?.as_str()?, size, rows).filter(ReadingsFile::is_hot)
        };
        let hot = note.get("hot")?.as_array()?.iter().map(file);
        Some(Self {
            version: note
                .get("readings")?
                .as_i64()
                .filter(|version| *version >= 0)?,
            entry: note.get("entry")?.as_str()?.to_owned(),
            hot: hot.collect::<Option<Vec<_>>>()?,
            sealed: SealedSum(note.get("sealed")?.as_u64()?),
        })
    }

    /// The newest state of the readings, without the files that were sealed at this version. `None` if its
    /// entry is removed or another one, or if later entries are removed.
    pub(crate) async fn follow(
        self,
        readings: &Table,
    ) -> Result<Option<TableState<ReadingsFile>>, LakeReadError> {
        let Some(entry) = readings.entry(self.version).await? else {
            return Ok(None);
        };
        if content_id(&Sha256::digest(&entry).into()) != self.entry {
            return Ok(None);
        }
        let ours = ours_in(&entry).map_err(|source| readings.broken(source))?;
        let hot = self.hot.into_iter();
        let mut state = TableState {
            version: self.version,
            files: hot.map(|file| (file.path.clone(), file)).collect(),
            txns: txns_of(&ours.unwrap_or_default()),
            ..TableState::default()
        };
        let is_known = follow(readings, &mut state).await?;
        Ok(is_known.then_some(state))
    }
}

/// Applies every entry after the version of `state`, which does not name all sealed files. Returns true if no
/// entry was missed and each removed sealed file was replaced by another one.
pub(crate) async fn follow(
    readings: &Table,
    state: &mut TableState<ReadingsFile>,
) -> Result<bool, LakeReadError> {
    while let Some((actions, bytes)) = readings.actions(state.version + 1).await? {
        if !are_replaced(state, &actions) {
            return Ok(false);
        }
        state.apply(readings.root().as_ref(), &actions, bytes)?;
    }
    Ok(!readings.is_packed_past(state.version).await?)
}

/// Returns true if every removed sealed file is replaced by another one, and every other removed file is named
/// in `state`.
fn are_replaced(state: &TableState<ReadingsFile>, actions: &[Action]) -> bool {
    let sealed = |path: &str| {
        let file = ReadingsFile::parse(path, 0, 0)?;
        let (enterprise, _) = file.sealed()?;
        Some((file.day, enterprise.clone()))
    };
    let mut removed = HashSet::new();
    for action in actions {
        if let Action::Remove(remove) = action {
            match sealed(&remove.path) {
                Some(of) => drop(removed.insert(of)),
                None if state.files.contains_key(&remove.path) => {}
                None => return false,
            }
        }
    }
    if removed.is_empty() {
        return true;
    }
    let added = actions.iter().filter_map(|action| match action {
        Action::Add(add) => sealed(&add.path),
        _ => None,
    });
    let added: HashSet<(CivilDay, EnterpriseId)> = added.collect();
    removed.is_subset(&added)
}
