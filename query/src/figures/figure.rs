//! Evaluates a figure from measured and declared amounts. Pure.
//!
//! Sums over the population come first and one division last; ratios are never added.

mod assessed;
mod deflated;
mod denominator;
mod frame;
mod implausible;
mod late;
mod notes;
mod numerator;
mod soundness;

use greenpark_model::{
    assessment::BasisOfAssessment,
    day::DayRange,
    id::EnterpriseId,
    indicator::{Indicator, Key, Ratio, round},
    positive::Positive,
    soundness::Reason,
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    error::QueryError,
    figures::{
        convert::{self, amount, basis, days, timestamp},
        figure::{denominator::Denominator, numerator::Numerator},
        measure::{Measured, Question},
        park_days::ParkDays,
        population::Population,
    },
};

pub(crate) use assessed::{Asks, Claims, Grounds};
pub(crate) use frame::frame;
pub(crate) use late::declared_since;

/// Decimal places of tonnes of standard coal, of shares and of percentages.
const PLACES: u32 = 6;

/// A figure and the exact ratio in it.
#[derive(Debug, Clone)]
pub(crate) struct EvaluatedFigure {
    pub(crate) figure: pb::Figure,
    pub(crate) ratio: Option<Ratio>,
    /// The exact numerator and denominator.
    pub(crate) parts: (Decimal, Decimal),
    /// The reasons against a verdict; a figure without one is sound.
    pub(crate) unsound: Vec<Reason>,
}

impl EvaluatedFigure {
    /// The ratio of a sound figure.
    pub(crate) fn sound(&self) -> Option<Ratio> {
        self.ratio.filter(|_| self.unsound.is_empty())
    }
}

/// The error for a sum that does not fit an exact decimal.
pub(crate) fn out_of_range() -> QueryError {
    QueryError::Broken("a sum is beyond 28 digits".to_owned())
}

/// `part` in per cent of `whole`, rounded; `None` if `whole` is zero.
pub(crate) fn percent(part: Decimal, whole: Decimal) -> Result<Option<Decimal>, QueryError> {
    if whole.is_zero() {
        return Ok(None);
    }
    part.checked_mul(Decimal::ONE_HUNDRED)
        .and_then(|hundredfold| hundredfold.checked_div(whole))
        .map(|percent| Some(round(percent, PLACES)))
        .ok_or_else(out_of_range)
}

/// Measures the joint consumption of a population's enterprises.
fn measure_together(question: &Question<'_>, population: &Population<'_>) -> Measured {
    let mut measured = Measured::default();
    for (park, enterprise, questions) in population.questions(question) {
        // The usual case: a member counts throughout.
        if let [question] = &questions[..] {
            measured.add(&park.measured(question, enterprise));
            continue;
        }
        let mut of_member = Measured::default();
        for question in &questions {
            of_member.add(&park.measured(question, enterprise));
        }
        // A member with readings in any run of its days is not silent.
        match of_member.is_known() {
            true => of_member.silent.clear(),
            false => of_member.silent.dedup(),
        }
        measured.add(&of_member);
    }
    measured
}

/// Evaluates the figure of `population` under `name`.
pub(crate) fn evaluate(
    question: &Question<'_>,
    name: String,
    population: &Population<'_>,
) -> Result<EvaluatedFigure, QueryError> {
    let measured = measure_together(question, population);
    let numerator = Numerator::of(question, &measured)?;
    let denominator = denominator::of(question, population, &numerator)?;
    let key = Key {
        indicator: question.indicator,
        basis: question.needs_coal().then_some(question.basis),
        basis_of_assessment: BasisOfAssessment::Gross,
        price_base: has_prices(question).then_some(question.price_base),
        media: question.media,
    };
    let complete = measured.is_known() && measured.without_factor.is_empty();
    let ratio = ratio(question, key, &numerator, &denominator, complete)?;
    let parts = (numerator.total, denominator.amount);
    let notes = notes::of_figure(question, population, &measured, &numerator, &denominator);
    let coverage = coverage(question, &measured, &numerator)?;
    let status = status(question, &measured, &denominator);
    let case = soundness::Case {
        question,
        name: &name,
        population,
        measured: &measured,
        numerator: &numerator,
        denominator: &denominator,
    };
    let unsound = case.reasons()?;
    let (members, revisions) = members_and_revisions(population, question);
    let figure = pb::Figure {
        name,
        value: ratio.map(|r| r.rounded().to_string()).unwrap_or_default(),
        denominator: Some(amount(
            rounded_denominator(question, &denominator),
            denominator_unit(question),
        )),
        population: population.rule.to_owned(),
        enterprises: members,
        status: status.into(),
        coverage: Some(coverage),
        revisions,
        notes,
        unsound: convert::unsound::on_wire(&unsound, 0),
        partial: partial(population),
        ..envelope(question, numerator)
    };
    Ok(EvaluatedFigure {
        figure,
        ratio,
        parts,
        unsound,
    })
}

