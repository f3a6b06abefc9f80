//! A lake knows the log that it was made from, and the offset that it has reached: another log is refused or adopted, and
//! records missing in a lake restored from a copy are read again.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

use greenpark_log::memory::MemoryLog;
use greenpark_model::{clock::Clock, log_position::Partition};
use greenpark_runtime::clock;

use super::*;

/// Hours of one day, each with a value of its own from `first` on.
fn hours(from: i64, to: i64, first: i64) -> Vec<(&'static str, &'static str, i64, i64)> {
    let start = day("2026-11-20").start().millis();
    (from..to)
        .map(|h| ("e", "m", start + h * HOUR, first + h))
        .collect()
}

/// Values in force by hour once there are `count`.
async fn values(bench: &Bench, count: usize) -> BTreeMap<i64, i64> {
    let lake = bench.lake().await;
    until(|| async {
        let book = snapshot(&lake, 2026).await?;
        let start = day("2026-11-20").start().millis();
        let mut values = BTreeMap::new();
        for rows in rows(&lake, &book).await {
            for row in 0..rows.len() {
                if !rows.superseded[row] {
                    values.insert((rows.instants[row] - start) / HOUR, rows.values[row]);
                }
            }
        }
        (values.len() == count).then_some(values)
    })
    .await
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (place, to) = (entry.path(), to.join(entry.file_name()));
        match place.is_dir() {
            true => copy(&place, &to),
            false => drop(std::fs::copy(&place, &to).expect("copied")),
        }
    }
}

