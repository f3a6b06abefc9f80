//! Seals a day: merges its rows into one file per enterprise and computes the totals. Pure.

use std::collections::BTreeMap;

use greenpark_archive::{
    book::NewFile,
    columns::{EncodeError, FileFacts, encode_readings},
    file::{FileKind, ReadingsFile},
    meters::Meters,
    rows::{ReadingRows, SeriesKey},
    totals::TotalsRow,
};
use greenpark_model::{
    day::CivilDay,
    fold::fold_day,
    id::{EnterpriseId, ParkId},
    log_position::OffsetRange,
};

/// A day to seal, or a chunk of its enterprises, with all its rows.
#[derive(Debug)]
pub(crate) struct DayToSeal {
    pub(crate) day: CivilDay,
    /// Rows in the order of the log: hot files by offset, then the buffered rows.
    pub(crate) parts: Vec<ReadingRows>,
    /// The hot files that the sealed files replace; empty unless this is the last chunk of the day.
    pub(crate) hot: Vec<ReadingsFile>,
    /// The sealed files in force, of the enterprises that have new rows.
    pub(crate) sealed: BTreeMap<EnterpriseId, (ReadingsFile, ReadingRows)>,
    /// Partition, first and next offset of the records in the sealed files.
    pub(crate) offsets: Option<OffsetRange>,
    /// Repeats and conflicts already found among the buffered rows.
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
}

impl DayToSeal {
    /// Returns the number of its rows in memory.
    pub(crate) fn rows(&self) -> u64 {
        let sealed = self.sealed.values().map(|(_, rows)| rows.len());
        self.parts
            .iter()
            .map(ReadingRows::len)
            .chain(sealed)
            .sum::<usize>() as u64
    }
}

/// The result of sealing a day.
#[derive(Debug, Default)]
pub(crate) struct SealedDay {
    pub(crate) add: Vec<NewFile>,
    pub(crate) remove: Vec<ReadingsFile>,
    pub(crate) totals: Vec<TotalsRow>,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
}

/// Seals one day. An enterprise whose new rows are all repeats of sealed rows keeps its file and its revision; its
/// totals count the repeats.
pub(crate) fn seal_day(
    park: &ParkId,
    meters: &Meters,
    to_seal: DayToSeal,
) -> Result<SealedDay, EncodeError> {
    let mut sealed = SealedDay {
        remove: to_seal.hot,
        ..SealedDay::default()
    };
    sealed.duplicates = to_seal.duplicates;
    sealed.conflicts = to_seal.conflicts;
    let parts: Vec<&ReadingRows> = to_seal.parts.iter().collect();
    let merged = ReadingRows::merge(&parts);
    sealed.duplicates += merged.duplicates;
    sealed.conflicts += merged.conflicts;
    let mut in_force = to_seal.sealed;
    for enterprise in merged.rows.enterprises() {
        let fresh = || merged.rows.select_enterprise(enterprise);
        let old = in_force.remove(enterprise);
        let revision = old.as_ref().map_or(0, |(file, _)| revision_of(file));
        let (conflicts, mut rows) = match &old {
            None => (0, fresh()),
            Some((file, before)) => {
                let fresh = match is_read_again(&parts, before) {
                    true => unsealed(&parts, before).select_enterprise(enterprise),
                    false => fresh(),
                };
                let both = ReadingRows::merge(&[before, &fresh]);
                sealed.duplicates += both.duplicates;
                if both.rows.are_those_of(before) {
                    let repeats = repeats_of(&both.rows, before, file);
                    sealed.totals.extend(repeats);
                    continue;
                }
                (both.conflicts, both.rows)
            }
        };
        sealed.conflicts += conflicts;
        // All earlier rows are merged here, so the place of every reading is final.
        rows.again.clear();
        let facts = FileFacts {
            park: park.clone(),
            day: to_seal.day,
            kind: FileKind::Sealed {
                enterprise: enterprise.clone(),
                revision: revision + 1,
            },
            offsets: to_seal.offsets,
        };
        let encoded = encode_readings(&rows, &facts)?;
        let file = NewFile {
            day: facts.day,
            kind: facts.kind,
            encoded,
        };
        sealed.totals.extend(totals_of(
            meters,
            &rows,
            file.day,
            revision + 1,
            file.encoded.sha256,
        ));
        sealed.add.push(file);
        sealed.remove.extend(old.map(|(file, _)| file));
    }
    Ok(sealed)
}

