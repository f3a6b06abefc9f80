//! Records, withdraws and lists corrections by hand over gRPC.

use greenpark_archive::meters::MeterKey;
use greenpark_model::id::{EnterpriseId, ParkId};
use greenpark_proto::query::v1 as pb;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::{days, timestamp},
    grpc::{
        paging::Page,
        registry::{declare, parent},
        server::Shared,
    },
    register::{corrections::Correction, name::Name},
};

impl Shared {
    pub(super) async fn record_correction(
        &self,
        scope: Scope,
        request: &pb::RecordCorrectionRequest,
    ) -> Result<pb::Correction, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let stated = declare::correction(request.correction.as_ref(), provenance)?;
        scope.check(&stated.name())?;
        let registry = self.registry().await?;
        let park = registry.park(&stated.park);
        stated.check_kind(&park.meters)?;
        let known = park.corrections(&stated.enterprise, &stated.series);
        self.record(&scope, vec![stated.entry(known, provenance)?])
            .await?;
        let answer = request.correction.clone().unwrap_or_default();
        Ok(pb::Correction {
            recorded_at: Some(timestamp(provenance.at)),
            recorded_by: provenance.by.to_owned(),
            evidence: provenance.evidence.to_owned(),
            ..answer
        })
    }

    pub(super) async fn list_corrections(
        &self,
        scope: Scope,
        request: &pb::ListCorrectionsRequest,
    ) -> Result<pb::ListCorrectionsResponse, QueryError> {
        let (park, of) = parent(&request.parent)?;
        let question = format!("corrections {}", request.parent);
        let page = Page::parse(request.page_size, &request.page_token, &question)?;
        scope.check(&Name::parse("parent", &request.parent)?)?;
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        self.known_park(&scope, &registry, &park).await?;
        let registered = registry.park(&park);
        let wanted = |enterprise: &EnterpriseId| {
            of.as_ref().is_none_or(|of| of == enterprise) && scope.permits(&park, enterprise)
        };
        let mut all: Vec<(String, pb::Correction)> = Vec::new();
        for (meter, corrections) in registered.all_corrections() {
            if wanted(&meter.enterprise) {
                let converted = corrections.iter().map(|of| convert(&park, meter, of));
                all.extend(converted.map(|of| (key(&of), of)));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let (listed, next_page_token) = page.cut(all, |(key, _)| key.clone());
        Ok(pb::ListCorrectionsResponse {
            corrections: listed.into_iter().map(|(_, of)| of).collect(),
            next_page_token,
        })
    }
}

fn key(of: &pb::Correction) -> String {
    let first = of.days.as_ref().map_or("", |days| days.first.as_str());
    format!("{} {} {} {first}", of.meter, of.quantity, of.kind)
}

fn convert(park: &ParkId, meter: &MeterKey, of: &Correction) -> pb::Correction {
    let name = Name::Meter(park.clone(), meter.enterprise.clone(), meter.meter.clone());
    pb::Correction {
        meter: name.to_string(),
        quantity: meter.quantity.to_string(),
        kind: of.kind.as_str().to_owned(),
        days: Some(days(of.days)),
        amount: of.amount.to_string(),
        reason: of.reason.clone(),
        recorded_at: Some(timestamp(of.recorded_at)),
        recorded_by: of.recorded_by.clone(),
        evidence: of.evidence.clone(),
        withdrawn: false,
    }
}
