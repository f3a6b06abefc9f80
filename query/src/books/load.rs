//! Loading a book: its totals, and the days that these do not tell.
//!
//! The totals of a book at rest are read some enterprises at a time, and of each only what they are joined to is kept:
//! a year of 500 enterprises has a million and a half of them. An enterprise with days that must be read waits for
//! these. While a book has hot files, its totals are kept, for it is joined again with every flush.

use std::sync::Arc;

use futures::TryStreamExt as _;
use greenpark_archive::{file::ReadingsFile, snapshot::Snapshot};
use greenpark_model::id::{EnterpriseId, ParkId};

use super::{BookDays, Books, Folding, Totals, assemble};
use crate::{
    cache,
    decode::{self, Total},
    engine::{self, Work},
    error::QueryError,
    registry,
    table::LakeTable,
};

/// Rows of totals that are held at once.
const ROWS_AT_ONCE: u64 = 100_000;

/// A book that is being loaded.
#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) park: &'a ParkId,
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) registry: &'a registry::Park,
}

impl Books {
    /// The days of the book `snapshot`.
    pub(super) async fn load(
        &self,
        park: &ParkId,
        snapshot: &Arc<Snapshot>,
        registry: &registry::Park,
    ) -> Result<BookDays, QueryError> {
        self.metrics.book_loaded.inc();
        let load = Load {
            park,
            snapshot,
            registry,
        };
        let mut sealed = assemble::Sealed::new(snapshot);
        let mut series = Vec::new();
        let mut waiting = Arc::default();
        if self.folding == Folding::Totals {
            if snapshot.files.iter().any(ReadingsFile::is_hot) {
                waiting = self.totals(park, snapshot).await?;
                sealed.take(&waiting.rows, registry);
            } else {
                let mut rows = Vec::new();
                let enterprises = sealed.enterprises();
                for some in enterprises.chunks(at_once(enterprises.len(), snapshot)) {
                    let mut read = self.read_totals(snapshot, some).await?;
                    sealed.take(&read, registry);
                    rows.extend(read.extract_if(.., |of| !sealed.is_told(&of.key.enterprise)));
                    series.extend(assemble::join(load, &sealed, (&read, &[])));
                }
                waiting = Arc::new(Totals { version: 0, rows });
            }
        }
        let days = self.open_days(load, &waiting.rows, &sealed).await?;
        series.extend(assemble::join(load, &sealed, (&waiting.rows, &days)));
        series.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(assemble::book(load, series, &days))
    }

    /// The rows of the totals table, which are kept.
    async fn totals(&self, park: &ParkId, snapshot: &Snapshot) -> Result<Arc<Totals>, QueryError> {
        let key = cache::Key::Totals(park.clone(), snapshot.year);
        if let Some(cache::Entry::Totals(totals)) = self.cache.get(&key)
            && totals.version == snapshot.totals_version
        {
            return Ok(totals);
        }
        let totals = Arc::new(Totals {
            version: snapshot.totals_version,
            rows: self.read_totals(snapshot, &[]).await?,
        });
        let bytes = totals.rows.len() * size_of::<Total>();
        self.cache
            .put(key, cache::Entry::Totals(Arc::clone(&totals)), bytes);
        Ok(totals)
    }

    /// The rows of totals from the first of some enterprises to the last, or of all where none is named; sorted by key,
    /// day and revision.
    async fn read_totals(
        &self,
        snapshot: &Snapshot,
        enterprises: &[&EnterpriseId],
    ) -> Result<Vec<Total>, QueryError> {
        let mut rows = Vec::new();
        if snapshot.totals_files.is_empty() {
            return Ok(rows);
        }
        let table = LakeTable::totals(snapshot);
        let session = self.engine.session(Work::Scan, [("totals", table)])?;
        let mut sql = format!("SELECT {} FROM totals", decode::TOTALS_COLUMNS);
        // Ids hold letters, digits, '-', '_' and '.' only, so they stand in a statement as they are.
        if let Some((first, last)) = enterprises.first().zip(enterprises.last()) {
            sql += &format!(" WHERE enterprise BETWEEN '{first}' AND '{last}'");
        }
        let mut batches = engine::stream(&session, &sql).await?;
        while let Some(batch) = batches.try_next().await? {
            decode::totals(&batch, &mut rows)?;
        }
        rows.sort_by(|a, b| (&a.key, a.day, a.revision).cmp(&(&b.key, b.day, b.revision)));
        decode::add_repeats(&mut rows);
        Ok(rows)
    }
}

/// How many of the enterprises of a book have as many rows of totals as are held at once.
fn at_once(enterprises: usize, snapshot: &Snapshot) -> usize {
    let rows: u64 = snapshot.totals_files.iter().map(|file| file.rows).sum();
    let parts = usize::try_from(rows.div_ceil(ROWS_AT_ONCE)).unwrap_or(usize::MAX);
    enterprises.div_ceil(parts.max(1)).max(1)
}
