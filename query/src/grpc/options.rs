//! The terms of a request for figures, apart from the population. Parsing reports every mistake at once.

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

/// The terms of a question about figures. Its `Debug` text is part of a page's token.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) indicator: Indicator,
    pub(super) range: DayRange,
    pub(super) basis: Basis,
    pub(super) price_base: PriceBase,
    pub(super) media: Media,
    pub(super) per: StatisticSeries,
    /// The sources of water that count; empty for all.
    pub(super) sources: Vec<WaterSource>,
    /// The id of a factor set; empty for the service's own.
    pub(super) factor_set: String,
}

impl Terms {
    /// The terms with defaults for everything else.
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

/// The options that requests for one figure and for many share.
pub(super) struct FigureOptions<'a> {
    pub(super) basis: i32,
    pub(super) price_base: &'a str,
    pub(super) media: &'a str,
    pub(super) denominator: &'a str,
    pub(super) water_sources: &'a [String],
    pub(super) factor_set: &'a str,
}

/// The [`FigureOptions`] of a request.
macro_rules! figure_options {
    ($request:expr) => {
        FigureOptions {
            basis: $request.basis,
            price_base: &$request.price_base,
            media: &$request.media,
            denominator: &$request.denominator,
            water_sources: &$request.water_sources,
            factor_set: &$request.factor_set,
        }
    };
}

pub(super) use figure_options;

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

    /// Parses the range of a request, and loads the registry of `as_of`.
    pub(super) async fn parse_range(
        &self,
        period: Option<&pb::Period>,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<(Arc<Registry>, DayRange), QueryError> {
        let registry = self.registry_as_of(as_of).await?;
        let today = self.moment(&registry).day();
        let range = period::resolve(period, self.plans.all(), today)?;
        Ok((registry, range))
    }

    /// Parses the terms of a request for figures in `range`.
    pub(super) fn terms(
        &self,
        indicator: Indicator,
        range: DayRange,
        options: &FigureOptions<'_>,
    ) -> Result<Terms, QueryError> {
        let mut wrong = Vec::new();
        let mut take = |field: &str, problem: String| {
            wrong.extend(QueryError::invalid(field, problem).violations());
        };
        let media = options.media.parse().unwrap_or_else(|error: UnknownMedia| {
            if !options.media.is_empty() {
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
        let per = options
            .denominator
            .parse()
            .unwrap_or_else(|error: UnknownSeries| {
                if !options.denominator.is_empty() {
                    take("denominator", error.to_string());
                }
                StatisticSeries::ValueAdded
            });
        let undivided = [Indicator::WasteUtilization, Indicator::CarbonPerEnergy];
        if !options.denominator.is_empty() && undivided.contains(&indicator) {
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
        let sources = water_sources(options.water_sources, indicator, &mut take);
        if !wrong.is_empty() {
            return Err(QueryError::Invalid(wrong));
        }
        let terms = Terms {
            basis: basis(options.basis)?,
            price_base: price_base("price_base", options.price_base)?,
            media,
            per,
            sources,
            factor_set: options.factor_set.to_owned(),
            ..Terms::plain(indicator, range)
        };
        self.data.rules(&terms.factor_set)?;
        Ok(terms)
    }
}

/// Parses the named sources; each once, in order.
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
