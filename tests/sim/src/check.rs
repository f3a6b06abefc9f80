//! Whether the lake keeps its promises: as a running system sees it, and as the worst power cut would
//! leave it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use greenpark_archive::{
    columns::decode_readings,
    file::{FileKind, ReadingsFile},
    lake::Lake,
    rollups::decode_rollups,
    rows::ReadingRows,
    snapshot::Snapshot,
    totals::{TotalsRow, decode_totals},
};
use greenpark_model::{day::CivilDay, id::EnterpriseId, reading::Kind};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
use sha2::{Digest as _, Sha256};

use crate::{
    oracle::{ByPark, Id, Oracle, holds},
    violation::Violation,
};

/// One side of the disk, and what is known of it.
#[derive(Debug)]
pub(crate) struct Eye {
    lake: Lake,
    store: Arc<InMemory>,
    digests: HashMap<String, [u8; 32]>,
    readings: HashMap<String, Arc<ReadingRows>>,
    totals: HashMap<String, Arc<Vec<TotalsRow>>>,
}

/// What a look brought.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Readings in effect.
    pub(crate) readings: BTreeSet<Id>,
    /// Of these, the ones in sealed files, with the value that counts and whether it came late.
    pub(crate) sealed: BTreeMap<Id, (i64, bool)>,
    /// Readings of sealed files and repeats that their totals count, by meter and day.
    pub(crate) accounted: BTreeMap<(String, CivilDay), u64>,
    pub(crate) hot_files: usize,
    /// Numbered messages that the lake knows.
    pub(crate) messages: ByPark,
}

fn broken(promise: &'static str) -> impl Fn(&dyn std::error::Error) -> Violation {
    move |error| {
        let mut what = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            what = format!("{what}: {inner}");
            source = inner.source();
        }
        Violation::new(promise, what)
    }
}

impl Eye {
    pub(crate) fn new(store: Arc<InMemory>) -> Self {
        Self {
            lake: Lake::over(Arc::clone(&store) as _),
            store,
            digests: HashMap::new(),
            readings: HashMap::new(),
            totals: HashMap::new(),
        }
    }

