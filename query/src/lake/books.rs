//! Loads the days of every series of a book. Closed days come from the `totals` table; every other day is
//! folded from its readings, with the one fold of the model.
//!
//! A rollup holds a month of days in few bytes. Totals fill in where no rollup is valid.
//!
//! A row of totals counts only if its revision equals that of the sealed file in the same snapshot. A day
//! with hot files, or a sealed file without such totals, is folded from its rows: sealed and hot rows are
//! merged in the order of the log. So is a sealed day whose totals were folded by other meter traits
//! (modulus, rating, multiplier, changes) than the registry has now: each total records its traits.

mod assemble;
pub(crate) mod cached;
mod day_set;
mod final_book;
mod late;
mod load;
mod open;
mod past;
mod rolled_days;
mod series_builder;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use greenpark_archive::{
    file::ReadingsFile, lake::Lake, rollups::PackedDays, rows::SeriesKey, snapshot::Snapshot,
};
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    fold::DayFold,
    id::{EnterpriseId, ParkId},
};

use tokio::task::JoinSet;

use cached::BooksCache;
pub(crate) use day_set::DaySet;
pub(crate) use final_book::FinalBook;
use late::LateDay;
use load::warn_of_rollups;
pub(crate) use open::{hot_in_order, read_files};
pub(crate) use series_builder::{SeriesBuilder, third_quartile};

use crate::{
    error::QueryError,
    lake::{
        cache::Cache,
        engine::Engine,
        record_batches::{RolledMonth, Total},
    },
    metrics::QueryMetrics,
    register::registry,
};

/// The last reading of a series whose rows were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewestReading {
    pub(crate) instant: Instant,
    pub(crate) value: Amount,
    pub(crate) flag: u8,
}

/// The days of one series in one book.
#[derive(Debug, Clone)]
pub(crate) struct SeriesDays {
    pub(crate) key: SeriesKey,
    pub(crate) days: PackedDays,
    /// Days with duplicates or conflicts, and how many of each.
    pub(crate) repeats: Vec<(CivilDay, u32, u32)>,
    /// Days with readings that came late.
    pub(crate) late: Vec<Arc<LateDay>>,
    /// The last reading of the last day, if that day's rows were read.
    pub(crate) newest: Option<NewestReading>,
    /// All days joined into one fold.
    pub(crate) whole: DayFold,
    /// Number of days with readings.
    pub(crate) whole_days: u32,
    /// The largest number of readings on a day.
    pub(crate) most_readings: u32,
    /// Summary of the daily amounts.
    pub(crate) amounts: Amounts,
}

/// Summary of a series of amounts in a book: enough to exclude that a day is far above the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) largest: i128,
    /// The third quartile of the days with an amount; `None` if no day has one.
    pub(crate) quartile: Option<i128>,
    /// True if one amount of a day is far above the others of that day.
    pub(crate) peaks: bool,
}

/// The days of a book at one state.
#[derive(Debug)]
pub(crate) struct BookDays {
    /// The state of the book that was read.
    pub(crate) snapshot: Arc<Snapshot>,
    traits_digest: u64,
    /// Sorted by key.
    pub(crate) series: Vec<SeriesDays>,
    /// Days with unsealed readings, by enterprise.
    pub(crate) open: BTreeMap<EnterpriseId, BTreeSet<CivilDay>>,
    /// Sealed days and their revisions, by enterprise, in order.
    pub(crate) sealed: BTreeMap<EnterpriseId, Vec<(CivilDay, u32)>>,
    /// Days whose hot readings of that time no longer exist.
    pub(crate) lost: BTreeSet<CivilDay>,
}

/// Rollups and totals of the sealed days of a book.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Versions of the totals and the rollups, and the digest of the meters' traits.
    of: ((i64, i64), u64),
    /// Sorted by key and month.
    months: Vec<RolledMonth>,
    /// Days without a rollup; sorted by key and day.
    rows: Vec<Total>,
}

/// The folds of one day whose rows were read.
#[derive(Debug, Default)]
pub(crate) struct DayFolds {
    /// Hash of the files, the traits and the enterprises read; another hash voids the folds.
    hash: u64,
    folds: Vec<OpenFold>,
    /// Enterprises with hot readings on the day.
    hot: BTreeSet<EnterpriseId>,
    /// Enterprises whose rows were read; their totals do not count.
    read: BTreeSet<EnterpriseId>,
}

/// The fold of one series on a day whose rows were read.
#[derive(Debug)]
struct OpenFold {
    key: SeriesKey,
    fold: DayFold,
    duplicates: u32,
    conflicts: u32,
    late: Option<Arc<LateDay>>,
    newest: Option<NewestReading>,
}

