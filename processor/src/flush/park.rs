//! State of one park: buffered rows, open books and message numbers.

use std::collections::BTreeMap;

use greenpark_archive::{book::Book, rows::SeriesKey};
use greenpark_model::{
    day::{CivilDay, Instant},
    log_position::Partition,
};
use rustc_hash::FxHashMap;

use super::{book::BookDays, seal::revision_of};
use crate::{
    buffer::ParkBuffer,
    message_numbers::PendingNumbers,
    offsets::InBook,
    settings::{ProcessorSettings, ms},
    watermark::{is_over, over_at, quiet_ms},
};

/// The state of one park: its buffer, open books and message numbers.
#[derive(Debug)]
pub(crate) struct Park {
    pub(crate) partition: Partition,
    pub(crate) buffer: ParkBuffer,
    pub(crate) books: BTreeMap<i16, Book>,
    /// How far each open book has consumed the partition, by year.
    pub(crate) consumed: FxHashMap<i16, InBook>,
    /// Message numbers that are not in the lake's table yet.
    pub(crate) numbers: PendingNumbers,
}

impl Park {
    /// From now on skips the records that the open books have, because the log is read again.
    pub(crate) fn skip_published(&mut self) {
        for (&year, book) in &self.books {
            if let Some(next) = book.next_offset(self.partition) {
                let consumed = self.consumed.entry(year).or_default();
                consumed.next_offset = next;
            }
        }
    }

    /// Splits the pending days by year, and into days to seal and days that stay hot. Also returns the series of their
    /// rows.
    pub(super) fn split_days(
        &mut self,
        settings: &ProcessorSettings,
        now: Instant,
    ) -> (BTreeMap<i16, BookDays>, Vec<SeriesKey>) {
        let window = ms(settings.quiet);
        let passed = self.buffer.watermark.passed(now, window);
        let (mut buffered, keys) = self.buffer.drain();
        let mut by_year: BTreeMap<i16, BookDays> = BTreeMap::new();
        for (&day, pending) in &self.buffer.pending {
            let rows = buffered.remove(&day);
            let revision = self.revision(day);
            let quiet = quiet_ms(ms(settings.quiet), revision);
            // Once a day was sealed, the gateways' progress does not show whether more late rows come.
            let passed = revision == 0 && passed.is_some_and(|at| at >= day.end());
            let settled = pending.is_settled(now, quiet) || passed;
            let days = by_year.entry(day.year()).or_default();
            if settled && is_over(day, now, ms(settings.grace)) {
                days.seal.push((day, rows));
            } else if let Some(rows) = rows {
                days.hot.push((day, rows));
            }
        }
        debug_assert!(buffered.is_empty(), "every buffered day is pending");
        by_year.retain(|_, days| !days.seal.is_empty() || !days.hot.is_empty());
        (by_year, keys)
    }

    /// Returns the highest sealed revision of a day; 0 if it was never sealed.
    fn revision(&self, day: CivilDay) -> u32 {
        let book = self.books.get(&day.year());
        book.and_then(|book| book.day_files(day).map(revision_of).max())
            .unwrap_or(0)
    }

    /// Returns the time at which the next day with unsealed rows is over and settled, if no more rows come.
    pub(crate) fn next_seal(&self, settings: &ProcessorSettings) -> Option<Instant> {
        let pending = self.buffer.pending.iter();
        let at = pending.map(|(&day, pending)| {
            let quiet = quiet_ms(ms(settings.quiet), self.revision(day));
            pending
                .settles_at(quiet)
                .max(over_at(day, ms(settings.grace)))
        });
        at.min()
    }
}
