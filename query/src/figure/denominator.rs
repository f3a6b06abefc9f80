//! What a numerator is divided by: the value added of the population, or the waste that was available.

use greenpark_model::{amount::Sum, indicator::Indicator, waste::Ledger};

use crate::{
    error::QueryError,
    figure::Population,
    measure::Question,
    statistics::{Declared, Finality, Series, value_added},
};

/// A denominator and what is uncertain about it.
#[derive(Debug, Default)]
pub(crate) struct Denominator {
    pub(crate) amount: Sum,
    /// Enterprises whose value added is prorated for some days.
    pub(crate) prorated: Vec<String>,
    /// Enterprises whose value added is preliminary for some days.
    pub(crate) preliminary: Vec<String>,
    /// Enterprises that declared nothing for some days, and how many.
    pub(crate) incomplete: Vec<(String, i32)>,
    /// Enterprises that declared nothing at all for the range.
    pub(crate) undeclared: Vec<String>,
}

impl Denominator {
    pub(crate) fn is_prorated(&self) -> bool {
        !self.prorated.is_empty()
    }

    /// What was not declared can still be: a figure without it is preliminary too.
    pub(crate) fn is_preliminary(&self) -> bool {
        !self.preliminary.is_empty() || !self.incomplete.is_empty() || !self.undeclared.is_empty()
    }
}

/// The denominator of `question` for `population`.
pub(super) fn of(
    question: &Question<'_>,
    population: &Population<'_>,
    ledger: &Ledger,
) -> Result<Denominator, QueryError> {
    if question.indicator == Indicator::WasteUtilization {
        return Ok(Denominator {
            amount: ledger.available(),
            ..Denominator::default()
        });
    }
    let mut sum = Denominator::default();
    let mut mixed = Vec::new();
    for (park, enterprise) in &population.members {
        let declared = park
            .registry
            .statistics
            .get(enterprise)
            .map_or(&[][..], Vec::as_slice);
        let name = format!("parks/{}/enterprises/{enterprise}", park.park);
        let value = value_added(declared, question.range, question.price_base);
        let whole = value.as_ref().is_some_and(|v| v.missing_days == 0);
        let bases = match whole {
            true => String::new(),
            false => other_bases(question, declared),
        };
        match value {
            _ if !bases.is_empty() => mixed.push((name, bases)),
            Some(value) => {
                sum.amount += value.amount;
                if value.prorated_days > 0 {
                    sum.prorated.push(name.clone());
                }
                if value.finality == Finality::Preliminary {
                    sum.preliminary.push(name.clone());
                }
                if value.missing_days > 0 {
                    sum.incomplete.push((name, value.missing_days));
                }
            }
            None => sum.undeclared.push(name),
        }
    }
    if mixed.is_empty() {
        Ok(sum)
    } else {
        let asked = question.price_base.to_string();
        Err(QueryError::MixedPriceBases {
            asked,
            declared: mixed,
        })
    }
}

/// The other price bases that value added was declared at for some day of the range.
fn other_bases(question: &Question<'_>, declared: &[Declared]) -> String {
    let range = question.range;
    let mut bases: Vec<String> = declared
        .iter()
        .filter(|d| d.series == Series::ValueAdded && d.price_base != question.price_base)
        .filter(|d| {
            let days = d.period.range();
            days.first() <= range.last() && range.first() <= days.last()
        })
        .map(|d| d.price_base.to_string())
        .collect();
    bases.sort();
    bases.dedup();
    bases.join(" and ")
}
