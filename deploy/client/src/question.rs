//! The requests for one figure and for a plan, which several commands share.

use anyhow::Context;
use clap::{Args, ValueEnum};
use greenpark_model::{
    day::{CivilDay, Instant},
    indicator::Indicator,
};
use greenpark_proto::query::v1 as api;
use tonic::Status;

use crate::{
    connection::{ClientArgs, QueryConnection},
    name,
};

/// An indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IndicatorName {
    /// Comprehensive energy per value added.
    Energy,
    /// Water intake per value added.
    Water,
    /// Comprehensive utilisation of bulk solid waste.
    Waste,
    /// Carbon dioxide per value added.
    Carbon,
    /// Carbon dioxide per energy consumed.
    CarbonPerEnergy,
}

/// Basis of electricity in standard coal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BasisName {
    /// Its energy content.
    Calorific,
    /// The coal burnt to make it.
    PrimaryEquivalent,
}

/// A question about one figure.
#[derive(Debug, Clone, Args)]
pub struct QuestionArgs {
    /// parks/-, parks/P or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// Which indicator.
    #[arg(long, value_enum, default_value_t = IndicatorName::Energy)]
    pub of: IndicatorName,
    /// 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id [default: this year].
    #[arg(long)]
    pub period: Option<String>,
    /// Basis of electricity.
    #[arg(long, value_enum, default_value_t = BasisName::Calorific)]
    pub basis: BasisName,
    /// Price base of value added.
    #[arg(long, default_value = "constant-2020")]
    pub price_base: String,
    /// What is divided by: value_added, gross_output or product:NAME.
    #[arg(
        long,
        value_name = "SERIES",
        default_value = "",
        hide_default_value = true
    )]
    pub denominator: String,
    /// Energy-carrying media: excluded or purchased.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub media: String,
    /// A source of water that counts, such as municipal; several may be given [default: every one].
    #[arg(long, value_name = "SOURCE")]
    pub water_source: Vec<String>,
    /// A shipped factor set, such as gbt-2589-2008 [default: the service's own].
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub factor_set: String,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
}

/// Arguments of `progress`.
#[derive(Debug, Clone, Args)]
pub struct ProgressArgs {
    /// parks/P, parks/- or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// The plan.
    #[arg(long, default_value = "chongqing-parks-14fyp")]
    pub plan: String,
    /// The year to judge [default: the plan's last complete one].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub year: i32,
    /// Basis of electricity.
    #[arg(long, value_enum, default_value_t = BasisName::Calorific)]
    pub basis: BasisName,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl IndicatorName {
    /// Returns the indicator of this name.
    #[must_use]
    pub fn indicator(self) -> Indicator {
        match self {
            Self::Energy => Indicator::EnergyIntensity,
            Self::Water => Indicator::WaterIntensity,
            Self::Waste => Indicator::WasteUtilization,
            Self::Carbon => Indicator::CarbonIntensity,
            Self::CarbonPerEnergy => Indicator::CarbonPerEnergy,
        }
    }
}

/// Builds the request for one figure.
///
/// # Errors
/// The period or the instant cannot be read.
pub fn request(args: &QuestionArgs, today_year: i16) -> anyhow::Result<api::GetIndicatorRequest> {
    let period = match &args.period {
        Some(text) => name::period(text)?,
        None => name::period(&today_year.to_string())?,
    };
    Ok(api::GetIndicatorRequest {
        name: args.name.clone(),
        period: Some(period),
        basis: basis(args.basis).into(),
        price_base: args.price_base.clone(),
        media: args.media.clone(),
        denominator: args.denominator.clone(),
        water_sources: args.water_source.clone(),
        factor_set: args.factor_set.clone(),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    })
}

/// Builds the request for the progress against a plan.
///
/// # Errors
/// The instant cannot be read.
pub fn of_plan(args: &ProgressArgs) -> anyhow::Result<api::GetProgressRequest> {
    Ok(api::GetProgressRequest {
        name: args.name.clone(),
        plan: args.plan.clone(),
        year: args.year,
        basis: basis(args.basis).into(),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    })
}

/// Converts the basis to the wire.
fn basis(name: BasisName) -> api::Basis {
    match name {
        BasisName::Calorific => api::Basis::Calorific,
        BasisName::PrimaryEquivalent => api::Basis::PrimaryEquivalent,
    }
}

/// Parses an instant, or a day, which means its end.
///
/// # Errors
/// The text is neither.
pub fn as_of(text: &str) -> anyhow::Result<prost_types::Timestamp> {
    let instant = match text.parse::<CivilDay>() {
        Ok(day) => Instant::from_millis(day.end().millis() - 1),
        Err(_) => text.parse::<Instant>().with_context(|| {
            format!("--as-of {text}: write a day, or an instant as 2026-03-31T18:00:00+08:00")
        })?,
    };
    Ok(timestamp(instant))
}

/// Converts an instant to the wire.
#[must_use]
pub fn timestamp(instant: Instant) -> prost_types::Timestamp {
    let ms = i32::try_from(instant.millis().rem_euclid(1_000)).unwrap_or(0);
    prost_types::Timestamp {
        seconds: instant.millis().div_euclid(1_000),
        nanos: ms * 1_000_000,
    }
}

/// Requests one figure.
///
/// # Errors
/// The service refuses or does not answer.
pub async fn request_figure(
    service: &QueryConnection,
    of: IndicatorName,
    request: api::GetIndicatorRequest,
) -> Result<api::Figure, Status> {
    let mut client = service.indicators();
    let answer = match of {
        IndicatorName::Energy => client.get_energy_intensity(request).await,
        IndicatorName::Water => client.get_water_intensity(request).await,
        IndicatorName::Waste => client.get_waste_utilization(request).await,
        IndicatorName::Carbon => client.get_carbon_intensity(request).await,
        IndicatorName::CarbonPerEnergy => client.get_carbon_per_energy(request).await,
    };
    answer.map(tonic::Response::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_means_all_of_it_and_an_instant_itself() {
        let end = as_of("2026-03-31").expect("a day");
        let next = as_of("2026-04-01T00:00:00+08:00").expect("an instant");
        assert_eq!(end.seconds + 1, next.seconds);
        assert_eq!((end.nanos, next.nanos), (999_000_000, 0));
        let error = as_of("March").expect_err("neither").to_string();
        assert!(error.contains("--as-of March"), "{error}");
    }
}
