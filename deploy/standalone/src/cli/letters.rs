//! Arguments of `dead-letters`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ClientArgs, identity::LoginArgs};

/// `dead-letters …`
#[derive(Debug, Clone, Subcommand)]
pub enum LettersCommand {
    /// List dead letters, newest first, or count them by enterprise and reason.
    List(ListArgs),
    /// Show one dead letter with what was sent.
    Show(ShowArgs),
    /// Write dead letters with what was sent, one a line.
    Export(ExportArgs),
    /// Send dead letters again to an MQTT server, as they were sent, and record that they were.
    Replay(Box<ResendArgs>),
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct LetterFilterArgs {
    /// parks/-, parks/P or parks/P/enterprises/E; parks/_unknown has those whose topic does not say whose they are.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// Those of one gateway.
    #[arg(
        long,
        value_name = "GATEWAY",
        default_value = "",
        hide_default_value = true
    )]
    pub gateway: String,
    /// Those of a reason, such as unknown-unit; several may be given.
    #[arg(long, value_name = "REASON")]
    pub reason: Vec<String>,
    /// Those that came from a day or an instant on.
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Those that came until the end of a day, or before an instant.
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// Those that were not sent again.
    #[arg(long)]
    pub unreplayed: bool,
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Which.
    #[command(flatten)]
    pub filter: LetterFilterArgs,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// How many there are by enterprise and reason, instead of each.
    #[arg(long)]
    pub count: bool,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `dead-letters show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// parks/P/enterprises/E/deadLetters/0-17, as `list` names it.
    pub letter: String,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `dead-letters export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Which.
    #[command(flatten)]
    pub filter: LetterFilterArgs,
    /// The file: .csv is CSV, any other name JSON lines [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where to; without --output, --format csv is CSV and the others JSON lines.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `dead-letters replay`.
#[derive(Debug, Clone, Args)]
pub struct ResendArgs {
    /// Which; those that were sent again before are passed over.
    #[command(flatten)]
    pub filter: LetterFilterArgs,
    /// One dead letter by its name instead; several may be given.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["gateway", "reason", "from", "to", "unreplayed"])]
    pub letter: Vec<String>,
    /// Those that were sent again before, too.
    #[arg(long)]
    pub again: bool,
    /// Where the rule of a topic names who sends, send as this user what another gateway sent; it is refused otherwise.
    #[arg(long)]
    pub as_user: bool,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Who sends them again.
    #[arg(long, value_name = "WHO", required_unless_present = "dry_run")]
    pub recorded_by: Option<String>,
    /// Why, such as the number of a ticket.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub evidence: String,
    /// The MQTT server: HOST:PORT, or mqtts://HOST:PORT with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// Seconds to go on trying when the server does not answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
    /// Who it is there; the user must be allowed to publish on the letters' topics.
    #[command(flatten)]
    pub login: LoginArgs,
    /// Where dead letters are asked.
    #[command(flatten)]
    pub client: ClientArgs,
}
