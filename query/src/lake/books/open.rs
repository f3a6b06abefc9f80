//! Folds the days that totals do not cover from their rows.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use futures::TryStreamExt as _;
use greenpark_archive::{
    file::{FileKind, ReadingsFile},
    rows::{Merged, ReadingRows, SeriesKey},
    snapshot::Snapshot,
};
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    fold::fold_day,
    id::EnterpriseId,
    log_position::Partition,
};

use crate::{
    error::QueryError,
    lake::{
        books::{
            Books, DayFolds, LateDay, Load, NewestReading, OpenFold,
            assemble::{DaySources, Sealed},
            cached,
        },
        engine::{Engine, Work},
        record_batches::{FileRows, READINGS_COLUMNS},
        snapshot_table::LakeTable,
    },
    limits::{FILES_A_SCAN, OPEN_READINGS_MAX},
    register::registry,
};

/// A day whose rows must be read.
struct Wanted<'a> {
    day: CivilDay,
    hot: Vec<&'a ReadingsFile>,
    /// Readings that are certainly read: those of hot files and of the sealed files of `unfolded`.
    readings: u64,
    /// Readings of all files of the day. Sealed files are read also for enterprises with hot readings.
    readings_max: u64,
    /// Enterprises whose sealed rows are read even without hot readings.
    unfolded: BTreeSet<&'a EnterpriseId>,
    hash: u64,
}

/// Reads the rows of `files`, keyed by the position in `files`.
pub(crate) async fn read_files(
    engine: &Engine,
    snapshot: &Snapshot,
    files: &[&ReadingsFile],
) -> Result<BTreeMap<u32, Merged>, QueryError> {
    let mut rows = FileRows::default();
    if files.is_empty() {
        return Ok(rows.finish());
    }
    let table = LakeTable::readings(files.iter().map(|file| (snapshot, *file)));
    let sql = format!("SELECT {READINGS_COLUMNS} FROM readings");
    let tables = [("readings", table.provider())];
    let mut batches = engine.query(Work::Scan, tables, sql).await?;
    while let Some(batch) = batches.try_next().await? {
        rows.add(&batch)?;
        if rows.readings() > OPEN_READINGS_MAX {
            return Err(QueryError::TooLarge);
        }
    }
    Ok(rows.finish())
}

/// The hot files of a day in the order of the log.
pub(crate) fn hot_in_order(files: &[ReadingsFile]) -> Vec<&ReadingsFile> {
    let mut hot: Vec<&ReadingsFile> = files.iter().filter(|file| file.is_hot()).collect();
    hot.sort_by_key(|file| match file.kind {
        FileKind::Hot { partition, offset } => (partition, offset),
        FileKind::Sealed { .. } => (Partition::FIRST, 0),
    });
    hot
}

impl Books {
    /// Folds every day of the book that totals do not cover.
    pub(super) async fn open_days(
        &self,
        load: Load<'_>,
        sources: DaySources<'_>,
        sealed: &Sealed<'_>,
    ) -> Result<Vec<(CivilDay, Arc<DayFolds>)>, QueryError> {
        let park = load.park;
        let mut days = Vec::new();
        let mut missing = Vec::new();
        for wanted in wanted(load, sealed) {
            match self.cache.get(&cached::Key::Day(park.clone(), wanted.day)) {
                Some(cached::Entry::Day(folds)) if folds.hash == wanted.hash => {
                    days.push((wanted.day, folds));
                }
                _ => missing.push(wanted),
            }
        }
        let duplicates = duplicates_of(sources, sealed, &missing);
        for pass in passes(&missing, self.engine.readings_per_pass()) {
            let readings = pass.iter().map(|wanted| wanted.readings_max).sum();
            let _reserved = self.engine.reserve_fold(readings).await;
            for (day, folds) in self.fold_pass(load, sealed, pass, &duplicates).await? {
                let bytes = folds.folds.len() * size_of::<OpenFold>() + size_of::<DayFolds>();
                let key = cached::Key::Day(park.clone(), day);
                self.cache
                    .insert(key, cached::Entry::Day(Arc::clone(&folds)), bytes);
                days.push((day, folds));
            }
        }
        days.sort_by_key(|(day, _)| *day);
        Ok(days)
    }

