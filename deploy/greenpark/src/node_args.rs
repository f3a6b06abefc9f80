//! The arguments that place a process: its data, its addresses and its settings file.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Where a process keeps its data and listens.
#[derive(Debug, Clone, Default, Args)]
pub struct NodeArgs {
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
