//! Caches the newest snapshots of books within a bound of bytes; the least recently used is dropped first.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use greenpark_model::id::ParkId;

use crate::{
    snapshot::{Extent, Reader, Snapshot},
    store::Storage,
};

/// Books whose state is cached, whole and in brief: five years of a hundred parks.
pub(super) const SNAPSHOTS_MAX: usize = 1_024;
/// The bound of their bytes, unless a service sets another one.
const SNAPSHOTS_BYTES: usize = 256 << 20;

/// A book, and which of its files are named.
pub(super) type Key = (ParkId, i16, Extent);

/// Snapshots by book. The least recently used is dropped first.
#[derive(Debug)]
pub(super) struct Snapshots {
    bytes_max: usize,
    pub(super) bytes: usize,
    used: u64,
    pub(super) slots: HashMap<Key, CachedSlot>,
}

/// A book's slot, with its last use and the bytes of its snapshot.
#[derive(Debug)]
pub(super) struct CachedSlot {
    used: u64,
    pub(super) bytes: usize,
    slot: Arc<Slot>,
}

/// One book's newest known snapshot. It is locked while it is refreshed, so that concurrent readers read the
/// log once.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) reader: Reader,
    pub(super) newest: tokio::sync::Mutex<Newest>,
}

/// A snapshot. It can be in use elsewhere although it is not cached here any more.
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
            used: 0,
            slots: HashMap::new(),
        }
    }
}

impl Snapshots {
    /// Records the size of a book's snapshot, and drops others until all are within the bound.
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
        let mut oldest: Vec<&mut CachedSlot> = self.slots.values_mut().collect();
        oldest.sort_unstable_by_key(|kept| kept.used);
        for kept in oldest {
            // A snapshot that is being refreshed stays: it is in use now.
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
        self.used += 1;
        let used = self.used;
        if let Some(kept) = self.slots.get_mut(key) {
            kept.used = used;
            return Arc::clone(&kept.slot);
        }
        if self.slots.len() >= SNAPSHOTS_MAX {
            self.forget_oldest();
        }
        let slot = Arc::new(Slot {
            reader: Reader::new(storage, &key.0, key.1),
            newest: tokio::sync::Mutex::default(),
        });
        let kept = CachedSlot {
            used,
            bytes: 0,
            slot: Arc::clone(&slot),
        };
        self.slots.insert(key.clone(), kept);
        slot
    }

    /// Bounds the cache to `bytes`, except for a single larger snapshot.
    pub(super) fn bound(&mut self, bytes: usize) {
        self.bytes_max = bytes;
        self.make_room();
    }

    fn forget_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, kept)| kept.used);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone())
            && let Some(kept) = self.slots.remove(&oldest)
        {
            self.bytes -= kept.bytes;
        }
    }
}
