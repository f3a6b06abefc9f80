//! The message numbers of one park on their way to the lake's `messages` table.
//!
//! Numbers are buffered beside the rows of their park. When the rows are published, the numbers are reported to the
//! observer and wait for the table, which is written about once a minute: each write is a commit, and a number is not
//! urgent. This is safe because the group's offset is stored only up to the first record whose numbers are not in
//! the table. After a kill that record is read again: its rows, which the books have, are skipped, and its numbers
//! are added again. If another processor gets the partition, the park is dropped together with its numbers.
//!
//! The numbers also show which readings were only sent again: those of messages seen before. The numbers seen before
//! are those in the table and those read since; the table is complete up to the record where reading begins.

use std::{mem, ops::Range};

use greenpark_archive::{
    error::{LakePublishError, LakeReadError},
    lake::Lake,
    messages::{GatewayEpoch, Messages, MessagesTable},
};
use greenpark_model::{day::Instant, id::ParkId, messages::BatchMessages, numbers::Numbers};
use rustc_hash::FxHashMap;

use crate::{archive_observer::ArchiveNotifier, record::DecodedRecord};

/// Buffered runs at which the table is written at once (a few megabytes).
const RUNS_MAX: usize = 65_536;

/// Runs of one epoch that are remembered as seen. Beyond that, further messages of the gateway count as new.
const SEEN_RUNS_MAX: usize = 16_384;

/// The message numbers of one park that are not in the lake's table yet.
#[derive(Debug, Default)]
pub(crate) struct PendingNumbers {
    /// Numbers whose rows are not published yet.
    unpublished: Messages,
    /// Numbers whose rows are in the books, but which are not in the table yet.
    published: Messages,
    /// Offset of the first record with such numbers.
    first_offset: Option<u64>,
    /// The time at which the table must be written.
    due: Option<Instant>,
    /// The table; opened at the first write.
    table: Option<MessagesTable>,
    /// All numbers seen so far; [`None`] until the first batch with numbers.
    seen: Option<FxHashMap<GatewayEpoch, Numbers>>,
}

impl PendingNumbers {
    /// For a park whose records are all read again. Which messages were only sent again is decided by the records
    /// alone, not by the table: the table may hold numbers of rows that a book has lost. But messages that came
    /// `before`, from another log, can only have been sent again in this one.
    pub(crate) fn for_reread(before: &Messages) -> Self {
        Self {
            seen: Some(numbers_of(before)),
            ..Self::default()
        }
    }

    /// Adds the numbers of a batch, if any. Returns the rows of the messages that were seen before.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake's table cannot be read.
    pub(crate) async fn add(
        &mut self,
        record: &DecodedRecord,
        lake: &Lake,
    ) -> Result<Vec<Range<u32>>, LakeReadError> {
        if record.messages.is_empty() {
            return Ok(Vec::new());
        }
        let of = GatewayEpoch {
            enterprise: record.enterprise.clone(),
            gateway: record.gateway.clone(),
            epoch: record.epoch,
        };
        // A function of the log alone, so that a record read again has the same day.
        let day = record.batch.latest().unwrap_or(record.appended).day();
        self.unpublished.insert(&of, day, record.messages.ended());
        if !self.unpublished.is_empty() {
            self.first_offset.get_or_insert(record.offset);
        }
        let seen = match &mut self.seen {
            Some(seen) => seen,
            None => {
                let held = lake.messages(&record.park).read().await?;
                self.seen.insert(numbers_of(&held))
            }
        };
        let seen = seen.entry(of).or_default();
        Ok(resent_rows(&record.messages, record.batch.len(), seen))
    }

    /// Notes that all rows of the park are in the books, and reports their numbers to the observer.
    pub(crate) fn note_published(
        &mut self,
        park: &ParkId,
        archive_notifier: &ArchiveNotifier,
        due: Instant,
    ) {
        if self.unpublished.is_empty() {
            return;
        }
        let unpublished = mem::take(&mut self.unpublished);
        archive_notifier.notify(park, &unpublished);
        self.published.join(&unpublished);
        self.due.get_or_insert(due);
    }

    /// Returns true when the table must be written because too many runs are buffered.
    pub(crate) fn is_full(&self) -> bool {
        self.unpublished.runs() + self.published.runs() >= RUNS_MAX
    }

    /// The time at which the table must be written.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Offset of the first record whose numbers are not in the table yet: the group's offset must not pass it.
    pub(crate) fn first_offset(&self) -> Option<u64> {
        self.first_offset
    }

    /// Writes the published numbers, which come from `log`, to the table. Returns the table's number of commits if
    /// something was written.
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
        if self.unpublished.is_empty() {
            self.first_offset = None;
        }
        Ok(commits)
    }
}

/// Returns the rows (of `rows`) whose messages are already in `seen`, and adds the other messages to `seen`.
fn resent_rows(messages: &BatchMessages, rows: usize, seen: &mut Numbers) -> Vec<Range<u32>> {
    if messages.runs().is_empty() {
        // A record of an earlier version lists only the messages that end in it: all of it was sent again, or none.
        let is_resent = seen.holds(messages.ended());
        if !is_resent && seen.runs().len() < SEEN_RUNS_MAX {
            seen.join(messages.ended());
        }
        // OK because a batch has fewer rows than 2^32.
        return is_resent.then_some(0..rows as u32).into_iter().collect();
    }
    let mut resent = Vec::new();
    for run in messages.runs() {
        let (first, last) = run.numbers();
        match seen.count_in(first, last) {
            0 => {}
            // A refused message has no rows.
            _ if run.rows().is_empty() => {}
            all if all == last - first + 1 => resent.push(run.rows()),
            _ => resent.extend(
                run.each()
                    .filter_map(|(number, rows)| seen.contains(number).then_some(rows)),
            ),
        }
        if run.is_ended() && seen.runs().len() < SEEN_RUNS_MAX {
            seen.insert(first, last);
        }
    }
    resent
}

/// The numbers of each epoch, over all days.
fn numbers_of(messages: &Messages) -> FxHashMap<GatewayEpoch, Numbers> {
    let mut numbers: FxHashMap<GatewayEpoch, Numbers> = FxHashMap::default();
    for (of, _, run) in messages.iter() {
        numbers.entry(of.clone()).or_default().join(run);
    }
    numbers
}
