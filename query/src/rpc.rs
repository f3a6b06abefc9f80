//! The gRPC methods: each reads its request, asks, and tells.

mod declare;
mod indicators;
mod readings;
mod registry;

use std::sync::Arc;

use greenpark_model::{coal::Basis, money::PriceBase};
use greenpark_proto::query::v1 as pb;

use crate::{error::QueryError, service::Shared};

pub(crate) use {
    readings::{Ended, Sender, send},
    registry::MeterPlace,
};

/// `park.query.v1.Indicators`.
pub(crate) struct IndicatorsRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Registry`.
pub(crate) struct RegistryRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Readings`.
pub(crate) struct ReadingsRpc(pub(crate) Arc<Shared>);

fn basis(code: i32) -> Result<Basis, QueryError> {
    match pb::Basis::try_from(code) {
        Ok(pb::Basis::Unspecified | pb::Basis::Calorific) => Ok(Basis::Calorific),
        Ok(pb::Basis::PrimaryEquivalent) => Ok(Basis::PrimaryEquivalent),
        Err(_) => Err(QueryError::invalid(
            "basis",
            format!("{code} is none; write BASIS_CALORIFIC or BASIS_PRIMARY_EQUIVALENT"),
        )),
    }
}

fn price_base(field: &str, text: &str) -> Result<PriceBase, QueryError> {
    if text.is_empty() {
        return Ok(PriceBase::Constant(2020));
    }
    text.parse()
        .map_err(|error: greenpark_model::money::UnknownPriceBase| {
            QueryError::invalid(field, error.to_string())
        })
}
