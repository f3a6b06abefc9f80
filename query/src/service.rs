//! The service as a value: made from a lake, settings and a clock, and served on a listener.

mod serving;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Future, future::BoxFuture};
use greenpark_archive::lake::Lake;
use greenpark_model::{
    day::{DayRange, Instant},
    id::ParkId,
    limits::INSTANT_MS_MIN,
};
use tokio::sync::Semaphore;
use tonic::{Code, Response, Status, metadata::MetadataMap};

use crate::{
    books::Books,
    cache::Cache,
    data::Data,
    engine::Engine,
    error::QueryError,
    fields::FileError,
    metrics::{Ending, Method, Metrics},
    name::Name,
    park_days::ParkDays,
    plans::{self, Plans},
    registry::Registry,
    scope::{Gate, Scope},
    settings::Settings,
};

/// The part of the cache that answers take.
const ANSWERS_PART: usize = 8;

/// Time as a value: when it is now.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What a question waits for before it is answered, where the processor runs beside the service: that
/// what gateways have been acknowledged is in the books. It bounds its own wait, and says whether it is.
pub type Freshness = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// An answer that can say that it may lack what was acknowledged last.
pub(crate) trait Answer {
    /// Whether it is made from books, so that what was acknowledged before it was asked must be in them.
    const READS_BOOKS: bool = true;

    /// The books were behind the log when the answer was made.
    fn tell_behind(&mut self);
}

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
pub struct Service {
    lake: Lake,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    freshness: Option<Freshness>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What every method shares.
pub(crate) struct Shared {
    pub(crate) books: Arc<Books>,
    /// Apart from books, of which a question about all parks may read more than there is room for.
    pub(crate) answers: Cache,
    pub(crate) data: Data,
    pub(crate) plans: Plans,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    gate: Gate,
    clock: Clock,
    freshness: Option<Freshness>,
    /// Questions, and streams apart from them: a slow reader of a stream holds no question up.
    permits: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    registry: Mutex<Arc<Registry>>,
}

impl Service {
    /// A service over `lake`. `clock` says when it is now.
    #[must_use]
    pub fn new(lake: Lake, settings: Settings, clock: Clock) -> Self {
        Self {
            lake,
            settings,
            clock,
            metrics: Metrics::default(),
            freshness: None,
        }
    }

    /// Lets every question wait for `freshness` first.
    #[must_use]
    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
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
            data: Data::load(&self.settings)?,
            plans: plans::load_all(&self.settings.plan_files)?,
            gate: Gate::new(&self.settings.grants),
            permits: Arc::new(Semaphore::new(self.settings.concurrent_max.max(1))),
            streams: Arc::new(Semaphore::new(self.settings.concurrent_max.max(1))),
            registry: Mutex::default(),
            settings: self.settings,
            metrics: self.metrics,
            clock: self.clock,
            freshness: self.freshness,
        })
    }
}

/// A question that was let in: it counts against the limit as long as this lives.
pub(crate) struct Admitted {
    pub(crate) scope: Scope,
    pub(crate) until: tokio::time::Instant,
    /// Whether the books may lack what was acknowledged before.
    behind: bool,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Shared {
    /// Now.
    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Lets a question in, or says why not. It may take `span`, or less if its client says so.
    pub(crate) async fn admit(
        &self,
        metadata: &MetadataMap,
        permits: &Arc<Semaphore>,
        (span, reads_books): (Duration, bool),
    ) -> Result<Admitted, QueryError> {
        let scope = self.gate.admit(metadata)?;
        let until =
            tokio::time::Instant::now() + span.min(clients_deadline(metadata).unwrap_or(span));
        let permit = Arc::clone(permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout_at(until, permit).await else {
            return Err(QueryError::Deadline);
        };
        let fresh = match self.freshness.as_ref().filter(|_| reads_books) {
            Some(freshness) => match tokio::time::timeout_at(until, freshness()).await {
                Ok(fresh) => fresh,
                Err(_) => return Err(QueryError::Deadline),
            },
            None => true,
        };
        // A permit that is there at once is given even when no time is left.
        if until <= tokio::time::Instant::now() {
            return Err(QueryError::Deadline);
        }
        if !fresh {
            self.metrics.behind.inc();
        }
        Ok(Admitted {
            scope,
            until,
            behind: !fresh,
            _permit: permit,
        })
    }

    /// Answers a unary question within its deadline, once more if a file was replaced meanwhile.
    pub(crate) async fn answer<T, F>(
        &self,
        method: &'static str,
        metadata: &MetadataMap,
        work: impl Fn(Scope) -> F + Send,
    ) -> Result<Response<T>, Status>
    where
        T: Answer,
        F: Future<Output = Result<T, QueryError>> + Send,
    {
        let begun = std::time::Instant::now();
        let _under_way = self.metrics.begin();
        let answer = async {
            let admitted = self
                .admit(
                    metadata,
                    &self.permits,
                    (self.settings.deadline, T::READS_BOOKS),
                )
                .await?;
            let work = async {
                match work(admitted.scope.clone()).await {
                    Err(error) if error.is_file_replaced() => {
                        self.metrics.retried.inc();
                        work(admitted.scope.clone()).await
                    }
                    answer => answer,
                }
            };
            let mut answer = tokio::time::timeout_at(admitted.until, work)
                .await
                .unwrap_or(Err(QueryError::Deadline))?;
            if admitted.behind {
                answer.tell_behind();
            }
            Ok(answer)
        };
        let answer: Result<T, QueryError> = answer.await;
        let answer = answer.map(Response::new).map_err(QueryError::status);
        self.count(
            method,
            answer.as_ref().map_or_else(Status::code, |_| Code::Ok),
            begun,
        );
        answer
    }

    /// Counts an answer.
    pub(crate) fn count(&self, method: &'static str, code: Code, begun: std::time::Instant) {
        self.metrics
            .answered
            .get_or_create(&Ending {
                method,
                code: code_name(code),
            })
            .inc();
        let seconds = begun.elapsed().as_secs_f64();
        self.metrics
            .seconds
            .get_or_create(&Method { method })
            .observe(seconds);
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

/// What a client says that it will wait, by the header `grpc-timeout`: up to eight digits and a unit.
fn clients_deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = count.parse().ok().filter(|_| count.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        Code::FailedPrecondition => "failed_precondition",
        Code::PermissionDenied => "permission_denied",
        Code::Unauthenticated => "unauthenticated",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        Code::Cancelled => "cancelled",
        _ => "internal",
    }
}
