//! The registry and the declarations in force: dated entries, of which the one recorded last counts on every day that
//! it covers.
//!
//! Entries are appended to the archive's reference table and never changed. This module reads all of them into maps
//! by park; it does no I/O.

pub(crate) mod body;
mod by_hand;
mod take;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_archive::{
    dated::{Dated, DatedEntry},
    meters::{MeterKey, Meters, RegisteredMeter},
    reference::{ReferenceEntry, ReferenceSnapshot},
};
use greenpark_model::{
    amount::Amount,
    balance::Side,
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, ParkId},
    quantity::Medium,
    reading::{Kind, Series},
};

use crate::{
    error::QueryError,
    register::{
        certificates::Ledger,
        corrections::Correction,
        deflator::Deflator,
        indicator_values::Values,
        name::Name,
        registry::body::{Enterprise, IndicatorValue},
        statistics::DeclaredStatistic,
    },
};

/// The registrations and declarations of one park.
#[derive(Debug, Clone, Default)]
pub(crate) struct Park {
    pub(crate) enterprises: BTreeMap<EnterpriseId, Dated<Enterprise>>,
    pub(crate) meters: Meters,
    /// In the order of recording.
    pub(crate) statistics: BTreeMap<EnterpriseId, Vec<DeclaredStatistic>>,
    /// Measured net calorific values, by enterprise and medium.
    heats: BTreeMap<(EnterpriseId, Medium), Dated<Heat>>,
    /// Declared sides of balances, by enterprise and energy.
    sides: BTreeMap<(EnterpriseId, Medium), Dated<Side>>,
    /// Corrections by hand in force, by meter.
    corrections: BTreeMap<MeterKey, Vec<Correction>>,
    /// The series with corrections by hand, by enterprise.
    corrected: BTreeMap<EnterpriseId, Vec<Series>>,
    /// In the order of recording, those of all parks first.
    pub(crate) deflators: Vec<Deflator>,
    /// A digest of the meters' traits; when it changes, folds made with the old traits are void.
    pub(crate) traits_digest: u64,
    /// All entries about corrections by hand, in the order of recording.
    by_hand: Vec<by_hand::ByHand>,
}

/// A measured net calorific value (实测低位发热量).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heat {
    /// kJ for one canonical unit of the medium.
    pub(crate) kj_per_unit: Amount,
    /// The recording person, and the evidence.
    pub(crate) source: Arc<str>,
}

/// All registrations and declarations, at one version of the reference table.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) version: i64,
    /// The instant as of which it was read; `None` for the present state.
    pub(crate) as_of: Option<Instant>,
    /// Declared indicator values, by resource name, plan and indicator.
    declared: BTreeMap<(String, String, String), Values>,
    /// Certificates of non-fossil electricity and declared bases of assessment.
    pub(crate) ledger: Ledger,
    parks: BTreeMap<ParkId, Arc<Park>>,
}

impl Default for Registry {
    /// A registry that was not read yet, without a version.
    fn default() -> Self {
        Self {
            version: i64::MIN,
            as_of: None,
            declared: BTreeMap::new(),
            ledger: Ledger::default(),
            parks: BTreeMap::new(),
        }
    }
}

impl Registry {
    /// Reads the entries of `snapshot`. Entries of unknown kinds are ignored.
    pub(crate) fn read(snapshot: &ReferenceSnapshot) -> Result<Self, QueryError> {
        let mut parks: BTreeMap<ParkId, Park> = BTreeMap::new();
        let broken = |entry: &ReferenceEntry, problem: &dyn std::fmt::Display| {
            let (kind, subject) = (&entry.kind, &entry.subject);
            QueryError::Broken(format!(
                "reference entry '{kind}' of '{subject}': {problem}"
            ))
        };
        let mut declared: BTreeMap<(String, String, String), Values> = BTreeMap::new();
        let (mut of_all, mut ledger) = (Vec::new(), Ledger::default());
        for entry in &snapshot.entries {
            if Ledger::is_of(&entry.kind) {
                let subject = ledger.apply(entry).map_err(|p| broken(entry, &p))?;
                // Any entry makes its park known.
                if let Some(park) = subject.park() {
                    parks.entry(park.clone()).or_default();
                }
                continue;
            }
            if entry.kind == body::DEFLATOR && entry.subject == Name::Parks.to_string() {
                let deflator = body::Deflation::read(&entry.body, false);
                of_all.push(deflator.map_err(|problem| broken(entry, &problem))?);
                continue;
            }
            if entry.kind == body::INDICATOR {
                let of: IndicatorValue =
                    serde_json::from_str(&entry.body).map_err(|problem| broken(entry, &problem))?;
                let value = of
                    .value
                    .parse()
                    .map_err(|problem| broken(entry, &problem))?;
                let key = (entry.subject.clone(), of.plan, of.indicator);
                declared.entry(key).or_default().insert(of.year, value);
                continue;
            }
            take::apply(&mut parks, entry).map_err(|problem| broken(entry, &problem))?;
        }
        let meters = Meters::read(snapshot).map_err(|unreadable| {
            QueryError::Broken(format!("{unreadable}: {}", unreadable.problem))
        })?;
        for (park, meters) in meters {
            let park = parks.entry(park).or_default();
            park.traits_digest = meters.digest();
            park.meters = meters;
        }
        by_hand::keep(&mut parks, snapshot);
        for park in parks.values_mut() {
            park.deflators.splice(0..0, of_all.iter().cloned());
            park.corrected = park.series_of_corrections();
        }
        let parks = parks
            .into_iter()
            .map(|(id, park)| (id, Arc::new(park)))
            .collect();
        Ok(Self {
            version: snapshot.version,
            as_of: None,
            declared,
            ledger,
            parks,
        })
    }

