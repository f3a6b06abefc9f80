//! A file of the table of dead letters, as its name describes it.

use greenpark_model::{day::Instant, id::EnterpriseId};

use crate::delta::{OldData, state::TableFile};

/// A file of the table: letters of one enterprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LettersFile {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) enterprise: EnterpriseId,
    pub(super) letters: u64,
    pub(super) version: i64,
    received: (Instant, Instant),
}

impl LettersFile {
    /// The enterprise of the letters.
    #[must_use]
    pub fn enterprise(&self) -> &EnterpriseId {
        &self.enterprise
    }

    /// The number of letters in it, without those that are only counted.
    #[must_use]
    pub fn letters(&self) -> u64 {
        self.letters
    }

    /// When the earliest and the latest of its letters were received.
    #[must_use]
    pub fn received(&self) -> (Instant, Instant) {
        self.received
    }

    /// A key that sorts files by enterprise and then by the order of the log.
    #[must_use]
    pub fn place(&self) -> (EnterpriseId, i64) {
        (self.enterprise.clone(), self.version)
    }

    pub(super) fn old(&self) -> OldData {
        OldData {
            path: self.path.clone(),
            day: None,
            size: self.size,
        }
    }
}

impl TableFile for LettersFile {
    /// `<enterprise>.<letters>.<first ms>-<last ms>.<version>.<id>.parquet`; an enterprise may have dots.
    fn parse(path: &str, size: u64, _rows: u64) -> Option<Self> {
        let mut parts = path.strip_suffix(".parquet")?.rsplitn(5, '.');
        let (_id, version, received) = (parts.next()?, parts.next()?, parts.next()?);
        let (letters, enterprise) = (parts.next()?, parts.next()?);
        let (first, last) = received.split_once('-')?;
        Some(Self {
            path: path.to_owned(),
            size,
            enterprise: enterprise.parse().ok()?,
            letters: letters.parse().ok()?,
            version: version.parse().ok()?,
            received: (
                Instant::from_millis(first.parse().ok()?),
                Instant::from_millis(last.parse().ok()?),
            ),
        })
    }
}