/// The state in which rollups did not cover a book: their version, the last seal, the digest of the traits.
#[derive(Debug, PartialEq, Eq)]
struct Uncovered {
    rollups: i64,
    seal: i64,
    traits: u64,
}

/// One lock per book: one question loads a book, the others wait and find it in the cache.
type Locks = HashMap<(ParkId, i16), Arc<tokio::sync::Mutex<()>>>;

/// Loads and caches the days of books.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) lake: Lake,
    pub(crate) engine: Engine,
    pub(crate) cache: BooksCache,
    loading: Mutex<Locks>,
    /// Books that rollups and the totals since then do not cover.
    whole: Mutex<HashMap<(ParkId, i16), Uncovered>>,
    metrics: QueryMetrics,
    folding: Folding,
}

/// A book to load.
#[derive(Clone, Copy)]
struct Load<'a> {
    park: &'a ParkId,
    snapshot: &'a Arc<Snapshot>,
    registry: &'a registry::Park,
}

/// The source of closed days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folding {
    /// The totals of their sealed files.
    Totals,
    /// Their readings, folded anew.
    Readings,
}

impl SeriesDays {
    /// The first and last day with a fold.
    pub(crate) fn span(&self) -> Option<(CivilDay, CivilDay)> {
        self.days.span()
    }

    fn bytes(&self) -> usize {
        let late: usize = self.late.iter().map(|of| of.bytes()).sum();
        size_of::<Self>()
            + self.days.bytes()
            + self.repeats.len() * size_of::<(CivilDay, u32, u32)>()
            + late
    }
}

impl BookDays {
    /// The series of `enterprise`.
    pub(crate) fn of(&self, enterprise: &EnterpriseId) -> &[SeriesDays] {
        let from = self
            .series
            .partition_point(|s| s.key.enterprise < *enterprise);
        let many = self.series[from..].partition_point(|s| s.key.enterprise == *enterprise);
        &self.series[from..from + many]
    }

    /// Enterprises with readings.
    pub(crate) fn enterprises(&self) -> impl Iterator<Item = &EnterpriseId> {
        self.series
            .chunk_by(|a, b| a.key.enterprise == b.key.enterprise)
            .map(|s| &s[0].key.enterprise)
    }

    fn bytes(&self) -> usize {
        let series: usize = self.series.iter().map(SeriesDays::bytes).sum();
        let sealed: usize = self.sealed.values().map(Vec::len).sum();
        self.snapshot.bytes() + series + sealed * size_of::<(CivilDay, u32)>()
    }
}

impl Books {
    /// Books with a cache of `cache` bytes.
    pub(crate) fn new(lake: Lake, engine: Engine, cache: usize, metrics: QueryMetrics) -> Self {
        let cache = Cache::new(cache);
        Self {
            lake,
            engine,
            cache,
            loading: Mutex::default(),
            whole: Mutex::default(),
            metrics,
            folding: Folding::Totals,
        }
    }

    fn whole(&self) -> MutexGuard<'_, HashMap<(ParkId, i16), Uncovered>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds every day from its readings.
    pub(crate) fn folded_again(self) -> Self {
        Self {
            folding: Folding::Readings,
            ..self
        }
    }

