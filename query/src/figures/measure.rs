//! The consumption of enterprises in a range, by quantity and factors, with its uncertainties. Pure.

mod completeness;
mod doubts;
mod factors;
mod memo;

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::{
    amount::Sum,
    balance::{Balance, Side},
    coal::{Basis, Media},
    compose::Consumption,
    day::{CivilDay, DayRange, Instant},
    fold::Outcomes,
    id::EnterpriseId,
    indicator::Indicator,
    money::PriceBase,
    quantity::{Flow, Medium, MediumClass, Quantity},
    reading::{Kind, Series as Metered},
    water::WaterSource,
};

use rust_decimal::Decimal;

use crate::{
    figures::{
        consumption::{
            corrected::{Corrected, consume_corrected},
            implausible::Implausible,
            sides::Sides,
        },
        park_days::ParkDays,
    },
    lake::books::SeriesDays,
    reference::Rules,
    register::{corrections::Correction, statistics::StatisticSeries},
};

pub(crate) use completeness::Completeness;
pub(crate) use factors::{CoalFactor, Factors};
pub(crate) use memo::Memo;

/// The terms of a figure, whichever enterprises it concerns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) indicator: Indicator,
    pub(crate) range: DayRange,
    pub(crate) basis: Basis,
    pub(crate) price_base: PriceBase,
    pub(crate) media: Media,
    /// The denominator's series, if it is a declared one.
    pub(crate) per: &'a StatisticSeries,
    /// The sources of water that count; all of them if empty.
    pub(crate) sources: &'a [WaterSource],
    pub(crate) rules: Rules<'a>,
    pub(crate) now: Instant,
}

/// The consumption of one quantity at the same factors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) amount: Sum,
    pub(crate) estimated: Sum,
    /// The amount that counts: the amount itself, zero, or its negative.
    pub(crate) counted: Sum,
    pub(crate) counted_estimated: Sum,
    /// The part that was corrected by hand.
    pub(crate) manual: Sum,
    /// The corrections by hand that count, each by its absolute amount.
    pub(crate) counted_manual: Sum,
    /// The counted amount of meters without a registry entry.
    pub(crate) counted_unregistered: Sum,
}

/// The approximate length of the name of an enterprise's energy.
const NAME_BYTES: usize = 64;

/// The consumption of some enterprises.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) parts: BTreeMap<(Quantity, Factors), Part>,
    /// Energies without a known factor.
    pub(crate) without_factor: BTreeSet<Medium>,
    /// Enterprises of which no meter has a reading.
    pub(crate) silent: Vec<String>,
    /// Meters that count although they have no registry entry.
    pub(crate) unregistered: BTreeSet<String>,
    /// Water meters that do not count because their source is unknown.
    pub(crate) unsourced: BTreeSet<String>,
    /// Energies of an enterprise that are metered on both sides, and the declared side.
    pub(crate) both_sides: BTreeMap<String, Side>,
    /// Energies of an enterprise that are metered on both sides while no side is declared, with the amount of each
    /// side in the years touched. They withhold a verdict.
    pub(crate) side_undeclared: BTreeMap<String, Balance>,
    /// Energies of an enterprise whose declared side has no meter while the other side has one. They withhold a
    /// verdict.
    pub(crate) side_unmetered: BTreeMap<String, Side>,
    /// Unregistered meters with readings of two kinds. They withhold a verdict.
    pub(crate) kind_conflict: BTreeSet<String>,
    /// Meters with readings of a kind that they are not registered as; such readings do not count.
    pub(crate) other_kind: BTreeSet<String>,
    /// One sentence for each correction by hand that counts.
    pub(crate) corrections: Vec<String>,
    /// Days until now on which registered meters were due, and those of them of which nothing is known.
    pub(crate) due_days: u64,
    pub(crate) missing_days: u64,
    pub(crate) outcomes: Outcomes,
    pub(crate) readings: u64,
    pub(crate) expected: u64,
    /// Received readings of the meters with expected readings.
    pub(crate) awaited: u64,
    pub(crate) meter_days: u64,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    /// Days that are not sealed yet.
    pub(crate) open: BTreeSet<CivilDay>,
    /// The due days, and how many of them are known.
    pub(crate) completeness_due: Completeness,
    /// Implausible amounts. They withhold a verdict.
    pub(crate) implausible: Vec<Implausible>,
}

