//! `park.query.v1.Indicators`.

use std::sync::Arc;

use greenpark_model::{
    day::DayRange,
    id::{EnterpriseId, ParkId},
    indicator::Indicator,
    soundness::Reason,
};
use greenpark_proto::query::v1::{self as pb, indicators_server::Indicators};
use tonic::{Request, Response, Status};

use crate::{
    error::QueryError,
    figure::{Population, declared_since, tell, timestamp},
    name::Name,
    paging::Page,
    park_days::ParkDays,
    population,
    registry::Registry,
    rpc::{
        IndicatorsRpc,
        assessment::Asker,
        explain::explain,
        readings::Responses,
        terms::{Terms, Wishes, wishes},
    },
    scope::Scope,
    service::Shared,
    soundness::on_wire,
};

/// A figure that is asked, and the registry that it is asked by.
pub(super) struct Asked {
    pub(super) name: Name,
    pub(super) registry: Arc<Registry>,
    pub(super) terms: Terms,
}

/// Who is counted in a figure of `name`.
pub(super) fn population_of<'a>(
    name: &Name,
    days: &'a [ParkDays],
    range: DayRange,
) -> Population<'a> {
    match (name, days.first()) {
        (Name::Enterprise(_, enterprise), Some(park)) => {
            population::named(park, enterprise.clone())
        }
        _ => population::of_parks(days, range),
    }
}

impl Shared {
    /// The figure of `name`, which stands on `days`.
    async fn figure(
        &self,
        scope: &Scope,
        registry: &Registry,
        (name, terms): (&Name, &Terms),
        days: &mut [ParkDays],
    ) -> Result<pb::Figure, QueryError> {
        self.recall(registry, name, terms, days).await?;
        let population = population_of(name, days, terms.range);
        let question = self.question(terms, registry)?;
        let population = population.making(&question);
        let mut told = tell(&question, name.to_string(), &population)?;
        let asker = Asker::new(scope, registry, name, terms);
        self.put_beside(asker, &question, &population, &mut told)
            .await?;
        Ok(told.figure)
    }

    /// The days that a figure of `name` in `range` stands on, by park; an enterprise must exist.
    pub(super) async fn days_of(
        &self,
        scope: &Scope,
        registry: &Registry,
        name: &Name,
        range: DayRange,
    ) -> Result<Vec<ParkDays>, QueryError> {
        scope.check(name)?;
        let mut days = Vec::new();
        match name {
            Name::Parks => {
                for park in self.parks(scope, registry).await? {
                    if scope.permits_park(&park) {
                        days.push(self.park_days(scope, registry, &park, range).await?);
                    }
                }
            }
            Name::Park(park) | Name::Enterprise(park, _) => {
                days.push(self.park_days(scope, registry, park, range).await?);
            }
            _ => return Err(name.unfit("name", "parks/-, parks/P or parks/P/enterprises/E")),
        }
        if let (Name::Enterprise(_, enterprise), Some(park)) = (name, days.first())
            && !park.with_readings().contains(enterprise)
        {
            self.known_enterprise(scope, registry, &park.park, enterprise)
                .await?;
        }
        Ok(days)
    }

    /// Adds to the days of a figure what was known of them when its period was final.
    pub(super) async fn recall(
        &self,
        registry: &Registry,
        name: &Name,
        terms: &Terms,
        days: &mut [ParkDays],
    ) -> Result<(), QueryError> {
        let range = terms.range;
        if range.last().end() > self.moment(registry) {
            return Ok(());
        }
        let since = {
            let question = self.question(terms, registry)?;
            let population = population_of(name, days, range).making(&question);
            declared_since(&question, &population)
        };
        if let Some(since) = since {
            for park in days {
                park.recall(&self.books, since, range).await?;
            }
        }
        Ok(())
    }