    /// After a power cut what was only written may be gone: states that were seen may never have been.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(Arc::clone(&self.store));
    }

    /// Looks at every book.
    pub(crate) async fn look(&mut self, oracle: &Oracle) -> Result<Seen, Violation> {
        let fail = broken("the lake can be read");
        let mut seen = Seen::default();
        for park in self.lake.parks().await.map_err(|e| fail(&e))? {
            let messages = self.lake.messages(&park).read().await;
            let messages = messages.map_err(|e| fail(&e))?;
            seen.messages.insert(park.clone(), messages);
            for year in self.lake.years(&park).await.map_err(|e| fail(&e))? {
                let snapshot = self.lake.snapshot(&park, year).await;
                if let Some(book) = snapshot.map_err(|e| fail(&e))? {
                    self.look_at(&book, oracle, &mut seen).await?;
                }
            }
        }
        if !holds(&oracle.numbered, &seen.messages) {
            let what = format!("the lake has {:?}", seen.messages);
            return Err(Violation::new("a message of the lake is in the log", what));
        }
        Ok(seen)
    }

    async fn look_at(
        &mut self,
        book: &Snapshot,
        oracle: &Oracle,
        seen: &mut Seen,
    ) -> Result<(), Violation> {
        let mut totals: Vec<Arc<Vec<TotalsRow>>> = Vec::new();
        for file in &book.totals_files {
            let path = format!("{}/{}", book.totals_root(), file.path);
            totals.push(self.totals_of(&path).await?);
        }
        let mut sealed: BTreeSet<(CivilDay, EnterpriseId)> = BTreeSet::new();
        for file in &book.files {
            let path = format!("{}/{}", book.readings_root(), file.path);
            let (digest, rows) = self.rows_of(&path).await?;
            let counting = check_rows(&path, &rows, oracle)?;
            match &file.kind {
                FileKind::Hot { .. } => seen.hot_files += 1,
                FileKind::Sealed { enterprise, .. } => {
                    if !sealed.insert((file.day, enterprise.clone())) {
                        let what = format!("two sealed files of {enterprise} on {}", file.day);
                        return Err(Violation::new("I3 counted at most once", what));
                    }
                    let of_file = totals.iter().flat_map(|rows| rows.iter());
                    let of_file = of_file.filter(|row| row.sha256 == digest);
                    check_totals(&path, &rows, of_file.clone())?;
                    for (key, span) in rows.spans() {
                        let of_day = (key.series.meter.to_string(), file.day);
                        *seen.accounted.entry(of_day).or_insert(0) += span.len() as u64;
                    }
                    for row in of_file {
                        let of_day = (row.series.meter.to_string(), file.day);
                        let repeats = u64::from(row.duplicates);
                        *seen.accounted.entry(of_day).or_insert(0) += repeats;
                    }
                    seen.sealed.extend(&counting);
                }
            }
            seen.readings.extend(counting.into_keys());
        }
        for row in totals.iter().flat_map(|rows| rows.iter()) {
            if row.is_repeats() {
                let of_day = (row.series.meter.to_string(), row.day);
                *seen.accounted.entry(of_day).or_insert(0) += u64::from(row.duplicates);
            }
        }
        self.look_at_rollups(book, &totals).await
    }

    /// The rollups of a book have every day whose totals were sealed up to the seal that they name, as its total in
    /// force has it. `totals` are those of each file of the book.
    async fn look_at_rollups(
        &mut self,
        book: &Snapshot,
        totals: &[Arc<Vec<TotalsRow>>],
    ) -> Result<(), Violation> {
        let mut rolled = HashMap::new();
        for file in &book.rollups_files {
            let path = format!("{}/{}", book.rollups_root(), file.path);
            let (bytes, _) = self.bytes(&path).await?;
            let rollups = decode_rollups(bytes);
            let rollups = rollups.map_err(|e| broken("a published file is whole")(&e))?;
            for rollup in rollups {
                for (fold, of) in rollup.days() {
                    let key = (rollup.enterprise.clone(), rollup.series.clone(), of.day);
                    rolled.insert(key, (of.revision, fold));
                }
            }
        }
        let files = book.totals_files.iter().zip(totals);
        let files = files.filter(|(file, _)| file.seal <= book.rolled_up);
        for row in files.flat_map(|(_, rows)| rows.iter()) {
            if row.is_repeats()
                || book.sealed_revision(row.day, &row.enterprise) != Some(row.revision)
            {
                continue;
            }
            let key = (row.enterprise.clone(), row.series.clone(), row.day);
            let has = rolled.get(&key);
            if has.is_none_or(|(revision, fold)| *revision != row.revision || *fold != row.fold) {
                let what = format!(
                    "{} of {} on {}: {has:?}",
                    row.series.meter, row.enterprise, row.day
                );
                return Err(Violation::new("rollups are what their totals are", what));
            }
        }
        let mut revisions = BTreeMap::new();
        for ((enterprise, _, day), (revision, _)) in rolled {
            let known = revisions.entry((enterprise, day)).or_insert(0);
            *known = revision.max(*known);
        }
        self.look_in_brief(book, revisions).await
    }

    /// A snapshot in brief has what the whole one has, with the days that rollups tell of; `revisions` are those.
    async fn look_in_brief(
        &self,
        whole: &Snapshot,
        mut revisions: BTreeMap<(EnterpriseId, CivilDay), u32>,
    ) -> Result<(), Violation> {
        let fail = broken("a book can be read in brief");
        let brief = self.lake.brief(&whole.park, whole.year).await;
        let Some(brief) = brief.map_err(|e| fail(&e))?.filter(|of| of.is_brief()) else {
            return Ok(());
        };
        let sealed = |of: &ReadingsFile| {
            let (enterprise, revision) = of.sealed()?;
            Some(((enterprise.clone(), of.day), revision))
        };
        revisions.extend(brief.files.iter().filter_map(sealed));
        let all: BTreeMap<_, _> = whole.files.iter().filter_map(sealed).collect();
        let hot = |of: &Snapshot| -> Vec<ReadingsFile> {
            let hot = of.files.iter().filter(|file| file.is_hot());
            hot.cloned().collect()
        };
        if revisions != all || hot(&brief) != hot(whole) {
            let what = format!("{brief:?} with {revisions:?}, and {all:?}");
            return Err(Violation::new("a book in brief is the whole book", what));
        }
        Ok(())
    }

    /// The bytes of a published file, which never change.
    async fn bytes(&mut self, path: &str) -> Result<(Bytes, [u8; 32]), Violation> {
        let fail = broken("a published file is there");
        let got = self.store.get(&Path::from(path)).await;
        let bytes = got.map_err(|e| fail(&e))?.bytes().await;
        let bytes = bytes.map_err(|e| fail(&e))?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let known = self.digests.entry(path.to_owned()).or_insert(digest);
        if *known != digest {
            let what = format!("{path} has other bytes than before");
            return Err(Violation::new("I8 a published file never changes", what));
        }
        Ok((bytes, digest))
    }

    async fn rows_of(&mut self, path: &str) -> Result<([u8; 32], Arc<ReadingRows>), Violation> {
        let (bytes, digest) = self.bytes(path).await?;
        if let Some(rows) = self.readings.get(path) {
            return Ok((digest, Arc::clone(rows)));
        }
        let rows = decode_readings(bytes).map_err(|e| broken("a published file is whole")(&e))?;
        let rows = Arc::new(rows);
        self.readings.insert(path.to_owned(), Arc::clone(&rows));
        Ok((digest, rows))
    }

    async fn totals_of(&mut self, path: &str) -> Result<Arc<Vec<TotalsRow>>, Violation> {
        let (bytes, _) = self.bytes(path).await?;
        if let Some(rows) = self.totals.get(path) {
            return Ok(Arc::clone(rows));
        }
        let rows = decode_totals(bytes).map_err(|e| broken("a published file is whole")(&e))?;
        let rows = Arc::new(rows);
        self.totals.insert(path.to_owned(), Arc::clone(&rows));
        Ok(rows)
    }
}

