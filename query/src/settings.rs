//! Settings of the query service, and a check that names every mistake at once.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use greenpark_model::carbon::Region;
use greenpark_tls::TlsSettings;
use serde::{Deserialize, Serialize};

use crate::{
    access::settings::AccessSettings,
    error::with_causes,
    limits::SORT_MEMORY_MIN,
    reference::{ReferenceFiles, assessment, carbon, factors, plans, quality_rules, waste_sets},
};

pub use crate::access::settings::{Grant, JwtSettings, Token};

/// Settings of the query service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "struct Settings")]
pub struct QuerySettings {
    /// The listen address.
    pub address: SocketAddr,
    /// The deadline of a question, unless the client's own is shorter.
    #[serde(with = "greenpark_settings::span")]
    pub deadline: Duration,
    /// The deadline of a stream or an extract.
    #[serde(with = "greenpark_settings::span")]
    pub stream_deadline: Duration,
    /// Maximal number of concurrent questions, and of concurrent streams; further ones wait within their deadline.
    pub concurrent_max: usize,
    /// Maximal number of connections; further ones are closed.
    pub connections_max: usize,
    /// Memory of all questions together: a quarter for figures, which read the readings of open days; a quarter for the
    /// lists of the lake's files; the rest for streams and extracts, eight at once, or as many as have 16 MiB each. A
    /// larger sort spills to disk; a question without room waits.
    #[serde(with = "greenpark_settings::size")]
    pub memory: usize,
    /// Memory of the caches: folded days and the registry; an eighth of it is for answers.
    #[serde(with = "greenpark_settings::size")]
    pub cache: usize,
    /// The largest accepted message.
    #[serde(with = "greenpark_settings::size")]
    pub message_max: usize,
    /// How long a shutdown waits for running questions.
    #[serde(with = "greenpark_settings::span")]
    pub drain_grace: Duration,
    /// Further files of factors; their entries precede the built-in ones.
    pub factor_files: Vec<PathBuf>,
    /// Further files of carbon factors; their entries precede the built-in ones.
    pub carbon_files: Vec<PathBuf>,
    /// The region of the grid that supplies the electricity: a region of the carbon factors.
    #[serde(with = "region")]
    pub grid_region: Region,
    /// Further files of bulk waste categories; one with the id of a shipped set replaces it.
    pub waste_files: Vec<PathBuf>,
    /// The set of categories that counts as bulk industrial solid waste.
    pub waste_set: String,
    /// A file of quality thresholds, instead of the shipped one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_file: Option<PathBuf>,
    /// A file of the rules by which the assessment deducts energy, instead of the shipped one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment_file: Option<PathBuf>,
    /// The file with the keys that sign the transparency log; it is made at the first start. Without it nothing is
    /// published, and there are no extract folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_key: Option<PathBuf>,
    /// Further files of plans; one with the id of a built-in plan replaces it.
    pub plan_files: Vec<PathBuf>,
    /// True if everyone who reaches the address may read and declare everything. Without it, a service at which nobody
    /// can prove a name listens on this machine alone.
    pub open: bool,
    /// True if requests are recorded in the lake's access log. Extracts and changes of grants are then refused while it
    /// cannot be written.
    pub access_log: bool,
    /// Callers that record and revoke grants, such as `certificate:NAME`. This alone shows them no data.
    pub administrators: Vec<String>,
    /// TLS, and the certificates of callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// JSON web tokens of an issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSettings>,
    /// Tokens that prove a name; recorded grants say what it may do.
    pub tokens: Vec<Token>,
    /// Tokens with permissions of their own.
    pub grants: Vec<Grant>,
}

/// The parks of the built-in plan are Chongqing's.
fn default_region() -> Region {
    "chongqing".parse().expect("a region in small letters")
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 50_051)),
            deadline: Duration::from_secs(30),
            stream_deadline: Duration::from_secs(3_600),
            concurrent_max: 32,
            connections_max: 256,
            memory: 256 << 20,
            cache: 128 << 20,
            message_max: 4 << 20,
            drain_grace: Duration::from_secs(10),
            factor_files: Vec::new(),
            carbon_files: Vec::new(),
            grid_region: default_region(),
            waste_files: Vec::new(),
            waste_set: waste_sets::DEFAULT.to_owned(),
            quality_file: None,
            assessment_file: None,
            proof_key: None,
            plan_files: Vec::new(),
            open: false,
            access_log: true,
            tls: None,
            jwt: None,
            administrators: Vec::new(),
            tokens: Vec::new(),
            grants: Vec::new(),
        }
    }
}

