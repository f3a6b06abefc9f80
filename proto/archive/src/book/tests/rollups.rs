//! Rollups follow the totals, are made again when a day is resealed, and are never ahead of the readings.

use greenpark_runtime::clock;
use std::sync::Arc;

use super::*;
use crate::{reference::meters::Meters, tables::rollups::decode_rollups};

/// The rollups of the lake: for each month the revisions of its days.
async fn rolled(lake: &Lake) -> Vec<(String, Vec<u32>)> {
    let book = lake.inspect(&park(), 2026).await.expect("readable");
    let snapshot = book.expect("a book").snapshot;
    let mut months = Vec::new();
    for file in &snapshot.rollups_files {
        let path = format!("{}/{}", snapshot.rollups_root(), file.path).into();
        let got = lake.store().get(&path).await.expect("there");
        let bytes = got.bytes().await.expect("whole");
        for rollup in decode_rollups(bytes).expect("our file") {
            let revisions = rollup.days().map(|(_, of)| of.revision).collect();
            months.push((rollup.month.to_string(), revisions));
        }
    }
    months
}

/// Seals a day of steel as `revision`, with totals by the traits of a meter without an entry.
pub(super) async fn seal_day(book: &mut Book, day: CivilDay, revision: u32) {
    let rows = registers(day, &["steel"], 20 + i64::from(revision));
    let mut change = seal(book, day, &rows, revision);
    for row in &mut change.totals {
        row.rules = greenpark_model::fold::MeterProfile::default()
            .rules(row.series.kind)
            .into();
    }
    let _ = book.publish(change).await.expect("published");
}

#[tokio::test]
async fn what_is_sealed_is_rolled_up_and_again_when_it_is_resealed() {
    let (_folder, lake) = local().await;
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    assert!(!book.is_roll_up_due(false));
    for of in ["2026-01-30", "2026-01-31"] {
        seal_day(&mut book, day(of), 1).await;
        assert!(book.is_roll_up_due(false), "{of}");
    }
    assert_eq!(rolled(&lake).await, []);
    book.roll_up(&meters).await.expect("rolled up");
    assert!(!book.is_roll_up_due(false));
    let january = |revisions: &[u32]| ("2026-01-01".to_owned(), revisions.to_vec());
    assert_eq!(rolled(&lake).await, [january(&[1, 1])]);

    // Another writer continues from there.
    drop(book);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    assert!(!book.is_roll_up_due(false));
    seal_day(&mut book, day("2026-02-01"), 1).await;
    seal_day(&mut book, day("2026-01-30"), 2).await;
    book.roll_up(&meters).await.expect("rolled up");
    let february = ("2026-02-01".to_owned(), vec![1]);
    assert_eq!(rolled(&lake).await, [january(&[2, 1]), february]);
    // A few days wait for more, if more may come.
    for (of, is_due) in [(2, false), (3, false), (4, false), (5, true)] {
        seal_day(&mut book, day("2026-02-01").plus(of - 1), 1).await;
        assert_eq!(book.is_roll_up_due(false), is_due, "{of}");
        assert!(book.is_roll_up_due(true));
    }
    book.roll_up(&meters).await.expect("rolled up");
    assert!(!book.is_roll_up_due(true));
}

#[tokio::test]
async fn whichever_put_fails_rollups_are_made_by_the_next_try() {
    let meters = Arc::new(Meters::default());
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for put in 0.. {
            let store = Arc::new(FaultyStore::new(InMemory::new()));
            let lake = Lake::over(store.clone(), clock::system());
            let mut book = lake.book(&park(), 2026).await.expect("a book");
            seal_day(&mut book, day("2026-01-30"), 1).await;
            seal_day(&mut book, day("2026-01-31"), 1).await;
            store.fail(fault, put);
            let made = book.roll_up(&meters).await;
            let failed = store.heal();
            assert_eq!(
                failed && fault == Fault::Refused,
                made.is_err(),
                "{fault:?} at {put}"
            );
            drop(book);
            let mut book = lake.book(&park(), 2026).await.expect("a book");
            book.roll_up(&meters).await.expect("rolled up");
            let january = ("2026-01-01".to_owned(), vec![1, 1]);
            assert_eq!(rolled(&lake).await, [january], "{fault:?} at {put}");
            if !failed {
                assert!(put > 0);
                break;
            }
        }
    }
}

#[tokio::test]
async fn rollups_of_a_lake_that_was_ahead_are_forgotten() {
    let (folder, lake) = local().await;
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    seal_day(&mut book, day("2026-01-30"), 1).await;
    seal_day(&mut book, day("2026-01-31"), 1).await;
    book.roll_up(&meters).await.expect("rolled up");
    // The readings and totals lose their last entry, as after an older copy of them was restored.
    for table in ["readings", "totals"] {
        let log = folder
            .path()
            .join(format!("{}/2026/{table}/_delta_log", park()));
        let entries = std::fs::read_dir(&log).expect("a folder");
        let entries = entries.map(|entry| entry.expect("an entry").path());
        let last = entries.filter(|path| path.extension().is_some_and(|end| end == "json"));
        std::fs::remove_file(last.max().expect("an entry")).expect("removed");
    }
    let lake = Lake::open(folder.path().to_str().expect("text"), clock::system())
        .await
        .expect("a lake");
    assert_eq!(rolled(&lake).await, []);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    seal_day(&mut book, day("2026-01-29"), 1).await;
    book.roll_up(&meters).await.expect("rolled up");
    assert_eq!(rolled(&lake).await, [("2026-01-01".to_owned(), vec![1, 1])]);
}

/// The files of rollups in the lake's folder.
fn on_disk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder.join(format!("{}/2026/rollups", park())));
    let files = files.expect("a folder").map(|file| file.expect("a file"));
    let files = files.map(|file| file.path());
    files.filter(|path| path.is_file()).collect()
}

#[tokio::test]
async fn a_damaged_file_of_rollups_is_made_anew() {
    let (folder, lake) = local().await;
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    for of in ["2026-01-30", "2026-02-01"] {
        seal_day(&mut book, day(of), 1).await;
    }
    book.roll_up(&meters).await.expect("rolled up");
    let files = on_disk(folder.path());
    assert_eq!(files.len(), 2);
    for (damage, revision) in [(Some("torn"), 2), (None, 3)] {
        for file in on_disk(folder.path()) {
            match damage {
                Some(text) => std::fs::write(&file, text).expect("written"),
                None => std::fs::remove_file(&file).expect("removed"),
            }
        }
        seal_day(&mut book, day("2026-01-30"), revision).await;
        book.roll_up(&meters).await.expect("rolled up");
        let months = [("2026-01-01", revision), ("2026-02-01", 1)];
        let months = months.map(|(month, of)| (month.to_owned(), vec![of]));
        assert_eq!(rolled(&lake).await, months);
    }
}

#[tokio::test]
async fn rollups_that_were_made_again_are_deleted() {
    let (folder, lake) = local().await;
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    book.expired.expire_now();
    for of in 1..=9 {
        seal_day(&mut book, day(&format!("2026-01-{of:02}")), 1).await;
        book.roll_up(&meters).await.expect("rolled up");
    }
    // The last one that was replaced is deleted with the next publish.
    assert_eq!(on_disk(folder.path()).len(), 2);
    assert_eq!(rolled(&lake).await, [("2026-01-01".to_owned(), vec![1; 9])]);
}
