//! Joins rollups, totals and folds into the days of a book. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use greenpark_archive::{
    file::ReadingsFile,
    rollups::unusual_of,
    rows::SeriesKey,
    sealed_sum::{EnterprisePart, SealedSum},
    snapshot::Snapshot,
};
use greenpark_model::{day::CivilDay, id::EnterpriseId};
use tracing::warn;

use super::{
    BookDays, DayFolds, Load, SeriesBuilder, SeriesDays,
    rolled_days::{RolledDays, RulesNow},
};
use crate::{
    lake::record_batches::{RolledMonth, Total},
    register::registry,
};

/// Validity of the totals of a sealed day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folded {
    /// There are no totals of its revision.
    No,
    /// They are valid.
    Yes,
    /// They were folded by other traits than the registry has now, or include late readings.
    Unsure,
}

/// One sealed day of an enterprise.
struct SealedDay<'a> {
    day: CivilDay,
    revision: u32,
    /// Its file, if the snapshot names it.
    file: Option<&'a ReadingsFile>,
    folded: Folded,
}

impl<'a> SealedDay<'a> {
    fn new(day: CivilDay, revision: u32, file: Option<&'a ReadingsFile>) -> Self {
        Self {
            day,
            revision,
            file,
            folded: Folded::No,
        }
    }

    /// Notes that totals or a rollup cover the day. A day with late readings is `unsure`: its rows are read, so that it
    /// can be folded without them.
    fn cover(&mut self, is_unsure: bool) {
        if is_unsure {
            self.folded = Folded::Unsure;
        } else if self.folded == Folded::No {
            self.folded = Folded::Yes;
        }
    }
}

/// The sealed days of a book, and which of them have valid totals.
pub(super) struct Sealed<'a> {
    /// In order of the day.
    days: HashMap<&'a EnterpriseId, Vec<SealedDay<'a>>>,
    /// Enterprises with rollups by other traits than the registry has now.
    distrusted: BTreeSet<&'a EnterpriseId>,
    /// Months with a day sealed after the rollup, or more than once; `None` if the snapshot names every file.
    changed: Option<HashSet<(&'a EnterpriseId, CivilDay)>>,
}

