//! A plan's scorecard: measured targets and declared indicators as lines of one format. Pure.
//!
//! A declared indicator is on schedule if its progress is at least the elapsed share of the plan's years. Once the
//! plan has ended, it is met or missed by the plan's target.

use greenpark_model::{
    declared::{Criterion, DeclaredIndicator, Years},
    indicator::{Indicator, round},
    plan::Plan,
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    figures::{
        figure::EvaluatedFigure,
        progress::{beyond, reasons, verdict},
    },
    register::indicator_values::Values,
};

/// Decimal places of progress.
const PLACES: u32 = 4;

/// The line of a measured target.
pub(crate) fn measured(progress: &pb::TargetProgress) -> pb::ScorecardLine {
    let target = progress.target.clone().unwrap_or_default();
    let current = progress.current.clone().unwrap_or_default();
    pb::ScorecardLine {
        title: Indicator::from_name(&target.indicator)
            .map_or("", Indicator::chinese)
            .to_owned(),
        id: target.indicator,
        form: target.form,
        asked: target.percent,
        base_value: progress.base.clone().map(|b| b.value).unwrap_or_default(),
        progress_percent: progress.progress_percent.clone(),
        verdict: progress.verdict,
        kind: "measured".to_owned(),
        status: current.status,
        unit: current.unit,
        value: current.value,
        source: String::new(),
        notes: progress.notes.clone(),
        basis_of_assessment: progress.basis_of_assessment.clone(),
        basis_source: progress.basis_source.clone(),
        other_basis: progress.other_basis.clone(),
        assessment: current.assessment,
        change_percent: progress.change_percent.clone(),
        unsound: progress.unsound.clone(),
    }
}

/// The line of a declared indicator in `year`. `values` are the declared values; `figures` are those of the base and
/// the judged year if the indicator can be measured. The declared value counts if the judged year's figure is not
/// sound; without one, the line gives the reasons.
pub(crate) fn declared(
    plan: &Plan,
    year: i16,
    of: &DeclaredIndicator,
    (values, figures): (&Values, Option<&[(i16, EvaluatedFigure); 2]>),
) -> pb::ScorecardLine {
    let beyond = beyond(plan, year);
    let (form, asked) = match beyond {
        None => form(of.form),
        Some(_) => ("", String::new()),
    };
    let declared_value = values.get(&year).copied();
    let base = values.get(&plan.base_year).copied();
    let sound = |of: &(i16, EvaluatedFigure)| of.1.sound().map(|ratio| ratio.rounded());
    let figure = figures.and_then(|[base, current]| Some((sound(base), sound(current)?)));
    let (base, value) = match figure {
        Some((base, current)) => (base, Some(current)),
        None => (base, declared_value),
    };
    let unsound = match figures {
        // A declared value is judged by declared values alone.
        Some(figures) if figure.is_some() || declared_value.is_none() => against(of.form, figures),
        _ => Vec::new(),
    };
    let mut line = pb::ScorecardLine {
        id: of.id.clone(),
        title: of.title.clone(),
        unit: of.unit.clone(),
        form: form.to_owned(),
        asked,
        base_value: base.map(|b| b.normalize().to_string()).unwrap_or_default(),
        value: value.map(|v| v.normalize().to_string()).unwrap_or_default(),
        verdict: pb::Verdict::Unknown.into(),
        kind: if figure.is_some() {
            "measured"
        } else {
            "declared"
        }
        .to_owned(),
        status: pb::PeriodStatus::Unspecified.into(),
        source: of.source.clone(),
        unsound,
        ..pb::ScorecardLine::default()
    };
    if let Some(beyond) = beyond {
        line.notes.push(beyond);
        return line;
    }
    let doubts = line
        .unsound
        .iter()
        .map(|of| format!("{}: {}", of.year, of.detail));
    line.notes.extend(doubts.collect::<Vec<_>>());
    let Some(value) = value else {
        line.notes.push(format!(
            "nothing is declared for {year}; declare it with DeclareIndicators"
        ));
        return line;
    };
    judge(of.form, (plan, year), (base, value), &mut line);
    line
}

/// The reasons against the figures of the base and the judged year; the base year matters only for changes.
fn against(
    form: Criterion,
    [base, current]: &[(i16, EvaluatedFigure); 2],
) -> Vec<pb::UnsoundReason> {
    let changes = matches!(form, Criterion::YearlyGrowth(_) | Criterion::Fall(_));
    reasons(changes.then_some(base).into_iter().chain([current]))
}

