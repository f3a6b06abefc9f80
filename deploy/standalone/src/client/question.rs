//! The questions about one figure, and about a plan, that several commands ask.

use anyhow::Context;
use greenpark_model::{
    day::{CivilDay, Instant},
    indicator::Indicator,
};
use greenpark_proto::query::v1 as api;
use tonic::Status;

use super::{name, wire::Service};
use crate::cli::{BasisName, IndicatorName, ProgressArgs, QuestionArgs};

impl IndicatorName {
    /// The indicator that it names.
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

/// The request for one figure.
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

/// The request for how far a place is from a plan.
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

/// The basis on the wire.
fn basis(name: BasisName) -> api::Basis {
    match name {
        BasisName::Calorific => api::Basis::Calorific,
        BasisName::PrimaryEquivalent => api::Basis::PrimaryEquivalent,
    }
}

/// Reads an instant, or a day, which means its end.
///
/// # Errors
/// The text is neither.
pub fn as_of(text: &str) -> anyhow::Result<prost_types::Timestamp> {
    let instant = match text.parse::<CivilDay>() {
        Ok(day) => Instant(day.end().0 - 1),
        Err(_) => text.parse::<Instant>().with_context(|| {
            format!("--as-of {text}: write a day, or an instant as 2026-03-31T18:00:00+08:00")
        })?,
    };
    Ok(timestamp(instant))
}

/// An instant on the wire.
#[must_use]
pub fn timestamp(instant: Instant) -> prost_types::Timestamp {
    let ms = i32::try_from(instant.0.rem_euclid(1_000)).unwrap_or(0);
    prost_types::Timestamp {
        seconds: instant.0.div_euclid(1_000),
        nanos: ms * 1_000_000,
    }
}

/// Asks one figure.
///
/// # Errors
/// The service refuses or does not answer.
pub async fn ask(
    service: &Service,
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