    /// Whether there is `enterprise`: in the registry, or in any book of the park.
    pub(super) async fn known_enterprise(
        &self,
        scope: &Scope,
        registry: &Registry,
        park: &ParkId,
        enterprise: &EnterpriseId,
    ) -> Result<(), QueryError> {
        if registry.park(park).known_enterprises().contains(enterprise) {
            return Ok(());
        }
        let all = self.enterprises(scope, registry, park).await?;
        if all.contains(enterprise) {
            return Ok(());
        }
        let name = |enterprise| Name::Enterprise(park.clone(), enterprise).to_string();
        Err(QueryError::NotFound {
            name: name(enterprise.clone()),
            known: all.into_iter().map(name).collect(),
        })
    }

    /// What a request for one figure asks.
    pub(super) async fn asked_figure(
        &self,
        indicator: Indicator,
        request: &pb::GetIndicatorRequest,
    ) -> Result<Asked, QueryError> {
        let name = Name::parse("name", &request.name)?;
        let (registry, range) = self
            .asked_range(request.period.as_ref(), request.as_of.as_ref())
            .await?;
        let terms = self.terms(indicator, range, &wishes!(request))?;
        Ok(Asked {
            name,
            registry,
            terms,
        })
    }

    pub(crate) async fn get(
        &self,
        scope: Scope,
        indicator: Indicator,
        request: &pb::GetIndicatorRequest,
    ) -> Result<pb::Figure, QueryError> {
        let Asked {
            name,
            registry,
            terms,
        } = self.asked_figure(indicator, request).await?;
        let mut days = self.days_of(&scope, &registry, &name, terms.range).await?;
        self.figure(&scope, &registry, (&name, &terms), &mut days)
            .await
    }

    async fn list(
        &self,
        scope: Scope,
        indicator: Indicator,
        request: &pb::ListIndicatorsRequest,
    ) -> Result<pb::ListIndicatorsResponse, QueryError> {
        let parent = Name::parse("parent", &request.parent)?;
        let (registry, range) = self
            .asked_range(request.period.as_ref(), request.as_of.as_ref())
            .await?;
        let terms = self.terms(indicator, range, &wishes!(request))?;
        let question = format!("{terms:?} {:?} {parent}", registry.as_of);
        let page = Page::parse(request.page_size, &request.page_token, &question)?;
        scope.check(&parent)?;
        let children: Vec<Name> = match &parent {
            Name::Parks => {
                let parks = self.parks(&scope, &registry).await?;
                parks
                    .into_iter()
                    .filter(|p| scope.permits_park(p))
                    .map(Name::Park)
                    .collect()
            }
            Name::Park(park) => {
                self.known_park(&scope, &registry, park).await?;
                let enterprises = self.enterprises(&scope, &registry, park).await?;
                enterprises
                    .into_iter()
                    .map(|e| Name::Enterprise(park.clone(), e))
                    .collect()
            }
            _ => return Err(parent.unfit("parent", "parks/- or parks/P")),
        };
        let (children, next_page_token) = page.cut(children, Name::to_string);
        let mut figures = Vec::with_capacity(children.len());
        // The days of a park serve for all its enterprises.
        let mut days = match (&parent, children.is_empty()) {
            (Name::Park(_), false) => {
                self.days_of(&scope, &registry, &parent, terms.range)
                    .await?
            }
            _ => Vec::new(),
        };
        for child in children {
            if let Name::Park(_) = child {
                days = self.days_of(&scope, &registry, &child, terms.range).await?;
            }
            days.iter_mut().for_each(ParkDays::forget_then);
            let asked = (&child, &terms);
            figures.push(self.child(&scope, &registry, asked, &mut days).await?);
        }
        Ok(pb::ListIndicatorsResponse {
            figures,
            next_page_token,
        })
    }

    /// The figure of one child. One that declared at other prices than asked has no value and a note, so
    /// that the others are told.
    async fn child(
        &self,
        scope: &Scope,
        registry: &Registry,
        (child, terms): (&Name, &Terms),
        days: &mut [ParkDays],
    ) -> Result<pb::Figure, QueryError> {
        match self.figure(scope, registry, (child, terms), days).await {
            Err(error @ QueryError::MixedPriceBases { .. }) => Ok(pb::Figure {
                name: child.to_string(),
                indicator: terms.indicator.to_string(),
                period: Some(crate::figure::days(terms.range)),
                unit: terms.indicator.unit().to_owned(),
                price_base: terms.price_base.to_string(),
                status: pb::PeriodStatus::Operational.into(),
                as_of: Some(timestamp(self.moment(registry))),
                notes: vec![format!("there is no value: {}", error.status().message())],
                unsound: on_wire(
                    &[Reason::Undeclared {
                        enterprises: vec![child.to_string()],
                    }],
                    0,
                ),
                ..pb::Figure::default()
            }),
            told => told,
        }
    }

