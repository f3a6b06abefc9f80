//! Offsets of one partition: the range that a flush covers, and how far a book has consumed.

use greenpark_model::{day::Instant, log_position::Partition};

/// Offsets of one partition that a flush covers: from `first` (included) to `next` (excluded).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets {
    pub(crate) partition: Partition,
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// Everything before this offset is in the lake.
    pub(crate) since: u64,
    /// The fingerprint of the last record.
    pub(crate) last: Option<u64>,
    /// The append time of the newest record, capped at the time it was read.
    pub(crate) newest_append: Option<Instant>,
    /// Lake offset minus log offset. All other offsets here are lake offsets.
    pub(crate) shift: u64,
}

/// How far a book has consumed its partition.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InBook {
    /// The first offset that the book has not consumed.
    pub(crate) next_offset: u64,
    /// Records appended up to this time came through an earlier log.
    pub(crate) copies_until: Option<Instant>,
}

impl InBook {
    /// Returns true if a record appended at `appended` is a copy of one that the book has consumed.
    pub(crate) fn is_copy(&self, appended: Instant) -> bool {
        // A record without an append time has 0.
        let until = self
            .copies_until
            .filter(|_| appended > Instant::from_millis(0));
        until.is_some_and(|until| appended <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: InBook = InBook {
        next_offset: 0,
        copies_until: Some(Instant::from_millis(100)),
    };

    #[test]
    fn a_record_appended_up_to_the_bound_is_a_copy() {
        assert!(BOOK.is_copy(Instant::from_millis(100)));
        assert!(!BOOK.is_copy(Instant::from_millis(101)));
    }

    #[test]
    fn a_record_without_an_append_time_is_no_copy() {
        assert!(!BOOK.is_copy(Instant::from_millis(0)));
    }
}
