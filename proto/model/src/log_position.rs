//! Positions in the log: a partition, an offset within it, and a range of offsets.
//!
//! The types exist so that a partition, an offset and any other number cannot be mistaken for one another. They
//! hold no rule of any log: whether a record exists at a position, only the log knows.
//!
//! ```
//! use greenpark_model::{Offset, OffsetRange};
//! let last = Offset::new(41);
//! let range = OffsetRange::new(Offset::new(7), last.next()).expect("not backward");
//! assert!(range.contains(last) && !range.contains(range.next()));
//! ```

use std::fmt;

/// The number of a partition: each partition of a topic is a log of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u32);

/// The position of a record within its partition, counted from zero.
///
/// Offsets of two partitions do not compare, although the type cannot prevent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(u64);

/// Offsets of one partition from `first` up to, but not including, `next`.
///
/// `next` is never before `first`; a range where both are equal is empty. Not every offset of a range needs to
/// have a record: a log may skip offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetRange {
    first: Offset,
    next: Offset,
}

impl Partition {
    /// The partition of this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Offset {
    /// The offset of a partition's first record.
    pub const ZERO: Self = Self(0);

    /// The offset of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset after this one.
    ///
    /// The largest offset is its own successor; no log reaches it, for Kafka counts with 63 bits.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl OffsetRange {
    /// The offsets from `first` up to, but not including, `next`; `None` if `next` is before `first`.
    #[must_use]
    pub fn new(first: Offset, next: Offset) -> Option<Self> {
        (first <= next).then_some(Self { first, next })
    }

    /// The range of a single offset.
    #[must_use]
    pub const fn of(offset: Offset) -> Self {
        Self {
            first: offset,
            next: offset.next(),
        }
    }

    /// The first offset of the range.
    #[must_use]
    pub const fn first(self) -> Offset {
        self.first
    }

    /// The first offset after the range, where a reader continues.
    #[must_use]
    pub const fn next(self) -> Offset {
        self.next
    }

    /// Returns true if the range holds no offset.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.first == self.next
    }

    /// Returns true if `offset` is in the range.
    #[must_use]
    pub fn contains(self, offset: Offset) -> bool {
        self.first <= offset && offset < self.next
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_printed_as_its_number() {
        assert_eq!(Partition::new(3).to_string(), "3");
        assert_eq!(format!("{:>4}", Offset::new(42)), "  42");
        let range = OffsetRange::new(Offset::ZERO, Offset::new(9)).expect("not backward");
        assert_eq!(range.to_string(), "0..9");
    }

    #[test]
    fn offsets_are_ordered_by_number() {
        assert!(Offset::new(9) < Offset::new(10));
        assert_eq!(Offset::new(9).next(), Offset::new(10));
        assert_eq!(Offset::new(u64::MAX).next(), Offset::new(u64::MAX));
        assert_eq!(Offset::new(10).next().get(), 11);
        assert!(Partition::new(2) < Partition::new(10));
        assert_eq!(Partition::new(2).get(), 2);
    }

    #[test]
    fn a_backward_range_is_refused() {
        assert_eq!(OffsetRange::new(Offset::new(5), Offset::new(4)), None);
    }

    #[test]
    fn a_range_includes_its_first_offset_and_excludes_its_next() {
        let range = OffsetRange::new(Offset::new(5), Offset::new(7)).expect("not backward");
        let contained: Vec<u64> = (0..10)
            .filter(|&number| range.contains(Offset::new(number)))
            .collect();
        assert_eq!(contained, [5, 6]);
        assert_eq!(
            (range.first(), range.next()),
            (Offset::new(5), Offset::new(7))
        );
    }

    #[test]
    fn a_range_of_equal_ends_is_empty() {
        let empty = OffsetRange::new(Offset::new(5), Offset::new(5)).expect("not backward");
        assert!(empty.is_empty());
        assert!(!empty.contains(Offset::new(5)));
    }

    #[test]
    fn a_range_of_one_offset_contains_it_alone() {
        let range = OffsetRange::of(Offset::new(5));
        assert!(!range.is_empty() && range.contains(Offset::new(5)));
        assert_eq!(range.next(), Offset::new(6));
    }
}
