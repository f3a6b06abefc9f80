//! The command `doctor`: its arguments, the examination, and the exit by the number of faults.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use greenpark_console::output::OutputFormat;
use greenpark_model::clock::Clock;

use crate::{
    archive, broker,
    installation::{Installation, InstalledLog},
    kafka, position,
    report::{Findings, Outcome, Report},
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
    #[arg(long, visible_alias = "output", value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// Looks at everything of `installation`, prints the report and fails if there is a fault.
///
/// # Errors
/// There are faults, or standard output is closed.
pub async fn doctor(
    args: &DoctorArgs,
    installation: &Installation,
    clock: &Clock,
) -> anyhow::Result<()> {
    let now = clock.now();
    let report = examine(installation, clock).await;
    report.print(args.format, now)?;
    match report.count(Outcome::Fault) {
        0 => Ok(()),
        1 => bail!("1 fault"),
        faults => bail!("{faults} faults"),
    }
}

/// Looks at everything of `installation`.
pub async fn examine(installation: &Installation, clock: &Clock) -> Report {
    let now = clock.now();
    let mut report = Report::default();
    let mut archive = Findings::new("archive");
    let books = Box::pin(archive::check(installation, clock, &mut archive)).await;
    report.checks.extend(archive.into_checks());
    let unique = format!("{:x}-{:x}", std::process::id(), now.millis());
    match &installation.log {
        InstalledLog::Embedded { folder, settings } => {
            let mut log = Findings::new("log");
            let against = (&*books, clock);
            position::embedded(installation, folder, settings, against, &mut log).await;
            report.checks.extend(log.into_checks());
        }
        InstalledLog::Kafka(cluster) => {
            let mut found = Findings::new("kafka");
            let against = (&*books, clock);
            let group = &installation.group;
            Box::pin(kafka::check(cluster, group, &unique, against, &mut found)).await;
            report.checks.extend(found.into_checks());
        }
    }
    if let Some(subscribe) = &installation.subscribe {
        let mut found = Findings::new("broker");
        Box::pin(broker::check(subscribe, &unique, &mut found)).await;
        report.checks.extend(found.into_checks());
    }
    report
}
