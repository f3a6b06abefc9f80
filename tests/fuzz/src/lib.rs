//! Fuzz targets for everything that reads bytes from outside.
//!
//! A target must not panic and must keep its invariant. Each has a corpus of small files under `corpus/`, from
//! which [`mutate::Mutator`] makes inputs; the same seed makes the same inputs.

pub mod mutate;
pub mod targets;

use std::{fs, path::PathBuf};

/// Reads the files of a target's corpus, in the order of their names.
///
/// # Panics
/// If there are none, because a target without a corpus tests next to nothing.
#[must_use]
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&folder).expect("each target has a corpus");
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let files: Vec<_> = paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect();
    assert!(!files.is_empty(), "{target} has no corpus");
    files
}
