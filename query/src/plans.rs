//! Plans from TOML: the built-in one of the parks' 14th five-year plan and what an operator adds.

use std::path::PathBuf;

use greenpark_model::{
    indicator::Indicator,
    money::PriceBase,
    plan::{Form, Plan, Target},
};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::limits::YEARS;

const BUILT_IN: &str = include_str!("../data/plans/chongqing-parks-14fyp.toml");

/// The plan that is asked against when a request names none.
pub(crate) const DEFAULT: &str = "chongqing-parks-14fyp";

/// Why there are no plans.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("'{path}' cannot be read")]
    Read {
        /// The file.
        path: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML of this form.
    #[error("'{path}' is no plan")]
    Parse {
        /// The file.
        path: String,
        /// What happened.
        #[source]
        source: toml::de::Error,
    },
    /// A field is wrong.
    #[error("'{path}': {problem}")]
    Field {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// Plans in order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    plans: Vec<Plan>,
    price_bases: Vec<PriceBase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    title: String,
    source: String,
    base_year: i16,
    end_year: i16,
    price_base: String,
    target: Vec<TargetEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetEntry {
    indicator: String,
    form: String,
    percent: String,
}

impl Plans {
    /// In order of their ids.
    #[must_use]
    pub fn all(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan `id` and the price base that its falls are told at.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(&Plan, PriceBase)> {
        let at = self
            .plans
            .binary_search_by(|plan| plan.id.as_str().cmp(id))
            .ok()?;
        Some((&self.plans[at], self.price_bases[at]))
    }

    fn put(&mut self, plan: Plan, price_base: PriceBase) {
        match self.plans.binary_search_by(|p| p.id.cmp(&plan.id)) {
            Ok(at) => (self.plans[at], self.price_bases[at]) = (plan, price_base),
            Err(at) => {
                self.plans.insert(at, plan);
                self.price_bases.insert(at, price_base);
            }
        }
    }
}

/// The built-in plan, and those of `files`.
///
/// # Errors
/// [`PlanError`] names the first file that is wrong.
pub fn load(files: &[PathBuf]) -> Result<Plans, PlanError> {
    let mut plans = Plans {
        plans: Vec::new(),
        price_bases: Vec::new(),
    };
    let (plan, price_base) = parse(BUILT_IN, "built-in plan")?;
    plans.put(plan, price_base);
    for file in files {
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| PlanError::Read {
            path: path.clone(),
            source,
        })?;
        let (plan, price_base) = parse(&text, &path)?;
        plans.put(plan, price_base);
    }
    Ok(plans)
}

fn parse(text: &str, path: &str) -> Result<(Plan, PriceBase), PlanError> {
    let file: File = toml::from_str(text).map_err(|source| PlanError::Parse {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |problem: String| PlanError::Field {
        path: path.to_owned(),
        problem,
    };
    if file.id.is_empty() {
        return Err(wrong("id is empty".to_owned()));
    }
    if file.end_year <= file.base_year
        || !YEARS.contains(&file.base_year)
        || !YEARS.contains(&file.end_year)
    {
        let years = format!("{} to {}", file.base_year, file.end_year);
        return Err(wrong(format!(
            "base_year to end_year is {years}; the end must be a later year"
        )));
    }
    let price_base = file
        .price_base
        .parse()
        .map_err(|error: greenpark_model::money::UnknownPriceBase| wrong(error.to_string()))?;
    let targets = file
        .target
        .iter()
        .map(target)
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    let plan = Plan {
        id: file.id,
        title: file.title,
        source: file.source,
        base_year: file.base_year,
        end_year: file.end_year,
        targets,
    };
    Ok((plan, price_base))
}

fn target(entry: &TargetEntry) -> Result<Target, String> {
    let indicator = Indicator::from_name(&entry.indicator)
        .ok_or_else(|| format!("indicator '{}' is unknown", entry.indicator))?;
    let percent = entry
        .percent
        .parse::<Decimal>()
        .ok()
        .filter(|p| *p > Decimal::ZERO && *p <= Decimal::ONE_HUNDRED)
        .ok_or_else(|| {
            format!(
                "percent '{}' is no decimal above 0 up to 100",
                entry.percent
            )
        })?;
    let form = match entry.form.as_str() {
        "fall" if percent < Decimal::ONE_HUNDRED => Form::Fall(percent),
        "floor" => Form::Floor(percent),
        other => {
            return Err(format!(
                "form '{other}' is neither fall (below 100 %) nor floor"
            ));
        }
    };
    Ok(Target { indicator, form })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parks_plan_is_built_in() {
        let plans = load(&[]).expect("built in");
        let (plan, price_base) = plans.find(DEFAULT).expect("the default plan");
        assert_eq!((plan.base_year, plan.end_year), (2020, 2025));
        assert_eq!(price_base, PriceBase::Constant(2020));
        let forms: Vec<_> = plan.targets.iter().map(|t| (t.indicator, t.form)).collect();
        assert_eq!(
            forms,
            [
                (Indicator::EnergyIntensity, Form::Fall(Decimal::from(16))),
                (Indicator::WaterIntensity, Form::Fall(Decimal::from(20))),
                (Indicator::WasteUtilization, Form::Floor(Decimal::from(70))),
            ]
        );
    }

    #[test]
    fn a_further_plan_needs_no_code_and_one_of_the_same_id_replaces() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("plan.toml");
        let next = BUILT_IN
            .replace("id = \"chongqing-parks-14fyp\"", "id = \"a-next\"")
            .replace("base_year = 2020", "base_year = 2025")
            .replace("end_year = 2025", "end_year = 2030");
        std::fs::write(&file, &next).expect("written");
        let plans = load(std::slice::from_ref(&file)).expect("read");
        assert_eq!(
            plans
                .all()
                .iter()
                .map(|p| p.id.as_str())
                .collect::<Vec<_>>(),
            ["a-next", DEFAULT]
        );
        std::fs::write(&file, next.replace("a-next", DEFAULT)).expect("written");
        let plans = load(std::slice::from_ref(&file)).expect("read");
        assert_eq!(plans.find(DEFAULT).expect("replaced").0.base_year, 2025);
        std::fs::write(&file, next.replace("end_year = 2030", "end_year = 2024")).expect("written");
        assert!(load(&[file]).is_err());
    }
}
