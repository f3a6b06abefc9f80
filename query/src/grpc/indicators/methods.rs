//! The methods of `park.query.v1.Indicators`.

use greenpark_model::indicator::Indicator;
use greenpark_proto::query::v1::{self as pb, indicators_server::Indicators};
use tonic::{Request, Response, Status};

use crate::grpc::{IndicatorsRpc, indicators::explain::explain, server::stream::Responses};

impl IndicatorsRpc {
    async fn get(
        &self,
        method: &'static str,
        indicator: Indicator,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.get(scope, indicator, message);
        shared.answer(method, &request, work).await
    }

    async fn list(
        &self,
        method: &'static str,
        indicator: Indicator,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list(scope, indicator, message);
        shared.answer(method, &request, work).await
    }
}

#[tonic::async_trait]
impl Indicators for IndicatorsRpc {
    type ExplainStream = Responses<pb::ExplainPart>;

    async fn explain(
        &self,
        request: Request<pb::ExplainRequest>,
    ) -> Result<Response<Self::ExplainStream>, Status> {
        let response = self.0.stream("Explain", request, explain).await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::ExplainPart>))
    }

    async fn get_energy_intensity(
        &self,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        self.get("GetEnergyIntensity", Indicator::EnergyIntensity, request)
            .await
    }

    async fn list_energy_intensities(
        &self,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        self.list("ListEnergyIntensities", Indicator::EnergyIntensity, request)
            .await
    }

    async fn get_water_intensity(
        &self,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        self.get("GetWaterIntensity", Indicator::WaterIntensity, request)
            .await
    }

    async fn list_water_intensities(
        &self,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        self.list("ListWaterIntensities", Indicator::WaterIntensity, request)
            .await
    }

    async fn get_waste_utilization(
        &self,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        self.get("GetWasteUtilization", Indicator::WasteUtilization, request)
            .await
    }

    async fn list_waste_utilizations(
        &self,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        self.list(
            "ListWasteUtilizations",
            Indicator::WasteUtilization,
            request,
        )
        .await
    }

    async fn get_carbon_intensity(
        &self,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        self.get("GetCarbonIntensity", Indicator::CarbonIntensity, request)
            .await
    }

    async fn list_carbon_intensities(
        &self,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        self.list("ListCarbonIntensities", Indicator::CarbonIntensity, request)
            .await
    }

    async fn get_carbon_per_energy(
        &self,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        self.get("GetCarbonPerEnergy", Indicator::CarbonPerEnergy, request)
            .await
    }

    async fn list_carbon_per_energies(
        &self,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        self.list("ListCarbonPerEnergies", Indicator::CarbonPerEnergy, request)
            .await
    }

    async fn get_water_balance(
        &self,
        request: Request<pb::GetWaterBalanceRequest>,
    ) -> Result<Response<pb::WaterBalance>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.water_balance(scope, message);
        shared.answer("GetWaterBalance", &request, work).await
    }

    async fn get_waste_ledger(
        &self,
        request: Request<pb::GetWasteLedgerRequest>,
    ) -> Result<Response<pb::WasteLedger>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.waste_ledger(scope, message);
        shared.answer("GetWasteLedger", &request, work).await
    }

    async fn get_progress(
        &self,
        request: Request<pb::GetProgressRequest>,
    ) -> Result<Response<pb::Progress>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.progress(scope, message);
        shared.answer("GetProgress", &request, work).await
    }

    async fn get_scorecard(
        &self,
        request: Request<pb::GetProgressRequest>,
    ) -> Result<Response<pb::Scorecard>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.scorecard(scope, message);
        shared.answer("GetScorecard", &request, work).await
    }

    async fn list_plans(
        &self,
        request: Request<pb::ListPlansRequest>,
    ) -> Result<Response<pb::ListPlansResponse>, Status> {
        let plans = self.0.plans.all().iter();
        let plans = plans.map(|plan| self.0.plan(plan)).collect();
        let response = pb::ListPlansResponse { plans };
        let work = |_| futures::future::ready(Ok(response.clone()));
        self.0.answer("ListPlans", &request, work).await
    }
}
