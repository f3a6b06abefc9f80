//! The data that figures are made by: factors of standard coal and carbon dioxide, and waste categories.

use std::collections::BTreeMap;

use greenpark_model::{
    carbon::{CarbonSet, Region},
    coal::FactorSet,
    waste::BulkSet,
    waste_code::WasteCode,
};

use crate::{
    assessment::{self, Assessment, ledger::Ledger},
    bulk, carbon,
    error::QueryError,
    factors,
    fields::FileError,
    figure::Grounds,
    measure::Rules,
    quality::{self, QualityRules},
    settings::Settings,
};

/// What the service has loaded.
#[derive(Debug)]
pub(crate) struct Data {
    /// The service's own set first, then those that can be asked by name.
    factors: Vec<FactorSet>,
    carbon: CarbonSet,
    region: Region,
    bulk: BulkSet,
    assessment: Assessment,
    pub(crate) quality: QualityRules,
    /// Titles of the waste catalogue's classes.
    classes: BTreeMap<u8, String>,
}

impl Data {
    /// Loads the files of the settings.
    pub(crate) fn load(settings: &Settings) -> Result<Self, FileError> {
        let sets = bulk::load(&settings.waste_files)?;
        let known: Vec<String> = sets.iter().map(|set| set.id.clone()).collect();
        let counted = sets.into_iter().find(|set| set.id == settings.waste_set);
        Ok(Self {
            factors: factors::sets(&settings.factor_files)?,
            carbon: carbon::load(&settings.carbon_files)?,
            region: settings.grid_region.clone(),
            assessment: assessment::load(settings.assessment_file.as_deref())?,
            quality: quality::load(settings.quality_file.as_deref())?,
            classes: bulk::classes()?,
            bulk: counted.ok_or_else(|| FileError::Unknown {
                id: settings.waste_set.clone(),
                known: known.join(", "),
            })?,
        })
    }

    /// The title of a code's class; empty where the catalogue does not tell it.
    pub(crate) fn class(&self, code: WasteCode) -> String {
        self.classes.get(&code.class).cloned().unwrap_or_default()
    }

    /// By what deductions are decided, with the certificates of `ledger`.
    pub(crate) fn grounds<'a>(&'a self, ledger: &'a Ledger) -> Grounds<'a> {
        Grounds {
            ledger,
            rules: &self.assessment.rules,
            home: self.assessment.home_region.as_ref().unwrap_or(&self.region),
        }
    }

    /// The rules of a question that names a factor set, or none.
    pub(crate) fn rules(&self, factor_set: &str) -> Result<Rules<'_>, QueryError> {
        let mut sets = self.factors.iter();
        let set = match factor_set {
            "" => sets.next(),
            id => sets.find(|set| set.id == id),
        };
        let factors = set.ok_or_else(|| {
            let known: Vec<&str> = self.factors.iter().map(|set| set.id.as_str()).collect();
            let problem = format!("'{factor_set}' is none of {}", known.join(", "));
            QueryError::invalid("factor_set", problem)
        })?;
        Ok(Rules {
            factors,
            carbon: &self.carbon,
            region: &self.region,
            bulk: &self.bulk,
            quality: &self.quality,
        })
    }
}
