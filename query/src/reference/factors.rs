//! Factor sets from TOML: the built-in one of GB/T 2589-2020, the edition before it, and those of the operator.
//!
//! A file has energies as `[[factor]]` and energy-carrying media (耗能工质) as `[[media]]`. A coefficient alone does not
//! count a medium in comprehensive energy; only a policy that requires it does.

use std::{path::PathBuf, str::FromStr as _};

use greenpark_model::{
    coal::{Basis, Factor, FactorSet},
    day::CivilDay,
    quantity::{Medium, MediumClass},
};
use rust_decimal::Decimal;

use crate::reference::{
    data_file::{Document, Entry, FileError, Validity, day, positive},
    footprint,
};

const BUILT_IN: &str = include_str!("../../data/factors/gbt-2589-2020.toml");
const EDITION_2008: &str = include_str!("../../data/factors/gbt-2589-2008.toml");

/// The built-in factors, with the entries of `files` before them.
///
/// # Errors
/// [`FileError`] names the first file that is wrong and all of its mistakes.
pub fn load(files: &[PathBuf]) -> Result<FactorSet, FileError> {
    let built_in = parse(BUILT_IN, "built-in factors")?;
    join(built_in, files)
}

/// Loads the service's own set, as [`load`] makes it, followed by the shipped ones that a question may name: that of
/// 2020 if the service's own is another, and the edition before it.
///
/// # Errors
/// [`FileError`] names the first file that is wrong and all of its mistakes.
pub fn sets(files: &[PathBuf]) -> Result<Vec<FactorSet>, FileError> {
    let built_in = parse(BUILT_IN, "built-in factors")?;
    let own = join(built_in.clone(), files)?;
    let mut sets = vec![built_in, edition_2008()?];
    sets.retain(|set| set.id != own.id);
    sets.insert(0, own);
    Ok(sets)
}

/// Puts the entries of `files` before those of `set`.
fn join(mut set: FactorSet, files: &[PathBuf]) -> Result<FactorSet, FileError> {
    for file in files {
        let path = file.display().to_string();
        let text = FileError::read(file)?;
        let mut added = parse(&text, &path)?;
        added.factors.append(&mut set.factors);
        set = FactorSet {
            id: format!("{}+{}", added.id, set.id),
            factors: added.factors,
            kj_per_kgce: added.kj_per_kgce.or(set.kj_per_kgce),
        };
    }
    Ok(set)
}

/// The shipped set of GB/T 2589-2008, which ends the day before the edition of 2020 came into force.
///
/// It is a separate set for recomputing published figures: figures of two editions are not compared.
///
/// # Errors
/// [`FileError`] if the shipped file is wrong.
pub fn edition_2008() -> Result<FactorSet, FileError> {
    parse(EDITION_2008, "gbt-2589-2008.toml")
}

fn parse(text: &str, path: &str) -> Result<FactorSet, FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse("factors", path))?;
    let (id, kj_per_kgce) = {
        let mut head = document.head();
        let heat = head.optional("kj_per_kgce", positive);
        if heat.is_some() {
            // Human readers of the file need the source, as in an entry.
            head.source();
        }
        (head.text("id"), heat)
    };
    let energies = document.list("factor", energy);
    let media = document.list("media", media);
    let factors = energies.into_iter().map(|(_, factor)| factor);
    let media = media.into_iter().filter_map(|(_, factor)| factor);
    let set = id.map(|id| FactorSet {
        id,
        factors: factors.chain(media).collect(),
        kj_per_kgce,
    });
    document.finish(set).map_err(FileError::wrong(path))
}

fn energy(entry: &mut Entry<'_>) -> Option<Factor> {
    footprint::refuse(entry);
    let medium = entry.required("medium", |text| match Medium::from_name(text) {
        Some(medium) if medium.class() == MediumClass::Energy => Ok(medium),
        Some(_) => Err(format!("'{text}' is no energy; write it as [[media]]")),
        None => Err(format!("'{text}' is unknown")),
    });
    let basis = entry.optional("basis", |text| {
        Basis::from_str(text).map_err(|error| error.to_string())
    });
    unit(entry, medium);
    let coefficient = coefficient(entry);
    Some(coefficient?.of(medium?, basis))
}

/// Reads a medium of Annex B. The inner `None` stands for one that no reading can have, such as acetylene; its entry
/// is still checked.
fn media(entry: &mut Entry<'_>) -> Option<Option<Factor>> {
    let name = entry.text("medium");
    // Human readers of the file know the annex by its Chinese names.
    entry.text("title");
    let medium = name.as_deref().and_then(Medium::from_name);
    if let Some(MediumClass::Energy | MediumClass::Waste) = medium.map(Medium::class) {
        entry.wrong("medium", "is no energy-carrying medium".to_owned());
    }
    unit(entry, medium);
    let coefficient = coefficient(entry)?;
    Some(medium.map(|medium| coefficient.of(medium, None)))
}

/// Reads `unit` and notes a unit in which `medium` is not counted; without a medium any mass or volume fits.
fn unit(entry: &mut Entry<'_>, medium: Option<Medium>) {
    entry.required("unit", |unit| match medium {
        Some(medium) => {
            let wanted = format!("kgce/{}", medium.unit().symbol());
            if unit == wanted {
                return Ok(());
            }
            let medium = medium.as_str();
            Err(format!("is '{unit}', but {medium} is counted in {wanted}"))
        }
        None if unit.starts_with("kgce/") => Ok(()),
        None => Err(format!("'{unit}' is no kgce for a unit")),
    });
}

/// The fields that energies and media share.
struct Coefficient {
    kgce_per_unit: Decimal,
    validity: Validity,
    published: Option<CivilDay>,
    source: String,
}

