//! Streams of readings, extracts and their manifests.

use arrow::array::AsArray;
use bytes::Bytes;
use greenpark_archive::{
    builder::RowsBuilder,
    rows::{LateArrival, ReadingRows, SeriesKey},
};
use greenpark_model::{day::Instant, reading::Kind, ticket::Ticket};
use greenpark_proto::query::v1 as pb;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest as _, Sha256};

use crate::fixture::*;

const NAME: &str = "parks/p/enterprises/e";

/// Three sealed days and one with late rows, of two meters, over a new year.
async fn filled() -> World {
    let world = World::new().await;
    for first in ["2023-12-30", "2024-01-01"] {
        let sealed: Vec<_> = (0..2)
            .map(|n| {
                let the_day = day(first).plus(n);
                let values = [(at(the_day, 1), "1.5"), (at(the_day, 2), "2.25")];
                let file = rows(
                    "e",
                    &[
                        (series("b", "electricity", Kind::Interval), &values),
                        (series("a", "fresh_water", Kind::Interval), &values),
                    ],
                );
                (the_day, file)
            })
            .collect();
        world.seal(PARK, &sealed, 1, With::Totals).await;
    }
    let late_day = day("2024-01-02");
    let late = rows(
        "e",
        &[(
            series("b", "electricity", Kind::Interval),
            &[
                (at(late_day, 1), "1.5"),
                (at(late_day, 2), "9"),
                (at(late_day, 3), "3"),
            ],
        )],
    );
    world.hot(PARK, late_day, 5, &late).await;
    world
}

async fn stream(world: &mut World, name: &str) -> Vec<pb::Reading> {
    let request = pb::StreamReadingsRequest {
        name: name.to_owned(),
        period: period(days("2023-12-01", "2024-01-31")),
        ..pb::StreamReadingsRequest::default()
    };
    let mut pages = world
        .readings
        .stream_readings(request)
        .await
        .expect("a stream")
        .into_inner();
    let mut readings = Vec::new();
    while let Some(page) = pages.message().await.expect("a page") {
        assert!(!page.readings.is_empty() && page.readings.len() <= 4_096);
        readings.extend(page.readings);
    }
    readings
}

