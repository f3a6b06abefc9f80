//! Names of readings files, and the facts that they hold.
//!
//! `day=2026-11-22/hot.p3.000000012345.<id>.parquet` and `day=2026-11-22/<enterprise>.r1.<id>.parquet`; `<id>`
//! is the start of the content's sha256, so a name never stands for two contents.

use greenpark_model::{day::CivilDay, id::EnterpriseId, log_position::Partition};

use crate::{
    delta::state::TableFile,
    store::digest::{ID_DIGITS, content_id},
};

/// The kind of a readings file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Readings of one flush, of many enterprises.
    Hot {
        /// The partition of the log that they came from.
        partition: Partition,
        /// The offset of the first record that they came from.
        offset: u64,
    },
    /// All readings of one enterprise and day, deduplicated and sorted.
    Sealed {
        /// The enterprise.
        enterprise: EnterpriseId,
        /// 1 for the first seal, incremented by each reseal.
        revision: u32,
    },
}

/// A file of a readings table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingsFile {
    /// The path within the table.
    pub path: String,
    /// The civil day of its readings.
    pub day: CivilDay,
    /// Hot or sealed.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// The number of readings in it.
    pub rows: u64,
}

impl ReadingsFile {
    /// Parses the path of a file; `None` if the path is not one of ours.
    #[must_use]
    pub fn parse(path: &str, size: u64, rows: u64) -> Option<Self> {
        let (folder, name) = path.split_once('/')?;
        let day = folder.strip_prefix("day=")?.parse().ok()?;
        let (stem, id) = name.strip_suffix(".parquet")?.rsplit_once('.')?;
        if id.len() != ID_DIGITS || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let kind = FileKind::parse(stem)?;
        Some(Self {
            path: path.to_owned(),
            day,
            kind,
            size,
            rows,
        })
    }

    /// Returns true for a hot file.
    #[must_use]
    pub fn is_hot(&self) -> bool {
        matches!(self.kind, FileKind::Hot { .. })
    }

    /// Returns true for a name that stands for deleted hot files, which is no file.
    #[must_use]
    pub fn is_stand_in(&self) -> bool {
        self.is_hot() && self.path == stand_in_of(self.day)
    }

    /// The enterprise and revision of a sealed file.
    #[must_use]
    pub fn sealed(&self) -> Option<(&EnterpriseId, u32)> {
        match &self.kind {
            FileKind::Sealed {
                enterprise,
                revision,
            } => Some((enterprise, *revision)),
            FileKind::Hot { .. } => None,
        }
    }
}

impl TableFile for ReadingsFile {
    fn parse(path: &str, size: u64, rows: u64) -> Option<Self> {
        Self::parse(path, size, rows)
    }

    fn stand_in(&self) -> Option<String> {
        self.is_hot().then(|| stand_in_of(self.day))
    }
}

impl FileKind {
    fn parse(stem: &str) -> Option<Self> {
        let (front, last) = stem.rsplit_once('.')?;
        if let Some(revision) = last.strip_prefix('r') {
            let enterprise = EnterpriseId::new(front).ok()?;
            return Some(Self::Sealed {
                enterprise,
                revision: digits(revision)?,
            });
        }
        let partition = front.strip_prefix("hot.p")?;
        Some(Self::Hot {
            partition: Partition::new(digits(partition)?),
            offset: digits(last)?,
        })
    }

    /// The path of a file of `day` whose content has this digest.
    #[must_use]
    pub fn path(&self, day: CivilDay, sha256: &[u8; 32]) -> String {
        let id = content_id(sha256);
        match self {
            Self::Hot { partition, offset } => {
                format!(
                    "{}hot.p{partition}.{offset:012}.{id}.parquet",
                    day_folder(day)
                )
            }
            Self::Sealed {
                enterprise,
                revision,
            } => {
                format!("{}{enterprise}.r{revision}.{id}.parquet", day_folder(day))
            }
        }
    }
}

/// The folder of `day` with its slash: the prefix of each of its files' paths.
#[must_use]
pub fn day_folder(day: CivilDay) -> String {
    format!("day={day}/")
}

/// The name that stands for the deleted hot files of `day`: no content has this digest.
pub(crate) fn stand_in_of(day: CivilDay) -> String {
    let kind = FileKind::Hot {
        partition: Partition::FIRST,
        offset: 0,
    };
    kind.path(day, &[0; 32])
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_written_and_read_back(
            days in 10_957i32..40_000,
            hot in any::<bool>(),
            name in "(hot\\.p[0-9]|[a-z0-9_])([a-z0-9_.-]{0,30})",
            (number, offset, digest) in any::<(u32, u64, [u8; 32])>(),
        ) {
            let kind = if hot {
                FileKind::Hot { partition: Partition::new(number), offset }
            } else {
                let enterprise = EnterpriseId::new(&name).expect("an id");
                FileKind::Sealed { enterprise, revision: number }
            };
            let day = CivilDay::from_epoch_days(days);
            let path = kind.path(day, &digest);
            let file = ReadingsFile::parse(&path, 1, 2);
            prop_assert_eq!(file, Some(ReadingsFile { path, day, kind, size: 1, rows: 2 }));
        }
    }

    #[test]
    fn names_of_other_programs_are_refused() {
        let id = "0123456789abcdef";
        for bad in [
            format!("day=2026-11-22/part-0000.{id}.parquet"),
            format!("day=2026-11-22/steel.r.{id}.parquet"),
            format!("day=2026-11-22/steel.r+1.{id}.parquet"),
            format!("day=2026-1-22/steel.r1.{id}.parquet"),
            format!("steel.r1.{id}.parquet"),
            "day=2026-11-22/steel.r1.parquet".to_owned(),
            format!("day=2026-11-22/hot.px.1.{id}.parquet"),
        ] {
            assert_eq!(ReadingsFile::parse(&bad, 0, 0), None, "{bad}");
        }
    }
}
