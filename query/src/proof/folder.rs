//! An extract folder: the sealed files of an enterprise and what figures make of them, in files that an auditor checks
//! without the service.
//!
//! | file | what it holds |
//! |---|---|
//! | `readings/day=…/E.rN.ID.parquet` | the sealed files as they were published, with the days that decide the first and last midnight |
//! | `reference.jsonl` | the entries of the reference table that concern the enterprise, one canonical line each |
//! | `data/…` | the operator's own factors, plans and thresholds; shipped ones are named by their digests |
//! | `readings.csv`, `daily-totals.csv`, `figures.json`, `extract.xlsx` | what follows from the files above, made from them alone |
//! | `manifest.json` | the question, and the digest of every file above |
//! | `extract.tlog-proof`, `policy.txt` | the proof that the manifest is published, and the keys to verify it with |
//! | `consistency.txt` | the path from an older checkpoint, if one was named |

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, ParkId},
};
use greenpark_proof::leaf::{Leaf, LeafKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    access::hex::hex, lake::scan::Selection, register::name::Name, settings::QuerySettings,
};

/// The format of this version.
pub(crate) const FORMAT: &str = "greenpark-extract/1";
/// The format of the manifest of a form.
pub(crate) const FORM_FORMAT: &str = "greenpark-form/1";
/// The manifest.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The proof that the manifest is published.
pub(crate) const PROOF: &str = "extract.tlog-proof";
/// The keys of the log.
pub(crate) const POLICY: &str = "policy.txt";
/// The path from an older checkpoint.
pub(crate) const CONSISTENCY: &str = "consistency.txt";
/// What to do with the folder.
pub(crate) const README: &str = "README.txt";
/// The tables as one workbook.
pub(crate) const WORKBOOK: &str = "extract.xlsx";
/// The entries of the reference table.
pub(crate) const ENTRIES: &str = "reference.jsonl";
/// The folder of sealed files.
pub(crate) const READINGS: &str = "readings/";
/// The files that the manifest does not name: itself, and what proves it.
pub(crate) const BESIDE: [&str; 4] = [MANIFEST, PROOF, POLICY, CONSISTENCY];

/// Files by their paths in the folder.
pub(crate) type Files = BTreeMap<String, Bytes>;

/// The question of an extract, and the files of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    /// The form that the one file is; `None` for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) form: Option<String>,
    /// `parks/P/enterprises/E`.
    pub(crate) name: String,
    /// The first day.
    pub(crate) first: String,
    /// The last day.
    pub(crate) last: String,
    /// The instant of the answer, for people.
    pub(crate) as_of: String,
    /// The same in UTC milliseconds.
    pub(crate) as_of_ms: i64,
    /// The program and its version.
    pub(crate) made_by: String,
    /// True if the service let everyone ask and declare.
    pub(crate) open: bool,
    pub(crate) choices: Choices,
    /// By name: the SHA-256 of each shipped data file.
    pub(crate) shipped: BTreeMap<String, String>,
    /// The SHA-256 of the rules of figures.
    pub(crate) rules: String,
    /// By path: every file but the manifest and its proof.
    pub(crate) files: BTreeMap<String, FileDigest>,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileDigest {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What the settings choose among factors, plans and thresholds. Files are paths in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choices {
    pub(crate) factor_files: Vec<String>,
    pub(crate) carbon_files: Vec<String>,
    pub(crate) grid_region: String,
    pub(crate) waste_files: Vec<String>,
    pub(crate) waste_set: String,
    pub(crate) quality_file: Option<String>,
    pub(crate) assessment_file: Option<String>,
    pub(crate) plan_files: Vec<String>,
}

impl FileDigest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }
}

