//! Queries over gRPC, and waiting for an expected answer.

use std::time::Duration;

use greenpark_proto::query::v1::{
    Figure, GetIndicatorRequest, Period, indicators_client::IndicatorsClient, period,
};
use tonic::{Status, transport::Channel};

use crate::meter_year::MeterYear;

/// How long to wait for an expected answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Connects to the indicators service at `grpc`.
///
/// # Panics
/// If the service does not answer.
pub async fn indicators(grpc: &str) -> IndicatorsClient<Channel> {
    IndicatorsClient::connect(format!("http://{grpc}"))
        .await
        .expect("the service answers")
}

/// A calendar year as a period.
#[must_use]
pub fn year(year: i16) -> Option<Period> {
    Some(Period {
        period: Some(period::Period::Year(year.into())),
    })
}

/// Queries the energy intensity of `name` in the year `of`.
///
/// # Errors
/// The service refuses the request.
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

/// Queries the energy intensity of `name` in the year `of` until the answer does not note that the processor is
/// behind the log.
///
/// # Panics
/// If the service refuses, or every answer within two minutes notes it.
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

/// The highest revision behind the figure.
#[must_use]
pub fn revision(figure: &Figure) -> u32 {
    let revisions = figure.revisions.iter().map(|book| book.revision_max);
    revisions.max().unwrap_or(0)
}

/// Queries repeatedly until the figure of `name` satisfies `condition`.
///
/// # Panics
/// With the last answer, if no answer does within two minutes.
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

/// Returns the figure of the meter's year once all its days are sealed.
///
/// # Panics
/// If they are not sealed within two minutes.
pub async fn sealed(client: &mut IndicatorsClient<Channel>, data: &MeterYear) -> Figure {
    until(client, (data.enterprise, data.year), |figure| {
        let coverage = figure.coverage.as_ref();
        let all = coverage.is_some_and(|c| c.received == data.readings && c.open_days == 0);
        all && sealed_days(figure) == data.days
    })
    .await
}

/// Number of sealed enterprise-days behind the figure.
#[must_use]
pub fn sealed_days(figure: &Figure) -> usize {
    figure
        .revisions
        .iter()
        .map(|book| book.sealed_days as usize)
        .sum()
}

/// The electricity of the figure in kWh.
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
