//! Reference data of figures: factors of standard coal and carbon dioxide, waste categories, plans, and thresholds.

pub mod assessment;
pub mod carbon;
pub(crate) mod data_file;
pub mod factors;
pub mod footprint;
pub(crate) mod forms;
pub mod plans;
pub mod quality_rules;
pub(crate) mod shipped;
pub mod waste_sets;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use greenpark_model::{
    assessment::RuleSet,
    carbon::{CarbonSet, Region},
    coal::FactorSet,
    waste::BulkSet,
    waste_code::WasteCode,
};

use crate::{
    error::QueryError,
    reference::{assessment::Assessment, data_file::FileError, quality_rules::QualityRules},
};

/// The operator's files beside the shipped ones, and the choices among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReferenceFiles<'a> {
    pub(crate) factors: &'a [PathBuf],
    pub(crate) carbon: &'a [PathBuf],
    /// The region of the grid that electricity comes from.
    pub(crate) region: &'a Region,
    pub(crate) waste: &'a [PathBuf],
    /// The id of the set of bulk waste that counts.
    pub(crate) waste_set: &'a str,
    pub(crate) assessment: Option<&'a Path>,
    pub(crate) quality: Option<&'a Path>,
}

/// The loaded reference data of the service.
#[derive(Debug)]
pub(crate) struct ReferenceData {
    /// The service's own set first, then those that a request can name.
    factors: Vec<FactorSet>,
    carbon: CarbonSet,
    region: Region,
    bulk: BulkSet,
    assessment: Assessment,
    pub(crate) quality: QualityRules,
    /// Titles of the waste catalogue's classes.
    classes: BTreeMap<u8, String>,
}

/// The reference data of one question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) factors: &'a FactorSet,
    pub(crate) carbon: &'a CarbonSet,
    /// The region of the grid that electricity comes from.
    pub(crate) region: &'a Region,
    pub(crate) bulk: &'a BulkSet,
    pub(crate) quality: &'a QualityRules,
}

impl ReferenceData {
    /// Loads `files`.
    pub(crate) fn load(files: ReferenceFiles<'_>) -> Result<Self, FileError> {
        let sets = waste_sets::load(files.waste)?;
        let known: Vec<String> = sets.iter().map(|set| set.id.clone()).collect();
        let counted = sets.into_iter().find(|set| set.id == files.waste_set);
        Ok(Self {
            factors: factors::sets(files.factors)?,
            carbon: carbon::load(files.carbon)?,
            region: files.region.clone(),
            assessment: assessment::load(files.assessment)?,
            quality: quality_rules::load(files.quality)?,
            classes: waste_sets::classes()?,
            bulk: counted.ok_or_else(|| FileError::Unknown {
                id: files.waste_set.to_owned(),
                known: known.join(", "),
            })?,
        })
    }

    /// The title of a code's class; empty if the catalogue does not have it.
    pub(crate) fn class(&self, code: WasteCode) -> String {
        self.classes.get(&code.class).cloned().unwrap_or_default()
    }

    /// The rules of assessment.
    pub(crate) fn assessment_rules(&self) -> &RuleSet {
        &self.assessment.rules
    }

    /// The region whose certificates have no limit.
    pub(crate) fn home_region(&self) -> &Region {
        self.assessment.home_region.as_ref().unwrap_or(&self.region)
    }

    /// The rules of a question that names `factor_set`; an empty name stands for the service's own set.
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
