//! Leakage: the new water that sub-meters do not account for (漏损). Pure.
//!
//! Only days count on which a counted meter has a registered sub-meter. A sub-meter of a sub-meter is part of the
//! latter's amount, so nothing counts twice.

use greenpark_archive::meters::RegisteredMeter;
use greenpark_model::{
    amount::Sum,
    day::DayRange,
    id::EnterpriseId,
    quantity::{Medium, Quantity},
    reading::Series,
};

use crate::figures::{
    consumption::corrected::consume_corrected, park_days::ParkDays, population::Population,
};

/// The amounts of counted meters with sub-meters, and of these sub-meters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Families {
    pub(crate) above: Sum,
    pub(crate) below: Sum,
}

/// A meter on days throughout which one entry of it is valid.
struct Holding<'a> {
    series: Series,
    days: DayRange,
    meter: &'a RegisteredMeter,
}

/// The families of a population in `range`; `None` if no meter of new water has a sub-meter.
pub(crate) fn families(population: &Population<'_>, range: DayRange) -> Option<Families> {
    let mut all: Option<Families> = None;
    for (park, enterprise) in &population.members {
        for days in population.days_of(park, enterprise, range) {
            if let Some(of) = of_enterprise(park, enterprise, days) {
                let all = all.get_or_insert_default();
                all.above += of.above;
                all.below += of.below;
            }
        }
    }
    all
}

fn of_enterprise(park: &ParkDays, enterprise: &EnterpriseId, range: DayRange) -> Option<Families> {
    let known = park.series(enterprise, range);
    let consumed = |series: &Series, days: DayRange| {
        let parts = known.get(series).map_or(&[][..], Vec::as_slice);
        let meters = &park.registry.meters;
        let traits = meters.traits(enterprise, series);
        let corrections = park.registry.corrections(enterprise, series);
        let corrected = consume_corrected(parts, &traits, days, corrections);
        corrected.consumption.amount
    };
    let holdings = holdings(park, enterprise, range);
    let mut made: Option<Families> = None;
    for above in holdings.iter().filter(|of| of.meter.counted) {
        let is_below = |of: &&Holding<'_>| {
            let parent = of.meter.particulars.parent.as_ref();
            !of.meter.counted && parent == Some(&above.series.meter)
        };
        let below: Vec<&Holding<'_>> = holdings.iter().filter(is_below).collect();
        let edges = below
            .iter()
            .flat_map(|of| [of.days.first(), of.days.last().next()]);
        for days in above.days.cut(edges) {
            let mut present = below
                .iter()
                .filter(|of| of.days.contains(days.first()))
                .peekable();
            if present.peek().is_none() {
                continue;
            }
            let made = made.get_or_insert_default();
            made.above += consumed(&above.series, days);
            for of in present {
                made.below += consumed(&of.series, days);
            }
        }
    }
    made
}

/// The registered meters of an enterprise's new water.
fn holdings<'a>(
    park: &'a ParkDays,
    enterprise: &EnterpriseId,
    range: DayRange,
) -> Vec<Holding<'a>> {
    let water = Quantity::consumed(Medium::FreshWater);
    let meters = park.registry.meters.of(enterprise);
    let mut holdings = Vec::new();
    for (key, meter) in meters.filter(|(key, _)| key.quantity == water) {
        for days in meter.parts(range) {
            if let Some(entry) = meter.on(days.first()) {
                holdings.push(Holding {
                    series: Series {
                        meter: key.meter.clone(),
                        quantity: key.quantity,
                        kind: entry.body.kind,
                    },
                    days,
                    meter: &entry.body,
                });
            }
        }
    }
    holdings
}
