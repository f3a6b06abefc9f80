//! What can be asked of the log that a lake is made from.

use clap::{Args, Subcommand};

use super::PlaceArgs;

/// A command about the log.
#[derive(Debug, Clone, Subcommand)]
pub enum LogCommand {
    /// Let the lake go on with another log, or with an older copy of its own: all that it holds is read.
    Adopt(AdoptArgs),
}

/// Arguments of `log adopt`.
#[derive(Debug, Clone, Args)]
pub struct AdoptArgs {
    /// Where the lake is.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Do it; without this, only say what would be done.
    #[arg(long)]
    pub yes: bool,
}
