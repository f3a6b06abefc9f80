//! Nothing lost, nothing twice, whatever happens: the pipeline under a seed.
//!
//! Ingest's gather, append and acknowledgements, the processor with its seal, and the archive are the real
//! ones. Around them everything is simulated: gateways that resend what is not acknowledged, a log in
//! memory that loses answers, a disk that loses what was not synced, two clocks. A run is a sequence of
//! [`Op`]s and nothing else; [`generate`] makes one of a seed.
//!
//! # What is a failure
//! An acknowledgement before the log has it; an offset stored before a power cut could not take what it
//! stands for; a reading that was visible and is not; a published file that changes; a total that is not
//! the sum of its rows; and, when all is quiet: an acknowledged reading that is in no sealed day, a
//! sealed one that nobody sent, a value that counts though another came later in the log, a repeat that no total
//! counts where nothing was read twice, or anything that does not come to rest by itself. Each reading is a power
//! of two of its meter and day, so a wrong sum says which.
//!
//! # What is not
//! A processor that leaves because a fault or another writer made it: it is started again. A reading that
//! was sent, not acknowledged, and counts all the same: its gateway sends it again, too.
//!
//! # What is not simulated
//! Sockets and the waiting of connections, records lost by the log, and the deletion of files that no state names. Kafka is linked, for the log's crate
//! has it, and never called; DataFusion is not.

mod actor;
pub mod canonical;
mod check;
mod clock;
mod disk;
mod gateway;
mod generate;
mod office;
mod op;
mod oracle;
mod queue;
mod random;
pub mod reproductions;
mod run;
mod shrink;
mod violation;
mod world;

pub use crate::{
    generate::generate,
    op::{DiskFault, LogFault, Op, Who},
    run::{Broken, Outcome, run, run_seed},
    shrink::shrink,
    violation::Violation,
};
