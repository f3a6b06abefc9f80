//! What was folded, kept within a bound of bytes; what was not asked for longest goes first.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    decomposition::{Member, Split},
    id::{EnterpriseId, ParkId},
};

use crate::{
    books::{BookDays, DayFolds, Then, Totals},
    measure::MeasuredBooks,
    rpc::Kept,
};

/// Whose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The joined days of a book.
    Book(ParkId, i16),
    /// The joined days of a book as it was at versions of its tables, and for how many open days of then a name stands.
    Past(ParkId, i16, (i64, i64), usize),
    /// What the days of a range were at an instant, against those of a version of the readings.
    Then(ParkId, i16, (i64, Instant, DayRange)),
    /// The totals table of a book that still changes.
    Totals(ParkId, i16),
    /// The same in brief: its rollups, and the totals that are in none of them.
    Rolled(ParkId, i16),
    /// The folds of an open day.
    Day(ParkId, CivilDay),
    /// The enterprises with readings in a book at rest.
    Enterprises(ParkId, i16),
    /// What was measured on the books of these years.
    Measured(ParkId, Vec<i16>),
    /// The split of a change among members that have this digest.
    Split(u64),
    /// The answer to a question, by the digest of what is asked, of whom and by whom.
    Answer([u8; 32]),
}

/// What.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Book(Arc<BookDays>),
    Totals(Arc<Totals>),
    Day(Arc<DayFolds>),
    /// With the version of the readings that tell them.
    Enterprises(Arc<BTreeSet<EnterpriseId>>, i64),
    /// With the digest of the traits that it was folded by.
    Then(Option<Arc<Then>>, u64),
    Measured(Arc<MeasuredBooks>),
    Split(Arc<(Vec<Member>, Arc<Split>)>),
    Answer(Arc<Kept>),
}

#[derive(Debug)]
struct Slot {
    entry: Entry,
    bytes: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct Slots {
    slots: HashMap<Key, Slot>,
    /// Bytes of all slots, and of what is kept elsewhere.
    bytes: usize,
    elsewhere: usize,
    clock: u64,
}

/// A bounded cache. An entry that was replaced or evicted lives on where it is in use.
#[derive(Debug)]
pub(crate) struct Cache {
    capacity: usize,
    slots: Mutex<Slots>,
}

impl Slots {
    /// Forgets what was not asked for longest until at most `bytes` are held.
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

impl Cache {
    /// A cache that holds `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: Mutex::default(),
        }
    }

    /// The bytes that it may hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Entry> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clock += 1;
        let now = slots.clock;
        let slot = slots.slots.get_mut(key)?;
        slot.used = now;
        Some(slot.entry.clone())
    }

    /// Puts `entry`, unless it alone is larger than the cache.
    pub(crate) fn put(&self, key: Key, entry: Entry, bytes: usize) {
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

    /// Takes note of what is kept elsewhere, and of the same bound.
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

    fn entry() -> Entry {
        Entry::Totals(Arc::new(Totals::default()))
    }

    fn key(year: i16) -> Key {
        Key::Totals(ParkId::new("p").expect("an id"), year)
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first_and_bytes_stay_within_the_bound() {
        let cache = Cache::new(100);
        cache.put(key(1), entry(), 40);
        cache.put(key(2), entry(), 40);
        assert!(cache.get(&key(1)).is_some());
        cache.put(key(3), entry(), 40);
        assert!(cache.get(&key(2)).is_none());
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(3)).is_some());
        assert_eq!(cache.bytes(), 80);
        cache.put(key(1), entry(), 50);
        assert_eq!(cache.bytes(), 90);
        cache.put(key(4), entry(), 101);
        assert!(cache.get(&key(4)).is_none());
        assert_eq!(cache.bytes(), 90);
    }

    #[test]
    fn what_is_kept_elsewhere_takes_room() {
        let cache = Cache::new(100);
        cache.put(key(1), entry(), 40);
        cache.put(key(2), entry(), 40);
        cache.keep_elsewhere(30);
        assert!(cache.get(&key(1)).is_none() && cache.get(&key(2)).is_some());
        assert_eq!(cache.bytes(), 70);
        cache.put(key(3), entry(), 71);
        assert!(cache.get(&key(3)).is_none());
        cache.keep_elsewhere(10);
        cache.put(key(3), entry(), 50);
        assert!(cache.get(&key(2)).is_some() && cache.get(&key(3)).is_some());
        cache.keep_elsewhere(1_000);
        assert_eq!(cache.bytes(), 1_000);
    }
}