impl Question<'_> {
    /// Returns true if energies make the numerator.
    pub(crate) fn is_energy(&self) -> bool {
        self.needs_coal() || self.needs_carbon()
    }

    /// Returns true if the figure needs standard coal.
    pub(crate) fn needs_coal(&self) -> bool {
        matches!(
            self.indicator,
            Indicator::EnergyIntensity | Indicator::CarbonPerEnergy
        )
    }

    /// Returns true if the figure needs carbon dioxide.
    pub(crate) fn needs_carbon(&self) -> bool {
        matches!(
            self.indicator,
            Indicator::CarbonIntensity | Indicator::CarbonPerEnergy
        )
    }

    /// Returns true if a purchased energy-carrying medium counts by its coefficient.
    fn counts_purchased_media(&self) -> bool {
        self.indicator == Indicator::EnergyIntensity && self.media == Media::Purchased
    }

    /// Returns true if `quantity` is part of the indicator.
    pub(crate) fn concerns(&self, quantity: Quantity) -> bool {
        let Quantity { medium, flow } = quantity;
        match (self.indicator, medium.class()) {
            (Indicator::WaterIntensity, _) => {
                medium == Medium::FreshWater && flow == Flow::Consumed
            }
            (Indicator::WasteUtilization, _) => {
                self.rules.bulk.categories.contains(&medium) && flow != Flow::Consumed
            }
            (_, MediumClass::Energy) => true,
            (_, MediumClass::CarryingMedium) => {
                self.counts_purchased_media() && flow == Flow::Purchased
            }
            (_, MediumClass::Water) => {
                self.counts_purchased_media() && medium == Medium::FreshWater
            }
            (_, MediumClass::Waste) => false,
        }
    }

    /// Returns true if water of this source is part of the indicator; `None` if the source must be known and is not.
    pub(crate) fn takes_source(&self, medium: Medium, source: Option<WaterSource>) -> Option<bool> {
        if medium != Medium::FreshWater {
            return Some(true);
        }
        if self.indicator == Indicator::WaterIntensity {
            return match (self.sources, source) {
                ([], _) => Some(true),
                (sources, Some(source)) => Some(sources.contains(&source)),
                (_, None) => None,
            };
        }
        // Water of the enterprise's own wells is not bought; water of an unknown source counts as bought.
        Some(source.is_none_or(WaterSource::is_bought))
    }
}

/// Measures `enterprise` of `park`.
fn measure(question: &Question<'_>, park: &ParkDays, enterprise: &EnterpriseId) -> Measured {
    let mut measured = Measured::default();
    let today = question.now.day();
    let known = park.series(enterprise, question.range);
    let sides = match question.is_energy() {
        true => Sides::of(park, enterprise, &known, question.range),
        false => Sides::default(),
    };
    for (&series, parts) in &known {
        if series.kind != Kind::Gauge && question.concerns(series.quantity) {
            let of = OneSeries {
                park,
                enterprise,
                series,
                parts,
                sides: &sides,
            };
            measured.add_series(question, of);
        }
    }
    let counts = |quantity, days| {
        let pieces = sides.pieces(quantity, days).into_iter();
        pieces
            .filter(|(_, sign)| *sign != 0)
            .map(|(days, _)| days)
            .collect()
    };
    let enterprise_series = completeness::EnterpriseSeries {
        park,
        enterprise,
        known: &known,
        counts: &counts,
    };
    measured.completeness_due = Completeness::of(question, enterprise_series);
    let name = format!("parks/{}/enterprises/{enterprise}", park.park);
    measured.note_sides(sides, &name);
    if !measured.is_known() {
        measured.silent.push(name);
    }
    measured.expect(question, (park, enterprise), &known);
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

/// The number of unknown days of `due`: they have no reading, no registers before and after bridge them, and no
/// correction by hand covers them.
fn missing_days(
    parts: &[&SeriesDays],
    kind: Kind,
    due: DayRange,
    corrections: &[Correction],
) -> i32 {
    let known_in = |range: DayRange| {
        if !matches!(kind, Kind::Register | Kind::DailyCounter) {
            let days = parts.iter().map(|part| part.days.count_of(range));
            return i32::try_from(days.sum::<u32>()).unwrap_or(i32::MAX);
        }
        let spans = || parts.iter().filter_map(|part| part.span());
        let first = spans().map(|(first, _)| first).min();
        let last = spans().map(|(_, last)| last).max();
        first
            .zip(last)
            .and_then(|(first, last)| DayRange::new(first, last)?.intersection(range))
            .map_or(0, DayRange::days)
    };
    let by_hand = |day: CivilDay| corrections.iter().any(|of| of.days.contains(day));
    if corrections.is_empty() {
        return due.days().saturating_sub(known_in(due));
    }
    let days = due.iter().filter(|day| !by_hand(*day));
    let unknown =
        days.filter(|day| DayRange::new(*day, *day).is_some_and(|one| known_in(one) == 0));
    i32::try_from(unknown.count()).unwrap_or(i32::MAX)
}

/// One series of one enterprise, with its days book by book.
#[derive(Clone, Copy)]
struct OneSeries<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    series: &'a Metered,
    parts: &'a [&'a SeriesDays],
    sides: &'a Sides,
}

