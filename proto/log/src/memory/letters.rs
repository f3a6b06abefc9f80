//! Dead letters as a reader sees them: one partition, and groups of their own.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use greenpark_model::log_position::Partition;
use tokio::sync::watch;

use super::{MemoryPartitionStore, State};
use crate::{
    error::{CommitError, ReadError},
    local_reader::{PartitionStore, PastEnd},
    ownership::Owners,
    record::Entry,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Letters {
    log: Arc<MemoryPartitionStore>,
    owners: Arc<Owners>,
}

impl Letters {
    pub(super) fn of(log: &Arc<MemoryPartitionStore>) -> Self {
        Self {
            log: Arc::clone(log),
            owners: Arc::clone(&log.letter_owners),
        }
    }
}

/// Where `group` starts.
pub(super) fn committed(state: &State, group: &str) -> u64 {
    state.letters.get(group).copied().unwrap_or(0)
}

impl PartitionStore for Letters {
    fn owners(&self) -> &Owners {
        &self.owners
    }

    fn tails(&self) -> watch::Receiver<Vec<u64>> {
        self.log.letter_tails.subscribe()
    }

    fn committed(&self, group: &str, _partition: Partition) -> u64 {
        committed(&self.log.lock(), group)
    }

    fn read(
        self: Arc<Self>,
        _partition: Partition,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let entries = self.log.lock().dead.read(from, bytes_max);
        futures::future::ok(entries).boxed()
    }

    fn commit(
        &self,
        group: &str,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        let mut state = self.log.lock();
        let tail = state.dead.tail();
        if next_offset > tail {
            let past = PastEnd {
                partition,
                offset: next_offset,
                tail,
            };
            return futures::future::err(CommitError::Store(Box::new(past))).boxed();
        }
        let committed = state.letters.entry(group.to_owned()).or_insert(0);
        *committed = next_offset.max(*committed);
        futures::future::ok(()).boxed()
    }
}