impl Coefficient {
    fn of(self, medium: Medium, basis: Option<Basis>) -> Factor {
        Factor {
            medium,
            basis,
            kgce_per_unit: self.kgce_per_unit,
            valid_from: self.validity.0,
            valid_to: self.validity.1,
            published: self.published,
            source: self.source,
        }
    }
}

fn coefficient(entry: &mut Entry<'_>) -> Option<Coefficient> {
    let kgce_per_unit = entry.required("kgce_per_unit", |text| {
        text.parse::<Decimal>()
            .ok()
            .filter(|factor| !factor.is_sign_negative())
            .ok_or_else(|| format!("'{text}' is no decimal from 0"))
    });
    let (validity, source) = (entry.validity(), entry.source());
    let published = entry.optional("published", day);
    Some(Coefficient {
        published,
        kgce_per_unit: kgce_per_unit?,
        validity: validity?,
        source: source?,
    })
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn an_entry_counts_as_of_its_publication() {
        let text = "id = \"ours\"\n[[factor]]\nmedium = \"diesel\"\nkgce_per_unit = \"1500\"\n\
                    unit = \"kgce/t\"\nvalid_from = \"2020-01-01\"\npublished = \"2026-03-01\"\n\
                    status = \"C\"\nsource = \"notice\"\n";
        let set = parse(text, "f.toml").expect("read");
        let day = |text: &str| text.parse::<CivilDay>().expect("a day");
        let known = |on: &str| {
            let when = (day("2024-06-30"), Some(day(on)));
            set.find_known(Medium::Diesel, Basis::Calorific, when)
                .is_some()
        };
        assert!(known("2026-03-01") && !known("2026-02-28"));
        assert!(
            set.find(Medium::Diesel, Basis::Calorific, day("2024-06-30"))
                .is_some()
        );
    }

    #[test]
    fn method_a_coefficients_of_both_editions_are_those_published() {
        let (new, old) = (
            load(&[]).expect("built in"),
            edition_2008().expect("shipped"),
        );
        let told = |set: &FactorSet, medium, basis| {
            let day = "2020-06-30".parse().expect("a day");
            let factor = set.find(medium, basis, day).expect("a factor");
            factor.kgce_per_unit.to_string()
        };
        let both = |medium, basis| (told(&old, medium, basis), told(&new, medium, basis));
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        for (medium, old, new) in [
            (Medium::Electricity, "0.1229", "0.1229"),
            (Medium::RawCoal, "714.3", "714.3"),
            (Medium::Diesel, "1457.1", "1457.1"),
            (Medium::FreshWater, "0.0857", "0.2571"),
            (Medium::CompressedAir, "0.0400", "0.0400"),
            (Medium::Oxygen, "0.4000", "0.4000"),
        ] {
            assert_eq!(both(medium, Basis::Calorific), pair(old, new), "{medium:?}");
        }
        assert_eq!(
            both(Medium::Electricity, Basis::PrimaryEquivalent),
            pair("0.404", "0.31")
        );
    }

    #[test]
    fn the_edition_of_2008_ends_the_day_before_the_next_came_into_force() {
        let set = edition_2008().expect("shipped");
        let on = |day: &str| {
            let day = day.parse().expect("a day");
            set.find(Medium::Diesel, Basis::Calorific, day).is_some()
        };
        assert!(on("2021-03-31") && !on("2021-04-01"));
    }

    #[test]
    fn method_j_a_carbon_footprint_factor_is_no_factor_of_standard_coal() {
        let text = "id = \"ours\"\n[[factor]]\nmedium = \"electricity\"\nbasis = \"calorific\"\n\
                    kgce_per_unit = \"0.6205\"\nunit = \"kgce/kWh\"\nvalid_from = \"2024-01-01\"\n\
                    status = \"C2\"\nsource = \"全国电力平均碳足迹因子\"\n";
        let message = parse(text, "f.toml").expect_err("refused").to_string();
        assert!(
            message.contains("factor 1, source: names '碳足迹'"),
            "{message}"
        );
    }

    #[test]
    fn every_mistake_of_a_file_is_reported_at_once() {
        let text = "id = \"x\"\n\
                    [[factor]]\nmedium = \"fresh_water\"\nbasis = \"gross\"\nunit = \"kgce/t\"\n\
                    kgce_per_unit = \"-1\"\nvalid_from = \"2020\"\nstatus = \"C\"\nsource = \"s\"\n\
                    [[factor]]\nmedium = \"diesel\"\nunit = \"kgce/kg\"\nkgce_per_unit = \"1.4571\"\n\
                    valid_from = \"2020-01-01\"\nstatus = \"C\"\nsource = \"s\"\n\
                    [[media]]\nmedium = \"diesel\"\ntitle = \"柴油\"\nunit = \"kgce/t\"\n\
                    kgce_per_unit = \"1\"\nvalid_from = \"2020-01-01\"\nstatus = \"C\"\n";
        let message = parse(text, "f.toml").expect_err("wrong").to_string();
        for mistake in [
            "'f.toml': factor 1, medium: 'fresh_water' is no energy; write it as [[media]]",
            "factor 1, basis: 'gross' is neither",
            "factor 1, kgce_per_unit: '-1' is no decimal from 0",
            "factor 1, valid_from: '2020' is no day",
            "factor 2, unit: is 'kgce/kg', but diesel is counted in kgce/t",
            "media 1, medium: is no energy-carrying medium",
            "media 1, source: is missing",
        ] {
            assert!(message.contains(mistake), "{mistake}\n{message}");
        }
    }
}
