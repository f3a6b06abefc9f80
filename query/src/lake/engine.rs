//! DataFusion for one lake: one session per question.
//!
//! One memory budget bounds the readings that questions hold. It has two shares, so that a slow reader of a stream
//! delays no figure: figures fold the readings of open days, streams and extracts merge and sort theirs. A question
//! without room waits, first come, first served. A request larger than a share gets the whole share.
//!
//! Sessions neither list folders nor infer schemas, so DataFusion caches nothing that can be out of date.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use datafusion::{
    datasource::{TableProvider, memory::MemoryCatalogProviderList},
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream, SessionState, SessionStateBuilder,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool},
        object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry},
        runtime_env::RuntimeEnvBuilder,
    },
    physical_plan::stream::RecordBatchStreamAdapter,
    prelude::{SessionConfig, SessionContext},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use object_store::ObjectStore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::{error::QueryError, lake::parquet_files::store_url, limits::SORT_MEMORY_MIN};

/// The one catalog of a session, and the one schema in it.
pub(crate) const CATALOG: &str = "greenpark";
pub(crate) const SCHEMA: &str = "public";
/// Threads of one question at most, because questions run concurrently.
const THREADS_MAX: usize = 4;
/// Sorts that share the memory of streams, if there is enough for all.
const SORTS_MAX: usize = 8;
/// Bytes of a reading of an open day while it is read, merged and folded: its columns, and a copy.
pub(crate) const READING_BYTES: usize = 64;
/// Bytes per permit.
const PERMIT_BYTES: usize = 1 << 16;
/// How long a stream waits for memory. Slow readers may hold it for the whole deadline of their streams.
const STREAM_WAIT: Duration = Duration::from_secs(10);

/// Makes the state of a session. A closure hides the type of the state: every future of this crate that refers to the
/// engine must be `Send`, and each such proof would walk the thousands of types below a [`SessionState`].
type NewSession = Box<dyn Fn() -> SessionState + Send + Sync>;

/// Plans and runs statements over tables of a lake.
pub(crate) struct Engine {
    scanning: NewSession,
    sorting: NewSession,
    stating: NewSession,
    stores: Arc<dyn ObjectStoreRegistry>,
    /// Bytes of memory per sort.
    sort_memory: usize,
    figures: MemoryShare,
    streams: MemoryShare,
    stream_wait: Duration,
    scans: Arc<dyn MemoryPool>,
}

/// A share of the memory, counted in permits.
#[derive(Debug)]
struct MemoryShare {
    permits: Arc<Semaphore>,
    all: usize,
}

/// Memory reserved for a question until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    permit: OwnedSemaphorePermit,
}

/// What a statement does with the rows it scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reads them in any order, with several threads.
    Scan,
    /// Sorts them with one thread, on disk if necessary. Several sorts at once would each use up the memory and
    /// leave nothing for merging their results.
    Sort,
    /// Runs what an analyst wrote, over rows in memory: it reaches no file, and spills nothing to the disk.
    Statement,
}

fn new_session(work: Work, memory: usize, threads: usize) -> NewSession {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(false)
        .with_collect_statistics(false)
        .with_batch_size(8_192);
    // One sort, even of rows from two tables. Each of two sorts would reserve the share below, and the second
    // would find no memory.
    config.options_mut().optimizer.repartition_sorts = work == Work::Scan;
    let execution = &mut config.options_mut().execution;
    // Merging batches in memory before they are spilled needs about as much again as the batches, so three
    // fifths of a sort's memory are reserved for it.
    execution.sort_spill_reservation_bytes = memory / 5 * 3;
    execution.parquet.pushdown_filters = true;
    execution.parquet.schema_force_view_types = false;
    // Clients that are not Arrow's own know plain texts alone.
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build();
    Box::new(move || state.clone())
}

