//! The flush of one book: each pending day becomes a hot file or sealed files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_archive::{
    book::{Book, Change, Consumed, NewFile},
    columns::{FileFacts, Outline, encode_readings},
    file::{FileKind, ReadingsFile},
    meters::Meters,
    rows::{Merged, ReadingRows, SeriesKey},
    written::Commits,
};
use greenpark_model::{
    day::CivilDay,
    id::{EnterpriseId, ParkId},
    log_position::OffsetRange,
};

use super::{
    hot_files::files_to_merge,
    seal::{DayToSeal, SealedDay, offset_of, seal_days},
    seal_chunk::{SealChunk, chunks_of},
};
use crate::{
    buffer::DayRows,
    error::RunError,
    metrics::{ProcessorMetrics, Step},
    offsets::Offsets,
};

/// Inputs of the flush of one book.
#[derive(Debug)]
pub(crate) struct BookFlush<'a> {
    pub(crate) park: &'a ParkId,
    pub(crate) book: &'a mut Book,
    pub(crate) keys: Arc<Vec<SeriesKey>>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) offsets: Option<Offsets>,
    pub(crate) metrics: &'a ProcessorMetrics,
    /// Upper bound of the rows that are merged at once.
    pub(crate) seal_rows: u64,
    /// Commit counts of the partition's other tables.
    pub(crate) commits_beside: Commits,
}

/// The pending days of one book, split into days to seal and days that stay hot.
#[derive(Debug, Default)]
pub(crate) struct BookDays {
    /// Days that are over and settled, with their buffered rows, if any.
    pub(crate) seal: Vec<(CivilDay, Option<DayRows>)>,
    /// Days that are still open or not settled, with their buffered rows.
    pub(crate) hot: Vec<(CivilDay, DayRows)>,
}

