//! `greenpark doctor`: looks at an archive, a log, a broker and a Kafka by what they do, and says what to
//! change.
//!
//! What is tried is tried in a place of its own (a folder, topics, sessions), which is removed again; no
//! reading is made and nothing of the lake is changed. What cannot be tried from here is told as left out.

pub mod archive;
pub mod disk;
pub mod position;
pub mod report;

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use greenpark_model::day::Instant;

use self::report::{Findings, Report, Verdict};
use crate::{
    cli::{Format, PlaceArgs},
    settings::{LogKind, Settings},
};

/// Arguments of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Settings file of the service that is looked after.
    #[arg(long, visible_alias = "settings", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the data: the lake at DIR/lake, the log at DIR/log [default: greenpark-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Form of the report.
    #[arg(long, visible_alias = "output", value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

impl DoctorArgs {
    /// What the command line says wins over the file.
    pub fn place(&self, settings: &mut Settings) {
        settings.place(&PlaceArgs {
            data: self.data.clone(),
            ..PlaceArgs::default()
        });
    }
}

/// Looks at everything that `settings` name, prints the report and fails if there is a fault.
///
/// # Errors
/// There are faults, or standard output is closed.
pub async fn doctor(args: &DoctorArgs, settings: &Settings, now: Instant) -> anyhow::Result<()> {
    let report = examine(settings, now).await;
    report.print(args.format, now)?;
    match report.count(Verdict::Fault) {
        0 => Ok(()),
        1 => bail!("1 fault"),
        faults => bail!("{faults} faults"),
    }
}

/// Looks at everything that `settings` name.
pub async fn examine(settings: &Settings, now: Instant) -> Report {
    let mut report = Report::default();
    let mut archive = Findings::new("archive");
    let books = Box::pin(archive::check(settings, now, &mut archive)).await;
    report.checks.extend(archive.into_checks());
    if settings.log.kind == LogKind::Embedded {
        let mut log = Findings::new("log");
        position::embedded(settings, &books, &mut log).await;
        report.checks.extend(log.into_checks());
    }
    report
}