/// Judges `value` and fills `line`, with the value of the base year if the form needs one.
fn judge(
    form: Criterion,
    (plan, year): (&Plan, i16),
    (base, value): (Option<Decimal>, Decimal),
    line: &mut pb::ScorecardLine,
) {
    let years = Years {
        elapsed: year.saturating_sub(plan.base_year),
        of: plan.years(),
    };
    match form.judge(base, value, years) {
        Ok(standing) => {
            let progress = standing.progress;
            line.progress_percent = progress.map(percent).unwrap_or_default();
            let ended = year >= plan.end_year;
            let due = Decimal::from(years.elapsed) / Decimal::from(years.of.max(1));
            let kept = standing.is_kept || (!ended && progress.is_some_and(|p| p >= due));
            line.verdict = verdict(plan, year, Some(kept)).into();
        }
        Err(error) => line.notes.push(error.to_string()),
    }
}

fn percent(part: Decimal) -> String {
    part.checked_mul(Decimal::ONE_HUNDRED)
        .map(|p| round(p, PLACES).to_string())
        .unwrap_or_default()
}

/// The name of a form, and its target value.
fn form(form: Criterion) -> (&'static str, String) {
    let text = |asked: Decimal| asked.normalize().to_string();
    match form {
        Criterion::YearlyGrowth(percent) => ("yearly-growth", text(percent)),
        Criterion::AtLeast(asked) => ("at-least", text(asked)),
        Criterion::AtMost(most) => ("at-most", text(most)),
        Criterion::Count(asked) => ("count", asked.to_string()),
        Criterion::Fall(percent) => ("fall", text(percent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::progress::tests::five_years;

    fn line(form: Criterion, year: i16, values: &[(i16, &str)]) -> pb::ScorecardLine {
        let of = DeclaredIndicator {
            id: "x".into(),
            title: "某指标".into(),
            unit: "percent".into(),
            form,
            measured: None,
            scale: None,
            source: String::new(),
        };
        let values = values
            .iter()
            .map(|(year, value)| (*year, value.parse().expect("a decimal")))
            .collect();
        declared(&five_years(), year, &of, (&values, None))
    }

    #[test]
    fn a_count_is_on_schedule_by_its_share_of_the_years() {
        let parks = Criterion::Count(30);
        let judged = |year, count| {
            let line = line(parks, year, &[(year, count)]);
            (line.verdict(), line.progress_percent)
        };
        assert_eq!(
            judged(2023, "18"),
            (pb::Verdict::OnSchedule, "60.0000".into())
        );
        assert_eq!(judged(2023, "17").0, pb::Verdict::Behind);
        assert_eq!(judged(2025, "30").0, pb::Verdict::Met);
        assert_eq!(judged(2025, "29").0, pb::Verdict::Missed);
    }

    #[test]
    fn a_year_beyond_the_plans_end_has_no_target() {
        let parks = line(Criterion::Count(30), 2026, &[(2026, "30")]);
        assert_eq!(parks.verdict(), pb::Verdict::Unknown);
        assert_eq!(
            (
                parks.form.as_str(),
                parks.asked.as_str(),
                parks.value.as_str()
            ),
            ("", "", "30")
        );
        assert_eq!(
            parks.notes,
            ["no target declared for 2026: plan 'p' ended in 2025"]
        );
    }

    #[test]
    fn growth_is_judged_from_the_base_years_value() {
        let growth = Criterion::YearlyGrowth(Decimal::new(65, 1));
        let kept = line(growth, 2022, &[(2020, "100"), (2022, "113.4225")]);
        assert_eq!(
            (kept.verdict(), kept.progress_percent.as_str()),
            (pb::Verdict::OnSchedule, "40.0000")
        );
        let without_base = line(growth, 2022, &[(2022, "113")]);
        assert_eq!(without_base.verdict(), pb::Verdict::Unknown);
        assert!(!without_base.notes.is_empty());
    }

    #[test]
    fn an_undeclared_value_is_unknown_and_its_note_says_how_to_declare_it() {
        let silent = line(Criterion::AtLeast(Decimal::from(86)), 2024, &[(2023, "80")]);
        assert_eq!(silent.verdict(), pb::Verdict::Unknown);
        assert!(
            silent.notes[0].contains("DeclareIndicators"),
            "{:?}",
            silent.notes
        );
    }
}
