//! The command line: what can be asked of `greenpark`, and nothing of how it is done.

pub mod assessment;
pub mod backup;
pub mod config;
pub mod identity;
pub mod import;
pub mod letters;
pub mod log;
pub mod statement;

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::{
    config::{ConfigArgs, ConfigCommand},
    import::ImportArgs,
};
use crate::doctor::DoctorArgs;

/// Where the demo and `up` keep their data, if nothing else is said.
pub const DATA_DIR: &str = "greenpark-data";

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
    Up(PlaceArgs),
    /// Run ingest alone, with the log in Kafka.
    Ingest(PlaceArgs),
    /// Run the processor alone, with the log in Kafka.
    Processor(PlaceArgs),
    /// Run the query service alone.
    Query(PlaceArgs),
    /// Send a CSV file of readings to an MQTT server.
    Replay(ReplayArgs),
    /// Register enterprises and meters and declare statistics from CSV files and workbooks.
    Import(ImportArgs),
    /// Declare or withdraw one statement.
    #[command(flatten)]
    Statement(statement::StatementCommand),
    /// Ask energy intensity, water intensity or waste utilisation.
    Intensity(IntensityArgs),
    /// Ask how far a park or enterprise is from the targets of a plan.
    Progress(ProgressArgs),
    /// Ask a plan's whole scorecard: its targets and what it asks beyond meters.
    Scorecard(ProgressArgs),
    /// List the certificates of non-fossil electricity in force.
    Certificates(assessment::CertificatesArgs),
    /// Write the readings or daily totals of an enterprise to one file, with a manifest.
    Extract(ExtractArgs),
    /// Ask water by source, reuse and leakage.
    WaterBalance(MaterialArgs),
    /// Ask the ledger of solid waste, its identity checked.
    WasteLedger(LedgerArgs),
    /// Ask how good the data is: indices against their thresholds, and what should be looked at.
    Quality(QualityArgs),
    /// List, show, export and send again what gateways sent and was not accepted.
    #[command(subcommand)]
    DeadLetters(letters::LettersCommand),
    /// Tell a lake of the log that it goes on with.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Copy the lake, also while it is written to, and the embedded log where nothing has it open.
    Backup(backup::BackupArgs),
    /// Make a lake and a log from a backup, in a place that has neither.
    Restore(backup::RestoreArgs),
    /// Show what a figure stands on: meters, files, the log, declarations and rules, as a tree.
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

/// Where a process keeps its data and listens.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// Folder of the data: the lake at DIR/lake, the log at DIR/log [default: greenpark-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where gateways connect [default: 127.0.0.1:1883].
    #[arg(long, value_name = "ADDR")]
    pub mqtt: Option<SocketAddr>,
    /// Where the query service listens [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    pub grpc: Option<SocketAddr>,
    /// Settings file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// Where it runs.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Leave after the verdict.
    #[arg(long)]
    pub until_verdict: bool,
}

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A CSV file with a header; `.gz` is unpacked.
    pub file: PathBuf,
    /// What its columns mean.
    #[arg(long, value_name = "FILE.toml")]
    pub map: PathBuf,
    /// Readings a second, or max.
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: Speed,
    /// Connections the readings are split over.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub connections: u16,
    /// Send in an order that this seed decides.
    #[arg(long, value_name = "SEED")]
    pub shuffle: Option<u64>,
    /// Messages in flight on each connection.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=60000))]
    pub inflight: u16,
    /// Seconds to go on trying when the server does not answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
    /// Send everything, whatever the gateway's receipt says is there already.
    #[arg(long)]
    pub all: bool,
    /// The MQTT server: HOST:PORT, or mqtts://HOST:PORT with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// Who it is there.
    #[command(flatten)]
    pub login: identity::LoginArgs,
}

/// How fast a replay goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as the server acknowledges.
    Max,
    /// Readings a second.
    PerSecond(u32),
}

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let rate = text.parse().ok().filter(|&rate| rate > 0);
        rate.map(Self::PerSecond)
            .ok_or_else(|| "write readings a second (1 or more), or max".to_owned())
    }
}

/// Where a client asks and how it prints.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// The query service.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub grpc: String,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// Everything the service said.
    Json,
    /// The table's columns for other programs and spreadsheets.
    Csv,
    /// The table as a workbook; redirect it to a file.
    Xlsx,
}

/// An indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IndicatorName {
    /// Comprehensive energy per value added.
    Energy,
    /// Water intake per value added.
    Water,
    /// Comprehensive utilisation of bulk solid waste.
    Waste,
    /// Carbon dioxide per value added.
    Carbon,
    /// Carbon dioxide per energy consumed.
    CarbonPerEnergy,
}

