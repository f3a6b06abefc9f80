//! DataFusion set up for one lake: a session a question.
//!
//! What questions hold of readings is of one budget, in parts: figures fold the readings of open days, streams and
//! extracts merge and sort theirs, so that a slow reader of a stream holds no figure up. Who finds no room waits, first
//! come, first served. What alone is larger than a part takes the whole of it.
//!
//! No session lists folders or infers schemas, so nothing that DataFusion caches can be out of date.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use datafusion::{
    datasource::memory::MemoryCatalogProviderList,
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream, SessionState, SessionStateBuilder,
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

use crate::{
    error::QueryError,
    lake::{parquet_files::store_url, snapshot_table::LakeTable},
    limits::SORT_MEMORY_MIN,
};

/// Threads of one question at most: questions run beside each other.
const THREADS_MAX: usize = 4;
/// Sorts that share the memory of streams, where it is enough for them.
const SORTS_MAX: usize = 8;
/// Bytes of a reading of an open day while it is read, merged and folded: its columns, and a copy of them.
pub(crate) const READING_BYTES: usize = 64;
/// Bytes of a permit.
const PERMIT_BYTES: usize = 1 << 16;
/// How long a stream waits for room, which slow readers of others may hold for as long as a stream may take.
const STREAM_WAIT: Duration = Duration::from_secs(10);

/// Plans and runs statements over tables of a lake.
pub(crate) struct Engine {
    scanning: SessionState,
    sorting: SessionState,
    stores: Arc<dyn ObjectStoreRegistry>,
    /// Memory of one sort.
    sort_memory: usize,
    figures: Part,
    streams: Part,
    stream_wait: Duration,
    scans: Arc<dyn MemoryPool>,
}

/// A part of the memory, in permits.
#[derive(Debug)]
struct Part {
    permits: Arc<Semaphore>,
    all: usize,
}

/// Memory that a question holds.
#[derive(Debug)]
pub(crate) struct Room {
    permit: OwnedSemaphorePermit,
}

/// What a statement does with the rows it scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Takes them as they come, by several threads.
    Scan,
    /// Sorts them by one thread, on disk if need be. Several sorts at once would each take what the
    /// memory has, and leave nothing to merge their results with.
    Sort,
}

fn state(work: Work, memory: usize, threads: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(false)
        .with_collect_statistics(false)
        .with_batch_size(8_192);
    // One sort, also of what comes from two tables. Each would keep the share below back for itself, and
    // whichever began second would find it gone.
    config.options_mut().optimizer.repartition_sorts = work == Work::Scan;
    let execution = &mut config.options_mut().execution;
    // Merging batches in memory before they are spilled takes about as much again as the batches, so
    // three fifths of a sort's memory are kept back for it.
    execution.sort_spill_reservation_bytes = memory / 5 * 3;
    execution.parquet.pushdown_filters = true;
    execution.parquet.schema_force_view_types = false;
    SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build()
}

impl Engine {
    /// An engine over `store`, which is rooted at the lake. All questions together use three quarters of `memory` bytes;
    /// the rest is for the lists of the lake's files.
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
            scanning: state(Work::Scan, memory, threads),
            sorting: state(Work::Sort, sort_memory, 1),
            stores,
            sort_memory,
            figures: Part::new(figures),
            streams: Part::new(streams),
            stream_wait: STREAM_WAIT,
            scans: Arc::new(GreedyMemoryPool::new(memory)),
        }
    }

    /// Readings that figures may hold in one go, so that several can be made at once.
    pub(crate) fn readings_a_pass(&self) -> u64 {
        let readings = self.figures.all * PERMIT_BYTES / READING_BYTES / 2;
        readings as u64
    }

    /// Waits for the memory of `readings` that a figure folds.
    pub(crate) async fn fold_room(&self, readings: u64) -> Room {
        self.figures.take(bytes_of(readings)).await
    }

    /// Waits for the memory of a sort and of the `readings` of open days that are read for it. Its result holds it: see
    /// [`Room::hold`].
    ///
    /// # Errors
    /// [`QueryError::Crowded`] where others hold it for long.
    pub(crate) async fn sort_room(&self, readings: u64) -> Result<Room, QueryError> {
        let bytes = bytes_of(readings).saturating_add(self.sort_memory);
        let room = tokio::time::timeout(self.stream_wait, self.streams.take(bytes)).await;
        room.map_err(|_| QueryError::Crowded)
    }

    /// A session for one question, with `tables` under their names.
    pub(crate) fn session(
        &self,
        work: Work,
        tables: impl IntoIterator<Item = (&'static str, LakeTable)>,
    ) -> Result<SessionContext, DataFusionError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(match work {
                Work::Scan => Arc::clone(&self.scans),
                Work::Sort => Arc::new(FairSpillPool::new(self.sort_memory)),
            })
            .with_object_store_registry(Arc::clone(&self.stores))
            .with_object_list_cache_limit(0)
            .build_arc()?;
        let state = match work {
            Work::Scan => &self.scanning,
            Work::Sort => &self.sorting,
        };
        // A catalog of its own: one that is shared would hold the tables of other questions.
        let config = state
            .config()
            .clone()
            .with_create_default_catalog_and_schema(true);
        let state = SessionStateBuilder::new_from_existing(state.clone())
            .with_config(config)
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_runtime_env(runtime)
            .build();
        let session = SessionContext::new_with_state(state);
        for (name, table) in tables {
            session.register_table(name, Arc::new(table))?;
        }
        Ok(session)
    }
}

