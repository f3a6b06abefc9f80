//! Beginning of a partition: the loop checks the offsets in the lake and finds the unsealed days of its books.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::{lake::BookTxns, written::WrittenTable};
use greenpark_log::{Assigned, partition};
use greenpark_model::{day::CivilDay, id::ParkId, log_position::Partition};
use rustc_hash::FxHashMap;
use tracing::{info, warn};

use super::{OwnedPartition, Processor};
use crate::{
    buffer::ParkBuffer, commit_counts::ReportedCounts, error::RunError, flush::Park,
    message_numbers::PendingNumbers, offsets::InBook, origin::Origin, watermark::PendingDay,
};

impl Processor {
    /// Begins to read a partition where the lake needs it. Returns true if that is before the delivered records.
    pub(super) async fn begin(&mut self, assigned: Assigned) -> Result<bool, RunError> {
        let partition = assigned.partition;
        let mut parks = self.lake.parks().await?;
        parks.retain(|park| partition::of(park, self.partitions) == partition);
        let mut failed = Vec::new();
        let (origin, behind) = self.read_txns(partition, &parks, &mut failed).await;
        let mut begin = origin.check(&mut *self.reader, assigned).await?;
        if !behind.is_empty() {
            begin = 0;
        }
        let owned = OwnedPartition {
            end: assigned.end.saturating_add(origin.shift),
            shift: origin.shift,
            next: begin.saturating_add(origin.shift),
            newest: None,
            newest_append: None,
        };
        self.owned.insert(partition, owned);
        for (park, error) in failed {
            // The offset of its books is unknown.
            self.suspend(&park, (partition, Some(origin.shift)), &error);
        }
        for park in parks {
            if !self.suspensions.contains(&park)
                && let Err(error) = self.recover(&park, partition).await
            {
                self.suspend_or_fail(&park, partition, error)?;
            }
        }
        for park in &behind {
            warn!(
                partition = partition.get(),
                %park,
                "a table has fewer commits than it had: an entry of its log is gone, or it was restored alone from an \
                 older copy; all that the log keeps is read again"
            );
            if !self.suspensions.contains(park)
                && let Err(error) = self.reread(park, partition).await
            {
                self.suspend_or_fail(park, partition, error)?;
            }
        }
        self.next_seal = self.find_next_seal();
        let is_rewound = begin < assigned.start;
        if is_rewound {
            let group = assigned.start;
            info!(
                partition = partition.get(),
                begin, group, "reading again from where the lake is sure to be"
            );
            self.reader.rewind(partition, begin);
        }
        Ok(is_rewound)
    }

    /// Reads the transactions of the books of `parks` for `partition`. Returns their origin, and the parks with a table
    /// that has fewer commits than other books report. Parks that cannot be read are added to `failed`.
    async fn read_txns(
        &mut self,
        partition: Partition,
        parks: &[ParkId],
        failed: &mut Vec<(ParkId, RunError)>,
    ) -> (Origin, BTreeSet<ParkId>) {
        let (mut origin, mut reported) = (Origin::default(), ReportedCounts::default());
        let known = self.commits.entry(partition).or_default();
        for park in parks {
            let txns = match self.lake.txns(park).await {
                Ok(txns) => txns,
                Err(error) => {
                    failed.push((park.clone(), error.into()));
                    continue;
                }
            };
            for BookTxns {
                consumed,
                commits_beside,
            } in txns
            {
                let next = consumed.iter().map(|one| one.next_offset).max();
                reported.add(next.unwrap_or(0), commits_beside);
                origin.add(partition, consumed);
            }
            match self.lake.commits(park).await {
                Ok(now) => drop(known.replace_park(park, now)),
                Err(error) => failed.push((park.clone(), error.into())),
            }
        }
        let mut behind = known.fewer_than(reported);
        behind.retain(|park| failed.iter().all(|(other, _)| other != park));
        (origin, behind)
    }

    /// Prepares `park` for reading all its records again.
    pub(super) async fn reread(
        &mut self,
        park: &ParkId,
        partition: Partition,
    ) -> Result<(), RunError> {
        let mut messages = self.lake.messages(park);
        let before = messages.read_beside(self.shift(partition)).await?;
        self.open_books(park, partition, &[]).await?.numbers = PendingNumbers::for_reread(&before);
        Ok(())
    }

    /// Finds the days of `park` that an earlier processor left unsealed.
    pub(super) async fn recover(
        &mut self,
        park: &ParkId,
        partition: Partition,
    ) -> Result<(), RunError> {
        let now = self.clock.now();
        for year in self.lake.years(park).await? {
            let Some(snapshot) = self.lake.brief(park, year).await? else {
                continue;
            };
            let hot: BTreeSet<CivilDay> = snapshot
                .files
                .iter()
                .filter(|file| file.is_hot())
                .map(|file| file.day)
                .collect();
            if hot.is_empty() {
                continue;
            }
            let state = self.open_books(park, partition, &[year]).await?;
            for day in hot {
                let pending = PendingDay::touch(state.buffer.pending.get(&day).copied(), now);
                state.buffer.pending.insert(day, pending);
            }
        }
        Ok(())
    }

    /// Returns the state of `park`, with the books of `years` open.
    pub(super) async fn open_books(
        &mut self,
        park: &ParkId,
        partition: Partition,
        years: &[i16],
    ) -> Result<&mut Park, RunError> {
        let state = self.parks.entry(park.clone()).or_insert_with(|| Park {
            partition,
            buffer: ParkBuffer::default(),
            books: BTreeMap::new(),
            consumed: FxHashMap::default(),
            numbers: PendingNumbers::default(),
        });
        for &year in years {
            if state.books.contains_key(&year) {
                continue;
            }
            let book = self.lake.book(park, year).await?;
            let home = partition::of(park, self.partitions);
            if let Some(foreign) = book.consumed().find(|one| one.partition != home) {
                return Err(RunError::Moved {
                    park: park.clone(),
                    year,
                    partition: foreign.partition,
                    home,
                    partitions: self.partitions,
                });
            }
            if let Some(next) = book.next_offset(partition) {
                match self.owned.get(&partition).map(|owned| owned.end) {
                    Some(end) if next > end => {
                        return Err(RunError::AheadOfLog {
                            park: park.clone(),
                            year,
                            partition,
                            consumed: next,
                            end,
                        });
                    }
                    _ => {}
                }
                let mut consumed = book.consumed();
                let copies_until = consumed.find_map(|of| of.copies_until);
                let in_book = InBook {
                    next_offset: next,
                    copies_until,
                };
                state.consumed.insert(year, in_book);
            }
            // The former owner may have published after the partition was reassigned: its rows are skipped when they
            // are read again, so nothing else would mark their days as pending.
            for day in book.hot_days() {
                let pending = &mut state.buffer.pending;
                let touched = PendingDay::touch(pending.get(&day).copied(), self.clock.now());
                pending.insert(day, touched);
            }
            let commits = self.commits.entry(partition).or_default();
            commits.set(park, WrittenTable::Book(year), book.commits());
            state.books.insert(year, book);
        }
        Ok(state)
    }
}