impl Engine {
    /// An engine over `store`, which is rooted at the lake. All questions together use three quarters of `memory`
    /// bytes; the rest is for the lists of the lake's files.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, memory: usize) -> Self {
        let stores: Arc<dyn ObjectStoreRegistry> = Arc::new(DefaultObjectStoreRegistry::new());
        stores.register_store(store_url().as_ref(), store);
        let threads = available_parallelism()
            .map_or(1, usize::from)
            .min(THREADS_MAX);
        let figures = memory / 4;
        let streams = memory / 2;
        let sort_memory = (streams / SORTS_MAX).max(SORT_MEMORY_MIN);
        Self {
            scanning: new_session(Work::Scan, memory, threads),
            sorting: new_session(Work::Sort, sort_memory, 1),
            stating: new_session(Work::Statement, sort_memory, 1),
            stores,
            sort_memory,
            figures: MemoryShare::new(figures),
            streams: MemoryShare::new(streams),
            stream_wait: STREAM_WAIT,
            scans: Arc::new(GreedyMemoryPool::new(memory)),
        }
    }

    /// Readings per pass of a figure; half of the share, so that two figures run at once.
    pub(crate) fn readings_per_pass(&self) -> u64 {
        let readings = self.figures.all * PERMIT_BYTES / READING_BYTES / 2;
        readings as u64
    }

    /// Waits for the memory to fold `readings` for a figure.
    pub(crate) async fn reserve_fold(&self, readings: u64) -> Reservation {
        self.figures.reserve(bytes_of(readings)).await
    }

    /// Waits for the memory of a sort and of the `readings` of open days that it reads. [`Reservation::hold`] ties it
    /// to the result.
    ///
    /// # Errors
    /// [`QueryError::Crowded`] if others hold the memory for too long.
    pub(crate) async fn reserve_sort(&self, readings: u64) -> Result<Reservation, QueryError> {
        let bytes = bytes_of(readings).saturating_add(self.sort_memory);
        let reserved = tokio::time::timeout(self.stream_wait, self.streams.reserve(bytes)).await;
        reserved.map_err(|_| QueryError::Crowded)
    }

    /// Runs `sql` over `tables` in a session of its own. The future is boxed once, here: it and the session hold types
    /// that are nested deeply, and the compiler would check them again for every method of the service.
    pub(crate) fn query(
        &self,
        work: Work,
        tables: impl IntoIterator<Item = (&'static str, Arc<dyn TableProvider>)>,
        sql: String,
    ) -> BoxFuture<'static, Result<SendableRecordBatchStream, DataFusionError>> {
        let session = self.session(work, tables);
        async move { session?.sql(&sql).await?.execute_stream().await }.boxed()
    }

    /// A session for one question, with `tables` under their names.
    ///
    /// # Errors
    /// Two tables have one name.
    pub(crate) fn session(
        &self,
        work: Work,
        tables: impl IntoIterator<Item = (&'static str, Arc<dyn TableProvider>)>,
    ) -> Result<SessionContext, DataFusionError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(match work {
                Work::Scan => Arc::clone(&self.scans),
                Work::Sort => Arc::new(FairSpillPool::new(self.sort_memory)),
                Work::Statement => Arc::new(GreedyMemoryPool::new(self.sort_memory)),
            })
            .with_object_list_cache_limit(0);
        let runtime = match work {
            Work::Scan | Work::Sort => runtime.with_object_store_registry(Arc::clone(&self.stores)),
            Work::Statement => {
                let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
                runtime
                    .with_object_store_registry(Arc::new(NoStores))
                    .with_disk_manager_builder(disk)
            }
        };
        let runtime = runtime.build_arc()?;
        let state = match work {
            Work::Scan => (self.scanning)(),
            Work::Sort => (self.sorting)(),
            Work::Statement => (self.stating)(),
        };
        // Each session has its own catalog; a shared one would hold the tables of other questions.
        let config = state
            .config()
            .clone()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(true);
        let state = SessionStateBuilder::new_from_existing(state)
            .with_config(config)
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_runtime_env(runtime)
            .build();
        let session = SessionContext::new_with_state(state);
        for (name, table) in tables {
            session.register_table(name, table)?;
        }
        Ok(session)
    }
}

/// Stores of a session that reaches none.
#[derive(Debug)]
struct NoStores;

