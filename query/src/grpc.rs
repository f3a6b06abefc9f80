//! `park.query.v1` over gRPC: parse the request, evaluate, convert the answer.
//!
//! [`server`] holds the service and what its methods share; every service is a file of its own.

mod access;
mod asked;
mod concurrent;
mod dead_letters;
mod flight;
mod indicators;
mod options;
pub(crate) mod paging;
pub mod proofs;
mod quality;
pub(crate) mod readings;
pub mod recompute;
mod registry;
pub mod server;

use std::sync::Arc;

use server::Shared;

/// `park.query.v1.Indicators`.
pub(crate) struct IndicatorsRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Registry`.
pub(crate) struct RegistryRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Readings`.
pub(crate) struct ReadingsRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.DeadLetters`.
pub(crate) struct DeadLettersRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Quality`.
pub(crate) struct QualityRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Proofs`.
pub(crate) struct ProofsRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Access`.
pub(crate) struct AccessRpc(pub(crate) Arc<Shared>);

/// The rules of figures and tables, a sentence a line.
pub(crate) fn rules_text() -> String {
    let readings = readings::extract::rules();
    let lines = indicators::lineage::FIGURE_RULES
        .iter()
        .copied()
        .chain(readings);
    lines.fold(String::new(), |text, line| text + line + "\n")
}
