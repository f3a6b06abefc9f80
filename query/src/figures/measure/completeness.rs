//! How much of what was due is known of the counted meters, weighed by the days that were due. Pure.
//!
//! - A registered meter with an interval: readings received, of a day no more than expected, ÷ expected. What was set
//!   by hand was not received.
//! - A registered meter without one: days known ÷ days due. A day is known that was read, that lies between two
//!   registers, or that somebody corrected by hand.
//! - Meters that nothing is registered of, where the enterprise has no registered meter of the quantity: the days
//!   on which any of them is known, for a meter that came in another's place goes on where that one ended.
//!
//! A registered meter is due on the days that its entries cover, and days to come never are. On days that no entry
//! covers, meters that were read all the same are held as if nothing were registered of them: an entry that begins
//! late or ends early makes no year whole. Tickets are due on no day: a day without one is a day without a delivery.

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

/// Days that were due, and what of them is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Completeness {
    /// Days of meters, or of quantities of which no meter is registered.
    due: u64,
    /// What of them is known; a part of a day where some of its readings are.
    known: Decimal,
    /// Those that lack something, with the days due and known of each.
    lacking: BTreeMap<String, (u64, Decimal)>,
}

/// An enterprise of which a question is asked.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) park: &'a ParkDays,
    pub(super) enterprise: &'a EnterpriseId,
    pub(super) known: &'a BTreeMap<&'a Series, Vec<&'a SeriesDays>>,
    /// The parts of some days on which a quantity is on the side of its balance that counts.
    pub(super) counts: &'a dyn Fn(Quantity, DayRange) -> Vec<DayRange>,
}

impl Completeness {
    /// What is known of what was due of an enterprise until `question.now`.
    pub(super) fn of(question: &Question<'_>, whose: Whose<'_>) -> Self {
        let mut made = Self::default();
        let range = question.range;
        let yesterday = question.now.day().previous();
        if let Some(due) = DayRange::new(range.first(), range.last().min(yesterday)) {
            let registered = made.registered(question, whose, due);
            made.unregistered(question, whose, (due, registered));
        }
        made
    }

    /// Adds what is known of others.
    pub(crate) fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.known += other.known;
        for (name, (due, known)) in &other.lacking {
            let sum = self.lacking.entry(name.clone()).or_default();
            sum.0 += *due;
            sum.1 += *known;
        }
    }

    /// The share of what was due that is known; `None` where nothing was due.
    pub(crate) fn share(&self) -> Option<Decimal> {
        share(self.known, self.due)
    }

    /// The names of those whose own share is below `least`.
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

    /// Books the registered meters; returns the days that each quantity has one.
    fn registered(
        &mut self,
        question: &Question<'_>,
        whose: Whose<'_>,
        due: DayRange,
    ) -> BTreeMap<Quantity, Vec<DayRange>> {
        let mut quantities: BTreeMap<Quantity, Vec<DayRange>> = BTreeMap::new();
        let meters = &whose.park.registry.meters;
        for (key, meter) in meters.of(whose.enterprise) {
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
                for days in (whose.counts)(key.quantity, part) {
                    let known = Known::of(whose, &series).within(days, body.interval_s);
                    let name = || whose.name(&format!("meters/{}", key.meter));
                    self.book(name, u64::from(days.days().unsigned_abs()), known);
                }
            }
        }
        quantities
    }

    /// Books the quantities of which meters were read on days that no registered meter was due on.
    fn unregistered(
        &mut self,
        question: &Question<'_>,
        whose: Whose<'_>,
        (due, registered): (DayRange, BTreeMap<Quantity, Vec<DayRange>>),
    ) {
        let mut heard: BTreeMap<Quantity, Vec<&Series>> = BTreeMap::new();
        for &series in whose.known.keys() {
            let is_due = !matches!(series.kind, Kind::Gauge | Kind::Event)
                && question.concerns(series.quantity);
            if is_due {
                heard.entry(series.quantity).or_default().push(series);
            }
        }
        for (quantity, all) in heard {
            let covered = registered.get(&quantity).map_or(&[][..], Vec::as_slice);
            let mut each = all;
            each.retain(|series| is_read_beside(question, whose, series, (due, covered)));
            let open = beside(due, covered)
                .into_iter()
                .filter(|_| !each.is_empty());
            for days in open.flat_map(|days| (whose.counts)(quantity, days)) {
                let known = match each[..] {
                    [alone] => Known::of(whose, alone).within(days, 0),
                    _ => {
                        let mut known = DaySet::within(days);
                        for of in &each {
                            Known::of(whose, of).add_to(&mut known);
                        }
                        known.count().into()
                    }
                };
                let name = || whose.name(&quantity.to_string());
                self.book(name, u64::from(days.days().unsigned_abs()), known);
            }
        }
    }
}