impl Choices {
    /// The choices of `settings`, and the files that they name, to be put into the folder.
    pub(crate) fn of(settings: &QuerySettings) -> std::io::Result<(Self, Files)> {
        let mut files = Files::new();
        let mut keep = |kind: &str, path: &PathBuf| -> std::io::Result<String> {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("data/{kind}/{:02}-{name}", files.len());
            files.insert(name.clone(), std::fs::read(path)?.into());
            Ok(name)
        };
        let mut all = |kind: &str, paths: &[PathBuf]| -> std::io::Result<Vec<String>> {
            paths.iter().map(|path| keep(kind, path)).collect()
        };
        let factor_files = all("factors", &settings.factor_files)?;
        let carbon_files = all("carbon", &settings.carbon_files)?;
        let waste_files = all("waste", &settings.waste_files)?;
        let plan_files = all("plans", &settings.plan_files)?;
        let quality = all("quality", settings.quality_file.as_slice())?;
        let assessment = all("assessment", settings.assessment_file.as_slice())?;
        let choices = Self {
            factor_files,
            carbon_files,
            grid_region: settings.grid_region.to_string(),
            waste_files,
            waste_set: settings.waste_set.clone(),
            quality_file: quality.into_iter().next(),
            assessment_file: assessment.into_iter().next(),
            plan_files,
        };
        Ok((choices, files))
    }

    /// Settings with these choices, whose files lie under `root`; `None` if the region is none.
    pub(crate) fn settings(&self, root: &Path) -> Option<QuerySettings> {
        let all = |names: &[String]| names.iter().map(|name| root.join(name)).collect();
        let one = |name: &Option<String>| name.as_ref().map(|name| root.join(name));
        Some(QuerySettings {
            factor_files: all(&self.factor_files),
            carbon_files: all(&self.carbon_files),
            grid_region: self.grid_region.parse().ok()?,
            waste_files: all(&self.waste_files),
            waste_set: self.waste_set.clone(),
            quality_file: one(&self.quality_file),
            assessment_file: one(&self.assessment_file),
            plan_files: all(&self.plan_files),
            open: true,
            ..QuerySettings::default()
        })
    }
}

impl Manifest {
    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers are JSON") + "\n"
    }

    /// The leaf of the manifest with this text.
    pub(crate) fn leaf(&self, text: &str) -> Leaf {
        Leaf {
            kind: LeafKind::Extract,
            name: self.name.clone(),
            sha256: hex(&Sha256::digest(text)),
            size: text.len() as u64,
            recorded_at: self.as_of_ms,
            version: 0,
        }
    }

    /// The question; `None` if a field is none.
    pub(crate) fn selection(&self) -> Option<Selection> {
        let (park, enterprise) = self.ids()?;
        let days: (CivilDay, CivilDay) = (self.first.parse().ok()?, self.last.parse().ok()?);
        Some(Selection {
            park,
            enterprise,
            meter: None,
            range: DayRange::new(days.0, days.1)?,
            as_of: Some(Instant::from_millis(self.as_of_ms)),
        })
    }

    fn ids(&self) -> Option<(ParkId, EnterpriseId)> {
        match Name::parse("name", &self.name).ok()? {
            Name::Enterprise(park, enterprise) => Some((park, enterprise)),
            _ => None,
        }
    }
}

/// The text of `README.txt`.
pub(crate) fn readme(manifest: &Manifest) -> String {
    format!(
        "{name}, {first} to {last}, as of {as_of}\n\
         \n\
         Check this folder without the service that made it:\n\
         \n\
         \x20   greenpark verify .\n\
         \x20   python3 verify_extract.py .      # shares no code with Greenpark\n\
         \n\
         Compare the keys in {POLICY} with those that the park gave you before, and keep the checkpoint at the end of\n\
         {PROOF}: with --since it shows next time that nothing was taken back.\n\
         \n\
         核验本文件夹：运行 greenpark verify . ；请将 {POLICY} 中的公钥与园区事先提供的公钥核对。\n",
        name = manifest.name,
        first = manifest.first,
        last = manifest.last,
        as_of = manifest.as_of,
    )
}
