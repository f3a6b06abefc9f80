//! Goal: the days of a cumulative register with gaps and backward steps sum to its last less its first register,
//! and so do the days of each month whose ends were read. Method: a plant's year, from MQTT to the figure.

use greenpark_model::amount::Sum;
use greenpark_proto::query::v1::{Figure, GetIndicatorRequest, Period, period};
use greenpark_tests_pipeline::{
    query, register_year,
    test_park::{IN_ORDER, ReplayOrder, SHUFFLED, TestPark, replay_to},
};

const PLANT: &str = "parks/steel/enterprises/gwangyang";

fn kwh(hundredths: u64) -> String {
    Sum(i128::from(hundredths) * 10_000).to_string()
}

async fn figure_of(park: &TestPark, period: period::Period) -> Figure {
    let request = GetIndicatorRequest {
        name: PLANT.to_owned(),
        period: Some(Period {
            period: Some(period),
        }),
        ..Default::default()
    };
    let mut client = query::indicators(&park.grpc()).await;
    let answer = client.get_energy_intensity(request).await;
    answer.expect("an answer").into_inner()
}

/// Pairs of months with a gap across their boundary, whose consumption is allocated to both by an estimate.
const SHARED_GAPS: [(usize, usize); 2] = [(7, 8), (11, 12)];

async fn check_year_of_registers(order: ReplayOrder) {
    let park = TestPark::start().await;
    let data = register_year::write(park.folder());
    replay_to(&park.mqtt(), &data.file, &data.map, order).await;
    let mut client = query::indicators(&park.grpc()).await;
    let figure = query::until(&mut client, (PLANT, 2018), |figure| {
        let coverage = figure.coverage.as_ref();
        // The last register of the year is the first reading of the next.
        coverage.is_some_and(|c| c.received == data.readings - 1 && c.open_days == 0)
    })
    .await;
    assert_eq!(
        query::electricity(&figure),
        Some(kwh(data.hundredths()).as_str())
    );
    let mut months = Vec::new();
    for month in 1..=12 {
        let period = period::Period::Month(format!("2018-{month:02}"));
        let figure = figure_of(&park, period).await;
        let electricity = query::electricity(&figure).expect("electricity").to_owned();
        months.push(
            electricity
                .parse::<rust_decimal::Decimal>()
                .expect("a decimal"),
        );
    }
    let truth = |month: usize| rust_decimal::Decimal::new(data.months[month - 1] as i64, 2);
    for month in 1..=12 {
        match SHARED_GAPS.iter().find(|(a, b)| [a, b].contains(&&month)) {
            Some(&(a, b)) => assert_eq!(months[a - 1] + months[b - 1], truth(a) + truth(b)),
            None => assert_eq!(months[month - 1], truth(month), "month {month}"),
        }
    }
    park.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_sum_to_the_register_difference() {
    check_year_of_registers(IN_ORDER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_sum_to_the_register_difference_in_any_order() {
    check_year_of_registers(SHUFFLED).await;
}
