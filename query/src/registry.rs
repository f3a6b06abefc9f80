//! The registry and the declarations as they stand: dated entries, of which the one recorded last counts
//! on every day that it covers.
//!
//! Entries are appended to the archive's reference table and never changed. This module reads them all
//! into maps by park; it does no I/O.

pub(crate) mod body;
mod by_hand;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_archive::{
    dated::{Dated, Entry},
    meters::Meters,
    reference::{ReferenceEntry, ReferenceSnapshot},
};
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, ParkId},
    quantity::Medium,
    reading::Series,
};

use crate::{
    corrections::Correction,
    deflator::Deflator,
    error::QueryError,
    name::Name,
    registry::body::{Enterprise, IndicatorValue, Statistic},
    scorecard::Values,
    statistics::Declared,
};

/// What is registered and declared in one park.
#[derive(Debug, Clone, Default)]
pub(crate) struct Park {
    pub(crate) enterprises: BTreeMap<EnterpriseId, Dated<Enterprise>>,
    pub(crate) meters: Meters,
    pub(crate) statistics: BTreeMap<EnterpriseId, Vec<Declared>>,
    /// Measured net calorific values, by whose and of what.
    heats: BTreeMap<(EnterpriseId, Medium), Dated<Heat>>,
    /// Corrections by hand in force, by whose and of which series.
    corrections: BTreeMap<(EnterpriseId, Series), Vec<Correction>>,
    /// In the order of recording, those of all parks first.
    pub(crate) deflators: Vec<Deflator>,
    /// Changes when the traits of a meter do, and then folds made with the old ones are void.
    pub(crate) traits_digest: u64,
    /// What was recorded of corrections by hand, in order.
    by_hand: Vec<by_hand::ByHand>,
}

/// A measured net calorific value (实测低位发热量).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heat {
    /// kJ for one canonical unit of the medium.
    pub(crate) kj_per_unit: Amount,
    /// Who recorded it, and on what evidence.
    pub(crate) source: Arc<str>,
}

/// What is registered and declared, at one version of the reference table.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) version: i64,
    /// The instant that it is told as of; `None` for what is recorded now.
    pub(crate) as_of: Option<Instant>,
    /// Values of plans' declared indicators, by the name they are of, plan and indicator.
    declared: BTreeMap<(String, String, String), Values>,
    parks: BTreeMap<ParkId, Arc<Park>>,
}

impl Default for Registry {
    /// A registry that was never read: of no version.
    fn default() -> Self {
        Self {
            version: i64::MIN,
            as_of: None,
            declared: BTreeMap::new(),
            parks: BTreeMap::new(),
        }
    }
}

impl Registry {
    /// Reads the entries of `snapshot`. Kinds of entries that are not ours are passed over.
    pub(crate) fn read(snapshot: &ReferenceSnapshot) -> Result<Self, QueryError> {
        let mut parks: BTreeMap<ParkId, Park> = BTreeMap::new();
        let broken = |entry: &ReferenceEntry, problem: &dyn std::fmt::Display| {
            let (kind, subject) = (&entry.kind, &entry.subject);
            QueryError::Broken(format!(
                "reference entry '{kind}' of '{subject}': {problem}"
            ))
        };
        let mut declared: BTreeMap<(String, String, String), Values> = BTreeMap::new();
        let mut of_all = Vec::new();
        for entry in &snapshot.entries {
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
            take(&mut parks, entry).map_err(|problem| broken(entry, &problem))?;
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
        }
        let parks = parks
            .into_iter()
            .map(|(id, park)| (id, Arc::new(park)))
            .collect();
        Ok(Self {
            version: snapshot.version,
            as_of: None,
            declared,
            parks,
        })
    }

    /// Reads what had been recorded at `at`.
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

    /// What is registered in `park`: nothing, if the park is unknown.
    pub(crate) fn park(&self, park: &ParkId) -> Arc<Park> {
        self.parks.get(park).cloned().unwrap_or_default()
    }

    /// What was declared of `indicator` of `plan` for `name`, by year.
    pub(crate) fn declared(&self, name: &Name, plan: &str, indicator: &str) -> Values {
        let key = (name.to_string(), plan.to_owned(), indicator.to_owned());
        self.declared.get(&key).cloned().unwrap_or_default()
    }

    /// Parks with an entry.
    pub(crate) fn parks(&self) -> impl Iterator<Item = &ParkId> {
        self.parks.keys()
    }
}

/// The entries that had been recorded at `at`.
pub(crate) fn known_at(
    snapshot: &ReferenceSnapshot,
    at: Instant,
) -> impl Iterator<Item = &ReferenceEntry> {
    let entries = snapshot.entries.iter();
    entries.filter(move |entry| entry.recorded_at <= at)
}

