//! Durable files: whole and on the disk, or absent.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context;

use super::manifest::Copied;

/// Writes a file atomically: until then an older file of its name stays.
pub(super) fn write_atomically(place: &Path, bytes: &[u8]) -> io::Result<()> {
    make_folder_of(place)?;
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = place.with_file_name(name);
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, place)?;
    sync_folder_of(place)
}

/// Creates the parent folder of a file.
pub(super) fn folder_of(place: &Path) -> anyhow::Result<()> {
    make_folder_of(place).with_context(|| format!("make the folder of {}", place.display()))
}

fn make_folder_of(place: &Path) -> io::Result<()> {
    match place.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    }
}

/// Makes an existing file and its name durable.
pub(super) fn sync(place: &Path) -> anyhow::Result<()> {
    let synced = File::open(place).and_then(|file| file.sync_all());
    synced
        .and_then(|()| sync_folder_of(place))
        .with_context(|| format!("sync {}", place.display()))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder_of(place: &Path) -> io::Result<()> {
    match place.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes copies of the log that no manifest names.
pub(super) fn remove_other_logs(folder: &Path, kept: Option<&Copied>) -> anyhow::Result<()> {
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
