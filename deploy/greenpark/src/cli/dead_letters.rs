//! The commands of `dead-letters`.

use clap::Subcommand;
use greenpark_client::dead_letters::{ExportArgs, ListArgs, ShowArgs};

use crate::dead_letter_replay::ResendArgs;

/// `dead-letters …`
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters, newest first, or count them by enterprise and reason.
    List(ListArgs),
    /// Show one dead letter with what was sent.
    Show(ShowArgs),
    /// Write dead letters with what was sent, one a line.
    Export(ExportArgs),
    /// Send dead letters again to an MQTT server, as they were sent, and record that they were.
    Replay(Box<ResendArgs>),
}