    /// Reads the entries that had been recorded by `at`.
    pub(crate) fn read_as_of(
        snapshot: &ReferenceSnapshot,
        at: Instant,
    ) -> Result<Self, QueryError> {
        let then = ReferenceSnapshot {
            version: snapshot.version,
            entries: known_at(snapshot, at).cloned().collect(),
        };
        Ok(Self {
            as_of: Some(at),
            ..Self::read(&then)?
        })
    }

    /// The registrations of `park`; empty if the park is unknown.
    pub(crate) fn park(&self, park: &ParkId) -> Arc<Park> {
        self.parks.get(park).cloned().unwrap_or_default()
    }

    /// The declared values of `indicator` of `plan` for `name`, by year.
    pub(crate) fn declared(&self, name: &Name, plan: &str, indicator: &str) -> Values {
        let key = (name.to_string(), plan.to_owned(), indicator.to_owned());
        self.declared.get(&key).cloned().unwrap_or_default()
    }

    /// The parks with an entry.
    pub(crate) fn parks(&self) -> impl Iterator<Item = &ParkId> {
        self.parks.keys()
    }
}

/// The entries that had been recorded by `at`.
pub(crate) fn known_at(
    snapshot: &ReferenceSnapshot,
    at: Instant,
) -> impl Iterator<Item = &ReferenceEntry> {
    let entries = snapshot.entries.iter();
    entries.filter(move |entry| entry.recorded_at <= at)
}

/// The registered kind of a meter on `day`; if no entry covers the day, that of the entry before it or of the first
/// one after it.
pub(crate) fn kind_on(meter: &Dated<RegisteredMeter>, day: CivilDay) -> Option<Kind> {
    meter.nearest(day).map(|entry| entry.body.kind)
}

/// Joins adjacent ranges; `ranges` are in order.
pub(crate) fn joined(ranges: impl IntoIterator<Item = DayRange>) -> Vec<DayRange> {
    let mut made: Vec<DayRange> = Vec::new();
    for range in ranges {
        match made.last_mut() {
            Some(last) if last.last().next() == range.first() => {
                *last = DayRange::new(last.first(), range.last()).unwrap_or(*last);
            }
            _ => made.push(range),
        }
    }
    made
}

impl Park {
    /// Returns true if no enterprise is registered.
    pub(crate) fn is_unregistered(&self) -> bool {
        self.enterprises.is_empty()
    }

    /// The parts of `range` in which the meter of `series` counts with readings of this kind. A meter without entries
    /// counts throughout. The first and the last entry also apply before and after their days.
    pub(crate) fn counted(
        &self,
        enterprise: &EnterpriseId,
        series: &Series,
        range: DayRange,
    ) -> Vec<DayRange> {
        match self.meters.get(enterprise, series) {
            None => vec![range],
            Some(meter) => meter
                .parts(range)
                .into_iter()
                .filter(|part| {
                    let entry = meter.nearest(part.first());
                    entry.is_none_or(|entry| entry.body.counted && entry.body.kind == series.kind)
                })
                .collect(),
        }
    }

    /// The measured net calorific values of a medium at an enterprise.
    pub(crate) fn heats(&self, enterprise: &EnterpriseId, medium: Medium) -> Option<&Dated<Heat>> {
        self.heats.get(&(enterprise.clone(), medium))
    }

