//! Judges figures of years by a plan's targets. Pure.

use greenpark_model::{
    indicator::{Ratio, round},
    plan::{Plan, Target, TargetForm},
    progress::{progress, required_pace, scheduled},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::figures::{convert::unsound::on_wire, figure::EvaluatedFigure};

/// Decimal places of reported rates.
const PLACES: u32 = 4;

/// The figures of one target's indicator, one for each year from the plan's base year on.
pub(crate) struct Years<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) figures: Vec<(i16, EvaluatedFigure)>,
}

/// Writes a rate of change in per cent.
pub(crate) fn percent(rate: Decimal) -> String {
    // A fall is a negative change; zero has no sign.
    let change = round(rate * Decimal::ONE_HUNDRED, PLACES);
    let mut text = change.to_string();
    if change.is_zero() && text.starts_with('-') {
        text.remove(0);
    }
    text
}

/// Judges the last of `years` by `target`.
pub(crate) fn judge(target: Target, years: Years<'_>) -> pb::TargetProgress {
    match target.form {
        TargetForm::Fall(percent) => judge_fall(target, percent / Decimal::ONE_HUNDRED, years),
        TargetForm::Floor(percent) => judge_floor(target, percent, years),
    }
}

/// The wire form of a target for `year`; beyond the plan's end only the indicator remains.
pub(crate) fn target_of(plan: &Plan, year: i16, target: Target) -> pb::Target {
    let declared = self::target(target);
    if year <= plan.end_year {
        return declared;
    }
    pb::Target {
        indicator: declared.indicator,
        ..pb::Target::default()
    }
}

/// The note for a year for which the plan has no target; `None` if it has one.
pub(crate) fn beyond(plan: &Plan, year: i16) -> Option<String> {
    (year > plan.end_year).then(|| {
        format!(
            "no target declared for {year}: plan '{}' ended in {}",
            plan.id, plan.end_year
        )
    })
}

/// The wire form of a target.
fn target(target: Target) -> pb::Target {
    let (form, percent) = match target.form {
        TargetForm::Fall(percent) => ("fall", percent),
        TargetForm::Floor(percent) => ("floor", percent),
    };
    pb::Target {
        indicator: target.indicator.to_string(),
        form: form.to_owned(),
        percent: percent.normalize().to_string(),
    }
}

/// The wire form of a plan.
pub(crate) fn plan(plan: &Plan) -> pb::Plan {
    pb::Plan {
        id: plan.id.clone(),
        title: plan.title.clone(),
        source: plan.source.clone(),
        base_year: plan.base_year.into(),
        end_year: plan.end_year.into(),
        targets: plan.targets.iter().map(|&t| target(t)).collect(),
        ..pb::Plan::default()
    }
}

/// Judges `target` on the other basis of assessment, for comparison.
pub(crate) fn other_basis(
    target: Target,
    plan: &Plan,
    figures: Vec<(i16, EvaluatedFigure)>,
) -> Option<pb::OtherBasis> {
    let evaluated = judge(target, Years { plan, figures });
    let current = evaluated.current?;
    Some(pb::OtherBasis {
        basis_of_assessment: current.basis_of_assessment,
        base_value: evaluated.base.map(|base| base.value).unwrap_or_default(),
        value: current.value,
        change_percent: evaluated.change_percent,
        progress_percent: evaluated.progress_percent,
        years: evaluated.years,
    })
}

fn point(year: i16, evaluated: &EvaluatedFigure) -> pb::YearPoint {
    pb::YearPoint {
        year: year.into(),
        value: evaluated.figure.value.clone(),
        status: evaluated.figure.status,
        unsound: on_wire(&evaluated.unsound, year),
        ..pb::YearPoint::default()
    }
}

/// The wire form of the reasons against figures, each with its year.
pub(crate) fn reasons<'a>(
    figures: impl IntoIterator<Item = &'a (i16, EvaluatedFigure)>,
) -> Vec<pb::UnsoundReason> {
    let figures = figures.into_iter();
    figures
        .flat_map(|(year, evaluated)| on_wire(&evaluated.unsound, *year))
        .collect()
}

/// One sentence for each year whose figure cannot be judged.
fn doubts<'a>(figures: impl Iterator<Item = &'a (i16, EvaluatedFigure)>) -> Vec<String> {
    let unsound = figures.filter(|(_, evaluated)| !evaluated.unsound.is_empty());
    unsound
        .map(|(year, evaluated)| {
            let reasons: Vec<String> = evaluated.unsound.iter().map(ToString::to_string).collect();
            format!("{year} cannot be judged: {}", reasons.join("; "))
        })
        .collect()
}

/// The note for two figures that do not count the same enterprises.
fn other_population(
    base: (i16, &EvaluatedFigure),
    last: (i16, &EvaluatedFigure),
) -> Option<String> {
    let (then, now) = (&base.1.figure.enterprises, &last.1.figure.enterprises);
    (then != now).then(|| {
        format!(
            "the population is not the same: {} enterprises in {}, {} in {}",
            then.len(),
            base.0,
            now.len(),
            last.0
        )
    })
}

/// The fall that the plan's even pace schedules for `year`; `None` beyond the plan's end.
fn even_pace(plan: &Plan, target_fall: Decimal, year: i16) -> Option<Decimal> {
    let elapsed = year.saturating_sub(plan.base_year);
    let due = scheduled(target_fall, elapsed, plan.years()).ok();
    due.filter(|_| year <= plan.end_year)
}

