//! A reader's view of a book: one version of each of its tables. It never changes.

use std::collections::{BTreeMap, HashSet};

use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, ParkId},
};

use crate::{
    book::{
        SEALS, Tables,
        rolled_at::{self, RolledAt},
        sealed_sum::SealedSum,
    },
    delta::state::TableState,
    error::LakeReadError,
    readings::file::ReadingsFile,
    store::Storage,
    tables::{rollups::RollupsFile, totals::TotalsFile},
};

/// Attempts to load a book while its rollups move on.
const LOADS: usize = 3;

/// Which files a snapshot names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Extent {
    /// All files.
    Whole,
    /// All but the files that were sealed before the rollups which hold their days; all files if there is
    /// nothing to start from.
    Brief,
}

/// The files of a book at one moment.
///
/// The totals are never older than the readings: they include those of each sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The park.
    pub park: ParkId,
    /// The year.
    pub year: i16,
    /// The version of the readings table.
    pub readings_version: i64,
    /// The version of the totals table; −1 while there is none.
    pub totals_version: i64,
    /// Files of the readings table, sorted by day and path: all of them, or those that a brief snapshot names.
    pub files: Vec<ReadingsFile>,
    /// In a brief snapshot, the sum over the sealed days whose files are not named, which equals the sum over
    /// the days of the rollups; `None` if every file is named.
    pub unnamed: Option<SealedSum>,
    /// Files of the totals table, oldest first.
    pub totals_files: Vec<TotalsFile>,
    /// The version of the rollups table; −1 while there is none. The rollups may be older than the totals.
    pub rollups_version: i64,
    /// Files of the rollups table, by month.
    pub rollups_files: Vec<RollupsFile>,
    /// The number of the last seal whose totals are in the rollups.
    pub rolled_up: i64,
    /// The number of the last seal.
    pub sealed: i64,
}

impl Snapshot {
    /// The path of the readings table in the lake.
    #[must_use]
    pub fn readings_root(&self) -> String {
        format!("{}/{:04}/readings", self.park, self.year)
    }

    /// The path of the totals table in the lake.
    #[must_use]
    pub fn totals_root(&self) -> String {
        format!("{}/{:04}/totals", self.park, self.year)
    }

    /// The path of the rollups table in the lake.
    #[must_use]
    pub fn rollups_root(&self) -> String {
        format!("{}/{:04}/rollups", self.park, self.year)
    }

    /// Returns true if it does not name all sealed files.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        self.unnamed.is_some()
    }

    /// Its size in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let readings = self.files.iter().map(|file| file.path.len());
        let totals = self.totals_files.iter().map(|file| file.path.len());
        let rollups = self.rollups_files.iter().map(|file| file.path.len());
        readings.chain(totals).chain(rollups).sum::<usize>()
            + self.files.len() * size_of::<ReadingsFile>()
            + self.totals_files.len() * size_of::<TotalsFile>()
            + self.rollups_files.len() * size_of::<RollupsFile>()
    }

    /// The files of one day.
    #[must_use]
    pub fn day_files(&self, day: CivilDay) -> &[ReadingsFile] {
        let from = self.files.partition_point(|file| file.day < day);
        let many = self.files[from..].partition_point(|file| file.day == day);
        &self.files[from..from + many]
    }

    /// The number of open days whose hot files are deleted and packed: one name stands for the files of each
    /// day.
    #[must_use]
    pub fn stand_ins(&self) -> usize {
        let stand_ins = self.files.iter().filter(|file| file.is_stand_in());
        stand_ins.count()
    }

    /// The revision in force of an enterprise's sealed day.
    #[must_use]
    pub fn sealed_revision(&self, day: CivilDay, enterprise: &EnterpriseId) -> Option<u32> {
        let mut sealed = self.day_files(day).iter().filter_map(ReadingsFile::sealed);
        sealed
            .find(|(whose, _)| *whose == enterprise)
            .map(|(_, revision)| revision)
    }
}

