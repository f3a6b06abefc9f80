//! What readers see of books, and when.

use greenpark_model::log_position::Partition;
use greenpark_runtime::clock;

use super::{snapshot_cache::SNAPSHOTS_MAX, *};
use crate::{
    book::Change,
    fixture::{day, enterprise, flush, hot, park, registers, sealed},
};

async fn lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(folder.path().to_str().expect("text"), clock::system())
        .await
        .expect("a lake");
    (folder, lake)
}

async fn snapshot(lake: &Lake) -> Arc<Snapshot> {
    lake.snapshot(&park(), 2026)
        .await
        .expect("readable")
        .expect("a book")
}

#[tokio::test]
async fn a_fresh_folder_is_an_empty_lake() {
    let (folder, _) = lake().await;
    let root = folder.path().join("deep/er");
    let lake = Lake::open(&format!("file://{}", root.display()), clock::system())
        .await
        .expect("a lake");
    assert!(lake.parks().await.expect("listed").is_empty());
    assert!(lake.years(&park()).await.expect("listed").is_empty());
    assert_eq!(lake.snapshot(&park(), 2026).await.expect("readable"), None);
    assert!(Lake::open("gopher://hole", clock::system()).await.is_err());
}

#[tokio::test]
async fn readers_follow_the_writer_and_share_what_has_not_changed() {
    let (_folder, lake) = lake().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    assert_eq!(
        lake.snapshot(&park(), 2026).await.expect("readable"),
        None,
        "opening makes no table"
    );
    let day = day("2026-11-22");
    let rows = registers(day, &["glass", "steel"], 24);
    let _ = book
        .publish(flush(hot(&rows, day, 1), 2))
        .await
        .expect("published");
    let first = snapshot(&lake).await;
    assert_eq!(
        (
            first.readings_version,
            first.totals_version,
            first.files.len()
        ),
        (0, -1, 1)
    );
    assert!(Arc::ptr_eq(&first, &snapshot(&lake).await));

    let steel = rows.select_enterprise(&enterprise("steel"));
    let change = Change {
        add: vec![sealed(&steel, day, "steel", 1)],
        remove: book.files().cloned().collect(),
        ..Change::default()
    };
    let _ = book.publish(change).await.expect("published");
    let second = snapshot(&lake).await;
    let other = Lake::open(_folder.path().to_str().expect("text"), clock::system())
        .await
        .expect("a lake");
    assert_eq!(
        second,
        snapshot(&other).await,
        "following and loading agree"
    );
    assert_eq!(second.sealed_revision(day, &enterprise("steel")), Some(1));
    assert_eq!(second.sealed_revision(day, &enterprise("glass")), None);
    assert_eq!(second.day_files(day).len(), 1);
    assert_eq!(second.day_files(day.next()).len(), 0);
    assert_eq!(first.files.len(), 1, "a snapshot never changes");

    let place = format!("{}/{}", second.readings_root(), second.files[0].path);
    assert!(
        lake.store()
            .get_opts(&place.into(), Default::default())
            .await
            .is_ok()
    );
    assert_eq!(lake.parks().await.expect("listed"), [park()]);
    assert_eq!(lake.years(&park()).await.expect("listed"), [2026]);
}

#[tokio::test]
async fn a_book_of_thousands_of_files_opens_from_log_and_checkpoint_alike() {
    let (_folder, lake) = lake().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let names: Vec<String> = (0..12).map(|n| format!("plant-{n:02}")).collect();
    for month in 1..=10 {
        let mut change = Change::default();
        for of_month in 1..=28 {
            let day = day(&format!("2026-{month:02}-{of_month:02}"));
            for name in &names {
                change
                    .add
                    .push(sealed(&registers(day, &[name], 1), day, name, 1));
            }
        }
        let _ = book.publish(change).await.expect("published");
    }
    // Up to and past the version of the first checkpoint.
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 1);
    while book.version() < 104 {
        let offset = book.version() as u64 + 1;
        let _ = book
            .publish(flush(hot(&rows, day, offset), offset + 1))
            .await
            .expect("published");
    }
    assert!(
        _folder
            .path()
            .join("east/2026/readings/_delta_log/_last_checkpoint")
            .exists()
    );
    let followed: Vec<_> = book.files().cloned().collect();
    assert_eq!(followed.len(), 10 * 28 * 12 + 95);
    let other = Lake::open(_folder.path().to_str().expect("text"), clock::system())
        .await
        .expect("a lake");
    assert_eq!(snapshot(&other).await.files, followed);
    let again = other.book(&park(), 2026).await.expect("a book");
    assert!(again.files().eq(followed.iter()));
    assert_eq!(
        again.next_offset(Partition::FIRST),
        book.next_offset(Partition::FIRST)
    );
    assert_eq!(again.version(), 104);
}

