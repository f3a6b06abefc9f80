//! Of which log a lake was made, and how far: what the marks of its books say of a partition.
//!
//! A mark carries the fingerprint of the last record that was consumed. A log that holds another record at that
//! offset is not the log that the lake was made from, or is an older copy of it that has gone another way since:
//! what it holds before the mark would be passed over, so it is refused until somebody adopts it. Then its offsets
//! count from where the lake had got to. A record that it took no later than the newest one that a book has consumed
//! is a copy of one of the book's: its readings are only read again, and keep their place.
//!
//! A mark also says up to which offset everything was in the lake. The group's offset may lie beyond it, where the
//! lake was restored from a copy: the reader goes back to the mark, and what the books have is passed over. Where a
//! single table is behind what the marks of the others tell, it goes back to the log's first record: see
//! [`commits`](crate::commits).

use std::collections::BTreeMap;

use crate::error::RunError;
use greenpark_archive::{book::Consumed, error::LakeReadError, lake::Lake};
use greenpark_log::{Assigned, LogReader};

/// What the books of a partition say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The furthest mark: the first offset that was not consumed, and the fingerprint of the record before it.
    top: Option<(u64, Option<u64>)>,
    /// Everything before it is in the lake.
    since: Option<u64>,
    /// What is added to an offset of the log.
    pub(crate) shift: u64,
}

impl Origin {
    /// Takes what a table says of `partition`.
    pub(crate) fn add(&mut self, partition: u32, consumed: Vec<Consumed>) {
        let consumed = consumed.into_iter();
        let of_partition = consumed.filter(|one| one.partition == partition);
        of_partition.for_each(|one| self.add_one(one));
    }

    fn add_one(&mut self, one: Consumed) {
        self.top = self.top.max(Some((one.next_offset, one.last)));
        self.since = self.since.max(one.since);
        self.shift = self.shift.max(one.shift);
    }

    /// How many offsets of its log the lake has consumed, over all logs that it adopted.
    fn consumed(&self) -> u64 {
        self.top.map_or(0, |(next, _)| next)
    }

    /// The mark of `partition` once its log is another.
    pub(crate) fn adopted(&self, partition: u32) -> Consumed {
        let top = self.consumed();
        Consumed {
            since: Some(top),
            shift: top,
            ..Consumed::up_to(partition, top)
        }
    }

    /// Refuses a log that the lake was not made from. Says where the reader must begin, in offsets of the log.
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
            // The first record of the log, or one that it adopted, has none before it.
            let before = consumed.checked_sub(1).filter(|at| *at >= self.shift);
            if let Some((at, last)) = before.zip(last) {
                let offset = at - self.shift;
                let found = reader.find(partition, offset).await?;
                // What is not kept any more says nothing.
                if found.is_some_and(|entry| entry.fingerprint() != last) {
                    return Err(RunError::OtherLog { partition, offset });
                }
            }
        }
        let since = match (self.top, self.since) {
            // Nothing is there, so nothing of the log is.
            (None, _) => 0,
            // Books of before this was kept: the group is believed.
            (Some(_), None) => assigned.start,
            (Some(_), Some(since)) => since.saturating_sub(self.shift),
        };
        Ok(since.min(assigned.start))
    }
}

/// How many offsets of each partition of its log a lake has consumed, over all logs that it adopted.
///
/// # Errors
/// [`LakeReadError`] if a book cannot be read.
pub async fn partitions_of(lake: &Lake) -> Result<BTreeMap<u32, u64>, LakeReadError> {
    let origins = origins_of(lake).await?.into_iter();
    Ok(origins
        .map(|(partition, origin)| (partition, origin.consumed()))
        .collect())
}

/// What the books of a lake say of each partition.
async fn origins_of(lake: &Lake) -> Result<BTreeMap<u32, Origin>, LakeReadError> {
    let mut origins: BTreeMap<u32, Origin> = BTreeMap::new();
    for park in lake.parks().await? {
        for one in lake.consumed(&park).await? {
            origins.entry(one.partition).or_default().add_one(one);
        }
    }
    Ok(origins)
}

/// Lets the lake go on with whatever log comes next: its offsets count from where the lake has got to, so that all
/// it holds is read. Nothing of the lake is removed; what is there already is a repeat.
///
/// # Errors
/// [`RunError`] if a book cannot be opened or written.
pub async fn adopt(lake: &Lake) -> Result<(), RunError> {
    let origins = origins_of(lake).await?;
    for park in lake.parks().await? {
        for year in lake.years(&park).await? {
            let mut book = lake.book(&park, year).await?;
            let marked: Vec<Consumed> = book.consumed().collect();
            for one in marked {
                let origin = origins.get(&one.partition).copied().unwrap_or_default();
                let adopted = Consumed {
                    copies_until: one.taken.max(one.copies_until),
                    ..origin.adopted(one.partition)
                };
                book.adopt(adopted).await?;
            }
        }
    }
    adopt_letters(lake).await
}

/// Permits another log of dead letters. Their topic may be the same as before, and then must not be read twice: the
/// archiver compares when it reads it.
async fn adopt_letters(lake: &Lake) -> Result<(), RunError> {
    for park in lake.letter_parks().await? {
        let mut table = lake.letters(&park);
        for one in table.consumed().await? {
            table.permit_another(one.partition).await?;
        }
    }
    Ok(())
}
