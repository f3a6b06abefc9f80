//! `greenpark doctor`: tries an archive, a log, a broker and a Kafka cluster, and reports what to change.
//!
//! The doctor tries things in places of its own (a folder, topics, sessions) and removes them again; it creates no
//! reading and changes nothing in the lake. It reports a check that it cannot try from here as left out.

pub mod archive;
pub mod broker;
mod command;
pub mod disk;
pub mod installation;
pub mod kafka;
pub mod position;
pub mod report;

pub use self::command::{DoctorArgs, doctor, examine};
