//! A book whose log is packed: its present and past states, its followers, and damage.

use std::{
    collections::BTreeSet,
    path::{Path as FsPath, PathBuf},
};

use greenpark_model::day::Instant;
use greenpark_runtime::clock;

use super::*;
use crate::{snapshot::Snapshot, store::LogBounds};

/// Small enough that some dozens of commits are packed.
const BOUNDS: LogBounds = LogBounds {
    checkpoint_entries: 5,
    kept_entries: 16,
    kept_ms: 0,
    packed_at_once: 40,
};

async fn packing() -> (tempfile::TempDir, Lake) {
    let (folder, lake) = local().await;
    (folder, lake.with_log_bounds(BOUNDS))
}

/// A reader that has read nothing yet.
async fn anew(folder: &FsPath) -> Lake {
    let lake = Lake::open(folder.to_str().expect("text"), clock::system()).await;
    lake.expect("a lake").with_log_bounds(BOUNDS)
}

async fn newest(lake: &Lake) -> Snapshot {
    let snapshot = lake.snapshot(&park(), 2026).await.expect("readable");
    snapshot.expect("a book").as_ref().clone()
}

/// Commits hot files of one day after the other. Each seventh commit seals the day, and each third one replaces
/// the hot files.
async fn commits(book: &mut Book, many: u64) {
    let mut of = day("2026-01-05");
    for _ in 0..many {
        let n = u64::try_from(book.version() + 1).expect("no less than 0");
        let rows = registers(of, &["steel"], 3 + i64::try_from(n % 20).expect("small"));
        let change = match n % 7 {
            6 => seal(book, of, &rows, 1),
            _ => {
                let hot_files = book.day_files(of).filter(|file| file.is_hot());
                let remove = hot_files.filter(|_| n % 3 == 0).cloned().collect();
                Change {
                    remove,
                    ..flush(hot(&rows, of, n), n + 1)
                }
            }
        };
        let _ = book.publish(change).await.expect("published");
        if n % 7 == 6 {
            of = of.next();
        }
    }
}

fn log_files(folder: &FsPath) -> Vec<PathBuf> {
    let log = folder.join("east/2026/readings/_delta_log");
    let names = std::fs::read_dir(log).expect("a log");
    let mut names: Vec<PathBuf> = names.map(|entry| entry.expect("a file").path()).collect();
    names.sort();
    names
}

fn ending<'a>(files: &'a [PathBuf], end: &str) -> Vec<&'a PathBuf> {
    let ends = |path: &&PathBuf| path.to_string_lossy().ends_with(end);
    files.iter().filter(ends).collect()
}

/// The days that were open, and the sealed files.
fn of_days(snapshot: &Snapshot) -> (BTreeSet<CivilDay>, BTreeSet<&str>) {
    let hot = snapshot.files.iter().filter(|file| file.is_hot());
    let sealed = snapshot.files.iter().filter(|file| !file.is_hot());
    (
        hot.map(|file| file.day).collect(),
        sealed.map(|file| file.path.as_str()).collect(),
    )
}

#[tokio::test]
async fn a_packed_book_is_what_it_is_and_was() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let mut known: Vec<(Instant, Snapshot)> = Vec::new();
    for _ in 0..150 {
        commits(&mut book, 1).await;
        book.pack_if_due().await;
        let found = lake.inspect(&park(), 2026).await.expect("readable");
        let found = found.expect("a book");
        // Of several versions of one millisecond, an as-of read returns the last.
        known.retain(|(at, _)| *at != found.committed_at);
        known.push((found.committed_at, found.snapshot));
    }
    let files = log_files(folder.path());
    let bound = usize::try_from(BOUNDS.kept_entries).expect("small") + 2 * 5 + 2;
    assert!(ending(&files, ".json").len() <= bound, "{files:?}");
    assert!(
        ending(&files, ".checkpoint.parquet").len() <= 6,
        "{files:?}"
    );
    let lake = anew(folder.path()).await;
    let now = newest(&lake).await;
    assert_eq!(now, known.last().expect("some").1);
    let mut stood_in = 0;
    for (at, then) in &known {
        let found = lake.snapshot_as_of(&park(), 2026, *at).await;
        let found = found.expect("readable").expect("a book");
        assert_eq!(of_days(&found), of_days(then), "as of {at}");
        assert_eq!(found.totals_files, then.totals_files, "as of {at}");
        if found.stand_ins() > 0 {
            stood_in += 1;
            let missing = lake.missing(&found).await.expect("answers");
            assert!(missing.iter().all(|file| file.is_stand_in()));
        } else {
            assert_eq!(found.files, then.files, "as of {at}");
        }
        let (first, last) = lake.changed_since(&found, &now).await.expect("dated");
        assert!(
            first >= *at || found.files == now.files,
            "{first} after {at}"
        );
        assert_eq!(last, known.last().expect("some").0);
    }
    assert!(stood_in > 20, "{stood_in} states were of open days");
    let before = Instant::from_millis(known[0].0.millis() - 1);
    let none = lake.snapshot_as_of(&park(), 2026, before).await;
    assert_eq!(none.expect("readable"), None);
}

