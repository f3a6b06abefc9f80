//! A figure from what was measured and declared. Pure.
//!
//! Σ over the population first, one division last; no ratio is ever added to another.

mod denominator;
mod notes;

use greenpark_model::{
    coal::Basis,
    day::{DayRange, Instant},
    id::EnterpriseId,
    indicator::{Indicator, Key, Ratio, round},
    quantity::Flow,
    waste::Ledger,
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    error::QueryError,
    figure::denominator::Denominator,
    measure::{Measured, Part, Question, measure},
    park_days::ParkDays,
};

pub(crate) use notes::listed;

/// Decimal places of tonnes of standard coal, shares and percentages.
const PLACES: u32 = 6;

/// Who is counted, and by which rule.
#[derive(Debug)]
pub(crate) struct Population<'a> {
    /// `above-designated-size`, `every-enterprise` where none is registered, or `named`.
    pub(crate) rule: &'static str,
    pub(crate) members: Vec<(&'a ParkDays, EnterpriseId)>,
    /// Parks that were asked, with or without members.
    pub(crate) parks: Vec<&'a ParkDays>,
    pub(crate) notes: Vec<String>,
}

/// A figure and the exact ratio in it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) figure: pb::Figure,
    pub(crate) ratio: Option<Ratio>,
    /// The exact numerator and denominator.
    pub(crate) parts: (Decimal, Decimal),
    /// Why a verdict cannot stand on it: numerator and denominator are not of the same days or
    /// enterprises. Empty where one can.
    pub(crate) unsound: Vec<&'static str>,
}

/// The numerator and what it is made of.
struct Numerator {
    total: Decimal,
    estimated: Decimal,
    components: Vec<pb::Component>,
    ledger: Ledger,
}

/// An instant on the wire.
pub(crate) fn timestamp(instant: Instant) -> prost_types::Timestamp {
    let ms = instant.0.rem_euclid(1_000);
    prost_types::Timestamp {
        seconds: instant.0.div_euclid(1_000),
        nanos: i32::try_from(ms * 1_000_000).expect("less than a second"),
    }
}

fn amount(value: impl ToString, unit: &str) -> pb::Amount {
    pb::Amount {
        value: value.to_string(),
        unit: unit.to_owned(),
    }
}

fn out_of_range() -> QueryError {
    QueryError::Broken("a sum is beyond 28 digits".to_owned())
}

/// Tells the figure of `population` under `name`.
pub(crate) fn tell(
    question: &Question<'_>,
    name: String,
    population: &Population<'_>,
) -> Result<Told, QueryError> {
    let mut measured = Measured::default();
    for (park, enterprise) in &population.members {
        measured.add(measure(question, park, enterprise));
    }
    let numerator = numerator(question, &measured)?;
    let denominator = denominator::of(question, population, &numerator.ledger)?;
    let key = Key {
        indicator: question.indicator,
        basis: (question.indicator == Indicator::EnergyIntensity).then_some(question.basis),
        price_base: (question.indicator != Indicator::WasteUtilization)
            .then_some(question.price_base),
    };
    let complete = measured.readings > 0 && measured.without_factor.is_empty();
    let ratio = ratio(question, key, &numerator, &denominator, complete)?;
    let parts = (
        numerator.total,
        denominator.amount.decimal().map_err(|_| out_of_range())?,
    );
    let notes = notes::gather(
        question,
        population,
        &measured,
        &numerator.ledger,
        &denominator,
    );
    let coverage = coverage(&measured, &numerator)?;
    let status = status(&measured, &denominator);
    let unsound = unsound(question, &measured, &denominator);
    let (members, revisions) = about(population, question);
    let figure = pb::Figure {
        name,
        value: ratio.map(|r| r.told().to_string()).unwrap_or_default(),
        denominator: Some(amount(denominator.amount, denominator_unit(question))),
        population: population.rule.to_owned(),
        enterprises: members,
        status: status.into(),
        coverage: Some(coverage),
        revisions,
        notes,
        ..envelope(question, numerator)
    };
    Ok(Told {
        figure,
        ratio,
        parts,
        unsound,
    })
}

