//! Thresholds of data quality from TOML: the shipped ones, or those of the operator.

use std::{collections::BTreeMap, path::Path};

use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use crate::reference::data_file::{Document, FileError};

const BUILT_IN: &str = include_str!("../../data/quality/on-line-monitoring.toml");
const CONTENT: &str = "quality thresholds";

/// The names of all thresholds; a file must have every one.
const NAMES: &[&str] = &[
    "completeness",
    "estimated.share",
    "unregistered.share",
    "implausible.move",
    "implausible.times",
    "late-change.move",
    "deviation",
    "timeliness",
    "correctness",
    "calibration",
    "accuracy",
    "weight.timeliness",
    "weight.completeness",
    "weight.accuracy",
    "weight.correctness",
    "high-low.times",
    "stuck.days",
    "prolonged.days",
    "multiplier.tolerance",
    "declared.difference",
];

/// The thresholds that decide on a figure's verdict.
const SOUNDNESS: [&str; 6] = [
    "completeness",
    "estimated.share",
    "unregistered.share",
    "implausible.move",
    "implausible.times",
    "late-change.move",
];

/// Thresholds with their sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityRules {
    /// The id of the set in reports.
    pub(crate) id: String,
    values: BTreeMap<String, (Decimal, String)>,
}

impl QualityRules {
    /// The threshold of this name.
    pub(crate) fn value(&self, name: &str) -> Option<Decimal> {
        self.values.get(name).map(|(value, _)| *value)
    }

    /// The threshold of one of the required names.
    pub(crate) fn of(&self, name: &str) -> Decimal {
        self.value(name).unwrap_or_default()
    }

    /// The factor by which an amount of an unrated meter may exceed the median of similar days.
    pub(crate) fn times(&self) -> i128 {
        self.of("implausible.times").to_i128().unwrap_or(i128::MAX)
    }

    /// The thresholds of soundness, in the order of [`SOUNDNESS`].
    pub(crate) fn soundness(&self) -> impl Iterator<Item = (&'static str, Decimal)> {
        SOUNDNESS.iter().map(|&name| (name, self.of(name)))
    }

    /// The source of the threshold, with its status.
    pub(crate) fn source(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(_, source)| source)
    }
}

/// The thresholds of `file`, or the shipped ones.
///
/// # Errors
/// [`FileError`] names every mistake of the file.
pub fn load(file: Option<&Path>) -> Result<QualityRules, FileError> {
    match file {
        None => parse(BUILT_IN, "on-line-monitoring.toml"),
        Some(file) => parse(&FileError::read(file)?, &file.display().to_string()),
    }
}

fn parse(text: &str, path: &str) -> Result<QualityRules, FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse(CONTENT, path))?;
    let id = document.head().text("id");
    let thresholds = document.list("threshold", |entry| {
        let name = entry.required("name", |text| match NAMES.contains(&text) {
            true => Ok(text.to_owned()),
            false => Err(format!("'{text}' is none of {}", NAMES.join(", "))),
        });
        let value = entry.required("value", |text| {
            let value = text
                .parse::<Decimal>()
                .ok()
                .filter(|v| !v.is_sign_negative());
            value.ok_or_else(|| format!("'{text}' is no decimal from 0"))
        });
        let source = entry.source();
        Some((name?, (value?, source?)))
    });
    let values: BTreeMap<String, (Decimal, String)> = thresholds
        .into_iter()
        .map(|(_, threshold)| threshold)
        .collect();
    for name in NAMES.iter().filter(|name| !values.contains_key(**name)) {
        document.note("", name, "is missing among [[threshold]]".to_owned());
    }
    let rules = id.map(|id| QualityRules { id, values });
    document.finish(rules).map_err(FileError::wrong(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_h_the_shipped_thresholds_are_nine_tenths_and_a_twentieth() {
        let rules = load(None).expect("shipped");
        assert_eq!(rules.of("completeness").to_string(), "0.9");
        assert_eq!(rules.of("deviation").to_string(), "0.05");
        assert!(rules.source("completeness").starts_with("[C]"));
        let weights: Decimal = NAMES
            .iter()
            .filter(|name| name.starts_with("weight."))
            .map(|name| rules.of(name))
            .sum();
        assert_eq!(weights, Decimal::ONE);
    }

    #[test]
    fn method_i_the_shipped_thresholds_of_soundness() {
        let rules = load(None).expect("shipped");
        let texts: Vec<String> = rules
            .soundness()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(
            texts,
            [
                "completeness 0.9",
                "estimated.share 0.1",
                "unregistered.share 0.05",
                "implausible.move 0.005",
                "implausible.times 20",
                "late-change.move 0.001"
            ]
        );
    }

    #[test]
    fn a_file_must_have_every_threshold_and_every_mistake_is_reported() {
        let text = "id = \"x\"\n[[threshold]]\nname = \"completeness\"\nvalue = \"-1\"\nstatus = \"C\"\n\
                    [[threshold]]\nname = \"speed\"\nvalue = \"1\"\nstatus = \"C\"\nsource = \"s\"\n";
        let texts = parse(text, "q.toml").expect_err("wrong").to_string();
        for mistake in [
            "value: '-1' is no decimal from 0",
            "source: is missing",
            "name: 'speed' is none of",
            "deviation: is missing among",
        ] {
            assert!(texts.contains(mistake), "{mistake}\n{texts}");
        }
    }
}
