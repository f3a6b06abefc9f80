//! The rules of the assessment basis (考核口径) from TOML: the shipped set, or an operator's own.
//!
//! A `[[rule]]` names a deduction from energy consumption, with its source and status, and may limit the share of
//! other regions. Energy without a rule is not deducted.

use std::path::Path;

use greenpark_model::{
    assessment::{Deductible, Rule, RuleSet, UnknownDeductible},
    carbon::{Region, UnknownRegion},
};
use rust_decimal::Decimal;

use crate::reference::data_file::{Document, Entry, FileError, positive};

const SHIPPED: &str = include_str!("../../data/assessment/assessment-2024.toml");

/// The name of these files in an error message.
const CONTENT: &str = "rules of assessment";

/// A set of rules, and its home region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The rules.
    pub rules: RuleSet,
    /// The region whose certificates have no limit; `None` for that of the grid.
    pub home_region: Option<Region>,
}

/// The shipped rules, or those of `file`.
///
/// # Errors
/// [`FileError`] names all mistakes of the file.
pub fn load(file: Option<&Path>) -> Result<Assessment, FileError> {
    match file {
        None => parse(SHIPPED, "assessment-2024.toml"),
        Some(file) => parse(&FileError::read(file)?, &file.display().to_string()),
    }
}

fn parse(text: &str, path: &str) -> Result<Assessment, FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse(CONTENT, path))?;
    let mut head = document.head();
    let id = head.text("id");
    // Human readers of the file need the title.
    head.text("title");
    let home_region = head.optional("home_region", |text| {
        text.parse()
            .map_err(|error: UnknownRegion| error.to_string())
    });
    let rules = document.list("rule", rule);
    for (place, (number, entry)) in rules.iter().enumerate() {
        let same = |(_, other): &&(usize, Rule)| other.deductible == entry.deductible;
        if let Some((first, _)) = rules.iter().take(place).find(same) {
            let problem = format!("'{}' has rule {first} already", entry.deductible);
            document.note(&format!("rule {number}"), "deduct", problem);
        }
    }
    let read = id.map(|id| Assessment {
        rules: RuleSet {
            id,
            rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        },
        home_region,
    });
    document.finish(read).map_err(FileError::wrong(path))
}

fn rule(entry: &mut Entry<'_>) -> Option<Rule> {
    let deductible = entry.required("deduct", |text| {
        text.parse::<Deductible>()
            .map_err(|error: UnknownDeductible| error.to_string())
    });
    let other_regions_max = entry.optional("other_regions_max", share);
    if other_regions_max.is_some() && deductible == Some(Deductible::RawMaterial) {
        let problem = "fits non-fossil electricity only; raw material has no region".to_owned();
        entry.wrong("other_regions_max", problem);
    }
    let source = entry.source();
    Some(Rule {
        deductible: deductible?,
        other_regions_max,
        source: source?,
    })
}

/// A fraction above 0, at most 1.
fn share(text: &str) -> Result<Decimal, String> {
    positive(text)
        .ok()
        .filter(|share| *share <= Decimal::ONE)
        .ok_or_else(|| format!("'{text}' is no fraction above 0 up to 1; write 0.5 for a half"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_j_the_shipped_rules_deduct_five_things_and_bound_certificates() {
        let shipped = load(None).expect("shipped");
        assert_eq!(shipped.rules.id, "assessment-2024");
        assert_eq!(shipped.home_region, None);
        let of = |name: &str| {
            let deductible = name.parse().expect("a deductible");
            shipped.rules.find(deductible).expect("a rule").clone()
        };
        for name in ["self_use", "direct", "trade", "raw_material"] {
            let rule = of(name);
            assert_eq!(rule.other_regions_max, None, "{name}");
            assert!(rule.source.starts_with("[C2] "), "{}", rule.source);
        }
        let certificates = of("certificate");
        assert_eq!(certificates.other_regions_max, Some(Decimal::new(5, 1)));
        assert!(certificates.source.starts_with("[C] "));
        assert!(certificates.source.contains("113号"));
    }

    #[test]
    fn an_operators_file_replaces_every_rule() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rules.toml");
        let text = "id = \"ours\"\ntitle = \"ours\"\nhome_region = \"sichuan\"\n[[rule]]\n\
                    deduct = \"trade\"\nother_regions_max = \"0.25\"\nstatus = \"C\"\nsource = \"notice\"\n";
        std::fs::write(&file, text).expect("written");
        let ours = load(Some(&file)).expect("read");
        assert_eq!(
            (ours.rules.id.as_str(), ours.rules.rules.len()),
            ("ours", 1)
        );
        assert_eq!(ours.home_region, "sichuan".parse().ok());
        assert_eq!(ours.rules.find(Deductible::RawMaterial), None);
    }

    #[test]
    fn every_mistake_of_a_file_is_reported_at_once() {
        let text = "id = \"x\"\nhome_region = \"四川\"\n[[rule]]\ndeduct = \"solar\"\nstatus = \"C\"\n\
                    [[rule]]\ndeduct = \"raw_material\"\nother_regions_max = \"0.5\"\nstatus = \"C\"\nsource = \"s\"\n\
                    [[rule]]\ndeduct = \"trade\"\nother_regions_max = \"50\"\nstatus = \"C\"\nsource = \"s\"\n\
                    [[rule]]\ndeduct = \"trade\"\nstatus = \"C\"\nsource = \"s\"\n";
        let message = parse(text, "a.toml").expect_err("wrong").to_string();
        for mistake in [
            "'a.toml'",
            "title: is missing",
            "home_region: '四川' is no region",
            "rule 1, deduct: 'solar' is none of self_use",
            "rule 1, source: is missing",
            "rule 2, other_regions_max: fits non-fossil electricity only",
            "rule 3, other_regions_max: '50' is no fraction",
            "rule 4, deduct: 'trade' has rule 3 already",
        ] {
            assert!(message.contains(mistake), "{mistake}\n{message}");
        }
    }
}
