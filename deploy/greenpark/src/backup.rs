//! `backup` and `restore`: a copy of the lake and of the embedded log in a folder, with a manifest.
//!
//! A backup runs while the processor writes to the lake, and copies only what is new since the previous backup in the same
//! folder. It writes the manifest last and atomically, so a killed backup leaves the previous one intact. A restore checks
//! every byte against the manifest before it moves anything into place.

mod files;
mod manifest;
mod restore;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use greenpark_archive::{
    inventory::{Stored, tables_with_gaps},
    lake::Lake,
};
use greenpark_console::{output::line, progress::ProgressBar};
use greenpark_log_embedded::EmbeddedLog;
use greenpark_model::day::Instant;
use greenpark_runtime::clock;

use self::manifest::{Copied, Manifest};
use crate::settings::{LogKind, Settings};

pub use self::restore::restore;

/// How often a lake is listed again whose files disappeared during the copy.
const ROUNDS_MAX: usize = 10;

/// Copies the lake, and the embedded log unless a process has it open, to `folder`.
///
/// # Errors
/// The lake or the log cannot be read, the folder cannot be written, or holds a backup of another format.
pub async fn backup(folder: &Path, settings: &Settings) -> anyhow::Result<()> {
    let root = &settings.lake.root;
    let lake = Lake::open(root, clock::system())
        .await
        .with_context(|| format!("open the lake at {root}"))?;
    let before = Manifest::read(folder)?;
    let known: BTreeMap<&str, &Copied> = before
        .iter()
        .flat_map(|before| &before.lake)
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut copying = Copying {
        lake: &lake,
        folder: folder.join("lake"),
        known,
        copied: BTreeMap::new(),
        new_bytes: 0,
    };
    copying.until_whole().await?;
    let (copied, new_bytes) = (copying.copied, copying.new_bytes);
    let made_at = clock::now();
    let log = copy_log(folder, settings, made_at).await?;
    let manifest = Manifest {
        format: manifest::FORMAT,
        made_at: made_at.to_string(),
        lake: copied.into_values().collect(),
        log,
    };
    manifest.write(folder)?;
    remove_other_logs(folder, manifest.log.as_ref())?;
    line(&format!(
        "backup of {made_at} in {}: {} files of the lake, {} MiB of them new{}",
        folder.display(),
        manifest.lake.len(),
        new_bytes >> 20,
        match &manifest.log {
            Some(log) => format!("; the log, {} MiB", log.size >> 20),
            None => String::new(),
        }
    ));
    Ok(())
}

/// A lake that is being copied.
struct Copying<'a> {
    lake: &'a Lake,
    folder: PathBuf,
    /// The files of an earlier backup.
    known: BTreeMap<&'a str, &'a Copied>,
    copied: BTreeMap<String, Copied>,
    new_bytes: u64,
}

