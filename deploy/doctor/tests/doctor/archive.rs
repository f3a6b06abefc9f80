//! Archives, each with one fault.

use std::{fs, time::Duration};

use greenpark_doctor::report::Outcome;
use greenpark_model::{clock::Clock, day::Instant, log_position::Partition};
use greenpark_runtime::clock;

use super::{
    assert_check, check,
    lake::{Place, RECORDS},
};

#[tokio::test]
async fn a_sound_archive_has_no_fault_and_is_left_as_it_was() {
    let place = Place::sound().await;
    let listed = |place: &Place| {
        let entries = fs::read_dir(place.folder.path().join("lake")).expect("a folder");
        let names = entries.map(|entry| entry.expect("listed").file_name());
        names.collect::<Vec<_>>()
    };
    let before = listed(&place);
    let report = place.examined().await;
    for name in [
        "folder",
        "books",
        "files",
        "digests",
        "sealing",
        "clock",
        "rename and link",
    ] {
        assert_check(&report, ("archive", name), Outcome::Ok, &[]);
    }
    for name in ["file", "partitions", "position"] {
        assert_check(&report, ("log", name), Outcome::Ok, &[]);
    }
    assert!(check(&report, "archive", "sync").seen.contains("4 KiB"));
    assert_eq!(listed(&place), before, "its own folder is gone again");
}

#[tokio::test]
async fn a_place_without_anything_is_no_fault_and_nothing_is_made() {
    let place = Place::empty();
    let report = place.examined().await;
    assert_check(
        &report,
        ("archive", "books"),
        Outcome::LeftOut,
        &["no lake"],
    );
    assert_check(&report, ("log", "file"), Outcome::LeftOut, &["no log"]);
    let mut entries = fs::read_dir(place.folder.path()).expect("a folder");
    assert!(entries.next().is_none(), "something was made");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_fault() {
    let mut place = Place::empty();
    // A file in its place cannot be written to whoever asks, root included.
    let file = place.folder.path().join("file");
    fs::write(&file, "").expect("written");
    place.installation.lake_root = file.display().to_string();
    let report = place.examined().await;
    assert_check(
        &report,
        ("archive", "folder"),
        Outcome::Fault,
        &["lake.root"],
    );
}

#[tokio::test]
async fn files_that_are_gone_torn_or_changed_are_faults() {
    let place = Place::sound().await;
    let file = place.sealed_file();
    let sound = fs::read(&file).expect("there");
    let mut changed = sound.clone();
    changed[sound.len() / 2] ^= 1;
    fs::write(&file, changed).expect("written");
    let report = place.examined().await;
    assert_check(&report, ("archive", "files"), Outcome::Ok, &[]);
    let words = ["steel.r1", "restore"];
    assert_check(&report, ("archive", "digests"), Outcome::Fault, &words);
    fs::write(&file, &sound[..10]).expect("written");
    let report = place.examined().await;
    let words = ["steel.r1", "has 10 of", "restore"];
    assert_check(&report, ("archive", "files"), Outcome::Fault, &words);
    fs::remove_file(&file).expect("there");
    let report = place.examined().await;
    let words = ["steel.r1", "is gone"];
    assert_check(&report, ("archive", "files"), Outcome::Fault, &words);
}

#[tokio::test]
async fn a_hot_file_that_was_changed_is_a_fault() {
    let place = Place::sound().await;
    place
        .publish_hot("2026-03-02", Partition::FIRST, RECORDS)
        .await;
    let folder = fs::read_dir(place.readings().join("day=2026-03-02")).expect("a day");
    let mut files = folder.map(|file| file.expect("a file").path());
    let file = files.next().expect("a hot file");
    let mut changed = fs::read(&file).expect("there");
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, changed).expect("written");
    let report = place.examined().await;
    let words = ["2 of 2 files were read", "hot.p0", "restore"];
    assert_check(&report, ("archive", "digests"), Outcome::Fault, &words);
}

#[tokio::test]
async fn a_book_whose_log_is_torn_is_a_fault() {
    let place = Place::sound().await;
    let entry = place
        .readings()
        .join("_delta_log/00000000000000000001.json");
    fs::write(entry, "{\"commitInfo\":{\"timest").expect("written");
    let report = place.examined().await;
    let words = ["east 2026", "_delta_log"];
    assert_check(&report, ("archive", "books"), Outcome::Fault, &words);
}

#[tokio::test]
async fn days_that_nobody_seals_are_told() {
    let place = Place::sound().await;
    place
        .publish_hot("2026-03-02", Partition::FIRST, RECORDS)
        .await;
    // A processor may be at it.
    let report = place.examined().await;
    assert_check(&report, ("archive", "sealing"), Outcome::Ok, &[]);
    let report = place.examined_in(Duration::from_secs(3_600)).await;
    let words = ["east 2026-03-02", "start the processor"];
    assert_check(&report, ("archive", "sealing"), Outcome::Warning, &words);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_a_fault() {
    let place = Place::sound().await;
    let behind = Clock::new(|| Instant::from_millis(clock::now().millis() - 3_600_000));
    let report = greenpark_doctor::examine(&place.installation, &behind).await;
    let words = ["60 min from now", "chrony"];
    assert_check(&report, ("archive", "clock"), Outcome::Fault, &words);
    let past = Clock::new(|| Instant::from_millis(1_000));
    let report = greenpark_doctor::examine(&place.installation, &past).await;
    assert_check(&report, ("archive", "clock"), Outcome::Fault, &["1970"]);
}

#[tokio::test]
async fn a_lake_that_is_ahead_of_its_log_is_a_fault() {
    let place = Place::sound().await;
    place
        .publish_hot("2026-03-02", Partition::FIRST, RECORDS + 1)
        .await;
    let report = place.examined().await;
    let words = ["up to 6", "ends at 5", "restore that log"];
    assert_check(&report, ("log", "position"), Outcome::Fault, &words);
    fs::remove_dir_all(place.log_folder()).expect("there");
    let report = place.examined().await;
    let words = ["up to 6", "ends at 0"];
    assert_check(&report, ("log", "position"), Outcome::Fault, &words);
    assert!(!place.log_folder().exists(), "no log was made");
}

#[tokio::test]
async fn a_partition_count_that_was_changed_is_a_fault() {
    let mut place = Place::sound().await;
    place.set_partitions(7);
    let report = place.examined().await;
    let words = ["7", "expected", "restore the count"];
    assert_check(&report, ("log", "file"), Outcome::Fault, &words);
    // Both the settings and the log were changed.
    fs::remove_dir_all(place.log_folder()).expect("there");
    place.append(RECORDS).await;
    let report = place.examined().await;
    let words = [
        "7 partitions",
        "east was in partition 0",
        "embedded_log.partitions",
    ];
    assert_check(&report, ("log", "partitions"), Outcome::Fault, &words);
}

#[tokio::test]
async fn a_log_that_is_in_use_is_left_out() {
    let place = Place::sound().await;
    let held = place.open_log();
    let report = place.examined().await;
    assert_check(
        &report,
        ("log", "file"),
        Outcome::LeftOut,
        &["greenpark up"],
    );
    drop(held);
}
