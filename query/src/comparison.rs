//! Like with like: two years of one set of enterprises, why a figure changed, and where its pace leads.
//! Pure.

use greenpark_model::{
    decomposition::{Activity, Member, Terms, split},
    forecast::{End, Point, forecast},
    indicator::round,
    plan::Plan,
    progress::progress,
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{figure::Told, progress::percent};

/// The base is recomputed over the judged year's enterprises.
pub(crate) const LIKE_FOR_LIKE: &str = "like-for-like";
/// The judged year is computed over the base year's enterprises.
pub(crate) const FIXED_PANEL: &str = "fixed-panel";

/// `base` and `current`, which count the same enterprises, against a fall of `asked`.
pub(crate) fn comparison(
    population: &str,
    (base, current): (&Told, &Told),
    asked: Decimal,
) -> pb::Comparison {
    let fall = base
        .ratio
        .zip(current.ratio)
        .and_then(|(base, current)| current.fall_since(&base).ok());
    let mut notes: Vec<String> = Vec::new();
    for told in [base, current] {
        let year = told.figure.period.as_ref().map_or("", |p| &p.first);
        notes.extend(told.unsound.iter().map(|why| format!("from {year}: {why}")));
    }
    pb::Comparison {
        population: population.to_owned(),
        enterprises: u32::try_from(current.figure.enterprises.len()).unwrap_or(u32::MAX),
        base_value: base.figure.value.clone(),
        current_value: current.figure.value.clone(),
        change_percent: fall.map(|f| percent(-f)).unwrap_or_default(),
        progress_percent: fall
            .and_then(|fall| progress(fall, asked).ok())
            .map(percent)
            .unwrap_or_default(),
        notes,
        unsound: Vec::new(),
    }
}

/// Splits the change of a group's figure; each member's figures of both years, by its name.
pub(crate) fn split_of(unit: &str, members: &[(String, [Told; 2])]) -> Option<pb::Split> {
    let activity = |told: &Told| Activity {
        consumption: told.parts.0,
        value_added: told.parts.1,
    };
    let both: Vec<Member> = members
        .iter()
        .map(|(_, [base, current])| Member {
            base: activity(base),
            current: activity(current),
        })
        .collect();
    let made = split(&both).ok()?;
    let member = |(name, (_, terms)): (&String, &(_, Terms))| pb::MemberSplit {
        enterprise: name.clone(),
        structure: terms.structure.to_string(),
        efficiency: terms.efficiency.to_string(),
        entered: terms.entered.to_string(),
        left: terms.left.to_string(),
        unsplit: terms.unsplit.to_string(),
    };
    let names = members.iter().map(|(name, _)| name);
    Some(pb::Split {
        unit: unit.to_owned(),
        change: made.change.to_string(),
        structure: made.totals.structure.to_string(),
        efficiency: made.totals.efficiency.to_string(),
        entered: made.totals.entered.to_string(),
        left: made.totals.left.to_string(),
        unsplit: made.totals.unsplit.to_string(),
        rounding: made.rounding.to_string(),
        members: names.zip(&made.members).map(member).collect(),
    })
}

/// Where the pace of the years so far ends, if the plan still runs.
pub(crate) fn forecast_of(plan: &Plan, years: &[(i16, Told)]) -> Option<pb::Forecast> {
    let sound = years.iter().filter(|(_, told)| told.unsound.is_empty());
    let points: Vec<Point> = sound
        .filter_map(|(year, told)| {
            Some(Point {
                year: *year,
                intensity: told.ratio?.value,
            })
        })
        .collect();
    let base = points.first().filter(|point| point.year == plan.base_year);
    base?;
    let made = forecast(&points, plan.end_year).ok()?;
    let change = |end: End| percent(-end.fall);
    Some(pb::Forecast {
        year: plan.end_year.into(),
        pace_percent: percent(-made.pace),
        value: round(made.end.intensity, 6).to_string(),
        change_percent: change(made.end),
        low_change_percent: made.interval.map(|i| change(i.low)).unwrap_or_default(),
        high_change_percent: made.interval.map(|i| change(i.high)).unwrap_or_default(),
    })
}
