//! What is asked of figures, but for whom: read from a request, every mistake told at once.

pub(crate) mod period;

use std::sync::Arc;

use greenpark_model::{
    coal::{Basis, Media, UnknownMedia},
    day::DayRange,
    indicator::Indicator,
    money::PriceBase,
    water::WaterSource,
};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::QueryError,
    figures::measure::Question,
    grpc::server::Shared,
    register::{
        registry::Registry,
        statistics::{StatisticSeries, UnknownSeries},
    },
};

/// What is asked, but for whom.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) indicator: Indicator,
    pub(super) range: DayRange,
    pub(super) basis: Basis,
    pub(super) price_base: PriceBase,
    pub(super) media: Media,
    pub(super) per: StatisticSeries,
    /// The sources of water that count; every one where there is none.
    pub(super) sources: Vec<WaterSource>,
    /// The id of a factor set; the service's own where it is empty.
    pub(super) factor_set: String,
}

impl Terms {
    /// What is asked where nothing but this is said.
    pub(super) fn plain(indicator: Indicator, range: DayRange) -> Self {
        Self {
            indicator,
            range,
            basis: Basis::Calorific,
            price_base: PriceBase::Constant(2020),
            media: Media::Excluded,
            per: StatisticSeries::ValueAdded,
            sources: Vec::new(),
            factor_set: String::new(),
        }
    }
}

/// What requests for one figure and for many say alike.
pub(super) struct Wishes<'a> {
    pub(super) basis: i32,
    pub(super) price_base: &'a str,
    pub(super) media: &'a str,
    pub(super) denominator: &'a str,
    pub(super) water_sources: &'a [String],
    pub(super) factor_set: &'a str,
}

/// The wishes of a request.
macro_rules! wishes {
    ($request:expr) => {
        Wishes {
            basis: $request.basis,
            price_base: &$request.price_base,
            media: &$request.media,
            denominator: &$request.denominator,
            water_sources: &$request.water_sources,
            factor_set: &$request.factor_set,
        }
    };
}

pub(super) use wishes;

impl Shared {
    pub(super) fn question<'a>(
        &'a self,
        terms: &'a Terms,
        registry: &'a Registry,
    ) -> Result<Question<'a>, QueryError> {
        Ok(Question {
            indicator: terms.indicator,
            range: terms.range,
            basis: terms.basis,
            price_base: terms.price_base,
            media: terms.media,
            per: &terms.per,
            sources: &terms.sources,
            rules: self.data.rules(&terms.factor_set)?,
            now: self.moment(registry),
        })
    }

    /// The range of a request, and what was registered then.
    pub(super) async fn asked_range(
        &self,
        asked: Option<&pb::Period>,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<(Arc<Registry>, DayRange), QueryError> {
        let registry = self.registry_as_of(as_of).await?;
        let today = self.moment(&registry).day();
        let range = period::resolve(asked, self.plans.all(), today)?;
        Ok((registry, range))
    }

    /// What a request for figures asks, in `range`.
    pub(super) fn terms(
        &self,
        indicator: Indicator,
        range: DayRange,
        asked: &Wishes<'_>,
    ) -> Result<Terms, QueryError> {
        let mut wrong = Vec::new();
        let mut take = |field: &str, problem: String| {
            wrong.extend(QueryError::invalid(field, problem).violations());
        };
        let media = asked.media.parse().unwrap_or_else(|error: UnknownMedia| {
            if !asked.media.is_empty() {
                take("media", error.to_string());
            }
            Media::Excluded
        });
        if media == Media::Purchased && indicator != Indicator::EnergyIntensity {
            take(
                "media",
                "has a meaning for energy-intensity only".to_owned(),
            );
        }
        let per = asked
            .denominator
            .parse()
            .unwrap_or_else(|error: UnknownSeries| {
                if !asked.denominator.is_empty() {
                    take("denominator", error.to_string());
                }
                StatisticSeries::ValueAdded
            });
        let undivided = [Indicator::WasteUtilization, Indicator::CarbonPerEnergy];
        if !asked.denominator.is_empty() && undivided.contains(&indicator) {
            take(
                "denominator",
                format!("{indicator} has a denominator of its own; leave it empty"),
            );
        }
        if !per.is_output() {
            take(
                "denominator",
                "is no output; ask per value_added, gross_output or product:NAME".to_owned(),
            );
        }
        let sources = water_sources(asked.water_sources, indicator, &mut take);
        if !wrong.is_empty() {
            return Err(QueryError::Invalid(wrong));
        }
        let terms = Terms {
            basis: basis(asked.basis)?,
            price_base: price_base("price_base", asked.price_base)?,
            media,
            per,
            sources,
            factor_set: asked.factor_set.to_owned(),
            ..Terms::plain(indicator, range)
        };
        self.data.rules(&terms.factor_set)?;
        Ok(terms)
    }
}

/// The sources that are named, each once and in order.
fn water_sources(
    names: &[String],
    indicator: Indicator,
    wrong: &mut impl FnMut(&str, String),
) -> Vec<WaterSource> {
    let mut sources = Vec::new();
    for name in names {
        match name.parse::<WaterSource>() {
            Ok(source) => sources.push(source),
            Err(error) => wrong("water_sources", error.to_string()),
        }
    }
    if !sources.is_empty() && indicator != Indicator::WaterIntensity {
        wrong(
            "water_sources",
            "has a meaning for water-intensity only".to_owned(),
        );
    }
    sources.sort_unstable();
    sources.dedup();
    sources
}

pub(super) fn basis(code: i32) -> Result<Basis, QueryError> {
    match pb::Basis::try_from(code) {
        Ok(pb::Basis::Unspecified | pb::Basis::Calorific) => Ok(Basis::Calorific),
        Ok(pb::Basis::PrimaryEquivalent) => Ok(Basis::PrimaryEquivalent),
        Err(_) => Err(QueryError::invalid(
            "basis",
            format!("{code} is none; write BASIS_CALORIFIC or BASIS_PRIMARY_EQUIVALENT"),
        )),
    }
}

fn price_base(field: &str, text: &str) -> Result<PriceBase, QueryError> {
    if text.is_empty() {
        return Ok(PriceBase::Constant(2020));
    }
    text.parse()
        .map_err(|error: greenpark_model::money::UnknownPriceBase| {
            QueryError::invalid(field, error.to_string())
        })
}
