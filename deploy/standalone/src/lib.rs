//! The `greenpark` binary: every service in one process, the demo park, replay and client commands.
//!
//! [`assembly`] starts services, [`demo`] and [`replay`] publish readings as gateways do, and [`client`]
//! asks the query service as anyone may. Nothing here decodes, stores or computes: what is shown was
//! asked over gRPC. [`run`] does what a command line says and gives the exit code.

pub mod adopt;
pub mod assembly;
pub mod backup;
pub mod chance;
pub mod cli;
pub mod client;
pub mod demo;
pub mod doctor;
pub(crate) mod encoding;
pub mod gauge;
mod gauges;
pub mod groups;
pub(crate) mod line_text;
mod log;
pub mod passwd;
pub mod payload;
pub mod pki;
mod processing;
pub mod publisher;
pub mod replay;
pub mod run;
pub mod settings;
mod waiting;