/// Reads a book's state and follows it.
#[derive(Debug)]
pub(crate) struct Reader {
    park: ParkId,
    year: i16,
    tables: Tables,
}

impl Reader {
    pub(crate) fn new(storage: &Storage, park: &ParkId, year: i16) -> Self {
        Self {
            park: park.clone(),
            year,
            tables: Tables::of(storage, park, year),
        }
    }

    /// Loads the newest state from scratch; `None` if there is no book.
    pub(crate) async fn load(&self, extent: Extent) -> Result<Option<Snapshot>, LakeReadError> {
        for _ in 0..LOADS {
            // Loaded before the others, so that everything rolled up is in them.
            let Some(rollups) = self.tables.load_rollups().await else {
                break;
            };
            let version = rollups.version;
            let snapshot = self.load_with(rollups, extent).await?;
            if !self.tables.rollups.has_moved_past(version).await? {
                return Ok(snapshot);
            }
            // Totals that are in the rollups now may share a file with totals that were in them before: none
            // may count twice.
        }
        // The totals are complete by themselves.
        self.load_with(TableState::default(), Extent::Whole).await
    }

    async fn load_with(
        &self,
        rollups: TableState<RollupsFile>,
        extent: Extent,
    ) -> Result<Option<Snapshot>, LakeReadError> {
        let rolled_at = rollups.note.as_ref().and_then(RolledAt::read);
        if extent == Extent::Brief
            && let Some(rolled_at) = rolled_at
        {
            let unnamed = Some(rolled_at.sealed);
            // If a brief read fails, the whole read succeeds or reports the error.
            let readings = rolled_at.follow(&self.tables.readings).await;
            if let Ok(Some(readings)) = readings
                && rollups.txn(SEALS) <= readings.txn(SEALS)
            {
                let totals = self.load_totals(readings.version).await?;
                let snapshot = self.snapshot(readings, totals, rollups);
                return Ok(Some(Snapshot {
                    unnamed,
                    ..snapshot
                }));
            }
        }
        let readings: TableState<ReadingsFile> = self.tables.readings.load().await?;
        if readings.version < 0 {
            return Ok(None);
        }
        let totals = self.load_totals(readings.version).await?;
        Ok(Some(self.snapshot(readings, totals, rollups)))
    }

    /// Loads the totals after the readings of `version`, so that their totals are there.
    async fn load_totals(&self, version: i64) -> Result<TableState<TotalsFile>, LakeReadError> {
        let totals: TableState<TotalsFile> = self.tables.totals.load().await?;
        // A state before a hole is not the newest.
        self.tables.readings.check_whole(version).await?;
        self.tables.totals.check_whole(totals.version).await?;
        Ok(totals)
    }

    /// Updates an older state to the newest; `None` if it is the newest already.
    pub(crate) async fn follow(
        &self,
        old: &Snapshot,
        extent: Extent,
    ) -> Result<Option<Snapshot>, LakeReadError> {
        let Tables {
            readings, totals, ..
        } = &self.tables;
        let moved = readings.has_moved_past(old.readings_version).await?
            || totals.has_moved_past(old.totals_version).await?;
        if !moved {
            return Ok(None);
        }
        let sealed = |seal: i64| BTreeMap::from([(SEALS.to_owned(), seal)]);
        let mut of_rollups = TableState {
            txns: sealed(old.rolled_up),
            ..state_of(old.rollups_version, &old.rollups_files, |file| &file.path)
        };
        let followed = self.tables.rollups.follow(&mut of_rollups).await;
        let is_rolled_anew = match followed {
            Ok(_) => of_rollups.version != old.rollups_version,
            // If they could not be read before either, nothing is new.
            Err(_) => old.rollups_version >= 0,
        };
        if extent == Extent::Brief && is_rolled_anew {
            // There may be fewer files to name by now.
            return self.load(extent).await;
        }
        if followed.is_err() {
            of_rollups = TableState::default();
        }
        let rolled = of_rollups.version;
        let mut of_readings = TableState {
            txns: sealed(old.sealed),
            ..state_of(old.readings_version, &old.files, |file| &file.path)
        };
        if !old.is_brief() {
            readings.follow(&mut of_readings).await?;
        } else if !rolled_at::follow(readings, &mut of_readings).await? {
            return self.load(extent).await;
        }
        let mut of_totals = state_of(old.totals_version, &old.totals_files, |file| &file.path);
        totals.follow(&mut of_totals).await?;
        if followed.is_ok() && self.tables.rollups.has_moved_past(rolled).await? {
            return self.load(extent).await;
        }
        let snapshot = self.snapshot(of_readings, of_totals, of_rollups);
        Ok(Some(Snapshot {
            unnamed: old.unnamed,
            ..snapshot
        }))
    }

