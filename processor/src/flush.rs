//! A flush of one park: everything that waits becomes files, each day hot or sealed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_archive::{
    book::{Book, Change, Consumed, NewFile},
    columns::{FileFacts, Outline, encode_readings},
    file::{FileKind, ReadingsFile},
    meters::Meters,
    rows::{Merged, Rows, SeriesKey},
    written::Commits,
};
use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, ParkId},
};

use crate::{
    buffer::DayRows,
    error::RunError,
    hot::files_to_merge,
    metrics::{Metrics, Step},
    portion::{Portion, portions_of},
    seal::{DayToSeal, SealedDay, offset_of, seal_days},
};

/// Offsets of one partition that a flush covers: from `first` up to, not including, `next`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets {
    pub(crate) partition: u32,
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// Everything before it is in the lake.
    pub(crate) since: u64,
    /// The fingerprint of the last record.
    pub(crate) last: Option<u64>,
    /// When the log took the newest record, but no later than that was read.
    pub(crate) taken: Option<Instant>,
    /// What makes an offset of the log one of the lake; the others are of the lake.
    pub(crate) shift: u64,
}

/// One book's share of a flush.
#[derive(Debug)]
pub(crate) struct BookFlush<'a> {
    pub(crate) park: &'a ParkId,
    pub(crate) book: &'a mut Book,
    pub(crate) keys: Arc<Vec<SeriesKey>>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) offsets: Option<Offsets>,
    pub(crate) metrics: &'a Metrics,
    /// Rows that are put together at once.
    pub(crate) seal_rows: u64,
    /// The commits of the partition's other tables.
    pub(crate) commits_beside: Commits,
}

/// The days of a book's flush, told apart.
#[derive(Debug, Default)]
pub(crate) struct Days {
    /// Over and settled: with the rows that are buffered for them, if any.
    pub(crate) seal: Vec<(CivilDay, Option<DayRows>)>,
    /// Still open, or not settled.
    pub(crate) hot: Vec<(CivilDay, DayRows)>,
}

