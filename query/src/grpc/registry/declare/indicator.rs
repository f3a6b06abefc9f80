//! Checks declared values of a plan's indicators.

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::day::DayRange;
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use super::{Checks, Provenance};
use crate::{
    error::QueryError,
    limits::YEARS,
    reference::plans::Plans,
    register::{
        name::Name,
        registry::body::{INDICATOR, IndicatorValue},
    },
};

/// The entries of declared values, with their subject.
pub(in crate::grpc) fn indicators(
    parent: &str,
    request: &[pb::DeclaredValue],
    plans: &Plans,
    provenance: Provenance<'_>,
) -> Result<(Name, Vec<ReferenceEntry>), QueryError> {
    let mut checks = Checks::default();
    let name = checks.park_or_all(parent);
    provenance.check(&mut checks);
    if !checks.fits("values", request.len()) {
        return checks.done(None);
    }
    let mut entries = Vec::with_capacity(request.len());
    for (index, value) in request.iter().enumerate() {
        let prefix = format!("values[{index}]");
        let body = one(&mut checks, &prefix, value, plans);
        entries.extend(body.zip(name.as_ref()).and_then(|(body, name)| {
            let days = DayRange::year(body.year)?;
            let valid = (days.first(), Some(days.last()));
            Some(provenance.entry(INDICATOR, name.to_string(), valid, body.write()))
        }));
    }
    checks.done(name.map(|name| (name, entries)))
}

fn one(
    checks: &mut Checks,
    prefix: &str,
    request: &pb::DeclaredValue,
    plans: &Plans,
) -> Option<IndicatorValue> {
    let field = |name: &str| format!("{prefix}.{name}");
    if plans.find(&request.plan).is_none() {
        let known: Vec<&str> = plans.all().iter().map(|plan| plan.id.as_str()).collect();
        checks.wrong(&field("plan"), format!("is none of {}", known.join(", ")));
        return None;
    }
    let declared = plans.declared(&request.plan);
    if !declared.iter().any(|of| of.id == request.indicator) {
        let known: Vec<&str> = declared.iter().map(|of| of.id.as_str()).collect();
        let problem = match known.is_empty() {
            true => "is not declared: every indicator of the plan is measured".to_owned(),
            false => format!("is none of {}", known.join(", ")),
        };
        checks.wrong(&field("indicator"), problem);
    }
    let year = i16::try_from(request.year)
        .ok()
        .filter(|y| YEARS.contains(y));
    if year.is_none() {
        checks.wrong(&field("year"), "is no year from 2000 to 2199");
    }
    if request.value.parse::<Decimal>().is_err() {
        checks.wrong(&field("value"), "is no decimal; write one like 113.4");
    }
    Some(IndicatorValue {
        plan: request.plan.clone(),
        indicator: request.indicator.clone(),
        year: year?,
        value: request.value.clone(),
    })
}
