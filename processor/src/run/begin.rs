//! What the loop does before it reads a partition: what the lake says of it, and which days wait in its books.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_log::{Assigned, partition};
use greenpark_model::{day::CivilDay, id::ParkId};
use rustc_hash::FxHashMap;
use tracing::info;

use super::{Owned, Processor};
use crate::{
    buffer::ParkBuffer, error::RunError, numbered::Numbered, origin::Origin, park::Park,
    watermark::Pending,
};

impl Processor {
    /// Begins with a partition where the lake needs it to. Says whether that lies before what was delivered.
    pub(super) async fn begin(&mut self, assigned: Assigned) -> Result<bool, RunError> {
        let partition = assigned.partition;
        let mut parks = self.lake.parks().await?;
        parks.retain(|park| partition::of(park, self.partitions) == partition);
        let mut failed = Vec::new();
        let origin = Origin::of(&self.lake, partition, &parks, &mut failed).await;
        let begin = origin.check(&mut *self.reader, assigned).await?;
        let owned = Owned {
            end: assigned.end.saturating_add(origin.shift),
            shift: origin.shift,
            next: begin.saturating_add(origin.shift),
            newest: None,
        };
        self.owned.insert(partition, owned);
        for (park, error) in failed {
            self.set_aside(&park, (partition, None), &error);
        }
        for park in parks {
            if !self.asides.holds(&park)
                && let Err(error) = self.recover(&park, partition).await
            {
                self.set_aside_if_alone(&park, partition, error)?;
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

    /// Takes up the days of `park` that an earlier processor left unsealed.
    pub(super) async fn recover(&mut self, park: &ParkId, partition: u32) -> Result<(), RunError> {
        let now = self.clock.now();
        for year in self.lake.years(park).await? {
            let Some(snapshot) = self.lake.snapshot(park, year).await? else {
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
                state.consumed.insert(year, next);
            }
            // Whoever had the partition may have published after it was handed over: its rows are passed
            // over when they are read, and nothing else would say that their days wait.
            for day in book.hot_days() {
                let pending = &mut state.buffer.pending;
                let touched = Pending::touch(pending.get(&day).copied(), self.clock.now());
                pending.insert(day, touched);
            }
            state.books.insert(year, book);
        }
        Ok(state)
    }
}
