//! One park's share of the log, and the flush of all parks.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::{book::Book, lake::Lake, rows::SeriesKey, written::WrittenTable};
use greenpark_model::{
    day::{CivilDay, Instant},
    id::ParkId,
};
use rustc_hash::FxHashMap;
use tracing::warn;

use crate::{
    buffer::ParkBuffer,
    commits::Known,
    error::RunError,
    flush::{BookFlush, Days, Offsets, is_over, over_at},
    group::{Durable, Read},
    metrics::Metrics,
    numbered::Numbered,
    seal::revision_of,
    settings::{Settings, ms},
    traits::Registry,
    watermark::quiet_ms,
};

/// What the processor holds of one park.
#[derive(Debug)]
pub(crate) struct Park {
    pub(crate) partition: u32,
    pub(crate) buffer: ParkBuffer,
    pub(crate) books: BTreeMap<i16, Book>,
    /// What each open book has of the partition, by year.
    pub(crate) consumed: FxHashMap<i16, InBook>,
    /// Numbered messages whose rows wait in `buffer` or are in the books, and that the lake's table does not
    /// hold yet.
    pub(crate) numbered: Numbered,
}

/// What a book has of its partition.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InBook {
    /// The first offset that it has not consumed.
    pub(crate) next_offset: u64,
    /// What the log took no later came by a log before it.
    pub(crate) copies_until: Option<Instant>,
}

impl InBook {
    /// Whether a record that the log took then is a copy of one that the book has consumed.
    pub(crate) fn is_copy(&self, appended: Instant) -> bool {
        // A record without a time is of 0.
        let until = self.copies_until.filter(|_| appended > Instant(0));
        until.is_some_and(|until| appended <= until)
    }
}

/// What a flush of all parks needs.
#[derive(Debug)]
pub(crate) struct Flush<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) registry: &'a mut Registry,
    pub(crate) settings: &'a Settings,
    pub(crate) metrics: &'a Metrics,
    /// The offsets that were read since the flush before, by partition.
    pub(crate) offsets: BTreeMap<u32, Offsets>,
    pub(crate) commits: &'a mut BTreeMap<u32, Known>,
    pub(crate) now: Instant,
}

/// Proof that everything that was read up to a flush is in the books, but for the parks that failed, which
/// are set aside and hold the group's offset back. Only [`Flush::all`] can make one.
#[must_use = "this is what allows to store the group's offsets"]
#[derive(Debug)]
pub(crate) struct Flushed {
    offsets: BTreeMap<u32, Offsets>,
}

impl Flushed {
    /// The first offset of `partition` that the flush covers.
    pub(crate) fn first(&self, partition: u32) -> Option<u64> {
        self.offsets.get(&partition).map(|of| of.first)
    }
}

impl Durable for Flushed {
    fn into_read(self) -> Vec<Read> {
        let offsets = self.offsets.into_values();
        let read = offsets.map(|of| Read {
            partition: of.partition,
            first: of.first,
            next: of.next,
        });
        read.collect()
    }
}

impl Flush<'_> {
    /// Publishes everything that is buffered and every day that has settled. Parks of which it cannot be are
    /// added to `failed`.
    pub(crate) async fn all(
        mut self,
        parks: &mut BTreeMap<ParkId, Park>,
        failed: &mut Vec<(ParkId, RunError)>,
    ) -> Result<Flushed, RunError> {
        for (name, park) in parks {
            match self.one(name, park).await {
                Ok(()) => {}
                Err(error) if error.is_of_one_park() => failed.push((name.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed {
            offsets: self.offsets,
        })
    }

    async fn one(&mut self, name: &ParkId, park: &mut Park) -> Result<(), RunError> {
        let meters = self.registry.meters(self.lake, name).await?;
        let commits = self.commits.entry(park.partition).or_default();
        let (by_year, keys) = park.settle(self.settings, self.now);
        let keys = Arc::new(keys);
        for (year, days) in by_year {
            let Some(book) = park.books.get_mut(&year) else {
                continue;
            };
            let table = WrittenTable::Book(year);
            let sealed: Vec<CivilDay> = days.seal.iter().map(|(day, _)| *day).collect();
            let flush = BookFlush {
                park: name,
                book: &mut *book,
                keys: Arc::clone(&keys),
                meters: Arc::clone(&meters),
                offsets: self.offsets.get(&park.partition).copied(),
                metrics: self.metrics,
                seal_rows: self.settings.seal_rows(),
                commits_beside: commits.beside(name, table),
            };
            flush.publish(days).await?;
            commits.note(name, table, book.commits());
            for day in sealed {
                park.buffer.pending.remove(&day);
            }
            let rests = !park.buffer.pending.keys().any(|day| day.year() == year);
            if book.is_roll_up_due(rests)
                && let Err(error) = Box::pin(book.roll_up(&meters)).await
            {
                let error = &error as &dyn std::error::Error;
                warn!(park = %name, year, error, "months were not rolled up");
            }
        }
        Ok(())
    }
}

impl Park {
    /// From now on the records that the open books have are passed over: the log is read again.
    pub(crate) fn pass_over_what_is_there(&mut self) {
        for (&year, book) in &self.books {
            if let Some(next) = book.next_offset(self.partition) {
                let consumed = self.consumed.entry(year).or_default();
                consumed.next_offset = next;
            }
        }
    }

    /// Tells the days that wait apart, by year: over and settled, or hot. Returns the series of their rows, too.
    fn settle(
        &mut self,
        settings: &Settings,
        now: Instant,
    ) -> (BTreeMap<i16, Days>, Vec<SeriesKey>) {
        let window = ms(settings.quiet);
        let passed = self.buffer.watermark.passed(now, window);
        let (mut buffered, keys) = self.buffer.drain();
        let mut by_year: BTreeMap<i16, Days> = BTreeMap::new();
        for (&day, pending) in &self.buffer.pending {
            let rows = buffered.remove(&day);
            let revision = self.revision(day);
            let quiet = quiet_ms(ms(settings.quiet), revision);
            // Gateways that have passed the day say nothing of rows that are late for it.
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

    /// The highest sealed revision of a day; 0 where it was never sealed.
    fn revision(&self, day: CivilDay) -> u32 {
        let book = self.books.get(&day.year());
        book.and_then(|book| book.day_files(day).map(revision_of).max())
            .unwrap_or(0)
    }

    /// When the next day that holds unsealed rows is over and settled, if no more rows come.
    pub(crate) fn next_seal(&self, settings: &Settings) -> Option<Instant> {
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
