//! Decides which side of an energy's balance counts at an enterprise, day by day. Pure.
//!
//! A declared side counts on the days that it is declared for. On other days the side that is metered in the calendar
//! year counts, or the larger one if both are metered. The whole year decides for each of its days, so that its
//! months sum to it and one stray reading changes nothing.

use std::collections::BTreeMap;

use greenpark_model::{
    balance::{Balance, Side},
    day::DayRange,
    id::EnterpriseId,
    quantity::{Flow, Medium, MediumClass, Quantity},
    reading::{Kind, Series},
};

use crate::{
    figures::{consumption::counting::by_year, park_days::ParkDays},
    lake::books::SeriesDays,
};

/// The series of an enterprise, each with its days book by book.
type Known<'a> = BTreeMap<&'a Series, Vec<&'a SeriesDays>>;

/// The counted sides of an enterprise's energies in a range.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    stretches: BTreeMap<Medium, Vec<(DayRange, Side)>>,
    /// Energies with meters on both sides and no declared side, with the amount of each side in the years touched.
    pub(crate) undeclared: BTreeMap<Medium, Balance>,
    /// Energies with meters on both sides, and the declared side.
    pub(crate) declared: BTreeMap<Medium, Side>,
    /// Energies whose declared side has no meter while the other side has one.
    pub(crate) unmetered: BTreeMap<Medium, Side>,
}

impl Sides {
    /// The sides of the energies that `enterprise` has series of.
    pub(crate) fn of(
        park: &ParkDays,
        enterprise: &EnterpriseId,
        known: &Known<'_>,
        range: DayRange,
    ) -> Self {
        let mut metered_sides: BTreeMap<Medium, Vec<Side>> = BTreeMap::new();
        for series in known.keys().filter(|series| series.kind != Kind::Gauge) {
            let Quantity { medium, flow } = series.quantity;
            if medium.class() == MediumClass::Energy {
                metered_sides
                    .entry(medium)
                    .or_default()
                    .extend(Side::of(flow));
            }
        }
        let mut made = Self::default();
        for (medium, sides) in metered_sides {
            let energy = EnergySeries {
                park,
                enterprise,
                known,
                medium,
            };
            match sides.first() {
                // The usual case: one side is metered and nothing is declared.
                Some(first)
                    if sides.iter().all(|side| side == first)
                        && park.registry.sides(enterprise, medium).is_none() =>
                {
                    made.stretches.insert(medium, vec![(range, *first)]);
                }
                _ => made.decide(energy, range),
            }
        }
        made
    }

    fn decide(&mut self, energy: EnergySeries<'_>, range: DayRange) {
        let EnergySeries {
            park,
            enterprise,
            medium,
            ..
        } = energy;
        let declared = park.registry.sides(enterprise, medium);
        let mut stretches = Vec::new();
        for year in by_year(range) {
            let balance = energy.balance(year.first().year());
            let parts = declared.map_or_else(|| vec![year], |dated| dated.parts(year));
            let mut undeclared = false;
            for part in parts {
                let entry = declared.and_then(|dated| dated.on(part.first()));
                let Some(side) = entry.map(|entry| entry.body) else {
                    undeclared = true;
                    stretches.push((part, balance.larger()));
                    continue;
                };
                if balance.has_both() {
                    self.declared.insert(medium, side);
                } else if balance.of(side).is_none() && balance != Balance::default() {
                    self.unmetered.insert(medium, side);
                }
                stretches.push((part, side));
            }
            if balance.has_both() && undeclared {
                let sum = self.undeclared.entry(medium).or_default();
                *sum = sum.plus(&balance);
            }
        }
        self.stretches.insert(medium, stretches);
    }

    /// `range` in pieces throughout which an amount of `quantity` counts with one sign: 1, 0 or −1.
    pub(crate) fn pieces(&self, quantity: Quantity, range: DayRange) -> Vec<(DayRange, i8)> {
        let Quantity { medium, flow } = quantity;
        let Some(stretches) = self.stretches.get(&medium) else {
            return vec![(range, default_sign(medium, flow))];
        };
        let mut pieces: Vec<(DayRange, i8)> = Vec::new();
        for (days, side) in stretches {
            let Some(days) = days.intersection(range) else {
                continue;
            };
            let sign = side.sign(flow);
            match pieces.last_mut() {
                Some((last, same)) if *same == sign => {
                    *last = DayRange::new(last.first(), days.last()).unwrap_or(*last);
                }
                _ => pieces.push((days, sign)),
            }
        }
        pieces
    }
}

/// The sign of a flow where no side is decided: that of its own side. Media other than energies count with 1.
fn default_sign(medium: Medium, flow: Flow) -> i8 {
    match (medium.class(), Side::of(flow)) {
        (MediumClass::Energy, Some(side)) => side.sign(flow),
        _ => 1,
    }
}

/// One energy of one enterprise.
#[derive(Clone, Copy)]
struct EnergySeries<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    known: &'a Known<'a>,
    medium: Medium,
}

impl EnergySeries<'_> {
    /// The amounts of the counted meters of each side in a whole calendar year. Only the book of that year is read,
    /// so that every question about a part of the year gets the same balance.
    fn balance(&self, year: i16) -> Balance {
        let mut balance = Balance::default();
        let Some(days) = DayRange::year(year) else {
            return balance;
        };
        let of_medium = self.known.iter().filter(|(series, _)| {
            series.quantity.medium == self.medium && series.kind != Kind::Gauge
        });
        for (series, parts) in of_medium {
            let of_year: Vec<&SeriesDays> = parts
                .iter()
                .copied()
                .filter(|part| part.span().is_some_and(|(first, _)| first.year() == year))
                .collect();
            for days in self.park.counting(self.enterprise, series, days).days {
                let corrected = self.park.consumed(self.enterprise, series, &of_year, days);
                if corrected.consumption.readings > 0 || !corrected.told.is_empty() {
                    balance.book(series.quantity.flow, corrected.consumption.amount);
                }
            }
        }
        balance
    }
}