    /// The days of the book of `park` and `year`, now or at `as_of`; `None` if there is, or was, no such
    /// book.
    pub(crate) async fn days(
        &self,
        park: &ParkId,
        year: i16,
        registry: &registry::Park,
        as_of: Option<Instant>,
    ) -> Result<Option<Arc<BookDays>>, QueryError> {
        if let Some(at) = as_of {
            return self.days_as_of(park, year, registry, at).await;
        }
        let Some(snapshot) = self.lake.brief(park, year).await? else {
            return Ok(None);
        };
        if let Some(book) = self.cached_book(park, &snapshot, registry) {
            self.metrics.book_found.inc();
            return Ok(Some(book));
        }
        let lock = {
            let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loading.entry((park.clone(), year)).or_default())
        };
        let _alone = lock.lock().await;
        let book = match self.cached_book(park, &snapshot, registry) {
            Some(book) => book,
            None => {
                let load = Load {
                    park,
                    snapshot: &snapshot,
                    registry,
                };
                let of = Uncovered {
                    rollups: snapshot.rollups_version,
                    seal: snapshot.sealed,
                    traits: registry.traits_digest,
                };
                let is_known = self.whole().get(&(park.clone(), year)) == Some(&of);
                let in_brief = match is_known {
                    true => None,
                    false => self.load_in_brief(load).await?,
                };
                let book = match in_brief {
                    Some(book) => Arc::new(book),
                    None => {
                        self.whole().insert((park.clone(), year), of);
                        let snapshot = self.lake.whole(&snapshot).await?;
                        Arc::new(self.load(park, &snapshot, registry).await?)
                    }
                };
                let key = cached::Key::Book(park.clone(), snapshot.year);
                self.keep(key, &book);
                book
            }
        };
        Ok(Some(book))
    }

    /// The days of the existing books of `years`, in order. The books are loaded concurrently.
    pub(crate) async fn of_years(
        self: &Arc<Self>,
        park: &ParkId,
        years: Vec<i16>,
        registry: &Arc<registry::Park>,
        as_of: Option<Instant>,
    ) -> Result<Vec<Arc<BookDays>>, QueryError> {
        let mut loading = JoinSet::new();
        for year in years {
            let (books, park, registry) = (Arc::clone(self), park.clone(), Arc::clone(registry));
            loading.spawn(async move { books.days(&park, year, &registry, as_of).await });
        }
        let mut loaded = Vec::with_capacity(loading.len());
        while let Some(ended) = loading.join_next().await {
            match ended {
                Ok(book) => loaded.extend(book?),
                Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
                // Only this function could abort the task.
                Err(_) => return Err(QueryError::Deadline),
            }
        }
        loaded.sort_by_key(|book| book.snapshot.year);
        Ok(loaded)
    }

    /// The enterprises with readings in the book of `park` and `year`, now or at `as_of`.
    pub(crate) async fn enterprises(
        &self,
        park: &ParkId,
        year: i16,
        registry: &registry::Park,
        as_of: Option<Instant>,
    ) -> Result<Arc<BTreeSet<EnterpriseId>>, QueryError> {
        if as_of.is_none()
            && let Some(snapshot) = self.lake.brief(park, year).await?
        {
            let key = cached::Key::Enterprises(park.clone(), year);
            if let Some(cached::Entry::Enterprises(known, version)) = self.cache.get(&key)
                && version == snapshot.readings_version
            {
                return Ok(known);
            }
            // The files and rollups of a book at rest name their enterprises.
            let sealed = |snapshot: &Snapshot| -> Option<BTreeSet<EnterpriseId>> {
                let sealed = snapshot.files.iter().map(ReadingsFile::sealed);
                sealed.map(|of| Some(of?.0.clone())).collect()
            };
            if let Some(mut known) = sealed(&snapshot) {
                match self.rolled_enterprises(&snapshot).await {
                    Ok(rolled) => known.extend(rolled),
                    Err(error) => {
                        warn_of_rollups(&error, &snapshot);
                        let whole = self.lake.whole(&snapshot).await?;
                        known = sealed(&whole).unwrap_or_default();
                    }
                }
                let bytes = known.len() * size_of::<EnterpriseId>();
                let known = Arc::new(known);
                let entry =
                    cached::Entry::Enterprises(Arc::clone(&known), snapshot.readings_version);
                self.cache.insert(key, entry, bytes);
                return Ok(known);
            }
        }
        let book = self.days(park, year, registry, as_of).await?;
        let known = book.iter().flat_map(|book| book.enterprises());
        Ok(Arc::new(known.cloned().collect()))
    }

    /// Counts the memory of the registry and its entries against the cache.
    pub(crate) fn keep_registry(&self, bytes: usize) {
        self.cache.keep_elsewhere(bytes);
        self.set_cache_bytes();
    }

    fn set_cache_bytes(&self) {
        let bytes = i64::try_from(self.cache.bytes()).unwrap_or(i64::MAX);
        self.metrics.cache_bytes.set(bytes);
    }

    fn keep(&self, key: cached::Key, book: &Arc<BookDays>) {
        let bytes = book.bytes();
        self.cache
            .insert(key, cached::Entry::Book(Arc::clone(book)), bytes);
        self.set_cache_bytes();
    }

    fn cached_book(
        &self,
        park: &ParkId,
        snapshot: &Snapshot,
        registry: &registry::Park,
    ) -> Option<Arc<BookDays>> {
        let key = cached::Key::Book(park.clone(), snapshot.year);
        let Some(cached::Entry::Book(book)) = self.cache.get(&key) else {
            return None;
        };
        let of = &book.snapshot;
        let state = (of.readings_version, of.totals_version, book.traits_digest);
        let now = (
            snapshot.readings_version,
            snapshot.totals_version,
            registry.traits_digest,
        );
        (state == now).then_some(book)
    }
}
