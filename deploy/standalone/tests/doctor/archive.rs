//! Archives, each with one fault.

use std::{fs, process::Command, time::Duration};

use greenpark::doctor::report::Verdict;
use greenpark_log_embedded::EmbeddedLog;

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
        assert_check(&report, ("archive", name), Verdict::Ok, &[]);
    }
    for name in ["file", "partitions", "position"] {
        assert_check(&report, ("log", name), Verdict::Ok, &[]);
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
        Verdict::LeftOut,
        &["no lake"],
    );
    assert_check(&report, ("log", "file"), Verdict::LeftOut, &["no log"]);
    let mut entries = fs::read_dir(place.folder.path()).expect("a folder");
    assert!(entries.next().is_none(), "something was made");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_fault() {
    let mut place = Place::empty();
    // A file in its place cannot be written to whoever asks, root included.
    let file = place.folder.path().join("file");
    fs::write(&file, "").expect("written");
    place.settings.lake.root = file.display().to_string();
    let report = place.examined().await;
    assert_check(
        &report,
        ("archive", "folder"),
        Verdict::Fault,
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
    assert_check(&report, ("archive", "files"), Verdict::Ok, &[]);
    let words = ["steel.r1", "restore"];
    assert_check(&report, ("archive", "digests"), Verdict::Fault, &words);
    fs::write(&file, &sound[..10]).expect("written");
    let report = place.examined().await;
    let words = ["steel.r1", "has 10 of", "restore"];
    assert_check(&report, ("archive", "files"), Verdict::Fault, &words);
    fs::remove_file(&file).expect("there");
    let report = place.examined().await;
    let words = ["steel.r1", "is gone"];
    assert_check(&report, ("archive", "files"), Verdict::Fault, &words);
}

#[tokio::test]
async fn a_hot_file_that_was_changed_is_a_fault() {
    let place = Place::sound().await;
    place.publish_hot("2026-03-02", 0, RECORDS).await;
    let folder = fs::read_dir(place.readings().join("day=2026-03-02")).expect("a day");
    let mut files = folder.map(|file| file.expect("a file").path());
    let file = files.next().expect("a hot file");
    let mut changed = fs::read(&file).expect("there");
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, changed).expect("written");
    let report = place.examined().await;
    let words = ["2 of 2 files were read", "hot.p0", "restore"];
    assert_check(&report, ("archive", "digests"), Verdict::Fault, &words);
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
    assert_check(&report, ("archive", "books"), Verdict::Fault, &words);
}

#[tokio::test]
async fn days_that_nobody_seals_are_told() {
    let place = Place::sound().await;
    place.publish_hot("2026-03-02", 0, RECORDS).await;
    // A processor may be at it.
    let report = place.examined().await;
    assert_check(&report, ("archive", "sealing"), Verdict::Ok, &[]);
    let report = place.examined_in(Duration::from_secs(3_600)).await;
    let words = ["east 2026-03-02", "start the processor"];
    assert_check(&report, ("archive", "sealing"), Verdict::Warning, &words);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_a_fault() {
    let place = Place::sound().await;
    let now = greenpark_model::day::Instant(greenpark_runtime::clock::now_ms() - 3_600_000);
    let report = greenpark::doctor::examine(&place.settings, now).await;
    let words = ["60 min from now", "chrony"];
    assert_check(&report, ("archive", "clock"), Verdict::Fault, &words);
    let past = greenpark_model::day::Instant(1_000);
    let report = greenpark::doctor::examine(&place.settings, past).await;
    assert_check(&report, ("archive", "clock"), Verdict::Fault, &["1970"]);
}

#[tokio::test]
async fn a_lake_that_is_ahead_of_its_log_is_a_fault() {
    let place = Place::sound().await;
    place.publish_hot("2026-03-02", 0, RECORDS + 1).await;
    let report = place.examined().await;
    let words = ["up to 6", "ends at 5", "restore that log"];
    assert_check(&report, ("log", "position"), Verdict::Fault, &words);
    fs::remove_dir_all(&place.settings.embedded_log.folder).expect("there");
    let report = place.examined().await;
    let words = ["up to 6", "ends at 0"];
    assert_check(&report, ("log", "position"), Verdict::Fault, &words);
    assert!(
        !place.settings.embedded_log.folder.exists(),
        "no log was made"
    );
}

#[tokio::test]
async fn a_partition_count_that_was_changed_is_a_fault() {
    let mut place = Place::sound().await;
    place.settings.embedded_log.partitions = 7;
    let report = place.examined().await;
    let words = ["7", "expected", "restore the count"];
    assert_check(&report, ("log", "file"), Verdict::Fault, &words);
    // Both the settings and the log were changed.
    fs::remove_dir_all(&place.settings.embedded_log.folder).expect("there");
    place.append(RECORDS).await;
    let report = place.examined().await;
    let words = [
        "7 partitions",
        "east was in partition 0",
        "embedded_log.partitions",
    ];
    assert_check(&report, ("log", "partitions"), Verdict::Fault, &words);
}

#[tokio::test]
async fn a_log_that_is_in_use_is_left_out() {
    let place = Place::sound().await;
    let section = &place.settings.embedded_log;
    let held = EmbeddedLog::open(&section.folder, section.to_log()).expect("it opens");
    let report = place.examined().await;
    assert_check(
        &report,
        ("log", "file"),
        Verdict::LeftOut,
        &["greenpark up"],
    );
    drop(held);
}

#[tokio::test]
async fn the_command_ends_with_1_for_faults_and_prints_every_form() {
    let place = Place::sound().await;
    let data = place.folder.path().to_str().expect("text");
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
        command.args(["doctor", "--data", data]).args(more);
        command.output().expect("the binary runs")
    };
    fs::remove_file(place.sealed_file()).expect("there");
    let output = run(&["--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = json["checks"].as_array().expect("checks");
    let files = checks.iter().find(|check| check["check"] == "files");
    assert_eq!(files.expect("a check")["verdict"], "fault");
    let output = run(&[]);
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains("fault: archive: files"), "{table}");
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(told.contains("fault"), "{told}");
}
