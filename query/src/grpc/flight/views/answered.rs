//! What the service computes: figures, quality, the waste ledger and progress. Each row is an answer of the method of
//! that name, to the last digit.

use arrow::array::RecordBatch;
use greenpark_model::indicator::Indicator;
use greenpark_proto::query::v1 as pb;

use super::{
    super::{
        cells::{Cell, Column, Kind},
        view::Asking,
        wanted::Wanted,
    },
    registered::{made, name_of},
};
use crate::{error::QueryError, register::name::Name};

pub(super) const FIGURES: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("indicator", Kind::Text),
    ("period", Kind::Text),
    ("value", Kind::Decimal),
    ("unit", Kind::Text),
    ("numerator", Kind::Decimal),
    ("numerator_unit", Kind::Text),
    ("denominator", Kind::Decimal),
    ("denominator_unit", Kind::Text),
    ("price_base", Kind::Text),
    ("status", Kind::Text),
    ("sound", Kind::Truth),
    ("completeness", Kind::Decimal),
    ("factor_set", Kind::Text),
    ("as_of", Kind::Instant),
];

pub(super) const QUALITY: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("period", Kind::Text),
    ("measure", Kind::Text),
    ("value", Kind::Decimal),
    ("threshold", Kind::Decimal),
    ("verdict", Kind::Text),
];

pub(super) const WASTE: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("period", Kind::Text),
    ("category", Kind::Text),
    ("bulk", Kind::Truth),
    ("unit", Kind::Text),
    ("generated", Kind::Decimal),
    ("utilized", Kind::Decimal),
    ("utilized_old_stock", Kind::Decimal),
    ("received", Kind::Decimal),
    ("stored", Kind::Decimal),
    ("disposed", Kind::Decimal),
    ("disposed_old_stock", Kind::Decimal),
    ("dumped", Kind::Decimal),
    ("identity_gap", Kind::Decimal),
    ("utilization_percent", Kind::Decimal),
];

pub(super) const TARGETS: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("plan", Kind::Text),
    ("year", Kind::Integer),
    ("indicator", Kind::Text),
    ("form", Kind::Text),
    ("target_percent", Kind::Decimal),
    ("base", Kind::Decimal),
    ("current", Kind::Decimal),
    ("change_percent", Kind::Decimal),
    ("scheduled_percent", Kind::Decimal),
    ("progress_percent", Kind::Decimal),
    ("verdict", Kind::Text),
];

/// A name that a view answers for, with its park and enterprise.
struct Subject {
    name: String,
    park: Option<String>,
    enterprise: Option<String>,
}

impl Subject {
    fn cells(&self) -> [Cell; 3] {
        let part = |part: &Option<String>| Cell::text(part.clone().unwrap_or_default());
        [
            Cell::text(self.name.as_str()),
            part(&self.park),
            part(&self.enterprise),
        ]
    }
}

/// The names that the caller may ask about, as far as they are wanted: all parks, each park, each enterprise.
async fn subjects(asking: &Asking, wanted: &Wanted) -> Result<Vec<Subject>, QueryError> {
    let mut subjects = Vec::new();
    let names_rows_of_parks = wanted.texts("enterprise").is_none();
    if asking.scope.check_whole(&Name::Parks).is_ok()
        && names_rows_of_parks
        && wanted.texts("park").is_none()
    {
        subjects.push(Subject {
            name: Name::Parks.to_string(),
            park: None,
            enterprise: None,
        });
    }
    for park in asking.parks(wanted).await? {
        if names_rows_of_parks && asking.scope.permits_park(&park) {
            subjects.push(Subject {
                name: Name::Park(park.clone()).to_string(),
                park: Some(park.to_string()),
                enterprise: None,
            });
        }
    }
    for member in asking.members(wanted).await? {
        subjects.push(Subject {
            name: name_of(&member).to_string(),
            park: Some(member.0.to_string()),
            enterprise: Some(member.1.to_string()),
        });
    }
    subjects.retain(|subject| wanted.has("name", &subject.name));
    Ok(subjects)
}