impl<'a> Sealed<'a> {
    /// The sealed days of `snapshot`, without totals so far.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut days: HashMap<&EnterpriseId, Vec<SealedDay<'_>>> = HashMap::new();
        for file in &snapshot.files {
            if let Some((enterprise, revision)) = file.sealed() {
                days.entry(enterprise).or_default().push(SealedDay::new(
                    file.day,
                    revision,
                    Some(file),
                ));
            }
        }
        Self {
            days,
            distrusted: BTreeSet::new(),
            changed: None,
        }
    }

    /// The sealed days of a snapshot that does not name every file; `months`, sorted by key, name the others. `None` if
    /// they name other days than were sealed at the rollup, or are uncertain.
    pub(super) fn in_brief(load: Load<'a>, months: &'a [RolledMonth]) -> Option<Self> {
        let mut sum = SealedSum::default();
        let (mut days, mut changed) = (HashMap::new(), HashSet::new());
        for of in months.chunk_by(|a, b| a.key.enterprise == b.key.enterprise) {
            let enterprise = &of[0].key.enterprise;
            let part = EnterprisePart::of(enterprise);
            let mut rolled: Vec<SealedDay<'_>> = Vec::new();
            for (first, month) in RolledDays::of(of, load.registry)? {
                for day in month.each(first) {
                    let revision = month.resealed.get(&day).copied().unwrap_or(1);
                    sum.add(part, day, revision);
                    let folded = Folded::Yes;
                    rolled.push(SealedDay {
                        folded,
                        ..SealedDay::new(day, revision, None)
                    });
                }
                if !month.resealed.is_empty() {
                    changed.insert((enterprise, first));
                }
            }
            days.insert(enterprise, rolled);
        }
        if load.snapshot.unnamed != Some(sum) {
            warn!(park = %load.park, year = load.snapshot.year, "rollups tell of other days than are sealed");
            return None;
        }
        for file in &load.snapshot.files {
            if let Some((enterprise, revision)) = file.sealed() {
                let of: &mut Vec<SealedDay<'_>> = days.entry(enterprise).or_default();
                let sealed = SealedDay::new(file.day, revision, Some(file));
                match of.binary_search_by_key(&file.day, |sealed| sealed.day) {
                    Ok(at) => of[at] = sealed,
                    Err(at) => of.insert(at, sealed),
                }
                changed.insert((enterprise, file.day.month().first()));
            }
        }
        Some(Self {
            days,
            distrusted: BTreeSet::new(),
            changed: Some(changed),
        })
    }

    /// True if the days and revisions of `month` certainly equal the sealed days of its enterprise.
    fn is_as_rolled(&self, month: &RolledMonth) -> bool {
        let changed = self.changed.as_ref();
        changed.is_some_and(|changed| !changed.contains(&(&month.key.enterprise, month.first)))
    }

    /// True if every sealed day has valid totals, and no day has hot readings beside an unnamed sealed file.
    pub(super) fn is_complete(&self, snapshot: &Snapshot) -> bool {
        let hot = snapshot.files.iter().filter(|file| file.is_hot());
        let hot: BTreeSet<CivilDay> = hot.map(|file| file.day).collect();
        let mut days = self.days.values().flatten();
        self.distrusted.is_empty()
            && days.all(|sealed| {
                let is_read = hot.contains(&sealed.day);
                sealed.folded == Folded::Yes && (sealed.file.is_some() || !is_read)
            })
    }

    /// The sealed days of each enterprise and their revisions.
    pub(super) fn revisions(&self) -> BTreeMap<EnterpriseId, Vec<(CivilDay, u32)>> {
        let days = self.days.iter().map(|(&enterprise, days)| {
            let days = days.iter().map(|sealed| (sealed.day, sealed.revision));
            (enterprise.clone(), days.collect())
        });
        days.collect()
    }

    /// Marks the days that `totals`, sorted by key, cover.
    pub(super) fn add_totals(&mut self, totals: &[Total], registry: &registry::Park) {
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
                sealed.cover(!same || total.late > 0);
            }
        }
    }

    /// Marks the days that rollups, sorted by key, cover.
    pub(super) fn add_rollups(&mut self, months: &[RolledMonth], registry: &registry::Park) {
        for of_series in months.chunk_by(|a, b| a.key == b.key) {
            let key = &of_series[0].key;
            let Some((&enterprise, _)) = self.days.get_key_value(&key.enterprise) else {
                continue;
            };
            let rules = RulesNow::new(key, registry);
            for month in of_series {
                let same = rules.are_those_of(month);
                // A day of revision 0 is not in the rollup, though it has totals.
                let is_whole = month.unusual.iter().all(|of| of.revision > 0);
                if !same || !is_whole {
                    self.distrusted.insert(enterprise);
                    continue;
                }
                for (day, sealed) in self.sealed_in(month) {
                    if let Some(sealed) = sealed {
                        sealed.cover(unusual_of(&month.unusual, day).late > 0);
                    }
                }
            }
        }
    }

    /// The days of `month`, each with its sealed day if the revisions are equal.
    fn sealed_in<'s>(
        &'s mut self,
        month: &'s RolledMonth,
    ) -> impl Iterator<Item = (CivilDay, Option<&'s mut SealedDay<'a>>)> {
        let sealed = self.days.get_mut(&month.key.enterprise);
        let sealed = sealed.map(Vec::as_mut_slice).unwrap_or_default();
        let from = sealed.partition_point(|sealed| sealed.day < month.first);
        // Both sequences are in order.
        let mut sealed = sealed[from..].iter_mut().peekable();
        month.days.each().map(move |day| {
            while sealed.next_if(|sealed| sealed.day < day).is_some() {}
            let revision = unusual_of(&month.unusual, day).revision;
            let found = sealed.next_if(|sealed| sealed.day == day);
            (day, found.filter(|sealed| sealed.revision == revision))
        })
    }

    /// The enterprises whose totals must be read: they have sealed days without totals so far, or rollups by other
    /// traits than the registry has now. In order.
    pub(super) fn without_totals(&self) -> BTreeSet<&'a EnterpriseId> {
        let is_uncovered = |days: &[SealedDay<'_>]| days.iter().any(|of| of.folded == Folded::No);
        let uncovered = self.days.iter().filter(|(_, days)| is_uncovered(days));
        let uncovered = uncovered.map(|(enterprise, _)| *enterprise);
        uncovered.chain(self.distrusted.iter().copied()).collect()
    }

    /// Number of enterprises with sealed days.
    pub(super) fn len(&self) -> usize {
        self.days.len()
    }

    /// True if every sealed day of `enterprise` has valid totals.
    pub(super) fn is_covered(&self, enterprise: &EnterpriseId) -> bool {
        let mut days = self.days.get(enterprise).into_iter().flatten();
        days.all(|sealed| sealed.folded == Folded::Yes)
    }

    /// Sealed days to fold from their rows, with their enterprises.
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
        self.find(enterprise, day)?.file
    }

    /// True if `total` has the revision of the sealed file in the book.
    pub(super) fn counts(&self, total: &Total) -> bool {
        self.has(&total.key.enterprise, total.day, total.revision)
    }

    /// True if the sealed file of `enterprise` and `day` in the book has this revision.
    pub(super) fn has(&self, enterprise: &EnterpriseId, day: CivilDay, revision: u32) -> bool {
        let sealed = self.find(enterprise, day);
        sealed.is_some_and(|sealed| sealed.revision == revision)
    }
}

