//! The `greenpark` binary: every service in one process, the demo park, and the command line.
//!
//! [`run`] parses the command line, runs the command and returns the exit code. [`assembly`] starts the services;
//! [`demo`] publishes a park's readings and shows what the query service makes of them. Three commands need both the
//! services' libraries and a connection, so they are here: [`recompute`] (lake and query service),
//! [`dead_letter_replay`] (query service and MQTT) and [`backup`] (lake and log).
//!
//! The other commands are crates of their own that do not see each other: `greenpark-client` asks the query
//! service, `greenpark-gateway` publishes readings, `greenpark-doctor` examines an installation.

pub mod adopt;
pub mod assembly;
pub mod backup;
pub mod cli;
pub mod dead_letter_replay;
pub mod demo;
mod examination;
pub mod groups;
mod log;
pub mod node_args;
pub mod passwd;
pub mod pki;
pub mod recompute;
pub mod run;
pub mod settings;
pub mod verify;
