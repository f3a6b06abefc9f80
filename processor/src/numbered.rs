//! The numbered messages of one park on their way to the lake's `messages` table.
//!
//! Numbers wait beside the rows of their park. When these are published the numbers are told, and wait on for
//! the table, which is written about once a minute: a row is a commit's work, and a number is not urgent. What
//! makes that safe is the group's offset: it is stored only up to the first record whose numbers the table
//! does not hold yet. After a kill that record is read again; its rows, which the books have, are passed
//! over, and its numbers are taken once more. A park that is dropped because another processor has its
//! partition takes its numbers with it.
//!
//! The numbers say, too, which records were only sent again: each message that ends in one had come before. What
//! came before is what the table holds and what was read since, for where reading begins the table has all.

use std::mem;

use greenpark_archive::{
    error::{PublishError, ReadError},
    lake::Lake,
    messages::{GatewayEpoch, Messages, MessagesTable},
};
use greenpark_model::{day::Instant, id::ParkId, numbers::Numbers};
use rustc_hash::FxHashMap;

use crate::{archived::Telling, entry::Arrival};

/// Runs that may wait before the table is written at once, some megabytes.
const RUNS_MAX: usize = 65_536;

/// Runs of one epoch that are known to have come. Of a gateway with more gaps, what is new is taken for new.
const COME_RUNS_MAX: usize = 16_384;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Numbered {
    /// Whose rows wait to be published.
    waiting: Messages,
    /// Whose rows the books hold, and which the table does not hold yet.
    published: Messages,
    /// The first record of them.
    first_offset: Option<u64>,
    /// When the table is to be written.
    due: Option<Instant>,
    /// Opened when there is something to write.
    table: Option<MessagesTable>,
    /// All numbers that came, once any did; [`None`] until then.
    come: Option<FxHashMap<GatewayEpoch, Numbers>>,
}

impl Numbered {
    /// The numbers of a park whose records are all read again. What is read says which records were only sent again,
    /// and not the table: it may know the numbers of rows that a book has lost. But what came `before`, by another log,
    /// can only have been sent again over this one.
    pub(crate) fn read_anew(before: &Messages) -> Self {
        Self {
            come: Some(numbers_of(before)),
            ..Self::default()
        }
    }

    /// Takes the numbers of a batch, if there are any. Returns whether all of them had come before.
    ///
    /// # Errors
    /// [`ReadError`] if the lake's table cannot be read.
    pub(crate) async fn take(&mut self, arrival: &Arrival, lake: &Lake) -> Result<bool, ReadError> {
        if arrival.numbers.is_empty() {
            return Ok(false);
        }
        let of = GatewayEpoch {
            enterprise: arrival.enterprise.clone(),
            gateway: arrival.gateway.clone(),
            epoch: arrival.epoch,
        };
        // A function of the log alone, so that a record that is read again says the same.
        let day = arrival.batch.latest().unwrap_or(arrival.appended).day();
        self.waiting.insert(&of, day, &arrival.numbers);
        if !self.waiting.is_empty() {
            self.first_offset.get_or_insert(arrival.offset);
        }
        let come = match &mut self.come {
            Some(come) => come,
            None => {
                let held = lake.messages(&arrival.park).read().await?;
                self.come.insert(numbers_of(&held))
            }
        };
        let come = come.entry(of).or_default();
        let again = come.holds(&arrival.numbers);
        if !again && come.runs().len() < COME_RUNS_MAX {
            come.join(&arrival.numbers);
        }
        Ok(again)
    }

    /// Everything of the park that was read is in the books: tells what waited for that.
    pub(crate) fn published(&mut self, park: &ParkId, telling: &Telling, due: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        let waited = mem::take(&mut self.waiting);
        telling.tell(park, &waited);
        self.published.join(&waited);
        self.due.get_or_insert(due);
    }

    /// Whether so many wait that they must not wait longer.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.runs() + self.published.runs() >= RUNS_MAX
    }

    /// When the table is to be written.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The first record whose numbers the table does not hold yet: the group's offset may not pass it.
    pub(crate) fn first_offset(&self) -> Option<u64> {
        self.first_offset
    }

    /// Writes what the books hold to the table, which came by `log`. Returns how many commits it has, where something
    /// was written.
    pub(crate) async fn write(
        &mut self,
        lake: &Lake,
        (park, log): (&ParkId, u64),
    ) -> Result<Option<u64>, PublishError> {
        let mut commits = None;
        if !self.published.is_empty() {
            let table = self.table.get_or_insert_with(|| lake.messages(park));
            table.add(&self.published, log).await?;
            commits = Some(table.known_commits());
        }
        self.published = Messages::default();
        self.due = None;
        if self.waiting.is_empty() {
            self.first_offset = None;
        }
        Ok(commits)
    }
}

/// The numbers of each epoch, whatever their days.
fn numbers_of(messages: &Messages) -> FxHashMap<GatewayEpoch, Numbers> {
    let mut numbers: FxHashMap<GatewayEpoch, Numbers> = FxHashMap::default();
    for (of, _, run) in messages.iter() {
        numbers.entry(of.clone()).or_default().join(run);
    }
    numbers
}
