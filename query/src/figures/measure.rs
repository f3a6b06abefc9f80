//! What enterprises consumed in a range, by quantity and factors, with how much of it is certain. Pure.

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
pub(crate) use factors::{By, Coal};
pub(crate) use memo::Memo;

/// What is asked of whomever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) indicator: Indicator,
    pub(crate) range: DayRange,
    pub(crate) basis: Basis,
    pub(crate) price_base: PriceBase,
    pub(crate) media: Media,
    /// What is divided by, where that is declared.
    pub(crate) per: &'a StatisticSeries,
    /// The sources of water that count; every one where there is none.
    pub(crate) sources: &'a [WaterSource],
    pub(crate) rules: Rules<'a>,
    pub(crate) now: Instant,
}

/// The consumption of one quantity at the same factors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) amount: Sum,
    pub(crate) estimated: Sum,
    /// What of it counts: the same, nothing, or what is taken off.
    pub(crate) counted: Sum,
    pub(crate) counted_estimated: Sum,
    /// What of it was set by hand.
    pub(crate) manual: Sum,
    /// Of what counts, set by hand, every correction without its sign.
    pub(crate) counted_manual: Sum,
    /// What counts of meters without a registry entry.
    pub(crate) counted_unregistered: Sum,
}

/// A name of an enterprise's energy, about.
const NAME_BYTES: usize = 64;

/// What some enterprises consumed.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) parts: BTreeMap<(Quantity, By), Part>,
    /// Energies that no factor was found for.
    pub(crate) without_factor: BTreeSet<Medium>,
    /// Enterprises none of whose meters was read.
    pub(crate) silent: Vec<String>,
    /// Meters that count although no entry says so.
    pub(crate) unregistered: BTreeSet<String>,
    /// Meters of water that do not count because nothing says where theirs comes from.
    pub(crate) unsourced: BTreeSet<String>,
    /// Energies of an enterprise that are metered as used and as supplied, and the declared side.
    pub(crate) both_sides: BTreeMap<String, Side>,
    /// Energies of an enterprise that are metered as used and as supplied while no side is declared, and what each
    /// side had in the years touched. A verdict cannot stand on them.
    pub(crate) side_undeclared: BTreeMap<String, Balance>,
    /// Energies of an enterprise whose declared side has no meter while the other side has. A verdict cannot stand
    /// on them.
    pub(crate) side_unmetered: BTreeMap<String, Side>,
    /// Meters that are not registered and were heard as two kinds. A verdict cannot stand on them.
    pub(crate) kind_conflict: BTreeSet<String>,
    /// Meters with readings of another kind than they are registered as, which do not count.
    pub(crate) other_kind: BTreeSet<String>,
    /// Corrections by hand that count, one sentence each.
    pub(crate) corrections: Vec<String>,
    /// Days that meters should have been read on until now, and those of which nothing is known.
    pub(crate) due_days: u64,
    pub(crate) missing_days: u64,
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
    /// How much is known of what was due.
    pub(crate) completeness_due: Completeness,
    /// Amounts that meters cannot or hardly can have measured. A verdict cannot stand on them.
    pub(crate) implausible: Vec<Implausible>,
}

impl Question<'_> {
    /// Whether energies make the numerator.
    pub(crate) fn is_energy(&self) -> bool {
        self.needs_coal() || self.needs_carbon()
    }

    /// Whether standard coal has part in the figure.
    pub(crate) fn needs_coal(&self) -> bool {
        matches!(
            self.indicator,
            Indicator::EnergyIntensity | Indicator::CarbonPerEnergy
        )
    }

    /// Whether carbon dioxide has part in the figure.
    pub(crate) fn needs_carbon(&self) -> bool {
        matches!(
            self.indicator,
            Indicator::CarbonIntensity | Indicator::CarbonPerEnergy
        )
    }

    /// Whether a medium counts by its coefficient, as bought over the boundary.
    fn takes_media(&self) -> bool {
        self.indicator == Indicator::EnergyIntensity && self.media == Media::Purchased
    }

    /// Whether `quantity` is part of the indicator.
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
            (_, MediumClass::CarryingMedium) => self.takes_media() && flow == Flow::Purchased,
            (_, MediumClass::Water) => self.takes_media() && medium == Medium::FreshWater,
            (_, MediumClass::Waste) => false,
        }
    }

    /// Whether water of this source is part of it; `None` where the source must be known and is not.
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
        // Water of the enterprise's own wells is not bought; where nothing is said it counts as bought.
        Some(source.is_none_or(WaterSource::is_bought))
    }
}

/// Measures `enterprise` of `park`.
fn measure(question: &Question<'_>, park: &ParkDays, enterprise: &EnterpriseId) -> Measured {
    let mut measured = Measured::default();
    let today = question.now.day();
    let known = park.series(enterprise);
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
            measured.take(question, of);
        }
    }
    let counts = |quantity, days| {
        let pieces = sides.pieces(quantity, days).into_iter();
        pieces
            .filter(|(_, sign)| *sign != 0)
            .map(|(days, _)| days)
            .collect()
    };
    let whose = completeness::Whose {
        park,
        enterprise,
        known: &known,
        counts: &counts,
    };
    measured.completeness_due = Completeness::of(question, whose);
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

/// Days of `due` of which nothing is known: they were not read, no registers before and after bridge them, and
/// nobody corrected them by hand.
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

/// One series of one enterprise, with its days by book.
#[derive(Clone, Copy)]
struct OneSeries<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    series: &'a Metered,
    parts: &'a [&'a SeriesDays],
    sides: &'a Sides,
}

impl Measured {
    fn take(&mut self, question: &Question<'_>, of: OneSeries<'_>) {
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
                let told = corrected
                    .told
                    .iter()
                    .map(|told| format!("{}, {told}", name()));
                self.corrections.extend(told);
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

    /// Adds what a series consumed, which counts with `sign`.
    fn book(
        &mut self,
        question: &Question<'_>,
        (quantity, by, sign): (Quantity, By, i8),
        corrected: &Corrected,
    ) {
        let consumption = &corrected.consumption;
        if *consumption == Consumption::default() && corrected.told.is_empty() {
            return;
        }
        let lacks_coal = question.needs_coal() && by.coal == Coal::Unknown;
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

    /// Of the readings that meters with an interval should have given, those received; `None` where none is
    /// expected.
    pub(crate) fn completeness(&self) -> Option<Decimal> {
        let share = Decimal::from(self.awaited).checked_div(Decimal::from(self.expected))?;
        Some(share.min(Decimal::ONE))
    }

    /// Bytes that it takes, about.
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
            + self.parts.len() * size_of::<((Quantity, By), Part)>()
            + names.map(String::len).sum::<usize>()
            + sides * (size_of::<Balance>() + NAME_BYTES)
            + self.open.len() * size_of::<CivilDay>()
            + self.implausible.len() * size_of::<Implausible>()
    }

    /// Whether carbon dioxide was told by another year's or region's factor.
    pub(crate) fn has_fallback(&self) -> bool {
        let carbon = self.parts.keys().filter_map(|(_, by)| by.carbon.as_ref());
        carbon
            .into_iter()
            .any(|emission| emission.fallback.is_some())
    }

    /// Counts the readings that the registered meters should have given until now.
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
                let until = part.last().end().0.min(question.now.0);
                let ms = until.saturating_sub(part.first().start().0);
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

    /// Adds what others consumed.
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