impl BookFlush<'_> {
    /// Makes the files and publishes them. Settled days go first, each whole: what of one does not fit into memory is
    /// written ahead of its commit, so that no reader finds a reading sealed and hot at once. The last commit carries
    /// the hot files and the consumed offset. A crash between two commits repeats rows that are sealed already, and
    /// sealing drops repeats.
    pub(crate) async fn publish(mut self, days: Days) -> Result<(), RunError> {
        let (mut open, mut change) = (Vec::new(), Change::default());
        let mut rows = 0;
        for (day, buffered) in days.seal {
            let mut fresh = self.fresh(day, buffered).await?;
            for portion in self.portions(&mut fresh).await? {
                // Before the next one, so that the last commit has one: it carries the offset.
                if rows > 0 && rows + portion.rows > self.seal_rows {
                    let sealed = self.seal(std::mem::take(&mut open)).await?;
                    add_sealed(&mut change, sealed);
                    if portion.is_first {
                        self.commit(std::mem::take(&mut change)).await?;
                    } else {
                        let files = std::mem::take(&mut change.add);
                        change.written.extend(self.book.write_ahead(files).await?);
                    }
                    rows = 0;
                }
                let to_seal = self.gather(&mut fresh, &portion).await?;
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
            taken: o.taken,
            shift: o.shift,
            copies_until: None,
        });
        change.commits_beside = std::mem::take(&mut self.commits_beside);
        self.commit(change).await
    }

    /// The first offset of which the book's files say nothing once this flush is in it.
    fn reach(&self) -> u64 {
        let consumed = self.book.consumed().map(|one| one.next_offset).max();
        let read = self.offsets.map_or(0, |offsets| offsets.next);
        consumed.unwrap_or(0).max(read)
    }

    /// Where the readings of a sealed file come from: all records up to [`Self::reach`].
    fn sealed_offsets(&self) -> Option<(u32, u64, u64)> {
        let reach = self.reach();
        let read = self.offsets.map(|o| (o.partition, o.first, reach));
        let known = || self.book.consumed().next();
        read.or_else(|| known().map(|one| (one.partition, reach, reach)))
    }

    /// A day's hot files in the order of the log.
    fn hot_files(&self, day: CivilDay) -> Vec<ReadingsFile> {
        let files = self.book.day_files(day).filter(|file| file.is_hot());
        let mut hot: Vec<ReadingsFile> = files.cloned().collect();
        hot.sort_by_key(offset_of);
        hot
    }

    /// What a day has that is not sealed.
    async fn fresh(&self, day: CivilDay, rows: Option<DayRows>) -> Result<Fresh, RunError> {
        let merged = match rows {
            Some(rows) => merge_rows(rows, &self.keys, self.reach()).await?,
            None => Merged::default(),
        };
        let hot = self.hot_files(day);
        Ok(Fresh {
            day,
            hot,
            outlines: Vec::new(),
            merged,
        })
    }

    /// The portions in which a day is sealed, so that no more than [`Self::seal_rows`] are in memory at
    /// once: the whole day if it has no more. An enterprise is not divided.
    async fn portions(&self, fresh: &mut Fresh) -> Result<Vec<Portion>, RunError> {
        let sealed = self.book.day_files(fresh.day);
        let most = sealed.map(|file| file.rows).sum::<u64>() + fresh.merged.rows.len() as u64;
        if most <= self.seal_rows {
            return Ok(vec![Portion::whole(most)]);
        }
        let mut rows: BTreeMap<EnterpriseId, u64> = BTreeMap::new();
        for file in &fresh.hot {
            let outline = self.book.outline(file).await?;
            for (enterprise, count) in outline.runs() {
                *rows.entry(enterprise.clone()).or_default() += count as u64;
            }
            fresh.outlines.push(Arc::new(outline));
        }
        for (enterprise, count) in fresh.merged.rows.count_enterprises() {
            *rows.entry(enterprise.clone()).or_default() += count as u64;
        }
        for file in self.book.day_files(fresh.day) {
            if let Some(rows) = file.sealed().and_then(|(of, _)| rows.get_mut(of)) {
                *rows += file.rows;
            }
        }
        Ok(portions_of(rows, self.seal_rows))
    }

    /// Everything that is known of a portion of a day, in the order of the log.
    async fn gather(&self, fresh: &mut Fresh, portion: &Portion) -> Result<DayToSeal, RunError> {
        let mut parts = Vec::with_capacity(fresh.hot.len() + 1);
        for (at, file) in fresh.hot.iter().enumerate() {
            parts.push(match &portion.between {
                None => self.book.read(file).await?,
                Some((first, last)) => {
                    let outline = &fresh.outlines[at];
                    self.book.read_between(file, outline, first, last).await?
                }
            });
        }
        parts.push(match &portion.between {
            None => std::mem::take(&mut fresh.merged.rows),
            Some((first, last)) => fresh.merged.rows.select_between(first, last),
        });
        parts.retain(|rows| !rows.is_empty());
        let enterprises: BTreeSet<&EnterpriseId> =
            parts.iter().flat_map(Rows::enterprises).collect();
        let mut sealed = BTreeMap::new();
        for file in self.book.day_files(fresh.day) {
            let FileKind::Sealed { enterprise, .. } = &file.kind else {
                continue;
            };
            if enterprises.contains(enterprise) {
                let rows = self.book.read(file).await?;
                sealed.insert(enterprise.clone(), (file.clone(), rows));
            }
        }
        // Hot files go with the last portion, in the commit of the whole day.
        let (hot, duplicates, conflicts) = match portion.is_last {
            true => {
                let Merged {
                    duplicates,
                    conflicts,
                    ..
                } = fresh.merged;
                (fresh.hot.clone(), duplicates, conflicts)
            }
            false => (Vec::new(), 0, 0),
        };
        Ok(DayToSeal {
            day: fresh.day,
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
        let began = std::time::Instant::now();
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

    /// Adds a hot file for each day, merging those that have piled up.
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
            let mut piled = self.hot_files(day);
            let sizes: Vec<u64> = piled.iter().map(|f| f.rows).collect();
            let count = files_to_merge(&sizes, merged.rows.len() as u64, self.seal_rows);
            let along = piled.split_off(piled.len() - count);
            if !along.is_empty() {
                merged = self.merge_along(&along, merged).await?;
            }
            // After a kill the log comes again from the group's offset; the rows that the book has are
            // passed over, and what is new must stand behind the files that hold them.
            let consumed = self.book.next_offset(offsets.partition).unwrap_or(0);
            let first = offsets.first.max(consumed);
            let facts = FileFacts {
                park: self.park.clone(),
                day,
                kind: FileKind::Hot {
                    partition: offsets.partition,
                    offset: first,
                },
                offsets: Some((offsets.partition, first, self.reach())),
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
            change.remove.extend(along);
        }
        Ok(())
    }

    async fn merge_along(&self, along: &[ReadingsFile], new: Merged) -> Result<Merged, RunError> {
        let mut parts = Vec::with_capacity(along.len() + 1);
        for file in along {
            parts.push(self.book.read(file).await?);
        }
        parts.push(new.rows);
        let mut merged = Rows::merge(&parts.iter().collect::<Vec<_>>());
        merged.duplicates += new.duplicates;
        merged.conflicts += new.conflicts;
        Ok(merged)
    }

    async fn commit(&mut self, change: Change) -> Result<(), RunError> {
        let nothing = change.add.is_empty() && change.written.is_empty();
        if nothing && change.remove.is_empty() && change.totals.is_empty() {
            return Ok(());
        }
        let began = std::time::Instant::now();
        let _published = self.book.publish(change).await?;
        self.metrics.steps.end(Step::Commit, began);
        self.metrics.commits.inc();
        Ok(())
    }
}

/// What a day has that is not sealed: its hot files in the order of the log, and what was buffered after them.
#[derive(Debug)]
struct Fresh {
    day: CivilDay,
    hot: Vec<ReadingsFile>,
    /// Whose rows each hot file holds, where the day is sealed in portions.
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

/// Whether a day's end and the grace are over.
pub(crate) fn is_over(day: CivilDay, now: Instant, grace_ms: i64) -> bool {
    now >= over_at(day, grace_ms)
}

/// When a day's end and the grace are over.
pub(crate) fn over_at(day: CivilDay, grace_ms: i64) -> Instant {
    Instant(day.end().0.saturating_add(grace_ms))
}
