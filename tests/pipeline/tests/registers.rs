//! A real plant's year on a cumulative register with gaps and backward steps, from MQTT to the figure: the sum
//! of its days is its last less its first register, and so is each month whose ends were read.

use greenpark_model::amount::Sum;
use greenpark_proto::query::v1::{Figure, GetIndicatorRequest, Period, period};
use greenpark_tests_pipeline::{
    ask, register_year,
    site::{IN_ORDER, SHUFFLED, Site, Way, replay_to},
};

const PLANT: &str = "parks/steel/enterprises/gwangyang";

fn kwh(hundredths: u64) -> String {
    Sum(i128::from(hundredths) * 10_000).to_string()
}

async fn of(site: &Site, period: period::Period) -> Figure {
    let request = GetIndicatorRequest {
        name: PLANT.to_owned(),
        period: Some(Period {
            period: Some(period),
        }),
        ..Default::default()
    };
    let mut client = ask::indicators(&site.grpc()).await;
    let answer = client.get_energy_intensity(request).await;
    answer.expect("an answer").into_inner()
}

/// Months in which a gap crosses an end: what was consumed in it is allocated to both by an estimate.
const SHARED_GAPS: [(usize, usize); 2] = [(7, 8), (11, 12)];

async fn a_year_of_registers(way: Way) {
    let site = Site::start().await;
    let data = register_year::write(site.folder());
    replay_to(&site.mqtt(), &data.file, &data.map, way).await;
    let mut client = ask::indicators(&site.grpc()).await;
    let figure = ask::until(&mut client, (PLANT, 2018), |figure| {
        let coverage = figure.coverage.as_ref();
        // The last register of the year is the first reading of the next.
        coverage.is_some_and(|c| c.received == data.readings - 1 && c.open_days == 0)
    })
    .await;
    assert_eq!(
        ask::electricity(&figure),
        Some(kwh(data.hundredths()).as_str())
    );
    let mut told = Vec::new();
    for month in 1..=12 {
        let period = period::Period::Month(format!("2018-{month:02}"));
        let figure = of(&site, period).await;
        let electricity = ask::electricity(&figure).expect("electricity").to_owned();
        told.push(
            electricity
                .parse::<rust_decimal::Decimal>()
                .expect("a decimal"),
        );
    }
    let truth = |month: usize| rust_decimal::Decimal::new(data.months[month - 1] as i64, 2);
    for month in 1..=12 {
        match SHARED_GAPS.iter().find(|(a, b)| [a, b].contains(&&month)) {
            Some(&(a, b)) => assert_eq!(told[a - 1] + told[b - 1], truth(a) + truth(b)),
            None => assert_eq!(told[month - 1], truth(month), "month {month}"),
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_sum_to_the_register_difference() {
    a_year_of_registers(IN_ORDER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_sum_to_the_register_difference_in_any_order() {
    a_year_of_registers(SHUFFLED).await;
}
