//! The command line: what can be asked of `greenpark`, and nothing of how it is done.

pub mod backup;
pub mod config;
pub mod dead_letters;
pub mod identity;
pub mod log;

use clap::{Args, Parser, Subcommand};
use greenpark_client::{
    access::AccessCommand,
    assessment::CertificatesArgs,
    checkpoint::CheckpointArgs,
    explain::ExplainArgs,
    extract::ExtractArgs,
    form::FormArgs,
    import::ImportArgs,
    indicators::IntensityArgs,
    materials::{LedgerArgs, MaterialArgs},
    quality::QualityArgs,
    question::ProgressArgs,
    statement::StatementCommand,
};
use greenpark_doctor::DoctorArgs;
use greenpark_gateway::replay::ReplayArgs;

use crate::{node_args::NodeArgs, recompute::RecomputeArgs, verify::VerifyArgs};

pub use self::config::{ConfigArgs, ConfigCommand};

/// Energy, water and waste of industrial parks: from a gateway's publish to the verdict.
#[derive(Debug, Parser)]
#[command(name = "greenpark", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Without a command, `greenpark` is `greenpark demo`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the demo.
    #[command(flatten)]
    pub demo: DemoArgs,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a park with seven years of history on this machine and say how far it is from its targets.
    Demo(DemoArgs),
    /// Run everything in one process.
    Up(NodeArgs),
    /// Run ingest alone, with the log in Kafka.
    Ingest(NodeArgs),
    /// Run the processor alone, with the log in Kafka.
    Processor(NodeArgs),
    /// Run the query service alone.
    Query(NodeArgs),
    /// Send a CSV file of readings to an MQTT server.
    Replay(ReplayArgs),
    /// Register enterprises and meters and declare statistics from CSV files and workbooks.
    Import(ImportArgs),
    /// Declare or withdraw one statement.
    #[command(flatten)]
    Statement(StatementCommand),
    /// Ask who one is, and say who may do what.
    #[command(flatten)]
    Access(AccessCommand),
    /// Ask energy intensity, water intensity or waste utilisation.
    Intensity(IntensityArgs),
    /// Ask how far a park or enterprise is from the targets of a plan.
    Progress(ProgressArgs),
    /// Ask a plan's whole scorecard: its targets and what it asks beyond meters.
    Scorecard(ProgressArgs),
    /// List the certificates of non-fossil electricity in force.
    Certificates(CertificatesArgs),
    /// Write the readings or daily totals of an enterprise to one file, or all that proves its figures to a folder.
    Extract(ExtractArgs),
    /// Write a statutory form of an enterprise as a workbook, with what proves it beside it.
    Form(FormArgs),
    /// Check an extract folder or a form without the service that made it.
    Verify(VerifyArgs),
    /// Ask the newest signed checkpoint of what was published, and check that nothing was taken back.
    Checkpoint(CheckpointArgs),
    /// Ask water by source, reuse and leakage.
    WaterBalance(MaterialArgs),
    /// Ask the ledger of solid waste, its identity checked.
    WasteLedger(LedgerArgs),
    /// Ask how good the data is: indices against their thresholds, and what should be looked at.
    Quality(QualityArgs),
    /// List, show, export and send again what gateways sent and was not accepted.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Tell a lake of the log that it goes on with.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Copy the lake, also while it is written to, and the embedded log where nothing has it open.
    Backup(backup::BackupArgs),
    /// Make a lake and a log from a backup, in a place that has neither.
    Restore(backup::RestoreArgs),
    /// Show the sources of a figure as a tree: meters, files, the log, declarations and rules.
    Explain(ExplainArgs),
    /// Make a figure again from the raw readings of the lake and compare it bit for bit.
    Recompute(RecomputeArgs),
    /// Look at a broker, a Kafka and an archive by what they do, and say what to change.
    Doctor(DoctorArgs),
    /// Make certificates for a test of mutual TLS.
    Pki(identity::PkiArgs),
    /// Add a user to a password file, or change its password.
    Passwd(identity::PasswdArgs),
    /// Check or print the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// Where it runs.
    #[command(flatten)]
    pub place: NodeArgs,
    /// Leave after the verdict.
    #[arg(long)]
    pub until_verdict: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_the_demo() {
        let cli =
            Cli::try_parse_from(["greenpark", "--data", "x", "--until-verdict"]).expect("valid");
        assert!(cli.command.is_none() && cli.demo.until_verdict);
        assert_eq!(cli.demo.place.data, Some("x".into()));
        let cli =
            Cli::try_parse_from(["greenpark", "demo", "--mqtt", "127.0.0.1:0"]).expect("valid");
        assert!(matches!(cli.command, Some(Command::Demo(demo)) if demo.place.mqtt.is_some()));
    }
}
