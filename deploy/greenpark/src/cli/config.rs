//! Arguments of `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `config …`
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Name every mistake of the settings; exit code 64 if there is one.
    Check(ConfigArgs),
    /// Print the settings in effect, defaults included.
    Print(ConfigArgs),
}

/// Arguments of `config`.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// Settings file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