    /// Every enterprise of a park that is registered or has readings in any book, in order.
    pub(super) async fn enterprises(
        &self,
        scope: &Scope,
        registry: &Registry,
        park: &ParkId,
    ) -> Result<Vec<EnterpriseId>, QueryError> {
        let registered = registry.park(park);
        let mut all = registered.known_enterprises();
        for year in self.books.lake.years(park).await? {
            let found = self
                .books
                .enterprises(park, year, &registered, registry.as_of);
            all.extend(found.await?.iter().cloned());
        }
        Ok(all.into_iter().filter(|e| scope.permits(park, e)).collect())
    }
}

impl IndicatorsRpc {
    async fn get(
        &self,
        method: &'static str,
        indicator: Indicator,
        request: Request<pb::GetIndicatorRequest>,
    ) -> Result<Response<pb::Figure>, Status> {
        let (shared, asked) = (&self.0, request.get_ref());
        let work = |scope| shared.get(scope, indicator, asked);
        shared.answer(method, request.metadata(), work).await
    }

    async fn list(
        &self,
        method: &'static str,
        indicator: Indicator,
        request: Request<pb::ListIndicatorsRequest>,
    ) -> Result<Response<pb::ListIndicatorsResponse>, Status> {
        let (shared, asked) = (&self.0, request.get_ref());
        let work = |scope| shared.list(scope, indicator, asked);
        shared.answer(method, request.metadata(), work).await
    }
}

#[tonic::async_trait]
impl Indicators for IndicatorsRpc {
    type ExplainStream = Responses<pb::ExplainPart>;

    async fn explain(
        &self,
        request: Request<pb::ExplainRequest>,
    ) -> Result<Response<Self::ExplainStream>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let work = |shared, scope, to| explain(shared, scope, asked, to);
        let response = self.0.stream("Explain", &metadata, work).await?;
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
        let (shared, asked) = (&self.0, request.get_ref());
        let work = |scope| shared.water_balance(scope, asked);
        shared
            .answer("GetWaterBalance", request.metadata(), work)
            .await
    }

    async fn get_waste_ledger(
        &self,
        request: Request<pb::GetWasteLedgerRequest>,
    ) -> Result<Response<pb::WasteLedger>, Status> {
        let (shared, asked) = (&self.0, request.get_ref());
        let work = |scope| shared.waste_ledger(scope, asked);
        shared
            .answer("GetWasteLedger", request.metadata(), work)
            .await
    }

    async fn get_progress(
        &self,
        request: Request<pb::GetProgressRequest>,
    ) -> Result<Response<pb::Progress>, Status> {
        let (shared, asked) = (&self.0, request.get_ref());
        let work = |scope| shared.progress(scope, asked);
        shared.answer("GetProgress", request.metadata(), work).await
    }

    async fn get_scorecard(
        &self,
        request: Request<pb::GetProgressRequest>,
    ) -> Result<Response<pb::Scorecard>, Status> {
        let (shared, asked) = (&self.0, request.get_ref());
        let work = |scope| shared.scorecard(scope, asked);
        shared
            .answer("GetScorecard", request.metadata(), work)
            .await
    }

    async fn list_plans(
        &self,
        request: Request<pb::ListPlansRequest>,
    ) -> Result<Response<pb::ListPlansResponse>, Status> {
        let plans = self.0.plans.all().iter();
        let plans = plans.map(|plan| self.0.plan(plan)).collect();
        let response = pb::ListPlansResponse { plans };
        let work = |_| futures::future::ready(Ok(response.clone()));
        self.0.answer("ListPlans", request.metadata(), work).await
    }
}