/// Basis of electricity in standard coal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BasisName {
    /// Its energy content.
    Calorific,
    /// The coal burnt to make it.
    PrimaryEquivalent,
}

/// A question about one figure.
#[derive(Debug, Clone, Args)]
pub struct QuestionArgs {
    /// parks/-, parks/P or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// Which indicator.
    #[arg(long, value_enum, default_value_t = IndicatorName::Energy)]
    pub of: IndicatorName,
    /// 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id [default: this year].
    #[arg(long)]
    pub period: Option<String>,
    /// Basis of electricity.
    #[arg(long, value_enum, default_value_t = BasisName::Calorific)]
    pub basis: BasisName,
    /// Price base of value added.
    #[arg(long, default_value = "constant-2020")]
    pub price_base: String,
    /// What is divided by: value_added, gross_output or product:NAME.
    #[arg(
        long,
        value_name = "SERIES",
        default_value = "",
        hide_default_value = true
    )]
    pub denominator: String,
    /// Energy-carrying media: excluded or purchased.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub media: String,
    /// A source of water that counts, such as municipal; several may be given [default: every one].
    #[arg(long, value_name = "SOURCE")]
    pub water_source: Vec<String>,
    /// A shipped factor set, such as gbt-2589-2008 [default: the service's own].
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub factor_set: String,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
}

/// Arguments of `intensity`.
#[derive(Debug, Clone, Args)]
pub struct IntensityArgs {
    /// What is asked.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// A figure for each enterprise of a park, or each park of parks/-.
    #[arg(long)]
    pub each: bool,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `water-balance` and `waste-ledger`.
#[derive(Debug, Clone, Args)]
pub struct MaterialArgs {
    /// parks/-, parks/P or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id [default: this year].
    #[arg(long)]
    pub period: Option<String>,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `waste-ledger`.
#[derive(Debug, Clone, Args)]
pub struct LedgerArgs {
    /// What is asked.
    #[command(flatten)]
    pub material: MaterialArgs,
    /// Waste by its code in the national catalogue, too.
    #[arg(long)]
    pub by_code: bool,
}

/// Arguments of `quality`.
#[derive(Debug, Clone, Args)]
pub struct QualityArgs {
    /// parks/-, parks/P or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id [default: this year].
    #[arg(long)]
    pub period: Option<String>,
    /// A row for each month.
    #[arg(long, conflicts_with = "by_day")]
    pub by_month: bool,
    /// A row for each enterprise and day, of at most 31 days.
    #[arg(long)]
    pub by_day: bool,
    /// Every finding with its days, instead of a line for each check.
    #[arg(long)]
    pub findings: bool,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The figure.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Every file and record, not just the first few.
    #[arg(long)]
    pub all: bool,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `recompute`.
#[derive(Debug, Clone, Args)]
pub struct RecomputeArgs {
    /// The figure.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Folder of the data: the lake at DIR/lake [default: greenpark-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Settings file of the service: its lake, factors and plans.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `progress`.
#[derive(Debug, Clone, Args)]
pub struct ProgressArgs {
    /// parks/P, parks/- or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// The plan.
    #[arg(long, default_value = "chongqing-parks-14fyp")]
    pub plan: String,
    /// The year to judge [default: the plan's last complete one].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub year: i32,
    /// Basis of electricity.
    #[arg(long, value_enum, default_value_t = BasisName::Calorific)]
    pub basis: BasisName,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What an extract holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Content {
    /// Every distinct reading.
    Readings,
    /// One row a meter, quantity and day.
    DailyTotals,
}

/// Arguments of `extract`.
#[derive(Debug, Clone, Args)]
pub struct ExtractArgs {
    /// The enterprise: parks/P/enterprises/E, or E alone.
    #[arg(long, value_name = "E")]
    pub enterprise: String,
    /// The park of an enterprise that is named alone [default: the only one].
    #[arg(long, value_name = "P")]
    pub park: Option<String>,
    /// The first day.
    #[arg(long, value_name = "D")]
    pub from: String,
    /// The last day.
    #[arg(long, value_name = "D")]
    pub to: String,
    /// What it holds.
    #[arg(long, value_enum, default_value_t = Content::Readings)]
    pub content: Content,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// The file, .parquet or .csv; its manifest is FILE.manifest.json.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
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

    #[test]
    fn a_speed_is_a_rate_or_max() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("250".parse(), Ok(Speed::PerSecond(250)));
        assert!("0".parse::<Speed>().is_err() && "fast".parse::<Speed>().is_err());
    }
}
