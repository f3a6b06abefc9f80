//! A cache bounded in bytes; the least recently used entry is evicted first.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

#[derive(Debug)]
struct Slot<V> {
    entry: V,
    bytes: usize,
    used: u64,
}

#[derive(Debug)]
struct Slots<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// Bytes of all slots and of `elsewhere`.
    bytes: usize,
    /// Bytes of memory outside the cache that count against the same bound.
    elsewhere: usize,
    clock: u64,
}

/// A bounded cache. A replaced or evicted entry lives on while it is in use.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    capacity: usize,
    slots: Mutex<Slots<K, V>>,
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            bytes: 0,
            elsewhere: 0,
            clock: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, V> Slots<K, V> {
    /// Evicts the least recently used entries until at most `bytes` are held.
    fn make_room(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let oldest = self.slots.iter().min_by_key(|(_, slot)| slot.used);
            let oldest = oldest.map(|(key, _)| key.clone());
            let Some(slot) = oldest.and_then(|key| self.slots.remove(&key)) else {
                break;
            };
            self.bytes -= slot.bytes;
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// A cache that holds `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: Mutex::default(),
        }
    }

    /// The bound in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clock += 1;
        let now = slots.clock;
        let slot = slots.slots.get_mut(key)?;
        slot.used = now;
        Some(slot.entry.clone())
    }

    /// Inserts `entry`, unless it alone exceeds the bound.
    pub(crate) fn insert(&self, key: K, entry: V, bytes: usize) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = slots.slots.remove(&key) {
            slots.bytes -= old.bytes;
        }
        if bytes > self.capacity.saturating_sub(slots.elsewhere) {
            return;
        }
        slots.make_room(self.capacity - bytes);
        slots.clock += 1;
        let used = slots.clock;
        slots.bytes += bytes;
        slots.slots.insert(key, Slot { entry, bytes, used });
    }

    /// Counts `bytes` of memory elsewhere against the bound.
    pub(crate) fn keep_elsewhere(&self, bytes: usize) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.bytes = slots.bytes - slots.elsewhere + bytes;
        slots.elsewhere = bytes;
        slots.make_room(self.capacity);
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_is_evicted_first_and_bytes_stay_within_the_bound() {
        let cache = Cache::new(100);
        cache.insert(1, (), 40);
        cache.insert(2, (), 40);
        assert!(cache.get(&1).is_some());
        cache.insert(3, (), 40);
        assert!(cache.get(&2).is_none());
        assert!(cache.get(&1).is_some() && cache.get(&3).is_some());
        assert_eq!(cache.bytes(), 80);
        cache.insert(1, (), 50);
        assert_eq!(cache.bytes(), 90);
        cache.insert(4, (), 101);
        assert!(cache.get(&4).is_none());
        assert_eq!(cache.bytes(), 90);
    }

    #[test]
    fn memory_elsewhere_counts_against_the_bound() {
        let cache = Cache::new(100);
        cache.insert(1, (), 40);
        cache.insert(2, (), 40);
        cache.keep_elsewhere(30);
        assert!(cache.get(&1).is_none() && cache.get(&2).is_some());
        assert_eq!(cache.bytes(), 70);
        cache.insert(3, (), 71);
        assert!(cache.get(&3).is_none());
        cache.keep_elsewhere(10);
        cache.insert(3, (), 50);
        assert!(cache.get(&2).is_some() && cache.get(&3).is_some());
        cache.keep_elsewhere(1_000);
        assert_eq!(cache.bytes(), 1_000);
    }
}
