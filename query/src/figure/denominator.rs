//! What a numerator is divided by: value added or another declared series of the population, the waste that
//! was available, or standard coal.

use greenpark_model::{amount::Sum, indicator::Indicator};
use rust_decimal::Decimal;

use crate::{
    deflator::Deflated,
    error::QueryError,
    figure::{Population, numerator::Numerator, out_of_range},
    measure::Question,
    statistics::{Declared, Finality, total_of},
};

/// A denominator and what is uncertain about it.
#[derive(Debug, Default)]
pub(crate) struct Denominator {
    pub(crate) amount: Decimal,
    /// Enterprises whose value added is prorated for some days.
    pub(crate) prorated: Vec<String>,
    /// Enterprises whose value added is preliminary for some days.
    pub(crate) preliminary: Vec<String>,
    /// Enterprises that declared nothing for some days, and how many.
    pub(crate) incomplete: Vec<(String, i32)>,
    /// Enterprises that declared nothing at all for the range.
    pub(crate) undeclared: Vec<String>,
    /// Enterprises whose value added was brought to the asked prices, and by what.
    pub(crate) deflated: Vec<String>,
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
    numerator: &Numerator,
) -> Result<Denominator, QueryError> {
    let exact = |amount| Denominator {
        amount,
        ..Denominator::default()
    };
    match question.indicator {
        Indicator::WasteUtilization => {
            let available = numerator.ledger.available().decimal();
            Ok(exact(available.map_err(|_| out_of_range())?))
        }
        Indicator::CarbonPerEnergy => Ok(exact(numerator.tce)),
        _ => declared(question, population),
    }
}

fn declared(
    question: &Question<'_>,
    population: &Population<'_>,
) -> Result<Denominator, QueryError> {
    let mut made = Denominator::default();
    let (mut sum, mut mixed) = (Sum::ZERO, Vec::new());
    let price_base = question.per.has_prices().then_some(question.price_base);
    for (park, enterprise) in &population.members {
        let of =
            |declared: &[Declared]| total_of(declared, question.per, question.range, price_base);
        let all = park.registry.statistics.get(enterprise);
        let all = all.map_or(&[][..], Vec::as_slice);
        let name = format!("parks/{}/enterprises/{enterprise}", park.park);
        let mut total = of(all);
        if total.as_ref().is_none_or(|total| total.missing_days > 0) {
            let deflated = Deflated::of(question, &park.registry, enterprise, all);
            let brought = of(&deflated.declared);
            if brought
                .as_ref()
                .is_some_and(|total| total.missing_days == 0)
            {
                made.deflated.push(format!("{name} ({})", deflated.how()));
                total = brought;
            }
        }
        let whole = total.as_ref().is_some_and(|total| total.missing_days == 0);
        let bases = match whole {
            true => String::new(),
            false => other_bases(question, all),
        };
        match total {
            _ if !bases.is_empty() => mixed.push((name, bases)),
            Some(total) => {
                sum += total.amount;
                if total.prorated_days > 0 {
                    made.prorated.push(name.clone());
                }
                if total.finality == Finality::Preliminary {
                    made.preliminary.push(name.clone());
                }
                if total.missing_days > 0 {
                    made.incomplete.push((name, total.missing_days));
                }
            }
            None => made.undeclared.push(name),
        }
    }
    if !mixed.is_empty() {
        return Err(QueryError::MixedPriceBases {
            asked: question.price_base.to_string(),
            declared: mixed,
        });
    }
    made.amount = sum.decimal().map_err(|_| out_of_range())?.normalize();
    Ok(made)
}

/// The other price bases that the series was declared at for some day of the range.
fn other_bases(question: &Question<'_>, declared: &[Declared]) -> String {
    let range = question.range;
    let mut bases: Vec<String> = declared
        .iter()
        .filter(|d| d.series == *question.per)
        .filter_map(|d| Some((d, d.price_base.filter(|base| *base != question.price_base)?)))
        .filter(|(d, _)| d.period.range().overlaps(range))
        .map(|(_, base)| base.to_string())
        .collect();
    bases.sort();
    bases.dedup();
    bases.join(" and ")
}