impl BookFlush<'_> {
    /// Writes the files and publishes them. Settled days come first, each in one commit: files of a day that does not fit
    /// into memory are written before its commit, so that no reader finds a reading both sealed and hot. The last
    /// commit contains the hot files and the consumed offset. A crash between two commits repeats rows that are already
    /// sealed, and sealing drops repeats.
    pub(crate) async fn publish(mut self, days: BookDays) -> Result<(), RunError> {
        let (mut open, mut change) = (Vec::new(), Change::default());
        let mut rows = 0;
        for (day, buffered) in days.seal {
            let mut unsealed = self.load_unsealed(day, buffered).await?;
            for chunk in self.chunks(&mut unsealed).await? {
                // Commit before the next chunk, so that the last commit has a chunk: it carries the offset.
                if rows > 0 && rows + chunk.rows > self.seal_rows {
                    let sealed = self.seal(std::mem::take(&mut open)).await?;
                    add_sealed(&mut change, sealed);
                    if chunk.is_first {
                        self.commit(std::mem::take(&mut change)).await?;
                    } else {
                        let files = std::mem::take(&mut change.add);
                        change.written.extend(self.book.write_ahead(files).await?);
                    }
                    rows = 0;
                }
                let to_seal = self.load_chunk(&mut unsealed, &chunk).await?;
                rows += to_seal.rows();
                open.push(to_seal);
            }
        }
        add_sealed(&mut change, self.seal(open).await?);
        self.add_hot(&mut change, days.hot).await?;
        change.consumed = self.offsets.map(|o| Consumed {
            partition: o.partition,
            next_offset: o.next,
            since: Some(o.since),
            last: o.last,
            taken: o.newest_append,
            shift: o.shift,
            copies_until: None,
        });
        change.commits_beside = std::mem::take(&mut self.commits_beside);
        self.commit(change).await
    }

    /// Returns the first offset that the book has not consumed once this flush is published.
    fn reach(&self) -> u64 {
        let consumed = self.book.consumed().map(|one| one.next_offset).max();
        let read = self.offsets.map_or(0, |offsets| offsets.next);
        consumed.unwrap_or(0).max(read)
    }

    /// Returns the partition and offsets of the records of a sealed file: all records up to [`Self::reach`].
    fn sealed_offsets(&self) -> Option<OffsetRange> {
        let reach = self.reach();
        let range = |partition, first| OffsetRange {
            partition,
            first,
            next: reach,
        };
        let read = self.offsets.map(|o| range(o.partition, o.first));
        let known = || self.book.consumed().next();
        read.or_else(|| known().map(|one| range(one.partition, reach)))
    }

    /// Returns a day's hot files in the order of the log.
    fn hot_files(&self, day: CivilDay) -> Vec<ReadingsFile> {
        let files = self.book.day_files(day).filter(|file| file.is_hot());
        let mut hot: Vec<ReadingsFile> = files.cloned().collect();
        hot.sort_by_key(offset_of);
        hot
    }

    /// Collects the unsealed rows of a day.
    async fn load_unsealed(
        &self,
        day: CivilDay,
        rows: Option<DayRows>,
    ) -> Result<UnsealedDay, RunError> {
        let merged = match rows {
            Some(rows) => merge_rows(rows, &self.keys, self.reach()).await?,
            None => Merged::default(),
        };
        let hot = self.hot_files(day);
        Ok(UnsealedDay {
            day,
            hot,
            outlines: Vec::new(),
            merged,
        })
    }

    /// Returns the chunks in which a day is sealed, so that at most [`Self::seal_rows`] rows are in memory at once: one
    /// chunk if the day has no more rows. An enterprise is never divided.
    async fn chunks(&self, unsealed: &mut UnsealedDay) -> Result<Vec<SealChunk>, RunError> {
        let sealed = self.book.day_files(unsealed.day);
        let rows_max =
            sealed.map(|file| file.rows).sum::<u64>() + unsealed.merged.rows.len() as u64;
        if rows_max <= self.seal_rows {
            return Ok(vec![SealChunk::whole(rows_max)]);
        }
        let mut rows: BTreeMap<EnterpriseId, u64> = BTreeMap::new();
        for file in &unsealed.hot {
            let outline = self.book.outline(file).await?;
            for (enterprise, count) in outline.runs() {
                *rows.entry(enterprise.clone()).or_default() += count as u64;
            }
            unsealed.outlines.push(Arc::new(outline));
        }
        for (enterprise, count) in unsealed.merged.rows.count_enterprises() {
            *rows.entry(enterprise.clone()).or_default() += count as u64;
        }
        for file in self.book.day_files(unsealed.day) {
            if let Some(rows) = file.sealed().and_then(|(of, _)| rows.get_mut(of)) {
                *rows += file.rows;
            }
        }
        Ok(chunks_of(rows, self.seal_rows))
    }

    /// Loads all rows of a chunk of a day, in the order of the log.
    async fn load_chunk(
        &self,
        unsealed: &mut UnsealedDay,
        chunk: &SealChunk,
    ) -> Result<DayToSeal, RunError> {
        let mut parts = Vec::with_capacity(unsealed.hot.len() + 1);
        for (at, file) in unsealed.hot.iter().enumerate() {
            parts.push(match &chunk.between {
                None => self.book.read(file).await?,
                Some((first, last)) => {
                    let outline = &unsealed.outlines[at];
                    self.book.read_between(file, outline, first, last).await?
                }
            });
        }
        parts.push(match &chunk.between {
            None => std::mem::take(&mut unsealed.merged.rows),
            Some((first, last)) => unsealed.merged.rows.select_between(first, last),
        });
        parts.retain(|rows| !rows.is_empty());
        let enterprises: BTreeSet<&EnterpriseId> =
            parts.iter().flat_map(ReadingRows::enterprises).collect();
        let mut sealed = BTreeMap::new();
        for file in self.book.day_files(unsealed.day) {
            let FileKind::Sealed { enterprise, .. } = &file.kind else {
                continue;
            };
            if enterprises.contains(enterprise) {
                let rows = self.book.read(file).await?;
                sealed.insert(enterprise.clone(), (file.clone(), rows));
            }
        }
        // Hot files are removed with the last chunk, in the commit of the whole day.
        let (hot, duplicates, conflicts) = match chunk.is_last {
            true => {
                let Merged {
                    duplicates,
                    conflicts,
                    ..
                } = unsealed.merged;
                (unsealed.hot.clone(), duplicates, conflicts)
            }
            false => (Vec::new(), 0, 0),
        };
        Ok(DayToSeal {
            day: unsealed.day,
            parts,
            hot,
            sealed,
            offsets: self.sealed_offsets(),
            duplicates,
            conflicts,
        })
    }

    async fn seal(&self, days: Vec<DayToSeal>) -> Result<Vec<SealedDay>, RunError> {
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let began = tokio::time::Instant::now();
        let (park, meters) = (self.park.clone(), Arc::clone(&self.meters));
        let sealed = tokio::task::spawn_blocking(move || seal_days(&park, &meters, days))
            .await
            .map_err(RunError::worker)??;
        self.metrics.steps.end(Step::Seal, began);
        for day in &sealed {
            self.metrics.duplicates.inc_by(day.duplicates);
            self.metrics.conflicts.inc_by(day.conflicts);
            self.metrics.sealed.inc_by(day.add.len() as u64);
        }
        Ok(sealed)
    }

    /// Adds a hot file for each day, and merges it with older ones if there are many.
    async fn add_hot(
        &self,
        change: &mut Change,
        days: Vec<(CivilDay, DayRows)>,
    ) -> Result<(), RunError> {
        let Some(offsets) = self.offsets else {
            return Ok(());
        };
        for (day, rows) in days {
            let mut merged = merge_rows(rows, &self.keys, self.reach()).await?;
            let mut hot = self.hot_files(day);
            let sizes: Vec<u64> = hot.iter().map(|f| f.rows).collect();
            let count = files_to_merge(&sizes, merged.rows.len() as u64, self.seal_rows);
            let older = hot.split_off(hot.len() - count);
            if !older.is_empty() {
                merged = self.merge_older(&older, merged).await?;
            }
            // After a kill the log is read again from the group's offset. Rows that the book has are skipped, and new
            // rows must be ordered after the files that hold them.
            let consumed = self.book.next_offset(offsets.partition).unwrap_or(0);
            let first = offsets.first.max(consumed);
            let facts = FileFacts {
                park: self.park.clone(),
                day,
                kind: FileKind::Hot {
                    partition: offsets.partition,
                    offset: first,
                },
                offsets: Some(OffsetRange {
                    partition: offsets.partition,
                    first,
                    next: self.reach(),
                }),
            };
            let encoded = encode_readings(&merged.rows, &facts)?;
            self.metrics.duplicates.inc_by(merged.duplicates);
            self.metrics.conflicts.inc_by(merged.conflicts);
            self.metrics.hot_files.inc();
            change.add.push(NewFile {
                day,
                kind: facts.kind,
                encoded,
            });
            change.remove.extend(older);
        }
        Ok(())
    }

    async fn merge_older(&self, older: &[ReadingsFile], new: Merged) -> Result<Merged, RunError> {
        let mut parts = Vec::with_capacity(older.len() + 1);
        for file in older {
            parts.push(self.book.read(file).await?);
        }
        parts.push(new.rows);
        let mut merged = ReadingRows::merge(&parts.iter().collect::<Vec<_>>());
        merged.duplicates += new.duplicates;
        merged.conflicts += new.conflicts;
        Ok(merged)
    }

    async fn commit(&mut self, change: Change) -> Result<(), RunError> {
        let nothing = change.add.is_empty() && change.written.is_empty();
        if nothing && change.remove.is_empty() && change.totals.is_empty() {
            return Ok(());
        }
        let began = tokio::time::Instant::now();
        let _published = self.book.publish(change).await?;
        self.metrics.steps.end(Step::Commit, began);
        self.metrics.commits.inc();
        Ok(())
    }
}

/// The unsealed rows of a day: its hot files in the order of the log, and the rows buffered after them.
#[derive(Debug)]
struct UnsealedDay {
    day: CivilDay,
    hot: Vec<ReadingsFile>,
    /// Outline of each hot file, if the day is sealed in several chunks.
    outlines: Vec<Arc<Outline>>,
    merged: Merged,
}

async fn merge_rows(
    rows: DayRows,
    keys: &Arc<Vec<SeriesKey>>,
    until: u64,
) -> Result<Merged, RunError> {
    if rows.len() < 50_000 {
        return Ok(rows.merge(keys, until));
    }
    let keys = Arc::clone(keys);
    tokio::task::spawn_blocking(move || rows.merge(&keys, until))
        .await
        .map_err(RunError::worker)
}

fn add_sealed(change: &mut Change, sealed: Vec<SealedDay>) {
    for day in sealed {
        change.add.extend(day.add);
        change.remove.extend(day.remove);
        change.totals.extend(day.totals);
    }
}
