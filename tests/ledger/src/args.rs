//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Kills Greenpark while readings stream in, and checks that none is lost, doubled or made up.
#[derive(Debug, Clone, Parser)]
#[command(name = "greenpark-ledger", version)]
pub struct Args {
    /// Decides the faults and the order of the readings.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Unique readings.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub readings: u64,
    /// Kills, at random moments and at fail points; other faults come between them.
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// The log.
    #[arg(long, value_enum, default_value_t = Log::Embedded)]
    pub log: Log,
    /// What gateways connect to; Mosquitto stands before a log in Kafka only.
    #[arg(long, value_enum)]
    pub front: Option<Front>,
    /// Where the report is written; standard output if it is not given.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The binary under test [default: beside this one].
    #[arg(long, value_name = "PATH")]
    pub greenpark: Option<PathBuf>,
    /// The sources, whose `deploy` folder starts the brokers [default: where this was built].
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
    /// Folder for the data, which stays; a temporary one that goes away if it is not given.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Seconds for which each link between parts is held once, spread over the run; 0 for the schedule's
    /// short partitions alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub partition: u64,
    /// Gateways believe receipts alone, and not what a broker acknowledges; then Mosquitto is killed, too.
    #[arg(long)]
    pub receipts: bool,
    /// How often something is restored from an older copy, lost or damaged: the lake, the log, an entry, a file. A log
    /// in Kafka behind Mosquitto needs --receipts with it, for what Mosquitto acknowledged the log may not have had.
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub restores: u32,
    /// Only kills at random moments, as where there is no strace.
    #[arg(long)]
    pub random_only: bool,
}

/// Which log readings queue in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Everything in one process.
    Embedded,
    /// A real Kafka, and a process for each service.
    Kafka,
}

/// What gateways connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Front {
    /// Greenpark's own endpoint.
    Listener,
    /// A real Mosquitto that ingest is subscribed to.
    Mosquitto,
}

impl Args {
    /// The front, by default the one that users of the log have.
    #[must_use]
    pub fn front(&self) -> Front {
        self.front.unwrap_or(match self.log {
            Log::Embedded => Front::Listener,
            Log::Kafka => Front::Mosquitto,
        })
    }
}