/// Permits for so many bytes.
fn permits_of(bytes: usize) -> usize {
    bytes.div_ceil(PERMIT_BYTES)
}

fn bytes_of(readings: u64) -> usize {
    usize::try_from(readings)
        .unwrap_or(usize::MAX)
        .saturating_mul(READING_BYTES)
}

impl Part {
    fn new(bytes: usize) -> Self {
        let all = (bytes / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    async fn take(&self, bytes: usize) -> Room {
        let permits = permits_of(bytes).min(self.all);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.permits).acquire_many_owned(permits).await;
        Room {
            permit: permit.expect("nobody closes it"),
        }
    }
}

impl Engine {
    /// Gives back what a sort does not need once it is known how many `readings` of open days are its own.
    pub(crate) fn shrink(&self, room: &mut Room, readings: u64) {
        let needed = permits_of(bytes_of(readings).saturating_add(self.sort_memory));
        let spare = room.permit.num_permits().saturating_sub(needed);
        drop(room.permit.split(spare));
    }
}

impl Room {
    /// The stream of a sort's result. With it goes the memory.
    pub(crate) fn hold(self, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = stream.schema();
        let held = stream.inspect(move |_| _ = &self);
        Box::pin(RecordBatchStreamAdapter::new(schema, held))
    }
}

/// Runs a statement. Boxed here, once: DataFusion's futures are deep, and every future that held one would
/// be checked down to its bottom by the compiler, again for every method of the service.
pub(crate) fn stream<'a>(
    session: &'a SessionContext,
    sql: &'a str,
) -> BoxFuture<'a, Result<SendableRecordBatchStream, DataFusionError>> {
    async move { session.sql(sql).await?.execute_stream().await }.boxed()
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

    /// The engine of a service with so many MiB.
    fn engine(mib: usize) -> Engine {
        Engine::new(Arc::new(InMemory::new()), mib << 20)
    }

    #[tokio::test]
    async fn sorts_have_no_more_memory_together_than_there_is() {
        for (memory, sorts, each) in [(256, 8, 16), (64, 2, 16), (16, 1, 16), (1_024, 8, 64)] {
            let engine = engine(memory);
            assert_eq!(engine.sort_memory, each << 20, "{memory} MiB");
            let mut rooms = Vec::new();
            while let Some(room) = engine.sort_room(0).now_or_never() {
                rooms.push(room.expect("room"));
            }
            assert_eq!(rooms.len(), sorts, "{memory} MiB");
            let session = engine.session(Work::Sort, []).expect("a session");
            let stream = stream(&session, "SELECT 1").await.expect("a statement");
            let mut held = rooms.pop().expect("a room").hold(stream);
            assert!(
                engine.sort_room(0).now_or_never().is_none(),
                "a result is not read yet"
            );
            while let Some(batch) = held.next().await {
                assert_eq!(batch.expect("a row").num_rows(), 1);
            }
            drop(held);
            assert!(engine.sort_room(0).now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn figures_and_streams_have_memory_of_their_own_and_what_is_larger_takes_all_of_it() {
        let engine = engine(64);
        // 16 MiB, of 64 bytes a reading.
        assert_eq!(engine.readings_a_pass(), 131_072);
        let pass = || engine.fold_room(131_072).now_or_never();
        let rooms = [pass().expect("half"), pass().expect("the other half")];
        assert!(engine.fold_room(1).now_or_never().is_none());
        let large = engine.sort_room(u64::MAX).now_or_never();
        let large = large.expect("streams have their own").expect("room");
        assert!(engine.sort_room(0).now_or_never().is_none());
        let mut large = large;
        engine.shrink(&mut large, 0);
        let beside = engine.sort_room(0).now_or_never();
        assert!(beside.is_some_and(|room| room.is_ok()));
        drop((rooms, large));
        assert!(engine.fold_room(u64::MAX).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_stream_that_finds_no_room_is_told_so_and_does_not_wait_for_slow_readers() {
        let mut engine = engine(16);
        engine.stream_wait = Duration::ZERO;
        let _slow = engine.sort_room(0).await.expect("room");
        assert!(matches!(
            engine.sort_room(0).await,
            Err(QueryError::Crowded)
        ));
    }

    #[tokio::test]
    async fn what_comes_from_two_tables_is_sorted_once() {
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
