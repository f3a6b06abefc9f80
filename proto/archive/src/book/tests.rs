//! Publishing, being fenced, and crashing in between.
//!
//! A store that fails on purpose stands in for the disk. A crash is a book that is dropped and opened again
//! over the same store.

mod brief;
mod evolution;
mod faults;
mod packed;
mod published;
mod rollups;
mod torn;

use std::sync::Arc;

use greenpark_model::{fold::DayFold, log_position::Partition, quantity::Medium};
use greenpark_runtime::clock;
use object_store::{ObjectStoreExt as _, memory::InMemory};

use super::*;
use crate::{
    fixture::{day, enterprise, flush, hot, key, park, registers, sealed},
    lake::Lake,
};
use faults::{Fault, FaultyStore};

fn totals(day: CivilDay, name: &str, file: &NewFile, revision: u32) -> TotalsRow {
    TotalsRow {
        enterprise: enterprise(name),
        series: key(name, "main", Medium::Electricity).series,
        day,
        revision,
        sha256: file.encoded.sha256,
        rules: "".into(),
        fold: DayFold {
            readings: 24,
            ..DayFold::default()
        },
        duplicates: 0,
        conflicts: 0,
        late: 0,
    }
}

/// A change that seals steel's day as `revision` and replaces everything the book has of that day.
fn seal(book: &Book, day: CivilDay, rows: &ReadingRows, revision: u32) -> Change {
    let file = sealed(rows, day, "steel", revision);
    Change {
        totals: vec![totals(day, "steel", &file, revision)],
        remove: book.day_files(day).cloned().collect(),
        add: vec![file],
        consumed: None,
        ..Change::default()
    }
}

async fn rows_of_totals(lake: &Lake) -> Vec<TotalsRow> {
    let snapshot = lake
        .snapshot(&park(), 2026)
        .await
        .expect("readable")
        .expect("a book");
    let mut rows = Vec::new();
    for file in &snapshot.totals_files {
        let path = format!("{}/{}", snapshot.totals_root(), file.path).into();
        let bytes = lake
            .store()
            .get(&path)
            .await
            .expect("there")
            .bytes()
            .await
            .expect("whole");
        rows.extend(totals::decode_totals(bytes).expect("our file"));
    }
    rows
}

async fn local() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(folder.path().to_str().expect("text"), clock::system())
        .await
        .expect("a lake");
    (folder, lake)
}

#[tokio::test]
async fn what_is_published_is_there_after_reopening() {
    let (_folder, lake) = local().await;
    let day = day("2026-11-22");
    let rows = registers(day, &["glass", "steel"], 24);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    assert_eq!(
        (book.version(), book.next_offset(Partition::FIRST)),
        (-1, None)
    );
    let published = book
        .publish(flush(hot(&rows, day, 40), 57))
        .await
        .expect("published");
    assert_eq!(
        (published.version(), published.next_offset()),
        (0, Some(57))
    );

    let book = lake.book(&park(), 2026).await.expect("a book");
    assert_eq!(
        (
            book.next_offset(Partition::FIRST),
            book.next_offset(Partition::new(1))
        ),
        (Some(57), None)
    );
    assert_eq!(book.hot_days(), [day]);
    let files: Vec<_> = book.day_files(day).cloned().collect();
    assert_eq!((files.len(), files[0].rows), (1, 48));
    assert_eq!(book.day_files(day.next()).count(), 0);
    assert_eq!(book.read(&files[0]).await.expect("readable"), rows);
}

#[tokio::test]
async fn a_commit_of_offsets_alone_is_kept() {
    let (_folder, lake) = local().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let consumed = Some(Consumed::up_to(Partition::new(7), u64::MAX >> 1));
    let _ = book
        .publish(Change {
            consumed,
            ..Change::default()
        })
        .await
        .expect("published");
    let book = lake.book(&park(), 2026).await.expect("a book");
    assert_eq!(book.next_offset(Partition::new(7)), Some(u64::MAX >> 1));
}

#[tokio::test]
async fn what_a_book_has_consumed_never_goes_back() {
    let (_folder, lake) = local().await;
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 4);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let _ = book
        .publish(flush(hot(&rows, day, 40), 57))
        .await
        .expect("published");
    // Read again from an earlier offset, as after a kill.
    let again = flush(hot(&rows, day, 30), 41);
    let published = book.publish(again).await.expect("published");
    assert_eq!(published.next_offset(), Some(41));
    assert_eq!(book.next_offset(Partition::FIRST), Some(57));
    let book = lake.book(&park(), 2026).await.expect("a book");
    assert_eq!(book.next_offset(Partition::FIRST), Some(57));
}

