//! Checks declared certificates of non-fossil electricity and bases of assessment.

use std::collections::BTreeMap;

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::{
    amount::Amount,
    assessment::{BasisOfAssessment, NonFossilKind},
    carbon::Region,
    day::{CivilDay, DayRange},
    id::{self, ParkId},
};
use greenpark_proto::query::v1 as pb;

use super::{Checks, Provenance};
use crate::{
    error::QueryError,
    limits::YEARS,
    reference::plans::Plans,
    register::{
        certificates::{
            ASSESSMENT_BASIS, CERTIFICATE, Certificate, Ledger, Month, Refused, write_basis,
        },
        name::Name,
    },
};

/// Refusals listed in an answer; the rest is counted.
const REFUSALS_LISTED: usize = 5;

/// A certificate to record or to withdraw.
pub(in crate::grpc) enum NewCertificate {
    /// The certificate is used.
    Used(Certificate),
    /// The certificate is free again.
    Withdrawn {
        id: String,
        used_for: Name,
        reason: String,
    },
}

/// Parses the certificates of a park.
pub(in crate::grpc) fn certificates(
    parent: &str,
    request: &[pb::Certificate],
    provenance: Provenance<'_>,
) -> Result<(ParkId, Vec<NewCertificate>), QueryError> {
    let mut checks = Checks::default();
    let park = checks.park(parent);
    provenance.check(&mut checks);
    if !checks.fits("certificates", request.len()) {
        return checks.done(None);
    }
    let mut made = Vec::with_capacity(request.len());
    let mut uses: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (index, of) in request.iter().enumerate() {
        let prefix = format!("certificates[{index}]");
        if let Some((first, holder)) = uses.insert(&of.id, (index, &of.used_for)) {
            let problem = format!(
                "'{}' is used for {holder} by certificates[{first}] and for {} here: a certificate is used once",
                of.id, of.used_for
            );
            checks.wrong(&format!("{prefix}.id"), problem);
        }
        made.extend(one(&mut checks, &prefix, (park.as_ref(), of), provenance));
    }
    checks.done(park.map(|park| (park, made)))
}

/// Parses the name of a park or of an enterprise in it.
fn holder(checks: &mut Checks, field: &str, text: &str, park: Option<&ParkId>) -> Option<Name> {
    let name = Name::parse(field, text).and_then(|name| match name {
        Name::Park(of) if park.is_none_or(|park| *park == of) => Ok(Name::Park(of)),
        Name::Enterprise(of, enterprise) if park.is_none_or(|park| *park == of) => {
            Ok(Name::Enterprise(of, enterprise))
        }
        other => Err(other.unfit(field, "the parent's parks/P or parks/P/enterprises/E")),
    });
    checks.take(name)
}

fn one(
    checks: &mut Checks,
    prefix: &str,
    (park, request): (Option<&ParkId>, &pb::Certificate),
    provenance: Provenance<'_>,
) -> Option<NewCertificate> {
    let field = |name: &str| format!("{prefix}.{name}");
    if let Err(error) = id::check(&request.id) {
        checks.wrong(&field("id"), error.to_string());
    }
    let used_for = holder(checks, &field("used_for"), &request.used_for, park);
    if request.withdrawn {
        checks.needed(&field("reason"), &request.reason);
        return Some(NewCertificate::Withdrawn {
            id: request.id.clone(),
            used_for: used_for?,
            reason: request.reason.clone(),
        });
    }
    let mwh = checks.amount(&field("mwh"), &request.mwh);
    if mwh.is_some_and(|mwh| mwh <= Amount::ZERO) {
        checks.wrong(&field("mwh"), "must be above zero, in MWh");
    }
    let region = region(checks, &field("region"), &request.region);
    let kind = match request.kind.parse::<NonFossilKind>() {
        Ok(kind) => Some(kind),
        Err(error) => {
            checks.wrong(&field("kind"), error.to_string());
            None
        }
    };
    let times = times(checks, prefix, request, (kind, provenance.at.day()));
    let (generated, year, retired_on) = times?;
    Some(NewCertificate::Used(Certificate {
        id: request.id.clone(),
        mwh: mwh?,
        generated,
        region: region?,
        kind: kind?,
        used_for: used_for?,
        year,
        retired_on,
        recorded_at: provenance.at,
        recorded_by: provenance.by.to_owned(),
        evidence: provenance.evidence.to_owned(),
    }))
}

fn region(checks: &mut Checks, field: &str, text: &str) -> Option<Region> {
    const WRITE: &str = "write the province of generation in small letters, such as sichuan";
    if text.is_empty() {
        checks.wrong(field, format!("is missing; {WRITE}"));
        return None;
    }
    match text.parse::<Region>() {
        Ok(region) if region != Region::national() => Some(region),
        Ok(_) => {
            checks.wrong(field, format!("the nation is no region of it; {WRITE}"));
            None
        }
        Err(_) => {
            let start: String = text.chars().take(40).collect();
            checks.wrong(field, format!("'{start}' is no region; {WRITE}"));
            None
        }
    }
}

