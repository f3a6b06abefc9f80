//! Joining totals and folds into the days of a book. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use greenpark_archive::{file::ReadingsFile, rows::SeriesKey, snapshot::Snapshot};
use greenpark_model::{
    compose,
    day::CivilDay,
    fold::{DayFold, Traits},
    id::EnterpriseId,
    reading::Kind,
};

use crate::{
    books::{BookDays, DayFolds, Load, OpenFold, SeriesDays},
    decode::Total,
};

/// Whether the totals of a sealed day count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folded {
    /// There are none of its revision.
    No,
    /// They do.
    Yes,
    /// They were folded by other traits of a meter than the registry has now, or from readings that came late.
    Unsure,
}

/// One sealed file.
struct SealedDay<'a> {
    day: CivilDay,
    revision: u32,
    file: &'a ReadingsFile,
    folded: Folded,
}

/// The sealed files of a book and which of them have totals that count.
pub(super) struct Sealed<'a> {
    /// In order of the day.
    days: HashMap<&'a EnterpriseId, Vec<SealedDay<'a>>>,
    /// Sealed days that must be folded from their rows.
    unfolded: BTreeMap<CivilDay, BTreeSet<&'a EnterpriseId>>,
}

impl<'a> Sealed<'a> {
    pub(super) fn new(load: Load<'a>) -> Self {
        let Load {
            snapshot,
            totals,
            registry,
            ..
        } = load;
        let mut days: HashMap<&EnterpriseId, Vec<SealedDay<'_>>> = HashMap::new();
        for file in &snapshot.files {
            if let Some((enterprise, revision)) = file.sealed() {
                let sealed = SealedDay {
                    day: file.day,
                    revision,
                    file,
                    folded: Folded::No,
                };
                days.entry(enterprise).or_default().push(sealed);
            }
        }
        for of_series in totals.chunk_by(|a, b| a.key == b.key) {
            let key = &of_series[0].key;
            let Some(sealed) = days.get_mut(&key.enterprise) else {
                continue;
            };
            let traits = registry.meters.traits(&key.enterprise, &key.series);
            let kind = key.series.kind;
            let rules = traits.rules(kind);
            for total in of_series {
                let Ok(at) = sealed.binary_search_by_key(&total.day, |s| s.day) else {
                    continue;
                };
                let sealed = &mut sealed[at];
                if sealed.revision != total.revision {
                    continue;
                }
                let same = if traits.is_constant() {
                    *total.rules == *rules
                } else {
                    *total.rules == *traits.on(total.day).rules(kind)
                };
                // A day with late readings is read, so that it can be folded without them.
                if !same || total.late > 0 {
                    sealed.folded = Folded::Unsure;
                } else if sealed.folded == Folded::No {
                    sealed.folded = Folded::Yes;
                }
            }
        }
        let mut unfolded: BTreeMap<CivilDay, BTreeSet<&EnterpriseId>> = BTreeMap::new();
        for (&enterprise, sealed) in &days {
            for sealed in sealed.iter().filter(|sealed| sealed.folded != Folded::Yes) {
                unfolded.entry(sealed.day).or_default().insert(enterprise);
            }
        }
        Self { days, unfolded }
    }

    fn find(&self, enterprise: &EnterpriseId, day: CivilDay) -> Option<&SealedDay<'a>> {
        let days = self.days.get(enterprise)?;
        let at = days.binary_search_by_key(&day, |sealed| sealed.day).ok()?;
        Some(&days[at])
    }

    /// The sealed file of `enterprise` and `day`.
    pub(super) fn file(
        &self,
        enterprise: &EnterpriseId,
        day: CivilDay,
    ) -> Option<&'a ReadingsFile> {
        self.find(enterprise, day).map(|sealed| sealed.file)
    }

    /// Whether `total` is of the sealed file that is in the book.
    pub(super) fn counts(&self, total: &Total) -> bool {
        let sealed = self.find(&total.key.enterprise, total.day);
        sealed.is_some_and(|sealed| sealed.revision == total.revision)
    }

    /// The enterprises of `day` whose sealed rows must be folded.
    pub(super) fn unfolded(&self, day: CivilDay) -> impl Iterator<Item = &'a EnterpriseId> {
        self.unfolded.get(&day).into_iter().flatten().copied()
    }

    /// Days on which any must be.
    pub(super) fn unfolded_days(&self) -> impl Iterator<Item = CivilDay> {
        self.unfolded.keys().copied()
    }
}

