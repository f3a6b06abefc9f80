//! Writing files: hot flushes, sealed days, and the processor from the log to sealed files.

use greenpark_archive::{
    book::{Change, Consumed, NewFile},
    builder::RowsBuilder,
    columns::{FileFacts, encode_readings},
    file::FileKind,
    rows::{ReadingRows, SeriesKey},
};
use greenpark_log::{ContentType, Headers, Record, Topic};
use greenpark_model::{
    amount::Amount,
    batch::Batch,
    day::{CivilDay, Instant},
    id::{EnterpriseId, GatewayId, MeterId},
    log_position::Partition,
    reading::{Flag, Kind, Reading, Series},
};
use greenpark_proto::reading_batch;
use tokio::runtime::Runtime;

use super::query;
use crate::{
    fixture::{BenchNode, block_on, park, sealed},
    measure::Measure,
};

const MINUTE_MS: i64 = 60_000;

fn first_day() -> CivilDay {
    "2026-01-01".parse().expect("a day")
}

fn key(enterprise: usize, meter: usize) -> SeriesKey {
    SeriesKey {
        enterprise: enterprise_id(enterprise),
        series: series(meter),
    }
}

fn enterprise_id(enterprise: usize) -> EnterpriseId {
    EnterpriseId::new(&format!("e{enterprise:02}")).expect("an id")
}

fn series(meter: usize) -> Series {
    Series {
        meter: MeterId::new(&format!("m{meter}")).expect("an id"),
        quantity: "electricity".parse().expect("a quantity"),
        kind: Kind::Register,
    }
}

/// A day of registers of `meters` meters for each of `enterprises` enterprises, `step` minutes apart.
fn day_rows(enterprises: usize, meters: usize, step: i64, day: CivilDay) -> ReadingRows {
    let mut builder = RowsBuilder::new();
    for enterprise in 0..enterprises {
        for meter in 0..meters {
            let index = builder.key(&key(enterprise, meter));
            for minute in (0..1_440).step_by(step as usize) {
                let register = (i64::from(day.epoch_days()) * 1_440 + minute) * 17_000;
                let instant = day.start().millis() + minute * MINUTE_MS;
                builder.push(index, instant, register, Flag::Normal.code());
            }
        }
    }
    builder.finish().rows
}

fn facts(day: CivilDay, kind: FileKind) -> FileFacts {
    FileFacts {
        park: park(),
        day,
        kind,
        offsets: None,
    }
}

/// Measures flushes of 100,000 rows: encode, write, sync and commit.
pub(crate) fn hot_flush(runtime: &Runtime) {
    const FLUSHES: u64 = 20;
    let node = BenchNode::new();
    let rows = day_rows(12, 6, 1, first_day());
    let measure = Measure::begin("hot flush, 103,680 rows each");
    block_on(runtime, async {
        let lake = node.lake().await;
        let mut book = lake.book(&park(), 2026).await.expect("a book");
        for offset in 0..FLUSHES {
            let kind = FileKind::Hot {
                partition: Partition::FIRST,
                offset,
            };
            let encoded = encode_readings(&rows, &facts(first_day(), kind.clone())).expect("rows");
            let add = vec![NewFile {
                day: first_day(),
                kind,
                encoded,
            }];
            let consumed = Some(Consumed::up_to(Partition::FIRST, offset + 1));
            let change = Change {
                add,
                consumed,
                ..Change::default()
            };
            let published = book.publish(change).await.expect("published");
            assert_eq!(published.next_offset(), Some(offset + 1));
        }
    });
    measure.end(FLUSHES * rows.len() as u64);
}

/// Measures a year of enterprise-days of 168 rows, as from hourly history, sealed in one commit.
pub(crate) fn seal(runtime: &Runtime) {
    const DAYS: i32 = 365;
    let node = BenchNode::new();
    let measure = Measure::begin("seal, 12 × 365 files of 168 rows");
    let mut readings = 0;
    block_on(runtime, async {
        let lake = node.lake().await;
        let mut book = lake.book(&park(), 2026).await.expect("a book");
        let mut change = Change::default();
        for day in (0..DAYS).map(|d| first_day().plus(d)) {
            let rows = day_rows(12, 7, 60, day);
            for enterprise in rows.enterprises() {
                let own = rows.select_enterprise(enterprise);
                let kind = FileKind::Sealed {
                    enterprise: enterprise.clone(),
                    revision: 1,
                };
                let encoded = encode_readings(&own, &facts(day, kind.clone())).expect("rows");
                readings += own.len() as u64;
                change.add.push(NewFile { day, kind, encoded });
            }
        }
        let published = book.publish(change).await.expect("published");
        assert!(published.version() >= 0);
        assert_eq!(book.files().count(), 12 * 365);
    });
    measure.end(readings);
}

/// Measures the processor on registers of 96 meters from log records to sealed files, and then the transparency log of
/// these files: on two weeks of minutes, and on 300 days of hours, which have a file for every 192 readings. The start
/// of the service that keeps the log is in it, and is measured alone first.
pub(crate) fn log_to_sealed(runtime: &Runtime) {
    let nothing = BenchNode::new();
    let measure = Measure::begin("transparency log of nothing");
    block_on(runtime, async {
        let lake = nothing.lake().await;
        query::publish(lake, nothing.path("proof.key")).await
    });
    measure.end(1);
    for (name, days, step) in [
        ("log to sealed files", 14, 1),
        ("log to sealed files, hourly", 300, 60),
    ] {
        let node = BenchNode::new();
        let readings = block_on(runtime, fill(&node, days, step));
        let measure = Measure::begin(name);
        let lake = block_on(runtime, async {
            let lake = node.lake().await;
            let task = node.process(&lake).await;
            let book = sealed(&lake, readings).await;
            assert_eq!(book.files.len() as i64, 12 * days);
            task.stop().await;
            lake
        });
        measure.end(readings);
        let measure = Measure::begin("their transparency log");
        let leaves = block_on(runtime, query::publish(lake, node.path("proof.key")));
        measure.end(readings);
        assert!(leaves as i64 >= 12 * days, "{leaves}");
    }
}

/// Number of meters in [`fill`]: eight for each of twelve enterprises.
pub(super) const METERS: usize = 12 * 8;

/// Appends `days` days of registers, `step` minutes apart. A record has an hour of one enterprise's meters.
pub(super) async fn fill(node: &BenchNode, days: i64, step: usize) -> u64 {
    let writer = node.log.writer();
    let mut readings = 0;
    for hour in 0..days * 24 {
        let mut records = Vec::new();
        for enterprise in 0..12 {
            let mut batch = Batch::new();
            for meter in 0..8 {
                let index = batch.add_series(series(meter)).expect("room");
                for minute in (hour * 60..(hour + 1) * 60).step_by(step) {
                    let instant =
                        Instant::from_millis(first_day().start().millis() + minute * MINUTE_MS);
                    let value = Amount::from_micro(minute * 17_000).expect("in range");
                    let reading = Reading {
                        instant,
                        value,
                        flag: Flag::Normal,
                    };
                    batch.push(index, reading).expect("room");
                }
            }
            readings += batch.len() as u64;
            let headers = Headers {
                enterprise: enterprise_id(enterprise),
                gateway: GatewayId::new("g").expect("an id"),
                epoch: 0,
                sequence: 0,
                content_type: ContentType::ReadingBatch,
            };
            let payload = reading_batch::encode(&batch);
            records.push(Record {
                park: park(),
                headers,
                payload,
            });
        }
        let receipt = writer
            .append(Topic::Readings, records)
            .await
            .expect("appended");
        assert_eq!(receipt.records(), 12);
    }
    readings
}
