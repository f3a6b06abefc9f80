//! What enterprises consumed in a range, by quantity and factor, with how much of it is certain. Pure.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::{
    amount::Sum,
    coal::{Basis, Factor, FactorSet},
    compose::Consumption,
    day::{CivilDay, DayRange, Instant},
    fold::Outcomes,
    id::EnterpriseId,
    indicator::Indicator,
    money::PriceBase,
    quantity::{Flow, Medium, MediumClass, Quantity},
    reading::{Kind, Series},
    waste::BULK_CATEGORIES,
};

use crate::{books::SeriesDays, consumption::consume, park_days::ParkDays, registry};

/// What is asked of whomever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) indicator: Indicator,
    pub(crate) range: DayRange,
    pub(crate) basis: Basis,
    pub(crate) price_base: PriceBase,
    pub(crate) factors: &'a FactorSet,
    pub(crate) now: Instant,
}

/// The consumption of one quantity at one factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) amount: Sum,
    pub(crate) estimated: Sum,
}

/// What some enterprises consumed.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// By quantity and the place of its factor in the set; no place where none applies.
    pub(crate) parts: BTreeMap<(Quantity, Option<usize>), Part>,
    /// Energies that no factor was found for.
    pub(crate) without_factor: BTreeSet<Medium>,
    /// Enterprises none of whose meters was read.
    pub(crate) silent: Vec<String>,
    /// Meters that count although no entry says so.
    pub(crate) unregistered: BTreeSet<String>,
    pub(crate) outcomes: Outcomes,
    pub(crate) readings: u64,
    pub(crate) expected: u64,
    /// Readings of the meters that readings are expected of.
    pub(crate) awaited: u64,
    pub(crate) meter_days: u64,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    /// Days that are not sealed.
    pub(crate) open: BTreeSet<CivilDay>,
}

impl Question<'_> {
    /// Whether `quantity` is part of the indicator.
    pub(crate) fn concerns(&self, quantity: Quantity) -> bool {
        let Quantity { medium, flow } = quantity;
        match self.indicator {
            Indicator::EnergyIntensity => {
                medium.class() == MediumClass::Energy && flow == Flow::Consumed
            }
            Indicator::WaterIntensity => medium == Medium::FreshWater && flow == Flow::Consumed,
            Indicator::WasteUtilization => {
                BULK_CATEGORIES.contains(&medium) && flow != Flow::Consumed
            }
        }
    }

    /// The parts of `range` with one factor each; without a factor where none is needed or known.
    fn factors_of(&self, medium: Medium, range: DayRange) -> Vec<(DayRange, Option<usize>)> {
        if self.indicator != Indicator::EnergyIntensity {
            return vec![(range, None)];
        }
        let fits = |f: &&Factor| f.medium == medium && f.basis.is_none_or(|b| b == self.basis);
        let changes = self.factors.factors.iter().filter(fits).flat_map(|factor| {
            [Some(factor.valid_from), factor.valid_to.map(CivilDay::next)]
                .into_iter()
                .flatten()
        });
        range
            .cut(changes)
            .into_iter()
            .map(|part| {
                let found = self.factors.find(medium, self.basis, part.first());
                let place = found
                    .and_then(|f| self.factors.factors.iter().position(|x| std::ptr::eq(x, f)));
                (part, place)
            })
            .collect()
    }
}

/// Measures `enterprise` of `park`.
pub(crate) fn measure(
    question: &Question<'_>,
    park: &ParkDays,
    enterprise: &EnterpriseId,
) -> Measured {
    let mut measured = Measured::default();
    let today = question.now.day();
    for (series, parts) in park.series(enterprise) {
        if series.kind != Kind::Gauge && question.concerns(series.quantity) {
            measured.take(
                question,
                Metered {
                    park,
                    enterprise,
                    series,
                    parts: &parts,
                },
            );
        }
    }
    if measured.readings == 0 {
        measured
            .silent
            .push(format!("parks/{}/enterprises/{enterprise}", park.park));
    }
    measured.expect(question, &park.registry, enterprise);
    let range = question.range;
    let hot = park
        .books()
        .iter()
        .filter_map(|book| book.open.get(enterprise))
        .flatten();
    measured.open = hot.copied().filter(|day| range.contains(*day)).collect();
    if let Some(ahead) = DayRange::new(today.max(range.first()), range.last()) {
        measured.open.extend(ahead.iter());
    }
    measured
}

