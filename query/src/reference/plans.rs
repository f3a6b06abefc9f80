//! Plans from TOML: the built-in one of the parks' 14th five-year plan, further shipped ones, and those of the
//! operator.
//!
//! A plan's `[[target]]` entries bind measured indicators. Its further requirements, and those in a form that a
//! target does not have, are `[[declared]]` entries: growth, shares, counts, ceilings, and criteria that bind only
//! parks of some scale.

use std::{path::PathBuf, str::FromStr as _};

use greenpark_model::{
    assessment::{BasisOfAssessment, UnknownBasisOfAssessment},
    coal::Basis,
    declared::{self, DeclaredIndicator, ParkScale},
    indicator::Indicator,
    money::{PriceBase, UnknownPriceBase},
    plan::{Plan, Target, TargetForm},
};
use rust_decimal::Decimal;

use crate::reference::data_file::{Document, Entry, FileError, positive};

const BUILT_IN: &str = include_str!("../../data/plans/chongqing-parks-14fyp.toml");

/// The shipped plans beside the built-in one, each with its file name for error messages.
const FURTHER: [(&str, &str); 3] = [
    (
        "chongqing-city-2022-2025.toml",
        include_str!("../../data/plans/chongqing-city-2022-2025.toml"),
    ),
    (
        "miit-14fyp.toml",
        include_str!("../../data/plans/miit-14fyp.toml"),
    ),
    (
        "zero-carbon-parks.toml",
        include_str!("../../data/plans/zero-carbon-parks.toml"),
    ),
];

/// The plan that is used if a request names none.
pub(crate) const DEFAULT: &str = "chongqing-parks-14fyp";

/// Plans in order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    plans: Vec<Plan>,
    /// The terms of each plan, in the same order.
    terms: Vec<Terms>,
}

/// The terms in a plan's file besides the plan itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Terms {
    price_base: PriceBase,
    /// The basis of electricity of its targets, if the plan states it.
    basis: Option<Basis>,
    /// The basis of assessment of its energy target, if the plan states it.
    basis_of_assessment: Option<BasisOfAssessment>,
    declared: Vec<DeclaredIndicator>,
}

impl Plans {
    /// All plans, ordered by id.
    #[must_use]
    pub fn all(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan `id`, and the price base of its falls.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(&Plan, PriceBase)> {
        let at = self.place(id).ok()?;
        Some((&self.plans[at], self.terms[at].price_base))
    }

    /// The basis of electricity of the targets of the plan `id`; `None` if the plan does not state it.
    #[must_use]
    pub fn basis(&self, id: &str) -> Option<Basis> {
        self.place(id).ok().and_then(|at| self.terms[at].basis)
    }

    /// The basis of assessment of the energy target of the plan `id`; `None` if the plan does not state it.
    #[must_use]
    pub fn basis_of_assessment(&self, id: &str) -> Option<BasisOfAssessment> {
        let place = self.place(id).ok();
        place.and_then(|at| self.terms[at].basis_of_assessment)
    }

    /// The declared indicators of the plan `id`, in the order of its file; empty for an unknown plan.
    #[must_use]
    pub fn declared(&self, id: &str) -> &[DeclaredIndicator] {
        match self.place(id) {
            Ok(at) => &self.terms[at].declared,
            Err(_) => &[],
        }
    }

    fn place(&self, id: &str) -> Result<usize, usize> {
        self.plans.binary_search_by(|plan| plan.id.as_str().cmp(id))
    }

    fn insert(&mut self, (plan, terms): (Plan, Terms)) {
        match self.place(&plan.id) {
            Ok(at) => (self.plans[at], self.terms[at]) = (plan, terms),
            Err(at) => {
                self.plans.insert(at, plan);
                self.terms.insert(at, terms);
            }
        }
    }
}

/// Loads the built-in plan and those of `files`.
///
/// # Errors
/// [`FileError`] names the first file that is wrong and all of its mistakes.
pub fn load(files: &[PathBuf]) -> Result<Plans, FileError> {
    load_beside(&[], files)
}

/// Loads the built-in plan, the further shipped ones, and those of `files`.
///
/// # Errors
/// [`FileError`] names the first file that is wrong and all of its mistakes.
pub fn load_all(files: &[PathBuf]) -> Result<Plans, FileError> {
    load_beside(&FURTHER, files)
}

fn load_beside(shipped: &[(&str, &str)], files: &[PathBuf]) -> Result<Plans, FileError> {
    let mut plans = Plans {
        plans: Vec::new(),
        terms: Vec::new(),
    };
    plans.insert(parse(BUILT_IN, "built-in plan")?);
    for (name, text) in shipped {
        plans.insert(parse(text, name)?);
    }
    for file in files {
        let path = file.display().to_string();
        let text = FileError::read(file)?;
        plans.insert(parse(&text, &path)?);
    }
    Ok(plans)
}

fn parse(text: &str, path: &str) -> Result<(Plan, Terms), FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse("plans", path))?;
    let head = head(&mut document.head());
    let basis_of_assessment = document.head().optional("basis_of_assessment", |text| {
        text.parse()
            .map_err(|error: UnknownBasisOfAssessment| error.to_string())
    });
    let targets = document.list("target", target);
    let declared = document.list("declared", declared);
    for (place, (number, entry)) in declared.iter().enumerate() {
        let same = |(_, other): &&(usize, DeclaredIndicator)| other.id == entry.id;
        if let Some((first, _)) = declared.iter().take(place).find(same) {
            let problem = format!("'{}' is the id of declared {first} already", entry.id);
            document.note(&format!("declared {number}"), "id", problem);
        }
    }
    let read = head.map(|(plan, price_base, basis)| {
        let plan = Plan {
            targets: targets.into_iter().map(|(_, target)| target).collect(),
            ..plan
        };
        let declared = declared.into_iter().map(|(_, entry)| entry).collect();
        let terms = Terms {
            price_base,
            basis,
            basis_of_assessment,
            declared,
        };
        (plan, terms)
    });
    if let Some((plan, terms)) = &read
        && plan.targets.is_empty()
        && terms.declared.is_empty()
    {
        let problem = "is missing, and so is any [[declared]]".to_owned();
        document.note("", "target", problem);
    }
    document.finish(read).map_err(FileError::wrong(path))
}

