//! The factors of an amount, and the parts of a range throughout which they are the same. Pure.

use std::sync::Arc;

use greenpark_archive::dated::Dated;
use greenpark_model::{
    amount::Amount,
    carbon::{CarbonSet, Fallback},
    coal::Factor,
    day::{CivilDay, DayRange},
    quantity::{Medium, MediumClass},
};
use rust_decimal::Decimal;

use super::Question;
use crate::register::registry::Heat;

/// The factors of an amount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Factors {
    pub(crate) coal: CoalFactor,
    /// `None` if the figure needs no carbon dioxide or no factor is known.
    pub(crate) carbon: Option<Emission>,
}

/// The factor that converts an amount to standard coal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CoalFactor {
    /// The figure needs none.
    Unneeded,
    /// No factor is known.
    Unknown,
    /// The entry of the factor set at this place.
    Set(usize),
    /// A measured net calorific value.
    Measured {
        kj_per_unit: Amount,
        source: Arc<str>,
    },
}

/// The factor that converts an amount to carbon dioxide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Emission {
    pub(crate) tco2_per_unit: Decimal,
    pub(crate) source: String,
    /// The origin of the factor, if it is not that of the day and region.
    pub(crate) fallback: Option<String>,
}

impl Question<'_> {
    /// The parts of `range` with the same factors throughout.
    pub(crate) fn factors_of(
        &self,
        heats: Option<&Dated<Heat>>,
        medium: Medium,
        range: DayRange,
    ) -> Vec<(DayRange, Factors)> {
        if !self.is_energy() {
            let coal = CoalFactor::Unneeded;
            return vec![(range, Factors { coal, carbon: None })];
        }
        let mut changes = Vec::new();
        if self.needs_coal() {
            changes.extend(self.coal_changes(medium));
            let heats = heats.into_iter().flat_map(|heats| heats.entries());
            changes.extend(heats.flat_map(|entry| ends(entry.valid_from, entry.valid_to)));
        }
        if self.needs_carbon() {
            changes.extend(carbon_changes(self.rules.carbon, medium));
        }
        let by = |part: DayRange| Factors {
            coal: self.coal_of(heats, medium, part.first()),
            carbon: self.carbon_of(medium, part.first()),
        };
        let parts = range.cut(changes).into_iter();
        parts.map(|part| (part, by(part))).collect()
    }

    fn fits(&self, factor: &Factor, medium: Medium) -> bool {
        factor.medium == medium && factor.basis.is_none_or(|basis| basis == self.basis)
    }

    fn coal_changes(&self, medium: Medium) -> impl Iterator<Item = CivilDay> {
        let all = self.rules.factors.factors.iter();
        all.filter(move |factor| self.fits(factor, medium))
            .flat_map(|factor| ends(factor.valid_from, factor.valid_to))
    }

    fn coal_of(&self, heats: Option<&Dated<Heat>>, medium: Medium, day: CivilDay) -> CoalFactor {
        if !self.needs_coal() {
            return CoalFactor::Unneeded;
        }
        let set = self.rules.factors;
        let measured = heats.and_then(|heats| heats.on(day));
        if let (Some(entry), Some(_)) = (measured, set.kj_per_kgce) {
            return CoalFactor::Measured {
                kj_per_unit: entry.body.kj_per_unit,
                source: Arc::clone(&entry.body.source),
            };
        }
        let known_on = Some(self.now.day());
        let found = set.find_known(medium, self.basis, (day, known_on));
        let place = found.and_then(|f| set.factors.iter().position(|x| std::ptr::eq(x, f)));
        place.map_or(CoalFactor::Unknown, CoalFactor::Set)
    }

    fn carbon_of(&self, medium: Medium, day: CivilDay) -> Option<Emission> {
        if !self.needs_carbon() || medium.class() != MediumClass::Energy {
            return None;
        }
        let rules = self.rules;
        // A factor that was not yet published cannot be used.
        let known_on = Some(self.now.day());
        let found = rules
            .carbon
            .find_known(medium, rules.region, (day, known_on));
        let applied = found.ok()?;
        Some(Emission {
            tco2_per_unit: applied.tco2_per_unit,
            source: applied.source.to_owned(),
            fallback: applied.fallback.map(|fallback| {
                let origin = match fallback {
                    Fallback::EarlierYear { year } => format!("{}'s of {year}", rules.region),
                    Fallback::National { year } => format!("the nation's of {year}"),
                };
                format!("{origin} for {}", day.year())
            }),
        })
    }
}

fn carbon_changes(set: &CarbonSet, medium: Medium) -> Vec<CivilDay> {
    if medium == Medium::Electricity {
        // A year without a factor has a fallback of its own, so the range is cut at the turns of years too.
        let grid = set.grid.iter();
        let ends = grid.flat_map(|factor| ends(factor.valid_from, factor.valid_to));
        let years = crate::limits::YEARS;
        return ends
            .chain(years.filter_map(DayRange::year).map(DayRange::first))
            .collect();
    }
    let fuels = set.fuels.iter().filter(|factor| factor.medium == medium);
    fuels
        .flat_map(|factor| ends(factor.valid_from, factor.valid_to))
        .collect()
}

/// The first day of a validity and the day after its last.
fn ends(from: CivilDay, to: Option<CivilDay>) -> impl Iterator<Item = CivilDay> {
    [Some(from), to.map(CivilDay::next)].into_iter().flatten()
}
