//! What the loop does before it reads a partition: what the lake says of it, and which days wait in its books.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::{lake::BookTxns, written::WrittenTable};
use greenpark_log::{Assigned, partition};
use greenpark_model::{day::CivilDay, id::ParkId};
use rustc_hash::FxHashMap;
use tracing::{info, warn};

use super::{Owned, Processor};
use crate::{
    buffer::ParkBuffer,
    commits::Told,
    error::RunError,
    numbered::Numbered,
    origin::Origin,
    park::{InBook, Park},
    watermark::Pending,
};

impl Processor {
    /// Begins with a partition where the lake needs it to. Says whether that lies before what was delivered.
    pub(super) async fn begin(&mut self, assigned: Assigned) -> Result<bool, RunError> {
        let partition = assigned.partition;
        let mut parks = self.lake.parks().await?;
        parks.retain(|park| partition::of(park, self.partitions) == partition);
        let mut failed = Vec::new();
        let (origin, lacking) = self.read_marks(partition, &parks, &mut failed).await;
        let mut begin = origin.check(&mut *self.reader, assigned).await?;
        if !lacking.is_empty() {
            begin = 0;
        }
        let owned = Owned {
            end: assigned.end.saturating_add(origin.shift),
            shift: origin.shift,
            next: begin.saturating_add(origin.shift),
            newest: None,
            taken: None,
        };
        self.owned.insert(partition, owned);
        for (park, error) in failed {
            // Nothing says how far its books had come.
            self.set_aside(&park, (partition, Some(origin.shift)), &error);
        }
        for park in parks {
            if !self.asides.holds(&park)
                && let Err(error) = self.recover(&park, partition).await
            {
                self.set_aside_if_alone(&park, partition, error)?;
            }
        }
        for park in &lacking {
            warn!(
                partition,
                %park,
                "a table has fewer commits than it had: an entry of its log is gone, or it was restored alone from an \
                 older copy; all that the log keeps is read again"
            );
            if !self.asides.holds(park)
                && let Err(error) = self.read_anew(park, partition).await
            {
                self.set_aside_if_alone(park, partition, error)?;
            }
        }
        self.next_seal = self.find_next_seal();
        let is_rewound = begin < assigned.start;
        if is_rewound {
            let group = assigned.start;
            info!(
                partition,
                begin, group, "reading again from where the lake is sure to be"
            );
            self.reader.rewind(partition, begin);
        }
        Ok(is_rewound)
    }

    /// What the books of `parks` say of `partition`, and the parks of which a table has fewer commits than the books of
    /// others say. Those that cannot be read are added to `failed`.
    async fn read_marks(
        &mut self,
        partition: u32,
        parks: &[ParkId],
        failed: &mut Vec<(ParkId, RunError)>,
    ) -> (Origin, BTreeSet<ParkId>) {
        let (mut origin, mut told) = (Origin::default(), Told::default());
        let known = self.commits.entry(partition).or_default();
        for park in parks {
            let marks = match self.lake.txns(park).await {
                Ok(marks) => marks,
                Err(error) => {
                    failed.push((park.clone(), error.into()));
                    continue;
                }
            };
            for BookTxns {
                consumed,
                commits_beside,
            } in marks
            {
                let next = consumed.iter().map(|one| one.next_offset).max();
                told.add(next.unwrap_or(0), commits_beside);
                origin.add(partition, consumed);
            }
            match self.lake.commits(park).await {
                Ok(now) => drop(known.take(park, now)),
                Err(error) => failed.push((park.clone(), error.into())),
            }
        }
        let mut lacking = known.fewer_than(told);
        lacking.retain(|park| failed.iter().all(|(other, _)| other != park));
        (origin, lacking)
    }

    /// The records of `park` are read again from the first.
    pub(super) async fn read_anew(
        &mut self,
        park: &ParkId,
        partition: u32,
    ) -> Result<(), RunError> {
        let mut messages = self.lake.messages(park);
        let before = messages.read_beside(self.shift(partition)).await?;
        self.open(park, partition, &[]).await?.numbered = Numbered::read_anew(&before);
        Ok(())
    }

    /// Takes up the days of `park` that an earlier processor left unsealed.
    pub(super) async fn recover(&mut self, park: &ParkId, partition: u32) -> Result<(), RunError> {
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
            let state = self.open(park, partition, &[year]).await?;
            for day in hot {
                let pending = Pending::touch(state.buffer.pending.get(&day).copied(), now);
                state.buffer.pending.insert(day, pending);
            }
        }
        Ok(())
    }

    /// The state of `park` with the books of `years` open.
    pub(super) async fn open(
        &mut self,
        park: &ParkId,
        partition: u32,
        years: &[i16],
    ) -> Result<&mut Park, RunError> {
        let state = self.parks.entry(park.clone()).or_insert_with(|| Park {
            partition,
            buffer: ParkBuffer::default(),
            books: BTreeMap::new(),
            consumed: FxHashMap::default(),
            numbered: Numbered::default(),
        });
        for &year in years {
            if state.books.contains_key(&year) {
                continue;
            }
            let book = self.lake.book(park, year).await?;
            let home = partition::of(park, self.partitions);
            if let Some(strange) = book.consumed().find(|one| one.partition != home) {
                return Err(RunError::Moved {
                    park: park.clone(),
                    year,
                    partition: strange.partition,
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
            // Whoever had the partition may have published after it was handed over: its rows are passed
            // over when they are read, and nothing else would say that their days wait.
            for day in book.hot_days() {
                let pending = &mut state.buffer.pending;
                let touched = Pending::touch(pending.get(&day).copied(), self.clock.now());
                pending.insert(day, touched);
            }
            let commits = self.commits.entry(partition).or_default();
            commits.note(park, WrittenTable::Book(year), book.commits());
            state.books.insert(year, book);
        }
        Ok(state)
    }
}
