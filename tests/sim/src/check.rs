//! Checks the promises of the lake: as a running system sees it, and as the worst power cut would leave it.

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
use greenpark_model::{
    clock::Clock,
    day::{CivilDay, Instant},
    id::EnterpriseId,
    reading::Kind,
};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
use sha2::{Digest as _, Sha256};

use crate::{
    oracle::{MessagesByPark, Oracle, ReadingId, holds},
    promise::{BrokenPromise, error_chain},
};

/// The lake on one side of the disk: its files as last read.
#[derive(Debug)]
pub(crate) struct LakeView {
    lake: Lake,
    store: Arc<InMemory>,
    digests: HashMap<String, [u8; 32]>,
    readings: HashMap<String, Arc<ReadingRows>>,
    totals: HashMap<String, Arc<Vec<TotalsRow>>>,
}

/// A meter and a civil day.
pub(crate) type MeterDay = (String, CivilDay);

/// The rows of a meter and day in the sealed files.
#[derive(Debug, Default)]
pub(crate) struct AccountedRows {
    /// Distinct rows in sealed files.
    pub(crate) stored: u64,
    /// Repeats that the totals count.
    pub(crate) repeats: u64,
}

/// The content of the lake.
#[derive(Debug, Default)]
pub(crate) struct LakeContent {
    /// Readings in force.
    pub(crate) readings: BTreeSet<ReadingId>,
    /// The readings among them that are in sealed files, with their value and whether it is marked late.
    pub(crate) sealed: BTreeMap<ReadingId, (i64, bool)>,
    /// Rows of sealed files and the repeats that their totals count.
    pub(crate) accounted: BTreeMap<MeterDay, AccountedRows>,
    pub(crate) hot_files: usize,
    /// Numbered messages that the lake knows.
    pub(crate) messages: MessagesByPark,
}

fn broken(promise: &'static str) -> impl Fn(&dyn std::error::Error) -> BrokenPromise {
    move |error| BrokenPromise::new(promise, error_chain(error))
}

impl LakeView {
    pub(crate) fn new(store: Arc<InMemory>) -> Self {
        Self {
            lake: Lake::over(
                Arc::clone(&store) as _,
                Clock::new(|| Instant::from_millis(0)),
            ),
            store,
            digests: HashMap::new(),
            readings: HashMap::new(),
            totals: HashMap::new(),
        }
    }

