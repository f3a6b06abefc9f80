//! Checks declared calorific values and deflators.

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::{
    day::DayRange,
    id::ParkId,
    money::PriceBase,
    quantity::{Medium, MediumClass},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use super::{Checks, Provenance, is_industry};
use crate::{
    error::QueryError,
    limits::YEARS,
    register::{
        deflator::{Deflator, Form},
        name::Name,
        registry::body::{CALORIFIC_VALUE, CalorificValue, DEFLATOR, Deflation},
    },
};

/// The entries of measured calorific values, with their park.
pub(in crate::grpc) fn calorific_values(
    parent: &str,
    request: &[pb::CalorificValue],
    provenance: Provenance<'_>,
) -> Result<(ParkId, Vec<ReferenceEntry>), QueryError> {
    let mut checks = Checks::default();
    let park = checks.park(parent);
    provenance.check(&mut checks);
    if !checks.fits("values", request.len()) {
        return checks.done(None);
    }
    let mut entries = Vec::with_capacity(request.len());
    for (index, value) in request.iter().enumerate() {
        let prefix = format!("values[{index}]");
        entries.extend(calorific_value(
            &mut checks,
            &prefix,
            park.as_ref(),
            value,
            provenance,
        ));
    }
    checks.done(park.map(|park| (park, entries)))
}

fn calorific_value(
    checks: &mut Checks,
    prefix: &str,
    park: Option<&ParkId>,
    request: &pb::CalorificValue,
    provenance: Provenance<'_>,
) -> Option<ReferenceEntry> {
    let field = |name: &str| format!("{prefix}.{name}");
    let name = checks.member(&field("enterprise"), &request.enterprise, park);
    let medium = Medium::from_name(&request.medium)
        .filter(|medium| medium.class() == MediumClass::Energy && *medium != Medium::Electricity);
    if medium.is_none() {
        let problem = "is no fuel; electricity counts by its published factor";
        checks.wrong(&field("medium"), problem);
    }
    if request.kj_per_unit.is_empty() {
        checks.wrong(&field("kj_per_unit"), "is missing");
    }
    let kj = checks.positive(&field("kj_per_unit"), &request.kj_per_unit);
    let (from, to) = checks.validity(prefix, &request.valid_from, &request.valid_to);
    let body = CalorificValue::write(medium?, kj?);
    Some(provenance.entry(CALORIFIC_VALUE, name?.to_string(), (from?, to), body))
}

/// The entries of deflators, with their subject.
pub(in crate::grpc) fn deflators(
    parent: &str,
    request: &[pb::Deflator],
    provenance: Provenance<'_>,
) -> Result<(Name, Vec<ReferenceEntry>), QueryError> {
    let mut checks = Checks::default();
    let name = checks.park_or_all(parent);
    provenance.check(&mut checks);
    if !checks.fits("deflators", request.len()) {
        return checks.done(None);
    }
    let mut entries = Vec::with_capacity(request.len());
    for (index, deflator) in request.iter().enumerate() {
        let made = deflation(&mut checks, &format!("deflators[{index}]"), deflator);
        entries.extend(made.zip(name.as_ref()).and_then(|(made, name)| {
            let days = DayRange::year(made.year)?;
            let valid = (days.first(), Some(days.last()));
            let body = Deflation::write(&made);
            Some(provenance.entry(DEFLATOR, name.to_string(), valid, body))
        }));
    }
    checks.done(name.map(|name| (name, entries)))
}

fn deflation(checks: &mut Checks, prefix: &str, request: &pb::Deflator) -> Option<Deflator> {
    let field = |name: &str| format!("{prefix}.{name}");
    let form = Form::from_name(&request.form);
    if form.is_none() {
        checks.wrong(&field("form"), "is neither price-index nor real-growth");
    }
    let year = i16::try_from(request.year)
        .ok()
        .filter(|y| YEARS.contains(y));
    if year.is_none() {
        checks.wrong(&field("year"), "is no year from 2000 to 2199");
    }
    let base = match request.base.parse() {
        Ok(PriceBase::Constant(base)) => Some(base),
        _ => {
            checks.wrong(
                &field("base"),
                "is no constant price base; write constant-2020",
            );
            None
        }
    };
    let least = match form {
        Some(Form::RealGrowth) => Decimal::NEGATIVE_ONE * Decimal::ONE_HUNDRED,
        _ => Decimal::ZERO,
    };
    let value = request.value.parse::<Decimal>().ok().filter(|v| *v > least);
    if value.is_none() {
        let problem = format!("is no decimal above {least}");
        checks.wrong(&field("value"), problem);
    }
    if !is_industry(&request.industry) {
        let problem = "is no prefix of a code of GB/T 4754; write one like C31, or leave it empty";
        checks.wrong(&field("industry"), problem);
    }
    Some(Deflator {
        form: form?,
        year: year?,
        base: base?,
        industry: request.industry.clone(),
        value: value?,
        of_park: false,
    })
}