    /// The state of `brief` with every file named.
    pub(crate) async fn whole(&self, brief: &Snapshot) -> Result<Snapshot, LakeReadError> {
        let readings = self.tables.readings.load_at(brief.readings_version);
        let readings: TableState<ReadingsFile> = readings.await?;
        Ok(Snapshot {
            files: readings.files.into_values().collect(),
            unnamed: None,
            ..brief.clone()
        })
    }

    /// The state of the book at `at`; `newest` is its newest state. `None` if there was no book yet.
    pub(crate) async fn load_as_of(
        &self,
        newest: &Snapshot,
        at: Instant,
    ) -> Result<Option<Snapshot>, LakeReadError> {
        let Tables {
            readings,
            totals,
            rollups,
        } = &self.tables;
        let Some(readings) = readings.load_as_of(newest.readings_version, at).await? else {
            return Ok(None);
        };
        // The totals of a seal are committed before its readings, so those of that instant exist.
        let totals = totals.load_as_of(newest.totals_version, at).await?;
        // Without rollups the totals hold the same. The rollups are not used if their files are gone, because
        // they were made again, or if it is unknown which seal they reached.
        let rollups = rollups.load_as_of(newest.rollups_version, at).await;
        let there: HashSet<&str> = newest
            .rollups_files
            .iter()
            .map(|of| of.path.as_str())
            .collect();
        let are_there = |of: &TableState<RollupsFile>| {
            let mut files = of.files.keys();
            of.txns.contains_key(SEALS) && files.all(|path| there.contains(path.as_str()))
        };
        let rollups = rollups.ok().flatten().filter(are_there);
        let rollups = rollups.unwrap_or_default();
        Ok(Some(self.snapshot(
            readings,
            totals.unwrap_or_default(),
            rollups,
        )))
    }

    /// When a version of the readings was made.
    pub(crate) async fn made_at(&self, version: i64) -> Result<Instant, LakeReadError> {
        self.tables.readings.made_at(version).await
    }

    fn snapshot(
        &self,
        readings: TableState<ReadingsFile>,
        totals: TableState<TotalsFile>,
        mut rollups: TableState<RollupsFile>,
    ) -> Snapshot {
        let sealed = readings.txn(SEALS);
        if rollups.txn(SEALS) > sealed {
            // Of a lake that was ahead of this one: the writer removes them when it opens the book.
            rollups = TableState::default();
        }
        Snapshot {
            park: self.park.clone(),
            year: self.year,
            readings_version: readings.version,
            totals_version: totals.version,
            rollups_version: rollups.version,
            rolled_up: rollups.txn(SEALS),
            sealed,
            files: readings.files.into_values().collect(),
            unnamed: None,
            totals_files: totals.files.into_values().collect(),
            rollups_files: rollups.files.into_values().collect(),
        }
    }
}

/// The state of a table with `files` at `version`.
fn state_of<F: Clone>(version: i64, files: &[F], path: impl Fn(&F) -> &String) -> TableState<F> {
    let files = files.iter().map(|file| (path(file).clone(), file.clone()));
    TableState {
        version,
        files: files.collect(),
        ..TableState::default()
    }
}