#[tokio::test]
async fn a_second_writer_fences_the_first() {
    let (_folder, lake) = local().await;
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 24);
    let mut old = lake.book(&park(), 2026).await.expect("a book");
    let mut new = lake.book(&park(), 2026).await.expect("a book");
    let _ = new
        .publish(flush(hot(&rows, day, 1), 2))
        .await
        .expect("published");
    let fenced = old.publish(flush(hot(&rows, day, 1), 2)).await;
    assert!(
        matches!(fenced, Err(LakePublishError::Fenced { .. })),
        "even of the same change"
    );
    let sealing = seal(&old, day, &rows, 1);
    assert!(matches!(
        old.publish(sealing).await,
        Err(LakePublishError::Fenced { .. })
    ));
    assert!(
        rows_of_totals(&lake).await.is_empty(),
        "who has lost the book leaves no totals"
    );
    let _ = new
        .publish(flush(hot(&rows, day, 2), 3))
        .await
        .expect("published");
}

#[tokio::test]
async fn late_readings_make_a_new_revision_and_the_old_file_stays() {
    let (folder, lake) = local().await;
    let day = day("2026-11-22");
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let rows = registers(day, &["steel"], 24);
    let change = seal(&book, day, &rows, 1);
    let first = book.publish(change).await.expect("published").version();
    let old = book.files().next().cloned().expect("a file");
    let late = registers(day, &["steel"], 25);
    let _ = book
        .publish(flush(hot(&late, day, 9), 10))
        .await
        .expect("published");
    assert_eq!(
        (book.hot_days(), book.day_files(day).count()),
        (vec![day], 2)
    );
    let merged = ReadingRows::merge(&[&rows, &late]).rows;
    let change = seal(&book, day, &merged, 2);
    let _ = book.publish(change).await.expect("published");
    assert!(book.hot_days().is_empty());

    let snapshot = lake
        .snapshot(&park(), 2026)
        .await
        .expect("readable")
        .expect("a book");
    assert_eq!(snapshot.sealed_revision(day, &enterprise("steel")), Some(2));
    let revisions: Vec<u32> = rows_of_totals(&lake)
        .await
        .iter()
        .map(|row| row.revision)
        .collect();
    assert_eq!(revisions, [1, 2]);
    assert!(
        folder
            .path()
            .join("east/2026/readings")
            .join(&old.path)
            .exists()
    );
    let then: TableState<ReadingsFile> = book.readings.load_at(first).await.expect("readable");
    assert!(then.files.values().eq([&old]));
    assert_eq!(book.read(&old).await.expect("readable"), rows);
}

#[tokio::test]
async fn changes_that_would_leave_the_book_unsound_are_refused() {
    let (_folder, lake) = local().await;
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 24);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let one = sealed(&rows, day, "steel", 1);
    let add = |add| Change {
        add,
        ..Change::default()
    };
    let twice = book
        .publish(add(vec![one.clone(), sealed(&rows, day, "steel", 2)]))
        .await;
    assert!(matches!(twice, Err(LakePublishError::SealedTwice { .. })));
    let _ = book.publish(add(vec![one])).await.expect("published");
    let twice = book
        .publish(add(vec![sealed(&rows, day, "steel", 2)]))
        .await;
    assert!(matches!(twice, Err(LakePublishError::SealedTwice { .. })));
    let other = crate::fixture::day("2025-12-31");
    let wrong = book
        .publish(add(vec![hot(&registers(other, &["steel"], 2), other, 1)]))
        .await;
    assert!(matches!(wrong, Err(LakePublishError::OtherYear { .. })));
    let gone = ReadingsFile {
        path: "day=2026-01-01/x".to_owned(),
        ..book.files().next().cloned().expect("one")
    };
    let gone = book
        .publish(Change {
            remove: vec![gone],
            ..Change::default()
        })
        .await;
    assert!(matches!(gone, Err(LakePublishError::NotThere { .. })));
    assert_eq!(book.version(), 0);
}

#[tokio::test]
async fn removed_hot_files_are_deleted_after_a_while_and_sealed_ones_never() {
    let (folder, lake) = local().await;
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 24);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let _ = book
        .publish(flush(hot(&rows, day, 1), 2))
        .await
        .expect("published");
    let on_disk = |file: &ReadingsFile| {
        folder
            .path()
            .join("east/2026/readings")
            .join(&file.path)
            .exists()
    };
    let hot_file = book.files().next().cloned().expect("a file");
    let change = seal(&book, day, &rows, 1);
    let _ = book.publish(change).await.expect("published");
    let first = book.files().next().cloned().expect("a file");
    let late = registers(day, &["steel"], 25);
    let change = seal(&book, day, &late, 2);
    let _ = book.publish(change).await.expect("published");
    assert!(on_disk(&hot_file), "readers may still hold it");
    book.expired.expire_now();
    let _ = book.publish(Change::default()).await.expect("published");
    assert!(!on_disk(&hot_file));
    assert!(on_disk(&first));
}

