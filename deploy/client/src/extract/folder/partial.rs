//! What came of a folder before its answer broke: `FOLDER.part`, and beside it `FOLDER.part.json` with the question.
//!
//! The same question goes on from there. It is asked as of the instant of the first answer, so its files are the same.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context;
use greenpark_proto::query::v1 as api;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::fs;

use crate::extract::{beside, hex};

/// The files that a request may name; the service sends further ones again.
const HELD_FILES_MAX: usize = 10_000;

/// A partial folder and its question.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) root: PathBuf,
    note: PathBuf,
    question: String,
}

/// The file beside a partial folder.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    question: String,
    /// The instant of the answer.
    seconds: i64,
    nanos: i32,
}

impl Partial {
    /// The place for the answer to `request`, which becomes `folder`.
    pub(super) fn of(folder: &Path, request: &api::ExtractFolderRequest) -> Self {
        let root = beside(folder, "part");
        Self {
            note: beside(&root, "json"),
            root,
            question: format!("{} {:?} {:?}", request.name, request.period, request.as_of),
        }
    }

    /// Adds to `request` what came before of the same question; what came of another is removed.
    pub(super) async fn go_on(
        &self,
        request: &mut api::ExtractFolderRequest,
    ) -> anyhow::Result<()> {
        let note = fs::read_to_string(&self.note).await.unwrap_or_default();
        let note: Option<Note> = serde_json::from_str(&note).ok();
        let is_same = |note: &Note| note.question == self.question && self.root.exists();
        let Some(note) = note.filter(is_same) else {
            return self.remove().await;
        };
        request.as_of = Some(prost_types::Timestamp {
            seconds: note.seconds,
            nanos: note.nanos,
        });
        for path in self.files()?.into_iter().take(HELD_FILES_MAX) {
            let place = self.root.join(&path);
            let read = fs::read(&place).await;
            let bytes = read.with_context(|| format!("read {}", place.display()))?;
            request.held.push(api::HeldFile {
                path,
                bytes: bytes.len() as u64,
                sha256: hex(&Sha256::digest(&bytes)),
            });
        }
        Ok(())
    }

    /// Notes the question and the instant of its answer.
    pub(super) async fn begin(&self, as_of: prost_types::Timestamp) -> anyhow::Result<()> {
        let failed = || format!("write {}", self.note.display());
        fs::create_dir_all(&self.root).await.with_context(failed)?;
        let note = Note {
            question: self.question.clone(),
            seconds: as_of.seconds,
            nanos: as_of.nanos,
        };
        let text = serde_json::to_string(&note).with_context(failed)?;
        fs::write(&self.note, text).await.with_context(failed)
    }

    /// Removes files that the whole answer does not have.
    pub(super) async fn remove_others(
        &self,
        answer: &BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        for path in self.files()? {
            if !answer.contains_key(&path) {
                let place = self.root.join(path);
                let removed = fs::remove_file(&place).await;
                removed.with_context(|| format!("remove {}", place.display()))?;
            }
        }
        Ok(())
    }

    /// Removes the folder, if it is still there, and the question.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let removed = [
            (&self.root, fs::remove_dir_all(&self.root).await),
            (&self.note, fs::remove_file(&self.note).await),
        ];
        for (place, removed) in removed {
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", place.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The paths of the files below the folder.
    fn files(&self) -> anyhow::Result<Vec<String>> {
        let mut files = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let failed = || format!("read {}", folder.display());
            for entry in std::fs::read_dir(&folder).with_context(failed)? {
                let entry = entry.with_context(failed)?;
                match entry.file_type().with_context(failed)?.is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let path = entry.path();
                        let path = path.strip_prefix(&self.root).unwrap_or(&path);
                        files.extend(path.to_str().map(str::to_owned));
                    }
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str) -> api::ExtractFolderRequest {
        api::ExtractFolderRequest {
            name: name.to_owned(),
            ..api::ExtractFolderRequest::default()
        }
    }

    /// Begins an answer to the question about `e`, of which two files came.
    async fn broken(folder: &Path) -> Partial {
        let partial = Partial::of(folder, &request("e"));
        let as_of = prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 5_000_000,
        };
        partial.begin(as_of).await.expect("begun");
        for (path, text) in [("a.csv", "abc"), ("readings/b", "")] {
            let place = partial.root.join(path);
            fs::create_dir_all(place.parent().expect("a folder"))
                .await
                .expect("made");
            fs::write(place, text).await.expect("written");
        }
        partial
    }

    #[tokio::test]
    async fn the_same_question_goes_on_as_of_the_same_instant() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("steel");
        broken(&place).await;
        let mut again = request("e");
        Partial::of(&place, &again)
            .go_on(&mut again)
            .await
            .expect("read");
        assert_eq!(
            again.as_of.map(|of| (of.seconds, of.nanos)),
            Some((1_700_000_000, 5_000_000))
        );
        let held: Vec<_> = again
            .held
            .iter()
            .map(|of| (of.path.as_str(), of.bytes))
            .collect();
        assert_eq!(held, [("a.csv", 3), ("readings/b", 0)]);
        assert!(
            again.held[0].sha256.starts_with("ba7816bf"),
            "the vector of FIPS 180-4"
        );
    }

    #[tokio::test]
    async fn another_question_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("steel");
        let partial = broken(&place).await;
        let mut other = request("f");
        Partial::of(&place, &other)
            .go_on(&mut other)
            .await
            .expect("removed");
        assert!(other.held.is_empty() && other.as_of.is_none());
        assert!(!partial.root.exists() && !partial.note.exists());
    }

    #[tokio::test]
    async fn files_that_the_answer_does_not_have_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let partial = broken(&folder.path().join("steel")).await;
        let answer = BTreeMap::from([("a.csv".to_owned(), String::new())]);
        partial.remove_others(&answer).await.expect("removed");
        assert_eq!(partial.files().expect("read"), ["a.csv"]);
    }
}
