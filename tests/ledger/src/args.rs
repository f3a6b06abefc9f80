//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Kills Greenpark while readings stream in, and checks that none is lost, doubled or made up.
#[derive(Debug, Clone, Parser)]
#[command(name = "greenpark-ledger", version)]
pub struct Args {
    /// Seed of the faults and of the order of the readings.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of unique readings.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub readings: u64,
    /// Number of kills, at random moments and at fail points; other faults come between them.
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// The log of the installation.
    #[arg(long, value_enum, default_value_t = Log::Embedded)]
    pub log: Log,
    /// What gateways connect to; mosquitto needs --log kafka [default: listener, with --log kafka mosquitto].
    #[arg(long, value_enum)]
    pub front: Option<Front>,
    /// File for the report [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The binary under test [default: beside this one].
    #[arg(long, value_name = "PATH")]
    pub greenpark: Option<PathBuf>,
    /// The source tree, whose `deploy` folder has the brokers' scripts [default: where this was built].
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
    /// Folder for the data, which is kept [default: a temporary folder, which is deleted].
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Seconds for which each link between processes is held once during the run; 0 for only the short
    /// partitions of the schedule.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub partition: u64,
    /// Gateways count only receipts as acknowledgements, not the broker's PUBACK; Mosquitto is then killed, too.
    #[arg(long)]
    pub receipts: bool,
    /// Number of times that the lake, the log, an entry or a file is restored from an older copy, lost or damaged.
    /// Behind Mosquitto it needs --receipts, because the log may lack messages that Mosquitto has acknowledged.
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub restores: u32,
    /// Kills at random moments only, as on a machine without strace.
    #[arg(long)]
    pub random_only: bool,
}

/// The log between ingest and the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// The embedded log, with all services in one process.
    Embedded,
    /// A real Kafka, with a process for each service.
    Kafka,
}

/// The MQTT server that gateways connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Front {
    /// Greenpark's own listener.
    Listener,
    /// A real Mosquitto to which ingest subscribes.
    Mosquitto,
}

impl Args {
    /// The front. By default it is the usual one for the log.
    #[must_use]
    pub fn front(&self) -> Front {
        self.front.unwrap_or(match self.log {
            Log::Embedded => Front::Listener,
            Log::Kafka => Front::Mosquitto,
        })
    }
}