impl Copying<'_> {
    /// Copies until every file that the copied entries name is there.
    async fn until_whole(&mut self) -> anyhow::Result<()> {
        let mut missing = String::new();
        for _round in 0..ROUNDS_MAX {
            if let Some(packed) = self.round().await? {
                // Entries that were packed meanwhile are in a newer checkpoint, which was not listed.
                missing = format!("{packed} is gone");
                continue;
            }
            let copy = Lake::open(&self.folder.display().to_string(), clock::system()).await?;
            // An entry may be missing between two others if it was written during the listing.
            missing = match copy.astray_anywhere().await {
                Ok(astray) if astray.is_empty() => match self.lost_past().await? {
                    None => return Ok(()),
                    Some(lost) => lost,
                },
                Ok(astray) => astray[0].to_string(),
                Err(error) => format!("{:#}", anyhow::Error::from(error)),
            };
        }
        bail!(
            "the lake changed while it was copied, {ROUNDS_MAX} times over, or it is damaged ({missing}): try again, \
             and ask `greenpark doctor` if it stays so"
        )
    }

    /// Returns a table whose history is shorter in the copy than in the lake: entries may have been packed during the
    /// listing, so that neither they nor the packed file are in the list.
    async fn lost_past(&self) -> anyhow::Result<Option<String>> {
        let of_copy = tables_with_gaps(self.copied.keys().map(String::as_str));
        if of_copy.is_empty() {
            return Ok(None);
        }
        let files = self.lake.inventory().await.context("list the lake")?;
        let of_lake = tables_with_gaps(files.iter().map(|file| file.path.as_str()));
        let lost = of_copy.difference(&of_lake).next();
        Ok(lost.map(|table| format!("entries of {table} were packed meanwhile")))
    }

    /// Copies the listed files that are not copied yet; returns a log entry that disappeared meanwhile, if any.
    async fn round(&mut self) -> anyhow::Result<Option<String>> {
        let files = self.lake.inventory().await.context("list the lake")?;
        let new = files
            .iter()
            .filter(|file| !self.copied.contains_key(&file.path));
        let new: Vec<&Stored> = new.collect();
        let mut packed = None;
        let mut gauge = ProgressBar::new("copying the lake", new.len() as u64);
        for (done, file) in (1..).zip(new) {
            match self.copy(file).await? {
                Some(copied) => drop(self.copied.insert(file.path.clone(), copied)),
                None if file.is_of_log() => packed = Some(file.path.clone()),
                None => {}
            }
            gauge.set(done);
        }
        gauge.finish();
        Ok(packed)
    }

    /// Copies a file, or reuses that of an earlier backup; `None` if it has disappeared.
    async fn copy(&mut self, file: &Stored) -> anyhow::Result<Option<Copied>> {
        let to = self.folder.join(&file.path);
        // Files of a lake are never overwritten.
        let known = self.known.get(file.path.as_str());
        let has = |size| fs::metadata(&to).is_ok_and(|found| found.len() == size);
        if let Some(known) = known.filter(|known| known.size == file.size && has(known.size)) {
            return Ok(Some((*known).clone()));
        }
        let Some(bytes) = self.lake.bytes_of(&file.path).await? else {
            return Ok(None);
        };
        self.new_bytes += bytes.len() as u64;
        let copied = Copied::of(file.path.clone(), &bytes);
        files::write_atomically(&to, &bytes).with_context(|| format!("write {}", to.display()))?;
        Ok(Some(copied))
    }
}

/// Copies the embedded log; `None` if the log is in Kafka, does not exist yet, or is open in another process.
async fn copy_log(
    folder: &Path,
    settings: &Settings,
    made_at: Instant,
) -> anyhow::Result<Option<Copied>> {
    let section = &settings.embedded_log;
    if settings.log.kind == LogKind::Kafka {
        line("the log is Kafka's: its topics are copied by its own tools");
        return Ok(None);
    }
    if !section.folder.join("log.redb").exists() {
        line(&format!(
            "there is no log at {} yet",
            section.folder.display()
        ));
        return Ok(None);
    }
    let name = format!("log/{}.redb", made_at.millis());
    let to = folder.join(&name);
    files::folder_of(&to)?;
    let (from, tuned, at) = (section.folder.clone(), section.to_log(), to.clone());
    let copied = tokio::task::spawn_blocking(move || EmbeddedLog::copy(&from, tuned, &at)).await?;
    if let Err(error) = copied {
        let text = format!("{:#}", anyhow::Error::from(error));
        ensure!(text.contains("another process"), "{text}");
        line(
            "the log is open in another process and is not copied: a restored lake reads from the log itself what it \
             lacks; stop greenpark to have a copy of it, too",
        );
        return Ok(None);
    }
    files::sync(&to)?;
    Ok(Some(Copied::of_file(name, &to)?))
}

/// Removes copies of the log that no manifest names.
fn remove_other_logs(folder: &Path, kept: Option<&Copied>) -> anyhow::Result<()> {
    let logs = folder.join("log");
    let Ok(listed) = fs::read_dir(&logs) else {
        return Ok(());
    };
    for entry in listed {
        let entry = entry.with_context(|| format!("list {}", logs.display()))?;
        let name = format!("log/{}", entry.file_name().to_string_lossy());
        if kept.is_none_or(|kept| kept.path != name) {
            let place = entry.path();
            fs::remove_file(&place).with_context(|| format!("remove {}", place.display()))?;
        }
    }
    Ok(())
}
