//! How far the group's offset of each partition may be stored. Pure.
//!
//! Books keep offsets of their own, in the commits of their files; the group's says only where a reader
//! begins, and may lag behind.

use std::{collections::BTreeMap, error::Error};

use tracing::warn;

use crate::flush::Offsets;

/// Offsets by partition: how far the books have what the log holds, and how far the group says so.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    /// The first offset that is not published, where the group does not say so yet.
    reached: BTreeMap<u32, u64>,
    /// What the group says, no more than which it was told.
    stored: BTreeMap<u32, u64>,
}

impl GroupOffsets {
    /// Everything of `offsets` is published.
    pub(crate) fn reach(&mut self, offsets: Offsets) {
        // Where the reader began, the group was.
        self.stored
            .entry(offsets.partition)
            .or_insert(offsets.first);
        self.reached.insert(offsets.partition, offsets.next);
    }

    /// What may be stored now and says more than the group does: up to what is published, and no further
    /// than what `held` names of a partition.
    pub(crate) fn to_store(&self, held: impl Fn(u32) -> Option<u64>) -> Vec<(u32, u64)> {
        let reached = self.reached.iter().map(|(&partition, &next)| {
            let held = held(partition).unwrap_or(u64::MAX);
            (partition, next.min(held))
        });
        reached
            .filter(|(partition, next)| {
                let stored = self.stored.get(partition);
                stored.is_none_or(|stored| stored < next)
            })
            .collect()
    }

    /// The group says `next` of `partition`.
    pub(crate) fn store(&mut self, partition: u32, next: u64) {
        self.stored.insert(partition, next);
        if self.reached.get(&partition) == Some(&next) {
            self.reached.remove(&partition);
        }
    }

    /// The reader goes back in `partition`: what was reached is reached again before it is stored.
    pub(crate) fn rewind(&mut self, partition: u32) {
        self.reached.remove(&partition);
    }

    /// Another processor has `partition`.
    pub(crate) fn leave(&mut self, partition: u32) {
        self.reached.remove(&partition);
        self.stored.remove(&partition);
    }
}

/// Says that what of `partition` is published is told to the group with a later flush: the books know it already.
pub(crate) fn put_off(partition: u32, error: &(dyn Error + 'static)) {
    warn!(
        partition,
        error, "the group's offset cannot be stored now; it is with a later flush"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(first: u64, next: u64) -> Offsets {
        Offsets {
            partition: 3,
            first,
            next,
            since: first,
            last: None,
            taken: None,
            shift: 0,
        }
    }

    #[test]
    fn what_is_published_is_stored_unless_it_is_held() {
        let mut group = GroupOffsets::default();
        group.reach(read(10, 15));
        assert_eq!(group.to_store(|_| None), [(3, 15)]);
        // The first record's numbers wait: the group was there already.
        assert_eq!(group.to_store(|_| Some(10)), []);
        assert_eq!(group.to_store(|_| Some(12)), [(3, 12)]);
        group.store(3, 12);
        assert_eq!(group.to_store(|_| Some(12)), []);
        // Nothing more is read, and what held it is written.
        assert_eq!(group.to_store(|_| None), [(3, 15)]);
        group.store(3, 15);
        assert_eq!(group.to_store(|_| None), []);
        group.reach(read(15, 16));
        assert_eq!(group.to_store(|_| Some(20)), [(3, 16)]);
    }

    #[test]
    fn a_partition_that_comes_back_begins_anew() {
        let mut group = GroupOffsets::default();
        group.reach(read(10, 15));
        group.leave(3);
        assert_eq!(group.to_store(|_| None), []);
        group.reach(read(4, 6));
        assert_eq!(group.to_store(|_| None), [(3, 6)]);
    }
}