/// The numerator and the denominator of the figure of `population`, without the rest of the figure.
pub(crate) fn parts(
    question: &Question<'_>,
    population: &Population<'_>,
) -> Result<(Decimal, Decimal), QueryError> {
    let numerator = Numerator::of(question, &measure_together(question, population))?;
    let denominator = denominator::of(question, population, &numerator)?;
    Ok((numerator.total, denominator.amount))
}

/// The denominator as reported: standard coal is rounded to six places as everywhere; declared amounts and tonnes are
/// exact.
fn rounded_denominator(question: &Question<'_>, denominator: &Denominator) -> Decimal {
    match question.indicator {
        Indicator::CarbonPerEnergy => round(denominator.amount, PLACES),
        _ => denominator.amount.normalize(),
    }
}

/// The ratio of totals above zero; `None` if a total is not above zero or data is missing.
fn ratio(
    question: &Question<'_>,
    key: Key,
    numerator: &Numerator,
    denominator: &Denominator,
    complete: bool,
) -> Result<Option<Ratio>, QueryError> {
    let hundredfold = match question.indicator {
        Indicator::WasteUtilization => numerator.total.checked_mul(Decimal::ONE_HUNDRED),
        _ => Some(numerator.total),
    };
    let numerator = Positive::new(hundredfold.ok_or_else(out_of_range)?);
    let denominator = Positive::new(denominator.amount);
    match (numerator, denominator) {
        (Ok(numerator), Ok(denominator)) if complete => Ratio::new(key, numerator, denominator)
            .map(Some)
            .map_err(|_| out_of_range()),
        _ => Ok(None),
    }
}

fn denominator_unit(question: &Question<'_>) -> &'static str {
    match question.indicator {
        Indicator::WasteUtilization => "t",
        Indicator::CarbonPerEnergy => "tce",
        _ => question.per.unit(),
    }
}

/// The unit of the numerator.
fn numerator_unit(indicator: Indicator) -> &'static str {
    match indicator {
        Indicator::EnergyIntensity => "tce",
        Indicator::WaterIntensity => "m3",
        Indicator::WasteUtilization => "t",
        Indicator::CarbonIntensity | Indicator::CarbonPerEnergy => "tCO2",
    }
}

/// Returns true if the figure is divided by a declared series.
fn is_per_declared(question: &Question<'_>) -> bool {
    !matches!(
        question.indicator,
        Indicator::WasteUtilization | Indicator::CarbonPerEnergy
    )
}

fn has_prices(question: &Question<'_>) -> bool {
    is_per_declared(question) && question.per.has_prices()
}

/// The unit of the figure: that of the indicator, or the numerator's unit per unit of the declared series.
fn unit(question: &Question<'_>) -> String {
    if !is_per_declared(question) || question.per.has_prices() {
        return question.indicator.unit().to_owned();
    }
    let numerator = numerator_unit(question.indicator).to_lowercase();
    format!("{numerator}/{}", question.per.unit())
}

