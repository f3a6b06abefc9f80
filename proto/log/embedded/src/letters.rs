//! Dead letters as a reader sees them: one partition, and groups of their own.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::{oneshot, watch};

use super::{Core, queue::Commit, store::LaneId, stored};
use greenpark_log::{
    error::{CommitError, ReadError},
    local_reader::PartitionStore,
    ownership::Owners,
    record::{Entry, Topic},
};
use greenpark_model::log_position::Partition;

/// See the module.
#[derive(Debug)]
pub(crate) struct Letters {
    core: Arc<Core>,
    owners: Arc<Owners>,
}

impl Letters {
    pub(crate) fn of(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            owners: Arc::clone(&core.letter_owners),
        }
    }
}

impl PartitionStore for Letters {
    fn owners(&self) -> &Owners {
        &self.owners
    }

    fn tails(&self) -> watch::Receiver<Vec<u64>> {
        self.core.published.letter_tails.subscribe()
    }

    fn committed(&self, group: &str, _partition: Partition) -> u64 {
        self.core.published.letters_committed(group)
    }

    fn read(
        self: Arc<Self>,
        partition: Partition,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let lane = LaneId {
            topic: Topic::DeadLetters,
            partition,
        };
        Arc::clone(&self.core)
            .read_lane(lane, from, bytes_max)
            .boxed()
    }

    fn commit(
        &self,
        group: &str,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        let (done, settled) = oneshot::channel();
        self.core.queue.commit(Commit {
            topic: Topic::DeadLetters,
            group: group.to_owned(),
            partition,
            next_offset,
            done,
        });
        stored(settled).boxed()
    }
}