#[tokio::test]
async fn more_books_than_are_kept_can_be_read() {
    let (_folder, lake) = lake().await;
    for year in 0..(SNAPSHOTS_MAX as i16 + 9) {
        assert_eq!(
            lake.snapshot(&park(), 1_900 + year)
                .await
                .expect("readable"),
            None
        );
    }
    let kept = lake.shared.snapshots.lock().expect("no panic").slots.len();
    assert_eq!(kept, SNAPSHOTS_MAX);
}

#[tokio::test]
async fn snapshots_are_kept_within_their_bytes_and_read_again_behind_them() {
    let (_folder, lake) = lake().await;
    let years = [2024, 2025, 2026];
    let mut whole = 0;
    for year in years {
        let mut book = lake.book(&park(), year).await.expect("a book");
        let day = day(&format!("{year}-11-22"));
        let rows = registers(day, &["steel"], 1);
        let _ = book
            .publish(flush(hot(&rows, day, 1), 2))
            .await
            .expect("published");
        let snapshot = lake.snapshot(&park(), year).await.expect("readable");
        whole += snapshot.expect("a book").bytes();
    }
    let kept = |lake: &Lake| {
        let snapshots = lake.snapshots();
        let bytes = snapshots.slots.values().map(|kept| kept.bytes).sum();
        assert_eq!(snapshots.bytes, bytes);
        bytes
    };
    assert_eq!(kept(&lake), whole);
    lake.bound_snapshots(whole / 2);
    for year in years.into_iter().cycle().take(9) {
        let snapshot = lake.snapshot(&park(), year).await.expect("readable");
        assert_eq!(snapshot.expect("a book").files.len(), 1, "{year}");
    }
    assert!((1..=whole / 2).contains(&kept(&lake)));
    // What is in use is not read again.
    let mut in_use = Vec::new();
    for year in years.into_iter().chain(years) {
        in_use.push(lake.snapshot(&park(), year).await.expect("readable"));
    }
    for (first, again) in in_use[..3].iter().zip(&in_use[3..]) {
        let [first, again] = [first, again].map(|found| found.as_ref().expect("a book"));
        assert!(Arc::ptr_eq(first, again));
    }
}

#[tokio::test]
async fn a_book_is_read_as_it_was_at_an_instant() {
    let (_folder, lake) = lake().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 24);
    let before = now();
    let mut known = Vec::new();
    for revision in 1..=5 {
        let change = Change {
            add: vec![sealed(&rows, day, "steel", revision)],
            remove: book.files().cloned().collect(),
            ..Change::default()
        };
        let _ = book.publish(change).await.expect("published");
        known.push((now(), snapshot(&lake).await));
        tick();
    }
    for (at, then) in &known {
        let found = lake.snapshot_as_of(&park(), 2026, *at).await;
        let found = found.expect("readable").expect("a book");
        assert_eq!(found, *then);
        let missing = lake.missing(&found).await.expect("answers");
        assert!(missing.is_empty());
    }
    let too_early = Instant::from_millis(before.millis() - 1);
    let none = lake.snapshot_as_of(&park(), 2026, too_early).await;
    assert_eq!(none.expect("readable"), None);
    let other = lake.snapshot_as_of(&park(), 2025, now()).await;
    assert_eq!(other.expect("readable"), None);
}

/// Now, by the clock that dates commits.
fn now() -> Instant {
    clock::now()
}

/// Returns when the clock has gone on.
fn tick() {
    let then = now();
    while now() == then {
        std::hint::spin_loop();
    }
}

#[tokio::test]
async fn a_file_records_where_it_comes_from_and_that_it_was_changed() {
    let (folder, lake) = lake().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let day = day("2026-11-22");
    let rows = registers(day, &["steel"], 24);
    let _ = book
        .publish(flush(hot(&rows, day, 1), 2))
        .await
        .expect("published");
    let snapshot = snapshot(&lake).await;
    let file = &snapshot.files[0];
    let origin = lake.origin(&snapshot, file).await.expect("readable");
    assert!(origin.intact, "{origin:?}");
    assert!(file.path.contains(&origin.sha256[..16]));
    assert!(origin.rules.contains("merge/2"));
    let place = folder.path().join(&origin.path);
    let mut bytes = std::fs::read(&place).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&place, bytes).expect("written");
    let origin = lake.origin(&snapshot, file).await.expect("readable");
    assert!(!origin.intact);
    std::fs::remove_file(&place).expect("there");
    let missing = lake.missing(&snapshot).await.expect("answers");
    assert_eq!(missing, [file]);
}
