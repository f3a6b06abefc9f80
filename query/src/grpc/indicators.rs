//! Figures of parks and enterprises, one and many.

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
    error::QueryError,
    figures::{
        convert::{timestamp, unsound::on_wire},
        figure::{declared_since, evaluate},
        park_days::ParkDays,
        population::{self, Population},
    },
    grpc::{
        concurrent::beside,
        indicators::assessment::Asker,
        options::{Terms, Wishes, wishes},
        paging::Page,
        server::{Shared, answers::Asking},
    },
    register::{name::Name, registry::Registry},
    scope::Scope,
};

/// Parks whose books are read beside each other.
const PARKS_AT_ONCE: usize = 2;

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
        let mut told = evaluate(&question, name.to_string(), &population)?;
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
                let parks = self.permitted_parks(scope, registry).await?;
                let mut loading = Vec::new();
                for park in &parks {
                    loading.push(self.park_days(scope, registry, park, range).boxed());
                }
                days = beside(loading, PARKS_AT_ONCE).await?;
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

    /// The parks of which every enterprise is permitted, in order.
    pub(super) async fn permitted_parks(
        &self,
        scope: &Scope,
        registry: &Registry,
    ) -> Result<Vec<ParkId>, QueryError> {
        let mut parks = self.parks(scope, registry).await?;
        parks.retain(|park| scope.permits_park(park));
        Ok(parks)
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
        scope.check(&name)?;
        let asking = Asking {
            what: format!("figure {terms:?}"),
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
        self.once(asking, make).await
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
        let asking = |name, what| Asking {
            what,
            name,
            last: terms.range.last(),
            scope: &scope,
            registry: &registry,
        };
        let figures = match &parent {
            Name::Parks => {
                let mut making = Vec::new();
                for park in &children {
                    let asking = asking(park, format!("figure among parks {terms:?}"));
                    let park = std::slice::from_ref(park);
                    making.push(self.figures(asking, &terms, park).boxed());
                }
                let figures = beside(making, PARKS_AT_ONCE).await?;
                figures.into_iter().flatten().collect()
            }
            // Who is listed was told before the answer is, and may be others by then.
            parent => {
                let names: Vec<String> = children.iter().map(Name::to_string).collect();
                let asking = asking(parent, format!("figures {terms:?} of {}", names.join(" ")));
                self.figures(asking, &terms, &children).await?
            }
        };
        Ok(pb::ListIndicatorsResponse {
            figures,
            next_page_token,
        })
    }

    /// The figures of `names`, which are what is asked or its enterprises.
    async fn figures(
        &self,
        asking: Asking<'_>,
        terms: &Terms,
        names: &[Name],
    ) -> Result<Vec<pb::Figure>, QueryError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let Asking {
            scope, registry, ..
        } = asking;
        let make = async {
            let mut figures = Vec::new();
            // The days of a park serve for all its enterprises.
            let days = self.days_of(scope, registry, asking.name, terms.range);
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
        Ok(self.once(asking, make).await?.figures)
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