/// The members' names, and the revisions of the books that hold their readings.
fn members_and_revisions(
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

/// The members that count only on some days of the range.
fn partial(population: &Population<'_>) -> Vec<pb::PartialMember> {
    let all = population.partial.iter();
    all.map(|((park, enterprise), runs)| pb::PartialMember {
        enterprise: format!("parks/{park}/enterprises/{enterprise}"),
        days: runs.iter().map(|run| days(*run)).collect(),
    })
    .collect()
}

/// The part of a figure that depends only on the question and the numerator.
fn envelope(question: &Question<'_>, numerator: Numerator) -> pb::Figure {
    let text_if = |holds: bool, text: &dyn Fn() -> String| match holds {
        true => text(),
        false => String::new(),
    };
    let total = match question.indicator {
        Indicator::WaterIntensity | Indicator::WasteUtilization => numerator.total.normalize(),
        _ => round(numerator.total, PLACES),
    };
    let (rules, waste) = (
        question.rules,
        question.indicator == Indicator::WasteUtilization,
    );
    pb::Figure {
        indicator: question.indicator.to_string(),
        period: Some(days(question.range)),
        unit: unit(question),
        numerator: Some(amount(total, numerator_unit(question.indicator))),
        components: numerator.components,
        basis: match question.needs_coal() {
            true => basis(question.basis),
            false => pb::Basis::Unspecified,
        }
        .into(),
        media: text_if(question.needs_coal(), &|| question.media.to_string()),
        price_base: text_if(has_prices(question), &|| question.price_base.to_string()),
        as_of: Some(timestamp(question.now)),
        factor_set: text_if(question.needs_coal(), &|| rules.factors.id.clone()),
        carbon_set: text_if(question.needs_carbon(), &|| rules.carbon.id.clone()),
        waste_set: text_if(waste, &|| rules.bulk.id.clone()),
        quality_set: rules.quality.id.clone(),
        thresholds: convert::unsound::thresholds(rules.quality),
        denominator_series: text_if(is_per_declared(question), &|| question.per.to_string()),
        water_sources: question.sources.iter().map(ToString::to_string).collect(),
        ..pb::Figure::default()
    }
}

fn status(
    question: &Question<'_>,
    measured: &Measured,
    denominator: &Denominator,
) -> pb::PeriodStatus {
    // A factor borrowed from another year is replaced once the year's own factor is published.
    let borrowed = question.needs_carbon() && measured.has_fallback();
    if !measured.open.is_empty() || denominator.is_prorated() {
        pb::PeriodStatus::Operational
    } else if denominator.is_preliminary() || borrowed {
        pb::PeriodStatus::Preliminary
    } else {
        pb::PeriodStatus::Final
    }
}

fn coverage(
    question: &Question<'_>,
    measured: &Measured,
    numerator: &Numerator,
) -> Result<pb::Coverage, QueryError> {
    let completeness = measured.completeness();
    let threshold = question.rules.quality.of("completeness");
    let (estimated, manual) = numerator.shares()?;
    let measured_share = Decimal::ONE_HUNDRED - estimated - manual;
    let missing = match measured.due_days {
        0 => Decimal::ZERO,
        due => Decimal::from(measured.missing_days)
            .checked_mul(Decimal::ONE_HUNDRED)
            .and_then(|hundredfold| hundredfold.checked_div(Decimal::from(due)))
            .ok_or_else(out_of_range)?,
    };
    let share_text = |share: Decimal| match numerator.total.is_zero() {
        true => String::new(),
        false => round(share, PLACES).to_string(),
    };
    Ok(pb::Coverage {
        received: measured.readings,
        expected: measured.expected,
        completeness: completeness
            .map(|share| round(share, PLACES).to_string())
            .unwrap_or_default(),
        completeness_threshold: completeness
            .map(|_| threshold.normalize().to_string())
            .unwrap_or_default(),
        complete_enough: completeness.is_some_and(|share| share >= threshold),
        estimated_share: round(estimated, PLACES).to_string(),
        meter_days: measured.meter_days,
        conflicts: measured.conflicts,
        duplicates: measured.duplicates,
        open_days: u32::try_from(measured.open.len()).unwrap_or(u32::MAX),
        measured_share: share_text(measured_share),
        manual_share: share_text(manual),
        missing_share: round(missing, PLACES).to_string(),
    })
}

/// The revision of each book that the range touches, for the members of the population.
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
        // The caller must not learn that other enterprises have a book.
        .filter(|book| {
            book.enterprises()
                .any(|enterprise| park.permits(enterprise))
        })
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
