//! The manifest of an extract.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::snapshot as archive;
use greenpark_model::day::{CivilDay, Instant};
use serde::Serialize;

use crate::{
    grpc::readings::extract::{Content, Format, Job, Sent},
    lake::scan::Source,
    register::name::Name,
};

/// The content of a manifest.
pub(super) struct Manifest<'a> {
    pub(super) job: &'a Job,
    pub(super) sent: &'a Sent,
    pub(super) sources: &'a [Source],
    pub(super) snapshots: &'a [Arc<archive::Snapshot>],
    pub(super) made_at: Instant,
    /// True if the service let everyone ask.
    pub(super) open: bool,
}

#[derive(Serialize)]
struct Json {
    name: String,
    content: &'static str,
    format: &'static str,
    period: Period,
    as_of: String,
    rows: u64,
    bytes: u64,
    sha256: String,
    basis: &'static str,
    rules: &'static [&'static str],
    snapshots: Vec<Snapshot>,
    sources: Vec<File>,
    made_by: &'static str,
    /// Written if the service was open: everyone could change its sources.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    open: bool,
}

#[derive(Serialize)]
struct Period {
    first: String,
    last: String,
}

#[derive(Serialize)]
struct Snapshot {
    park: String,
    year: i16,
    readings_version: i64,
    totals_version: i64,
}

#[derive(Serialize)]
struct File {
    path: String,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The beginning of the digest, which every file name has.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256_start: Option<String>,
}

pub(super) const READINGS_RULES: &[&str] = &[
    "a reading is told once: its identity is (enterprise, meter, quantity, kind, instant)",
    "of two values of one identity the one later in the log is told; the other is left out",
    "values are what the meter said, in the canonical unit of the medium",
    "a day is a civil day in Asia/Shanghai, by the instant of the reading; an interval's is its start",
];

pub(super) const TOTALS_RULES: &[&str] = &[
    "consumption of a counter is the difference of its registers times the multiplier, corrected by \
     rollovers, changes of the meter, resets and jumps",
    "dips and spikes that came back are counted as glitches, one each, and left out",
    "the step over a midnight is split by interpolation between the two registers, over a gap of more than \
     two hours by like days; estimated is the part without a register within a minute of midnight",
    "corrections by hand are no part of it: figures tell them apart",
    "readings whose flag is neither N nor S are counted and left out",
    "revision is the sealed file's; 0 where the day was still open",
];

impl Manifest<'_> {
    /// The snapshots that the caller may know of: all of its park's, otherwise those that the sources are of.
    fn used(&self) -> impl Iterator<Item = &Arc<archive::Snapshot>> {
        let sees_park = self.job.scope.permits_park(&self.job.selection.park);
        self.snapshots.iter().filter(move |snapshot| {
            let mut sources = self.sources.iter();
            sees_park || sources.any(|source| source.day.year() == snapshot.year)
        })
    }

    /// Writes the manifest as JSON; `digests` are those of sealed files by day and revision.
    pub(super) fn json(&self, digests: &BTreeMap<(CivilDay, u32), String>) -> String {
        let selection = &self.job.selection;
        let readings = self.job.content == Content::Readings;
        let enterprise = Name::Enterprise(selection.park.clone(), selection.enterprise.clone());
        let json = Json {
            name: enterprise.to_string(),
            content: if readings { "readings" } else { "daily-totals" },
            format: if self.job.format == Format::Parquet {
                "parquet"
            } else {
                "csv"
            },
            period: Period {
                first: selection.range.first().to_string(),
                last: selection.range.last().to_string(),
            },
            as_of: self.made_at.to_string(),
            rows: self.sent.rows,
            bytes: self.sent.bytes,
            sha256: self.sent.sha256.clone(),
            basis: "physical units; no factor of standard coal is applied",
            rules: if readings {
                READINGS_RULES
            } else {
                TOTALS_RULES
            },
            snapshots: self.used().map(|s| snapshot(s)).collect(),
            sources: self
                .sources
                .iter()
                .map(|source| file(source, digests))
                .collect(),
            made_by: concat!("greenpark-query ", env!("CARGO_PKG_VERSION")),
            open: self.open,
        };
        serde_json::to_string_pretty(&json).expect("texts and numbers are JSON")
    }
}

fn snapshot(snapshot: &archive::Snapshot) -> Snapshot {
    Snapshot {
        park: snapshot.park.to_string(),
        year: snapshot.year,
        readings_version: snapshot.readings_version,
        totals_version: snapshot.totals_version,
    }
}

fn file(source: &Source, digests: &BTreeMap<(CivilDay, u32), String>) -> File {
    let start = source
        .path
        .strip_suffix(".parquet")
        .and_then(|stem| stem.rsplit_once('.'));
    let start = start.map(|(_, id)| id.to_owned());
    // A row of totals could be of an older file of the same revision only if its name differed.
    let sha256 = source
        .revision
        .and_then(|revision| digests.get(&(source.day, revision)))
        .filter(|sha256| {
            start
                .as_ref()
                .is_some_and(|start| sha256.starts_with(start.as_str()))
        });
    File {
        path: source.path.clone(),
        rows: source.rows,
        revision: source.revision,
        sha256_start: if sha256.is_some() { None } else { start },
        sha256: sha256.cloned(),
    }
}
