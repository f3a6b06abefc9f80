//! The days of every series of a book: closed days from the `totals` table, every other day by folding
//! its readings, with the one fold of the model.
//!
//! A row of totals counts only where its revision is that of the sealed file in the same snapshot. A day
//! with hot files, or a sealed file without such totals, is folded from its rows: sealed and hot,
//! merged in the order of the log. So is a sealed day whose totals were folded by other traits of a meter
//! (modulus, rating, multiplier, changes) than the registry has now: each total says by which.

mod assemble;
mod late;
mod open;
mod past;
mod then;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::TryStreamExt as _;
use greenpark_archive::{lake::Lake, rows::SeriesKey, snapshot::Snapshot};
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    fold::DayFold,
    id::{EnterpriseId, ParkId},
};

use late::LateDay;
pub(crate) use open::{hot_in_order, read_files};
pub(crate) use then::Then;

use crate::{
    cache::{self, Cache},
    decode::{self, Total},
    engine::{self, Engine, Work},
    error::QueryError,
    metrics::Metrics,
    registry,
    table::LakeTable,
};

/// The last reading of a series, where its rows were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) instant: Instant,
    pub(crate) value: Amount,
    pub(crate) flag: u8,
}

/// One series' days of one book, in order.
#[derive(Debug, Clone)]
pub(crate) struct SeriesDays {
    pub(crate) key: SeriesKey,
    pub(crate) days: Vec<(CivilDay, DayFold)>,
    /// Days with duplicates or conflicts, and how many of each.
    pub(crate) repeats: Vec<(CivilDay, u32, u32)>,
    /// Days with readings that came late.
    pub(crate) late: Vec<Arc<LateDay>>,
    /// The last reading of the last day, if that day's rows were read.
    pub(crate) newest: Option<Newest>,
    /// All days joined into one fold.
    pub(crate) whole: DayFold,
    /// How many of them have readings.
    pub(crate) whole_days: u32,
    /// The most readings that a day has.
    pub(crate) most_readings: u32,
}

/// The days of a book at one state.
#[derive(Debug)]
pub(crate) struct BookDays {
    /// The state of the book that they are of.
    pub(crate) snapshot: Arc<Snapshot>,
    traits_digest: u64,
    /// Sorted by key.
    pub(crate) series: Vec<SeriesDays>,
    /// Days with readings that are not sealed, by enterprise.
    pub(crate) open: BTreeMap<EnterpriseId, BTreeSet<CivilDay>>,
    /// Sealed days and their revisions, by enterprise, in order.
    pub(crate) sealed: BTreeMap<EnterpriseId, Vec<(CivilDay, u32)>>,
    /// Days that had hot readings which cannot be read any more as they were.
    pub(crate) lost: BTreeSet<CivilDay>,
}

/// The rows of a totals table.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    version: i64,
    /// Sorted by key and day.
    rows: Vec<Total>,
}

/// The folds of one day that was read.
#[derive(Debug, Default)]
pub(crate) struct DayFolds {
    /// Of the files, the traits and what was asked; another print voids the folds.
    print: u64,
    folds: Vec<OpenFold>,
    /// Enterprises with hot readings on the day.
    hot: BTreeSet<EnterpriseId>,
    /// Enterprises whose rows were read, so that their totals do not count.
    read: BTreeSet<EnterpriseId>,
}

/// The fold of one series of a day that was read.
#[derive(Debug)]
struct OpenFold {
    key: SeriesKey,
    fold: DayFold,
    duplicates: u32,
    conflicts: u32,
    late: Option<Arc<LateDay>>,
    newest: Option<Newest>,
}

/// A book that is being loaded.
#[derive(Clone, Copy)]
struct Load<'a> {
    park: &'a ParkId,
    snapshot: &'a Arc<Snapshot>,
    totals: &'a [Total],
    registry: &'a registry::Park,
}

/// One loads a book at a time; the others wait and find it loaded. There is a lock a book.
type Locks = HashMap<(ParkId, i16), Arc<tokio::sync::Mutex<()>>>;

/// Loads and keeps the days of books.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) lake: Lake,
    pub(crate) engine: Engine,
    cache: Cache,
    loading: Mutex<Locks>,
    metrics: Metrics,
    folding: Folding,
}

/// What closed days are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folding {
    /// The totals of their sealed files.
    Totals,
    /// Their readings, folded again.
    Readings,
}

