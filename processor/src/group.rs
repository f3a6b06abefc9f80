//! Decides up to which offset the group's offset may be stored; the only file that stores it.
//!
//! Books have offsets of their own, in the commits of their files; the group's offset is only where a reader begins, and
//! may lag behind. It must never be ahead, so it is stored only from a [`Storable`], which only this module makes, and
//! only from a [`Durable`] proof. `tests/tidy` checks that no other file commits.

use std::{collections::BTreeMap, error::Error};

use greenpark_log::{CommitError, LogReader};
use greenpark_model::log_position::Partition;
use tracing::{debug, warn};

/// Proof that everything that a loop has read is in the lake. Each loop's flush makes its own type of proof.
pub(crate) trait Durable {
    /// Returns the offsets that were read and are now in the lake, by partition.
    fn into_read(self) -> Vec<ReadOffsets>;
}

/// Offsets of one partition that were read: from `first` (included) to `next` (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadOffsets {
    pub(crate) partition: Partition,
    pub(crate) first: u64,
    pub(crate) next: u64,
}

/// An offset that the group may store: everything before it in its partition is in the lake.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an offset is stored by `Storable::store`"]
pub(crate) struct Storable {
    partition: Partition,
    next: u64,
}

/// Offsets by partition: published to the books, and stored for the group.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    /// The first offset that is not published; only partitions whose group offset is behind it.
    reached: BTreeMap<Partition, u64>,
    /// The group's offset, or a lower bound of it.
    stored: BTreeMap<Partition, u64>,
}

impl Storable {
    /// Returns all offsets that `durable` proves, for a group that holds nothing back.
    pub(crate) fn all(durable: impl Durable) -> Vec<Self> {
        let read = durable.into_read().into_iter();
        read.map(
            |ReadOffsets {
                 partition, next, ..
             }| Self { partition, next },
        )
        .collect()
    }

    pub(crate) fn partition(&self) -> Partition {
        self.partition
    }

    /// Stores the offset; the log's offset is smaller than the lake's by `shift`. Returns itself for
    /// [`GroupOffsets::note_stored`].
    ///
    /// # Errors
    /// [`CommitError`]: the old offset may still be in force, so records may be read again.
    pub(crate) async fn store(
        self,
        reader: &mut dyn LogReader,
        shift: u64,
    ) -> Result<Self, CommitError> {
        debug!(
            partition = self.partition.get(),
            next = self.next,
            "offset stored"
        );
        reader.commit(self.partition, self.next - shift).await?;
        Ok(self)
    }
}

impl GroupOffsets {
    /// Notes all offsets that `durable` proves.
    pub(crate) fn reach(&mut self, durable: impl Durable) {
        for read in durable.into_read() {
            // The reader began at the group's offset.
            self.stored.entry(read.partition).or_insert(read.first);
            self.reached.insert(read.partition, read.next);
        }
    }

    /// Returns the offsets that are ahead of the group's: up to the published offset, but not beyond `held` of a
    /// partition.
    pub(crate) fn to_store(&self, held: impl Fn(Partition) -> Option<u64>) -> Vec<Storable> {
        let reached = self.reached.iter().map(|(&partition, &next)| Storable {
            partition,
            next: next.min(held(partition).unwrap_or(u64::MAX)),
        });
        let is_ahead = |of: &Storable| {
            let stored = self.stored.get(&of.partition);
            stored.is_none_or(|&stored| stored < of.next)
        };
        reached.filter(is_ahead).collect()
    }

    /// Notes that `stored` is the group's offset now.
    pub(crate) fn note_stored(&mut self, stored: Storable) {
        let Storable { partition, next } = stored;
        self.stored.insert(partition, next);
        if self.reached.get(&partition) == Some(&next) {
            self.reached.remove(&partition);
        }
    }

    /// Forgets the published offset of `partition`: the reader rewinds, and publishes again before an offset is stored.
    pub(crate) fn rewind(&mut self, partition: Partition) {
        self.reached.remove(&partition);
    }

    /// Forgets `partition`, which another processor has now.
    pub(crate) fn revoke(&mut self, partition: Partition) {
        self.reached.remove(&partition);
        self.stored.remove(&partition);
    }
}

/// Logs that the group's offset of `partition` waits for a later flush. Nothing is lost: the books have offsets of
/// their own.
pub(crate) fn log_deferred(partition: Partition, error: &(dyn Error + 'static)) {
    warn!(
        partition = partition.get(),
        error, "the group's offset cannot be stored now; it is with a later flush"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flushed(ReadOffsets);

    impl Durable for Flushed {
        fn into_read(self) -> Vec<ReadOffsets> {
            vec![self.0]
        }
    }

    fn read(first: u64, next: u64) -> Flushed {
        Flushed(ReadOffsets {
            partition: Partition::new(3),
            first,
            next,
        })
    }

    fn storable(next: u64) -> Storable {
        Storable {
            partition: Partition::new(3),
            next,
        }
    }

    #[test]
    fn a_published_offset_is_stored_unless_it_is_held_back() {
        let mut group = GroupOffsets::default();
        group.reach(read(10, 15));
        assert_eq!(group.to_store(|_| None), [storable(15)]);
        // The first record's numbers are not written: the group's offset is there already.
        assert_eq!(group.to_store(|_| Some(10)), []);
        assert_eq!(group.to_store(|_| Some(12)), [storable(12)]);
        group.note_stored(storable(12));
        assert_eq!(group.to_store(|_| Some(12)), []);
        // Nothing more is read, and the numbers are written.
        assert_eq!(group.to_store(|_| None), [storable(15)]);
        group.note_stored(storable(15));
        assert_eq!(group.to_store(|_| None), []);
        group.reach(read(15, 16));
        assert_eq!(group.to_store(|_| Some(20)), [storable(16)]);
    }

    #[test]
    fn a_partition_that_is_assigned_again_starts_fresh() {
        let mut group = GroupOffsets::default();
        group.reach(read(10, 15));
        group.revoke(Partition::new(3));
        assert_eq!(group.to_store(|_| None), []);
        group.reach(read(4, 6));
        assert_eq!(group.to_store(|_| None), [storable(6)]);
    }
}
