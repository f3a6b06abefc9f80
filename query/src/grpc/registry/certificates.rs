//! Declares and lists certificates, and declares bases of assessment, over gRPC.

use greenpark_proto::query::v1 as pb;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::{paging::Page, registry::declare, server::Shared},
    register::{
        certificates::{Certificate, Ledger},
        name::Name,
    },
};

impl Shared {
    pub(super) async fn declare_certificates(
        &self,
        scope: Scope,
        request: &pb::DeclareCertificatesRequest,
    ) -> Result<pb::DeclareCertificatesResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (park, certificates) =
            declare::certificates(&request.parent, &request.certificates, provenance)?;
        for certificate in &certificates {
            scope.check(certificate.used_for())?;
        }
        if !scope.sees(&park) {
            return Err(QueryError::Hidden(request.parent.clone()));
        }
        // The check sees concurrent entries: a certificate is used once in the whole lake.
        let reference = self.books.lake.reference();
        let (version, count) = reference
            .append_checked(|entries| {
                let ledger = Ledger::read(entries).map_err(QueryError::Broken)?;
                declare::certificate_entries(&certificates, &ledger, provenance)
            })
            .await?;
        self.metrics.entries_recorded.inc_by(count as u64);
        tracing::info!(entries = count, version, "entries recorded");
        Ok(pb::DeclareCertificatesResponse {
            recorded: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    pub(super) async fn declare_assessment_basis(
        &self,
        scope: Scope,
        request: &pb::DeclareAssessmentBasisRequest,
    ) -> Result<pb::AssessmentBasis, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (parent, basis) = (&request.parent, request.basis.as_ref());
        let (name, entry) = declare::assessment_basis(parent, basis, &self.plans, provenance)?;
        scope.check_whole(&name)?;
        self.record(&scope, vec![entry]).await?;
        Ok(pb::AssessmentBasis {
            recorded_at: Some(timestamp(provenance.at)),
            ..request.basis.clone().unwrap_or_default()
        })
    }

    pub(super) async fn list_certificates(
        &self,
        scope: Scope,
        request: &pb::ListCertificatesRequest,
    ) -> Result<pb::ListCertificatesResponse, QueryError> {
        let parent = Name::parse("parent", &request.parent)?;
        if matches!(parent, Name::Meter(..)) {
            let wanted = "parks/-, parks/P, parks/P/enterprises/- or parks/P/enterprises/E";
            return Err(parent.unfit("parent", wanted));
        }
        let question = format!("certificates {parent}");
        let page = Page::parse(request.page_size, &request.page_token, &question)?;
        scope.check(&parent)?;
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        if let Some(park) = parent.park() {
            self.known_park(&scope, &registry, park).await?;
        }
        let wanted =
            |of: &&Certificate| scope.check(&of.used_for).is_ok() && is_of(&parent, &of.used_for);
        let listed = registry.ledger.all().filter(wanted);
        let mut listed: Vec<(String, pb::Certificate)> = listed
            .map(|of| {
                (
                    format!("{} {} {}", of.used_for, of.year, of.id),
                    convert(of),
                )
            })
            .collect();
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let (listed, next_page_token) = page.cut(listed, |(key, _)| key.clone());
        Ok(pb::ListCertificatesResponse {
            certificates: listed.into_iter().map(|(_, of)| of).collect(),
            next_page_token,
        })
    }
}

/// True if `parent` contains `used_for`.
fn is_of(parent: &Name, used_for: &Name) -> bool {
    match parent {
        Name::Parks => true,
        Name::Park(park) => used_for.park() == Some(park),
        Name::Enterprises(park) => {
            matches!(used_for, Name::Enterprise(of, _) if of == park)
        }
        other => other == used_for,
    }
}

fn convert(of: &Certificate) -> pb::Certificate {
    pb::Certificate {
        id: of.id.clone(),
        mwh: of.mwh.to_string(),
        generated: of.generated.to_string(),
        region: of.region.to_string(),
        kind: of.kind.to_string(),
        used_for: of.used_for.to_string(),
        year: of.year.into(),
        retired_on: of.retired_on.map(|day| day.to_string()).unwrap_or_default(),
        withdrawn: false,
        reason: String::new(),
        recorded_at: Some(timestamp(of.recorded_at)),
        recorded_by: of.recorded_by.clone(),
        evidence: of.evidence.clone(),
    }
}
