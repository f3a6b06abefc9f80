//! What can be asked of backups.

use std::path::PathBuf;

use clap::Args;

use crate::node_args::NodeArgs;

/// Arguments of `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// Where the backup is kept; the next one in the same folder copies only what is new.
    pub folder: PathBuf,
    /// Where the lake and the log are.
    #[command(flatten)]
    pub place: NodeArgs,
}

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// Where the backup is kept.
    pub folder: PathBuf,
    /// Where the lake and the log are to be.
    #[command(flatten)]
    pub place: NodeArgs,
    /// Leave the log as it is: the lake reads on from it.
    #[arg(long)]
    pub without_log: bool,
}