#[tokio::test]
async fn readings_are_streamed_once_each_and_in_order() {
    let mut world = filled().await;
    let readings = stream(&mut world, NAME).await;
    let told: Vec<String> = readings
        .iter()
        .map(|r| {
            let hours = (r.instant.expect("an instant").seconds * 1_000 - at(day("2023-12-30"), 0))
                / 3_600_000;
            let meter = r.meter.rsplit('/').next().unwrap_or_default();
            format!("{meter} {hours} {} {} {}", r.value, r.unit, r.flag)
        })
        .collect();
    let a: Vec<String> = (0..4)
        .flat_map(|d| {
            [
                format!("a {} 1.5 m3 N", d * 24 + 1),
                format!("a {} 2.25 m3 N", d * 24 + 2),
            ]
        })
        .collect();
    let mut b: Vec<String> = a
        .iter()
        .map(|line| line.replace("a ", "b ").replace("m3", "kWh"))
        .collect();
    // The later value of the contradiction, and the late reading.
    b[7] = "b 74 9 kWh N".to_owned();
    b.push("b 75 3 kWh N".to_owned());
    assert_eq!(told, [a, b].concat());
    let one = stream(&mut world, &format!("{NAME}/meters/a")).await;
    assert_eq!(one.len(), 8);
    let none = stream(&mut world, &format!("{NAME}/meters/nothing")).await;
    assert!(none.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn readings_of_open_days_alone_are_streamed_and_days_without_any_are_empty() {
    let mut world = World::new().await;
    let the_day = day("2024-01-02");
    let of = |id, the_day| {
        let values = [(at(the_day, 1), "1.5"), (at(the_day, 2), "2.25")];
        rows(id, &[(series("m", "electricity", Kind::Interval), &values)])
    };
    world.hot(PARK, the_day, 1, &of("e", the_day)).await;
    let told = stream(&mut world, NAME).await;
    let told: Vec<_> = told.iter().map(|r| r.value.as_str()).collect();
    assert_eq!(told, ["1.5", "2.25"]);
    let extracted = extract(
        &mut world,
        pb::ExtractContent::Readings,
        pb::ExtractFormat::Csv,
    )
    .await;
    assert_eq!(extracted.manifest["rows"], 2);
    // Of another enterprise all is sealed, and nothing of it on these days.
    let elsewhere = day("2023-10-01");
    let sealed = [(elsewhere, of("f", elsewhere))];
    world.seal(PARK, &sealed, 1, With::Totals).await;
    let none = stream(&mut world, "parks/p/enterprises/f").await;
    assert!(none.is_empty(), "{none:?}");
    world.stop().await;
}

#[tokio::test]
async fn many_readings_come_in_full_pages() {
    let mut world = World::new().await;
    let the_day = day("2024-01-01");
    let values: Vec<(i64, &str)> = (0..10_000)
        .map(|n| (at(the_day, 0) + n * 1_000, "1"))
        .collect();
    let file = rows(
        "e",
        &[(series("m", "electricity", Kind::Interval), &values)],
    );
    world.seal(PARK, &[(the_day, file)], 1, With::Totals).await;
    let readings = stream(&mut world, NAME).await;
    assert_eq!(readings.len(), 10_000);
    assert!(readings.is_sorted_by_key(|r| r.instant.map(|i| i.seconds)));
    world.stop().await;
}

struct Extracted {
    file: Vec<u8>,
    manifest: serde_json::Value,
}

async fn extract(
    world: &mut World,
    content: pb::ExtractContent,
    format: pb::ExtractFormat,
) -> Extracted {
    let request = pb::ExtractRequest {
        name: NAME.to_owned(),
        period: period(days("2023-12-01", "2024-01-31")),
        content: content.into(),
        format: format.into(),
        ..pb::ExtractRequest::default()
    };
    let mut chunks = world
        .readings
        .extract(request)
        .await
        .expect("a stream")
        .into_inner();
    let (mut file, mut manifest) = (Vec::new(), None);
    while let Some(chunk) = chunks.message().await.expect("a chunk") {
        match chunk.part.expect("a part") {
            pb::extract_chunk::Part::Data(data) => {
                assert!(manifest.is_none() && data.len() <= 256 * 1_024);
                file.extend(data);
            }
            pb::extract_chunk::Part::ManifestJson(json) => manifest = Some(json),
        }
    }
    let manifest = serde_json::from_str(&manifest.expect("a manifest")).expect("JSON");
    Extracted { file, manifest }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn an_extract_of_readings_is_one_parquet_file_with_a_manifest_that_proves_it() {
    let mut world = filled().await;
    let Extracted { file, manifest } = extract(
        &mut world,
        pb::ExtractContent::Unspecified,
        pb::ExtractFormat::Unspecified,
    )
    .await;
    assert_eq!(manifest["sha256"], hex(&Sha256::digest(&file)));
    assert_eq!(
        (manifest["rows"].as_u64(), manifest["bytes"].as_u64()),
        (Some(17), Some(file.len() as u64))
    );
    let sources = manifest["sources"].as_array().expect("sources");
    assert_eq!(sources.len(), 5);
    let hot = sources
        .iter()
        .filter(|source| source["revision"].is_null())
        .count();
    assert_eq!(hot, 1);
    let first = &sources[0];
    assert_eq!(first["sha256"].as_str().map(str::len), Some(64));
    let path = first["path"].as_str().expect("a path");
    let on_disk = std::fs::read(world.folder().join(path)).expect("the source file");
    assert_eq!(first["sha256"], hex(&Sha256::digest(on_disk)));
    assert_eq!(manifest["snapshots"].as_array().map(Vec::len), Some(2));
    assert_eq!(manifest["period"]["first"], "2023-12-01");
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).expect("parquet");
    let batches: Vec<_> = reader
        .build()
        .expect("a reader")
        .map(|b| b.expect("a batch"))
        .collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 17);
    let units = batches[0].column_by_name("unit").expect("a column");
    let units = arrow::compute::cast(units, &arrow::datatypes::DataType::Utf8).expect("texts");
    assert_eq!(units.as_string::<i32>().value(0), "m3");
    world.stop().await;
}

#[tokio::test]
async fn daily_totals_sum_to_the_figure_and_csv_has_a_header() {
    let mut world = filled().await;
    let Extracted { file, manifest } = extract(
        &mut world,
        pb::ExtractContent::DailyTotals,
        pb::ExtractFormat::Csv,
    )
    .await;
    let text = String::from_utf8(file).expect("text");
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(
            "\u{feff}enterprise,meter,quantity,kind,unit,day,consumption,estimated,readings,resets,jumps,glitches,\
             invalid,manual,revision"
        )
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), manifest["rows"].as_u64()), (8, Some(8)));
    assert_eq!(
        rows[0][..7],
        [
            "e",
            "a",
            "fresh_water",
            "interval",
            "m3",
            "2023-12-30",
            "3.750000"
        ]
    );
    let sum: i64 = rows
        .iter()
        .filter(|row| row[1] == "b")
        .map(|row| micro(row[6]))
        .sum();
    let figure = world.energy(NAME, days("2023-12-01", "2024-01-31")).await;
    assert_eq!(micro(value(&figure.components[0].amount)), sum);
    // The day with late rows is open.
    assert_eq!(
        (rows[6][14], rows[7][5], rows[7][14]),
        ("1", "2024-01-02", "0")
    );
    let Extracted { file, .. } = extract(
        &mut world,
        pb::ExtractContent::Readings,
        pb::ExtractFormat::Csv,
    )
    .await;
    let text = String::from_utf8(file).expect("text");
    let second = text.lines().nth(1).expect("a row");
    assert_eq!(
        second,
        "e,a,fresh_water,interval,2023-12-29T17:00:00.000Z,1.500000,m3,N,,,"
    );
    world.stop().await;
}

