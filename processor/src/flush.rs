//! The flush of all parks: publishes the buffered rows and seals the days that are due.

mod book;
mod hot_files;
mod meter_cache;
mod park;
mod seal;
mod seal_chunk;

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::{lake::Lake, written::WrittenTable};
use greenpark_model::{
    day::{CivilDay, Instant},
    id::ParkId,
    log_position::Partition,
};
use tracing::warn;

use self::book::BookFlush;
pub(crate) use self::{meter_cache::MeterCache, park::Park};
use crate::{
    commit_counts::CommitCounts,
    error::RunError,
    group::{Durable, ReadOffsets},
    metrics::ProcessorMetrics,
    offsets::Offsets,
    settings::ProcessorSettings,
};

/// Inputs of a flush of all parks.
#[derive(Debug)]
pub(crate) struct Flush<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) meter_cache: &'a mut MeterCache,
    pub(crate) settings: &'a ProcessorSettings,
    pub(crate) metrics: &'a ProcessorMetrics,
    /// Offsets read since the last flush, by partition.
    pub(crate) offsets: BTreeMap<Partition, Offsets>,
    pub(crate) commits: &'a mut BTreeMap<Partition, CommitCounts>,
    pub(crate) now: Instant,
}

/// Proof that everything read before a flush is in the books, except for the parks that failed: they are suspended and
/// hold the group's offset back. Only [`Flush::all`] can make one.
#[must_use = "this is what allows to store the group's offsets"]
#[derive(Debug)]
pub(crate) struct Flushed {
    offsets: BTreeMap<Partition, Offsets>,
}

impl Flushed {
    /// The first offset of `partition` that the flush covers.
    pub(crate) fn first(&self, partition: Partition) -> Option<u64> {
        self.offsets.get(&partition).map(|of| of.first)
    }
}

impl Durable for Flushed {
    fn into_read(self) -> Vec<ReadOffsets> {
        let offsets = self.offsets.into_values();
        let read = offsets.map(|of| ReadOffsets {
            partition: of.partition,
            first: of.first,
            next: of.next,
        });
        read.collect()
    }
}

impl Flush<'_> {
    /// Publishes all buffered rows and seals every settled day. Parks that cannot be flushed are added to
    /// `failed`.
    pub(crate) async fn all(
        mut self,
        parks: &mut BTreeMap<ParkId, Park>,
        failed: &mut Vec<(ParkId, RunError)>,
    ) -> Result<Flushed, RunError> {
        for (name, park) in parks {
            match self.flush_park(name, park).await {
                Ok(()) => {}
                Err(error) if error.concerns_one_park() => failed.push((name.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed {
            offsets: self.offsets,
        })
    }

    async fn flush_park(&mut self, name: &ParkId, park: &mut Park) -> Result<(), RunError> {
        let meters = self.meter_cache.meters(self.lake, name).await?;
        let commits = self.commits.entry(park.partition).or_default();
        let (by_year, keys) = park.split_days(self.settings, self.now);
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
                commits_beside: commits.without(name, table),
            };
            flush.publish(days).await?;
            commits.set(name, table, book.commits());
            for day in sealed {
                park.buffer.pending.remove(&day);
            }
            let is_quiet = !park.buffer.pending.keys().any(|day| day.year() == year);
            if book.is_roll_up_due(is_quiet)
                && let Err(error) = Box::pin(book.roll_up(&meters)).await
            {
                let error = &error as &dyn std::error::Error;
                warn!(park = %name, year, error, "months were not rolled up");
            }
        }
        Ok(())
    }
}
