//! Goal: nothing is lost, doubled or made up when Greenpark is killed while readings stream in. Method: a short
//! run with its own listener and the embedded log. It needs the `greenpark` binary beside the tests, where the
//! build of the workspace puts it; with `strace` it also kills at system calls.

use std::{env, path::PathBuf};

use clap::Parser as _;
use greenpark_ledger::{args::Args, run};

/// The binary that the build of the workspace puts two folders above this test.
fn greenpark() -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    let binary = test.parent()?.parent()?.join("greenpark");
    binary.is_file().then_some(binary)
}

#[test]
fn kills_while_readings_stream_in_lose_and_double_nothing() {
    let Some(binary) = greenpark() else {
        eprintln!(
            "skipped: there is no greenpark beside this test; build it, or test the workspace"
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.md");
    let mut args = Args::parse_from([
        "ledger",
        "--readings",
        "12000",
        "--kills",
        "8",
        "--seed",
        "5",
    ]);
    args.greenpark = Some(binary);
    args.report = Some(report.clone());
    let verdict = run::run(&args).expect("the run comes to its end");
    let report = std::fs::read_to_string(report).expect("there is a report");
    assert!(verdict.holds(), "{report}");
}
