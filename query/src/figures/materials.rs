//! The water balance and the solid-waste ledger of some enterprises. Pure.

pub(crate) mod leakage;

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::meters::RegisteredMeter;
use greenpark_model::{
    amount::Sum,
    day::DayRange,
    id::{EnterpriseId, ParkId},
    quantity::{Flow, Medium, MediumClass, Quantity},
    reading::{Kind, Series},
    waste::{BulkSet, Ledger},
    waste_code::WasteCode,
    water::WaterSource,
};

use crate::{
    figures::{
        consumption::corrected::{Corrected, consume_corrected},
        materials::leakage::{Families, families},
        park_days::ParkDays,
        population::Population,
    },
    lake::books::SeriesDays,
};

/// An amount and the part of it that was estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) amount: Sum,
    pub(crate) estimated: Sum,
}

/// Water by source, and its reuse and losses.
#[derive(Debug, Default)]
pub(crate) struct Water {
    /// New water by its source; `None` if no source is registered.
    pub(crate) intake: BTreeMap<Option<WaterSource>, Measured>,
    pub(crate) reused: Measured,
    /// True if reuse was read or corrected by hand; otherwise it is unknown.
    pub(crate) knows_reuse: bool,
    /// The amounts of meters with sub-meters, and of these sub-meters.
    pub(crate) families: Option<Families>,
    /// Registered meters without a reading.
    pub(crate) unread: BTreeSet<String>,
}

/// Waste by category and code.
#[derive(Debug, Default)]
pub(crate) struct Waste {
    pub(crate) rows: BTreeMap<(Medium, Option<WasteCode>), Ledger>,
    /// The received waste of each category.
    pub(crate) received: BTreeMap<Medium, Received>,
    /// Meters whose waste code belongs to another industry than that of the enterprise.
    pub(crate) foreign: BTreeSet<String>,
    /// Events that were dropped as repeated or superseded, by meter and quantity.
    pub(crate) repeats: BTreeMap<(String, Quantity), Repeats>,
}

/// Events of a meter that do not count, because another event of the same identity does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// The days of these events.
    pub(crate) days: DayRange,
    /// Events with the same amount as another.
    pub(crate) duplicates: u64,
    /// Events with a different amount, which a later event superseded.
    pub(crate) conflicts: u64,
}

/// The waste that enterprises of a population received from others, and the waste of their own that they booked as
/// utilized. If more was received than booked, the sender is outside the population or has not booked its use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) amount: Sum,
    pub(crate) booked: Sum,
}

/// A part of a range in which one entry of a counted meter is valid, or the nearest valid one.
struct Stretch<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    series: &'a Series,
    entry: Option<&'a RegisteredMeter>,
    corrected: Corrected,
    repeats: Option<Repeats>,
}

