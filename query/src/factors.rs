//! Factor sets from TOML: the built-in one of GB/T 2589-2020 and what an operator adds.

use std::path::PathBuf;

use greenpark_model::{
    coal::{Basis, Factor, FactorSet},
    day::CivilDay,
    quantity::Medium,
};
use rust_decimal::Decimal;
use serde::Deserialize;

const BUILT_IN: &str = include_str!("../data/factors/gbt-2589-2020.toml");

/// Why there is no factor set.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
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
    #[error("'{path}' is no file of factors")]
    Parse {
        /// The file.
        path: String,
        /// What happened.
        #[source]
        source: toml::de::Error,
    },
    /// An entry is wrong.
    #[error("'{path}', entry {entry}: {problem}")]
    Entry {
        /// The file.
        path: String,
        /// Which entry, from 1.
        entry: usize,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    #[serde(default)]
    factor: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    medium: String,
    basis: Option<String>,
    kgce_per_unit: String,
    unit: String,
    valid_from: String,
    valid_to: Option<String>,
    status: String,
    source: String,
}

/// The built-in factors, with the entries of `files` before them.
///
/// # Errors
/// [`FactorError`] names the first file or entry that is wrong.
pub fn load(files: &[PathBuf]) -> Result<FactorSet, FactorError> {
    let mut set = parse(BUILT_IN, "built-in factors")?;
    for file in files {
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| FactorError::Read {
            path: path.clone(),
            source,
        })?;
        let mut added = parse(&text, &path)?;
        added.factors.append(&mut set.factors);
        set = FactorSet {
            id: format!("{}+{}", added.id, set.id),
            factors: added.factors,
        };
    }
    Ok(set)
}

fn parse(text: &str, path: &str) -> Result<FactorSet, FactorError> {
    let file: File = toml::from_str(text).map_err(|source| FactorError::Parse {
        path: path.to_owned(),
        source,
    })?;
    let factors = file
        .factor
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            factor(entry).map_err(|problem| FactorError::Entry {
                path: path.to_owned(),
                entry: index + 1,
                problem,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(FactorSet {
        id: file.id,
        factors,
    })
}

fn factor(entry: &Entry) -> Result<Factor, String> {
    let medium = Medium::from_name(&entry.medium)
        .ok_or_else(|| format!("medium '{}' is unknown", entry.medium))?;
    let wanted = format!("kgce/{}", medium.unit().symbol());
    if entry.unit != wanted {
        return Err(format!(
            "unit is '{}', but {} is counted in {wanted}",
            entry.unit, entry.medium
        ));
    }
    let basis = match entry.basis.as_deref() {
        None => None,
        Some("calorific") => Some(Basis::Calorific),
        Some("primary_equivalent") => Some(Basis::PrimaryEquivalent),
        Some(other) => {
            return Err(format!(
                "basis '{other}' is neither calorific nor primary_equivalent"
            ));
        }
    };
    let kgce_per_unit = entry
        .kgce_per_unit
        .parse::<Decimal>()
        .ok()
        .filter(|factor| !factor.is_sign_negative())
        .ok_or_else(|| {
            format!(
                "kgce_per_unit '{}' is no decimal from 0",
                entry.kgce_per_unit
            )
        })?;
    let day = |text: &str| text.parse::<CivilDay>().map_err(|error| error.to_string());
    Ok(Factor {
        medium,
        basis,
        kgce_per_unit,
        valid_from: day(&entry.valid_from)?,
        valid_to: entry.valid_to.as_deref().map(day).transpose()?,
        source: format!("[{}] {}", entry.status, entry.source),
    })
}

#[cfg(test)]
mod tests {
    use greenpark_model::quantity::MediumClass;

    use super::*;

    #[test]
    fn every_energy_has_a_factor_at_both_bases() {
        let set = load(&[]).expect("built in");
        let day = "2024-06-30".parse().expect("a day");
        for &medium in Medium::ALL {
            if medium.class() == MediumClass::Energy {
                for basis in [Basis::Calorific, Basis::PrimaryEquivalent] {
                    assert!(set.find(medium, basis, day).is_some(), "{medium:?} {basis}");
                }
            }
        }
        let told = |medium, basis| {
            set.find(medium, basis, day)
                .expect("a factor")
                .kgce_per_unit
                .to_string()
        };
        assert_eq!(told(Medium::Electricity, Basis::Calorific), "0.1229");
        assert_eq!(told(Medium::Electricity, Basis::PrimaryEquivalent), "0.31");
        assert_eq!(told(Medium::NaturalGas, Basis::Calorific), "1.2143");
        assert_eq!(told(Medium::Steam, Basis::Calorific), "94.3");
        assert_eq!(told(Medium::Diesel, Basis::Calorific), "1457.1");
    }

    #[test]
    fn an_operators_entry_counts_before_the_built_in_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("factors.toml");
        let text = "id = \"ours\"\n[[factor]]\nmedium = \"electricity\"\nbasis = \"primary_equivalent\"\n\
                    kgce_per_unit = \"0.3005\"\nunit = \"kgce/kWh\"\nvalid_from = \"2024-01-01\"\n\
                    valid_to = \"2024-12-31\"\nstatus = \"C\"\nsource = \"notice\"\n";
        std::fs::write(&file, text).expect("written");
        let set = load(std::slice::from_ref(&file)).expect("read");
        assert_eq!(set.id, "ours+gbt-2589-2020");
        let on = |day: &str| {
            let day = day.parse().expect("a day");
            let found = set.find(Medium::Electricity, Basis::PrimaryEquivalent, day);
            found.expect("a factor").kgce_per_unit.to_string()
        };
        assert_eq!(
            (on("2024-12-31").as_str(), on("2025-01-01").as_str()),
            ("0.3005", "0.31")
        );
        std::fs::write(&file, text.replace("kgce/kWh", "kgce/t")).expect("written");
        let error = load(&[file]).expect_err("a wrong unit").to_string();
        assert!(error.contains("kgce/kWh"), "{error}");
    }
}