fn judge_fall(target: Target, target_fall: Decimal, years: Years<'_>) -> pb::TargetProgress {
    let Years { plan, mut figures } = years;
    let base = figures.first().and_then(|(_, evaluated)| evaluated.sound());
    let fall = |ratio: Option<Ratio>| ratio.zip(base).and_then(|(r, b)| r.fall_since(&b).ok());
    let even = |year| even_pace(plan, target_fall, year);
    let points = figures
        .iter()
        .map(|(year, evaluated)| pb::YearPoint {
            change_percent: fall(evaluated.sound())
                .map(|f| percent(-f))
                .unwrap_or_default(),
            scheduled_percent: even(*year).map(|s| percent(-s)).unwrap_or_default(),
            ..point(*year, evaluated)
        })
        .collect();
    let ends = [
        figures.first(),
        figures.last().filter(|_| figures.len() > 1),
    ];
    let mut notes = doubts(ends.into_iter().flatten());
    let unsound = reasons(ends.into_iter().flatten());
    let Some((year, last)) = figures.pop() else {
        return pb::TargetProgress::default();
    };
    let reached = fall(last.sound());
    let due = even(year);
    let pace = reached
        .filter(|_| year < plan.end_year)
        .and_then(|reached| {
            required_pace(reached, target_fall, plan.end_year.saturating_sub(year)).ok()
        });
    if reached.is_none() && unsound.is_empty() {
        notes.push(format!(
            "{} and {year} do not both have a figure to compare",
            plan.base_year
        ));
    }
    let base = if figures.is_empty() {
        None
    } else {
        Some(figures.swap_remove(0).1)
    };
    if let Some(base) = &base {
        notes.extend(other_population((plan.base_year, base), (year, &last)));
    }
    notes.extend(beyond(plan, year));
    pb::TargetProgress {
        target: Some(target_of(plan, year, target)),
        change_percent: reached.map(|r| percent(-r)).unwrap_or_default(),
        scheduled_percent: due.map(|d| percent(-d)).unwrap_or_default(),
        progress_percent: reached
            .filter(|_| due.is_some())
            .and_then(|reached| progress(reached, target_fall).ok())
            .map(percent)
            .unwrap_or_default(),
        required_pace_percent: pace.map(percent).unwrap_or_default(),
        verdict: verdict(
            plan,
            year,
            reached.zip(due).map(|(reached, due)| reached >= due),
        )
        .into(),
        base: Some(base.map_or_else(|| last.figure.clone(), |evaluated| evaluated.figure)),
        current: Some(last.figure),
        years: points,
        notes,
        unsound,
        ..pb::TargetProgress::default()
    }
}

fn judge_floor(target: Target, floor: Decimal, years: Years<'_>) -> pb::TargetProgress {
    let Years { plan, mut figures } = years;
    let points = figures
        .iter()
        .map(|(year, evaluated)| point(*year, evaluated))
        .collect();
    // The floor holds from the year after the base year to the plan's end.
    let binds = (plan.base_year.saturating_add(1))..=plan.end_year;
    let bound = || figures.iter().filter(|(year, _)| binds.contains(year));
    let is_below =
        |evaluated: &EvaluatedFigure| evaluated.sound().is_some_and(|r| r.value.get() < floor);
    let below: Vec<String> = bound()
        .filter(|(_, evaluated)| is_below(evaluated))
        .map(|(year, _)| year.to_string())
        .collect();
    let unknown: Vec<String> = bound()
        .filter(|(_, evaluated)| evaluated.sound().is_none())
        .map(|(year, _)| year.to_string())
        .collect();
    let held = if !below.is_empty() {
        Some(false)
    } else {
        (unknown.is_empty() && bound().next().is_some()).then_some(true)
    };
    let unsound = match held {
        None => reasons(bound()),
        // One sound year below the floor is enough to have missed it.
        Some(_) => Vec::new(),
    };
    let mut notes = doubts(bound());
    if !below.is_empty() {
        notes.push(format!(
            "below {} % in {}",
            floor.normalize(),
            below.join(", ")
        ));
    }
    if !unknown.is_empty() {
        notes.push(format!("no figure to judge in {}", unknown.join(", ")));
    }
    let Some((year, last)) = figures.pop() else {
        return pb::TargetProgress::default();
    };
    notes.extend(beyond(plan, year));
    pb::TargetProgress {
        target: Some(target_of(plan, year, target)),
        current: Some(last.figure),
        verdict: verdict(plan, year, held).into(),
        years: points,
        notes,
        unsound,
        ..pb::TargetProgress::default()
    }
}

/// The verdict in `year`. `kept` is true if the target is kept, and `None` if that is unknown.
pub(crate) fn verdict(plan: &Plan, year: i16, kept: Option<bool>) -> pb::Verdict {
    let kept = kept.filter(|_| year <= plan.end_year);
    match (kept, year >= plan.end_year) {
        (None, _) => pb::Verdict::Unknown,
        (Some(true), true) => pb::Verdict::Met,
        (Some(false), true) => pb::Verdict::Missed,
        (Some(true), false) => pb::Verdict::OnSchedule,
        (Some(false), false) => pb::Verdict::Behind,
    }
}

#[cfg(test)]
pub(crate) mod tests;
