//! Figures of one or many parks and enterprises.

mod assessment;
mod explain;
pub(crate) mod lineage;
mod materials;
mod methods;
mod progress;

use std::sync::Arc;

use futures::FutureExt as _;
use greenpark_model::{
    day::DayRange,
    id::{EnterpriseId, ParkId},
    indicator::Indicator,
    soundness::Reason,
};
use greenpark_proto::query::v1 as pb;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::{
        convert::{timestamp, unsound::on_wire},
        figure::{declared_since, evaluate},
        park_days::ParkDays,
        population::{self, Population},
    },
    grpc::{
        concurrent::concurrently,
        indicators::assessment::Asker,
        options::{FigureOptions, Terms, figure_options},
        paging::Page,
        server::{Shared, answers::CachedQuestion},
    },
    register::{name::Name, registry::Registry},
};

/// Parks whose books are read concurrently.
const PARKS_AT_ONCE: usize = 2;

/// A parsed request for a figure, and the registry to evaluate it by.
pub(super) struct FigureRequest {
    pub(super) name: Name,
    pub(super) registry: Arc<Registry>,
    pub(super) terms: Terms,
}

/// The population of a figure of `name`.
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
    /// Evaluates the figure of `name` from `days`.
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
        let mut evaluated = evaluate(&question, name.to_string(), &population)?;
        let asker = Asker::new(scope, registry, name, terms);
        self.attach_assessed(asker, &question, &population, &mut evaluated)
            .await?;
        Ok(evaluated.figure)
    }

    /// Loads the days for a figure of `name` in `range`, by park. An enterprise must exist.
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
                let parks = self.permitted_parks(scope, registry).await?;
                let mut loading = Vec::new();
                for park in &parks {
                    loading.push(self.park_days(scope, registry, park, range).boxed());
                }
                days = concurrently(loading, PARKS_AT_ONCE).await?;
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

    /// The parks that `scope` permits as a whole, in order.
    pub(super) async fn permitted_parks(
        &self,
        scope: &Scope,
        registry: &Registry,
    ) -> Result<Vec<ParkId>, QueryError> {
        let mut parks = self.parks(scope, registry).await?;
        parks.retain(|park| scope.permits_park(park));
        Ok(parks)
    }

    /// Adds to the days of a figure their state when its period became final.
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

    /// Checks that `enterprise` is in the registry or in any book of the park.
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

    /// Parses a request for one figure.
    pub(super) async fn parse_figure_request(
        &self,
        indicator: Indicator,
        request: &pb::GetIndicatorRequest,
    ) -> Result<FigureRequest, QueryError> {
        let name = Name::parse("name", &request.name)?;
        let (registry, range) = self
            .parse_range(request.period.as_ref(), request.as_of.as_ref())
            .await?;
        let terms = self.terms(indicator, range, &figure_options!(request))?;
        Ok(FigureRequest {
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
        let FigureRequest {
            name,
            registry,
            terms,
        } = self.parse_figure_request(indicator, request).await?;
        scope.check(&name)?;
        let cached_question = CachedQuestion {
            text: format!("figure {terms:?}"),
            name: &name,
            last: terms.range.last(),
            scope: &scope,
            registry: &registry,
        };
        let make = async {
            let mut days = self.days_of(&scope, &registry, &name, terms.range).await?;
            self.figure(&scope, &registry, (&name, &terms), &mut days)
                .await
        };
        self.cached(cached_question, make).await
    }

    async fn list(
        &self,
        scope: Scope,
        indicator: Indicator,
        request: &pb::ListIndicatorsRequest,
    ) -> Result<pb::ListIndicatorsResponse, QueryError> {
        let parent = Name::parse("parent", &request.parent)?;
        let (registry, range) = self
            .parse_range(request.period.as_ref(), request.as_of.as_ref())
            .await?;
        let terms = self.terms(indicator, range, &figure_options!(request))?;
        let question = format!("{terms:?} {:?} {parent}", registry.as_of);
        let page = Page::parse(request.page_size, &request.page_token, &question)?;
        scope.check(&parent)?;
        let children: Vec<Name> = match &parent {
            Name::Parks => {
                let parks = self.permitted_parks(&scope, &registry).await?;
                parks.into_iter().map(Name::Park).collect()
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
        let cached_question = |name, text| CachedQuestion {
            text,
            name,
            last: terms.range.last(),
            scope: &scope,
            registry: &registry,
        };
        let figures = match &parent {
            Name::Parks => {
                let mut making = Vec::new();
                for park in &children {
                    let cached_question =
                        cached_question(park, format!("figure among parks {terms:?}"));
                    let park = std::slice::from_ref(park);
                    making.push(self.figures(cached_question, &terms, park).boxed());
                }
                let figures = concurrently(making, PARKS_AT_ONCE).await?;
                figures.into_iter().flatten().collect()
            }
            // The list of names precedes the answer and may have changed by then.
            parent => {
                let names: Vec<String> = children.iter().map(Name::to_string).collect();
                let cached_question =
                    cached_question(parent, format!("figures {terms:?} of {}", names.join(" ")));
                self.figures(cached_question, &terms, &children).await?
            }
        };
        Ok(pb::ListIndicatorsResponse {
            figures,
            next_page_token,
        })
    }

    /// The figures of `names`: the requested name itself or its enterprises.
    async fn figures(
        &self,
        cached_question: CachedQuestion<'_>,
        terms: &Terms,
        names: &[Name],
    ) -> Result<Vec<pb::Figure>, QueryError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let CachedQuestion {
            scope, registry, ..
        } = cached_question;
        let make = async {
            let mut figures = Vec::new();
            // All enterprises of a park share its days.
            let days = self.days_of(scope, registry, cached_question.name, terms.range);
            let mut days = days.await?;
            for name in names {
                days.iter_mut().for_each(ParkDays::forget_then);
                figures.push(
                    self.child(scope, registry, (name, terms), &mut days)
                        .await?,
                );
            }
            Ok(pb::ListIndicatorsResponse {
                figures,
                next_page_token: String::new(),
            })
        };
        Ok(self.cached(cached_question, make).await?.figures)
    }

    /// The figure of one child. If it declared value added at other prices than requested, its figure has no value
    /// and a note, so that the others are answered.
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
                period: Some(crate::figures::convert::days(terms.range)),
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
            figure => figure,
        }
    }

    /// Every enterprise of a park with an entry or with readings in any book, in order.
    pub(in crate::grpc) async fn enterprises(
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
