//! The manifest of a backup: every file with its size and SHA-256.

use std::{fs::File, io, path::Path};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files;

/// The format of a manifest.
pub(super) const FORMAT: u32 = 1;
/// Its file name.
pub(super) const NAME: &str = "manifest.json";

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Copied {
    /// The path within the lake, or within the backup.
    pub(super) path: String,
    /// In bytes.
    pub(super) size: u64,
    /// In hex.
    pub(super) sha256: String,
}

/// The manifest of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The instant of the backup.
    pub(super) made_at: String,
    /// The files of the lake.
    pub(super) lake: Vec<Copied>,
    /// The log's file, if it was copied.
    pub(super) log: Option<Copied>,
}

impl Copied {
    pub(super) fn of(path: String, bytes: &[u8]) -> Self {
        Self {
            path,
            size: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }

    /// Describes a file that may be large.
    pub(super) fn of_file(path: String, file: &Path) -> anyhow::Result<Self> {
        let opened = File::open(file).with_context(|| format!("read {}", file.display()))?;
        let mut digest = Sha256::new();
        let size = io::copy(&mut io::BufReader::new(opened), &mut digest)
            .with_context(|| format!("read {}", file.display()))?;
        Ok(Self {
            path,
            size,
            sha256: hex(&digest.finalize()),
        })
    }
}

impl Manifest {
    /// Reads the manifest in `folder`; `None` if there is no backup yet.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let place = folder.join(NAME);
        let text = match std::fs::read_to_string(&place) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", place.display())),
        };
        let manifest: Self = serde_json::from_str(&text).with_context(|| {
            format!(
                "read {}: it was changed or cut; take another backup, or make a new one in an empty folder",
                place.display()
            )
        })?;
        ensure!(
            manifest.format == FORMAT,
            "{} has format {}, and this release knows {FORMAT}: use the release that wrote it",
            place.display(),
            manifest.format
        );
        Ok(Some(manifest))
    }

    /// Writes the manifest into `folder` atomically.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let place = folder.join(NAME);
        let text = serde_json::to_vec_pretty(self)?;
        files::write_atomically(&place, &text).with_context(|| format!("write {}", place.display()))
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
