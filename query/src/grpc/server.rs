//! The service as a value: made from a lake, settings and a clock, and served on a listener.

mod admission;
pub(super) mod answers;
mod listener;
pub(super) mod stream;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use greenpark_archive::lake::Lake;
use greenpark_model::{
    day::{DayRange, Instant},
    id::ParkId,
    limits::INSTANT_MS_MIN,
};
use tokio::sync::Semaphore;

use crate::{
    error::QueryError,
    figures::park_days::ParkDays,
    grpc::server::{admission::Gate, answers::Answers},
    lake::{books::Books, cache::Cache, engine::Engine},
    metrics::QueryMetrics,
    reference::{
        ReferenceData,
        data_file::FileError,
        plans::{self, Plans},
    },
    register::{name::Name, registry::Registry},
    scope::Scope,
    settings::QuerySettings,
};

/// The part of the cache that answers take.
const ANSWERS_PART: usize = 8;

/// Time as a value: when it is now.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What a question waits for before it is answered, where the processor runs beside the service: that
/// what gateways have been acknowledged is in the books. It bounds its own wait, and says whether it is.
pub type BooksBarrier = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Why the service does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file of factors, categories or plans is wrong.
    #[error("the data cannot be loaded")]
    Data(#[from] FileError),
    /// Reflection cannot be set up.
    #[error("the descriptors cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the transport failed")]
    Transport(#[from] tonic::transport::Error),
}

/// The query service, not yet serving.
pub struct QueryService {
    lake: Lake,
    settings: QuerySettings,
    clock: Clock,
    metrics: QueryMetrics,
    barrier: Option<BooksBarrier>,
}

impl std::fmt::Debug for QueryService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryService")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What every method shares.
pub(crate) struct Shared {
    pub(crate) books: Arc<Books>,
    /// Apart from books, of which a question about all parks may read more than there is room for.
    pub(crate) answers: Answers,
    pub(crate) data: ReferenceData,
    pub(crate) plans: Plans,
    pub(crate) settings: QuerySettings,
    pub(crate) metrics: QueryMetrics,
    gate: Gate,
    clock: Clock,
    barrier: Option<BooksBarrier>,
    /// Questions, and streams apart from them: a slow reader of a stream holds no question up.
    permits: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    registry: Mutex<Arc<Registry>>,
}

impl QueryService {
    /// A service over `lake`. `clock` says when it is now.
    #[must_use]
    pub fn new(lake: Lake, settings: QuerySettings, clock: Clock) -> Self {
        Self {
            lake,
            settings,
            clock,
            metrics: QueryMetrics::default(),
            barrier: None,
        }
    }

    /// Lets every question wait for `barrier` first.
    #[must_use]
    pub fn with_barrier(mut self, barrier: BooksBarrier) -> Self {
        self.barrier = Some(barrier);
        self
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: QueryMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// What methods share, every day being folded from its readings.
    pub(crate) fn share_from_readings(self) -> Result<Shared, ServeError> {
        self.share_by(Books::folded_again)
    }

    fn share(self) -> Result<Shared, ServeError> {
        self.share_by(|books| books)
    }

    /// What methods share, with the books made what `of` makes of them.
    fn share_by(self, of: impl FnOnce(Books) -> Books) -> Result<Shared, ServeError> {
        let engine = Engine::new(self.lake.store(), self.settings.memory);
        self.lake.bound_snapshots(self.settings.memory / 4);
        let answers = self.settings.cache / ANSWERS_PART;
        let cache = self.settings.cache - answers;
        let books = Books::new(self.lake, engine, cache, self.metrics.clone());
        Ok(Shared {
            answers: Cache::new(answers),
            books: Arc::new(of(books)),
            data: ReferenceData::load(self.settings.reference_files())?,
            plans: plans::load_all(&self.settings.plan_files)?,
            gate: Gate::new(&self.settings.grants),
            permits: Arc::new(Semaphore::new(self.settings.concurrent_max.max(1))),
            streams: Arc::new(Semaphore::new(self.settings.concurrent_max.max(1))),
            registry: Mutex::default(),
            settings: self.settings,
            metrics: self.metrics,
            clock: self.clock,
            barrier: self.barrier,
        })
    }
}

impl Shared {
    /// Now.
    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The registry as it is now.
    pub(crate) async fn registry(&self) -> Result<Arc<Registry>, QueryError> {
        let entries = self.books.lake.reference().entries().await?;
        let known = Arc::clone(&self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        if known.version == entries.version {
            return Ok(known);
        }
        let read = Arc::new(Registry::read(&entries)?);
        // The entries by file and in order, and the registry that is made of them.
        self.books.keep_registry(3 * entries.bytes());
        *self.registry.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        Ok(read)
    }

    /// The registry as a question asks it: as it is now, or as it was at an instant.
    pub(crate) async fn registry_as_of(
        &self,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<Arc<Registry>, QueryError> {
        let now = self.now();
        let at = as_of.map(|at| past_instant("as_of", at, now)).transpose()?;
        self.registry_at(at).await
    }

    /// The registry as it is now, or as it was at `at`.
    pub(crate) async fn registry_at(
        &self,
        at: Option<Instant>,
    ) -> Result<Arc<Registry>, QueryError> {
        let Some(at) = at else {
            return self.registry().await;
        };
        let entries = self.books.lake.reference().entries().await?;
        Ok(Arc::new(Registry::read_as_of(&entries, at)?))
    }

    /// When a question is asked: now, or the instant that it is asked as of.
    pub(crate) fn moment(&self, registry: &Registry) -> Instant {
        registry.as_of.unwrap_or_else(|| self.now())
    }

    /// Parks with an entry or a book that `scope` lets see, in order.
    pub(crate) async fn parks(
        &self,
        scope: &Scope,
        registry: &Registry,
    ) -> Result<Vec<ParkId>, QueryError> {
        let mut parks = self.books.lake.parks().await?;
        if let Some(at) = registry.as_of {
            parks = self.books.parks_as_of(parks, at).await?;
        }
        parks.extend(registry.parks().cloned());
        parks.retain(|park| scope.sees(park));
        parks.sort();
        parks.dedup();
        Ok(parks)
    }

    /// `park`, if there is such a park.
    pub(crate) async fn known_park(
        &self,
        scope: &Scope,
        registry: &Registry,
        park: &ParkId,
    ) -> Result<(), QueryError> {
        let parks = self.parks(scope, registry).await?;
        if parks.contains(park) {
            return Ok(());
        }
        Err(QueryError::NotFound {
            name: Name::Park(park.clone()).to_string(),
            known: parks
                .into_iter()
                .map(|park| Name::Park(park).to_string())
                .collect(),
        })
    }

    /// What `range` needs of `park`, which must exist.
    pub(crate) async fn park_days(
        &self,
        scope: &Scope,
        registry: &Registry,
        park: &ParkId,
        range: DayRange,
    ) -> Result<ParkDays, QueryError> {
        self.known_park(scope, registry, park).await?;
        ParkDays::load(&self.books, scope, registry, park, range).await
    }
}

/// An instant of the wire that is not still to come; parks have no readings before 2000.
fn past_instant(
    field: &str,
    at: &prost_types::Timestamp,
    now: Instant,
) -> Result<Instant, QueryError> {
    let ms = at.seconds.checked_mul(1_000);
    let ms = ms.and_then(|ms| ms.checked_add(i64::from(at.nanos) / 1_000_000));
    match ms {
        Some(ms) if ms > now.0 => Err(QueryError::invalid(
            field,
            format!("is still to come, for it is {now}; leave it out for what is known now"),
        )),
        Some(ms) if ms >= INSTANT_MS_MIN => Ok(Instant(ms)),
        _ => Err(QueryError::invalid(field, "is no instant from 2000 on")),
    }
}
