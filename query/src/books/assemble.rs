//! Joining totals and folds into the days of a book. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use greenpark_archive::{file::ReadingsFile, rows::SeriesKey, snapshot::Snapshot};
use greenpark_model::{day::CivilDay, id::EnterpriseId};

use super::{BookDays, DayFolds, Gathered, SeriesDays, load::Load};
use crate::{decode::Total, registry};

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
}

impl<'a> Sealed<'a> {
    /// Those of `snapshot`, none of which has totals yet.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
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
        Self { days }
    }

    /// Takes what the totals of some enterprises tell; they are sorted by key.
    pub(super) fn take(&mut self, totals: &[Total], registry: &registry::Park) {
        for of_series in totals.chunk_by(|a, b| a.key == b.key) {
            let key = &of_series[0].key;
            let Some(sealed) = self.days.get_mut(&key.enterprise) else {
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
    }

    /// The enterprises with sealed days, in order.
    pub(super) fn enterprises(&self) -> Vec<&'a EnterpriseId> {
        let mut all: Vec<&EnterpriseId> = self.days.keys().copied().collect();
        all.sort();
        all
    }

    /// Whether totals tell every sealed day of `enterprise`.
    pub(super) fn is_told(&self, enterprise: &EnterpriseId) -> bool {
        let mut days = self.days.get(enterprise).into_iter().flatten();
        days.all(|sealed| sealed.folded == Folded::Yes)
    }

    /// Sealed days that must be folded from their rows, and whose.
    pub(super) fn unfolded(&self) -> BTreeMap<CivilDay, BTreeSet<&'a EnterpriseId>> {
        let mut unfolded: BTreeMap<CivilDay, BTreeSet<&EnterpriseId>> = BTreeMap::new();
        for (&enterprise, sealed) in &self.days {
            for sealed in sealed.iter().filter(|sealed| sealed.folded != Folded::Yes) {
                unfolded.entry(sealed.day).or_default().insert(enterprise);
            }
        }
        unfolded
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
}

/// Joins what counts of `totals` with the days that were read; the series in order.
pub(super) fn join(
    load: Load<'_>,
    sealed: &Sealed<'_>,
    (totals, days): (&[Total], &[(CivilDay, Arc<DayFolds>)]),
) -> Vec<SeriesDays> {
    let read: BTreeMap<CivilDay, &DayFolds> = days
        .iter()
        .map(|(day, folds)| (*day, folds.as_ref()))
        .collect();
    let mut series: BTreeMap<&SeriesKey, Gathered> = BTreeMap::new();
    for of_series in totals.chunk_by(|a, b| a.key == b.key) {
        let key = &of_series[0].key;
        let was_read = |day: &CivilDay| {
            read.get(day)
                .is_some_and(|folds| folds.read.contains(&key.enterprise))
        };
        let mut gathered = Gathered::new(key);
        gathered.days.reserve_exact(of_series.len());
        for total in of_series
            .iter()
            .filter(|t| sealed.counts(t) && !was_read(&t.day))
        {
            gathered.push_total(total);
        }
        if !gathered.days.is_empty() {
            series.insert(key, gathered);
        }
    }
    for (day, folds) in days {
        for open in &folds.folds {
            let entry = series
                .entry(&open.key)
                .or_insert_with(|| Gathered::new(&open.key));
            entry.push_open(*day, open);
        }
    }
    let meters = &load.registry.meters;
    let series = series.into_values().map(|mut gathered| {
        gathered.settle();
        let traits = meters.traits(&gathered.key.enterprise, &gathered.key.series);
        gathered.join(&traits)
    });
    series.collect()
}

/// The book of `series`, some of whose days were read.
pub(super) fn book(
    load: Load<'_>,
    series: Vec<SeriesDays>,
    days: &[(CivilDay, Arc<DayFolds>)],
) -> BookDays {
    let mut open: BTreeMap<EnterpriseId, BTreeSet<CivilDay>> = BTreeMap::new();
    for (day, folds) in days {
        for enterprise in &folds.hot {
            open.entry(enterprise.clone()).or_default().insert(*day);
        }
    }
    BookDays {
        snapshot: Arc::clone(load.snapshot),
        traits_digest: load.registry.traits_digest,
        series,
        open,
        sealed: sealed_days(load.snapshot),
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
