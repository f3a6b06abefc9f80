//! Checks declared sides of balances.

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::{
    balance::Side,
    id::ParkId,
    quantity::{Medium, MediumClass},
};
use greenpark_proto::query::v1 as pb;

use super::{Checks, Provenance};
use crate::{
    error::QueryError,
    register::registry::body::{SIDE, SideBody},
};

/// The entries of declared sides, with their park.
pub(in crate::grpc) fn sides(
    parent: &str,
    request: &[pb::BalanceSide],
    provenance: Provenance<'_>,
) -> Result<(ParkId, Vec<ReferenceEntry>), QueryError> {
    let mut checks = Checks::default();
    let park = checks.park(parent);
    provenance.check(&mut checks);
    if !checks.fits("sides", request.len()) {
        return checks.done(None);
    }
    let mut entries = Vec::with_capacity(request.len());
    for (index, side) in request.iter().enumerate() {
        let prefix = format!("sides[{index}]");
        entries.extend(one(&mut checks, &prefix, park.as_ref(), side, provenance));
    }
    checks.done(park.map(|park| (park, entries)))
}

fn one(
    checks: &mut Checks,
    prefix: &str,
    park: Option<&ParkId>,
    request: &pb::BalanceSide,
    provenance: Provenance<'_>,
) -> Option<ReferenceEntry> {
    let field = |name: &str| format!("{prefix}.{name}");
    let name = checks.member(&field("enterprise"), &request.enterprise, park);
    let medium =
        Medium::from_name(&request.medium).filter(|medium| medium.class() == MediumClass::Energy);
    if medium.is_none() {
        let problem = "is no energy; write one such as electricity or raw_coal";
        checks.wrong(&field("medium"), problem);
    }
    let side = Side::from_name(&request.side);
    if side.is_none() {
        let problem =
            "is neither consumption nor supply; write the side whose meters tell the whole";
        checks.wrong(&field("side"), problem);
    }
    let (from, to) = checks.validity(prefix, &request.valid_from, &request.valid_to);
    let body = SideBody::write(medium?, side?);
    Some(provenance.entry(SIDE, name?.to_string(), (from?, to), body))
}
