//! Like-for-like comparison: two years of one set of enterprises, the split of a change, and the forecast. Pure.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use greenpark_model::{
    decomposition::{Activity, Member, Split, Terms, split},
    forecast::{Projection, YearlyIntensity, forecast},
    indicator::round,
    plan::Plan,
    positive::Positive,
    progress::progress,
    soundness::{Reason, Term},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    figures::{
        convert::unsound::on_wire,
        figure::EvaluatedFigure,
        progress::{percent, reasons},
    },
    lake::books::cached::{BooksCache, Entry, Key},
};

/// The rule that recomputes the base over the judged year's enterprises.
pub(crate) const LIKE_FOR_LIKE: &str = "like-for-like";
/// The rule that computes the judged year over the base year's enterprises.
pub(crate) const FIXED_PANEL: &str = "fixed-panel";

/// Compares `base` and `current`, which count the same enterprises, and measures the change against `target_fall`. If
/// either figure is not sound, both are reported but not compared.
pub(crate) fn comparison(
    population: &str,
    (base, current): (&(i16, EvaluatedFigure), &(i16, EvaluatedFigure)),
    target_fall: Option<Decimal>,
) -> pb::Comparison {
    let mut notes: Vec<String> = Vec::new();
    for (year, evaluated) in [base, current] {
        notes.extend(evaluated.unsound.iter().map(|why| format!("{year}: {why}")));
    }
    let unsound = reasons([base, current]);
    let (base, current) = (&base.1, &current.1);
    let fall = base
        .sound()
        .zip(current.sound())
        .and_then(|(base, current)| current.fall_since(&base).ok());
    let enterprises = [base, current].map(|evaluated| evaluated.figure.enterprises.len());
    let enterprises = enterprises.into_iter().max().unwrap_or_default();
    pb::Comparison {
        population: population.to_owned(),
        enterprises: u32::try_from(enterprises).unwrap_or(u32::MAX),
        base_value: base.figure.value.clone(),
        current_value: current.figure.value.clone(),
        change_percent: fall.map(|f| percent(-f)).unwrap_or_default(),
        progress_percent: fall
            .zip(target_fall)
            .and_then(|(fall, target_fall)| progress(fall, target_fall).ok())
            .map(percent)
            .unwrap_or_default(),
        notes,
        unsound,
    }
}

/// A member's name, and its numerator and denominator in the base and the judged year; `None` for a year in which it
/// was not in the group.
pub(crate) type MemberYears = (String, [Option<(Decimal, Decimal)>; 2]);

/// Splits the change of a group's figure.
///
/// # Errors
/// The reasons against a split: a member of the group has no consumption or no value added above zero.
pub(crate) fn split_of(
    cache: &BooksCache,
    (unit, years): (&str, [i16; 2]),
    members: &[MemberYears],
) -> Result<Option<pb::Split>, Vec<pb::UnsoundReason>> {
    let mut unsound = Vec::new();
    for (place, year) in years.into_iter().enumerate() {
        let parts = members.iter().map(|(name, years)| (name, &years[place]));
        unsound.extend(on_wire(&not_positive(parts), year));
    }
    if !unsound.is_empty() {
        return Err(unsound);
    }
    let activity = |parts: &Option<(Decimal, Decimal)>| {
        let (consumption, value_added) = (*parts)?;
        Some(Activity {
            consumption: Positive::new(consumption).ok()?,
            value_added: Positive::new(value_added).ok()?,
        })
    };
    let both: Vec<Member> = members
        .iter()
        .map(|(_, [base, current])| Member {
            base: activity(base),
            current: activity(current),
        })
        .collect();
    let made = split_once(cache, both);
    Ok(made.map(|made| split_message(unit, members, &made)))
}

