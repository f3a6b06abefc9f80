//! Loads books as they were at an instant.
//!
//! A sealed file stays, so a sealed day reads exactly as it was. A hot file is deleted some time after its
//! readings were sealed: a day that was open then cannot be read as it was. A question about such a day is
//! refused, because the answer would differ from the one given then.

use std::{collections::BTreeSet, sync::Arc};

use greenpark_archive::{file::ReadingsFile, snapshot::Snapshot};
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    id::ParkId,
};

use crate::{
    error::QueryError,
    lake::books::{BookDays, Books, cached},
    register::registry,
};

impl Books {
    /// The days of a book at `at`, folded by `registry`.
    pub(super) async fn days_as_of(
        &self,
        park: &ParkId,
        year: i16,
        registry: &registry::Park,
        at: Instant,
    ) -> Result<Option<Arc<BookDays>>, QueryError> {
        let Some(snapshot) = self.lake.snapshot_as_of(park, year, at).await? else {
            return Ok(None);
        };
        let versions = (snapshot.readings_version, snapshot.totals_version);
        let key = cached::Key::Past(park.clone(), year, versions, snapshot.stand_ins());
        if let Some(cached::Entry::Book(book)) = self.cache.get(&key)
            && book.traits_digest == registry.traits_digest
        {
            self.metrics.book_found.inc();
            return Ok(Some(book));
        }
        let missing = self.lake.missing(&snapshot).await?;
        let lost = days_of(&missing);
        let snapshot = if lost.is_empty() {
            snapshot
        } else {
            let gone: BTreeSet<&str> = missing.iter().map(|file| file.path.as_str()).collect();
            let mut left = snapshot.as_ref().clone();
            left.files.retain(|file| !gone.contains(file.path.as_str()));
            Arc::new(left)
        };
        let book = self.load(park, &snapshot, registry).await?;
        let book = Arc::new(BookDays { lost, ..book });
        self.keep(key, &book);
        Ok(Some(book))
    }

    /// The state of a book at `at`. Refuses a range with days that were open then and are sealed now.
    pub(crate) async fn whole_as_of(
        &self,
        (park, range): (&ParkId, DayRange),
        year: i16,
        at: Instant,
    ) -> Result<Option<Arc<Snapshot>>, QueryError> {
        let Some(snapshot) = self.lake.snapshot_as_of(park, year, at).await? else {
            return Ok(None);
        };
        let missing = self.lake.missing(&snapshot).await?;
        let mut lost = days_of(&missing);
        lost.retain(|day| range.contains(*day));
        match lost.first() {
            Some(first) => Err(were_open(park, at, *first, lost.len())),
            None => Ok(Some(snapshot)),
        }
    }

    /// The `parks` that had a book at `at`.
    pub(crate) async fn parks_as_of(
        &self,
        parks: Vec<ParkId>,
        at: Instant,
    ) -> Result<Vec<ParkId>, QueryError> {
        let mut there = Vec::with_capacity(parks.len());
        for park in parks {
            for year in self.lake.years(&park).await? {
                if self.lake.snapshot_as_of(&park, year, at).await?.is_some() {
                    there.push(park);
                    break;
                }
            }
        }
        Ok(there)
    }
}

impl BookDays {
    /// Refuses `range` if it, or a midnight at its ends, depends on a lost day.
    pub(crate) fn refuse_lost_days(
        &self,
        park: &ParkId,
        range: DayRange,
        at: Instant,
    ) -> Result<(), QueryError> {
        let around = range.first().previous()..=range.last().next();
        let Some(first) = self.lost.range(around.clone()).next() else {
            return Ok(());
        };
        let many = self.lost.range(around).count();
        Err(were_open(park, at, *first, many))
    }
}

/// The days of `files`.
fn days_of(files: &[&ReadingsFile]) -> BTreeSet<CivilDay> {
    files.iter().map(|file| file.day).collect()
}

fn were_open(park: &ParkId, at: Instant, first: CivilDay, many: usize) -> QueryError {
    let message = format!(
        "at {at} {many} day(s) of parks/{park} were not sealed, {first} the first of them, and their \
         readings rest in other files since: ask as of a later instant, or for a period that ends before {}",
        first.previous()
    );
    QueryError::Precondition("DAYS_WERE_OPEN", message)
}
