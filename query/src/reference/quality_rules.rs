//! Thresholds of data quality from TOML: the shipped ones, or an operator's.

use std::{collections::BTreeMap, path::Path};

use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use crate::reference::data_file::{Document, FileError};

const BUILT_IN: &str = include_str!("../../data/quality/on-line-monitoring.toml");
const WHAT: &str = "quality thresholds";

/// Every threshold that must be given.
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

/// Those that decide whether a verdict is given on a figure.
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
    /// The name that reports carry.
    pub(crate) id: String,
    values: BTreeMap<String, (Decimal, String)>,
}

impl QualityRules {
    /// The threshold of this name.
    pub(crate) fn value(&self, name: &str) -> Option<Decimal> {
        self.values.get(name).map(|(value, _)| *value)
    }

    /// The threshold of one of the names that every file has.
    pub(crate) fn of(&self, name: &str) -> Decimal {
        self.value(name).unwrap_or_default()
    }

    /// How many times the median of those like it an amount of an unrated meter may be.
    pub(crate) fn times(&self) -> i128 {
        self.of("implausible.times").to_i128().unwrap_or(i128::MAX)
    }

    /// The thresholds that soundness is judged by, in the order of [`SOUNDNESS`].
    pub(crate) fn soundness(&self) -> impl Iterator<Item = (&'static str, Decimal)> {
        SOUNDNESS.iter().map(|&name| (name, self.of(name)))
    }

    /// Where the threshold comes from, with its status.
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
    let mut document = Document::parse(text).map_err(FileError::parse(WHAT, path))?;
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
        let told: Vec<String> = rules
            .soundness()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(
            told,
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
    fn a_file_lacks_no_threshold_and_every_mistake_is_told() {
        let text = "id = \"x\"\n[[threshold]]\nname = \"completeness\"\nvalue = \"-1\"\nstatus = \"C\"\n\
                    [[threshold]]\nname = \"speed\"\nvalue = \"1\"\nstatus = \"C\"\nsource = \"s\"\n";
        let told = parse(text, "q.toml").expect_err("wrong").to_string();
        for mistake in [
            "value: '-1' is no decimal from 0",
            "source: is missing",
            "name: 'speed' is none of",
            "deviation: is missing among",
        ] {
            assert!(told.contains(mistake), "{mistake}\n{told}");
        }
    }
}
