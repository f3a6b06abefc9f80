//! Bounds the memory of batches for all senders together.
//!
//! A batch updates its reservation once per socket read, and the sealed batch keeps the reservation
//! until its receipts are there. So the budget includes the readings that pile up behind a stalled
//! log, wherever they are.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The memory of all reservations, and its bound.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

/// One owner's share of a budget, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    bytes: usize,
    of: Arc<MemoryBudget>,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Reservation {
    /// Creates an empty reservation in `budget`.
    pub(crate) fn new(of: Arc<MemoryBudget>) -> Self {
        Self { bytes: 0, of }
    }

    /// Returns true if the budget is exhausted and this reservation exceeds `free`, the bytes that
    /// each may have whatever the others reserve.
    pub(crate) fn is_crowded(&self, free: usize) -> bool {
        self.bytes > free && self.of.is_full()
    }

    /// Sets the reserved bytes.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            self.of
                .bytes
                .fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.of
                .bytes
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// Moves the reservation out, and leaves an empty one.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(Arc::clone(&self.of));
        mem::replace(self, empty)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_counts_until_it_is_dropped() {
        let budget = Arc::new(MemoryBudget::new(100));
        let (mut one, mut other) = (
            Reservation::new(Arc::clone(&budget)),
            Reservation::new(Arc::clone(&budget)),
        );
        one.set(40);
        other.set(70);
        assert!(budget.is_full());
        other.set(20);
        assert_eq!((budget.bytes(), budget.is_full()), (60, false));
        let sealed = one.take();
        one.set(5);
        assert_eq!(budget.bytes(), 65);
        drop((sealed, other));
        assert_eq!(budget.bytes(), 5);
    }
}
