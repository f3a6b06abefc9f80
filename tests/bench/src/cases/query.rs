//! Queries over gRPC: the yearly intensity of a park from the daily totals of 96 meters.

use std::{future::Future, net::Ipv4Addr, path::PathBuf};

use greenpark_archive::lake::Lake;
use greenpark_model::{clock::Clock, day::Instant};
use greenpark_proto::query::v1::{
    Figure, GetCheckpointRequest, GetIndicatorRequest, Period, indicators_client::IndicatorsClient,
    period, proofs_client::ProofsClient,
};
use greenpark_query::{QueryService, QuerySettings};
use tokio::{net::TcpListener, runtime::Runtime};
use tonic::transport::Channel;

use super::rest::{METERS, fill};
use crate::{
    fixture::{BenchNode, NOW_MS, sealed},
    measure::Measure,
};

/// Days of hourly history.
const DAYS: i64 = 300;
/// Number of queries after the first.
const QUERIES: u64 = 500;

/// Measures the first query of a process, which reads the totals, and the following ones.
pub(crate) fn intensity(runtime: &Runtime) {
    runtime.block_on(async {
        let node = BenchNode::new();
        let lake = node.lake().await;
        let readings = fill(&node, DAYS, 60).await;
        let processor = node.process(&lake).await;
        sealed(&lake, readings).await;
        processor.stop().await;
        let channel = serve(lake.clone(), QuerySettings::default()).await;
        let mut client = IndicatorsClient::new(channel);
        let measure = Measure::begin("question, cold (a year's intensity)");
        let first = query_year(&mut client).await;
        measure.end(1);
        let measure = Measure::begin("question, warm (a year's intensity)");
        for _query in 0..QUERIES {
            let again = query_year(&mut client).await;
            assert_eq!(again.numerator, first.numerator);
        }
        measure.end(QUERIES);
        let unlogged = QuerySettings {
            access_log: false,
            ..QuerySettings::default()
        };
        let mut unlogged = IndicatorsClient::new(serve(lake, unlogged).await);
        query_year(&mut unlogged).await;
        // In turn, so that a machine that becomes slower slows both.
        for _round in 0..3 {
            for (client, name) in [
                (&mut client, "question, warm, with an access log"),
                (&mut unlogged, "question, warm, without an access log"),
            ] {
                let measure = Measure::begin(name);
                for _query in 0..4 * QUERIES {
                    query_year(client).await;
                }
                measure.end(4 * QUERIES);
            }
        }
        // 17,000 micro-units a minute from the start of the first hour to the start of the last.
        let hours = DAYS * 24 - 1;
        let kwh = i128::from(hours * 60 * 17_000) * METERS as i128;
        let expected = greenpark_model::amount::Sum(kwh).to_string();
        assert_eq!(
            first.components[0].amount.as_ref().map(|a| a.value.clone()),
            Some(expected)
        );
    });
}

/// Publishes everything in `lake` in a transparency log, and returns its leaves.
pub(super) async fn publish(lake: Lake, keys: PathBuf) -> u64 {
    let settings = QuerySettings {
        proof_key: Some(keys),
        access_log: false,
        ..QuerySettings::default()
    };
    let mut client = ProofsClient::new(serve(lake, settings).await);
    let request = GetCheckpointRequest::default();
    let checkpoint = client.get_checkpoint(request).await.expect("a checkpoint");
    let note = checkpoint.into_inner().note;
    let size = note.lines().nth(1).and_then(|size| size.parse().ok());
    size.expect("the second line is the size")
}

/// Starts the query service and connects to it; it ends with the runtime.
async fn serve(lake: Lake, settings: QuerySettings) -> Channel {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("bound");
    let clock = Clock::new(|| Instant::from_millis(NOW_MS));
    let service = QueryService::new(lake, settings, clock);
    tokio::spawn(service.serve(listener, std::future::pending()));
    let endpoint = Channel::from_shared(format!("http://{address}"));
    let endpoint = endpoint.expect("an address");
    endpoint.connect().await.expect("connected")
}

fn query_year(client: &mut IndicatorsClient<Channel>) -> impl Future<Output = Figure> {
    let request = GetIndicatorRequest {
        name: "parks/bench".to_owned(),
        period: Some(Period {
            period: Some(period::Period::Year(2026)),
        }),
        ..Default::default()
    };
    async {
        client
            .get_energy_intensity(request)
            .await
            .expect("an answer")
            .into_inner()
    }
}