/// The split of `members`, computed once while the cache keeps it, because decimal logarithms are slow.
fn split_once(cache: &BooksCache, members: Vec<Member>) -> Option<Arc<Split>> {
    let mut hasher = DefaultHasher::new();
    for activity in members.iter().flat_map(|of| [of.base, of.current]) {
        let parts = activity.map(|of| (of.consumption.get(), of.value_added.get()));
        parts.hash(&mut hasher);
    }
    let key = Key::Split(hasher.finish());
    if let Some(Entry::Split(kept)) = cache.get(&key)
        && kept.0 == members
    {
        return Some(Arc::clone(&kept.1));
    }
    let made = Arc::new(split(&members).ok()?);
    let bytes = members.len() * size_of::<(Member, Terms)>();
    let entry = Entry::Split(Arc::new((members, Arc::clone(&made))));
    cache.insert(key, entry, bytes);
    Some(made)
}

/// The members' terms that are not above zero, which have no logarithm.
fn not_positive<'a>(
    members: impl Iterator<Item = (&'a String, &'a Option<(Decimal, Decimal)>)>,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (name, parts) in members {
        let Some((consumption, value_added)) = *parts else {
            continue;
        };
        let terms = [
            (Term::Numerator, consumption),
            (Term::Denominator, value_added),
        ];
        let low = terms
            .into_iter()
            .filter(|(_, value)| *value <= Decimal::ZERO);
        reasons.extend(low.map(|(term, value)| Reason::NotPositive {
            term,
            value,
            names: vec![name.clone()],
        }));
    }
    reasons
}

fn split_message(unit: &str, members: &[MemberYears], made: &Split) -> pb::Split {
    let member = |(name, (_, terms)): (&String, &(_, Terms))| pb::MemberSplit {
        enterprise: name.clone(),
        structure: terms.structure.to_string(),
        efficiency: terms.efficiency.to_string(),
        entered: terms.entered.to_string(),
        left: terms.left.to_string(),
        unsplit: Decimal::ZERO.to_string(),
    };
    let names = members.iter().map(|(name, _)| name);
    pb::Split {
        unit: unit.to_owned(),
        change: made.change.to_string(),
        structure: made.totals.structure.to_string(),
        efficiency: made.totals.efficiency.to_string(),
        entered: made.totals.entered.to_string(),
        left: made.totals.left.to_string(),
        unsplit: Decimal::ZERO.to_string(),
        rounding: made.rounding.to_string(),
        members: names.zip(&made.members).map(member).collect(),
    }
}

/// Extends the pace of the years so far to the plan's end, if the plan still runs. A year that is still open is
/// skipped; the forecast then uses the years before it.
///
/// # Errors
/// The reasons against the base year or against the last year that is over.
pub(crate) fn forecast_of(
    plan: &Plan,
    years: &[(i16, EvaluatedFigure)],
) -> Result<Option<pb::Forecast>, Vec<pb::UnsoundReason>> {
    let is_open = |evaluated: &EvaluatedFigure| evaluated.unsound.iter().any(Reason::is_open);
    let runs = years.last().is_some_and(|(year, _)| *year < plan.end_year);
    let over = || years.iter().filter(|(_, evaluated)| !is_open(evaluated));
    let last = over().next_back().filter(|_| over().count() > 1);
    let ends = [years.first(), last];
    let unsound = reasons(ends.into_iter().flatten());
    if runs && !unsound.is_empty() {
        return Err(unsound);
    }
    let sound = years.iter().filter_map(|(year, evaluated)| {
        Some(YearlyIntensity {
            year: *year,
            intensity: evaluated.sound()?.value,
        })
    });
    let points: Vec<YearlyIntensity> = sound.collect();
    let made = match points.first() {
        Some(base) if base.year == plan.base_year => forecast(&points, plan.end_year).ok(),
        _ => None,
    };
    let change = |end: Projection| percent(-end.fall);
    Ok(made.map(|made| pb::Forecast {
        year: plan.end_year.into(),
        pace_percent: percent(-made.pace),
        value: round(made.end.intensity, 6).to_string(),
        change_percent: change(made.end),
        low_change_percent: made.interval.map(|i| change(i.low)).unwrap_or_default(),
        high_change_percent: made.interval.map(|i| change(i.high)).unwrap_or_default(),
    }))
}