#[tokio::test]
async fn many_totals_files_are_merged_without_losing_a_row() {
    let (_folder, lake) = local().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let from = day("2026-01-01");
    for number in 0..40 {
        let day = from.plus(number);
        let change = seal(&book, day, &registers(day, &["steel"], 24), 1);
        let _ = book.publish(change).await.expect("published");
    }
    let snapshot = lake
        .snapshot(&park(), 2026)
        .await
        .expect("readable")
        .expect("a book");
    assert!(
        snapshot.totals_files.len() < 10,
        "{} files",
        snapshot.totals_files.len()
    );
    let mut days: Vec<CivilDay> = rows_of_totals(&lake)
        .await
        .iter()
        .map(|row| row.day)
        .collect();
    days.sort_unstable();
    assert_eq!(
        days,
        (0..40).map(|number| from.plus(number)).collect::<Vec<_>>()
    );
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let next = from.plus(40);
    let change = seal(&book, next, &registers(next, &["steel"], 24), 1);
    let _ = book.publish(change).await.expect("published");
    assert_eq!(rows_of_totals(&lake).await.len(), 41);
}

/// A hot day that is about to be sealed, in a store that can be made to fail.
async fn before_a_seal() -> (Arc<FaultyStore>, Lake, Book, Change) {
    let store = Arc::new(FaultyStore::new(InMemory::new()));
    let lake = Lake::over(Arc::clone(&store) as _, clock::system());
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 24);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let _ = book
        .publish(flush(hot(&rows, day, 1), 2))
        .await
        .expect("published");
    let change = seal(&book, day, &rows, 1);
    (store, lake, book, change)
}

#[tokio::test]
async fn whichever_put_fails_the_seal_is_whole_after_it_is_published_again() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for put in 0.. {
            let (store, lake, mut book, change) = before_a_seal().await;
            store.fail(fault, put);
            let first = book.publish(change.clone()).await;
            let failed = store.heal();
            assert_eq!(
                failed && fault == Fault::Refused,
                first.is_err(),
                "{fault:?} at {put}"
            );
            drop(book);
            let mut book = lake.book(&park(), 2026).await.expect("a book");
            let sealed = book.files().any(|file| !file.is_hot());
            assert_eq!(sealed, first.is_ok(), "{fault:?} at {put}");
            if !sealed {
                assert!(rows_of_totals(&lake).await.is_empty(), "{fault:?} at {put}");
                let _ = book.publish(change).await.expect("published");
            }
            assert_eq!(rows_of_totals(&lake).await.len(), 1, "{fault:?} at {put}");
            assert_eq!(book.files().count(), 1);
            if !failed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_book_that_failed_can_publish_again_by_itself() {
    for put in 0..4 {
        let (store, lake, mut book, change) = before_a_seal().await;
        store.fail(Fault::Refused, put);
        assert!(book.publish(change.clone()).await.is_err());
        assert!(store.heal());
        let _ = book.publish(change).await.expect("published");
        assert_eq!(rows_of_totals(&lake).await.len(), 1, "put {put}");
    }
}

#[tokio::test]
async fn two_writers_of_the_same_commit_at_once_write_different_entries() {
    let (_folder, lake) = local().await;
    let book = lake.book(&park(), 2026).await.expect("a book");
    let entry = || {
        let entry = book.readings.entry_of(&book.state, Commit::default());
        entry.expect("an entry").1
    };
    // Some of so many pairs have the same millisecond.
    for _ in 0..1_000 {
        assert_ne!(entry(), entry());
    }
}

#[tokio::test]
async fn a_writer_between_its_two_commits_is_shut_out_by_the_next() {
    let (store, lake, mut old, change) = before_a_seal().await;
    // The totals are in, the readings are not.
    store.fail(Fault::Refused, 3);
    assert!(old.publish(change.clone()).await.is_err());
    store.heal();
    assert_eq!(rows_of_totals(&lake).await.len(), 1);
    let mut new = lake.book(&park(), 2026).await.expect("a book");
    assert!(rows_of_totals(&lake).await.is_empty());
    let fenced = old.publish(change.clone()).await;
    assert!(matches!(fenced, Err(LakePublishError::Fenced { .. })));
    let _ = new.publish(change).await.expect("published");
    assert_eq!(rows_of_totals(&lake).await.len(), 1);
}

#[tokio::test]
async fn a_file_of_another_program_is_named() {
    let (_folder, lake) = local().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let _ = book.publish(Change::default()).await.expect("published");
    let entry = r#"{"add":{"path":"part-0.parquet","partitionValues":{"day":"2026-11-22"},"size":1,"modificationTime":0,"dataChange":true}}"#;
    let place = "east/2026/readings/_delta_log/00000000000000000001.json".into();
    lake.store().put(&place, entry.into()).await.expect("put");
    let refused = lake.book(&park(), 2026).await.expect_err("not ours");
    assert!(matches!(
        refused,
        LakeOpenError::Read(LakeReadError::Name { .. })
    ));
}
