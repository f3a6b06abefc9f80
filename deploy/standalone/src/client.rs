//! Commands that ask the query service: the answer on standard output, all else on standard error.

pub mod assessment;
pub mod explain;
pub mod extract;
pub mod import;
pub mod indicators;
pub mod letters;
pub mod materials;
pub mod name;
pub mod quality;
pub mod question;
pub mod reasons;
pub mod recompute;
pub mod scorecard;
pub mod sheet;
pub mod soundness;
pub mod statement;
pub mod wire;
