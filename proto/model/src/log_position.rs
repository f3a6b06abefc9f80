//! Where a record stands in a log: its partition and its offset.
//!
//! Both are numbers, and none of the sums that a number allows means anything: so each has a type of its own, which
//! prints the bare number.
//!
//! ```
//! use greenpark_model::log_position::Partition;
//! assert_eq!(Partition::new(3).to_string(), "3");
//! ```

use std::{fmt, num::ParseIntError, str::FromStr};

/// A partition of a topic, counted from 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u32);

/// Offsets of one partition: from `first` (included) to `next` (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetRange {
    /// The partition.
    pub partition: Partition,
    /// The first offset.
    pub first: u64,
    /// The offset after the last one.
    pub next: u64,
}

impl Partition {
    /// The first partition; a topic of one partition has no other.
    pub const FIRST: Self = Self(0);

    /// The partition of this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Its place in a list of all partitions.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// All partitions of a topic that has `count`.
    pub fn all(count: u32) -> impl Iterator<Item = Self> + Clone {
        (0..count).map(Self)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Partition {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}
