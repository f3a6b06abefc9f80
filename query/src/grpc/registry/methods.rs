//! The methods of `park.query.v1.Registry`.

use greenpark_proto::query::v1::{self as pb, registry_server::Registry};
use tonic::{Request, Response, Status};

use crate::{
    access::scope::Scope,
    grpc::{RegistryRpc, registry::declare},
};

#[tonic::async_trait]
impl Registry for RegistryRpc {
    async fn list_parks(
        &self,
        request: Request<pb::ListParksRequest>,
    ) -> Result<Response<pb::ListParksResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_parks(scope, message);
        shared.answer("ListParks", &request, work).await
    }

    async fn register_enterprise(
        &self,
        request: Request<pb::RegisterEnterpriseRequest>,
    ) -> Result<Response<pb::Enterprise>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.register_enterprise(scope, message);
        shared.answer("RegisterEnterprise", &request, work).await
    }

    async fn list_enterprises(
        &self,
        request: Request<pb::ListEnterprisesRequest>,
    ) -> Result<Response<pb::ListEnterprisesResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_enterprises(scope, message);
        shared.answer("ListEnterprises", &request, work).await
    }

    async fn register_meter(
        &self,
        request: Request<pb::RegisterMeterRequest>,
    ) -> Result<Response<pb::Meter>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.register_meter(scope, message);
        shared.answer("RegisterMeter", &request, work).await
    }

    async fn record_meter_change(
        &self,
        request: Request<pb::RecordMeterChangeRequest>,
    ) -> Result<Response<pb::MeterChange>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.record_meter_change(scope, message);
        shared.answer("RecordMeterChange", &request, work).await
    }

    async fn declare_calorific_values(
        &self,
        request: Request<pb::DeclareCalorificValuesRequest>,
    ) -> Result<Response<pb::DeclareCalorificValuesResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.declare_calorific_values(scope, message);
        shared
            .answer("DeclareCalorificValues", &request, work)
            .await
    }

    async fn declare_sides(
        &self,
        request: Request<pb::DeclareSidesRequest>,
    ) -> Result<Response<pb::DeclareSidesResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.declare_sides(scope, message);
        shared.answer("DeclareSides", &request, work).await
    }

    async fn withdraw(
        &self,
        request: Request<pb::WithdrawRequest>,
    ) -> Result<Response<pb::WithdrawResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.withdraw(scope, message);
        shared.answer("Withdraw", &request, work).await
    }

    async fn declare_deflators(
        &self,
        request: Request<pb::DeclareDeflatorsRequest>,
    ) -> Result<Response<pb::DeclareDeflatorsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.declare_deflators(scope, message);
        shared.answer("DeclareDeflators", &request, work).await
    }

    async fn declare_indicators(
        &self,
        request: Request<pb::DeclareIndicatorsRequest>,
    ) -> Result<Response<pb::DeclareIndicatorsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope: Scope| async move {
            let provenance = shared.provenance(&message.recorded_by, &message.evidence);
            let (parent, values) = (&message.parent, &message.values);
            let (name, entries) = declare::indicators(parent, values, &shared.plans, provenance)?;
            scope.check_whole(&name)?;
            let recorded = shared.record(&scope, entries).await?;
            Ok(pb::DeclareIndicatorsResponse { recorded })
        };
        shared.answer("DeclareIndicators", &request, work).await
    }

    async fn list_meters(
        &self,
        request: Request<pb::ListMetersRequest>,
    ) -> Result<Response<pb::ListMetersResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_meters(scope, message);
        shared.answer("ListMeters", &request, work).await
    }

    async fn record_correction(
        &self,
        request: Request<pb::RecordCorrectionRequest>,
    ) -> Result<Response<pb::Correction>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.record_correction(scope, message);
        shared.answer("RecordCorrection", &request, work).await
    }

    async fn list_corrections(
        &self,
        request: Request<pb::ListCorrectionsRequest>,
    ) -> Result<Response<pb::ListCorrectionsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_corrections(scope, message);
        shared.answer("ListCorrections", &request, work).await
    }

    async fn declare_statistics(
        &self,
        request: Request<pb::DeclareStatisticsRequest>,
    ) -> Result<Response<pb::DeclareStatisticsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.declare_statistics(scope, message);
        shared.answer("DeclareStatistics", &request, work).await
    }

    async fn list_statistics(
        &self,
        request: Request<pb::ListStatisticsRequest>,
    ) -> Result<Response<pb::ListStatisticsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_statistics(scope, message);
        shared.answer("ListStatistics", &request, work).await
    }

    async fn declare_certificates(
        &self,
        request: Request<pb::DeclareCertificatesRequest>,
    ) -> Result<Response<pb::DeclareCertificatesResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.declare_certificates(scope, message);
        shared.answer("DeclareCertificates", &request, work).await
    }

    async fn list_certificates(
        &self,
        request: Request<pb::ListCertificatesRequest>,
    ) -> Result<Response<pb::ListCertificatesResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_certificates(scope, message);
        shared.answer("ListCertificates", &request, work).await
    }

    async fn declare_assessment_basis(
        &self,
        request: Request<pb::DeclareAssessmentBasisRequest>,
    ) -> Result<Response<pb::AssessmentBasis>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.declare_assessment_basis(scope, message);
        shared
            .answer("DeclareAssessmentBasis", &request, work)
            .await
    }
}