/// The periods that a statement names.
fn periods(view: &str, wanted: &Wanted) -> Result<Vec<(String, pb::Period)>, QueryError> {
    let texts = wanted.texts("period").ok_or_else(|| {
        let problem = format!(
            "{view} needs a period: write WHERE period = '2024', '2024-Q4' or '2024-11', or the id of a plan"
        );
        QueryError::invalid("sql", problem)
    })?;
    Ok(texts
        .iter()
        .map(|text| (text.clone(), period_of(text)))
        .collect())
}

/// The period that a text means; whether it is one is checked when it is asked about.
fn period_of(text: &str) -> pb::Period {
    use pb::period::Period;
    let period = match (text.parse(), text.split_once('-')) {
        (Ok(year), _) => Period::Year(year),
        (_, Some((year, part))) if year.bytes().all(|b| b.is_ascii_digit()) => {
            match part.starts_with('Q') {
                true => Period::Quarter(text.to_owned()),
                false => Period::Month(text.to_owned()),
            }
        }
        _ => Period::Plan(text.to_owned()),
    };
    pb::Period {
        period: Some(period),
    }
}

/// The value of an amount, and its unit.
fn amount(of: Option<&pb::Amount>) -> Result<[Cell; 2], QueryError> {
    match of {
        None => Ok([Cell::Null, Cell::Null]),
        Some(of) => Ok([Cell::decimal(&of.value)?, Cell::text(of.unit.as_str())]),
    }
}

pub(super) async fn figures(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let periods = periods("figures", wanted)?;
    let indicators = Indicator::ALL.into_iter();
    let indicators = indicators.filter(|of| wanted.has("indicator", of.as_str()));
    let indicators: Vec<Indicator> = indicators.collect();
    let mut rows = Vec::new();
    for subject in subjects(asking, wanted).await? {
        for (text, period) in &periods {
            for indicator in &indicators {
                let request = pb::GetIndicatorRequest {
                    name: subject.name.clone(),
                    period: Some(period.clone()),
                    as_of: asking.as_of(),
                    ..pb::GetIndicatorRequest::default()
                };
                let figure = asking
                    .shared
                    .get(asking.scope.clone(), *indicator, &request);
                let figure = match figure.await {
                    Ok(figure) => figure,
                    // Its value added is declared at other prices: there is no figure to show.
                    Err(QueryError::MixedPriceBases { .. }) => continue,
                    Err(error) => return Err(error),
                };
                let mut row = subject.cells().to_vec();
                row.push(Cell::text(figure.indicator));
                row.push(Cell::text(text.as_str()));
                row.extend([Cell::decimal(&figure.value)?, Cell::text(figure.unit)]);
                row.extend(amount(figure.numerator.as_ref())?);
                row.extend(amount(figure.denominator.as_ref())?);
                let completeness = figure
                    .coverage
                    .map(|of| of.completeness)
                    .unwrap_or_default();
                row.extend([
                    Cell::text(figure.price_base),
                    Cell::text(status(figure.status)),
                    Cell::Truth(figure.unsound.is_empty()),
                    Cell::decimal(&completeness)?,
                    Cell::text(figure.factor_set),
                    Cell::instant(figure.as_of.as_ref()),
                ]);
                rows.push(row);
            }
        }
    }
    made(asking, FIGURES, &rows)
}

pub(super) async fn quality(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let periods = periods("quality", wanted)?;
    let mut rows = Vec::new();
    for subject in subjects(asking, wanted).await? {
        for (text, period) in &periods {
            let request = pb::GetQualityRequest {
                name: subject.name.clone(),
                period: Some(period.clone()),
                as_of: asking.as_of(),
                by_day: false,
            };
            let report = asking
                .shared
                .quality(asking.scope.clone(), &request)
                .await?;
            for index in report.indices {
                let mut row = subject.cells().to_vec();
                row.extend([
                    Cell::text(text.as_str()),
                    Cell::text(index.name),
                    Cell::decimal(&index.value)?,
                    Cell::decimal(&index.threshold)?,
                    Cell::text(verdict(index.verdict)),
                ]);
                rows.push(row);
            }
        }
    }
    made(asking, QUALITY, &rows)
}