/// A day of which two events share an instant, and one came late.
fn tickets(the_day: greenpark_model::day::CivilDay) -> ReadingRows {
    let mut builder = RowsBuilder::new();
    let key = builder.key(&SeriesKey {
        enterprise: enterprise("e"),
        series: series("scale", "raw_coal", Kind::Event),
    });
    for (hour, value) in [(8, "31.46"), (8, "28.9"), (9, "31.46")] {
        builder.push(key, at(the_day, hour), micro(value), b'N');
    }
    builder.ticket(1, Ticket::implied(2).expect("a second one"));
    builder.ticket(2, Ticket::new("A-17").expect("a number"));
    let late = LateArrival {
        received: Instant::from_millis(at(the_day, 24 * 20)),
        gateway: "g1".parse().expect("an id"),
    };
    builder.late(2, late);
    builder.finish().rows
}

#[tokio::test]
async fn tickets_and_late_readings_are_shown_sealed_or_open() {
    let mut world = filled().await;
    let (sealed, open) = (day("2024-01-10"), day("2024-01-11"));
    world
        .seal(PARK, &[(sealed, tickets(sealed))], 1, With::Totals)
        .await;
    world.hot(PARK, open, 9, &tickets(open)).await;
    let told = stream(&mut world, NAME).await;
    let told: Vec<String> = told
        .iter()
        .filter(|r| r.meter.ends_with("/scale"))
        .map(|r| {
            let late = r.late_received.map_or(0, |at| at.seconds);
            format!("{} '{}' {} {late}", r.value, r.ticket, r.late_gateway)
        })
        .collect();
    let of = |day| {
        let late = at(day, 24 * 20) / 1_000;
        [
            "31.46 ''  0".to_owned(),
            "28.9 '#2'  0".to_owned(),
            format!("31.46 'A-17' g1 {late}"),
        ]
    };
    assert_eq!(told, [of(sealed), of(open)].concat());
    let Extracted { file, .. } = extract(
        &mut world,
        pb::ExtractContent::Readings,
        pb::ExtractFormat::Csv,
    )
    .await;
    let text = String::from_utf8(file).expect("text");
    let header = text.trim_start_matches('\u{feff}').lines().next();
    assert_eq!(
        header,
        Some(
            "enterprise,meter,quantity,kind,instant,value,unit,flag,ticket,late_received,late_gateway"
        )
    );
    let late = text.lines().filter(|line| line.contains(",A-17,"));
    let late: Vec<&str> = late.collect();
    assert_eq!(late.len(), 2);
    assert!(
        late[0].ends_with(",t,N,A-17,2024-01-29T16:00:00.000Z,g1"),
        "{late:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn an_extract_larger_than_the_memory_of_its_question_is_made_all_the_same() {
    make_larger_than_memory(false).await;
}

#[tokio::test]
async fn so_is_one_of_days_that_are_not_sealed() {
    make_larger_than_memory(true).await;
}

/// 800,000 readings need more than the 16 MiB that a question may have here, so the sort spills.
async fn make_larger_than_memory(is_open: bool) {
    let settings = greenpark_query::QuerySettings {
        memory: 16 << 20,
        ..Default::default()
    };
    let mut world = World::with(settings).await;
    for n in 0..2i32 {
        let the_day = day("2024-01-01").plus(n);
        let values: Vec<(i64, &str)> = (0..40_000)
            .map(|n| (at(the_day, 0) + n * 2_000, "1.25"))
            .collect();
        let meters: Vec<_> = (0..10)
            .map(|m| {
                (
                    series(&format!("m{m}"), "electricity", Kind::Interval),
                    values.as_slice(),
                )
            })
            .collect();
        let of_day = rows("e", &meters);
        match is_open {
            true => {
                world
                    .hot(PARK, the_day, u64::from(n.unsigned_abs()) + 1, &of_day)
                    .await
            }
            false => {
                world
                    .seal(PARK, &[(the_day, of_day)], 1, With::Totals)
                    .await
            }
        }
    }
    let Extracted { file, manifest } = extract(
        &mut world,
        pb::ExtractContent::Readings,
        pb::ExtractFormat::Parquet,
    )
    .await;
    assert_eq!(manifest["rows"].as_u64(), Some(800_000));
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).expect("parquet");
    let mut last = (String::new(), i64::MIN);
    for batch in reader.build().expect("a reader") {
        let batch = batch.expect("a batch");
        let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
        let meters = arrow::compute::cast(&column("meter"), &arrow::datatypes::DataType::Utf8);
        let meters = meters.expect("texts");
        let instants = column("instant");
        let instants = instants.as_primitive::<arrow::datatypes::TimestampMillisecondType>();
        for (meter, instant) in meters.as_string::<i32>().iter().zip(instants.values()) {
            let this = (meter.expect("a meter").to_owned(), *instant);
            assert!(last < this, "{last:?} {this:?}");
            last = this;
        }
    }
    world.stop().await;
}