/// Whether a meter counts on days of `due` beside those that are `covered`: nothing is registered of it where nothing
/// at all is covered, or it was read there on more than the one day on which its entry has just ended.
fn is_read_beside(
    question: &Question<'_>,
    whose: Whose<'_>,
    series: &Series,
    (due, covered): (DayRange, &[DayRange]),
) -> bool {
    let medium = series.quantity.medium;
    let Some(meter) = whose.park.registry.meters.get(whose.enterprise, series) else {
        return covered.is_empty() && question.takes_source(medium, None) == Some(true);
    };
    let known = Known::of(whose, series);
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

/// The parts of `range` that none of `covered` holds.
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

impl Whose<'_> {
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

/// What is known of the days of one series.
struct Known<'a> {
    parts: &'a [&'a SeriesDays],
    /// The first and last day between which registers bridge every gap.
    bridged: Option<DayRange>,
    corrections: &'a [Correction],
}

impl<'a> Known<'a> {
    fn of(whose: Whose<'a>, series: &Series) -> Self {
        let parts = whose.known.get(series).map_or(&[][..], Vec::as_slice);
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
            corrections: whose.park.registry.corrections(whose.enterprise, series),
        }
    }

    /// The days of `due` that were read.
    fn read(&self, due: DayRange) -> impl Iterator<Item = CivilDay> {
        self.parts
            .iter()
            .flat_map(move |part| part.days.read_in(due))
    }

    /// Adds the days that were read, that registers bridge, or that somebody corrected by hand.
    fn add_to(&self, known: &mut DaySet) {
        let by_hand = self.corrections.iter().map(|of| of.days);
        for days in by_hand.chain(self.bridged) {
            known.add_all(days);
        }
        // Registers bridge every day between two that were read.
        if self.bridged.is_none() {
            for day in self.read(known.range) {
                known.add(day);
            }
        }
    }

    /// The days known of `due`; of a meter with an interval, by the readings that it should have given: what was
    /// set by hand was not received.
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

/// The seconds of `due` that the readings of `part` tell of.
fn seconds(part: &SeriesDays, due: DayRange, interval_s: u32) -> u64 {
    let whole = part
        .span()
        .is_some_and(|(first, last)| due.contains(first) && due.contains(last));
    // The usual case: the whole book is asked, and no day has more readings than expected.
    if whole && u64::from(part.most_readings) * u64::from(interval_s) <= u64::from(DAY_S) {
        return u64::from(part.whole.readings) * u64::from(interval_s);
    }
    let days = part.days.near(due).into_iter();
    let within = days.filter(|(day, _)| due.contains(*day));
    within
        .map(|(_, fold)| of_day(fold.readings, interval_s))
        .sum()
}

/// The seconds that the readings of one day tell of: no more than a day, or than one reading's interval.
fn of_day(readings: u32, interval_s: u32) -> u64 {
    let most = u64::from(interval_s.max(DAY_S));
    (u64::from(readings) * u64::from(interval_s)).min(most)
}

/// Seconds in days.
fn days_of(seconds: u64) -> Decimal {
    Decimal::from(seconds) / Decimal::from(DAY_S)
}
