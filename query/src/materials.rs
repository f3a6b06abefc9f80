//! The water balance and the solid-waste ledger of some enterprises. Pure.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::meters::Meter;
use greenpark_model::{
    amount::Sum,
    day::DayRange,
    id::{EnterpriseId, MeterId},
    quantity::{Flow, Medium, MediumClass, Quantity},
    reading::{Kind, Series},
    waste::Ledger,
    waste_code::WasteCode,
    water::WaterSource,
};

use crate::{
    books::SeriesDays,
    corrections::{Corrected, consume_corrected},
    figure::Population,
    park_days::ParkDays,
};

/// An amount and the part of it that was estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) amount: Sum,
    pub(crate) estimated: Sum,
}

/// Water by source, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Water {
    /// New water by its source; by none where nothing is registered.
    pub(crate) intake: BTreeMap<Option<WaterSource>, Measured>,
    pub(crate) reused: Measured,
    /// New water of the meters that have sub-meters, and what those told of it.
    pub(crate) parents: Sum,
    pub(crate) children: Sum,
    /// Whether any meter of new water has a sub-meter.
    pub(crate) has_children: bool,
    pub(crate) readings: u64,
}

/// Waste by category and code.
#[derive(Debug, Default)]
pub(crate) struct Waste {
    pub(crate) rows: BTreeMap<(Medium, Option<WasteCode>), Ledger>,
    pub(crate) readings: u64,
    /// Enterprises and meters whose code is of another industry than the enterprise's.
    pub(crate) foreign: BTreeSet<String>,
}

/// A part of a range in which one entry of a meter holds.
struct Stretch<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    series: &'a Series,
    entry: Option<&'a Meter>,
    corrected: Corrected,
}

/// What the series of the population told in `range`, stretch by stretch.
fn each(
    population: &Population<'_>,
    range: DayRange,
    wanted: impl Fn(Quantity) -> bool,
    mut take: impl FnMut(Stretch<'_>),
) {
    for (park, enterprise) in &population.members {
        for (series, parts) in park.series(enterprise) {
            if series.kind == Kind::Gauge || !wanted(series.quantity) {
                continue;
            }
            for stretch in stretches((park, enterprise, series), &parts, range) {
                take(stretch);
            }
        }
    }
}

fn stretches<'a>(
    (park, enterprise, series): (&'a ParkDays, &'a EnterpriseId, &'a Series),
    parts: &[&SeriesDays],
    range: DayRange,
) -> Vec<Stretch<'a>> {
    let meters = &park.registry.meters;
    let traits = meters.traits(enterprise, series, range.last().year());
    let meter = meters.get(enterprise, series);
    let ranges = meter.map_or_else(|| vec![range], |meter| meter.parts(range));
    let corrections = park.registry.corrections(enterprise, series);
    ranges
        .into_iter()
        .map(|part| Stretch {
            park,
            enterprise,
            series,
            entry: meter
                .and_then(|meter| meter.on(part.first()))
                .map(|entry| &entry.body),
            corrected: consume_corrected(parts, &traits, part, corrections),
        })
        .collect()
}

/// The meters of new water, counted, that some meter names as its parent.
fn parents(population: &Population<'_>) -> BTreeSet<(EnterpriseId, MeterId)> {
    let mut parents = BTreeSet::new();
    for (park, enterprise) in &population.members {
        let water = Quantity::consumed(Medium::FreshWater);
        let meters = park.registry.meters.of(enterprise);
        for (_, meter) in meters.filter(|(key, _)| key.quantity == water) {
            let named = meter
                .latest()
                .and_then(|entry| entry.body.particulars.parent.clone());
            parents.extend(named.map(|parent| (enterprise.clone(), parent)));
        }
    }
    parents
}

/// The water of a population.
pub(crate) fn water(population: &Population<'_>, range: DayRange) -> Water {
    let mut made = Water::default();
    let parents = parents(population);
    let wanted = |quantity: Quantity| quantity.medium.class() == MediumClass::Water;
    each(population, range, wanted, |stretch| {
        let consumption = stretch.corrected.consumption;
        let counted = stretch.entry.is_none_or(|meter| meter.counted);
        if !counted {
            let parent = stretch
                .entry
                .and_then(|meter| meter.particulars.parent.as_ref());
            if parent.is_some() && stretch.series.quantity.medium == Medium::FreshWater {
                made.children += consumption.amount;
                made.has_children = true;
            }
            return;
        }
        made.readings += consumption.readings;
        let of = match stretch.series.quantity.medium {
            Medium::FreshWater => {
                let key = (stretch.enterprise.clone(), stretch.series.meter.clone());
                if parents.contains(&key) {
                    made.parents += consumption.amount;
                }
                let source = stretch
                    .entry
                    .and_then(|meter| meter.particulars.water_source);
                made.intake.entry(source).or_default()
            }
            _ => &mut made.reused,
        };
        of.amount += consumption.amount;
        of.estimated += consumption.estimated;
    });
    made
}

/// The solid waste of a population.
pub(crate) fn waste(population: &Population<'_>, range: DayRange, by_code: bool) -> Waste {
    let mut made = Waste::default();
    let wanted = |quantity: Quantity| {
        quantity.medium.class() == MediumClass::Waste && quantity.flow != Flow::Consumed
    };
    each(population, range, wanted, |stretch| {
        if !stretch.entry.is_none_or(|meter| meter.counted) {
            return;
        }
        let consumption = stretch.corrected.consumption;
        made.readings += consumption.readings;
        let code = stretch.entry.and_then(|meter| meter.particulars.waste_code);
        if let Some(code) = code {
            let industry = stretch.park.registry.industry(stretch.enterprise, range);
            if !is_of(code, &industry) {
                let (park, enterprise) = (&stretch.park.park, stretch.enterprise);
                let meter = &stretch.series.meter;
                made.foreign.insert(format!(
                    "parks/{park}/enterprises/{enterprise}/meters/{meter} ({code}, {industry})"
                ));
            }
        }
        let Quantity { medium, flow } = stretch.series.quantity;
        let key = (medium, code.filter(|_| by_code));
        made.rows
            .entry(key)
            .or_default()
            .book(flow, consumption.amount);
    });
    made
}

/// Whether a code is for any industry, or for the two digits that an enterprise's industry begins with; one
/// that is unknown contradicts nothing.
fn is_of(code: WasteCode, industry: &str) -> bool {
    let digits: String = industry.chars().skip(1).take(2).collect();
    code.industry == 900 || digits.len() < 2 || format!("{:03}", code.industry).starts_with(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_any_industry_or_of_the_enterprises_own() {
        let code = |text: &str| text.parse::<WasteCode>().expect("a code");
        assert!(is_of(code("900-001-S02"), "C31"));
        assert!(is_of(code("311-001-S01"), "C3120"));
        assert!(is_of(code("311-001-S01"), "") && is_of(code("311-001-S01"), "C"));
        assert!(!is_of(code("441-001-S02"), "C31"));
    }
}
