//! Suspends and resumes parks in the loop.

use greenpark_model::{id::ParkId, log_position::Partition};

use super::Processor;
use crate::{
    error::RunError,
    flush::{Flushed, Park},
};

impl Processor {
    /// Suspends `park` and drops its buffered rows if `error` concerns it alone; otherwise returns `error`.
    pub(super) fn suspend_or_fail(
        &mut self,
        park: &ParkId,
        partition: Partition,
        error: RunError,
    ) -> Result<(), RunError> {
        if !error.concerns_one_park() {
            return Err(error);
        }
        let first = self.offsets.get(&partition).map(|of| of.first);
        self.suspend(park, (partition, first), &error);
        Ok(())
    }

    /// Suspends a park that could not be flushed in `flushed`.
    pub(super) fn suspend_after_flush(
        &mut self,
        park: &ParkId,
        flushed: &Flushed,
        error: &RunError,
    ) {
        if let Some(partition) = self.parks.get(park).map(|park| park.partition) {
            let first = flushed.first(partition);
            self.suspend(park, (partition, first), error);
        }
    }

    /// Suspends `park`; `first` is the first record that was read and is not flushed, if any.
    pub(super) fn suspend(
        &mut self,
        park: &ParkId,
        (partition, first): (Partition, Option<u64>),
        error: &RunError,
    ) {
        let dropped = self.parks.remove(park);
        let next = self.owned.get(&partition).map_or(0, |owned| owned.next);
        let unread = first.unwrap_or(next);
        let numbers = dropped.and_then(|park| park.numbers.first_offset());
        let from = numbers.unwrap_or(unread).min(unread);
        let now = self.clock.now();
        self.suspensions.add(park, (partition, from), error, now);
        self.suspensions.count(&self.metrics);
    }

    /// Opens the books of `park` again. If a table has fewer commits than before, all records are read again, even if
    /// this retry fails.
    async fn retry(&mut self, park: &ParkId, partition: Partition) -> Result<(), RunError> {
        let first = self.shift(partition);
        let now = self.lake.commits(park).await?;
        let known = self.commits.entry(partition).or_default();
        if known.replace_park(park, now) {
            self.suspensions.extend_back(park, first);
        }
        self.recover(park, partition).await?;
        if self
            .suspensions
            .start_offset(park)
            .is_some_and(|from| from <= first)
        {
            self.reread(park, partition).await?;
        }
        Ok(())
    }

    /// Resumes suspended parks whose books can be opened now. Must run after a flush, when everything that was read is
    /// in the books of the other parks.
    pub(super) async fn retry_suspended(&mut self) -> Result<(), RunError> {
        for (park, partition) in self.suspensions.due(self.clock.now()) {
            match self.retry(&park, partition).await {
                Ok(()) => {}
                Err(error) if error.concerns_one_park() => {
                    self.parks.remove(&park);
                    let now = self.clock.now();
                    self.suspensions.note_failed_retry(&park, &error, now);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let from = self.suspensions.remove(&park, self.clock.now());
            self.suspensions.count(&self.metrics);
            let Some((from, owned)) = from.zip(self.owned.get_mut(&partition)) else {
                continue;
            };
            if from < owned.next {
                owned.next = from;
                self.reader
                    .rewind(partition, from.saturating_sub(owned.shift));
                self.group.rewind(partition);
                owned.newest_append = None;
                let parks = self.parks.values_mut();
                parks
                    .filter(|park| park.partition == partition)
                    .for_each(Park::skip_published);
            }
        }
        self.next_seal = self.find_next_seal();
        Ok(())
    }
}
