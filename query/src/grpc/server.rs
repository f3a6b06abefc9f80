//! The query service: made from a lake, settings and a clock, then served on a listener.

mod accept;
mod admission;
pub(super) mod answers;
mod callers;
mod listener;
pub(super) mod stream;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use greenpark_archive::lake::Lake;
use greenpark_model::{
    clock::Clock,
    day::{DayRange, Instant},
    id::ParkId,
    limits::INSTANT_MS_MIN,
};
use tokio::sync::Semaphore;

use crate::{
    access::{gate::Gate, grants::Grants, log::AccessLog, scope::Scope},
    error::QueryError,
    figures::park_days::ParkDays,
    grpc::{proofs::published_data, server::answers::Answers},
    lake::{books::Books, cache::Cache, engine::Engine},
    metrics::QueryMetrics,
    proof::publisher::Publisher,
    reference::{
        ReferenceData,
        data_file::FileError,
        plans::{self, Plans},
    },
    register::{name::Name, registry::Registry},
    settings::QuerySettings,
};

pub(crate) use callers::Permitted;

/// Answers get this fraction of the cache.
const ANSWERS_PART: usize = 8;

/// A question waits for this before it is answered, if the processor runs in the same process: everything that
/// gateways were acknowledged is then in the books. The wait is bounded; the result is false if books lag behind.
pub type BooksBarrier = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Why the service does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file of factors, categories or plans is wrong.
    #[error("the data cannot be loaded")]
    Data(#[from] FileError),
    /// The keys of JSON web tokens cannot be used.
    #[error("the keys of query.jwt cannot be used")]
    Keys(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The transparency log cannot be kept.
    #[error("the transparency log cannot be kept")]
    Publish(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file of TLS cannot be used.
    #[error("the files of query.tls cannot be used")]
    Tls(#[from] greenpark_tls::TlsFileError),
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

/// State shared by all methods.
pub(crate) struct Shared {
    pub(crate) books: Arc<Books>,
    /// Separate from the cache of books, which a question about all parks may exceed.
    pub(crate) answers: Answers,
    pub(crate) data: ReferenceData,
    pub(crate) plans: Plans,
    pub(crate) settings: QuerySettings,
    pub(crate) metrics: QueryMetrics,
    pub(in crate::grpc) gate: Gate,
    /// `None` if the settings name no keys.
    pub(in crate::grpc) publisher: Option<Arc<Publisher>>,
    /// `None` if the settings keep none.
    access_log: Option<Arc<AccessLog>>,
    grants: Mutex<Arc<Grants>>,
    clock: Clock,
    barrier: Option<BooksBarrier>,
    /// Permits of unary questions. Streams have their own, so that a slow reader delays no question.
    permits: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    registry: Mutex<Arc<Registry>>,
}

impl QueryService {
    /// A service over `lake`.
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

    /// Makes every question wait for `barrier` first.
    #[must_use]
    pub fn with_barrier(mut self, barrier: BooksBarrier) -> Self {
        self.barrier = Some(barrier);
        self
    }

    /// Counts questions in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: QueryMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The shared state, with every day folded from its readings.
    pub(crate) fn share_from_readings(self) -> Result<Shared, ServeError> {
        self.share_by(Books::folded_again)
    }

    fn share(self) -> Result<Shared, ServeError> {
        self.share_by(|books| books)
    }

    /// The publisher of the transparency log, if the settings name its keys.
    fn publisher(&self) -> Result<Option<Publisher>, ServeError> {
        let Some(keys) = &self.settings.proof_key else {
            return Ok(None);
        };
        let data =
            published_data(&self.settings).map_err(|error| ServeError::Publish(error.into()))?;
        let with = (self.clock.clone(), self.metrics.clone());
        let made = Publisher::new(self.lake.clone(), keys, data, with);
        made.map(Some)
            .map_err(|error| ServeError::Publish(error.into()))
    }

    /// The shared state, with the books transformed by `of`.
    fn share_by(self, of: impl FnOnce(Books) -> Books) -> Result<Shared, ServeError> {
        let engine = Engine::new(self.lake.store(), self.settings.memory);
        self.lake.bound_snapshots(self.settings.memory / 4);
        self.metrics.open.set(i64::from(self.settings.open));
        let publisher = self.publisher()?.map(Arc::new);
        let access_log = AccessLog::new(self.clock.clone(), self.metrics.clone());
        let answers = self.settings.cache / ANSWERS_PART;
        let cache = self.settings.cache - answers;
        let books = Books::new(self.lake, engine, cache, self.metrics.clone());
        Ok(Shared {
            answers: Cache::new(answers),
            books: Arc::new(of(books)),
            data: ReferenceData::load(self.settings.reference_files())?,
            plans: plans::load_all(&self.settings.plan_files)?,
            gate: Gate::open(&self.settings.access()).map_err(|e| ServeError::Keys(e.into()))?,
            publisher,
            access_log: self.settings.access_log.then(|| Arc::new(access_log)),
            grants: Mutex::default(),
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
    /// The current instant.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The current registry.
    pub(crate) async fn registry(&self) -> Result<Arc<Registry>, QueryError> {
        let entries = self.books.lake.reference().entries().await?;
        let known = Arc::clone(&self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        if known.version == entries.version {
            return Ok(known);
        }
        let read = Arc::new(Registry::read(&entries)?);
        // Counts the entries by file, the entries in order, and the registry.
        self.books.keep_registry(3 * entries.bytes());
        *self.registry.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        Ok(read)
    }

    /// The current registry, or that of the instant `as_of` of a request.
    pub(crate) async fn registry_as_of(
        &self,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<Arc<Registry>, QueryError> {
        let now = self.now();
        let at = as_of.map(|at| past_instant("as_of", at, now)).transpose()?;
        self.registry_at(at).await
    }

    /// The current registry, or that of the instant `at`.
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

    /// The instant of a question: `as_of`, or now.
    pub(crate) fn moment(&self, registry: &Registry) -> Instant {
        registry.as_of.unwrap_or_else(|| self.now())
    }

    /// Parks with an entry or a book, as far as `scope` permits, in order.
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
        // A grant on an enterprise names its park, whatever others have there.
        parks.extend(scope.enterprise_parks().cloned());
        parks.retain(|park| scope.sees(park));
        parks.sort();
        parks.dedup();
        Ok(parks)
    }

    /// Checks that `park` exists.
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

    /// Loads the days of `park` for `range`. The park must exist.
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

/// Parses an instant of a request, which must not be in the future or before 2000.
pub(in crate::grpc) fn past_instant(
    field: &str,
    at: &prost_types::Timestamp,
    now: Instant,
) -> Result<Instant, QueryError> {
    let ms = at.seconds.checked_mul(1_000);
    let ms = ms.and_then(|ms| ms.checked_add(i64::from(at.nanos) / 1_000_000));
    match ms {
        Some(ms) if ms > now.millis() => Err(QueryError::invalid(
            field,
            format!("is still to come, for it is {now}; leave it out for what is known now"),
        )),
        Some(ms) if ms >= INSTANT_MS_MIN => Ok(Instant::from_millis(ms)),
        _ => Err(QueryError::invalid(field, "is no instant from 2000 on")),
    }
}
