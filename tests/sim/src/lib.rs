//! Runs the pipeline under a seed and checks that nothing is lost and nothing counts twice.
//!
//! The batching, appending and acknowledging of ingest, the processor with its sealing, and the archive are
//! the real code. Everything around them is simulated: gateways that resend unacknowledged publishes, an
//! in-memory log that loses answers, a disk that loses unsynced bytes, and two clocks. A run is a sequence of
//! [`Op`]s and nothing else; [`generate`] makes one from a seed.
//!
//! # What counts as a failure
//! At any time: a publish is acknowledged before the log holds it; an offset is committed while a power cut
//! could still lose its records; a visible reading disappears; a published file changes; a total is not the
//! sum of its rows.
//! At the end, when no more faults occur: an acknowledged reading is in no sealed day; a sealed reading was
//! never sent; a value counts although another came later in the log; no total counts a repeat although no
//! record was read twice; the system does not come to rest by itself. The value of each reading is a distinct
//! power of two within its meter and day, so a wrong sum identifies the readings.
//!
//! # What does not count as a failure
//! A processor ends because of a fault or another writer: it is started again. An unacknowledged reading
//! counts: its gateway resends it anyway.
//!
//! # What is not simulated
//! Sockets, connections that wait, a log that loses records, and the deletion of data files that no snapshot
//! names. rdkafka is linked because `greenpark-log` contains the Kafka log, but it is never called; DataFusion is
//! not linked.

mod actor;
pub mod canonical;
mod check;
mod clock;
mod disk;
mod gateway;
mod generate;
mod log;
mod op;
mod oracle;
mod processor;
mod promise;
mod random;
pub mod reproductions;
mod run;
mod shrink;
mod world;

pub use crate::{
    generate::generate,
    op::{Component, DiskFault, LogFault, Op},
    promise::BrokenPromise,
    run::{FailedRun, Readings, RunOutcome, run, run_seed},
    shrink::shrink,
};
