//! Commands that ask the query service over gRPC: the answer on standard output, everything else on standard error.
//!
//! Each module is a command with its arguments; the commands share [`connection`], [`question`], [`name`] and
//! [`answer_parts`]. This crate sees the wire contract and the model alone: no lake, no log, no query engine.

pub mod access;
pub mod answer_parts;
pub mod assessment;
pub mod checkpoint;
pub mod connection;
pub mod dead_letters;
pub mod explain;
pub mod extract;
pub mod form;
pub mod import;
pub mod indicators;
pub mod materials;
pub mod name;
pub mod quality;
pub mod question;
pub mod reasons;
pub mod scorecard;
pub mod sign_in;
pub mod soundness;
pub mod statement;
