//! Queries the electricity of an enterprise over gRPC.

use std::{net::SocketAddr, time::Duration};

use greenpark_proto::query::v1::{
    GetIndicatorRequest, Period, indicators_client::IndicatorsClient, period,
};

/// Returns the kWh of an enterprise in a year, and the number of readings behind them.
///
/// # Errors
/// The service does not answer, or it refuses the request.
pub async fn electricity(
    grpc: SocketAddr,
    name: &str,
    year: i16,
) -> anyhow::Result<(Option<String>, u64)> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{grpc}"))?;
    let channel = endpoint.timeout(Duration::from_secs(60)).connect().await?;
    let request = GetIndicatorRequest {
        name: name.to_owned(),
        period: Some(Period {
            period: Some(period::Period::Year(year.into())),
        }),
        ..Default::default()
    };
    let figure = IndicatorsClient::new(channel)
        .get_energy_intensity(request)
        .await?
        .into_inner();
    let received = figure.coverage.map_or(0, |coverage| coverage.received);
    let component = figure
        .components
        .into_iter()
        .find(|c| c.quantity == "electricity");
    Ok((component.and_then(|c| c.amount).map(|a| a.value), received))
}