impl QuerySettings {
    /// The reference files.
    pub(crate) fn reference_files(&self) -> ReferenceFiles<'_> {
        ReferenceFiles {
            factors: &self.factor_files,
            carbon: &self.carbon_files,
            region: &self.grid_region,
            waste: &self.waste_files,
            waste_set: &self.waste_set,
            assessment: self.assessment_file.as_deref(),
            quality: self.quality_file.as_deref(),
        }
    }

    /// The settings of access.
    pub(crate) fn access(&self) -> AccessSettings<'_> {
        AccessSettings {
            open: self.open,
            administrators: &self.administrators,
            tls: self.tls.as_ref(),
            jwt: self.jwt.as_ref(),
            tokens: &self.tokens,
            grants: &self.grants,
        }
    }

    /// True if callers can prove a name, so that grants decide.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        self.access().authenticates()
    }

    /// Adds a sentence to `problems` for every mistake. Reads the named files.
    pub fn check(&self, problems: &mut Vec<String>) {
        for (name, span) in [
            ("deadline", self.deadline),
            ("stream_deadline", self.stream_deadline),
        ] {
            if span < Duration::from_millis(100) {
                problems.push(format!("query.{name}: must be at least 100ms"));
            }
        }
        if self.concurrent_max == 0 {
            problems.push("query.concurrent_max: must be at least 1".into());
        }
        if self.connections_max == 0 {
            problems.push("query.connections_max: must be at least 1".into());
        }
        if self.memory < SORT_MEMORY_MIN {
            problems.push("query.memory: must be at least 16MiB, or a sort cannot begin".into());
        }
        if self.message_max < 64 << 10 {
            problems.push("query.message_max: must be at least 64KiB".into());
        }
        if let Err(error) = factors::load(&self.factor_files) {
            problems.push(format!("query.factor_files: {}", with_causes(&error)));
        }
        if let Err(error) = carbon::load(&self.carbon_files) {
            problems.push(format!("query.carbon_files: {}", with_causes(&error)));
        }
        match waste_sets::load(&self.waste_files) {
            Err(error) => problems.push(format!("query.waste_files: {}", with_causes(&error))),
            Ok(sets) if sets.iter().any(|set| set.id == self.waste_set) => {}
            Ok(sets) => {
                let known: Vec<&str> = sets.iter().map(|set| set.id.as_str()).collect();
                let (id, known) = (&self.waste_set, known.join(", "));
                problems.push(format!("query.waste_set: '{id}' is none of {known}"));
            }
        }
        if let Err(error) = quality_rules::load(self.quality_file.as_deref()) {
            problems.push(format!("query.quality_file: {}", with_causes(&error)));
        }
        if let Err(error) = assessment::load(self.assessment_file.as_deref()) {
            problems.push(format!("query.assessment_file: {}", with_causes(&error)));
        }
        if let Err(error) = plans::load(&self.plan_files) {
            problems.push(format!("query.plan_files: {}", with_causes(&error)));
        }
        self.access().check(problems);
    }
}

/// Serializes a region as text.
mod region {
    use greenpark_model::carbon::Region;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(region: &Region, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(region.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Region, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_problems() {
        let mut problems = Vec::new();
        QuerySettings::default().check(&mut problems);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_named() {
        let mut problems = Vec::new();
        let settings = QuerySettings {
            deadline: Duration::ZERO,
            concurrent_max: 0,
            connections_max: 0,
            memory: 1,
            message_max: 1,
            factor_files: vec!["/nowhere/factors.toml".into()],
            plan_files: vec!["/nowhere/plans.toml".into()],
            grants: vec![Grant {
                token_sha256: "secret".into(),
                names: vec!["park/x".into()],
                holder: String::new(),
                declares: true,
            }],
            ..QuerySettings::default()
        };
        settings.check(&mut problems);
        assert_eq!(problems.len(), 10, "{problems:#?}");
    }

    #[test]
    fn a_settings_file_refuses_a_misspelt_key_and_reads_its_own_text() {
        let settings: QuerySettings =
            toml::from_str("memory = \"64MiB\"\n").expect("valid settings");
        assert_eq!((settings.memory, settings.concurrent_max), (64 << 20, 32));
        assert!(toml::from_str::<QuerySettings>("memry = \"64MiB\"\n").is_err());
        let written = toml::to_string(&settings).expect("settings have a text");
        assert_eq!(
            toml::from_str::<QuerySettings>(&written).expect("own text is read"),
            settings
        );
    }
}
