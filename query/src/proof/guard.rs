//! The last checkpoint that was given out, kept beside the keys and apart from the lake.
//!
//! A lake that was restored from a backup has an older log. If it went on from there, two trees of one size would have
//! been signed. So the log refuses to go on from a tree that does not hold this checkpoint.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use greenpark_archive::transparency::TransparencyLog;
use greenpark_proof::{checkpoint::Checkpoint, note::Note};

use super::{keys::folder_of, publisher::PublishError};

/// The file that holds the checkpoint.
#[derive(Debug)]
pub(super) struct Guard(PathBuf);

impl Guard {
    /// The file beside the keys at `keys`.
    pub(super) fn beside(keys: &Path) -> Self {
        let mut name: OsString = keys.as_os_str().to_owned();
        name.push(".checkpoint");
        Self(name.into())
    }

    fn failed(&self, source: io::Error) -> PublishError {
        PublishError::Guard {
            path: self.0.clone(),
            source,
        }
    }

    /// Refuses a log of `origin` that does not hold the checkpoint.
    pub(super) async fn check(
        &self,
        log: &TransparencyLog,
        origin: &str,
    ) -> Result<(), PublishError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed(error)),
        };
        let read = || Checkpoint::read_unverified(&Note::read(&text).ok()?).ok();
        let broken = || {
            self.failed(io::Error::other(
                "it is no checkpoint; restore it, or make new keys",
            ))
        };
        let given = read().ok_or_else(broken)?;
        // Another log's checkpoint says nothing about the log of new keys.
        if given.origin != origin || log.root_at(given.size).await? == Some(given.root) {
            return Ok(());
        }
        Err(PublishError::Older {
            given: given.size,
            found: log.size(),
        })
    }

    /// Keeps `checkpoint`, durably, before anybody gets it.
    pub(super) fn keep(&self, checkpoint: &Note) -> Result<(), PublishError> {
        let write = || {
            let mut staged = self.0.clone().into_os_string();
            staged.push(".new");
            let mut file = File::create(&staged)?;
            file.write_all(checkpoint.to_string().as_bytes())?;
            file.sync_all()?;
            fs::rename(&staged, &self.0)?;
            File::open(folder_of(&self.0))?.sync_all()
        };
        write().map_err(|source| self.failed(source))
    }
}
