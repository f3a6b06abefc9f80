//! Completeness of the counted meters: the share of the due days that is known. Pure.
//!
//! - A registered meter with an interval: readings received ÷ readings expected, capped day by day at the expected
//!   number. A correction by hand is not a received reading.
//! - A registered meter without an interval: days known ÷ days due. A day is known if it has a reading, lies between
//!   two registers, or is corrected by hand.
//! - Unregistered meters, if the enterprise has no registered meter of the quantity: the days on which any of them is
//!   known, because a replacement meter continues where the old one ended.
//!
//! A registered meter is due on the days that its entries cover; future days are never due. On days without an entry,
//! a meter with readings is treated as unregistered, so that an entry that begins late or ends early does not make
//! the year look complete. Tickets are never due: a day without a ticket is a day without a delivery.

use std::collections::BTreeMap;

use greenpark_archive::{dated::Dated, meters::RegisteredMeter};
use greenpark_model::{
    day::{CivilDay, DayRange},
    id::EnterpriseId,
    quantity::Quantity,
    reading::{Kind, Series},
};
use rust_decimal::Decimal;

use super::Question;
use crate::{
    figures::park_days::ParkDays,
    lake::books::{DaySet, SeriesDays},
    register::corrections::Correction,
};

/// Seconds of a civil day.
const DAY_S: u32 = 86_400;

/// Days that were due, and how many of them are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Completeness {
    /// Due days of meters, or of quantities without a registered meter.
    due: u64,
    /// Known days; a fraction of a day if only some of its readings are known.
    known: Decimal,
    /// The meters and quantities with gaps, with the due and the known days of each.
    lacking: BTreeMap<String, (u64, Decimal)>,
}

/// The series of the enterprise that a question concerns.
#[derive(Clone, Copy)]
pub(super) struct EnterpriseSeries<'a> {
    pub(super) park: &'a ParkDays,
    pub(super) enterprise: &'a EnterpriseId,
    pub(super) known: &'a BTreeMap<&'a Series, Vec<&'a SeriesDays>>,
    /// Returns the parts of a range on which the counted side of the balance includes a quantity.
    pub(super) counts: &'a dyn Fn(Quantity, DayRange) -> Vec<DayRange>,
}

impl Completeness {
    /// Computes the completeness of an enterprise until `question.now`.
    pub(super) fn of(question: &Question<'_>, enterprise_series: EnterpriseSeries<'_>) -> Self {
        let mut made = Self::default();
        let range = question.range;
        let yesterday = question.now.day().previous();
        if let Some(due) = DayRange::new(range.first(), range.last().min(yesterday)) {
            let registered = made.registered(question, enterprise_series, due);
            made.unregistered(question, enterprise_series, (due, registered));
        }
        made
    }