impl ObjectStoreRegistry for NoStores {
    fn register_store(
        &self,
        _url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        Some(store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        Err(DataFusionError::Plan(format!("{url} cannot be read here")))
    }
}

/// Number of permits for `bytes`.
fn permits_of(bytes: usize) -> usize {
    bytes.div_ceil(PERMIT_BYTES)
}

fn bytes_of(readings: u64) -> usize {
    usize::try_from(readings)
        .unwrap_or(usize::MAX)
        .saturating_mul(READING_BYTES)
}

impl MemoryShare {
    fn new(bytes: usize) -> Self {
        let all = (bytes / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    async fn reserve(&self, bytes: usize) -> Reservation {
        let permits = permits_of(bytes).min(self.all);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.permits).acquire_many_owned(permits).await;
        Reservation {
            permit: permit.expect("nobody closes it"),
        }
    }
}

impl Engine {
    /// Releases the surplus once the number of `readings` of open days in a sort is known.
    pub(crate) fn shrink(&self, reservation: &mut Reservation, readings: u64) {
        let needed = permits_of(bytes_of(readings).saturating_add(self.sort_memory));
        let spare = reservation.permit.num_permits().saturating_sub(needed);
        drop(reservation.permit.split(spare));
    }
}

impl Reservation {
    /// Ties the memory to the stream of a sort's result.
    pub(crate) fn hold(self, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = stream.schema();
        let held = stream.inspect(move |_| _ = &self);
        Box::pin(RecordBatchStreamAdapter::new(schema, held))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("figures", &self.figures)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::{
        arrow::datatypes::{DataType, Field, Schema},
        datasource::MemTable,
        physical_plan::displayable,
    };
    use object_store::memory::InMemory;

    use super::*;

    /// The engine of a service with `mib` MiB.
    fn engine(mib: usize) -> Engine {
        Engine::new(Arc::new(InMemory::new()), mib << 20)
    }

    #[tokio::test]
    async fn sorts_have_no_more_memory_together_than_there_is() {
        for (memory, sorts, each) in [(256, 8, 16), (64, 2, 16), (16, 1, 16), (1_024, 8, 64)] {
            let engine = engine(memory);
            assert_eq!(engine.sort_memory, each << 20, "{memory} MiB");
            let mut rooms = Vec::new();
            while let Some(room) = engine.reserve_sort(0).now_or_never() {
                rooms.push(room.expect("room"));
            }
            assert_eq!(rooms.len(), sorts, "{memory} MiB");
            let stream = engine.query(Work::Sort, [], "SELECT 1".to_owned()).await;
            let stream = stream.expect("a statement");
            let mut held = rooms.pop().expect("a room").hold(stream);
            assert!(
                engine.reserve_sort(0).now_or_never().is_none(),
                "a result is not read yet"
            );
            while let Some(batch) = held.next().await {
                assert_eq!(batch.expect("a row").num_rows(), 1);
            }
            drop(held);
            assert!(engine.reserve_sort(0).now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn figures_and_streams_have_separate_memory_and_a_larger_request_gets_all_of_it() {
        let engine = engine(64);
        // 16 MiB, of 64 bytes a reading.
        assert_eq!(engine.readings_per_pass(), 131_072);
        let pass = || engine.reserve_fold(131_072).now_or_never();
        let rooms = [pass().expect("half"), pass().expect("the other half")];
        assert!(engine.reserve_fold(1).now_or_never().is_none());
        let large = engine.reserve_sort(u64::MAX).now_or_never();
        let large = large.expect("streams have their own").expect("room");
        assert!(engine.reserve_sort(0).now_or_never().is_none());
        let mut large = large;
        engine.shrink(&mut large, 0);
        let beside = engine.reserve_sort(0).now_or_never();
        assert!(beside.is_some_and(|room| room.is_ok()));
        drop((rooms, large));
        assert!(engine.reserve_fold(u64::MAX).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_stream_without_room_is_refused_and_does_not_wait_for_slow_readers() {
        let mut engine = engine(16);
        engine.stream_wait = Duration::ZERO;
        let _slow = engine.reserve_sort(0).await.expect("room");
        assert!(matches!(
            engine.reserve_sort(0).await,
            Err(QueryError::Crowded)
        ));
    }

    #[tokio::test]
    async fn rows_from_two_tables_are_sorted_once() {
        let engine = engine(64);
        let session = engine.session(Work::Sort, []).expect("a session");
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
        for name in ["sealed", "open"] {
            let table = MemTable::try_new(Arc::clone(&schema), vec![vec![]]).expect("a table");
            let _none = session
                .register_table(name, Arc::new(table))
                .expect("registered");
        }
        let sql = "SELECT a FROM sealed UNION ALL SELECT a FROM open ORDER BY a";
        let frame = session.sql(sql).await.expect("a statement");
        let plan = frame.create_physical_plan().await.expect("a plan");
        let shown = displayable(plan.as_ref()).indent(false).to_string();
        assert_eq!(shown.matches("SortExec").count(), 1, "{shown}");
    }
}