impl Measured {
    fn add_series(&mut self, question: &Question<'_>, of: OneSeries<'_>) {
        let OneSeries {
            park,
            enterprise,
            series,
            parts,
            sides,
        } = of;
        let range = question.range;
        let meters = &park.registry.meters;
        let traits = meters.traits(enterprise, series);
        let meter = meters.get(enterprise, series);
        let medium = series.quantity.medium;
        let name = || {
            let meter = &series.meter;
            format!(
                "parks/{}/enterprises/{enterprise}/meters/{meter}",
                park.park
            )
        };
        let counting = park.counting(enterprise, series, range);
        self.note_kinds(&of, &counting, range, &name);
        self.note_implausible(question, &of, (&traits, &counting.days), &name);
        let (mut readings, mut by_hand) = (0, false);
        for counted in counting.days {
            let entry = meter.and_then(|meter| meter.nearest(counted.first()));
            let source = entry.and_then(|entry| entry.body.particulars.water_source);
            match question.takes_source(medium, source) {
                Some(true) => {}
                Some(false) => continue,
                None => {
                    self.unsourced.insert(name());
                    continue;
                }
            }
            let heats = park.registry.heats(enterprise, medium);
            let corrections = park.registry.corrections(enterprise, series);
            let factors = question.factors_of(heats, medium, counted).into_iter();
            let pieces = factors.flat_map(|(part, by)| {
                let pieces = sides.pieces(series.quantity, part).into_iter();
                pieces.map(move |(piece, sign)| (piece, by.clone(), sign))
            });
            for (piece, by, sign) in pieces {
                let corrected = consume_corrected(parts, &traits, piece, corrections);
                readings += corrected.consumption.readings;
                by_hand |= !corrected.told.is_empty();
                let sentences = corrected
                    .told
                    .iter()
                    .map(|sentence| format!("{}, {sentence}", name()));
                self.corrections.extend(sentences);
                self.book(question, (series.quantity, by.clone(), sign), &corrected);
                if meter.is_none() {
                    self.note_unregistered((series.quantity, by, sign), &corrected);
                }
            }
            self.note_repeats(parts, counted);
        }
        if meter.is_none() && (readings > 0 || by_hand) {
            self.unregistered.insert(name());
        }
        if meter.is_some_and(|m| m.entries().iter().any(|e| e.body.interval_s > 0)) {
            self.awaited += readings;
        }
    }

    /// Adds the consumption of a series, which counts with `sign`.
    fn book(
        &mut self,
        question: &Question<'_>,
        (quantity, by, sign): (Quantity, Factors, i8),
        corrected: &Corrected,
    ) {
        let consumption = &corrected.consumption;
        if *consumption == Consumption::default() && corrected.told.is_empty() {
            return;
        }
        let lacks_coal = question.needs_coal() && by.coal == CoalFactor::Unknown;
        if lacks_coal || question.needs_carbon() && by.carbon.is_none() {
            self.without_factor.insert(quantity.medium);
        }
        let signed = |sum: Sum| Sum(sum.0 * i128::from(sign));
        let part = self.parts.entry((quantity, by)).or_default();
        part.amount += consumption.amount;
        part.estimated += consumption.estimated;
        part.manual += corrected.manual;
        part.counted += signed(consumption.amount);
        part.counted_estimated += signed(consumption.estimated);
        part.counted_manual += signed(corrected.manual_absolute);
        self.readings += consumption.readings;
        self.meter_days += u64::from(consumption.days);
        self.outcomes = self.outcomes.plus(consumption.outcomes);
    }

    /// The share of the expected readings of meters with an interval that was received; `None` if none is expected.
    pub(crate) fn completeness(&self) -> Option<Decimal> {
        let share = Decimal::from(self.awaited).checked_div(Decimal::from(self.expected))?;
        Some(share.min(Decimal::ONE))
    }

