//! `intensity` and `progress`.

use clap::Args;
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1 as api;
use serde_json::{Value, json};

use crate::{
    answer_parts::{
        amount_json, coverage_json, indicator, requirement, revision_json, stamp_json, status,
        verdict,
    },
    assessment::{
        Judged, assessment_json, beside, both_bases, deductions, other_basis_json, print_beside,
        print_notes,
    },
    connection::{ClientArgs, QueryConnection, refusal},
    question::{self, IndicatorName, ProgressArgs, QuestionArgs},
    reasons, soundness,
};

/// Arguments of `intensity`.
#[derive(Debug, Clone, Args)]
pub struct IntensityArgs {
    /// What is asked.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// A figure for each enterprise of a park, or each park of parks/-.
    #[arg(long)]
    pub each: bool,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Figures of one page.
const PAGE_SIZE: i32 = 1_000;

/// Requests one figure, or one for each child, and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn intensity(args: &IntensityArgs, today_year: i16) -> anyhow::Result<()> {
    let request = question::request(&args.question, today_year)?;
    let service = QueryConnection::open(&args.client).await?;
    let figures = if args.each {
        each(&service, args, request).await?
    } else {
        let figure = question::request_figure(&service, args.question.of, request).await;
        vec![figure.map_err(refusal)?]
    };
    let header = [
        "name",
        "first",
        "last",
        "value",
        "unit",
        "numerator",
        "denominator",
        "status",
        "received",
        "open days",
        "unsound",
    ];
    let whole = Value::Array(figures.iter().map(figure_json).collect());
    let mut sheet = Sheet::new(&header, &[3, 5, 6, 8, 9], json!({ "figures": whole }));
    for figure in &figures {
        sheet.push(figure_row(figure));
        for note in &figure.notes {
            line(&format!("note: {}: {note}", figure.name));
        }
        for reason in &figure.unsound {
            let (detail, mend) = (&reason.detail, &reason.mend);
            line(&format!("unsound: {}: {detail}; {mend}", figure.name));
        }
        print_notes(figure);
    }
    sheet.print(args.client.format)?;
    let sheets = [beside(figures.iter()), deductions(figures.iter())];
    print_beside(args.client.format, sheets)
}

async fn each(
    service: &QueryConnection,
    args: &IntensityArgs,
    of: api::GetIndicatorRequest,
) -> anyhow::Result<Vec<api::Figure>> {
    let mut request = api::ListIndicatorsRequest {
        parent: of.name,
        period: of.period,
        basis: of.basis,
        price_base: of.price_base,
        media: of.media,
        denominator: of.denominator,
        water_sources: of.water_sources,
        factor_set: of.factor_set,
        as_of: of.as_of,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let mut client = service.indicators();
    let mut figures = Vec::new();
    loop {
        let answer = match args.question.of {
            IndicatorName::Energy => client.list_energy_intensities(request.clone()).await,
            IndicatorName::Water => client.list_water_intensities(request.clone()).await,
            IndicatorName::Waste => client.list_waste_utilizations(request.clone()).await,
            IndicatorName::Carbon => client.list_carbon_intensities(request.clone()).await,
            IndicatorName::CarbonPerEnergy => {
                client.list_carbon_per_energies(request.clone()).await
            }
        };
        let page = answer.map_err(refusal)?.into_inner();
        figures.extend(page.figures);
        if page.next_page_token.is_empty() {
            return Ok(figures);
        }
        request.page_token = page.next_page_token;
    }
}

/// Requests the progress against a plan and prints it.
///
/// # Errors
/// The service refuses or does not answer.
pub async fn progress(args: &ProgressArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let request = question::of_plan(args)?;
    let progress = service
        .indicators()
        .get_progress(request)
        .await
        .map_err(refusal)?
        .into_inner();
    for target in &progress.targets {
        for note in &target.notes {
            line(&format!("note: {}: {note}", indicator(target)));
        }
        if let Some(current) = &target.current {
            print_notes(current);
            let (basis, source) = (&target.basis_of_assessment, &target.basis_source);
            if !basis.is_empty() {
                line(&format!("judged on the {basis} basis: {source}"));
            }
        }
    }
    progress_sheet(&progress).print(args.client.format)?;
    let bases = both_bases(progress.targets.iter().map(judged));
    print_beside(args.client.format, [reasons::sheet(&progress), bases])
}

/// Returns a target on the basis that it is judged on.
fn judged(target: &api::TargetProgress) -> Judged<'_> {
    fn value(figure: &Option<api::Figure>) -> &str {
        figure.as_ref().map_or("", |f| f.value.as_str())
    }
    Judged {
        indicator: indicator(target),
        basis: &target.basis_of_assessment,
        figures: [
            value(&target.base),
            value(&target.current),
            &target.change_percent,
            &target.progress_percent,
        ],
        other: target.other_basis.as_ref(),
    }
}

/// Formats the progress with a row per target.
#[must_use]
pub fn progress_sheet(progress: &api::Progress) -> Sheet {
    let header = [
        "indicator",
        "unit",
        "base",
        "value",
        "change %",
        "target %",
        "progress %",
        "needed %/a",
        "verdict",
        "unsound",
    ];
    let mut sheet = Sheet::new(&header, &[2, 3, 4, 5, 6, 7], progress_json(progress));
    for target in &progress.targets {
        let value = |figure: &Option<api::Figure>| {
            figure.as_ref().map_or(String::new(), |f| f.value.clone())
        };
        let unit = target
            .current
            .as_ref()
            .map_or(String::new(), |f| f.unit.clone());
        sheet.push(vec![
            indicator(target).to_owned(),
            unit,
            value(&target.base),
            value(&target.current),
            target.change_percent.clone(),
            requirement(target),
            target.progress_percent.clone(),
            target.required_pace_percent.clone(),
            verdict(target.verdict()).to_owned(),
            soundness::cell(&target.unsound),
        ]);
    }
    sheet
}