/// The month of generation, the year of use and the day of retirement.
fn times(
    checks: &mut Checks,
    prefix: &str,
    request: &pb::Certificate,
    (kind, today): (Option<NonFossilKind>, CivilDay),
) -> Option<(Month, i16, Option<CivilDay>)> {
    let field = |name: &str| format!("{prefix}.{name}");
    let generated = Month::parse(&request.generated);
    let begun = generated.filter(|month| month.range().first() <= today);
    if generated.is_none() {
        let start: String = request.generated.chars().take(40).collect();
        let problem = format!("'{start}' is no month; write one like 2025-03");
        checks.wrong(&field("generated"), problem);
    } else if begun.is_none() {
        checks.wrong(&field("generated"), "is still to come");
    }
    let year = i16::try_from(request.year)
        .ok()
        .filter(|y| YEARS.contains(y));
    if year.is_none() {
        checks.wrong(&field("year"), "is no year from 2000 to 2199");
    }
    if let (Some(year), Some(month)) = (year, generated)
        && year < month.year()
    {
        let problem = format!("{year} is before {month}, when it was generated");
        checks.wrong(&field("year"), problem);
    }
    let retired_on = match request.retired_on.as_str() {
        "" => {
            if kind == Some(NonFossilKind::Certificate) {
                let problem =
                    "is missing: a green certificate counts when it is retired; write its day";
                checks.wrong(&field("retired_on"), problem);
            }
            None
        }
        text => checks.day(&field("retired_on"), text),
    };
    if let (Some(day), Some(month)) = (retired_on, generated)
        && day < month.range().first()
    {
        let problem = format!("{day} is before {month}, when it was generated");
        checks.wrong(&field("retired_on"), problem);
    }
    if retired_on.is_some_and(|day| day > today) {
        checks.wrong(&field("retired_on"), "is still to come");
    }
    Some((generated?, year?, retired_on))
}

impl NewCertificate {
    /// The user of the certificate.
    pub(in crate::grpc) fn used_for(&self) -> &Name {
        match self {
            Self::Used(certificate) => &certificate.used_for,
            Self::Withdrawn { used_for, .. } => used_for,
        }
    }

    /// The entry, if it is compatible with the certificates of `ledger`.
    fn entry(
        &self,
        ledger: &Ledger,
        provenance: Provenance<'_>,
    ) -> Result<Option<ReferenceEntry>, Refused> {
        let (year, body) = match self {
            Self::Used(certificate) => {
                ledger.check(certificate)?;
                (certificate.year, certificate.write())
            }
            Self::Withdrawn {
                id,
                used_for,
                reason,
            } => {
                let held = ledger.withdrawable(id, used_for)?;
                (held.year, held.write_withdrawal(reason))
            }
        };
        let days = DayRange::year(year);
        Ok(days.map(|days| {
            let valid = (days.first(), Some(days.last()));
            provenance.entry(CERTIFICATE, self.used_for().to_string(), valid, body)
        }))
    }
}

/// The entries of `certificates`, if all are compatible with `ledger`.
pub(in crate::grpc) fn certificate_entries(
    certificates: &[NewCertificate],
    ledger: &Ledger,
    provenance: Provenance<'_>,
) -> Result<Vec<ReferenceEntry>, QueryError> {
    let (mut entries, mut refused) = (Vec::new(), Vec::new());
    for certificate in certificates {
        match certificate.entry(ledger, provenance) {
            Ok(entry) => entries.extend(entry),
            Err(why) => refused.push(why),
        }
    }
    let Some(first) = refused.first() else {
        return Ok(entries);
    };
    let listed = refused.iter().take(REFUSALS_LISTED);
    let mut lines: Vec<String> = listed.map(ToString::to_string).collect();
    if refused.len() > lines.len() {
        lines.push(format!("and {} more", refused.len() - lines.len()));
    }
    Err(QueryError::Precondition(first.reason(), lines.join("; ")))
}

/// The entry of a declared basis of assessment.
pub(in crate::grpc) fn assessment_basis(
    parent: &str,
    request: Option<&pb::AssessmentBasis>,
    plans: &Plans,
    provenance: Provenance<'_>,
) -> Result<(Name, ReferenceEntry), QueryError> {
    let request = request.ok_or_else(|| QueryError::invalid("basis", "is missing"))?;
    let mut checks = Checks::default();
    let name = checks.park_or_all(parent);
    provenance.check(&mut checks);
    if plans.find(&request.plan).is_none() {
        let known: Vec<&str> = plans.all().iter().map(|plan| plan.id.as_str()).collect();
        checks.wrong("basis.plan", format!("is none of {}", known.join(", ")));
    }
    let basis = match request.basis_of_assessment.parse::<BasisOfAssessment>() {
        Ok(basis) => Some(basis),
        Err(error) => {
            checks.wrong("basis.basis_of_assessment", error.to_string());
            None
        }
    };
    let valid = checks.validity("basis", &request.valid_from, &request.valid_to);
    let made = name.zip(basis).zip(valid.0);
    let made = made.map(|((name, basis), from)| {
        let body = write_basis(&request.plan, basis);
        let entry = provenance.entry(ASSESSMENT_BASIS, name.to_string(), (from, valid.1), body);
        (name, entry)
    });
    let made = checks.done(made)?;
    match plans.basis_of_assessment(&request.plan) {
        None => Ok(made),
        Some(says_so) => Err(QueryError::Precondition(
            "PLAN_SAYS_ITS_BASIS",
            format!(
                "plan '{}' says itself that its energy target means {says_so} figures; declare a basis for a plan \
                 that does not",
                request.plan
            ),
        )),
    }
}
