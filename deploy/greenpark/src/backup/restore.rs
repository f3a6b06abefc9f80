//! `restore`: creates a lake and a log from a backup, in folders that hold neither.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use greenpark_archive::lake::Lake;
use greenpark_console::{output::line, progress::ProgressBar};
use greenpark_runtime::clock;

use super::{
    files,
    manifest::{Copied, Manifest},
};
use crate::settings::{LogKind, Settings};

/// Restores the backup in `folder` to the lake of `settings` and, if `with_log`, to their log.
///
/// # Errors
/// There is no backup, it was changed, or there is a lake or a log already; nothing is overwritten.
pub async fn restore(folder: &Path, settings: &Settings, with_log: bool) -> anyhow::Result<()> {
    let manifest = Manifest::read(folder)?;
    let manifest = manifest.with_context(|| {
        format!(
            "there is no whole backup in {}: a backup has a manifest.json, which is written last",
            folder.display()
        )
    })?;
    let root = &settings.lake.root;
    ensure!(
        !root.contains("://"),
        "the lake at {root} is no folder of this machine: copy {}/lake there with the store's own tools",
        folder.display()
    );
    let root = PathBuf::from(root);
    ensure!(
        is_empty(&root)?,
        "there is a lake at {} already, and nothing is written over: move it away, or restore elsewhere with --data",
        root.display()
    );
    let with_log = with_log && settings.log.kind == LogKind::Embedded;
    let log = manifest.log.as_ref().filter(|_| with_log);
    let log_place = settings.embedded_log.folder.join("log.redb");
    if let Some(log) = log {
        check_log(log, &log_place)?;
    }
    let staged = beside(&root, "restoring");
    // The partial lake of a killed restore.
    if staged.exists() {
        fs::remove_dir_all(&staged).with_context(|| format!("remove {}", staged.display()))?;
    }
    copy_lake(folder, &manifest, &staged)?;
    let lake = Lake::open(&staged.display().to_string(), clock::system()).await?;
    if let Some(astray) = lake.astray_anywhere().await?.first() {
        bail!("the backup is not whole: {astray}; take another one");
    }
    if let Some(log) = log {
        copy_log(folder, log, &log_place)?;
    }
    // The last step: until then there is no lake.
    if root.exists() {
        fs::remove_dir(&root).with_context(|| format!("replace {}", root.display()))?;
    }
    fs::rename(&staged, &root).with_context(|| format!("rename to {}", root.display()))?;
    files::sync_folder_of(&root)
        .with_context(|| format!("sync the folder of {}", root.display()))?;
    line(&format!(
        "restored the backup of {}: {} files of the lake at {}{}",
        manifest.made_at,
        manifest.lake.len(),
        root.display(),
        match log {
            Some(_) => format!(", and the log at {}", log_place.display()),
            None => String::new(),
        }
    ));
    line(
        "what came after the backup is read again from the log, where the log has it; start greenpark",
    );
    Ok(())
}

fn is_empty(folder: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut listed) => Ok(listed.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("look at {}", folder.display())),
    }
}

/// Refuses an existing log, unless it is the one of this backup: a killed restore may have left it.
fn check_log(log: &Copied, place: &Path) -> anyhow::Result<()> {
    if !place.exists() {
        return Ok(());
    }
    let found = Copied::of_file(log.path.clone(), place)?;
    ensure!(
        found == *log,
        "there is a log at {} already, and nothing is written over: restore with --without-log to have the lake read on \
         from it, or move it away",
        place.display()
    );
    Ok(())
}

fn copy_lake(folder: &Path, manifest: &Manifest, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let mut gauge = ProgressBar::new("restoring the lake", manifest.lake.len() as u64);
    for (done, file) in (1..).zip(&manifest.lake) {
        let from = folder.join("lake").join(&file.path);
        let bytes = fs::read(&from).with_context(|| format!("read {}", from.display()))?;
        let found = Copied::of(file.path.clone(), &bytes);
        ensure!(
            found == *file,
            "{} is not what the manifest says (sha256 {} and not {}): the backup was changed; take another one",
            from.display(),
            found.sha256,
            file.sha256
        );
        let place = to.join(&file.path);
        files::write_atomically(&place, &bytes)
            .with_context(|| format!("write {}", place.display()))?;
        gauge.set(done);
    }
    gauge.finish();
    Ok(())
}

fn copy_log(folder: &Path, log: &Copied, place: &Path) -> anyhow::Result<()> {
    if place.exists() {
        return Ok(());
    }
    files::folder_of(place)?;
    let (from, staged) = (folder.join(&log.path), beside(place, "restoring"));
    fs::copy(&from, &staged)
        .with_context(|| format!("copy {} to {}", from.display(), staged.display()))?;
    let found = Copied::of_file(log.path.clone(), &staged)?;
    ensure!(
        found == *log,
        "{} is not what the manifest says: the backup was changed; take another one",
        from.display()
    );
    files::sync(&staged)?;
    fs::rename(&staged, place).with_context(|| format!("rename to {}", place.display()))?;
    files::sync(place)
}

/// Returns a sibling path of `place`.
fn beside(place: &Path, what: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    place.with_file_name(name)
}
