//! Parks that the loop sets aside and goes on with.

use greenpark_model::id::ParkId;

use super::Processor;
use crate::{
    error::RunError,
    park::{Flushed, Park},
};

impl Processor {
    /// Sets `park` aside with what waits for it, if `error` is of no other.
    pub(super) fn set_aside_if_alone(
        &mut self,
        park: &ParkId,
        partition: u32,
        error: RunError,
    ) -> Result<(), RunError> {
        if !error.is_of_one_park() {
            return Err(error);
        }
        let first = self.offsets.get(&partition).map(|of| of.first);
        self.set_aside(park, (partition, first), &error);
        Ok(())
    }

    /// The same of a park that could not be flushed in `flushed`.
    pub(super) fn set_aside_in_flush(
        &mut self,
        park: &ParkId,
        flushed: &Flushed,
        error: &RunError,
    ) {
        if let Some(partition) = self.parks.get(park).map(|park| park.partition) {
            let first = flushed.first(partition);
            self.set_aside(park, (partition, first), error);
        }
    }

    /// Sets `park` aside; `first` is the first record that was read and is not flushed, if there is one.
    pub(super) fn set_aside(
        &mut self,
        park: &ParkId,
        (partition, first): (u32, Option<u64>),
        error: &RunError,
    ) {
        let dropped = self.parks.remove(park);
        let next = self.owned.get(&partition).map_or(0, |owned| owned.next);
        let unread = first.unwrap_or(next);
        let numbered = dropped.and_then(|park| park.numbered.first_offset());
        let from = numbered.unwrap_or(unread).min(unread);
        let now = self.clock.now();
        self.asides.add(park, (partition, from), error, now);
        self.asides.count(&self.metrics);
    }

    /// Opens the books of `park` again. Where a table has fewer commits than it had, all records are read again, also
    /// where this try does not work.
    async fn try_again(&mut self, park: &ParkId, partition: u32) -> Result<(), RunError> {
        let first = self.shift(partition);
        let now = self.lake.commits(park).await?;
        let known = self.commits.entry(partition).or_default();
        if known.take(park, now) {
            self.asides.reach_back(park, first);
        }
        self.recover(park, partition).await?;
        if self.asides.begins(park).is_some_and(|from| from <= first) {
            self.read_anew(park, partition).await?;
        }
        Ok(())
    }

    /// Goes on with parks that were set aside, if their books can be opened by now. Everything that was read is in
    /// the books of the others.
    pub(super) async fn try_asides(&mut self) -> Result<(), RunError> {
        for (park, partition) in self.asides.due(self.clock.now()) {
            match self.try_again(&park, partition).await {
                Ok(()) => {}
                Err(error) if error.is_of_one_park() => {
                    self.parks.remove(&park);
                    let now = self.clock.now();
                    self.asides.failed(&park, &error, now);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let from = self.asides.remove(&park, self.clock.now());
            self.asides.count(&self.metrics);
            let Some((from, owned)) = from.zip(self.owned.get_mut(&partition)) else {
                continue;
            };
            if from < owned.next {
                owned.next = from;
                self.reader
                    .rewind(partition, from.saturating_sub(owned.shift));
                self.group.rewind(partition);
                owned.taken = None;
                let parks = self.parks.values_mut();
                parks
                    .filter(|park| park.partition == partition)
                    .for_each(Park::pass_over_what_is_there);
            }
        }
        self.next_seal = self.find_next_seal();
        Ok(())
    }
}