    /// Forgets all files. After a power cut unsynced files may be gone, so earlier content proves nothing.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(Arc::clone(&self.store));
    }

    /// Reads and checks every book.
    pub(crate) async fn read(&mut self, oracle: &Oracle) -> Result<LakeContent, BrokenPromise> {
        let fail = broken("the lake can be read");
        let mut content = LakeContent::default();
        for park in self.lake.parks().await.map_err(|e| fail(&e))? {
            let messages = self.lake.messages(&park).read().await;
            let messages = messages.map_err(|e| fail(&e))?;
            content.messages.insert(park.clone(), messages);
            for year in self.lake.years(&park).await.map_err(|e| fail(&e))? {
                let snapshot = self.lake.snapshot(&park, year).await;
                if let Some(book) = snapshot.map_err(|e| fail(&e))? {
                    self.read_book(&book, oracle, &mut content).await?;
                }
            }
        }
        if !holds(&oracle.numbered, &content.messages) {
            let detail = format!("the lake has {:?}", content.messages);
            return Err(BrokenPromise::new(
                "a message of the lake is in the log",
                detail,
            ));
        }
        Ok(content)
    }

    async fn read_book(
        &mut self,
        book: &Snapshot,
        oracle: &Oracle,
        content: &mut LakeContent,
    ) -> Result<(), BrokenPromise> {
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
                FileKind::Hot { .. } => content.hot_files += 1,
                FileKind::Sealed { enterprise, .. } => {
                    if !sealed.insert((file.day, enterprise.clone())) {
                        let detail = format!("two sealed files of {enterprise} on {}", file.day);
                        return Err(BrokenPromise::new("I3 counted at most once", detail));
                    }
                    let of_file = totals.iter().flat_map(|rows| rows.iter());
                    let of_file = of_file.filter(|row| row.sha256 == digest);
                    check_totals(&path, &rows, of_file.clone())?;
                    for (key, span) in rows.spans() {
                        let of_day = (key.series.meter.to_string(), file.day);
                        content.accounted.entry(of_day).or_default().stored += span.len() as u64;
                    }
                    for row in of_file {
                        let of_day = (row.series.meter.to_string(), file.day);
                        let rows = content.accounted.entry(of_day).or_default();
                        rows.repeats += u64::from(row.duplicates);
                    }
                    content.sealed.extend(&counting);
                }
            }
            content.readings.extend(counting.into_keys());
        }
        for row in totals.iter().flat_map(|rows| rows.iter()) {
            if row.is_repeats() {
                let of_day = (row.series.meter.to_string(), row.day);
                content.accounted.entry(of_day).or_default().repeats += u64::from(row.duplicates);
            }
        }
        self.check_rollups(book, &totals).await
    }

    /// Checks that the rollups of a book hold the total in force of every day whose totals were sealed up to the
    /// seal that the rollups name. `totals` are the rows of each totals file of the book.
    async fn check_rollups(
        &mut self,
        book: &Snapshot,
        totals: &[Arc<Vec<TotalsRow>>],
    ) -> Result<(), BrokenPromise> {
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
                let detail = format!(
                    "{} of {} on {}: {has:?}",
                    row.series.meter, row.enterprise, row.day
                );
                return Err(BrokenPromise::new(
                    "rollups are detail their totals are",
                    detail,
                ));
            }
        }
        let mut revisions = BTreeMap::new();
        for ((enterprise, _, day), (revision, _)) in rolled {
            let known = revisions.entry((enterprise, day)).or_insert(0);
            *known = revision.max(*known);
        }
        self.check_brief_snapshot(book, revisions).await
    }

    /// Checks that the brief snapshot of a book, completed by the days in its rollups, equals the whole one.
    /// `revisions` are the revisions of the days in the rollups.
    async fn check_brief_snapshot(
        &self,
        whole: &Snapshot,
        mut revisions: BTreeMap<(EnterpriseId, CivilDay), u32>,
    ) -> Result<(), BrokenPromise> {
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
            let detail = format!("{brief:?} with {revisions:?}, and {all:?}");
            return Err(BrokenPromise::new(
                "a book in brief is the whole book",
                detail,
            ));
        }
        Ok(())
    }

    /// Reads a published file, whose bytes must never change.
    async fn bytes(&mut self, path: &str) -> Result<(Bytes, [u8; 32]), BrokenPromise> {
        let fail = broken("a published file is there");
        let got = self.store.get(&Path::from(path)).await;
        let bytes = got.map_err(|e| fail(&e))?.bytes().await;
        let bytes = bytes.map_err(|e| fail(&e))?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let known = self.digests.entry(path.to_owned()).or_insert(digest);
        if *known != digest {
            let detail = format!("{path} has other bytes than before");
            return Err(BrokenPromise::new(
                "I8 a published file never changes",
                detail,
            ));
        }
        Ok((bytes, digest))
    }

    async fn rows_of(&mut self, path: &str) -> Result<([u8; 32], Arc<ReadingRows>), BrokenPromise> {
        let (bytes, digest) = self.bytes(path).await?;
        if let Some(rows) = self.readings.get(path) {
            return Ok((digest, Arc::clone(rows)));
        }
        let rows = decode_readings(bytes).map_err(|e| broken("a published file is whole")(&e))?;
        let rows = Arc::new(rows);
        self.readings.insert(path.to_owned(), Arc::clone(&rows));
        Ok((digest, rows))
    }

    async fn totals_of(&mut self, path: &str) -> Result<Arc<Vec<TotalsRow>>, BrokenPromise> {
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

/// Returns the readings of a file that are in force. Checks that each was sent with its value and counts once,
/// and that only corrected readings are superseded.
fn check_rows(
    path: &str,
    rows: &ReadingRows,
    oracle: &Oracle,
) -> Result<BTreeMap<ReadingId, (i64, bool)>, BrokenPromise> {
    let mut counting = BTreeMap::new();
    for at in 0..rows.len() {
        let meter = rows.keys[rows.series[at] as usize].series.meter.as_str();
        let (value, superseded) = (rows.values[at], rows.superseded[at]);
        let id = ReadingId::parse(meter, rows.instants[at], rows.ticket(at));
        let late = rows.late(at);
        let gateway = |id: ReadingId| format!("g{}", id.gateway);
        let id = id.filter(|id| late.is_none_or(|late| late.gateway.as_str() == gateway(*id)));
        let sent = id.filter(|&id| oracle.was_sent((id, value)));
        match sent.filter(|&id| !superseded || oracle.is_corrected(id)) {
            Some(_) if superseded => {}
            Some(id) if counting.insert(id, (value, late.is_some())).is_none() => {}
            Some(_) => {
                let detail = format!("{path} holds a reading twice");
                return Err(BrokenPromise::new("I3 counted at most once", detail));
            }
            None => {
                let detail = format!("{path} holds {meter} at {}", rows.instants[at]);
                return Err(BrokenPromise::new("phantom", detail));
            }
        }
    }
    Ok(counting)
}

/// Checks that the totals of a sealed file are the sums of its rows.
fn check_totals<'a>(
    path: &str,
    rows: &ReadingRows,
    totals: impl Iterator<Item = &'a TotalsRow>,
) -> Result<(), BrokenPromise> {
    // The values of other kinds are not amounts and have no meaningful sum, so their rows are counted.
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
    let mut totalled: BTreeMap<&str, i128> = BTreeMap::new();
    for row in totals {
        *totalled.entry(row.series.meter.as_str()).or_insert(0) += match adds(row.series.kind) {
            true => row.fold.within.0,
            false => i128::from(row.fold.readings),
        };
    }
    if sums != totalled {
        let detail = format!("{path}: rows {sums:x?}, totals {totalled:x?}");
        return Err(BrokenPromise::new(
            "totals are the sum of their rows",
            detail,
        ));
    }
    Ok(())
}