impl SeriesDays {
    /// The first and last day with a fold.
    pub(crate) fn span(&self) -> Option<(CivilDay, CivilDay)> {
        Some((self.days.first()?.0, self.days.last()?.0))
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
        let days: usize = self.series.iter().map(|s| s.days.len()).sum();
        let sealed: usize = self.sealed.values().map(Vec::len).sum();
        self.snapshot.bytes()
            + days * size_of::<(CivilDay, DayFold)>()
            + self.series.len() * size_of::<SeriesDays>()
            + sealed * size_of::<(CivilDay, u32)>()
    }
}

impl Books {
    /// Books that keep `cache` bytes between questions.
    pub(crate) fn new(lake: Lake, engine: Engine, cache: usize, metrics: Metrics) -> Self {
        let cache = Cache::new(cache);
        Self {
            lake,
            engine,
            cache,
            loading: Mutex::default(),
            metrics,
            folding: Folding::Totals,
        }
    }

    /// The same books, every day folded from its readings.
    pub(crate) fn folded_again(self) -> Self {
        Self {
            folding: Folding::Readings,
            ..self
        }
    }

    /// The days of the book of `park` and `year`, as they are now or as they were; `None` if there is, or
    /// was, no such book.
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
        let Some(snapshot) = self.lake.snapshot(park, year).await? else {
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
                let book = Arc::new(self.load(park, &snapshot, registry).await?);
                let key = cache::Key::Book(park.clone(), snapshot.year);
                self.keep(key, &book);
                book
            }
        };
        Ok(Some(book))
    }

    /// Takes note of what the registry and its entries take of the same memory.
    pub(crate) fn keep_registry(&self, bytes: usize) {
        self.cache.keep_elsewhere(bytes);
        self.tell_cache();
    }

    fn tell_cache(&self) {
        let bytes = i64::try_from(self.cache.bytes()).unwrap_or(i64::MAX);
        self.metrics.cache_bytes.set(bytes);
    }

    fn keep(&self, key: cache::Key, book: &Arc<BookDays>) {
        let bytes = book.bytes();
        self.cache
            .put(key, cache::Entry::Book(Arc::clone(book)), bytes);
        self.tell_cache();
    }

    fn cached_book(
        &self,
        park: &ParkId,
        snapshot: &Snapshot,
        registry: &registry::Park,
    ) -> Option<Arc<BookDays>> {
        let key = cache::Key::Book(park.clone(), snapshot.year);
        let Some(cache::Entry::Book(book)) = self.cache.get(&key) else {
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

    async fn load(
        &self,
        park: &ParkId,
        snapshot: &Arc<Snapshot>,
        registry: &registry::Park,
    ) -> Result<BookDays, QueryError> {
        self.metrics.book_loaded.inc();
        let totals = match self.folding {
            Folding::Totals => self.totals(park, snapshot).await?,
            Folding::Readings => Arc::default(),
        };
        let load = Load {
            park,
            snapshot,
            totals: &totals.rows,
            registry,
        };
        let sealed = assemble::Sealed::new(load);
        let days = self.open_days(load, &sealed).await?;
        Ok(assemble::join(load, &sealed, &days))
    }

    /// The rows of the totals table. They are kept apart from the joined days only while the book has hot
    /// files: a book at rest is not joined again.
    async fn totals(&self, park: &ParkId, snapshot: &Snapshot) -> Result<Arc<Totals>, QueryError> {
        let key = cache::Key::Totals(park.clone(), snapshot.year);
        if let Some(cache::Entry::Totals(totals)) = self.cache.get(&key)
            && totals.version == snapshot.totals_version
        {
            return Ok(totals);
        }
        let mut rows = Vec::new();
        if !snapshot.totals_files.is_empty() {
            let table = LakeTable::totals(snapshot);
            let session = self.engine.session(Work::Scan, [("totals", table)])?;
            let sql = format!("SELECT {} FROM totals", decode::TOTALS_COLUMNS);
            let mut batches = engine::stream(&session, &sql).await?;
            while let Some(batch) = batches.try_next().await? {
                decode::totals(&batch, &mut rows)?;
            }
        }
        rows.sort_by(|a, b| (&a.key, a.day, a.revision).cmp(&(&b.key, b.day, b.revision)));
        decode::add_repeats(&mut rows);
        let totals = Arc::new(Totals {
            version: snapshot.totals_version,
            rows,
        });
        if snapshot
            .files
            .iter()
            .any(greenpark_archive::file::ReadingsFile::is_hot)
        {
            let bytes = totals.rows.len() * size_of::<Total>();
            self.cache
                .put(key, cache::Entry::Totals(Arc::clone(&totals)), bytes);
        }
        Ok(totals)
    }
}
