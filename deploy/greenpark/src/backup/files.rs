//! Durable files: whole and on the disk, or absent.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context;

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