/// The plan without its targets.
fn head(entry: &mut Entry<'_>) -> Option<(Plan, PriceBase, Option<Basis>)> {
    let [id, title, source] = ["id", "title", "source"].map(|field| entry.text(field));
    let [base_year, end_year] = ["base_year", "end_year"].map(|field| entry.year(field));
    let price_base = entry.required("price_base", |text| {
        text.parse()
            .map_err(|error: UnknownPriceBase| error.to_string())
    });
    let basis = entry.optional("basis", |text| {
        Basis::from_str(text).map_err(|e| e.to_string())
    });
    let (base_year, end_year) = (base_year?, end_year?);
    if end_year <= base_year {
        entry.wrong("end_year", format!("is not after base_year, {base_year}"));
        return None;
    }
    let plan = Plan {
        id: id?,
        title: title?,
        source: source?,
        base_year,
        end_year,
        targets: Vec::new(),
    };
    Some((plan, price_base?, basis))
}

fn indicator(text: &str) -> Result<Indicator, String> {
    Indicator::from_name(text).ok_or_else(|| format!("'{text}' is no indicator"))
}

fn percent(text: &str) -> Result<Decimal, String> {
    positive(text)
        .ok()
        .filter(|percent| *percent <= Decimal::ONE_HUNDRED)
        .ok_or_else(|| format!("'{text}' is no decimal above 0 up to 100"))
}

/// Checks a fall in per cent: a fall of 100 per cent has no pace.
fn fall(percent: Decimal) -> Result<Decimal, String> {
    if percent < Decimal::ONE_HUNDRED {
        Ok(percent)
    } else {
        Err("a fall is below 100 per cent".to_owned())
    }
}

fn target(entry: &mut Entry<'_>) -> Option<Target> {
    let indicator = entry.required("indicator", indicator);
    let percent = entry.required("percent", percent);
    // Without a percent the form is still read, so that its own mistake is reported too.
    let sample = percent.unwrap_or(Decimal::ONE);
    let form = entry.required("form", |form| match form {
        "fall" => fall(sample).map(TargetForm::Fall),
        "floor" => Ok(TargetForm::Floor(sample)),
        other => Err(format!("'{other}' is neither fall nor floor")),
    });
    percent?;
    Some(Target {
        indicator: indicator?,
        form: form?,
    })
}

fn declared(entry: &mut Entry<'_>) -> Option<DeclaredIndicator> {
    let [id, title, unit] = ["id", "title", "unit"].map(|field| entry.text(field));
    let value = entry.required("value", positive);
    let sample = value.unwrap_or(Decimal::ONE);
    let form = entry.required("form", |form| declared_form(form, sample));
    let wanted = match form {
        Some(declared::Criterion::YearlyGrowth(_) | declared::Criterion::Fall(_)) => {
            Some("percent")
        }
        Some(declared::Criterion::Count(_)) => Some("count"),
        _ => None,
    };
    if let (Some(unit), Some(wanted)) = (&unit, wanted)
        && unit != wanted
    {
        entry.wrong("unit", format!("is '{unit}', but the form is in {wanted}"));
    }
    let measured = entry.optional("measured", indicator);
    let scale = scale(entry);
    let source = entry.source();
    value?;
    Some(DeclaredIndicator {
        id: id?,
        title: title?,
        unit: unit?,
        form: form?,
        measured,
        scale,
        source: source?,
    })
}

fn declared_form(form: &str, value: Decimal) -> Result<declared::Criterion, String> {
    match form {
        "yearly-growth" => Ok(declared::Criterion::YearlyGrowth(value)),
        "at-least" => Ok(declared::Criterion::AtLeast(value)),
        "at-most" => Ok(declared::Criterion::AtMost(value)),
        "count" => u32::try_from(value)
            .ok()
            .filter(|_| value.is_integer())
            .map(declared::Criterion::Count)
            .ok_or_else(|| format!("a count is a whole number, and value is {value}")),
        "fall" => fall(value).map(declared::Criterion::Fall),
        other => Err(format!(
            "'{other}' is none of yearly-growth, at-least, at-most, count and fall"
        )),
    }
}

/// Reads `from_tce` and `below_tce`, if the entry binds only parks of some scale.
fn scale(entry: &mut Entry<'_>) -> Option<ParkScale> {
    let from = entry.optional("from_tce", positive);
    let below = entry.optional("below_tce", positive);
    match (from, below) {
        (None, Some(_)) => {
            entry.wrong("below_tce", "has no from_tce to begin at".to_owned());
            None
        }
        (Some(from_tce), Some(below)) if below <= from_tce => {
            entry.wrong("below_tce", format!("is not above from_tce, {from_tce}"));
            None
        }
        (from, below_tce) => from.map(|from_tce| ParkScale {
            from_tce,
            below_tce,
        }),
    }
}

#[cfg(test)]
mod tests;
