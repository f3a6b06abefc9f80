//! The reasons why a figure gets no verdict, as cells, as JSON and in sentences.

use greenpark_proto::query::v1 as api;
use serde_json::{Value, json};

use crate::answer_parts::stamp_json;

/// Returns the name of a reason, such as `coverage`.
#[must_use]
pub fn name(reason: &api::UnsoundReason) -> String {
    let wire = reason.kind().as_str_name();
    let name = wire.strip_prefix("UNSOUND_KIND_").unwrap_or(wire);
    name.to_lowercase()
}

/// Formats the names of reasons in one cell, each once and with its years.
#[must_use]
pub fn cell(reasons: &[api::UnsoundReason]) -> String {
    let mut names: Vec<(String, Vec<String>)> = Vec::new();
    for reason in reasons {
        let name = name(reason);
        let year = (reason.year != 0).then(|| reason.year.to_string());
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, years)) => years.extend(year.filter(|year| !years.contains(year))),
            None => names.push((name, year.into_iter().collect())),
        }
    }
    let texts = names
        .into_iter()
        .map(|(name, years)| match years.is_empty() {
            true => name,
            false => format!("{name} {}", years.join(" ")),
        });
    texts.collect::<Vec<_>>().join(", ")
}

/// Converts reasons to JSON.
#[must_use]
pub fn json(reasons: &[api::UnsoundReason]) -> Value {
    Value::Array(reasons.iter().map(one).collect())
}

fn one(reason: &api::UnsoundReason) -> Value {
    let year = (reason.year != 0).then_some(reason.year);
    let mut object = json!({
        "reason": name(reason),
        "names": reason.names,
        "count": reason.count,
        "year": year,
        "detail": reason.detail,
        "mend": reason.mend,
    });
    if !reason.threshold.is_empty() {
        object["share"] = json!(reason.share);
        object["threshold"] = json!(reason.threshold);
    }
    match reason.kind() {
        api::UnsoundKind::NotPositive => {
            object["term"] = json!(reason.term);
            object["value"] = json!(reason.value);
        }
        api::UnsoundKind::LateChange => {
            object["gateways"] = json!(reason.gateways);
            object["late_readings"] = json!(reason.late_readings);
            object["late_corrections"] = json!(reason.late_corrections);
            object["first_arrived"] = stamp_json(reason.first_arrived.as_ref());
            object["last_arrived"] = stamp_json(reason.last_arrived.as_ref());
            object["final_since"] = stamp_json(reason.final_since.as_ref());
        }
        _ => {}
    }
    object
}

/// Converts the thresholds of a figure to JSON, by name.
#[must_use]
pub fn thresholds_json(figure: &api::Figure) -> Value {
    let each = figure.thresholds.iter();
    let each = each.map(|of| (of.name.clone(), Value::String(of.value.clone())));
    json!({ "set": figure.quality_set, "thresholds": Value::Object(each.collect()) })
}

/// Formats the thresholds of a figure in a sentence.
#[must_use]
pub fn thresholds(figure: &api::Figure) -> String {
    let each = figure.thresholds.iter();
    let each = each.map(|of| format!("{} {}", of.name, of.value));
    let each: Vec<String> = each.collect();
    format!("thresholds of {}: {}", figure.quality_set, each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(year: i32) -> api::UnsoundReason {
        api::UnsoundReason {
            kind: api::UnsoundKind::Coverage.into(),
            share: "0.054795".to_owned(),
            threshold: "0.9".to_owned(),
            year,
            ..api::UnsoundReason::default()
        }
    }

    fn late() -> api::UnsoundReason {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        api::UnsoundReason {
            kind: api::UnsoundKind::LateChange.into(),
            gateways: vec!["gw".to_owned()],
            late_readings: 3,
            first_arrived: at(0),
            ..api::UnsoundReason::default()
        }
    }

    #[test]
    fn a_cell_names_each_reason_once_with_its_years() {
        assert_eq!(cell(&[]), "");
        assert_eq!(cell(&[coverage(0), late()]), "coverage, late_change");
        let years = [coverage(2020), late(), coverage(2025)];
        assert_eq!(cell(&years), "coverage 2020 2025, late_change");
    }

    #[test]
    fn json_has_the_numbers_that_a_reason_has() {
        let reasons = json(&[coverage(2025), late()]);
        assert_eq!(reasons[0]["reason"], "coverage");
        assert_eq!(reasons[0]["share"], "0.054795");
        assert_eq!(reasons[0]["year"], 2025);
        assert_eq!(reasons[0].get("gateways"), None);
        assert_eq!(reasons[1]["gateways"][0], "gw");
        assert_eq!(reasons[1]["first_arrived"], "1970-01-01T08:00:00+08:00");
        assert_eq!(reasons[1]["last_arrived"], Value::Null);
        assert_eq!(
            (reasons[1]["year"].clone(), reasons[1].get("share")),
            (Value::Null, None)
        );
    }

    #[test]
    fn thresholds_are_told_by_their_names() {
        let threshold = api::SoundnessThreshold {
            name: "completeness".to_owned(),
            value: "0.9".to_owned(),
        };
        let figure = api::Figure {
            quality_set: "on-line-monitoring".to_owned(),
            thresholds: vec![threshold],
            ..api::Figure::default()
        };
        assert_eq!(
            thresholds(&figure),
            "thresholds of on-line-monitoring: completeness 0.9"
        );
        assert_eq!(
            thresholds_json(&figure)["thresholds"]["completeness"],
            "0.9"
        );
    }
}
