//! Loads a book: its rollups, the totals without a rollup, and the days that neither covers.
//!
//! Totals are read for an enterprise that rollups do not cover: there are none yet, or its days or its meters' traits
//! have changed since. A year of 500 enterprises has a million and a half totals, so those of a book at rest are read
//! for some enterprises at a time, and only the joined series stay. An enterprise with days to fold is joined after
//! these are read. While a book has hot files its rollups and totals stay in the cache, because every flush joins them
//! again.

use std::{collections::BTreeSet, sync::Arc};

use futures::TryStreamExt as _;
use greenpark_archive::{file::ReadingsFile, rows::SeriesKey, snapshot::Snapshot};
use greenpark_model::id::{EnterpriseId, ParkId};

use super::{
    BookDays, Books, Folding, Load, SeriesDays, Totals,
    assemble::{self, DaySources, Sealed},
    cached,
};
use crate::{
    error::QueryError,
    lake::{
        engine::Work,
        record_batches::{self, RolledMonth, Total},
        snapshot_table::LakeTable,
    },
    register::registry,
};
use tracing::warn;

/// Rows of totals held in memory at once.
const ROWS_AT_ONCE: u64 = 100_000;

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
        let mut sealed = Sealed::new(snapshot);
        let mut series = Vec::new();
        let mut totals = Arc::default();
        if self.folding == Folding::Totals {
            let is_hot = snapshot.files.iter().any(ReadingsFile::is_hot);
            totals = match is_hot {
                true => {
                    let key = cached::Key::Totals(park.clone(), snapshot.year);
                    self.cached_totals(key, load, self.all_totals(load)).await?
                }
                false => Arc::new(self.rolled(load).await?),
            };
            sealed.add_rollups(&totals.months, registry);
            sealed.add_totals(&totals.rows, registry);
            if !is_hot {
                let uncovered = sealed.without_totals().into_iter().collect::<Vec<_>>();
                let mut rest = Vec::new();
                for some in uncovered.chunks(at_once(sealed.len(), snapshot)) {
                    let mut read = self.totals_of(snapshot, some).await?;
                    sealed.add_totals(&read, registry);
                    rest.extend(read.extract_if(.., |of| !sealed.is_covered(&of.key.enterprise)));
                    let sources = DaySources {
                        totals: &read,
                        ..DaySources::default()
                    };
                    series.extend(assemble::join(load, &mut sealed, sources));
                }
                if !uncovered.is_empty() {
                    totals = Arc::new(totals.replacing(&uncovered, rest));
                }
            }
        }
        let sources = DaySources {
            months: &totals.months,
            totals: &totals.rows,
            read: &[],
        };
        self.complete(load, (&mut sealed, series), sources).await
    }

    /// Completes the book: the joined `series`, the rest from `sources`, and the days that neither covers, folded.
    async fn complete(
        &self,
        load: Load<'_>,
        (sealed, mut series): (&mut Sealed<'_>, Vec<SeriesDays>),
        sources: DaySources<'_>,
    ) -> Result<BookDays, QueryError> {
        let days = self.open_days(load, sources, sealed).await?;
        let sources = DaySources {
            read: &days,
            ..sources
        };
        series.extend(assemble::join(load, sealed, sources));
        Ok(assemble::book(load, (series, sealed), &days))
    }

    /// The days of a book whose snapshot does not name all files; `None` if the unnamed files are needed.
    pub(super) async fn load_in_brief(
        &self,
        load: Load<'_>,
    ) -> Result<Option<BookDays>, QueryError> {
        let Load {
            snapshot, registry, ..
        } = load;
        if self.folding == Folding::Readings || !snapshot.is_brief() {
            return Ok(None);
        }
        let is_hot = snapshot.files.iter().any(ReadingsFile::is_hot);
        let rolled = match is_hot {
            true => {
                let key = cached::Key::Rolled(load.park.clone(), snapshot.year);
                self.cached_totals(key, load, self.rolled(load)).await?
            }
            false => Arc::new(self.rolled(load).await?),
        };
        if rolled.months.is_empty() {
            return Ok(None);
        }
        let Some(mut sealed) = Sealed::in_brief(load, &rolled.months) else {
            return Ok(None);
        };
        sealed.add_totals(&rolled.rows, registry);
        if !sealed.is_complete(snapshot) {
            return Ok(None);
        }
        self.metrics.book_loaded.inc();
        let sources = DaySources {
            months: &rolled.months,
            totals: &rolled.rows,
            read: &[],
        };
        let book = self
            .complete(load, (&mut sealed, Vec::new()), sources)
            .await?;
        Ok(Some(book))
    }

    /// The totals of a changing book: those cached under `key`, or those of `make` if the state has changed.
    async fn cached_totals(
        &self,
        key: cached::Key,
        load: Load<'_>,
        make: impl Future<Output = Result<Totals, QueryError>>,
    ) -> Result<Arc<Totals>, QueryError> {
        let of = of_totals(load);
        if let Some(cached::Entry::Totals(totals)) = self.cache.get(&key)
            && totals.of == of
        {
            return Ok(totals);
        }
        let totals = Arc::new(Totals { of, ..make.await? });
        let entry = cached::Entry::Totals(Arc::clone(&totals));
        self.cache.insert(key, entry, totals.bytes());
        Ok(totals)
    }

    /// The rollups and totals of the sealed days of a book, as far as there are any.
    async fn all_totals(&self, load: Load<'_>) -> Result<Totals, QueryError> {
        let Load {
            snapshot, registry, ..
        } = load;
        let rolled = self.rolled(load).await?;
        let mut sealed = Sealed::new(snapshot);
        sealed.add_rollups(&rolled.months, registry);
        sealed.add_totals(&rolled.rows, registry);
        let uncovered: Vec<&EnterpriseId> = sealed.without_totals().into_iter().collect();
        let rest = match uncovered.is_empty() {
            true => Vec::new(),
            false => self.totals_of(snapshot, &uncovered).await?,
        };
        Ok(rolled.replacing(&uncovered, rest))
    }

    /// The rollups of a book, and the totals without a rollup.
    async fn rolled(&self, load: Load<'_>) -> Result<Totals, QueryError> {
        let snapshot = load.snapshot;
        let mut months = match self.read_rollups(snapshot).await {
            Ok(months) => months,
            Err(error) => {
                warn_of_rollups(&error, snapshot);
                return Ok(Totals::default());
            }
        };
        if months.is_empty() {
            return Ok(Totals::default());
        }
        let mut rows = self.read_totals(snapshot, snapshot.rolled_up, &[]).await?;
        record_batches::add_repeats_over(&mut months, &mut rows);
        Ok(Totals {
            months,
            rows,
            ..Totals::default()
        })
    }

    /// Reads the rollups, sorted by key and month.
    async fn read_rollups(&self, snapshot: &Snapshot) -> Result<Vec<RolledMonth>, QueryError> {
        let mut months = Vec::new();
        if snapshot.rollups_files.is_empty() {
            return Ok(months);
        }
        let table = LakeTable::rollups(snapshot);
        let tables = [("rollups", table.provider())];
        let sql = format!("SELECT {} FROM rollups", record_batches::rollups_columns());
        let mut batches = self.engine.query(Work::Scan, tables, sql).await?;
        while let Some(batch) = batches.try_next().await? {
            record_batches::rollups(&batch, &mut months)?;
        }
        months.sort_by(|a, b| (&a.key, a.first).cmp(&(&b.key, b.first)));
        Ok(months)
    }

    /// The enterprises with rollups, if `snapshot` does not name their files.
    pub(super) async fn rolled_enterprises(
        &self,
        snapshot: &Snapshot,
    ) -> Result<BTreeSet<EnterpriseId>, QueryError> {
        let mut known = BTreeSet::new();
        if !snapshot.is_brief() {
            return Ok(known);
        }
        let table = LakeTable::rollups(snapshot);
        let tables = [("rollups", table.provider())];
        let sql = "SELECT DISTINCT enterprise FROM rollups".to_owned();
        let mut batches = self.engine.query(Work::Scan, tables, sql).await?;
        while let Some(batch) = batches.try_next().await? {
            known.extend(record_batches::enterprises(&batch)?);
        }
        Ok(known)
    }

    /// All totals of some enterprises, given in order.
    async fn totals_of(
        &self,
        snapshot: &Snapshot,
        enterprises: &[&EnterpriseId],
    ) -> Result<Vec<Total>, QueryError> {
        let mut rows = self.read_totals(snapshot, 0, enterprises).await?;
        rows.retain(|of| enterprises.binary_search(&&of.key.enterprise).is_ok());
        record_batches::add_repeats(&mut rows);
        Ok(rows)
    }

    /// Reads the totals of seals after number `after`, from the first of `enterprises` to the last, or all if none is
    /// named; sorted by key, day and revision.
    async fn read_totals(
        &self,
        snapshot: &Snapshot,
        after: i64,
        enterprises: &[&EnterpriseId],
    ) -> Result<Vec<Total>, QueryError> {
        let mut rows = Vec::new();
        if !snapshot.totals_files.iter().any(|file| file.seal > after) {
            return Ok(rows);
        }
        let table = LakeTable::totals(snapshot, after);
        let tables = [("totals", table.provider())];
        let mut sql = format!("SELECT {} FROM totals", record_batches::totals_columns());
        // An id has only letters, digits, '-', '_' and '.', so it needs no escaping.
        if let Some((first, last)) = enterprises.first().zip(enterprises.last()) {
            sql += &format!(" WHERE enterprise BETWEEN '{first}' AND '{last}'");
        }
        let mut batches = self.engine.query(Work::Scan, tables, sql).await?;
        while let Some(batch) = batches.try_next().await? {
            record_batches::totals(&batch, &mut rows)?;
        }
        rows.sort_by(|a, b| (&a.key, a.day, a.revision).cmp(&(&b.key, b.day, b.revision)));
        Ok(rows)
    }
}

