//! The numbered messages of one park on their way to the lake's `messages` table.
//!
//! Numbers wait beside the rows of their park. When these are published the numbers are told, and wait on for
//! the table, which is written about once a minute: a row is a commit's work, and a number is not urgent. What
//! makes that safe is the group's offset: it is stored only up to the first record whose numbers the table
//! does not hold yet. After a kill that record is read again; its rows, which the books have, are passed
//! over, and its numbers are taken once more. A park that is dropped because another processor has its
//! partition takes its numbers with it.
//!
//! The numbers say, too, which readings were only sent again: those of messages that had come before. What came
//! before is what the table holds and what was read since, for where reading begins the table has all.

use std::{mem, ops::Range};

use greenpark_archive::{
    error::{LakePublishError, LakeReadError},
    lake::Lake,
    messages::{GatewayEpoch, Messages, MessagesTable},
};
use greenpark_model::{day::Instant, id::ParkId, messages::BatchMessages, numbers::Numbers};
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
    /// The numbers of a park whose records are all read again. What is read says what was only sent again, and not
    /// the table: it may know the numbers of rows that a book has lost. But what came `before`, by another log,
    /// can only have been sent again over this one.
    pub(crate) fn read_anew(before: &Messages) -> Self {
        Self {
            come: Some(numbers_of(before)),
            ..Self::default()
        }
    }

    /// Takes the numbers of a batch, if there are any. Returns the rows of the messages that had come before.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake's table cannot be read.
    pub(crate) async fn take(
        &mut self,
        arrival: &Arrival,
        lake: &Lake,
    ) -> Result<Vec<Range<u32>>, LakeReadError> {
        if arrival.messages.is_empty() {
            return Ok(Vec::new());
        }
        let of = GatewayEpoch {
            enterprise: arrival.enterprise.clone(),
            gateway: arrival.gateway.clone(),
            epoch: arrival.epoch,
        };
        // A function of the log alone, so that a record that is read again says the same.
        let day = arrival.batch.latest().unwrap_or(arrival.appended).day();
        self.waiting.insert(&of, day, arrival.messages.ended());
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
        Ok(rows_again(&arrival.messages, arrival.batch.len(), come))
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
    ) -> Result<Option<u64>, LakePublishError> {
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

/// Those of `rows` readings that came in messages of which `come` knows, which learns of the others.
fn rows_again(messages: &BatchMessages, rows: usize, come: &mut Numbers) -> Vec<Range<u32>> {
    if messages.runs().is_empty() {
        // A record of an earlier version says only which messages end in it: all of it came again, or none.
        let again = come.holds(messages.ended());
        if !again && come.runs().len() < COME_RUNS_MAX {
            come.join(messages.ended());
        }
        // OK because a batch has fewer rows than 2^32.
        return again.then_some(0..rows as u32).into_iter().collect();
    }
    let mut again = Vec::new();
    for run in messages.runs() {
        let (first, last) = run.numbers();
        match come.count_in(first, last) {
            0 => {}
            // A message that was refused brought none.
            _ if run.rows().is_empty() => {}
            all if all == last - first + 1 => again.push(run.rows()),
            _ => again.extend(
                run.each()
                    .filter_map(|(number, rows)| come.contains(number).then_some(rows)),
            ),
        }
        if run.is_ended() && come.runs().len() < COME_RUNS_MAX {
            come.insert(first, last);
        }
    }
    again
}

/// The numbers of each epoch, whatever their days.
fn numbers_of(messages: &Messages) -> FxHashMap<GatewayEpoch, Numbers> {
    let mut numbers: FxHashMap<GatewayEpoch, Numbers> = FxHashMap::default();
    for (of, _, run) in messages.iter() {
        numbers.entry(of.clone()).or_default().join(run);
    }
    numbers
}
