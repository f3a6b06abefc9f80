//! Corrections by hand over gRPC: recorded, withdrawn and listed.

use greenpark_archive::meters::MeterKey;
use greenpark_model::id::{EnterpriseId, ParkId};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::QueryError,
    figures::convert::{days, timestamp},
    grpc::{
        paging::Page,
        registry::{declare, parent},
        server::Shared,
    },
    register::{corrections::Correction, name::Name},
    scope::Scope,
};

impl Shared {
    pub(super) async fn record_correction(
        &self,
        scope: Scope,
        asked: &pb::RecordCorrectionRequest,
    ) -> Result<pb::Correction, QueryError> {
        let says = self.says(&asked.recorded_by, &asked.evidence);
        let stated = declare::correction(asked.correction.as_ref(), says)?;
        scope.check(&stated.name())?;
        let registry = self.registry().await?;
        let park = registry.park(&stated.park);
        stated.check_kind(&park.meters)?;
        let known = park.corrections(&stated.enterprise, &stated.series);
        self.record(&scope, vec![stated.settle(known, says)?])
            .await?;
        let answer = asked.correction.clone().unwrap_or_default();
        Ok(pb::Correction {
            recorded_at: Some(timestamp(says.at)),
            recorded_by: says.by.to_owned(),
            evidence: says.evidence.to_owned(),
            ..answer
        })
    }

    pub(super) async fn list_corrections(
        &self,
        scope: Scope,
        asked: &pb::ListCorrectionsRequest,
    ) -> Result<pb::ListCorrectionsResponse, QueryError> {
        let (park, of) = parent(&asked.parent)?;
        let question = format!("corrections {}", asked.parent);
        let page = Page::parse(asked.page_size, &asked.page_token, &question)?;
        scope.check(&Name::parse("parent", &asked.parent)?)?;
        let registry = self.registry_as_of(asked.as_of.as_ref()).await?;
        self.known_park(&scope, &registry, &park).await?;
        let registered = registry.park(&park);
        let wanted = |enterprise: &EnterpriseId| {
            of.as_ref().is_none_or(|of| of == enterprise) && scope.permits(&park, enterprise)
        };
        let mut all: Vec<(String, pb::Correction)> = Vec::new();
        for (meter, corrections) in registered.all_corrections() {
            if wanted(&meter.enterprise) {
                let told = corrections.iter().map(|of| told(&park, meter, of));
                all.extend(told.map(|told| (key(&told), told)));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let (listed, next_page_token) = page.cut(all, |(key, _)| key.clone());
        Ok(pb::ListCorrectionsResponse {
            corrections: listed.into_iter().map(|(_, told)| told).collect(),
            next_page_token,
        })
    }
}

fn key(of: &pb::Correction) -> String {
    let first = of.days.as_ref().map_or("", |days| days.first.as_str());
    format!("{} {} {} {first}", of.meter, of.quantity, of.kind)
}

fn told(park: &ParkId, meter: &MeterKey, of: &Correction) -> pb::Correction {
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
