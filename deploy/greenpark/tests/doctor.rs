//! `greenpark doctor` as a script sees it: its exit code, and the report as JSON and as a table.

use std::{fs, process::Command};

#[test]
fn the_command_ends_with_1_for_faults_and_prints_every_form() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file where the lake should be cannot be written to, by root neither.
    fs::write(folder.path().join("lake"), "").expect("written");
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
        command
            .arg("doctor")
            .arg("--data")
            .arg(folder.path())
            .args(more);
        command.output().expect("the binary runs")
    };
    let output = run(&["--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = json["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["check"] == "folder");
    assert_eq!(found.expect("a check")["verdict"], "fault");
    let output = run(&[]);
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains("fault: archive: folder"), "{table}");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(errors.contains("fault"), "{errors}");
}