/// Joins what counts of `totals` with the days that were read.
pub(super) fn join(
    load: Load<'_>,
    sealed: &Sealed<'_>,
    days: &[(CivilDay, Arc<DayFolds>)],
) -> BookDays {
    let Load {
        snapshot,
        totals,
        registry,
        ..
    } = load;
    let read: BTreeMap<CivilDay, &DayFolds> = days
        .iter()
        .map(|(day, folds)| (*day, folds.as_ref()))
        .collect();
    let mut series: BTreeMap<&SeriesKey, SeriesDays> = BTreeMap::new();
    for of_series in totals.chunk_by(|a, b| a.key == b.key) {
        let key = &of_series[0].key;
        let was_read = |day: &CivilDay| {
            read.get(day)
                .is_some_and(|folds| folds.read.contains(&key.enterprise))
        };
        let mut joined = SeriesDays::new(key);
        joined.days.reserve_exact(of_series.len());
        for total in of_series
            .iter()
            .filter(|t| sealed.counts(t) && !was_read(&t.day))
        {
            joined.push_total(total);
        }
        if !joined.days.is_empty() {
            series.insert(key, joined);
        }
    }
    for (day, folds) in days {
        for open in &folds.folds {
            let entry = series
                .entry(&open.key)
                .or_insert_with(|| SeriesDays::new(&open.key));
            entry.push_open(*day, open);
        }
    }
    let mut open: BTreeMap<EnterpriseId, BTreeSet<CivilDay>> = BTreeMap::new();
    for (day, folds) in days {
        for enterprise in &folds.hot {
            open.entry(enterprise.clone()).or_default().insert(*day);
        }
    }
    let series = series
        .into_values()
        .map(|mut days| {
            days.settle();
            let traits = registry
                .meters
                .traits(&days.key.enterprise, &days.key.series);
            days.join(&traits);
            days
        })
        .collect();
    BookDays {
        snapshot: Arc::clone(snapshot),
        traits_digest: registry.traits_digest,
        series,
        open,
        sealed: sealed_days(snapshot),
        lost: BTreeSet::new(),
    }
}

fn sealed_days(snapshot: &Snapshot) -> BTreeMap<EnterpriseId, Vec<(CivilDay, u32)>> {
    let mut sealed: BTreeMap<EnterpriseId, Vec<(CivilDay, u32)>> = BTreeMap::new();
    for file in &snapshot.files {
        if let Some((enterprise, revision)) = file.sealed() {
            sealed
                .entry(enterprise.clone())
                .or_default()
                .push((file.day, revision));
        }
    }
    sealed
}

impl SeriesDays {
    pub(crate) fn new(key: &SeriesKey) -> Self {
        Self {
            key: key.clone(),
            days: Vec::new(),
            repeats: Vec::new(),
            late: Vec::new(),
            newest: None,
            whole: DayFold::default(),
            whole_days: 0,
            most_readings: 0,
        }
    }

    pub(crate) fn push(&mut self, day: CivilDay, fold: DayFold, duplicates: u32, conflicts: u32) {
        self.days.push((day, fold));
        if duplicates > 0 || conflicts > 0 {
            self.repeats.push((day, duplicates, conflicts));
        }
    }

    fn push_open(&mut self, day: CivilDay, open: &OpenFold) {
        self.push(day, open.fold.clone(), open.duplicates, open.conflicts);
        self.late.extend(open.late.clone());
        self.newest = open.newest;
    }

    fn push_total(&mut self, total: &Total) {
        self.push(
            total.day,
            total.fold.clone(),
            total.duplicates,
            total.conflicts,
        );
    }

    /// Sorts what was pushed. A day stands once, unless totals were published twice for one revision;
    /// they are equal then.
    fn settle(&mut self) {
        if !self.days.is_sorted_by(|a, b| a.0 < b.0) {
            // The newest reading is known only if the last day was among those read.
            let last_read = self.days.last().map(|(day, _)| *day);
            self.days.sort_by_key(|(day, _)| *day);
            self.days.dedup_by_key(|(day, _)| *day);
            self.repeats.sort_by_key(|(day, ..)| *day);
            self.repeats.dedup_by_key(|(day, ..)| *day);
            self.late.sort_by_key(|of| of.day);
            self.late.dedup_by_key(|of| of.day);
            if self.days.last().map(|(day, _)| *day) != last_read {
                self.newest = None;
            }
        }
    }

    /// Joins the days into one fold, which serves wherever a range holds all of them.
    pub(crate) fn join(&mut self, traits: &Traits) {
        if self.key.series.kind == Kind::Gauge {
            return;
        }
        self.whole = compose::join(traits, self.days.iter().map(|(_, fold)| fold));
        let read = self.days.iter().filter(|(_, fold)| fold.readings > 0);
        self.whole_days = u32::try_from(read.count()).unwrap_or(u32::MAX);
        let readings = self.days.iter().map(|(_, fold)| fold.readings);
        self.most_readings = readings.max().unwrap_or(0);
    }
}