pub(super) async fn waste(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let periods = periods("waste", wanted)?;
    let mut rows = Vec::new();
    for subject in subjects(asking, wanted).await? {
        for (text, period) in &periods {
            let request = pb::GetWasteLedgerRequest {
                name: subject.name.clone(),
                period: Some(period.clone()),
                by_code: false,
                as_of: asking.as_of(),
            };
            let ledger = asking
                .shared
                .waste_ledger(asking.scope.clone(), &request)
                .await?;
            for of in ledger.rows {
                let [generated, unit] = amount(of.generated.as_ref())?;
                let mut row = subject.cells().to_vec();
                row.extend([
                    Cell::text(text.as_str()),
                    Cell::text(of.category),
                    Cell::Truth(of.bulk),
                    unit,
                    generated,
                ]);
                for part in [
                    &of.utilized,
                    &of.utilized_old_stock,
                    &of.received,
                    &of.stored,
                    &of.disposed,
                    &of.disposed_old_stock,
                    &of.dumped,
                    &of.identity_gap,
                ] {
                    let [value, _] = amount(part.as_ref())?;
                    row.push(value);
                }
                row.push(Cell::decimal(&of.utilization_percent)?);
                rows.push(row);
            }
        }
    }
    made(asking, WASTE, &rows)
}

pub(super) async fn targets(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let mut rows = Vec::new();
    let plans = asking.shared.plans.all().iter().map(|plan| plan.id.clone());
    let plans: Vec<String> = plans.filter(|id| wanted.has("plan", id)).collect();
    for park in asking.parks(wanted).await? {
        let name = Name::Park(park.clone()).to_string();
        if !asking.scope.permits_park(&park) || !wanted.has("name", &name) {
            continue;
        }
        for plan in &plans {
            let request = pb::GetProgressRequest {
                name: name.clone(),
                plan: plan.clone(),
                as_of: asking.as_of(),
                ..pb::GetProgressRequest::default()
            };
            let progress = asking
                .shared
                .progress(asking.scope.clone(), &request)
                .await?;
            for of in progress.targets {
                let target = of.target.unwrap_or_default();
                let value = |figure: Option<&pb::Figure>| match figure {
                    None => Ok(Cell::Null),
                    Some(figure) => Cell::decimal(&figure.value),
                };
                rows.push(vec![
                    Cell::text(name.as_str()),
                    Cell::text(park.as_str()),
                    Cell::text(plan.as_str()),
                    Cell::Integer(progress.year.into()),
                    Cell::text(target.indicator),
                    Cell::text(target.form),
                    Cell::decimal(&target.percent)?,
                    value(of.base.as_ref())?,
                    value(of.current.as_ref())?,
                    Cell::decimal(&of.change_percent)?,
                    Cell::decimal(&of.scheduled_percent)?,
                    Cell::decimal(&of.progress_percent)?,
                    Cell::text(verdict(of.verdict)),
                ]);
            }
        }
    }
    made(asking, TARGETS, &rows)
}

/// The word for the status of a period.
fn status(status: i32) -> &'static str {
    match pb::PeriodStatus::try_from(status) {
        Ok(pb::PeriodStatus::Operational) => "operational",
        Ok(pb::PeriodStatus::Preliminary) => "preliminary",
        Ok(pb::PeriodStatus::Final) => "final",
        _ => "",
    }
}

/// The word for a verdict.
fn verdict(verdict: i32) -> String {
    let verdict = pb::Verdict::try_from(verdict).unwrap_or_default();
    let name = verdict.as_str_name().trim_start_matches("VERDICT_");
    name.to_lowercase().replace("unspecified", "")
}
