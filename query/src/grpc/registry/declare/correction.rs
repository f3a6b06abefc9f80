//! Checks corrections by hand before they are recorded.

use greenpark_archive::{meters::Meters, reference::ReferenceEntry};
use greenpark_model::{
    day::DayRange,
    id::{EnterpriseId, ParkId},
    quantity::Quantity,
    reading::{Kind, Series},
};
use greenpark_proto::query::v1 as pb;

use super::{Checks, Provenance};
use crate::{
    error::QueryError,
    register::{
        corrections::Correction,
        name::Name,
        registry::body::{CORRECTION, CorrectionBody},
    },
};

/// A correction to record or to withdraw.
pub(in crate::grpc) struct NewCorrection {
    pub(in crate::grpc) park: ParkId,
    pub(in crate::grpc) enterprise: EnterpriseId,
    pub(in crate::grpc) series: Series,
    correction: Correction,
    withdrawn: bool,
}

/// Parses a correction.
pub(in crate::grpc) fn correction(
    request: Option<&pb::Correction>,
    provenance: Provenance<'_>,
) -> Result<NewCorrection, QueryError> {
    let request = request.ok_or_else(|| QueryError::invalid("correction", "is missing"))?;
    let mut checks = Checks::default();
    let name = Name::parse("correction.meter", &request.meter).and_then(|name| match name {
        Name::Meter(park, enterprise, meter) => Ok((park, enterprise, meter)),
        other => Err(other.unfit("correction.meter", "parks/P/enterprises/E/meters/M")),
    });
    let name = checks.take(name);
    let quantity = checks.parsed(
        "correction.quantity",
        &request.quantity,
        str::parse::<Quantity>,
    );
    if request.quantity.is_empty() {
        checks.wrong("correction.quantity", "is missing");
    }
    let kind = Kind::from_name(&request.kind).filter(|kind| *kind != Kind::Gauge);
    if kind.is_none() {
        checks.wrong("correction.kind", "is none of register, interval and event");
    }
    let days = request.days.clone().unwrap_or_default();
    let first = checks.day("correction.days.first", &days.first);
    let last = checks.day("correction.days.last", &days.last);
    let days = first
        .zip(last)
        .and_then(|(first, last)| DayRange::new(first, last));
    if first.is_some() && last.is_some() && days.is_none() {
        checks.wrong("correction.days", "end before they begin");
    }
    if last.is_some_and(|last| last >= provenance.at.day()) {
        checks.wrong("correction.days.last", "is not over yet");
    }
    let amount = checks.amount("correction.amount", &request.amount);
    checks.needed("correction.reason", &request.reason);
    provenance.check(&mut checks);
    checks.needed("evidence", provenance.evidence);
    let made = name.zip(quantity).zip(kind).zip(days).zip(amount);
    let made = made.map(
        |(((((park, enterprise, meter), quantity), kind), days), amount)| NewCorrection {
            park,
            enterprise,
            series: Series {
                meter,
                quantity,
                kind,
            },
            correction: Correction {
                kind,
                days,
                amount,
                reason: request.reason.clone(),
                recorded_at: provenance.at,
                recorded_by: provenance.by.to_owned(),
                evidence: provenance.evidence.to_owned(),
            },
            withdrawn: request.withdrawn,
        },
    );
    checks.done(made)
}

impl NewCorrection {
    pub(in crate::grpc) fn name(&self) -> Name {
        let meter = self.series.meter.clone();
        Name::Meter(self.park.clone(), self.enterprise.clone(), meter)
    }

    /// Refuses a correction of a meter registered as a gauge, because it would never count.
    pub(in crate::grpc) fn check_kind(&self, meters: &Meters) -> Result<(), QueryError> {
        let meter = meters.get(&self.enterprise, &self.series);
        let entry = meter.and_then(|meter| meter.on(self.correction.days.first()));
        match entry.filter(|entry| entry.body.kind == Kind::Gauge) {
            None => Ok(()),
            Some(_) => Err(QueryError::Precondition(
                "METER_IS_A_GAUGE",
                format!(
                    "{} is registered as a gauge on {}, which is never summed: register it as what it is first",
                    self.name(),
                    self.correction.days.first()
                ),
            )),
        }
    }

    /// The entry, if it is compatible with those in force. Two corrections that share some days but not all are
    /// ambiguous.
    pub(in crate::grpc) fn entry(
        &self,
        known: &[Correction],
        provenance: Provenance<'_>,
    ) -> Result<ReferenceEntry, QueryError> {
        let days = self.correction.days;
        if let Some(other) = self.correction.overlapping(known) {
            let message = format!(
                "{} is corrected from {} to {} already, which overlaps {} to {}: withdraw that correction, or \
                 correct the same days",
                self.name(),
                other.days.first(),
                other.days.last(),
                days.first(),
                days.last()
            );
            return Err(QueryError::Precondition("CORRECTIONS_OVERLAP", message));
        }
        let there = known.iter().any(|other| other.days == days);
        if self.withdrawn && !there {
            let (first, last) = (days.first(), days.last());
            let message = format!("{} has no correction from {first} to {last}", self.name());
            return Err(QueryError::Precondition("NO_SUCH_CORRECTION", message));
        }
        let body = CorrectionBody::write(&self.series, &self.correction, self.withdrawn);
        let valid = (days.first(), Some(days.last()));
        Ok(provenance.entry(CORRECTION, self.name().to_string(), valid, body))
    }
}
