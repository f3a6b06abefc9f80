//! The lines of certificates and of bases of assessment, and their requests.

use anyhow::Context;
use greenpark_model::{
    amount::Amount,
    assessment::{BasisOfAssessment, NonFossilKind},
    carbon::Region,
};
use greenpark_proto::query::v1::{self as api, registry_client::RegistryClient};
use serde::Deserialize;

use super::lines::Check;
use crate::{
    connection::{AuthenticatedChannel, refusal},
    import::ImportArgs,
    name,
};

/// Certificates of one request, which are recorded atomically.
const CERTIFICATES_MAX: usize = 5_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateLine {
    id: String,
    mwh: String,
    generated: String,
    region: String,
    kind: String,
    /// Empty for the park as a whole.
    #[serde(default)]
    enterprise: String,
    year: String,
    #[serde(default)]
    retired_on: String,
    #[serde(default)]
    withdrawn: String,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasisLine {
    plan: String,
    basis_of_assessment: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
}

pub(super) fn certificate(
    park: &str,
    line: CertificateLine,
) -> Result<api::Certificate, Vec<String>> {
    let mut check = Check::default();
    check.id("id", &line.id);
    let used_for = match line.enterprise.as_str() {
        "" => format!("parks/{park}"),
        enterprise => {
            check.id("enterprise", enterprise);
            name::enterprise(park, enterprise)
        }
    };
    let withdrawn = !line.withdrawn.is_empty() && check.yes("withdrawn", &line.withdrawn);
    let mut year = 0;
    if withdrawn {
        if line.reason.is_empty() {
            check.wrong("reason: is missing; say why it is taken back");
        }
    } else {
        let mwh = check.that("mwh", line.mwh.parse::<Amount>());
        if mwh.is_some_and(|mwh| mwh <= Amount::ZERO) {
            check.wrong(format!("mwh: {} is not above zero", line.mwh));
        }
        check.that("generated", month(&line.generated));
        check.that("region", line.region.parse::<Region>());
        check.that("kind", line.kind.parse::<NonFossilKind>());
        year = check.that("year", line.year.parse()).unwrap_or_default();
        if !line.retired_on.is_empty() {
            check.day("retired_on", &line.retired_on);
        }
    }
    check.end(api::Certificate {
        id: line.id,
        mwh: line.mwh,
        generated: line.generated,
        region: line.region,
        kind: line.kind,
        used_for,
        year,
        retired_on: line.retired_on,
        withdrawn,
        reason: line.reason,
        ..api::Certificate::default()
    })
}

fn month(text: &str) -> Result<(), String> {
    use api::period::Period;
    match name::period(text).map(|period| period.period) {
        Ok(Some(Period::Month(_))) => Ok(()),
        _ => Err(format!("'{text}' is no month; write one like 2025-03")),
    }
}

pub(super) fn basis(line: BasisLine) -> Result<api::AssessmentBasis, Vec<String>> {
    let mut check = Check::default();
    check.that(
        "basis_of_assessment",
        line.basis_of_assessment.parse::<BasisOfAssessment>(),
    );
    check.days(&line.valid_from, &line.valid_to);
    check.end(api::AssessmentBasis {
        plan: line.plan,
        basis_of_assessment: line.basis_of_assessment,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
        recorded_at: None,
    })
}

/// Declares certificates and bases of assessment, the last of an import.
pub(super) async fn declare(
    mut registry: RegistryClient<AuthenticatedChannel>,
    args: &ImportArgs,
    certificates: &[api::Certificate],
    bases: Vec<api::AssessmentBasis>,
) -> anyhow::Result<()> {
    let parent = format!("parks/{}", args.park);
    for (page, certificates) in certificates.chunks(CERTIFICATES_MAX).enumerate() {
        let request = api::DeclareCertificatesRequest {
            parent: parent.clone(),
            certificates: certificates.to_vec(),
            recorded_by: args.recorded_by.clone(),
            evidence: args.evidence.clone(),
        };
        let done = page * CERTIFICATES_MAX;
        let answer = registry.declare_certificates(request).await;
        answer.map_err(refusal).with_context(|| {
            format!(
                "{done} certificates and all files but these were recorded, then some were refused"
            )
        })?;
    }
    for (done, basis) in bases.into_iter().enumerate() {
        let request = api::DeclareAssessmentBasisRequest {
            parent: parent.clone(),
            basis: Some(basis),
            recorded_by: args.recorded_by.clone(),
            evidence: args.evidence.clone(),
        };
        let answer = registry.declare_assessment_basis(request).await;
        answer.map_err(refusal).with_context(|| {
            format!(
                "everything else and {done} bases of assessment were recorded, then one was refused"
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<L: for<'de> Deserialize<'de>>(text: &str) -> L {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let line = reader.deserialize().next().expect("a line");
        line.expect("its columns")
    }

    #[test]
    fn a_certificate_is_used_for_an_enterprise_or_the_park_as_a_whole() {
        let header = "id,mwh,generated,region,kind,enterprise,year,retired_on\n";
        let line =
            |line: &str| certificate("p", read(&format!("{header}{line}\n"))).expect("right");
        let of = line("GEC-1,1000.5,2025-03,sichuan,certificate,steel,2025,2025-12-20");
        assert_eq!(of.used_for, "parks/p/enterprises/steel");
        assert_eq!(
            (of.mwh.as_str(), of.year, of.withdrawn),
            ("1000.5", 2025, false)
        );
        let of = line("PV-1,1,2025-03,chongqing,self_use,,2025,");
        assert_eq!(of.used_for, "parks/p");
    }

    #[test]
    fn every_wrong_field_of_a_certificate_is_told() {
        let text = "id,mwh,generated,region,kind,enterprise,year,retired_on\n\
                    a/b,-1,2025,四川,solar,e/1,soon,2025-13-01\n";
        let mistakes = certificate("p", read(text)).expect_err("wrong");
        assert_eq!(mistakes.len(), 8, "{mistakes:#?}");
        let withdrawn = "id,mwh,generated,region,kind,year,withdrawn\nGEC-1,,,,,,true\n";
        let mistakes = certificate("p", read(withdrawn)).expect_err("without a reason");
        assert_eq!(mistakes, ["reason: is missing; say why it is taken back"]);
    }

    #[test]
    fn a_basis_is_gross_or_assessed() {
        let header = "plan,basis_of_assessment,valid_from\n";
        let of = |line: &str| basis(read(&format!("{header}{line}\n")));
        assert!(of("chongqing-parks-14fyp,assessed,2024-01-01").is_ok());
        let mistakes = of("chongqing-parks-14fyp,net,2024").expect_err("wrong");
        assert_eq!(mistakes.len(), 2, "{mistakes:#?}");
    }
}
