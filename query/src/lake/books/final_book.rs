//! Loads a book as it was when a period became final, if readings came for the period afterwards.
//!
//! Late readings of any origin lead to new sealed files, so the book of that instant is compared with today's.
//! Files that were hot then may be gone; such a day is read as it is now.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::{
    error::LakeReadError, file::ReadingsFile, rows::SeriesKey, snapshot::Snapshot,
};
use greenpark_model::{
    day::{DayRange, Instant},
    id::ParkId,
};

use tracing::warn;

use super::{BookDays, Books, SeriesBuilder, SeriesDays, cached};
use crate::{error::QueryError, register::registry};

/// Approximate bytes of a cache entry without the days of the book.
const BYTES: usize = 256;

/// A book as it was when a period became final.
#[derive(Debug)]
pub(crate) struct FinalBook {
    pub(crate) since: Instant,
    pub(crate) book: Arc<BookDays>,
    /// Instants of the first and the last change since then.
    pub(crate) changed: (Instant, Instant),
}

impl Books {
    /// The book `now` as it was at `since`; `None` if its sealed readings of `range` have not changed, or there was
    /// no book.
    pub(crate) async fn then(
        &self,
        park: &ParkId,
        now: &Arc<BookDays>,
        registry: &registry::Park,
        (since, range): (Instant, DayRange),
    ) -> Result<Option<Arc<FinalBook>>, QueryError> {
        let (year, version) = (now.snapshot.year, now.snapshot.readings_version);
        let key = cached::Key::Final(park.clone(), year, (version, since, range));
        if let Some(cached::Entry::Final(then, digest)) = self.cache.get(&key)
            && digest == registry.traits_digest
        {
            return Ok(then);
        }
        let then = self.load_then(park, now, registry, (since, range)).await?;
        let then = then.map(Arc::new);
        let bytes = then.as_ref().map_or(BYTES, |then| then.book.bytes());
        let entry = cached::Entry::Final(then.clone(), registry.traits_digest);
        self.cache.insert(key, entry, bytes);
        Ok(then)
    }

    async fn load_then(
        &self,
        park: &ParkId,
        now: &Arc<BookDays>,
        registry: &registry::Park,
        (since, range): (Instant, DayRange),
    ) -> Result<Option<FinalBook>, QueryError> {
        let year = now.snapshot.year;
        if self.lake.changed_at(&now.snapshot).await? <= since {
            return Ok(None);
        }
        let then = match self.lake.snapshot_as_of(park, year, since).await {
            Ok(Some(then)) => then,
            Ok(None) => return Ok(None),
            // Another program has cleaned the Delta log: only the marks of late readings are left of the past.
            Err(error @ LakeReadError::Cleaned { .. }) => {
                let error = &error as &dyn std::error::Error;
                warn!(%park, year, error, "what came after the year was final cannot be told whole");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let whole = self.lake.whole(&now.snapshot).await?;
        if sealed(&then, range).eq(sealed(&whole, range)) {
            return Ok(None);
        }
        let changed = self.lake.changed_since(&then, &now.snapshot).await?;
        let book = self.days_as_of(park, year, registry, since).await?;
        let whole = |book: Arc<BookDays>| match book.lost.is_empty() {
            true => book,
            false => Arc::new(book.with_lost_of(now, registry)),
        };
        Ok(book.map(|book| FinalBook {
            since,
            book: whole(book),
            changed,
        }))
    }
}

/// The sealed files of `range`, in order.
fn sealed(of: &Snapshot, range: DayRange) -> impl Iterator<Item = &str> {
    let files = of.files.iter().filter(move |file| range.contains(file.day));
    let sealed = files.filter(|file| !file.is_hot());
    sealed.map(|file: &ReadingsFile| file.path.as_str())
}

impl BookDays {
    /// The days of a series; `None` if the book has none.
    pub(crate) fn series_of(&self, key: &SeriesKey) -> Option<&SeriesDays> {
        let at = self.series.binary_search_by(|of| of.key.cmp(key)).ok()?;
        Some(&self.series[at])
    }

    /// The book, with its lost days taken from `now`.
    fn with_lost_of(&self, now: &Self, registry: &registry::Park) -> Self {
        let mut series: BTreeMap<&SeriesKey, SeriesDays> =
            self.series.iter().map(|of| (&of.key, of.clone())).collect();
        for of in &now.series {
            let known = series.get(&of.key).map(SeriesDays::to_builder);
            let mut known = known.unwrap_or_else(|| SeriesBuilder::new(&of.key));
            known.days.retain(|(day, _)| !self.lost.contains(day));
            let all = of.days.all().into_iter();
            known
                .days
                .extend(all.filter(|(day, _)| self.lost.contains(day)));
            known.days.sort_by_key(|(day, _)| *day);
            let traits = registry.meters.traits(&of.key.enterprise, &of.key.series);
            series.insert(&of.key, known.join(&traits));
        }
        Self {
            snapshot: Arc::clone(&self.snapshot),
            traits_digest: self.traits_digest,
            series: series.into_values().collect(),
            open: self.open.clone(),
            sealed: self.sealed.clone(),
            lost: self.lost.clone(),
        }
    }
}
