//! What a reader sees of a book: one version of each of its tables, and nothing that changes.

use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, ParkId},
};

use crate::{
    book::tables, delta::Table, error::ReadError, file::ReadingsFile, store::Storage,
    table::TableState, totals::TotalsFile,
};

/// The files of a book at one moment.
///
/// The totals are never older than the readings: each sealed file's are among them.
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
    /// Files of the readings table, sorted by day and path.
    pub files: Vec<ReadingsFile>,
    /// Files of the totals table, oldest first.
    pub totals_files: Vec<TotalsFile>,
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

    /// Bytes that it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let readings = self.files.iter().map(|file| file.path.len());
        let totals = self.totals_files.iter().map(|file| file.path.len());
        readings.chain(totals).sum::<usize>()
            + self.files.len() * size_of::<ReadingsFile>()
            + self.totals_files.len() * size_of::<TotalsFile>()
    }

    /// The files of one day.
    #[must_use]
    pub fn day_files(&self, day: CivilDay) -> &[ReadingsFile] {
        let from = self.files.partition_point(|file| file.day < day);
        let many = self.files[from..].partition_point(|file| file.day == day);
        &self.files[from..from + many]
    }

    /// How many days were open of which hot files are deleted and packed away: a name stands for those of each.
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
    readings: Table,
    totals: Table,
}

impl Reader {
    pub(crate) fn new(storage: &Storage, park: &ParkId, year: i16) -> Self {
        let (readings, totals) = tables(storage, park, year);
        Self {
            park: park.clone(),
            year,
            readings,
            totals,
        }
    }

    /// The newest state from nothing; `None` if there is no book.
    pub(crate) async fn load(&self) -> Result<Option<Snapshot>, ReadError> {
        let readings: TableState<ReadingsFile> = self.readings.load().await?;
        if readings.version < 0 {
            return Ok(None);
        }
        // After the readings, so that their totals are there.
        let totals: TableState<TotalsFile> = self.totals.load().await?;
        // What is before a hole is no newest state.
        self.readings.check_whole(readings.version).await?;
        self.totals.check_whole(totals.version).await?;
        Ok(Some(self.snapshot(readings, totals)))
    }

    /// The newest state from an older one; `None` if that is the newest.
    pub(crate) async fn follow(&self, old: &Snapshot) -> Result<Option<Snapshot>, ReadError> {
        let moved = self.readings.has_moved_past(old.readings_version).await?
            || self.totals.has_moved_past(old.totals_version).await?;
        if !moved {
            return Ok(None);
        }
        let mut readings = TableState {
            version: old.readings_version,
            files: old
                .files
                .iter()
                .map(|file| (file.path.clone(), file.clone()))
                .collect(),
            ..TableState::default()
        };
        let mut totals = TableState {
            version: old.totals_version,
            files: old
                .totals_files
                .iter()
                .map(|file| (file.path.clone(), file.clone()))
                .collect(),
            ..TableState::default()
        };
        self.readings.follow(&mut readings).await?;
        self.totals.follow(&mut totals).await?;
        Ok(Some(self.snapshot(readings, totals)))
    }

    /// The state that the book had at `at`, of which `newest` is the newest one; `None` if there was no
    /// book yet.
    pub(crate) async fn load_as_of(
        &self,
        newest: &Snapshot,
        at: Instant,
    ) -> Result<Option<Snapshot>, ReadError> {
        let readings = self
            .readings
            .load_as_of(newest.readings_version, at)
            .await?;
        let Some(readings) = readings else {
            return Ok(None);
        };
        // The totals of a seal are committed before its readings, so those of that instant are there.
        let totals = self.totals.load_as_of(newest.totals_version, at).await?;
        Ok(Some(self.snapshot(readings, totals.unwrap_or_default())))
    }

    /// When a version of the readings was made.
    pub(crate) async fn made_at(&self, version: i64) -> Result<Instant, ReadError> {
        self.readings.made_at(version).await
    }

    fn snapshot(
        &self,
        readings: TableState<ReadingsFile>,
        totals: TableState<TotalsFile>,
    ) -> Snapshot {
        Snapshot {
            park: self.park.clone(),
            year: self.year,
            readings_version: readings.version,
            totals_version: totals.version,
            files: readings.files.into_values().collect(),
            totals_files: totals.files.into_values().collect(),
        }
    }
}