fn figure_row(figure: &api::Figure) -> Vec<String> {
    let amount = |amount: &Option<api::Amount>| match amount {
        Some(a) => format!("{} {}", a.value, a.unit),
        None => String::new(),
    };
    let period = figure.period.clone().unwrap_or_default();
    let coverage = figure.coverage.clone().unwrap_or_default();
    vec![
        figure.name.clone(),
        period.first,
        period.last,
        figure.value.clone(),
        figure.unit.clone(),
        amount(&figure.numerator),
        amount(&figure.denominator),
        status(figure.status()).to_owned(),
        coverage.received.to_string(),
        coverage.open_days.to_string(),
        soundness::cell(&figure.unsound),
    ]
}

/// Converts a figure to JSON.
#[must_use]
pub fn figure_json(figure: &api::Figure) -> Value {
    let components: Vec<Value> = figure.components.iter().map(component_json).collect();
    let revisions: Vec<Value> = figure.revisions.iter().map(revision_json).collect();
    let period = figure
        .period
        .as_ref()
        .map(|p| json!({ "first": p.first, "last": p.last }));
    json!({
        "name": figure.name,
        "indicator": figure.indicator,
        "period": period,
        "value": figure.value,
        "unit": figure.unit,
        "numerator": amount_json(figure.numerator.as_ref()),
        "denominator": amount_json(figure.denominator.as_ref()),
        "components": components,
        "basis": figure.basis().as_str_name(),
        "media": figure.media,
        "price_base": figure.price_base,
        "population": figure.population,
        "enterprises": figure.enterprises,
        "status": status(figure.status()),
        "as_of": stamp_json(figure.as_of.as_ref()),
        "factor_set": figure.factor_set,
        "carbon_set": figure.carbon_set,
        "waste_set": figure.waste_set,
        "denominator_series": figure.denominator_series,
        "water_sources": figure.water_sources,
        "coverage": figure.coverage.as_ref().map(coverage_json),
        "revisions": revisions,
        "basis_of_assessment": figure.basis_of_assessment,
        "assessment": assessment_json(figure.assessment.as_ref()),
        "partial": figure.partial.iter().map(partial_json).collect::<Vec<Value>>(),
        "notes": figure.notes,
        "unsound": soundness::json(&figure.unsound),
        "soundness": soundness::thresholds_json(figure),
    })
}

/// Converts an enterprise that counts on some days only to JSON.
fn partial_json(of: &api::PartialMember) -> Value {
    let run = |days: &api::Days| json!({ "first": days.first, "last": days.last });
    json!({
        "enterprise": of.enterprise,
        "days": of.days.iter().map(run).collect::<Vec<Value>>(),
    })
}

fn component_json(component: &api::Component) -> Value {
    json!({
        "quantity": component.quantity,
        "amount": amount_json(component.amount.as_ref()),
        "estimated": amount_json(component.estimated.as_ref()),
        "manual": amount_json(component.manual.as_ref()),
        "factor": component.factor,
        "factor_source": component.factor_source,
        "contribution": amount_json(component.contribution.as_ref()),
    })
}

fn progress_json(progress: &api::Progress) -> Value {
    let targets: Vec<Value> = progress.targets.iter().map(target_json).collect();
    let plan = progress.plan.as_ref().map(|plan| {
        json!({
            "id": plan.id, "title": plan.title, "source": plan.source,
            "base_year": plan.base_year, "end_year": plan.end_year,
            "basis_of_assessment": plan.basis_of_assessment,
        })
    });
    json!({
        "name": progress.name,
        "plan": plan,
        "year": progress.year,
        "targets": targets,
        "as_of": stamp_json(progress.as_of.as_ref()),
    })
}

fn target_json(target: &api::TargetProgress) -> Value {
    let years: Vec<Value> = target
        .years
        .iter()
        .map(|point| {
            json!({
                "year": point.year,
                "value": point.value,
                "change_percent": point.change_percent,
                "scheduled_percent": point.scheduled_percent,
                "status": point.status().as_str_name(),
                "unsound": soundness::json(&point.unsound),
            })
        })
        .collect();
    let requirement = target
        .target
        .as_ref()
        .map(|t| json!({ "indicator": t.indicator, "form": t.form, "percent": t.percent }));
    json!({
        "target": requirement,
        "base": target.base.as_ref().map(figure_json),
        "current": target.current.as_ref().map(figure_json),
        "change_percent": target.change_percent,
        "scheduled_percent": target.scheduled_percent,
        "progress_percent": target.progress_percent,
        "required_pace_percent": target.required_pace_percent,
        "verdict": verdict(target.verdict()),
        "years": years,
        "basis_of_assessment": target.basis_of_assessment,
        "basis_source": target.basis_source,
        "other_basis": other_basis_json(target.other_basis.as_ref()),
        "beside": reasons::json(target),
        "notes": target.notes,
        "unsound": soundness::json(&target.unsound),
    })
}
