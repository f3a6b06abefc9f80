//! The newest snapshots of books, kept for readers within a bound of bytes; what was not asked for longest goes first.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use greenpark_model::id::ParkId;

use crate::{
    snapshot::{Extent, Reader, Snapshot},
    store::Storage,
};

/// Books whose state is kept for readers, whole and in brief: five years of a hundred parks.
pub(super) const SNAPSHOTS_MAX: usize = 1_024;
/// Bytes that these take, unless a service says so itself.
const SNAPSHOTS_BYTES: usize = 256 << 20;

/// A book, and which of its files are named.
pub(super) type Key = (ParkId, i16, Extent);

/// Snapshots by book. What was not asked for longest goes first.
#[derive(Debug)]
pub(super) struct Snapshots {
    bytes_max: usize,
    pub(super) bytes: usize,
    asked: u64,
    pub(super) slots: HashMap<Key, Kept>,
}

/// A book's slot, with when it was last asked for and what its snapshot takes.
#[derive(Debug)]
pub(super) struct Kept {
    asked: u64,
    pub(super) bytes: usize,
    slot: Arc<Slot>,
}

/// One book's newest known snapshot; locked while it is refreshed, so that readers that come together
/// read the log once.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) reader: Reader,
    pub(super) newest: tokio::sync::Mutex<Newest>,
}

/// A snapshot, which lives on where it is in use even when it is not kept here any more.
#[derive(Debug, Default)]
pub(super) struct Newest {
    pub(super) kept: Option<Arc<Snapshot>>,
    pub(super) known: Weak<Snapshot>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            bytes_max: SNAPSHOTS_BYTES,
            bytes: 0,
            asked: 0,
            slots: HashMap::new(),
        }
    }
}

impl Snapshots {
    /// Takes note of what a book's snapshot takes, and gives others up until all are within the bound.
    pub(super) fn note(&mut self, key: &Key, bytes: usize) {
        let Some(kept) = self.slots.get_mut(key) else {
            return;
        };
        self.bytes = self.bytes - kept.bytes + bytes;
        kept.bytes = bytes;
        self.make_room();
    }

    fn make_room(&mut self) {
        if self.bytes <= self.bytes_max {
            return;
        }
        let mut oldest: Vec<&mut Kept> = self.slots.values_mut().collect();
        oldest.sort_unstable_by_key(|kept| kept.asked);
        for kept in oldest {
            // One that is being refreshed stays: it is asked for now.
            if self.bytes > self.bytes_max
                && let Ok(mut newest) = kept.slot.newest.try_lock()
            {
                newest.kept = None;
                self.bytes -= std::mem::take(&mut kept.bytes);
            }
        }
    }

    /// The slot of a book in `storage`.
    pub(super) fn slot(&mut self, key: &Key, storage: &Storage) -> Arc<Slot> {
        self.asked += 1;
        let asked = self.asked;
        if let Some(kept) = self.slots.get_mut(key) {
            kept.asked = asked;
            return Arc::clone(&kept.slot);
        }
        if self.slots.len() >= SNAPSHOTS_MAX {
            self.forget_oldest();
        }
        let slot = Arc::new(Slot {
            reader: Reader::new(storage, &key.0, key.1),
            newest: tokio::sync::Mutex::default(),
        });
        let kept = Kept {
            asked,
            bytes: 0,
            slot: Arc::clone(&slot),
        };
        self.slots.insert(key.clone(), kept);
        slot
    }

    /// Keeps no more than `bytes`, but for a snapshot that alone is larger.
    pub(super) fn bound(&mut self, bytes: usize) {
        self.bytes_max = bytes;
        self.make_room();
    }

    fn forget_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, kept)| kept.asked);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone())
            && let Some(kept) = self.slots.remove(&oldest)
        {
            self.bytes -= kept.bytes;
        }
    }
}
