//! Checks that a log is the one that the lake was made from, by the transactions of its books.
//!
//! A transaction contains the fingerprint of the last consumed record. A log with a different record at that offset is
//! not the log that the lake was made from, or is an older copy of it that has diverged since: its records before the
//! offset would be skipped, so it is refused until an operator adopts it. After that, its offsets are shifted by the
//! offset that the lake had reached. A record appended no later than the newest one that a book has consumed is a copy
//! of one of the book's: its readings are only read again, and keep their place.
//!
//! A transaction also records up to which offset everything was in the lake. The group's offset may be beyond it if the
//! lake was restored from a copy: the reader rewinds to it, and records that the books have are skipped. If a
//! single table is behind what the other tables report, the reader rewinds to the first record of the log: see
//! `commit_counts`.

use std::collections::BTreeMap;

use crate::error::RunError;
use greenpark_archive::{book::Consumed, error::LakeReadError, lake::Lake};
use greenpark_log::{Assigned, LogReader};
use greenpark_model::log_position::Partition;

/// The offsets that the books of a partition record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The furthest transaction: the first offset not consumed, and the fingerprint of the record before it.
    top: Option<(u64, Option<u64>)>,
    /// Everything before this offset is in the lake.
    since: Option<u64>,
    /// Lake offset minus log offset.
    pub(crate) shift: u64,
}

impl Origin {
    /// Adds the offsets that a table records of `partition`.
    pub(crate) fn add(&mut self, partition: Partition, consumed: Vec<Consumed>) {
        let consumed = consumed.into_iter();
        let of_partition = consumed.filter(|one| one.partition == partition);
        of_partition.for_each(|one| self.add_one(one));
    }

    fn add_one(&mut self, one: Consumed) {
        self.top = self.top.max(Some((one.next_offset, one.last)));
        self.since = self.since.max(one.since);
        self.shift = self.shift.max(one.shift);
    }

    /// Returns the number of offsets that the lake has consumed, over all logs that it adopted.
    fn consumed(&self) -> u64 {
        self.top.map_or(0, |(next, _)| next)
    }

    /// Returns the offsets of `partition` once another log is adopted.
    pub(crate) fn adopted(&self, partition: Partition) -> Consumed {
        let top = self.consumed();
        Consumed {
            since: Some(top),
            shift: top,
            ..Consumed::up_to(partition, top)
        }
    }

    /// Refuses a log that the lake was not made from. Returns where the reader must begin, as a log offset.
    pub(crate) async fn check(
        &self,
        reader: &mut dyn LogReader,
        assigned: Assigned,
    ) -> Result<u64, RunError> {
        let partition = assigned.partition;
        let end = assigned.end.saturating_add(self.shift);
        if let Some((consumed, last)) = self.top {
            if consumed > end {
                return Err(RunError::ShorterLog {
                    partition,
                    consumed: consumed.saturating_sub(self.shift),
                    end: assigned.end,
                });
            }
            // The first record of a log, or of an adopted log, has no record before it.
            let before = consumed.checked_sub(1).filter(|at| *at >= self.shift);
            if let Some((at, last)) = before.zip(last) {
                let offset = at - self.shift;
                let found = reader.find(partition, offset).await?;
                // A record that the log has dropped proves nothing.
                if found.is_some_and(|entry| entry.fingerprint() != last) {
                    return Err(RunError::OtherLog { partition, offset });
                }
            }
        }
        let since = match (self.top, self.since) {
            // The lake is empty.
            (None, _) => 0,
            // Books from before this was recorded: the group's offset is used.
            (Some(_), None) => assigned.start,
            (Some(_), Some(since)) => since.saturating_sub(self.shift),
        };
        Ok(since.min(assigned.start))
    }
}

/// Returns the number of offsets that a lake has consumed of each partition, over all logs that it adopted.
///
/// # Errors
/// [`LakeReadError`] if a book cannot be read.
pub async fn partitions_of(lake: &Lake) -> Result<BTreeMap<Partition, u64>, LakeReadError> {
    let origins = origins_of(lake).await?.into_iter();
    Ok(origins
        .map(|(partition, origin)| (partition, origin.consumed()))
        .collect())
}

/// Returns the origin of each partition, by the books of a lake.
async fn origins_of(lake: &Lake) -> Result<BTreeMap<Partition, Origin>, LakeReadError> {
    let mut origins: BTreeMap<Partition, Origin> = BTreeMap::new();
    for park in lake.parks().await? {
        for one in lake.consumed(&park).await? {
            origins.entry(one.partition).or_default().add_one(one);
        }
    }
    Ok(origins)
}

/// Permits the lake to continue with another log: its offsets are shifted by the offset that the lake has reached, so
/// that all its records are read. Nothing is removed from the lake; readings that are there already become repeats.
///
/// # Errors
/// [`RunError`] if a book cannot be opened or written.
pub async fn adopt(lake: &Lake) -> Result<(), RunError> {
    let origins = origins_of(lake).await?;
    for park in lake.parks().await? {
        for year in lake.years(&park).await? {
            let mut book = lake.book(&park, year).await?;
            let consumed: Vec<Consumed> = book.consumed().collect();
            for one in consumed {
                let origin = origins.get(&one.partition).copied().unwrap_or_default();
                let adopted = Consumed {
                    copies_until: one.taken.max(one.copies_until),
                    ..origin.adopted(one.partition)
                };
                book.adopt(adopted).await?;
            }
        }
    }
    permit_dead_letter_logs(lake).await
}

/// Permits another log of dead letters. Their topic may be unchanged, and then must not be read twice: the archiver
/// compares the logs when it begins to read.
async fn permit_dead_letter_logs(lake: &Lake) -> Result<(), RunError> {
    for park in lake.letter_parks().await? {
        let mut table = lake.letters(&park);
        for one in table.consumed().await? {
            table.permit_another(one.partition).await?;
        }
    }
    Ok(())
}
