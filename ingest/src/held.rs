//! Memory of gathers, counted for all senders together.
//!
//! A gather says what it holds once a read, and what it became keeps the count until its receipt is
//! there. So the sum knows of the readings that pile up behind a log that stalls, wherever they are.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What all gathers hold together, and how much it should be at most.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes: AtomicUsize,
    bytes_max: usize,
}

/// One gather's part of a pool, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: usize,
    of: Arc<Pool>,
}

impl Pool {
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

impl Held {
    /// Nothing yet, of `of`.
    pub(crate) fn new(of: Arc<Pool>) -> Self {
        Self { bytes: 0, of }
    }

    /// Whether there is no room for more than `free`, of which each may have some whatever the others hold.
    pub(crate) fn is_crowded(&self, free: usize) -> bool {
        self.bytes > free && self.of.is_full()
    }

    /// Says how much it is now.
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

    /// Hands over all of it, and begins anew.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(Arc::clone(&self.of));
        mem::replace(self, empty)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_until_it_is_dropped() {
        let pool = Arc::new(Pool::new(100));
        let (mut one, mut other) = (Held::new(Arc::clone(&pool)), Held::new(Arc::clone(&pool)));
        one.set(40);
        other.set(70);
        assert!(pool.is_full());
        other.set(20);
        assert_eq!((pool.bytes(), pool.is_full()), (60, false));
        let sealed = one.take();
        one.set(5);
        assert_eq!(pool.bytes(), 65);
        drop((sealed, other));
        assert_eq!(pool.bytes(), 5);
    }
}
