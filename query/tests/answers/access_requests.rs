//! A valid request of every method that declares nothing, with the right that it needs and what it is about.

use greenpark_proto::query::v1 as pb;
use prost::Message as _;

use crate::fixture::*;

/// What a method is about, at least: a role on less does not reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The caller, or whatever it may see: no name can be out of reach.
    Own,
    Enterprise,
    Park,
}

/// The right that the table of roles must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Read,
    Declare,
    Register,
    Administer,
}

/// Names of one park and one enterprise.
pub(crate) struct Target {
    pub(crate) park: &'static str,
    pub(crate) enterprise: &'static str,
}

impl Target {
    pub(crate) fn park(&self) -> String {
        format!("parks/{}", self.park)
    }

    pub(crate) fn enterprise(&self) -> String {
        format!("parks/{}/enterprises/{}", self.park, self.enterprise)
    }

    pub(crate) fn meter(&self) -> String {
        format!("{}/meters/m", self.enterprise())
    }
}

/// A method, the right it needs, what it is about, and the bytes of a request about a target.
pub(crate) type Row = (&'static str, Needs, About, Make);

/// Makes the bytes of a request about a target.
pub(crate) type Make = fn(&Target) -> Vec<u8>;

fn figure(target: &Target) -> Vec<u8> {
    get(&target.enterprise(), year(2024)).encode_to_vec()
}

fn ranking(target: &Target) -> Vec<u8> {
    pb::ListIndicatorsRequest {
        parent: target.enterprise(),
        period: period(year(2024)),
        ..pb::ListIndicatorsRequest::default()
    }
    .encode_to_vec()
}

fn target_of(name: String) -> Vec<u8> {
    pb::GetProgressRequest {
        name,
        ..pb::GetProgressRequest::default()
    }
    .encode_to_vec()
}

fn letters(target: &Target) -> Option<pb::DeadLetterFilter> {
    Some(pb::DeadLetterFilter {
        parent: target.enterprise(),
        ..pb::DeadLetterFilter::default()
    })
}

/// The stated author of every declaration.
pub(crate) const BY: &str = "li";

/// Each method, the right it needs, what it is about, and a request.
pub(crate) const READS: &[Row] = &[
    ("Access/ListGrants", Needs::Administer, About::Park, |t| {
        pb::ListGrantsRequest {
            parent: t.park(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("Access/RecordGrant", Needs::Administer, About::Park, |t| {
        let grant = pb::Grant {
            caller: "token:new".to_owned(),
            role: "auditor".to_owned(),
            name: t.park(),
            why: "a letter".to_owned(),
            ..Default::default()
        };
        pb::RecordGrantRequest { grant: Some(grant) }.encode_to_vec()
    }),
    ("Access/RevokeGrant", Needs::Administer, About::Park, |t| {
        pb::RevokeGrantRequest {
            caller: "token:new".to_owned(),
            role: "auditor".to_owned(),
            name: t.park(),
            why: "it is over".to_owned(),
        }
        .encode_to_vec()
    }),
    (
        "Access/StreamAccessLog",
        Needs::Administer,
        About::Park,
        |t| {
            pb::StreamAccessLogRequest {
                parent: t.park(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    ("Access/WhoAmI", Needs::Nothing, About::Own, |_| Vec::new()),
    (
        "DeadLetters/CountDeadLetters",
        Needs::Read,
        About::Enterprise,
        |t| pb::CountDeadLettersRequest { filter: letters(t) }.encode_to_vec(),
    ),
    (
        "DeadLetters/GetDeadLetter",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::GetDeadLetterRequest {
                name: format!("{}/deadLetters/0-0", t.enterprise()),
            }
            .encode_to_vec()
        },
    ),
    (
        "DeadLetters/ListDeadLetters",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::ListDeadLettersRequest {
                filter: letters(t),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "DeadLetters/RecordDeadLetterReplay",
        Needs::Register,
        About::Enterprise,
        |t| {
            pb::RecordDeadLetterReplayRequest {
                names: vec![format!("{}/deadLetters/0-0", t.enterprise())],
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "DeadLetters/StreamDeadLetters",
        Needs::Read,
        About::Enterprise,
        |t| pb::StreamDeadLettersRequest { filter: letters(t) }.encode_to_vec(),
    ),
    ("Indicators/Explain", Needs::Read, About::Enterprise, |t| {
        pb::ExplainRequest {
            indicator: "energy-intensity".to_owned(),
            question: Some(get(&t.enterprise(), year(2024))),
        }
        .encode_to_vec()
    }),
    (
        "Indicators/GetCarbonIntensity",
        Needs::Read,
        About::Enterprise,
        figure,
    ),
    (
        "Indicators/GetCarbonPerEnergy",
        Needs::Read,
        About::Enterprise,
        figure,
    ),
    (
        "Indicators/GetEnergyIntensity",
        Needs::Read,
        About::Enterprise,
        figure,
    ),
    (
        "Indicators/GetProgress",
        Needs::Read,
        About::Enterprise,
        |t| target_of(t.enterprise()),
    ),
    ("Indicators/GetScorecard", Needs::Read, About::Park, |t| {
        target_of(t.park())
    }),
    (
        "Indicators/GetWasteLedger",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::GetWasteLedgerRequest {
                name: t.enterprise(),
                period: period(year(2024)),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Indicators/GetWasteUtilization",
        Needs::Read,
        About::Enterprise,
        figure,
    ),
    (
        "Indicators/GetWaterBalance",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::GetWaterBalanceRequest {
                name: t.enterprise(),
                period: period(year(2024)),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Indicators/GetWaterIntensity",
        Needs::Read,
        About::Enterprise,
        figure,
    ),
    (
        "Indicators/ListCarbonIntensities",
        Needs::Read,
        About::Enterprise,
        ranking,
    ),
    (
        "Indicators/ListCarbonPerEnergies",
        Needs::Read,
        About::Enterprise,
        ranking,
    ),
    (
        "Indicators/ListEnergyIntensities",
        Needs::Read,
        About::Enterprise,
        ranking,
    ),
    ("Indicators/ListPlans", Needs::Read, About::Own, |_| {
        Vec::new()
    }),
    (
        "Indicators/ListWasteUtilizations",
        Needs::Read,
        About::Enterprise,
        ranking,
    ),
    (
        "Indicators/ListWaterIntensities",
        Needs::Read,
        About::Enterprise,
        ranking,
    ),
    (
        "Proofs/ExtractFolder",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::ExtractFolderRequest {
                name: t.enterprise(),
                period: period(year(2024)),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    ("Proofs/ExtractForm", Needs::Read, About::Enterprise, |t| {
        pb::ExtractFormRequest {
            form: "waste-ledger".to_owned(),
            name: t.enterprise(),
            period: period(year(2024)),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("Proofs/GetCheckpoint", Needs::Nothing, About::Own, |_| {
        Vec::new()
    }),
    ("Quality/GetQuality", Needs::Read, About::Enterprise, |t| {
        pb::GetQualityRequest {
            name: t.enterprise(),
            period: period(year(2024)),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("Readings/Extract", Needs::Read, About::Enterprise, |t| {
        pb::ExtractRequest {
            name: t.enterprise(),
            period: period(year(2024)),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    (
        "Readings/StreamReadings",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::StreamReadingsRequest {
                name: t.enterprise(),
                period: period(year(2024)),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/ListCertificates",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::ListCertificatesRequest {
                parent: t.enterprise(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/ListCorrections",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::ListCorrectionsRequest {
                parent: t.enterprise(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    ("Registry/ListEnterprises", Needs::Read, About::Own, |_| {
        pb::ListEnterprisesRequest {
            parent: "parks/p".to_owned(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("Registry/ListMeters", Needs::Read, About::Enterprise, |t| {
        pb::ListMetersRequest {
            parent: t.enterprise(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("Registry/ListParks", Needs::Read, About::Own, |_| {
        Vec::new()
    }),
    (
        "Registry/ListStatistics",
        Needs::Read,
        About::Enterprise,
        |t| {
            pb::ListStatisticsRequest {
                parent: t.enterprise(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
];
