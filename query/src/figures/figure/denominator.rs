//! The denominator of a figure: value added or another declared series of the population, the available waste, or
//! standard coal.

use greenpark_model::{
    id::EnterpriseId,
    indicator::{Indicator, round},
    money::PriceBase,
};
use rust_decimal::Decimal;

use crate::{
    error::QueryError,
    figures::{
        figure::{
            deflated::{Deflated, ExactTotal},
            numerator::Numerator,
            out_of_range,
        },
        measure::Question,
        park_days::ParkDays,
        population::Population,
    },
    register::statistics::{DIFFERENCE, DeclaredStatistic, Finality, Total, differing, total_of},
};

/// Decimal places of declared amounts: fen in 10⁴ yuan.
const DECLARED_PLACES: u32 = 6;

/// A denominator and its uncertainties.
#[derive(Debug, Default)]
pub(crate) struct Denominator {
    pub(crate) amount: Decimal,
    /// Enterprises whose value added is prorated for some days.
    pub(crate) prorated: Vec<String>,
    /// Enterprises whose value added is preliminary for some days.
    pub(crate) preliminary: Vec<String>,
    /// Enterprises without a declaration for some days, and the number of days.
    pub(crate) incomplete: Vec<(String, i32)>,
    /// Enterprises without any declaration for the range.
    pub(crate) undeclared: Vec<String>,
    /// Enterprises whose value added was converted to the requested prices, and how.
    pub(crate) deflated: Vec<String>,
    /// One sentence for each period that is declared both as a whole and by parts with a different sum.
    pub(crate) declared_twice: Vec<String>,
}

impl Denominator {
    /// Records the periods that are declared twice with different amounts.
    fn note_double_declarations(
        &mut self,
        question: &Question<'_>,
        name: &str,
        declared: &[DeclaredStatistic],
    ) {
        let price_base = requested_base(question);
        let most = question.rules.quality.of(DIFFERENCE);
        let found = differing(declared, question.per, (question.range, price_base), most);
        self.declared_twice.extend(
            found
                .into_iter()
                .map(|(_, sentence)| format!("{name}, {sentence}")),
        );
    }

    /// The total of the requested series in `declared`, at the requested prices or converted to them.
    fn total(
        &mut self,
        question: &Question<'_>,
        (park, enterprise): (&ParkDays, &EnterpriseId),
        name: &str,
        declared: &[DeclaredStatistic],
    ) -> Result<Option<ExactTotal>, QueryError> {
        let price_base = requested_base(question);
        let plain = total_of(declared, question.per, question.range, price_base);
        let total = plain.map(exact_total).transpose()?;
        if total.as_ref().is_some_and(|total| total.missing_days == 0) {
            return Ok(total);
        }
        let deflated = Deflated::of(question, &park.registry, enterprise, declared);
        let converted = deflated.total(question.per, question.range, price_base);
        let Some(converted) = converted.filter(|total| total.missing_days == 0) else {
            return Ok(total);
        };
        self.deflated.push(format!("{name} ({})", deflated.ways()));
        Ok(Some(converted))
    }

    pub(crate) fn is_prorated(&self) -> bool {
        !self.prorated.is_empty()
    }

    /// A missing declaration can still follow, so a figure without it is preliminary too.
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
    let (mut sum, mut mixed) = (Decimal::ZERO, Vec::new());
    let members = population.questions(question);
    let members = members.flat_map(|(park, enterprise, questions)| {
        questions.into_iter().map(move |of| (park, enterprise, of))
    });
    for (park, enterprise, question) in members {
        let question = &question;
        let all = park.registry.statistics.get(enterprise);
        let all = all.map_or(&[][..], Vec::as_slice);
        let name = format!("parks/{}/enterprises/{enterprise}", park.park);
        made.note_double_declarations(question, &name, all);
        let total = made.total(question, (park, enterprise), &name, all)?;
        let whole = total.as_ref().is_some_and(|total| total.missing_days == 0);
        let bases = match whole {
            true => String::new(),
            false => other_bases(question, all),
        };
        match total {
            _ if !bases.is_empty() => mixed.push((name, bases)),
            Some(total) => {
                sum = sum.checked_add(total.amount).ok_or_else(out_of_range)?;
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
    for names in [
        &mut made.prorated,
        &mut made.preliminary,
        &mut made.undeclared,
        &mut made.deflated,
        &mut made.declared_twice,
    ] {
        // A member that counts in two runs of days is named once.
        names.dedup();
    }
    // Converted amounts are rounded here, once; all others have at most six places.
    made.amount = round(sum, DECLARED_PLACES).normalize();
    Ok(made)
}

/// The requested price base; `None` if the series has no prices.
fn requested_base(question: &Question<'_>) -> Option<PriceBase> {
    question.per.has_prices().then_some(question.price_base)
}

/// Converts a total of unconverted declarations.
fn exact_total(total: Total) -> Result<ExactTotal, QueryError> {
    Ok(ExactTotal {
        amount: total.amount.decimal().map_err(|_| out_of_range())?,
        finality: total.finality,
        prorated_days: total.prorated_days,
        missing_days: total.missing_days,
    })
}

/// The other price bases at which the series was declared for some day of the range.
fn other_bases(question: &Question<'_>, declared: &[DeclaredStatistic]) -> String {
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