    /// Reads and folds the days of one pass. Hot rows come first: they decide whose sealed rows are needed.
    async fn fold_pass(
        &self,
        load: Load<'_>,
        sealed: &Sealed<'_>,
        pass: &[Wanted<'_>],
        duplicates: &HashMap<(SeriesKey, CivilDay), u32>,
    ) -> Result<Vec<(CivilDay, Arc<DayFolds>)>, QueryError> {
        let Load {
            snapshot, registry, ..
        } = load;
        let hot_files: Vec<&ReadingsFile> =
            pass.iter().flat_map(|w| w.hot.iter().copied()).collect();
        let hot = self.read_by_day(snapshot, &hot_files).await?;
        let mut needed: BTreeMap<CivilDay, BTreeSet<EnterpriseId>> = BTreeMap::new();
        for wanted in pass {
            let of_day = needed.entry(wanted.day).or_default();
            of_day.extend(wanted.unfolded.iter().map(|&e| e.clone()));
            for rows in hot.get(&wanted.day).into_iter().flatten() {
                of_day.extend(rows.enterprises().cloned());
            }
        }
        let sealed_files: Vec<&ReadingsFile> = needed
            .iter()
            .flat_map(|(day, of_day)| of_day.iter().filter_map(|e| sealed.file(e, *day)))
            .collect();
        let mut sealed_rows: BTreeMap<CivilDay, Vec<ReadingRows>> = BTreeMap::new();
        for files in sealed_files.chunks(FILES_A_SCAN) {
            for (day, rows) in self.read_by_day(snapshot, files).await? {
                sealed_rows.entry(day).or_default().extend(rows);
            }
        }
        let mut folded = Vec::with_capacity(pass.len());
        for wanted in pass {
            let hot = hot.get(&wanted.day).map_or(&[][..], Vec::as_slice);
            let parts: Vec<&ReadingRows> = sealed_rows
                .get(&wanted.day)
                .into_iter()
                .flatten()
                .chain(hot)
                .collect();
            let read = needed.remove(&wanted.day).unwrap_or_default();
            let sealed_duplicates =
                |key: &SeriesKey| duplicates.get(&(key.clone(), wanted.day)).copied();
            let folds = DayFolds {
                hash: wanted.hash,
                folds: fold_rows(&parts, sealed_duplicates, registry, wanted.day),
                hot: hot
                    .iter()
                    .flat_map(ReadingRows::enterprises)
                    .cloned()
                    .collect(),
                read,
            };
            folded.push((wanted.day, Arc::new(folds)));
        }
        Ok(folded)
    }

    /// Reads the rows of `files` by day; within a day in the given order.
    async fn read_by_day(
        &self,
        snapshot: &Snapshot,
        files: &[&ReadingsFile],
    ) -> Result<BTreeMap<CivilDay, Vec<ReadingRows>>, QueryError> {
        let mut by_day: BTreeMap<CivilDay, Vec<ReadingRows>> = BTreeMap::new();
        let read = read_files(&self.engine, snapshot, files).await?;
        for (file, place) in files.iter().zip(0u32..) {
            let Some(merged) = read.get(&place) else {
                continue;
            };
            self.metrics
                .readings_folded
                .inc_by(merged.rows.len() as u64);
            by_day
                .entry(file.day)
                .or_default()
                .push(merged.rows.clone());
        }
        Ok(by_day)
    }
}

/// The days whose rows must be read, in order.
fn wanted<'a>(load: Load<'a>, sealed: &Sealed<'a>) -> Vec<Wanted<'a>> {
    let Load {
        snapshot, registry, ..
    } = load;
    let hot_days = snapshot
        .files
        .iter()
        .filter(|file| file.is_hot())
        .map(|file| file.day);
    let mut unfolded = sealed.unfolded();
    let days: BTreeSet<CivilDay> = hot_days.chain(unfolded.keys().copied()).collect();
    days.into_iter()
        .map(|day| {
            let files = snapshot.day_files(day);
            let unfolded = unfolded.remove(&day).unwrap_or_default();
            let is_read = |file: &&ReadingsFile| {
                let sealed = file.sealed();
                sealed.is_none_or(|(enterprise, _)| unfolded.contains(enterprise))
            };
            let mut hasher = DefaultHasher::new();
            for file in files {
                file.path.hash(&mut hasher);
            }
            (&unfolded, registry.traits_digest).hash(&mut hasher);
            Wanted {
                day,
                hot: hot_in_order(files),
                readings: files.iter().filter(is_read).map(|file| file.rows).sum(),
                readings_max: files.iter().map(|file| file.rows).sum(),
                unfolded,
                hash: hasher.finish(),
            }
        })
        .collect()
}

/// Cuts days into passes bounded in files and readings; a pass has at least one day.
fn passes<'a, 'b>(days: &'a [Wanted<'b>], readings_per_pass: u64) -> Vec<&'a [Wanted<'b>]> {
    let mut passes = Vec::new();
    let mut rest = days;
    while !rest.is_empty() {
        let (mut files, mut readings) = (0, 0);
        let fits = rest.iter().take_while(|wanted| {
            files += wanted.hot.len() + wanted.unfolded.len();
            readings += wanted.readings;
            files <= FILES_A_SCAN && readings <= readings_per_pass
        });
        let (pass, left) = rest.split_at(fits.count().max(1));
        passes.push(pass);
        rest = left;
    }
    passes
}