/// What keeps a figure from being judged.
fn unsound(
    question: &Question<'_>,
    measured: &Measured,
    denominator: &Denominator,
) -> Vec<&'static str> {
    // An enterprise without waste has no reading of it; one without energy or water has a gap.
    let silent = question.indicator != Indicator::WasteUtilization && !measured.silent.is_empty();
    let whys = [
        (
            !measured.open.is_empty(),
            "days of the period are still open",
        ),
        (denominator.is_prorated(), "value added is prorated"),
        (
            !denominator.undeclared.is_empty() || !denominator.incomplete.is_empty(),
            "value added is not declared for everyone and every day that consumption counts for",
        ),
        (silent, "some enterprises that count were not read"),
    ];
    whys.into_iter()
        .filter_map(|(holds, why)| holds.then_some(why))
        .collect()
}

fn ratio(
    question: &Question<'_>,
    key: Key,
    numerator: &Numerator,
    denominator: &Denominator,
    complete: bool,
) -> Result<Option<Ratio>, QueryError> {
    if !complete || denominator.amount.0 == 0 {
        return Ok(None);
    }
    let denominator = denominator.amount.decimal().map_err(|_| out_of_range())?;
    let hundredfold = match question.indicator {
        Indicator::WasteUtilization => numerator.total.checked_mul(Decimal::ONE_HUNDRED),
        _ => Some(numerator.total),
    };
    let numerator = hundredfold.ok_or_else(out_of_range)?;
    Ratio::new(key, numerator, denominator)
        .map(Some)
        .map_err(|_| out_of_range())
}

fn numerator(question: &Question<'_>, measured: &Measured) -> Result<Numerator, QueryError> {
    let mut made = Numerator {
        total: Decimal::ZERO,
        estimated: Decimal::ZERO,
        components: Vec::with_capacity(measured.parts.len()),
        ledger: Ledger::default(),
    };
    for (&(quantity, factor), part) in &measured.parts {
        let unit = quantity.medium.unit().symbol();
        let factor = factor.and_then(|place| question.factors.factors.get(place));
        let contribution = match (question.indicator, factor) {
            (Indicator::EnergyIntensity, Some(factor)) => {
                let tce = |sum| factor.tce(sum).map_err(|_| out_of_range());
                Some((tce(part.amount)?, tce(part.estimated)?, "tce"))
            }
            (Indicator::EnergyIntensity, None) => None,
            (Indicator::WaterIntensity, _) => Some(plain(part, unit)?),
            (Indicator::WasteUtilization, _) => {
                made.ledger.book(quantity.flow, part.amount);
                if quantity.flow == Flow::Utilized {
                    Some(plain(part, unit)?)
                } else {
                    None
                }
            }
        };
        let contribution = match contribution {
            Some((value, estimated, unit)) => {
                made.total = made.total.checked_add(value).ok_or_else(out_of_range)?;
                made.estimated = made
                    .estimated
                    .checked_add(estimated)
                    .ok_or_else(out_of_range)?;
                let value = if unit == "tce" {
                    round(value, PLACES).to_string()
                } else {
                    part.amount.to_string()
                };
                Some(amount(value, unit))
            }
            None => None,
        };
        made.components.push(pb::Component {
            quantity: quantity.to_string(),
            amount: Some(amount(part.amount, unit)),
            estimated: Some(amount(part.estimated, unit)),
            factor: factor
                .map(|f| f.kgce_per_unit.to_string())
                .unwrap_or_default(),
            factor_source: factor.map(|f| f.source.clone()).unwrap_or_default(),
            contribution,
        });
    }
    Ok(made)
}

fn plain(part: &Part, unit: &'static str) -> Result<(Decimal, Decimal, &'static str), QueryError> {
    let decimal = |sum: greenpark_model::amount::Sum| sum.decimal().map_err(|_| out_of_range());
    Ok((decimal(part.amount)?, decimal(part.estimated)?, unit))
}