/// Returns true if one of `parts` has only records that the sealed rows have: a flush was interrupted between two of
/// its commits, and its records are read again.
fn is_read_again(parts: &[&ReadingRows], sealed: &ReadingRows) -> bool {
    parts.iter().any(|part| is_sealed(part, sealed))
}

fn is_sealed(part: &ReadingRows, sealed: &ReadingRows) -> bool {
    part.until > 0 && part.until <= sealed.until
}

/// Returns the rows of those `parts` that may have records not in the sealed rows.
fn unsealed(parts: &[&ReadingRows], sealed: &ReadingRows) -> ReadingRows {
    let rest: Vec<&ReadingRows> = parts
        .iter()
        .copied()
        .filter(|part| !is_sealed(part, sealed))
        .collect();
    ReadingRows::merge(&rest).rows
}

/// Returns the repeats that came after `file` was sealed, as separate totals rows.
fn repeats_of(both: &ReadingRows, sealed: &ReadingRows, file: &ReadingsFile) -> Vec<TotalsRow> {
    let revision = revision_of(file);
    let each = both.keys.iter().enumerate().filter_map(|(at, key)| {
        let many = both.repeats_of(at).saturating_sub(sealed.repeats_of(at));
        (many > 0).then(|| {
            let SeriesKey { enterprise, series } = key.clone();
            TotalsRow::repeats(enterprise, series, (file.day, revision), many)
        })
    });
    each.collect()
}

/// Returns the totals of the rows of a sealed file with hash `sha256`.
fn totals_of(
    meters: &Meters,
    rows: &ReadingRows,
    day: CivilDay,
    revision: u32,
    sha256: [u8; 32],
) -> Vec<TotalsRow> {
    let saturated = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
    let spans = rows.spans().enumerate();
    spans
        .map(|(at, (key, span))| {
            let late = saturated(rows.late_in(span.clone()).count());
            let columns = rows.columns(span);
            let SeriesKey { enterprise, series } = key.clone();
            let profile = meters.traits(&enterprise, &series).on(day);
            let fold = fold_day(series.kind, &profile, columns);
            let conflicts = saturated(columns.superseded.iter().filter(|&&s| s).count());
            let rules = profile.rules(series.kind).into();
            TotalsRow {
                enterprise,
                series,
                day,
                revision,
                sha256,
                rules,
                fold,
                duplicates: rows.repeats_of(at),
                conflicts,
                late,
            }
        })
        .collect()
}

/// Returns the revision of a sealed file; 0 for a hot file.
pub(crate) fn revision_of(file: &ReadingsFile) -> u32 {
    file.sealed().map_or(0, |(_, revision)| revision)
}

/// Returns the first log offset of a hot file; `None` for a sealed file.
pub(crate) fn offset_of(file: &ReadingsFile) -> Option<u64> {
    match file.kind {
        FileKind::Hot { offset, .. } => Some(offset),
        FileKind::Sealed { .. } => None,
    }
}

/// Seals days, on all cores if there are many.
pub(crate) fn seal_days(
    park: &ParkId,
    meters: &Meters,
    days: Vec<DayToSeal>,
) -> Result<Vec<SealedDay>, EncodeError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if days.len() < 2 * cores {
        return days
            .into_iter()
            .map(|day| seal_day(park, meters, day))
            .collect();
    }
    let share = days.len().div_ceil(cores);
    let mut shares: Vec<Vec<DayToSeal>> = Vec::with_capacity(cores);
    let mut days = days.into_iter().peekable();
    while days.peek().is_some() {
        shares.push(days.by_ref().take(share).collect());
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|share| {
                scope.spawn(move || {
                    share
                        .into_iter()
                        .map(|day| seal_day(park, meters, day))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(sealed) => sealed,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}