#[tokio::test]
async fn a_writer_far_behind_finds_the_newest_state_and_may_not_write() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 3).await;
    let behind = anew(folder.path()).await;
    let old = newest(&behind).await;
    let mut sleeping = behind.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 60).await;
    book.pack_if_due().await;
    let files = log_files(folder.path());
    assert!(ending(&files, "003.json").is_empty(), "{files:?}");
    let found = newest(&behind).await;
    assert_ne!(found, old);
    assert_eq!(found, newest(&lake).await);
    let of = day("2026-11-22");
    let rows = registers(of, &["steel"], 2);
    let refused = sleeping.publish(flush(hot(&rows, of, 900), 901)).await;
    assert!(
        matches!(refused, Err(LakePublishError::Fenced { .. })),
        "{refused:?}"
    );
    assert_eq!(newest(&anew(folder.path()).await).await, found);
}

#[tokio::test]
async fn a_pack_that_was_cut_short_is_ended_by_the_next() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 40).await;
    let whole: Vec<(PathBuf, Vec<u8>)> = log_files(folder.path())
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
        .collect();
    let now = newest(&lake).await;
    book.pack_if_due().await;
    let packed = log_files(folder.path());
    assert!(packed.len() < whole.len());
    // Deleted files are back, as if the pack had been killed before, and the packed file is torn.
    let folder_of_packed = folder.path().join("east/2026/readings/_delta_log/_packed");
    for path in std::fs::read_dir(&folder_of_packed).expect("packed") {
        let path = path.expect("a file").path();
        let bytes = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    }
    for (path, bytes) in &whole {
        std::fs::write(path, bytes).expect("written");
    }
    assert_eq!(newest(&anew(folder.path()).await).await, now);
    let hint = folder
        .path()
        .join("east/2026/readings/_delta_log/_last_checkpoint");
    std::fs::remove_file(&hint).expect("a hint");
    assert_eq!(newest(&anew(folder.path()).await).await, now);
    // A hole before the checkpoint: the log is not replayed from its first entry.
    std::fs::remove_file(&whole[5].0).expect("an entry");
    assert_eq!(newest(&anew(folder.path()).await).await, now);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 30).await;
    book.pack_if_due().await;
    assert!(ending(&log_files(folder.path()), "0004.json").is_empty());
}

#[tokio::test]
async fn nothing_is_deleted_where_a_checkpoint_says_other_than_the_entries() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 40).await;
    let files = log_files(folder.path());
    let checkpoints = ending(&files, ".checkpoint.parquet");
    // Each checkpoint holds what the one before it holds, or nothing at all.
    for (at, path) in checkpoints.iter().enumerate().rev() {
        let bytes = match at {
            0 => b"no parquet".to_vec(),
            _ => std::fs::read(checkpoints[at - 1]).expect("a checkpoint"),
        };
        std::fs::write(path, bytes).expect("written");
    }
    book.pack_if_due().await;
    assert_eq!(log_files(folder.path()), files);
}

#[tokio::test]
async fn a_packed_file_that_is_damaged_is_an_error_of_the_past_alone() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 2).await;
    let first = lake.inspect(&park(), 2026).await.expect("readable");
    let at = first.expect("a book").committed_at;
    commits(&mut book, 60).await;
    book.pack_if_due().await;
    let now = newest(&lake).await;
    let packed = folder.path().join("east/2026/readings/_delta_log/_packed");
    let packed = std::fs::read_dir(packed).expect("packed").next();
    let packed = packed.expect("one").expect("a file").path();
    let mut bytes = std::fs::read(&packed).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&packed, bytes).expect("written");
    let lake = anew(folder.path()).await;
    assert_eq!(newest(&lake).await, now);
    let found = lake.snapshot_as_of(&park(), 2026, at).await;
    let error = found.expect_err("damaged");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        cause.unwrap_or_default().contains("is damaged"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_hint_that_goes_back_behind_what_is_packed_is_passed_over() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 12).await;
    let hint = folder
        .path()
        .join("east/2026/readings/_delta_log/_last_checkpoint");
    let old = std::fs::read(&hint).expect("a hint");
    // A writer and a reader that sleep from here on.
    let mut asleep = lake.book(&park(), 2026).await.expect("a book");
    let reader = anew(folder.path()).await;
    let _of_then = newest(&reader).await;
    commits(&mut book, 60).await;
    book.pack_if_due().await;
    let now = newest(&lake).await;
    std::fs::write(&hint, old).expect("written");
    assert_eq!(newest(&reader).await, now);
    assert_eq!(newest(&anew(folder.path()).await).await, now);
    let of = day("2026-03-01");
    let rows = registers(of, &["steel"], 3);
    let fenced = asleep.publish(flush(hot(&rows, of, 13), 14)).await;
    assert!(
        matches!(fenced, Err(LakePublishError::Fenced { .. })),
        "{fenced:?}"
    );
    commits(&mut book, 1).await;
}

#[tokio::test]
async fn entries_that_are_neither_there_nor_packed_are_reported() {
    let (folder, lake) = packing().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    commits(&mut book, 60).await;
    book.pack_if_due().await;
    let east = park();
    let check = || lake.check_past(&east, 2026);
    check().await.expect("whole");
    let files = log_files(folder.path());
    let entries = ending(&files, ".json");
    // The first of them is the last version that is packed.
    for entry in &entries[..2] {
        std::fs::remove_file(entry).expect("an entry");
    }
    let error = check().await.expect_err("entries are gone");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        cause.unwrap_or_default().contains("is not packed"),
        "{error:?}"
    );
    // Another program cleaned a log of which nothing was packed.
    let packed = folder.path().join("east/2026/readings/_delta_log/_packed");
    std::fs::remove_dir_all(packed).expect("removed");
    let error = check().await.expect_err("entries are gone");
    assert!(matches!(error, LakeReadError::Cleaned { .. }), "{error:?}");
}
