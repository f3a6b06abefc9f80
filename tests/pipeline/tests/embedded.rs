//! Goal: the figure is exactly the sum of the distinct readings, whatever the order, repeats, lateness or
//! restarts. Method: a park with the embedded defaults, from a gateway's publish to the figure.

use greenpark_proto::query::v1::Figure;
use greenpark_tests_pipeline::{
    meter_year::{self, MeterYear},
    query,
    test_park::{IN_ORDER, ReplayOrder, SHUFFLED, TestPark, replay_to},
};

async fn replay_and_check(park: &TestPark, data: &MeterYear, order: ReplayOrder) -> Figure {
    replay_to(&park.mqtt(), &data.file, &data.map, order).await;
    let mut client = query::indicators(&park.grpc()).await;
    let figure = query::sealed(&mut client, data).await;
    assert_eq!(query::electricity(&figure), Some(data.kwh.as_str()));
    if let Some(tce) = data.tce {
        let numerator = figure
            .numerator
            .as_ref()
            .map(|n| (n.value.as_str(), n.unit.as_str()));
        assert_eq!(numerator, Some((tce, "tce")));
    }
    figure
}

fn sealed_files(park: &TestPark, data: &MeterYear, revision: u32) -> usize {
    let park_id = data.park.trim_start_matches("parks/");
    let enterprise = data
        .enterprise
        .rsplit('/')
        .next()
        .expect("a name has an end");
    let table = park
        .lake()
        .join(park_id)
        .join(data.year.to_string())
        .join("readings");
    let days = std::fs::read_dir(table)
        .expect("a table")
        .filter_map(Result::ok);
    let names = days
        .filter(|day| day.file_name().to_string_lossy().starts_with("day="))
        .flat_map(|day| std::fs::read_dir(day.path()).expect("a day"))
        .filter_map(Result::ok)
        .map(|file| file.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with(&format!("{enterprise}.r{revision}.")))
        .count()
}

/// Number of sealed files of revisions 1, 2 and 3. A day has several revisions if a pause came amid its rows.
fn revisions(park: &TestPark, data: &MeterYear) -> [usize; 3] {
    [1, 2, 3].map(|revision| sealed_files(park, data, revision))
}

/// Checks that a replay, a second replay and a restart give the same figure from 365 sealed files.
async fn check_year_in_order(data: &MeterYear) {
    let park = TestPark::start().await;
    let first = replay_and_check(&park, data, IN_ORDER).await;
    assert_eq!(sealed_files(&park, data, 1), data.days);
    let again = replay_and_check(&park, data, IN_ORDER).await;
    let park = park.restart().await;
    let mut client = query::indicators(&park.grpc()).await;
    let restarted = query::sealed(&mut client, data).await;
    for later in [&again, &restarted] {
        assert_eq!(later.numerator, first.numerator);
        assert_eq!(later.components, first.components);
    }
    park.stop().await;
}

async fn check_year_shuffled(data: &MeterYear) {
    let park = TestPark::start().await;
    replay_and_check(&park, data, SHUFFLED).await;
    park.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_plants_year_is_exact_in_order_and_repeated() {
    if let Some(data) = meter_year::steel() {
        check_year_in_order(&data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_plants_year_is_exact_shuffled_over_ten_connections() {
    if let Some(data) = meter_year::steel() {
        check_year_shuffled(&data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_year_is_exact_in_order_and_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    check_year_in_order(&meter_year::generate(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_year_is_exact_shuffled_over_ten_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    check_year_shuffled(&meter_year::generate(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_reading_is_in_the_next_answer() {
    let park = TestPark::start().await;
    let data = meter_year::generate(park.folder());
    replay_and_check(&park, &data, IN_ORDER).await;
    let mut client = query::indicators(&park.grpc()).await;
    let late = park.folder().join("late.csv");
    // More readings than early flushes after a pause, each at a minute without a reading so far.
    for nth in 1..=20_u64 {
        let line = format!("date,Usage_kWh\n{nth:02}/03/2019 12:07,1000.25\n");
        std::fs::write(&late, line).expect("written");
        replay_to(&park.mqtt(), &late, &data.map, IN_ORDER).await;
        let figure = query::fresh(&mut client, data.enterprise, data.year).await;
        let coverage = figure.coverage.expect("coverage");
        assert_eq!(coverage.received, data.readings + nth);
    }
    park.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reading_is_in_the_next_answer_and_in_revision_two() {
    let park = TestPark::start().await;
    let data = meter_year::generate(park.folder());
    let sealed = replay_and_check(&park, &data, IN_ORDER).await;
    let files_before = revisions(&park, &data);
    let late = park.folder().join("late.csv");
    // A reading at a minute without a reading so far: the interval from 11:52 to 12:07.
    std::fs::write(&late, "date,Usage_kWh\n05/03/2019 12:07,1000.25\n").expect("written");
    replay_to(&park.mqtt(), &late, &data.map, IN_ORDER).await;
    let mut client = query::indicators(&park.grpc()).await;
    let more = |figure: &Figure| {
        figure
            .coverage
            .as_ref()
            .is_some_and(|c| c.received == data.readings + 1)
    };
    let visible = query::until(&mut client, (data.enterprise, data.year), more).await;
    let resealed = query::until(&mut client, (data.enterprise, data.year), |figure| {
        let closed = figure.coverage.as_ref().is_some_and(|c| c.open_days == 0);
        more(figure) && closed && query::revision(figure) >= query::revision(&sealed).max(2)
    })
    .await;
    assert_eq!(visible.numerator, resealed.numerator);
    let before: greenpark_model::amount::Amount = data.kwh.parse().expect("a decimal");
    let micro = before.micro() + 1_000_250_000;
    let sum = greenpark_model::amount::Sum(micro.into()).to_string();
    assert_eq!(query::electricity(&resealed), Some(sum.as_str()));
    let after = revisions(&park, &data);
    assert_eq!(
        after.iter().sum::<usize>(),
        files_before.iter().sum::<usize>() + 1
    );
    assert_eq!(after[0], data.days, "revision 1 is still readable");
    park.stop().await;
}
