//! What can be asked of the log that a lake is made from.

use clap::{Args, Subcommand};

use crate::node_args::NodeArgs;

/// A command about the log.
#[derive(Debug, Clone, Subcommand)]
pub enum LogCommand {
    /// Let the lake go on with another log, or with an older copy of its own: all that it holds is read.
    Adopt(AdoptArgs),
    /// List who reads the embedded log: what a group has not read is kept for it.
    Groups(GroupsArgs),
    /// Let go of a group that reads no more, so that the embedded log is trimmed again.
    Forget(ForgetArgs),
}

/// Arguments of `log groups`.
#[derive(Debug, Clone, Args)]
pub struct GroupsArgs {
    /// Where the log is.
    #[command(flatten)]
    pub place: NodeArgs,
}

/// Arguments of `log forget`.
#[derive(Debug, Clone, Args)]
pub struct ForgetArgs {
    /// The group, as `log groups` names it.
    pub group: String,
    /// Where the log is.
    #[command(flatten)]
    pub place: NodeArgs,
}

/// Arguments of `log adopt`.
#[derive(Debug, Clone, Args)]
pub struct AdoptArgs {
    /// Where the lake is.
    #[command(flatten)]
    pub place: NodeArgs,
    /// Do it; without this, only say what would be done.
    #[arg(long)]
    pub yes: bool,
}