    /// The declared sides of an energy's balance at an enterprise.
    pub(crate) fn sides(&self, enterprise: &EnterpriseId, medium: Medium) -> Option<&Dated<Side>> {
        self.sides.get(&(enterprise.clone(), medium))
    }

    /// The corrections by hand of the meter of `series`, for readings of any kind.
    pub(crate) fn corrections(&self, enterprise: &EnterpriseId, series: &Series) -> &[Correction] {
        self.corrections_of(&MeterKey {
            enterprise: enterprise.clone(),
            meter: series.meter.clone(),
            quantity: series.quantity,
        })
    }

    /// The corrections by hand of a meter.
    pub(crate) fn corrections_of(&self, key: &MeterKey) -> &[Correction] {
        self.corrections.get(key).map_or(&[], Vec::as_slice)
    }

    /// All corrections by hand, by meter.
    pub(crate) fn all_corrections(&self) -> impl Iterator<Item = (&MeterKey, &Vec<Correction>)> {
        self.corrections.iter()
    }

    /// The series of an enterprise with corrections by hand. Their kinds are those that the meter is registered as,
    /// or the kind that the correction names if the meter is not registered.
    pub(crate) fn corrected(&self, enterprise: &EnterpriseId) -> &[Series] {
        self.corrected.get(enterprise).map_or(&[], Vec::as_slice)
    }

    /// The enterprises with a correction by hand of a day of `range`.
    pub(crate) fn corrected_in(&self, range: DayRange) -> BTreeSet<EnterpriseId> {
        let all = self.corrections.iter();
        all.filter(|(_, of)| of.iter().any(|of| of.days.overlaps(range)))
            .map(|(key, _)| key.enterprise.clone())
            .collect()
    }

    fn series_of_corrections(&self) -> BTreeMap<EnterpriseId, Vec<Series>> {
        let mut made: BTreeMap<EnterpriseId, Vec<Series>> = BTreeMap::new();
        for (key, corrections) in &self.corrections {
            let entries = self.meters.entries(key);
            let mut kinds: BTreeSet<Kind> = entries.iter().map(|entry| entry.body.kind).collect();
            if kinds.is_empty() {
                kinds.extend(corrections.first().map(|of| of.kind));
            }
            let of = made.entry(key.enterprise.clone()).or_default();
            of.extend(kinds.into_iter().map(|kind| Series {
                meter: key.meter.clone(),
                quantity: key.quantity,
                kind,
            }));
        }
        made
    }

    /// The industry of an enterprise at the end of `range`, or the one recorded last; empty if unknown.
    pub(crate) fn industry(&self, enterprise: &EnterpriseId, range: DayRange) -> String {
        let dated = self.enterprises.get(enterprise);
        let entry = dated.and_then(|dated| dated.on(range.last()).or_else(|| dated.latest()));
        entry
            .map(|entry| entry.body.industry.clone())
            .unwrap_or_default()
    }

    /// The enterprises above designated size on any day of `range`.
    pub(crate) fn above_designated_size(&self, range: DayRange) -> BTreeSet<EnterpriseId> {
        let above = |entry: Option<&DatedEntry<Enterprise>>| {
            entry.is_some_and(|e| e.body.above_designated_size)
        };
        self.enterprises
            .iter()
            .filter(|(_, dated)| {
                dated
                    .parts(range)
                    .iter()
                    .any(|part| above(dated.on(part.first())))
            })
            .map(|(enterprise, _)| enterprise.clone())
            .collect()
    }

    /// The days of `range` on which an enterprise is above designated size, as runs in order.
    pub(crate) fn days_above(&self, enterprise: &EnterpriseId, range: DayRange) -> Vec<DayRange> {
        let Some(dated) = self.enterprises.get(enterprise) else {
            return Vec::new();
        };
        let above = |part: &DayRange| {
            let entry = dated.on(part.first());
            entry.is_some_and(|entry| entry.body.above_designated_size)
        };
        joined(dated.parts(range).into_iter().filter(above))
    }

    /// All enterprises with an entry of any kind.
    pub(crate) fn known_enterprises(&self) -> BTreeSet<EnterpriseId> {
        let with_meters = self.meters.iter().map(|(key, _)| &key.enterprise);
        self.enterprises
            .keys()
            .chain(with_meters)
            .chain(self.statistics.keys())
            .chain(self.corrected.keys())
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests;
