//! Questions over gRPC, and waiting for an answer to come true.

use std::time::Duration;

use greenpark_proto::query::v1::{
    Figure, GetIndicatorRequest, Period, indicators_client::IndicatorsClient, period,
};
use tonic::{Status, transport::Channel};

use crate::meter_year::MeterYear;

/// How long an answer may take to come true.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of the indicators service at `grpc`.
///
/// # Panics
/// If nothing answers there.
pub async fn indicators(grpc: &str) -> IndicatorsClient<Channel> {
    IndicatorsClient::connect(format!("http://{grpc}"))
        .await
        .expect("the service answers")
}

/// A calendar year.
#[must_use]
pub fn year(year: i16) -> Option<Period> {
    Some(Period {
        period: Some(period::Period::Year(year.into())),
    })
}

/// The energy intensity of `name` in `of`.
///
/// # Errors
/// What the service refuses.
pub async fn energy(
    client: &mut IndicatorsClient<Channel>,
    name: &str,
    of: i16,
) -> Result<Figure, Status> {
    let request = GetIndicatorRequest {
        name: name.to_owned(),
        period: year(of),
        ..Default::default()
    };
    client
        .get_energy_intensity(request)
        .await
        .map(tonic::Response::into_inner)
}

/// The energy intensity of `name` in `of` by an answer that does not say that the processor is behind.
///
/// # Panics
/// If the service refuses, or every answer in two minutes says so.
pub async fn fresh(client: &mut IndicatorsClient<Channel>, name: &str, of: i16) -> Figure {
    let behind = |figure: &Figure| figure.notes.iter().any(|n| n.contains("behind the log"));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let figure = energy(client, name, of).await.expect("an answer");
        if !behind(&figure) {
            return figure;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the processor stays behind"
        );
    }
}

/// The highest revision that the figure was made from.
#[must_use]
pub fn revision(figure: &Figure) -> u32 {
    let revisions = figure.revisions.iter().map(|book| book.revision_max);
    revisions.max().unwrap_or(0)
}

/// Asks again and again until the figure of `name` satisfies `condition`.
///
/// # Panics
/// With the last answer, if it does not in two minutes.
pub async fn until(
    client: &mut IndicatorsClient<Channel>,
    (name, of): (&str, i16),
    condition: impl Fn(&Figure) -> bool,
) -> Figure {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        tick.tick().await;
        let answer = energy(client, name, of).await;
        match answer {
            Ok(figure) if condition(&figure) => return figure,
            other => assert!(
                tokio::time::Instant::now() < deadline,
                "{name} in {of} did not come true: {other:?}"
            ),
        }
    }
}

/// The figure of the meter's year once all of it is sealed.
///
/// # Panics
/// If it is not in two minutes.
pub async fn sealed(client: &mut IndicatorsClient<Channel>, data: &MeterYear) -> Figure {
    until(client, (data.enterprise, data.year), |figure| {
        let coverage = figure.coverage.as_ref();
        let all = coverage.is_some_and(|c| c.received == data.readings && c.open_days == 0);
        all && sealed_days(figure) == data.days
    })
    .await
}

/// Sealed enterprise-days that the figure was made from.
#[must_use]
pub fn sealed_days(figure: &Figure) -> usize {
    figure
        .revisions
        .iter()
        .map(|book| book.sealed_days as usize)
        .sum()
}

/// What the figure says was consumed of electricity, in kWh.
#[must_use]
pub fn electricity(figure: &Figure) -> Option<&str> {
    let component = figure
        .components
        .iter()
        .find(|c| c.quantity == "electricity")?;
    component
        .amount
        .as_ref()
        .map(|amount| amount.value.as_str())
}