/// A bench with four readings of one log in the lake.
async fn with_four() -> Bench {
    let mut bench = Bench::new("2026-11-20T05:00:00Z");
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
    bench.send(&hours(0, 4, 1)).await;
    let running = bench.start(&bench.lake().await).await;
    let _four = values(&bench, 4).await;
    running.stop().await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn another_log_is_refused_however_long_it_is_and_read_once_it_is_adopted() {
    for longer in [1, 4, 9] {
        let mut bench = with_four().await;
        bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
        bench.send(&hours(4, 4 + longer, 100)).await;
        let words = if longer < 4 {
            "ends at 1"
        } else {
            "record 3 of partition 0"
        };
        let running = bench.start(&bench.lake().await).await;
        running.refused(words).await;
        let adopted = greenpark_processor::adopt(&bench.lake().await).await;
        adopted.expect("adopted");
        let running = bench.start(&bench.lake().await).await;
        let count = usize::try_from(4 + longer).expect("small");
        let all = values(&bench, count).await;
        assert_eq!((all[&3], all[&4]), (4, 104));
        running.stop().await;
        // From now on it is the log of the lake.
        bench.send(&hours(20, 21, 100)).await;
        let running = bench.start(&bench.lake().await).await;
        assert_eq!(values(&bench, count + 1).await[&20], 120);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_log_that_has_diverged_is_refused() {
    let mut bench = with_four().await;
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
    bench.send(&hours(0, 2, 1)).await;
    bench.send(&hours(5, 9, 1)).await;
    let running = bench.start(&bench.lake().await).await;
    running.refused("greenpark log adopt").await;
    let adopted = greenpark_processor::adopt(&bench.lake().await).await;
    adopted.expect("adopted");
    let running = bench.start(&bench.lake().await).await;
    let all = values(&bench, 8).await;
    assert_eq!(
        all.values().copied().collect::<Vec<_>>(),
        [1, 2, 3, 4, 6, 7, 8, 9]
    );
    running.stop().await;
}

/// The copy of the log holds a first value but not its correction, which the lake has: the correction stays in force.
/// Readings sent after the copy was restored are newer again.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_log_does_not_undo_a_correction() {
    let mut bench = Bench::new("2026-11-20T05:00:00Z");
    let start = day("2026-11-20").start().millis();
    let of = |hour: i64, value| [("e", "m", start + hour * HOUR, value)];
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
    for value in [10, 12] {
        bench.send(&of(0, value)).await;
    }
    let running = bench.start(&bench.lake().await).await;
    assert_eq!(values(&bench, 1).await[&0], 12);
    running.stop().await;
    let time = Arc::new(AtomicI64::new(42));
    let clock = Arc::clone(&time);
    bench.log = MemoryLog::new(
        1,
        Clock::new(move || Instant::from_millis(clock.load(Ordering::Relaxed))),
    );
    bench.send(&of(0, 10)).await;
    time.store(43, Ordering::Relaxed);
    bench.send(&of(1, 7)).await;
    let running = bench.start(&bench.lake().await).await;
    running.refused("greenpark log adopt").await;
    let adopted = greenpark_processor::adopt(&bench.lake().await).await;
    adopted.expect("adopted");
    // Over the day's end, so that it is sealed.
    bench.set("2026-11-21T05:00:00Z");
    let lake = bench.lake().await;
    let in_force = async |files: usize| {
        let book = sealed(&lake, 2026, files).await;
        let rows = rows(&lake, &book).await.remove(0);
        let kept = (0..rows.len()).filter(|row| !rows.superseded[*row]);
        kept.map(|row| rows.values[row]).collect::<Vec<i64>>()
    };
    let running = bench.start(&lake).await;
    assert_eq!(in_force(1).await, [12, 7]);
    // After a restart the processor still recognizes copies; and the correction is corrected back.
    running.stop().await;
    bench.send(&of(0, 10)).await;
    let running = bench.start(&lake).await;
    until(|| async { (in_force(1).await == [10, 7]).then_some(()) }).await;
    running.stop().await;
}

/// A record is a copy if the book has consumed it, not if the partition has: a book that is lost after another log was
/// adopted is created again with the last value of each reading.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_book_treats_no_record_of_the_log_as_a_copy() {
    let mut bench = Bench::new("2026-11-21T05:00:00Z");
    let other = ParkId::new("q").expect("an id");
    let start = day("2026-11-20").start().millis();
    let of = |hour: i64, value| [("e", "m", start + hour * HOUR, value)];
    let in_force = async |bench: &Bench, park: &ParkId| {
        let lake = bench.lake().await;
        until(|| async {
            let book = lake.snapshot(park, 2026).await.ok()??;
            let [file] = &book.files[..] else {
                return None;
            };
            let writer = lake.book(park, 2026).await.expect("a book");
            let rows = writer.read(file).await.ok()?;
            let kept = (0..rows.len()).filter(|row| !rows.superseded[*row]);
            let kept: Vec<i64> = kept.map(|row| rows.values[row]).collect();
            (!file.is_hot()).then_some(kept)
        })
        .await
    };
    let time = Arc::new(AtomicI64::new(42));
    for hours in [1, 2] {
        let clock = Arc::clone(&time);
        time.store(42, Ordering::Relaxed);
        bench.log = MemoryLog::new(
            1,
            Clock::new(move || Instant::from_millis(clock.load(Ordering::Relaxed))),
        );
        for value in [10, 12, 10] {
            bench.send_of(&park(), &of(0, value)).await;
        }
        // The copy lacks the records of the other park, which continues.
        time.store(41 + hours, Ordering::Relaxed);
        bench.send_of(&other, &of(hours, 7)).await;
        if hours == 2 {
            let adopted = greenpark_processor::adopt(&bench.lake().await).await;
            adopted.expect("adopted");
        }
        let running = bench.start(&bench.lake().await).await;
        assert_eq!(in_force(&bench, &park()).await, [10]);
        until(|| async {
            let values = in_force(&bench, &other).await;
            (values.len() as i64 == hours).then_some(())
        })
        .await;
        running.stop().await;
    }
    std::fs::remove_dir_all(bench.folder.path().join("p/2026")).expect("removed");
    let running = bench.start(&bench.lake().await).await;
    assert_eq!(in_force(&bench, &park()).await, [10]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_restored_from_a_copy_reads_the_missing_records_again() {
    for killed in [false, true] {
        let bench = with_four().await;
        let kept = tempfile::tempdir().expect("a folder");
        copy(bench.folder.path(), kept.path());
        bench.send(&hours(4, 8, 1)).await;
        let running = bench.start(&bench.lake().await).await;
        let before = values(&bench, 8).await;
        match killed {
            true => running.kill().await,
            false => running.stop().await,
        }
        for entry in std::fs::read_dir(bench.folder.path()).expect("a folder") {
            std::fs::remove_dir_all(entry.expect("an entry").path()).expect("removed");
        }
        copy(kept.path(), bench.folder.path());
        let running = bench.start(&bench.lake().await).await;
        assert_eq!(values(&bench, 8).await, before);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lake_is_created_again_from_the_log() {
    let bench = with_four().await;
    for entry in std::fs::read_dir(bench.folder.path()).expect("a folder") {
        std::fs::remove_dir_all(entry.expect("an entry").path()).expect("removed");
    }
    let running = bench.start(&bench.lake().await).await;
    assert_eq!(values(&bench, 4).await.len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_its_lake_is_refused_and_no_record_is_skipped() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    bench.send(&year_of_hours("2026-03-01", 2)).await;
    let running = bench.start(&lake).await;
    let before = sealed(&lake, 2026, 2).await;
    running.stop().await;
    // Another log in the same place: its first offsets are ones that the book has consumed.
    let other = Bench {
        log: MemoryLog::new(1, clock::system()),
        ..bench
    };
    other.send(&year_of_hours("2026-03-05", 1)).await;
    let running = other.start(&lake).await;
    running
        .refused("not the log that the lake was written from")
        .await;
    let after = snapshot(&lake, 2026).await.expect("a book");
    assert_eq!(after.files, before.files);
    assert_eq!(other.log.committed("test", Partition::FIRST), 0);
}