/// One series of one enterprise, with its days by book.
#[derive(Clone, Copy)]
struct Metered<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    series: &'a Series,
    parts: &'a [&'a SeriesDays],
}

impl Measured {
    fn take(&mut self, question: &Question<'_>, metered: Metered<'_>) {
        let Metered {
            park,
            enterprise,
            series,
            parts,
        } = metered;
        let range = question.range;
        let meters = &park.registry.meters;
        let traits = meters.traits(enterprise, series, range.last().year());
        let mut readings = 0;
        for counted in park.registry.counted(enterprise, series, range) {
            for (part, factor) in question.factors_of(series.quantity.medium, counted) {
                let consumption = consume(parts, &traits, part);
                readings += consumption.readings;
                self.book(question, series.quantity, factor, &consumption);
            }
            for &(_, duplicates, conflicts) in parts
                .iter()
                .flat_map(|p| &p.repeats)
                .filter(|(day, ..)| counted.contains(*day))
            {
                self.duplicates += u64::from(duplicates);
                self.conflicts += u64::from(conflicts);
            }
        }
        let meter = meters.get(enterprise, series);
        if meter.is_none() && readings > 0 {
            let name = format!(
                "parks/{}/enterprises/{enterprise}/meters/{}",
                park.park, series.meter
            );
            self.unregistered.insert(name);
        }
        if meter.is_some_and(|m| m.entries().iter().any(|e| e.body.interval_s > 0)) {
            self.awaited += readings;
        }
    }

    fn book(
        &mut self,
        question: &Question<'_>,
        quantity: Quantity,
        factor: Option<usize>,
        consumption: &Consumption,
    ) {
        if *consumption == Consumption::default() {
            return;
        }
        if question.indicator == Indicator::EnergyIntensity && factor.is_none() {
            self.without_factor.insert(quantity.medium);
        }
        let part = self.parts.entry((quantity, factor)).or_default();
        part.amount += consumption.amount;
        part.estimated += consumption.estimated;
        self.readings += consumption.readings;
        self.meter_days += u64::from(consumption.days);
        self.outcomes = self.outcomes.plus(consumption.outcomes);
    }

    /// Counts the readings that the registered meters should have given until now.
    fn expect(&mut self, question: &Question<'_>, registry: &registry::Park, of: &EnterpriseId) {
        let meters = registry
            .meters
            .iter()
            .filter(|(key, _)| key.enterprise == *of && question.concerns(key.quantity));
        for (_, meter) in meters {
            for part in meter.parts(question.range) {
                let entry = meter.on(part.first()).map(|entry| &entry.body);
                let Some(body) = entry.filter(|b| b.counted && b.interval_s > 0) else {
                    continue;
                };
                let until = part.last().end().0.min(question.now.0);
                let ms = until.saturating_sub(part.first().start().0);
                let expected = ms / (i64::from(body.interval_s) * 1_000);
                self.expected += u64::try_from(expected).unwrap_or(0);
            }
        }
    }

    /// Adds what others consumed.
    pub(crate) fn add(&mut self, other: Self) {
        for (key, part) in other.parts {
            let sum = self.parts.entry(key).or_default();
            sum.amount += part.amount;
            sum.estimated += part.estimated;
        }
        self.without_factor.extend(other.without_factor);
        self.unregistered.extend(other.unregistered);
        self.silent.extend(other.silent);
        self.outcomes = self.outcomes.plus(other.outcomes);
        self.readings += other.readings;
        self.expected += other.expected;
        self.awaited += other.awaited;
        self.meter_days += other.meter_days;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.open.extend(other.open);
    }
}