/// Duplicates that sealing dropped on the days to read again.
fn duplicates_of(
    sources: DaySources<'_>,
    sealed: &Sealed<'_>,
    days: &[Wanted<'_>],
) -> HashMap<(SeriesKey, CivilDay), u32> {
    let days: BTreeSet<CivilDay> = days.iter().map(|wanted| wanted.day).collect();
    let months = sources.months.iter().flat_map(|month| {
        let of = month.unusual.iter().filter(|of| {
            days.contains(&of.day) && sealed.has(&month.key.enterprise, of.day, of.revision)
        });
        of.map(|of| {
            let many = of.duplicates.saturating_add(of.repeats);
            ((month.key.clone(), of.day), many)
        })
    });
    let totals = sources.totals.iter();
    let totals = totals.filter(|t| days.contains(&t.day) && sealed.counts(t));
    let totals = totals.map(|t| ((t.key.clone(), t.day), t.duplicates));
    months.chain(totals).filter(|(_, many)| *many > 0).collect()
}

/// Folds the rows of one day; `parts` are in the order of the log.
fn fold_rows(
    parts: &[&ReadingRows],
    sealed_duplicates: impl Fn(&SeriesKey) -> Option<u32>,
    registry: &registry::Park,
    day: CivilDay,
) -> Vec<OpenFold> {
    let mut before: HashMap<&SeriesKey, usize> = HashMap::new();
    for (key, span) in parts.iter().flat_map(|rows| rows.spans()) {
        *before.entry(key).or_default() += span.len();
    }
    let merged = ReadingRows::merge(parts);
    merged
        .rows
        .spans()
        .map(|(key, span)| {
            let traits = registry.meters.traits(&key.enterprise, &key.series);
            let columns = merged.rows.columns(span.clone());
            let dropped = before
                .get(key)
                .map_or(0, |&count| count.saturating_sub(span.len()));
            let conflicts = columns.superseded.iter().filter(|s| **s).count();
            let late = LateDay::of(day, (key, &merged.rows, span.clone()), &traits);
            let newest = span.rev().find(|&row| !merged.rows.superseded[row]);
            OpenFold {
                key: key.clone(),
                fold: fold_day(key.series.kind, &traits, columns),
                duplicates: count(dropped).saturating_add(sealed_duplicates(key).unwrap_or(0)),
                conflicts: count(conflicts),
                late,
                newest: newest.and_then(|row| newest_of(&merged.rows, row)),
            }
        })
        .collect()
}

fn newest_of(rows: &ReadingRows, row: usize) -> Option<NewestReading> {
    let value = Amount::from_micro(rows.values[row]).ok()?;
    Some(NewestReading {
        instant: Instant::from_millis(rows.instants[row]),
        value,
        flag: rows.flags[row],
    })
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}