impl Totals {
    /// Replaces what there is of `enterprises`, given in order, by `rows`.
    fn replacing(&self, enterprises: &[&EnterpriseId], rows: Vec<Total>) -> Self {
        let stays = |key: &SeriesKey| enterprises.binary_search(&&key.enterprise).is_err();
        let months = self.months.iter().filter(|month| stays(&month.key));
        let known = self.rows.iter().filter(|of| stays(&of.key)).cloned();
        let mut rows: Vec<Total> = known.chain(rows).collect();
        rows.sort_by(|a, b| (&a.key, a.day, a.revision).cmp(&(&b.key, b.day, b.revision)));
        Self {
            of: self.of,
            months: months.cloned().collect(),
            rows,
        }
    }

    fn bytes(&self) -> usize {
        let months = self.months.iter().map(|month| month.days.bytes());
        months.sum::<usize>()
            + self.months.len() * size_of::<RolledMonth>()
            + self.rows.len() * size_of::<Total>()
    }
}

/// Warns that rollups cannot be read and that their sources are read instead.
pub(super) fn warn_of_rollups(error: &QueryError, of: &Snapshot) {
    let error = error as &dyn std::error::Error;
    warn!(park = %of.park, year = of.year, error, "rollups cannot be read, what they are made of is");
}

/// The state that the totals of a load depend on.
fn of_totals(load: Load<'_>) -> ((i64, i64), u64) {
    let versions = (load.snapshot.totals_version, load.snapshot.rollups_version);
    (versions, load.registry.traits_digest)
}

/// Number of enterprises whose totals fit into [`ROWS_AT_ONCE`].
fn at_once(enterprises: usize, snapshot: &Snapshot) -> usize {
    let rows: u64 = snapshot.totals_files.iter().map(|file| file.rows).sum();
    let parts = usize::try_from(rows.div_ceil(ROWS_AT_ONCE)).unwrap_or(usize::MAX);
    enterprises.div_ceil(parts.max(1)).max(1)
}
