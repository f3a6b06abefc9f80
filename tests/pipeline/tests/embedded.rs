//! From a gateway's publish to the figure on embedded defaults: whatever order, repeat, lateness or
//! restart, the figure is the sum of the distinct readings, exactly.

use greenpark_proto::query::v1::Figure;
use greenpark_tests_pipeline::{
    ask,
    meter_year::{self, MeterYear},
    site::{IN_ORDER, SHUFFLED, Site, Way, replay_to},
};

async fn replayed(site: &Site, data: &MeterYear, way: Way) -> Figure {
    replay_to(&site.mqtt(), &data.file, &data.map, way).await;
    let mut client = ask::indicators(&site.grpc()).await;
    let figure = ask::sealed(&mut client, data).await;
    assert_eq!(ask::electricity(&figure), Some(data.kwh.as_str()));
    if let Some(tce) = data.tce {
        let numerator = figure
            .numerator
            .as_ref()
            .map(|n| (n.value.as_str(), n.unit.as_str()));
        assert_eq!(numerator, Some((tce, "tce")));
    }
    figure
}

fn sealed_files(site: &Site, data: &MeterYear, revision: u32) -> usize {
    let park = data.park.trim_start_matches("parks/");
    let enterprise = data
        .enterprise
        .rsplit('/')
        .next()
        .expect("a name has an end");
    let table = site
        .lake()
        .join(park)
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

/// Sealed files of revisions 1, 2 and 3; a day has more than one where a pause came amid its rows.
fn revisions(site: &Site, data: &MeterYear) -> [usize; 3] {
    [1, 2, 3].map(|revision| sealed_files(site, data, revision))
}

/// Replayed in order, again, and after a restart: the same figure from 365 sealed files.
async fn a_year_in_order(data: &MeterYear) {
    let site = Site::start().await;
    let first = replayed(&site, data, IN_ORDER).await;
    assert_eq!(sealed_files(&site, data, 1), data.days);
    let again = replayed(&site, data, IN_ORDER).await;
    let site = site.restart().await;
    let mut client = ask::indicators(&site.grpc()).await;
    let restarted = ask::sealed(&mut client, data).await;
    for later in [&again, &restarted] {
        assert_eq!(later.numerator, first.numerator);
        assert_eq!(later.components, first.components);
    }
    site.stop().await;
}

async fn a_year_shuffled(data: &MeterYear) {
    let site = Site::start().await;
    replayed(&site, data, SHUFFLED).await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_plants_year_is_exact_in_order_and_repeated() {
    if let Some(data) = meter_year::steel() {
        a_year_in_order(&data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_plants_year_is_exact_shuffled_over_ten_connections() {
    if let Some(data) = meter_year::steel() {
        a_year_shuffled(&data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_year_is_exact_in_order_and_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    a_year_in_order(&meter_year::made(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_year_is_exact_shuffled_over_ten_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    a_year_shuffled(&meter_year::made(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_in_the_next_answer_however_many_come() {
    let site = Site::start().await;
    let data = meter_year::made(site.folder());
    replayed(&site, &data, IN_ORDER).await;
    let mut client = ask::indicators(&site.grpc()).await;
    let late = site.folder().join("late.csv");
    // More than the flushes that a pause may cause early, each at a minute that the meter did not have.
    for nth in 1..=20_u64 {
        let line = format!("date,Usage_kWh\n{nth:02}/03/2019 12:07,1000.25\n");
        std::fs::write(&late, line).expect("written");
        replay_to(&site.mqtt(), &late, &data.map, IN_ORDER).await;
        let figure = ask::fresh(&mut client, data.enterprise, data.year).await;
        let coverage = figure.coverage.expect("coverage");
        assert_eq!(coverage.received, data.readings + nth);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reading_is_in_the_next_answer_and_in_revision_two() {
    let site = Site::start().await;
    let data = meter_year::made(site.folder());
    let sealed = replayed(&site, &data, IN_ORDER).await;
    let files_before = revisions(&site, &data);
    let late = site.folder().join("late.csv");
    // A reading at a minute that the meter did not have: the interval from 11:52 to 12:07.
    std::fs::write(&late, "date,Usage_kWh\n05/03/2019 12:07,1000.25\n").expect("written");
    replay_to(&site.mqtt(), &late, &data.map, IN_ORDER).await;
    let mut client = ask::indicators(&site.grpc()).await;
    let more = |figure: &Figure| {
        figure
            .coverage
            .as_ref()
            .is_some_and(|c| c.received == data.readings + 1)
    };
    let visible = ask::until(&mut client, (data.enterprise, data.year), more).await;
    let resealed = ask::until(&mut client, (data.enterprise, data.year), |figure| {
        let closed = figure.coverage.as_ref().is_some_and(|c| c.open_days == 0);
        more(figure) && closed && ask::revision(figure) >= ask::revision(&sealed).max(2)
    })
    .await;
    assert_eq!(visible.numerator, resealed.numerator);
    let before: greenpark_model::amount::Amount = data.kwh.parse().expect("a decimal");
    let micro = before.micro() + 1_000_250_000;
    let sum = greenpark_model::amount::Sum(micro.into()).to_string();
    assert_eq!(ask::electricity(&resealed), Some(sum.as_str()));
    let after = revisions(&site, &data);
    assert_eq!(
        after.iter().sum::<usize>(),
        files_before.iter().sum::<usize>() + 1
    );
    assert_eq!(after[0], data.days, "revision 1 is still readable");
    site.stop().await;
}
