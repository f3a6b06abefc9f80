//! How far a group's offsets may be stored, and the one place that stores them.
//!
//! Books keep offsets of their own, in the commits of their files; the group's offset says only where a
//! reader begins, and may lag behind. It must never be ahead: so it is stored from a [`Storable`] alone, which
//! only this module makes, and only of a [`Durable`] proof. `tests/tidy` holds that nobody else commits.

use std::{collections::BTreeMap, error::Error};

use greenpark_log::{CommitError, LogReader};
use tracing::{debug, warn};

/// Proof that everything that a loop has read is in the lake. A loop's flush makes its own, and nothing else can.
pub(crate) trait Durable {
    /// The offsets that were read and are in the lake now, by partition.
    fn into_read(self) -> Vec<Read>;
}

/// Offsets of one partition that were read: from `first` up to, not including, `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) partition: u32,
    pub(crate) first: u64,
    pub(crate) next: u64,
}

/// An offset that the group may store: everything of its partition before it is in the lake.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an offset is stored by `Storable::store`"]
pub(crate) struct Storable {
    partition: u32,
    next: u64,
}

/// Offsets by partition: how far the books have what the log holds, and how far the group's offset is stored.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    /// The first offset that is not published, where the group's is behind it.
    reached: BTreeMap<u32, u64>,
    /// The group's offset, or what is known to lie before it.
    stored: BTreeMap<u32, u64>,
}

impl Storable {
    /// Everything that `durable` proves, for a group that holds nothing back.
    pub(crate) fn all(durable: impl Durable) -> Vec<Self> {
        let read = durable.into_read().into_iter();
        read.map(
            |Read {
                 partition, next, ..
             }| Self { partition, next },
        )
        .collect()
    }

    pub(crate) fn partition(&self) -> u32 {
        self.partition
    }

    /// Stores the offset; the log's own offsets are smaller than the lake's by `shift`. Returns itself for
    /// [`GroupOffsets::store`].
    ///
    /// # Errors
    /// [`CommitError`]: the old offset may still hold, so records may come again.
    pub(crate) async fn store(
        self,
        reader: &mut dyn LogReader,
        shift: u64,
    ) -> Result<Self, CommitError> {
        debug!(
            partition = self.partition,
            next = self.next,
            "offset stored"
        );
        reader.commit(self.partition, self.next - shift).await?;
        Ok(self)
    }
}

impl GroupOffsets {
    /// Notes everything that `durable` proves.
    pub(crate) fn reach(&mut self, durable: impl Durable) {
        for read in durable.into_read() {
            // Where the reader began, the group was.
            self.stored.entry(read.partition).or_insert(read.first);
            self.reached.insert(read.partition, read.next);
        }
    }

    /// The offsets that are ahead of the group's: up to what is published, and no further than `held` names
    /// for a partition.
    pub(crate) fn to_store(&self, held: impl Fn(u32) -> Option<u64>) -> Vec<Storable> {
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
    pub(crate) fn store(&mut self, stored: Storable) {
        let Storable { partition, next } = stored;
        self.stored.insert(partition, next);
        if self.reached.get(&partition) == Some(&next) {
            self.reached.remove(&partition);
        }
    }

    /// Forgets what `partition` has reached: the reader goes back, and reaches it again before it is stored.
    pub(crate) fn rewind(&mut self, partition: u32) {
        self.reached.remove(&partition);
    }

    /// Forgets `partition`, which another processor has now.
    pub(crate) fn leave(&mut self, partition: u32) {
        self.reached.remove(&partition);
        self.stored.remove(&partition);
    }
}

/// Logs that the group's offset of `partition` waits for a later flush: the books have what it would say.
pub(crate) fn put_off(partition: u32, error: &(dyn Error + 'static)) {
    warn!(
        partition,
        error, "the group's offset cannot be stored now; it is with a later flush"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flushed(Read);

    impl Durable for Flushed {
        fn into_read(self) -> Vec<Read> {
            vec![self.0]
        }
    }

    fn read(first: u64, next: u64) -> Flushed {
        Flushed(Read {
            partition: 3,
            first,
            next,
        })
    }

    fn storable(next: u64) -> Storable {
        Storable { partition: 3, next }
    }

    #[test]
    fn what_is_published_is_stored_unless_it_is_held() {
        let mut group = GroupOffsets::default();
        group.reach(read(10, 15));
        assert_eq!(group.to_store(|_| None), [storable(15)]);
        // The first record's numbers wait: the group was there already.
        assert_eq!(group.to_store(|_| Some(10)), []);
        assert_eq!(group.to_store(|_| Some(12)), [storable(12)]);
        group.store(storable(12));
        assert_eq!(group.to_store(|_| Some(12)), []);
        // Nothing more is read, and what held it is written.
        assert_eq!(group.to_store(|_| None), [storable(15)]);
        group.store(storable(15));
        assert_eq!(group.to_store(|_| None), []);
        group.reach(read(15, 16));
        assert_eq!(group.to_store(|_| Some(20)), [storable(16)]);
    }

    #[test]
    fn a_partition_that_comes_back_begins_anew() {
        let mut group = GroupOffsets::default();
        group.reach(read(10, 15));
        group.leave(3);
        assert_eq!(group.to_store(|_| None), []);
        group.reach(read(4, 6));
        assert_eq!(group.to_store(|_| None), [storable(6)]);
    }
}
