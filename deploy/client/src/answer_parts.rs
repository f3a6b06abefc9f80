//! The parts that several answers share: a target's words in a cell, and amounts, instants, coverage and revisions as JSON.

use greenpark_model::day::Instant;
use greenpark_proto::query::v1::{self as api, Verdict};
use serde_json::{Value, json};

/// Returns the indicator that a target binds.
#[must_use]
pub fn indicator(target: &api::TargetProgress) -> &str {
    target.target.as_ref().map_or("", |t| &t.indicator)
}

/// Formats the requirement of a target, such as `−16` or `≥ 70`, or that none is declared.
#[must_use]
pub fn requirement(target: &api::TargetProgress) -> String {
    match &target.target {
        Some(t) if t.form.is_empty() => "none declared".to_owned(),
        Some(t) if t.form == "fall" => format!("-{}", t.percent),
        Some(t) => format!(">= {}", t.percent),
        None => String::new(),
    }
}

/// Returns the word for a verdict.
#[must_use]
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::OnSchedule => "on schedule",
        Verdict::Behind => "behind",
        Verdict::Unknown | Verdict::Unspecified => "unknown",
    }
}

/// Returns the word for the status of a period.
pub(super) fn status(status: api::PeriodStatus) -> &'static str {
    match status {
        api::PeriodStatus::Operational => "operational",
        api::PeriodStatus::Preliminary => "preliminary",
        api::PeriodStatus::Final => "final",
        api::PeriodStatus::Unspecified => "",
    }
}

/// Converts an amount and its unit to JSON.
pub(super) fn amount_json(amount: Option<&api::Amount>) -> Value {
    amount.map_or(Value::Null, |a| json!({ "value": a.value, "unit": a.unit }))
}

/// Formats an instant in the time of the parks; empty without one.
pub(super) fn stamp(at: Option<&prost_types::Timestamp>) -> String {
    at.map_or_else(String::new, |at| {
        let ms = at.seconds.saturating_mul(1_000);
        let ms = ms.saturating_add(i64::from(at.nanos / 1_000_000));
        Instant::from_millis(ms).to_string()
    })
}

/// Converts an instant to JSON, as text in the time of the parks.
pub(super) fn stamp_json(at: Option<&prost_types::Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(stamp(Some(at))))
}

/// Converts the coverage of a figure to JSON.
pub(super) fn coverage_json(coverage: &api::Coverage) -> Value {
    json!({
        "received": coverage.received,
        "expected": coverage.expected,
        "completeness": coverage.completeness,
        "estimated_share": coverage.estimated_share,
        "meter_days": coverage.meter_days,
        "conflicts": coverage.conflicts,
        "duplicates": coverage.duplicates,
        "open_days": coverage.open_days,
        "measured_share": coverage.measured_share,
        "manual_share": coverage.manual_share,
        "missing_share": coverage.missing_share,
    })
}

/// Converts the revision of a book to JSON.
pub(super) fn revision_json(revision: &api::BookRevision) -> Value {
    json!({
        "park": revision.park,
        "year": revision.year,
        "readings_version": revision.readings_version,
        "totals_version": revision.totals_version,
        "sealed_days": revision.sealed_days,
        "revision_max": revision.revision_max,
    })
}