    /// Adds the completeness of other enterprises.
    pub(crate) fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.known += other.known;
        for (name, (due, known)) in &other.lacking {
            let sum = self.lacking.entry(name.clone()).or_default();
            sum.0 += *due;
            sum.1 += *known;
        }
    }

    /// The known share of the due days; `None` if no day was due.
    pub(crate) fn share(&self) -> Option<Decimal> {
        share(self.known, self.due)
    }

    /// The names of meters and quantities whose own share is below `least`.
    pub(crate) fn below(&self, least: Decimal) -> Vec<String> {
        let low = |(due, known)| share(known, due).is_some_and(|share| share < least);
        let lacking = self.lacking.iter().filter(|(_, of)| low(**of));
        lacking.map(|(name, _)| name.clone()).collect()
    }

    fn book(&mut self, name: impl FnOnce() -> String, due: u64, known: Decimal) {
        self.due += due;
        self.known += known;
        if known < Decimal::from(due) {
            let of = self.lacking.entry(name()).or_default();
            of.0 += due;
            of.1 += known;
        }
    }

    /// Books the registered meters; returns the days on which each quantity has one.
    fn registered(
        &mut self,
        question: &Question<'_>,
        enterprise_series: EnterpriseSeries<'_>,
        due: DayRange,
    ) -> BTreeMap<Quantity, Vec<DayRange>> {
        let mut quantities: BTreeMap<Quantity, Vec<DayRange>> = BTreeMap::new();
        let meters = &enterprise_series.park.registry.meters;
        for (key, meter) in meters.of(enterprise_series.enterprise) {
            if !question.concerns(key.quantity) {
                continue;
            }
            for part in covered(meter, due) {
                let Some(body) = meter.on(part.first()).map(|entry| &entry.body) else {
                    continue;
                };
                let source = body.particulars.water_source;
                let is_due = body.kind != Kind::Gauge
                    && (body.kind != Kind::Event || body.interval_s > 0)
                    && body.counted
                    && question.takes_source(key.quantity.medium, source) == Some(true);
                if !is_due {
                    continue;
                }
                quantities.entry(key.quantity).or_default().push(part);
                let series = Series {
                    meter: key.meter.clone(),
                    quantity: key.quantity,
                    kind: body.kind,
                };
                for days in (enterprise_series.counts)(key.quantity, part) {
                    let known = Known::of(enterprise_series, &series).within(days, body.interval_s);
                    let name = || enterprise_series.name(&format!("meters/{}", key.meter));
                    self.book(name, u64::from(days.days().unsigned_abs()), known);
                }
            }
        }
        quantities
    }

    /// Books the quantities with readings on days on which no registered meter was due.
    fn unregistered(
        &mut self,
        question: &Question<'_>,
        enterprise_series: EnterpriseSeries<'_>,
        (due, registered): (DayRange, BTreeMap<Quantity, Vec<DayRange>>),
    ) {
        let mut by_quantity: BTreeMap<Quantity, Vec<&Series>> = BTreeMap::new();
        for &series in enterprise_series.known.keys() {
            let is_due = !matches!(series.kind, Kind::Gauge | Kind::Event)
                && question.concerns(series.quantity);
            if is_due {
                by_quantity.entry(series.quantity).or_default().push(series);
            }
        }
        for (quantity, all) in by_quantity {
            let covered = registered.get(&quantity).map_or(&[][..], Vec::as_slice);
            let mut each = all;
            each.retain(|series| {
                is_read_beside(question, enterprise_series, series, (due, covered))
            });
            let open = beside(due, covered)
                .into_iter()
                .filter(|_| !each.is_empty());
            for days in open.flat_map(|days| (enterprise_series.counts)(quantity, days)) {
                let known = match each[..] {
                    [alone] => Known::of(enterprise_series, alone).within(days, 0),
                    _ => {
                        let mut known = DaySet::within(days);
                        for of in &each {
                            Known::of(enterprise_series, of).add_to(&mut known);
                        }
                        known.count().into()
                    }
                };
                let name = || enterprise_series.name(&quantity.to_string());
                self.book(name, u64::from(days.days().unsigned_abs()), known);
            }
        }
    }
}

/// Returns true if a meter counts on days of `due` that are not `covered`. That holds for an unregistered meter if no
/// day is covered, and for a registered one with readings on more days there than the one on which its entry ended.
fn is_read_beside(
    question: &Question<'_>,
    enterprise_series: EnterpriseSeries<'_>,
    series: &Series,
    (due, covered): (DayRange, &[DayRange]),
) -> bool {
    let medium = series.quantity.medium;
    let Some(meter) = enterprise_series
        .park
        .registry
        .meters
        .get(enterprise_series.enterprise, series)
    else {
        return covered.is_empty() && question.takes_source(medium, None) == Some(true);
    };
    let known = Known::of(enterprise_series, series);
    let open = beside(due, covered).into_iter();
    let read = open.flat_map(|days| known.read(days)).take(2);
    let read: Vec<CivilDay> = read.collect();
    let [first, _] = read[..] else {
        return false;
    };
    meter.nearest(first).is_some_and(|entry| {
        let body = &entry.body;
        let source = body.particulars.water_source;
        body.counted
            && body.kind == series.kind
            && question.takes_source(medium, source) == Some(true)
    })
}

/// The parts of `range` outside all of `covered`.
fn beside(range: DayRange, covered: &[DayRange]) -> Vec<DayRange> {
    let mut covered: Vec<DayRange> = covered.to_vec();
    covered.sort_by_key(|of| of.first());
    let mut from = range.first();
    let mut parts = Vec::new();
    for of in covered {
        parts.extend(DayRange::new(from, of.first().previous()));
        from = from.max(of.last().next());
    }
    parts.extend(DayRange::new(from, range.last()));
    parts
}

