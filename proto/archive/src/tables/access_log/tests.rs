//! Goal: every appended record is read back exactly once, after files were joined and with several writers.

use std::{collections::BTreeSet, path::Path as FsPath, sync::Arc};

use greenpark_model::day::CivilDay;
use greenpark_runtime::clock;
use object_store::memory::InMemory;
use proptest::prelude::*;

use super::{columns, *};
use crate::{fixture::day, lake::Lake};

fn record(day: CivilDay, n: i64) -> AccessRecord {
    AccessRecord {
        request_id: format!("r{n}").into(),
        caller: "certificate:scada".into(),
        method: "GetProgress".into(),
        bytes: Some(7),
        ..AccessRecord::new(
            Instant::from_millis(day.start().millis() + n),
            AccessEvent::Outcome,
        )
    }
}

fn data_files(folder: &FsPath) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder.join("access")).expect("a table");
    let names = files.map(|file| file.expect("a file").file_name());
    let names = names.map(|name| name.into_string().expect("text"));
    names.filter(|name| name.ends_with(".parquet")).collect()
}

#[tokio::test]
async fn files_of_a_day_are_joined_and_no_record_is_lost_or_doubled() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("text");
    let lake = Lake::open(root, clock::system()).await.expect("a lake");
    let mut table = lake.access_log();
    let (first, second) = (day("2026-11-29"), day("2026-11-30"));
    let mut all = Vec::new();
    for n in 0..150 {
        let one = record(first, n);
        table
            .append(std::slice::from_ref(&one))
            .await
            .expect("appended");
        all.push(one);
    }
    let files = table.file_sizes().await.expect("readable").len();
    assert!(files <= 65, "{files} files of a day that goes on");
    assert_eq!(table.of_day(first).await.expect("readable"), all);
    // The day is over: one file is left of it.
    table.append(&[record(second, 0)]).await.expect("appended");
    assert_eq!(table.file_sizes().await.expect("readable").len(), 2);
    assert_eq!(table.of_day(first).await.expect("readable"), all);
    table.expire_now();
    table.append(&[record(second, 1)]).await.expect("appended");
    assert_eq!(
        data_files(folder.path()).len(),
        3,
        "joined files are deleted"
    );
    assert_eq!(table.days().await.expect("readable"), [first, second]);
    let astray = lake.astray_anywhere().await.expect("listed");
    assert_eq!(astray, []);
}

#[tokio::test]
async fn the_same_records_again_change_nothing() {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let some: Vec<AccessRecord> = (0..3).map(|n| record(day("2026-11-30"), n)).collect();
    let mut table = lake.access_log();
    for _ in 0..3 {
        table.append(&some).await.expect("appended");
    }
    assert_eq!(
        table.of_day(day("2026-11-30")).await.expect("readable"),
        some
    );
}

#[tokio::test]
async fn writers_that_do_not_know_of_each_other_lose_nothing() {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let (mut one, mut other) = (lake.access_log(), lake.access_log());
    let mut all = Vec::new();
    for n in 0..140 {
        let record = record(day("2026-11-30"), n);
        let table = if n % 2 == 0 { &mut one } else { &mut other };
        table
            .append(std::slice::from_ref(&record))
            .await
            .expect("appended");
        all.push(record);
    }
    assert_eq!(one.of_day(day("2026-11-30")).await.expect("readable"), all);
}

#[tokio::test]
async fn days_are_kept_as_long_as_promised_and_no_longer() {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let mut table = lake.access_log();
    let (old, kept, now) = (day("2025-10-26"), day("2025-10-27"), day("2026-11-30"));
    assert_eq!(kept.plus(KEPT_DAYS - 1), now);
    for day in [old, kept, now] {
        table.append(&[record(day, 1)]).await.expect("appended");
    }
    assert_eq!(table.days().await.expect("readable"), [kept, now]);
}

#[tokio::test]
async fn a_day_is_published_once_it_is_over_and_joined() {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let mut table = lake.access_log();
    let (first, second) = (day("2026-11-29"), day("2026-11-30"));
    for n in 0..3 {
        table.append(&[record(first, n)]).await.expect("appended");
    }
    let mut published = lake.access_log();
    let mut names = async |after: Option<CivilDay>, today: CivilDay| {
        let (leaves, last) = published.finished(after, today).await.expect("readable");
        assert!(
            leaves
                .iter()
                .all(|leaf| leaf.size > 0 && leaf.sha256.len() == 64)
        );
        let names: Vec<String> = leaves.into_iter().map(|leaf| leaf.name).collect();
        (names, last)
    };
    assert_eq!(names(None, first).await, (Vec::new(), None), "it goes on");
    assert_eq!(
        names(None, second).await,
        (Vec::new(), None),
        "it is not joined"
    );
    table.append(&[record(second, 0)]).await.expect("appended");
    let (found, last) = names(None, second).await;
    assert_eq!((found.len(), last), (1, Some(first)));
    assert!(found[0].starts_with("access/2026-11-29.3."), "{found:?}");
    assert_eq!(names(Some(first), second).await, (Vec::new(), None));
}

#[test]
fn a_lake_keeps_its_name_for_itself() {
    assert!(greenpark_model::id::ParkId::new(ROOT).is_err());
}

proptest! {
    #[test]
    fn a_file_is_read_back_as_it_was_written(
        rows in prop::collection::vec(("\\PC{0,12}", 0..5_usize, any::<Option<u32>>(), any::<bool>()), 1..40),
    ) {
        let events = ["attempt", "extract", "outcome", "refused", "lost"];
        let records: Vec<AccessRecord> = rows.into_iter().enumerate().map(|(n, (text, event, many, extract))| {
            let at = Instant::from_millis(1_790_000_000_000 + i64::try_from(n).expect("small"));
            let text: Arc<str> = text.into();
            AccessRecord {
                scope_asked: Arc::clone(&text),
                decision: "ok".into(),
                requests: u64::from(many.unwrap_or(1)),
                rows: many.map(u64::from),
                extract_sha256: extract.then(|| Arc::clone(&text)),
                ..AccessRecord::new(at, events[event].parse().expect("an event"))
            }
        }).collect();
        let bytes = columns::encode(&records).expect("encoded");
        prop_assert_eq!(columns::decode(bytes).expect("decoded"), records);
    }
}