/// The readings of a file that count, each of which was sent as it stands, and counts once. Only what was
/// corrected may be there and not count.
fn check_rows(
    path: &str,
    rows: &ReadingRows,
    oracle: &Oracle,
) -> Result<BTreeMap<Id, (i64, bool)>, Violation> {
    let mut counting = BTreeMap::new();
    for at in 0..rows.len() {
        let meter = rows.keys[rows.series[at] as usize].series.meter.as_str();
        let (value, superseded) = (rows.values[at], rows.superseded[at]);
        let id = Id::of(meter, rows.instants[at], rows.ticket(at));
        let late = rows.late(at);
        let gateway = |id: Id| format!("g{}", id.gateway);
        let id = id.filter(|id| late.is_none_or(|late| late.gateway.as_str() == gateway(*id)));
        let sent = id.filter(|&id| oracle.was_sent((id, value)));
        match sent.filter(|&id| !superseded || oracle.is_corrected(id)) {
            Some(_) if superseded => {}
            Some(id) if counting.insert(id, (value, late.is_some())).is_none() => {}
            Some(_) => {
                let what = format!("{path} holds a reading twice");
                return Err(Violation::new("I3 counted at most once", what));
            }
            None => {
                let what = format!("{path} holds {meter} at {}", rows.instants[at]);
                return Err(Violation::new("phantom", what));
            }
        }
    }
    Ok(counting)
}

/// The totals of a sealed file say what its rows say.
fn check_totals<'a>(
    path: &str,
    rows: &ReadingRows,
    totals: impl Iterator<Item = &'a TotalsRow>,
) -> Result<(), Violation> {
    // Of what is no amount, how many there are: its sum has no meaning.
    let adds = |kind: Kind| matches!(kind, Kind::Interval | Kind::Event);
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for at in 0..rows.len() {
        if rows.superseded[at] {
            continue;
        }
        let series = &rows.keys[rows.series[at] as usize].series;
        let sum = sums.entry(series.meter.as_str()).or_insert(0);
        *sum += match adds(series.kind) {
            true => i128::from(rows.values[at]),
            false => 1,
        };
    }
    let mut told: BTreeMap<&str, i128> = BTreeMap::new();
    for row in totals {
        *told.entry(row.series.meter.as_str()).or_insert(0) += match adds(row.series.kind) {
            true => row.fold.within.0,
            false => i128::from(row.fold.readings),
        };
    }
    if sums != told {
        let what = format!("{path}: rows {sums:x?}, totals {told:x?}");
        return Err(Violation::new("totals are the sum of their rows", what));
    }
    Ok(())
}