    /// The approximate size in bytes.
    fn bytes(&self) -> usize {
        let names = [&self.silent, &self.corrections].into_iter().flatten();
        let sets = [
            &self.unregistered,
            &self.unsourced,
            &self.kind_conflict,
            &self.other_kind,
        ];
        let sides = [&self.both_sides, &self.side_unmetered].map(BTreeMap::len);
        let sides = sides.into_iter().sum::<usize>() + self.side_undeclared.len();
        let names = names.chain(sets.into_iter().flatten());
        size_of::<Self>()
            + self.parts.len() * size_of::<((Quantity, Factors), Part)>()
            + names.map(String::len).sum::<usize>()
            + sides * (size_of::<Balance>() + NAME_BYTES)
            + self.open.len() * size_of::<CivilDay>()
            + self.implausible.len() * size_of::<Implausible>()
    }

    /// Returns true if a carbon dioxide factor is that of another year or region.
    pub(crate) fn has_fallback(&self) -> bool {
        let carbon = self.parts.keys().filter_map(|(_, by)| by.carbon.as_ref());
        carbon
            .into_iter()
            .any(|emission| emission.fallback.is_some())
    }

    /// Counts the readings that are expected of the registered meters until now.
    fn expect(
        &mut self,
        question: &Question<'_>,
        (park, of): (&ParkDays, &EnterpriseId),
        known: &BTreeMap<&Metered, Vec<&SeriesDays>>,
    ) {
        let meters = park.registry.meters.of(of);
        let meters = meters.filter(|(key, _)| question.concerns(key.quantity));
        for (key, meter) in meters {
            for part in meter.parts(question.range) {
                let entry = meter.on(part.first()).map(|entry| &entry.body);
                let Some(body) = entry.filter(|b| b.counted && b.interval_s > 0) else {
                    continue;
                };
                let source = body.particulars.water_source;
                if question.takes_source(key.quantity.medium, source) != Some(true) {
                    continue;
                }
                let until = part.last().end().millis().min(question.now.millis());
                let ms = until.saturating_sub(part.first().start().millis());
                let expected = ms / (i64::from(body.interval_s) * 1_000);
                self.expected += u64::try_from(expected).unwrap_or(0);
                let series = Metered {
                    meter: key.meter.clone(),
                    quantity: key.quantity,
                    kind: body.kind,
                };
                let parts = known.get(&series).map_or(&[][..], Vec::as_slice);
                let corrections = park.registry.corrections(of, &series);
                let over = part.last().min(question.now.day().previous());
                if let Some(due) = DayRange::new(part.first(), over) {
                    self.due_days += u64::from(due.days().unsigned_abs());
                    let missing = missing_days(parts, body.kind, due, corrections);
                    self.missing_days += u64::from(missing.unsigned_abs());
                }
            }
        }
    }

    /// Adds the consumption of other enterprises.
    pub(crate) fn add(&mut self, other: &Self) {
        for (key, part) in &other.parts {
            let sum = self.parts.entry(key.clone()).or_default();
            sum.amount += part.amount;
            sum.estimated += part.estimated;
            sum.counted += part.counted;
            sum.counted_estimated += part.counted_estimated;
            sum.manual += part.manual;
            sum.counted_manual += part.counted_manual;
            sum.counted_unregistered += part.counted_unregistered;
        }
        self.without_factor
            .extend(other.without_factor.iter().copied());
        self.unregistered.extend(other.unregistered.iter().cloned());
        self.unsourced.extend(other.unsourced.iter().cloned());
        self.both_sides.extend(other.both_sides.clone());
        self.side_undeclared.extend(other.side_undeclared.clone());
        self.side_unmetered.extend(other.side_unmetered.clone());
        self.kind_conflict
            .extend(other.kind_conflict.iter().cloned());
        self.other_kind.extend(other.other_kind.iter().cloned());
        self.silent.extend(other.silent.iter().cloned());
        self.corrections.extend(other.corrections.iter().cloned());
        self.due_days += other.due_days;
        self.missing_days += other.missing_days;
        self.outcomes = self.outcomes.plus(other.outcomes);
        self.readings += other.readings;
        self.expected += other.expected;
        self.awaited += other.awaited;
        self.meter_days += other.meter_days;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.open.extend(other.open.iter().copied());
        self.completeness_due.add(&other.completeness_due);
        self.implausible.extend(other.implausible.iter().cloned());
    }
}