/// Sources of days: rollups, further totals, and days whose rows were read.
#[derive(Clone, Copy, Default)]
pub(super) struct DaySources<'a> {
    /// Sorted by key and month.
    pub(super) months: &'a [RolledMonth],
    /// Sorted by key, day and revision.
    pub(super) totals: &'a [Total],
    pub(super) read: &'a [(CivilDay, Arc<DayFolds>)],
}

/// Joins the valid part of `sources` into series, in order.
pub(super) fn join(
    load: Load<'_>,
    sealed: &mut Sealed<'_>,
    sources: DaySources<'_>,
) -> Vec<SeriesDays> {
    let read: BTreeMap<CivilDay, &DayFolds> = sources
        .read
        .iter()
        .map(|(day, folds)| (*day, folds.as_ref()))
        .collect();
    let was_read = |enterprise: &EnterpriseId, day: CivilDay| {
        read.get(&day)
            .is_some_and(|folds| folds.read.contains(enterprise))
    };
    let mut series: BTreeMap<&SeriesKey, SeriesBuilder<'_>> = BTreeMap::new();
    for of_series in sources.totals.chunk_by(|a, b| a.key == b.key) {
        let key = &of_series[0].key;
        let mut builder = SeriesBuilder::new(key);
        for total in of_series {
            if sealed.counts(total) && !was_read(&key.enterprise, total.day) {
                builder.push_total(total);
            }
        }
        if !builder.is_empty() {
            series.insert(key, builder);
        }
    }
    for (day, folds) in sources.read {
        for open in &folds.folds {
            let entry = series
                .entry(&open.key)
                .or_insert_with(|| SeriesBuilder::new(&open.key));
            entry.push_open(*day, open);
        }
    }
    for of_series in sources.months.chunk_by(|a, b| a.key == b.key) {
        let key = &of_series[0].key;
        let mut builder = series
            .remove(key)
            .unwrap_or_else(|| SeriesBuilder::new(key));
        for month in of_series {
            let mut out = Vec::new();
            let range = month.first.month();
            let mut of_month = read.range(range.first()..=range.last());
            let is_read = of_month.any(|(_, folds)| folds.read.contains(&key.enterprise));
            if !is_read && sealed.is_as_rolled(month) {
                builder.push_month(month, &out);
                continue;
            }
            for (day, sealed) in sealed.sealed_in(month) {
                if sealed.is_none() || was_read(&key.enterprise, day) {
                    out.push(day);
                }
            }
            builder.push_month(month, &out);
        }
        if !builder.is_empty() {
            series.insert(key, builder);
        }
    }
    let meters = &load.registry.meters;
    let series = series.into_values().map(|mut builder| {
        builder.sort();
        let traits = meters.traits(&builder.key.enterprise, &builder.key.series);
        builder.join(&traits)
    });
    series.collect()
}

/// The book of `series`; `days` are the days whose rows were read.
pub(super) fn book(
    load: Load<'_>,
    (mut series, sealed): (Vec<SeriesDays>, &Sealed<'_>),
    days: &[(CivilDay, Arc<DayFolds>)],
) -> BookDays {
    series.sort_by(|a, b| a.key.cmp(&b.key));
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
        sealed: sealed.revisions(),
        lost: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
