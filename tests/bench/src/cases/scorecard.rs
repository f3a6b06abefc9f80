//! The scorecard of a park of 500 enterprises for one year.

use std::net::Ipv4Addr;

use greenpark_model::{clock::Clock, day::Instant, reading::Kind};
use greenpark_proto::query::v1::{
    GetProgressRequest, Verdict, indicators_client::IndicatorsClient,
};
use greenpark_query::{QueryService, QuerySettings};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    fixture::{BenchNode, NOW_MS, park},
    measure::Measure,
    synthetic_park::SyntheticPark,
};

/// Number of scorecards after the first.
const SCORECARDS: u64 = 10;

/// The park in the base year of the plan and in the judged year: electricity, water, and fly ash generated and used.
const PARK: SyntheticPark<'static> = SyntheticPark {
    enterprises: 500,
    years: &[2020, 2021],
    meters: &[
        ("main", "electricity", Kind::Register),
        ("water", "fresh_water", Kind::Register),
        ("ash", "fly_ash.generated", Kind::Event),
        ("ash-used", "fly_ash.utilized", Kind::Event),
    ],
    a_day: 4,
};

/// Measures the first scorecard of a process, which reads the totals of both years, and the following ones.
pub(crate) fn scorecard(runtime: &Runtime) {
    runtime.block_on(async {
        let node = BenchNode::new();
        let lake = node.lake().await;
        PARK.register(&lake, &[park().to_string()]).await;
        PARK.fill(&lake).await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = QueryService::new(
            lake,
            QuerySettings::default(),
            Clock::new(|| Instant::from_millis(NOW_MS)),
        );
        tokio::spawn(service.serve(listener, std::future::pending()));
        let client = IndicatorsClient::connect(format!("http://{address}")).await;
        let mut client = client.expect("connected");
        let request = || GetProgressRequest {
            name: "parks/bench".to_owned(),
            year: 2021,
            ..GetProgressRequest::default()
        };
        let measure = Measure::begin("scorecard, cold (500 enterprises, 2 years)");
        let first = client
            .get_scorecard(request())
            .await
            .expect("an answer")
            .into_inner();
        measure.end(1);
        assert_eq!(first.lines[0].verdict(), Verdict::Behind);
        let measure = Measure::begin("scorecard, warm (500 enterprises, 2 years)");
        for _scorecard in 0..SCORECARDS {
            let again = client
                .get_scorecard(request())
                .await
                .expect("an answer")
                .into_inner();
            assert_eq!(again.lines[0].value, first.lines[0].value);
        }
        measure.end(SCORECARDS);
    });
}