/// Visits the series of the population in `range`, stretch by stretch.
fn for_each_stretch<'a>(
    population: &'a Population<'_>,
    range: DayRange,
    wanted: impl Fn(Quantity) -> bool,
    mut visit: impl FnMut(Stretch<'a>),
) {
    for (park, enterprise) in &population.members {
        let days = population.days_of(park, enterprise, range);
        for (series, parts) in park.series(enterprise, range) {
            if series.kind == Kind::Gauge || !wanted(series.quantity) {
                continue;
            }
            for &days in &days {
                for stretch in stretches((park, enterprise, series), &parts, days) {
                    visit(stretch);
                }
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
    let traits = meters.traits(enterprise, series);
    let meter = meters.get(enterprise, series);
    let ranges = park.counting(enterprise, series, range).days;
    let corrections = park.registry.corrections(enterprise, series);
    ranges
        .into_iter()
        .map(|part| Stretch {
            park,
            enterprise,
            series,
            entry: meter
                .and_then(|meter| meter.nearest(part.first()))
                .map(|entry| &entry.body),
            corrected: consume_corrected(parts, &traits, part, corrections),
            repeats: repeats(parts, part),
        })
        .collect()
}

/// The repeated events of a series in `range`; `None` if there are none.
fn repeats(parts: &[&SeriesDays], range: DayRange) -> Option<Repeats> {
    let all = parts.iter().flat_map(|part| &part.repeats);
    all.filter(|(day, ..)| range.contains(*day))
        .filter_map(|(day, duplicates, conflicts)| {
            Some(Repeats {
                days: DayRange::new(*day, *day)?,
                duplicates: u64::from(*duplicates),
                conflicts: u64::from(*conflicts),
            })
        })
        .reduce(Repeats::plus)
}

impl Water {
    /// The new water of all sources.
    pub(crate) fn total(&self) -> Sum {
        self.intake.values().map(|of| of.amount).sum()
    }
}

impl Repeats {
    fn plus(self, other: Self) -> Self {
        let (first, last) = (
            self.days.first().min(other.days.first()),
            self.days.last().max(other.days.last()),
        );
        Self {
            days: DayRange::new(first, last).unwrap_or(self.days),
            duplicates: self.duplicates + other.duplicates,
            conflicts: self.conflicts + other.conflicts,
        }
    }
}

/// The water of a population.
pub(crate) fn water(population: &Population<'_>, range: DayRange) -> Water {
    let mut made = Water {
        families: families(population, range),
        unread: unread(population, range),
        ..Water::default()
    };
    let wanted = |quantity: Quantity| quantity.medium.class() == MediumClass::Water;
    for_each_stretch(population, range, wanted, |stretch| {
        let consumption = stretch.corrected.consumption;
        let of = match stretch.series.quantity.medium {
            Medium::FreshWater => {
                let source = stretch
                    .entry
                    .and_then(|meter| meter.particulars.water_source);
                made.intake.entry(source).or_default()
            }
            _ => {
                let by_hand = !stretch.corrected.told.is_empty();
                made.knows_reuse |= consumption.readings > 0 || by_hand;
                &mut made.reused
            }
        };
        of.amount += consumption.amount;
        of.estimated += consumption.estimated;
    });
    made
}

/// The water meters that are registered for days of `range` but have neither a reading nor a correction by hand on
/// any of them.
fn unread(population: &Population<'_>, range: DayRange) -> BTreeSet<String> {
    let mut unread = BTreeSet::new();
    for (park, enterprise) in &population.members {
        let known = park.series(enterprise, range);
        let meters = park.registry.meters.of(enterprise);
        for (key, meter) in
            meters.filter(|(key, _)| key.quantity.medium.class() == MediumClass::Water)
        {
            let registered = |days: &DayRange| meter.on(days.first()).is_some();
            let of_member = population.days_of(park, enterprise, range).into_iter();
            let days: Vec<DayRange> = of_member
                .flat_map(|days| meter.parts(days))
                .filter(registered)
                .collect();
            let is_known = |(series, parts): (&&Series, &Vec<&SeriesDays>)| {
                let traits = park.registry.meters.traits(enterprise, series);
                let corrections = park.registry.corrections(enterprise, series);
                let is_it = series.meter == key.meter && series.quantity == key.quantity;
                is_it
                    && days.iter().any(|days| {
                        let of = consume_corrected(parts, &traits, *days, corrections);
                        of.consumption.readings > 0 || !of.told.is_empty()
                    })
            };
            if !days.is_empty() && !known.iter().any(is_known) {
                let (park, meter) = (&park.park, &key.meter);
                unread.insert(format!(
                    "parks/{park}/enterprises/{enterprise}/meters/{meter}"
                ));
            }
        }
    }
    unread
}

/// The solid waste of a population.
pub(crate) fn waste(population: &Population<'_>, range: DayRange, by_code: bool) -> Waste {
    let mut made = Waste::default();
    let mut books: BTreeMap<(Medium, &ParkId, &EnterpriseId), Ledger> = BTreeMap::new();
    let wanted = |quantity: Quantity| {
        quantity.medium.class() == MediumClass::Waste && quantity.flow != Flow::Consumed
    };
    for_each_stretch(population, range, wanted, |stretch| {
        let consumption = stretch.corrected.consumption;
        let code = stretch.entry.and_then(|meter| meter.particulars.waste_code);
        if let Some(code) = code {
            let industry = stretch.park.registry.industry(stretch.enterprise, range);
            if !fits_industry(code, &industry) {
                let (park, enterprise) = (&stretch.park.park, stretch.enterprise);
                let meter = &stretch.series.meter;
                made.foreign.insert(format!(
                    "parks/{park}/enterprises/{enterprise}/meters/{meter} ({code}, {industry})"
                ));
            }
        }
        if let Some(repeats) = stretch
            .repeats
            .filter(|_| stretch.series.kind == Kind::Event)
        {
            let (park, enterprise) = (&stretch.park.park, stretch.enterprise);
            let meter = &stretch.series.meter;
            let name = format!("parks/{park}/enterprises/{enterprise}/meters/{meter}");
            let key = (name, stretch.series.quantity);
            let known = made.repeats.get(&key).copied();
            let sum = known.map_or(repeats, |known| known.plus(repeats));
            made.repeats.insert(key, sum);
        }
        let Quantity { medium, flow } = stretch.series.quantity;
        let of = (medium, &stretch.park.park, stretch.enterprise);
        let book = books.entry(of).or_default();
        book.book(flow, consumption.amount);
        let key = (medium, code.filter(|_| by_code));
        let row = made.rows.entry(key).or_default();
        row.book(flow, consumption.amount);
    });
    for ((medium, ..), book) in books {
        let of = made.received.entry(medium).or_default();
        of.amount += book.received;
        of.booked += book.net_utilized().max(Sum::ZERO);
    }
    made
}

/// Every category of solid waste, including those that are not bulk.
pub(crate) fn every_category() -> BulkSet {
    let is_waste = |medium: &Medium| medium.class() == MediumClass::Waste;
    BulkSet {
        id: String::new(),
        categories: Medium::ALL.iter().copied().filter(is_waste).collect(),
        source: String::new(),
    }
}

/// Returns true if the code is for any industry, or for the two digits with which the enterprise's industry begins.
/// An unknown industry contradicts no code.
fn fits_industry(code: WasteCode, industry: &str) -> bool {
    let digits: String = industry.chars().skip(1).take(2).collect();
    code.industry == 900 || digits.len() < 2 || format!("{:03}", code.industry).starts_with(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_any_industry_or_the_enterprises_own() {
        let code = |text: &str| text.parse::<WasteCode>().expect("a code");
        assert!(fits_industry(code("900-001-S02"), "C31"));
        assert!(fits_industry(code("311-001-S01"), "C3120"));
        assert!(fits_industry(code("311-001-S01"), "") && fits_industry(code("311-001-S01"), "C"));
        assert!(!fits_industry(code("441-001-S02"), "C31"));
    }
}