impl EnterpriseSeries<'_> {
    fn name(&self, of: &str) -> String {
        let Self {
            park, enterprise, ..
        } = self;
        format!("parks/{}/enterprises/{enterprise}/{of}", park.park)
    }
}

fn share(known: Decimal, due: u64) -> Option<Decimal> {
    known.checked_div(Decimal::from(due))
}

/// The parts of `range` that an entry of `meter` covers.
fn covered(meter: &Dated<RegisteredMeter>, range: DayRange) -> Vec<DayRange> {
    let parts = meter.parts(range).into_iter();
    let covers = |part: &DayRange| meter.entries().iter().any(|of| of.covers(part.first()));
    parts.filter(covers).collect()
}

/// The known days of one series.
struct Known<'a> {
    parts: &'a [&'a SeriesDays],
    /// The days from the first to the last register, which bridge every gap between them.
    bridged: Option<DayRange>,
    corrections: &'a [Correction],
}

impl<'a> Known<'a> {
    fn of(enterprise_series: EnterpriseSeries<'a>, series: &Series) -> Self {
        let parts = enterprise_series
            .known
            .get(series)
            .map_or(&[][..], Vec::as_slice);
        let spans = || parts.iter().filter_map(|part| part.span());
        let first = spans().map(|(first, _)| first).min();
        let last = spans().map(|(_, last)| last).max();
        let bridged = first
            .zip(last)
            .filter(|_| series.kind == Kind::Register)
            .and_then(|(first, last)| DayRange::new(first, last));
        Self {
            parts,
            bridged,
            corrections: enterprise_series
                .park
                .registry
                .corrections(enterprise_series.enterprise, series),
        }
    }

    /// The days of `due` with a reading.
    fn read(&self, due: DayRange) -> impl Iterator<Item = CivilDay> {
        self.parts
            .iter()
            .flat_map(move |part| part.days.read_in(due))
    }

    /// Adds the days that have a reading, that registers bridge, or that are corrected by hand.
    fn add_to(&self, known: &mut DaySet) {
        let by_hand = self.corrections.iter().map(|of| of.days);
        for days in by_hand.chain(self.bridged) {
            known.add_all(days);
        }
        // Registers bridge every day between two readings.
        if self.bridged.is_none() {
            for day in self.read(known.range) {
                known.add(day);
            }
        }
    }

    /// The number of known days of `due`. For a meter with an interval it follows from the received readings alone,
    /// because a correction by hand is not a received reading.
    fn within(&self, due: DayRange, interval_s: u32) -> Decimal {
        if interval_s > 0 {
            let seconds = self.parts.iter().map(|part| seconds(part, due, interval_s));
            let most = u64::from(due.days().unsigned_abs()) * u64::from(DAY_S);
            return days_of(seconds.sum::<u64>().min(most));
        }
        if !self.corrections.is_empty() {
            let mut known = DaySet::within(due);
            self.add_to(&mut known);
            return known.count().into();
        }
        let days = match self.bridged {
            Some(days) => days.intersection(due).map_or(0, DayRange::days),
            None => {
                let days = self.parts.iter().map(|part| part.days.count_read(due));
                i32::try_from(days.sum::<u32>()).unwrap_or(i32::MAX)
            }
        };
        days.into()
    }
}

/// The seconds of `due` that the readings of `part` cover.
fn seconds(part: &SeriesDays, due: DayRange, interval_s: u32) -> u64 {
    let whole = part
        .span()
        .is_some_and(|(first, last)| due.contains(first) && due.contains(last));
    // The usual case: `due` contains the whole book, and no day has more readings than expected.
    if whole && u64::from(part.most_readings) * u64::from(interval_s) <= u64::from(DAY_S) {
        return u64::from(part.whole.readings) * u64::from(interval_s);
    }
    let days = part.days.near(due).into_iter();
    let within = days.filter(|(day, _)| due.contains(*day));
    within
        .map(|(_, fold)| of_day(fold.readings, interval_s))
        .sum()
}

/// The seconds that the readings of one day cover: at most a day, or one reading's interval if that is longer.
fn of_day(readings: u32, interval_s: u32) -> u64 {
    let most = u64::from(interval_s.max(DAY_S));
    (u64::from(readings) * u64::from(interval_s)).min(most)
}

/// Converts seconds to days.
fn days_of(seconds: u64) -> Decimal {
    Decimal::from(seconds) / Decimal::from(DAY_S)
}
