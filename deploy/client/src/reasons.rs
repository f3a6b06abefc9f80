//! The details of a progress: the like-for-like comparison, the causes of the change, and the forecast.

use greenpark_console::sheet::Sheet;
use greenpark_proto::query::v1 as api;
use serde_json::{Value, json};

use crate::{answer_parts::indicator, soundness};

/// Formats a row per target of a reduction, if there is one.
#[must_use]
pub fn sheet(progress: &api::Progress) -> Option<Sheet> {
    let header = [
        "why",
        "like for like %",
        "fixed panel %",
        "structure",
        "efficiency",
        "entered",
        "left",
        "forecast %",
        "unsound",
    ];
    let mut sheet = Sheet::new(&header, &[1, 2, 3, 4, 5, 6, 7], Value::Null);
    let falls = progress
        .targets
        .iter()
        .filter(|t| t.like_for_like.is_some());
    let mut rows = 0;
    for target in falls {
        let change = |c: &Option<api::Comparison>| {
            c.as_ref()
                .map_or(String::new(), |c| c.change_percent.clone())
        };
        let split = target.split.clone().unwrap_or_default();
        let forecast = target.forecast.as_ref();
        sheet.push(vec![
            indicator(target).to_owned(),
            change(&target.like_for_like),
            change(&target.fixed_panel),
            six_places(&split.structure),
            six_places(&split.efficiency),
            six_places(&split.entered),
            six_places(&split.left),
            forecast.map_or(String::new(), |f| {
                format!("{} in {}", f.change_percent, f.year)
            }),
            soundness::cell(&withheld(target)),
        ]);
        rows += 1;
    }
    (rows > 0).then_some(sheet)
}

/// Returns the reasons why a part is withheld.
fn withheld(target: &api::TargetProgress) -> Vec<api::UnsoundReason> {
    let compared = [&target.like_for_like, &target.fixed_panel];
    let compared = compared.into_iter().flatten();
    let mut reasons: Vec<api::UnsoundReason> = compared.flat_map(|of| of.unsound.clone()).collect();
    reasons.extend(target.split_unsound.iter().cloned());
    reasons.extend(target.forecast_unsound.iter().cloned());
    reasons
}

/// Cuts a term of a split to six decimals, which are enough for people.
fn six_places(term: &str) -> String {
    match term.split_once('.') {
        Some((whole, places)) if places.len() > 6 => format!("{whole}.{}", &places[..6]),
        _ => term.to_owned(),
    }
}

/// Converts the details to JSON.
#[must_use]
pub fn json(target: &api::TargetProgress) -> Value {
    let comparison = |c: &api::Comparison| {
        json!({
            "population": c.population,
            "enterprises": c.enterprises,
            "base_value": c.base_value,
            "current_value": c.current_value,
            "change_percent": c.change_percent,
            "progress_percent": c.progress_percent,
            "notes": c.notes,
            "unsound": soundness::json(&c.unsound),
        })
    };
    json!({
        "like_for_like": target.like_for_like.as_ref().map(comparison),
        "fixed_panel": target.fixed_panel.as_ref().map(comparison),
        "split": target.split.as_ref().map(split_json),
        "forecast": target.forecast.as_ref().map(|f| json!({
            "year": f.year,
            "pace_percent": f.pace_percent,
            "value": f.value,
            "change_percent": f.change_percent,
            "low_change_percent": f.low_change_percent,
            "high_change_percent": f.high_change_percent,
        })),
        "split_unsound": soundness::json(&target.split_unsound),
        "forecast_unsound": soundness::json(&target.forecast_unsound),
    })
}

fn split_json(split: &api::Split) -> Value {
    let members: Vec<Value> = split
        .members
        .iter()
        .map(|m| {
            json!({
                "enterprise": m.enterprise,
                "structure": m.structure,
                "efficiency": m.efficiency,
                "entered": m.entered,
                "left": m.left,
                "unsplit": m.unsplit,
            })
        })
        .collect();
    json!({
        "unit": split.unit,
        "change": split.change,
        "structure": split.structure,
        "efficiency": split.efficiency,
        "entered": split.entered,
        "left": split.left,
        "unsplit": split.unsplit,
        "rounding": split.rounding,
        "members": members,
    })
}
