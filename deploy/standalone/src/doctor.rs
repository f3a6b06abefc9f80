//! `greenpark doctor`: looks at an archive, a log, a broker and a Kafka by what they do, and says what to
//! change.
//!
//! What is tried is tried in a place of its own (a folder, topics, sessions), which is removed again; no
//! reading is made and nothing of the lake is changed. What cannot be tried from here is told as left out.

pub mod archive;
pub mod broker;
pub mod disk;
pub mod kafka;
pub mod position;
pub mod report;

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use greenpark_model::day::Instant;
use greenpark_runtime::settings::Mistakes;

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
    /// The MQTT broker that ingest subscribes to [default: subscribe.broker of the settings, if any].
    #[arg(long, value_name = "HOST:PORT")]
    pub mqtt: Option<String>,
    /// The Kafka that the log is in [default: kafka.brokers of the settings, where log.kind is kafka].
    #[arg(long, value_name = "HOST:PORT,…")]
    pub kafka: Option<String>,
    /// Form of the report.
    #[arg(long, visible_alias = "output", value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

impl DoctorArgs {
    /// What the command line says wins over the file.
    ///
    /// # Errors
    /// [`Mistakes`] of what it says.
    pub fn place(&self, settings: &mut Settings) -> Result<(), Mistakes> {
        let mut problems = Vec::new();
        settings.place(&PlaceArgs {
            data: self.data.clone(),
            ..PlaceArgs::default()
        });
        if let Some(brokers) = &self.kafka {
            settings.kafka.brokers.clone_from(brokers);
            settings.log.kind = LogKind::Kafka;
        }
        if let Some(broker) = &self.mqtt {
            let subscribe = settings.subscribe.get_or_insert_default();
            subscribe.broker.clone_from(broker);
            subscribe.check(&mut problems);
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Mistakes(problems)),
        }
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
    let unique = format!("{:x}-{:x}", std::process::id(), now.0);
    if settings.log.kind == LogKind::Embedded {
        let mut log = Findings::new("log");
        position::embedded(settings, &books, &mut log).await;
        report.checks.extend(log.into_checks());
    } else {
        let mut found = Findings::new("kafka");
        let (cluster, group) = (settings.kafka.to_log(), &settings.processor.group);
        let against = (&*books, now);
        Box::pin(kafka::check(&cluster, group, &unique, against, &mut found)).await;
        report.checks.extend(found.into_checks());
    }
    if let Some(subscribe) = &settings.subscribe {
        let mut found = Findings::new("broker");
        Box::pin(broker::check(subscribe, &unique, &mut found)).await;
        report.checks.extend(found.into_checks());
    }
    report
}
