//! DataFusion set up for one lake: a session a question. Sorts share the memory of the service in equal parts, and wait
//! for one; scans take rows as they come and hold few.
//!
//! No session lists folders or infers schemas, so nothing that DataFusion caches can be out of date.

use std::{sync::Arc, thread::available_parallelism};

use datafusion::{
    datasource::memory::MemoryCatalogProviderList,
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream, SessionState, SessionStateBuilder,
        memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool},
        object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry, ObjectStoreUrl},
        runtime_env::RuntimeEnvBuilder,
    },
    physical_plan::stream::RecordBatchStreamAdapter,
    prelude::{SessionConfig, SessionContext},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use object_store::ObjectStore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::table::LakeTable;

/// The scheme of our own under which the lake's store is registered: paths in it are the lake's.
const STORE_URL: &str = "greenpark-lake://books";

/// Threads of one question at most: questions run beside each other.
const THREADS_MAX: usize = 4;
/// Sorts that share the memory, where it is enough for them.
const SORTS_MAX: usize = 8;
/// With less memory a sort cannot begin.
pub(crate) const SORT_MEMORY_MIN: usize = 16 << 20;

/// Plans and runs statements over tables of a lake.
pub(crate) struct Engine {
    scanning: SessionState,
    sorting: SessionState,
    stores: Arc<dyn ObjectStoreRegistry>,
    /// Memory of one sort.
    sort_memory: usize,
    /// A permit is the memory of one sort.
    sorts: Arc<Semaphore>,
    scans: Arc<dyn MemoryPool>,
}

/// The memory of one sort.
#[derive(Debug)]
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
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

/// Where the lake's files are, for scans.
pub(crate) fn store_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse(STORE_URL).expect("a scheme and an authority make a store's URL")
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
    /// An engine over `store`, which is rooted at the lake; all sorts together use `memory` bytes.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, memory: usize) -> Self {
        let stores: Arc<dyn ObjectStoreRegistry> = Arc::new(DefaultObjectStoreRegistry::new());
        stores.register_store(store_url().as_ref(), store);
        let threads = available_parallelism()
            .map_or(1, usize::from)
            .min(THREADS_MAX);
        let sort_memory = (memory / SORTS_MAX).max(SORT_MEMORY_MIN);
        let sorts = (memory / sort_memory).max(1);
        Self {
            scanning: state(Work::Scan, memory, threads),
            sorting: state(Work::Sort, sort_memory, 1),
            stores,
            sort_memory,
            sorts: Arc::new(Semaphore::new(sorts)),
            scans: Arc::new(GreedyMemoryPool::new(memory)),
        }
    }

    /// Waits for the memory of a sort, whose result holds it: see [`Room::hold`].
    pub(crate) async fn room(&self) -> Room {
        let permit = Arc::clone(&self.sorts).acquire_owned().await;
        Room {
            _permit: permit.expect("nobody closes it"),
        }
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

impl Room {
    /// The stream of a sort's result, at whose end the memory is free for another one.
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
            .field("sorts", &self.sorts)
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

    #[tokio::test]
    async fn sorts_have_no_more_memory_together_than_there_is() {
        for (memory, sorts, each) in [(256, 8, 32), (64, 4, 16), (16, 1, 16), (1_024, 8, 128)] {
            let engine = Engine::new(Arc::new(InMemory::new()), memory << 20);
            assert_eq!(engine.sort_memory, each << 20, "{memory} MiB");
            let mut rooms = Vec::new();
            while let Some(room) = engine.room().now_or_never() {
                rooms.push(room);
            }
            assert_eq!(rooms.len(), sorts, "{memory} MiB");
            let session = engine.session(Work::Sort, []).expect("a session");
            let stream = stream(&session, "SELECT 1").await.expect("a statement");
            let mut held = rooms.pop().expect("a room").hold(stream);
            assert!(
                engine.room().now_or_never().is_none(),
                "a result is not read yet"
            );
            while let Some(batch) = held.next().await {
                assert_eq!(batch.expect("a row").num_rows(), 1);
            }
            drop(held);
            assert!(engine.room().now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn what_comes_from_two_tables_is_sorted_once() {
        let engine = Engine::new(Arc::new(InMemory::new()), 64 << 20);
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