fn take(parks: &mut BTreeMap<ParkId, Park>, entry: &ReferenceEntry) -> Result<(), String> {
    let kind = entry.kind.as_str();
    let ours = [
        body::ENTERPRISE,
        body::STATISTIC,
        body::CALORIFIC_VALUE,
        body::CORRECTION,
        body::DEFLATOR,
    ];
    if !ours.contains(&kind) {
        return Ok(());
    }
    let name = Name::parse("subject", &entry.subject).map_err(|_| "its subject is no name")?;
    let json = |error: serde_json::Error| error.to_string();
    match (kind, name) {
        (body::ENTERPRISE, Name::Enterprise(park, enterprise)) => {
            let body: Enterprise = serde_json::from_str(&entry.body).map_err(json)?;
            let park = parks.entry(park).or_default();
            park.enterprises
                .entry(enterprise)
                .or_default()
                .record(entry, body);
        }
        (body::STATISTIC, Name::Enterprise(park, enterprise)) => {
            let declared = Statistic::read(&entry.body, entry.recorded_at)?;
            let all = parks
                .entry(park)
                .or_default()
                .statistics
                .entry(enterprise)
                .or_default();
            put_in_force(all, declared);
        }
        (body::CALORIFIC_VALUE, Name::Enterprise(park, enterprise)) => {
            let (medium, kj_per_unit) = body::CalorificValue::read(&entry.body)?;
            let source = format!("recorded by {}, {}", entry.recorded_by, entry.evidence);
            let heat = Heat {
                kj_per_unit,
                source: source.into(),
            };
            let heats = &mut parks.entry(park).or_default().heats;
            let heats = heats.entry((enterprise, medium)).or_default();
            heats.record(entry, heat);
        }
        (body::CORRECTION, Name::Meter(park, enterprise, meter)) => {
            let (series, correction, withdrawn) = body::CorrectionBody::read(entry, meter)?;
            let all = &mut parks.entry(park).or_default().corrections;
            let all = all.entry((enterprise, series)).or_default();
            all.retain(|known| known.days != correction.days);
            if !withdrawn {
                all.push(correction);
            }
        }
        (body::DEFLATOR, Name::Park(park)) => {
            let deflator = body::Deflation::read(&entry.body, true)?;
            parks.entry(park).or_default().deflators.push(deflator);
        }
        (_, name) => return Err(format!("'{name}' is no name of its kind")),
    }
    Ok(())
}

/// A later figure replaces an earlier one of the same series, period and price base.
fn put_in_force(all: &mut Vec<Declared>, declared: Declared) {
    let same = |d: &&mut Declared| {
        (&d.series, d.period, d.price_base)
            == (&declared.series, declared.period, declared.price_base)
    };
    match all.iter_mut().find(same) {
        Some(earlier) => *earlier = declared,
        None => all.push(declared),
    }
}

impl Park {
    /// Whether no enterprise is registered.
    pub(crate) fn is_unregistered(&self) -> bool {
        self.enterprises.is_empty()
    }

    /// The parts of `range` in which the meter of `series` counts; it does where nothing says that it
    /// does not.
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
                    meter
                        .on(part.first())
                        .is_none_or(|entry| entry.body.counted)
                })
                .collect(),
        }
    }

    /// The measured calorific values of a medium at an enterprise.
    pub(crate) fn heats(&self, enterprise: &EnterpriseId, medium: Medium) -> Option<&Dated<Heat>> {
        self.heats.get(&(enterprise.clone(), medium))
    }

    /// The corrections by hand of a series.
    pub(crate) fn corrections(&self, enterprise: &EnterpriseId, series: &Series) -> &[Correction] {
        let of = self.corrections.get(&(enterprise.clone(), series.clone()));
        of.map_or(&[], Vec::as_slice)
    }

    /// Every correction by hand.
    pub(crate) fn all_corrections(
        &self,
    ) -> impl Iterator<Item = (&(EnterpriseId, Series), &Vec<Correction>)> {
        self.corrections.iter()
    }

    /// The industry of an enterprise at the end of `range`, or as it was recorded last; empty if unknown.
    pub(crate) fn industry(&self, enterprise: &EnterpriseId, range: DayRange) -> String {
        let dated = self.enterprises.get(enterprise);
        let entry = dated.and_then(|dated| dated.on(range.last()).or_else(|| dated.latest()));
        entry
            .map(|entry| entry.body.industry.clone())
            .unwrap_or_default()
    }

    /// Enterprises above designated size on any day of `range`.
    pub(crate) fn above_designated_size(&self, range: DayRange) -> BTreeSet<EnterpriseId> {
        let above =
            |entry: Option<&Entry<Enterprise>>| entry.is_some_and(|e| e.body.above_designated_size);
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

    /// The days of `range` on which an enterprise is above designated size: the first and the last of them.
    pub(crate) fn above_from_to(
        &self,
        enterprise: &EnterpriseId,
        range: DayRange,
    ) -> Option<(CivilDay, CivilDay)> {
        let dated = self.enterprises.get(enterprise)?;
        let above = |part: &DayRange| {
            let entry = dated.on(part.first());
            entry.is_some_and(|entry| entry.body.above_designated_size)
        };
        let parts: Vec<DayRange> = dated.parts(range).into_iter().filter(above).collect();
        Some((parts.first()?.first(), parts.last()?.last()))
    }

    /// Every enterprise with an entry of any kind.
    pub(crate) fn known_enterprises(&self) -> BTreeSet<EnterpriseId> {
        let with_meters = self.meters.iter().map(|(key, _)| &key.enterprise);
        self.enterprises
            .keys()
            .chain(with_meters)
            .chain(self.statistics.keys())
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests;