fn denominator_unit(question: &Question<'_>) -> &'static str {
    match question.indicator {
        Indicator::WasteUtilization => "t",
        _ => "10k-yuan",
    }
}

/// The members' names, and the states of the books that they stand in.
fn about(
    population: &Population<'_>,
    question: &Question<'_>,
) -> (Vec<String>, Vec<pb::BookRevision>) {
    let name = |(park, enterprise): &(&ParkDays, EnterpriseId)| {
        format!("parks/{}/enterprises/{enterprise}", park.park)
    };
    let range = question.range;
    let revisions = population
        .parks
        .iter()
        .flat_map(|p| revisions(p, population, range))
        .collect();
    (population.members.iter().map(name).collect(), revisions)
}

/// The part of a figure that the question and its numerator alone decide.
fn envelope(question: &Question<'_>, numerator: Numerator) -> pb::Figure {
    let energy = question.indicator == Indicator::EnergyIntensity;
    let waste = question.indicator == Indicator::WasteUtilization;
    let total = match question.indicator {
        Indicator::EnergyIntensity => amount(round(numerator.total, PLACES), "tce"),
        Indicator::WaterIntensity => amount(numerator.total.normalize(), "m3"),
        Indicator::WasteUtilization => amount(numerator.total.normalize(), "t"),
    };
    pb::Figure {
        indicator: question.indicator.to_string(),
        period: Some(days(question.range)),
        unit: question.indicator.unit().to_owned(),
        numerator: Some(total),
        components: numerator.components,
        basis: if energy {
            basis(question.basis)
        } else {
            pb::Basis::Unspecified
        }
        .into(),
        media: if energy {
            "excluded".to_owned()
        } else {
            String::new()
        },
        price_base: if waste {
            String::new()
        } else {
            question.price_base.to_string()
        },
        as_of: Some(timestamp(question.now)),
        factor_set: if energy {
            question.factors.id.clone()
        } else {
            String::new()
        },
        ..pb::Figure::default()
    }
}

/// A range on the wire.
pub(crate) fn days(range: DayRange) -> pb::Days {
    pb::Days {
        first: range.first().to_string(),
        last: range.last().to_string(),
    }
}

/// A basis on the wire.
pub(crate) fn basis(basis: Basis) -> pb::Basis {
    match basis {
        Basis::Calorific => pb::Basis::Calorific,
        Basis::PrimaryEquivalent => pb::Basis::PrimaryEquivalent,
    }
}

fn status(measured: &Measured, denominator: &Denominator) -> pb::PeriodStatus {
    if !measured.open.is_empty() || denominator.is_prorated() {
        pb::PeriodStatus::Operational
    } else if denominator.is_preliminary() {
        pb::PeriodStatus::Preliminary
    } else {
        pb::PeriodStatus::Final
    }
}

fn coverage(measured: &Measured, numerator: &Numerator) -> Result<pb::Coverage, QueryError> {
    let completeness = match measured.expected {
        0 => String::new(),
        expected => {
            let share = Decimal::from(measured.awaited)
                .checked_div(Decimal::from(expected))
                .ok_or_else(out_of_range)?;
            round(share.min(Decimal::ONE), PLACES).to_string()
        }
    };
    let estimated = if numerator.total.is_zero() {
        Decimal::ZERO
    } else {
        let hundredfold = numerator.estimated.checked_mul(Decimal::ONE_HUNDRED);
        hundredfold
            .and_then(|e| e.checked_div(numerator.total))
            .ok_or_else(out_of_range)?
    };
    Ok(pb::Coverage {
        received: measured.readings,
        expected: measured.expected,
        completeness,
        estimated_share: round(estimated, PLACES).to_string(),
        meter_days: measured.meter_days,
        conflicts: measured.conflicts,
        duplicates: measured.duplicates,
        open_days: u32::try_from(measured.open.len()).unwrap_or(u32::MAX),
    })
}

/// The state of each book that the range touches, for the members of the population.
fn revisions(
    park: &ParkDays,
    population: &Population<'_>,
    range: DayRange,
) -> Vec<pb::BookRevision> {
    let members = || {
        let of_park = population
            .members
            .iter()
            .filter(|(days, _)| days.park == park.park);
        of_park.map(|(_, enterprise)| enterprise)
    };
    let touched = |year: &i16| (range.first().year()..=range.last().year()).contains(year);
    park.books()
        .iter()
        .filter(|book| touched(&book.snapshot.year))
        .map(|book| {
            let sealed = members()
                .filter_map(|enterprise| book.sealed.get(enterprise))
                .flatten()
                .filter(|(day, _)| range.contains(*day));
            let (days, most) = sealed.fold((0u32, 0), |(days, most), (_, revision)| {
                (days + 1, most.max(*revision))
            });
            pb::BookRevision {
                park: park.park.to_string(),
                year: i32::from(book.snapshot.year),
                readings_version: book.snapshot.readings_version,
                totals_version: book.snapshot.totals_version,
                sealed_days: days,
                revision_max: most,
            }
        })
        .collect()
}
