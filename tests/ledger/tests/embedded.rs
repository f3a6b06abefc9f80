//! A short run over the own endpoint and the embedded log: Greenpark is killed while readings stream in,
//! and nothing is lost, doubled or made up. Needs the binary beside the tests, as the workspace's build
//! makes it; with `strace` it is killed at system calls too.

use std::{env, path::PathBuf};

use clap::Parser as _;
use greenpark_ledger::{args::Args, run};

/// The binary that the workspace's tests build, two folders above this test.
fn greenpark() -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    let binary = test.parent()?.parent()?.join("greenpark");
    binary.is_file().then_some(binary)
}

#[test]
fn killed_while_readings_stream_in_it_loses_and_doubles_nothing() {
    let Some(binary) = greenpark() else {
        eprintln!(
            "left out: there is no greenpark beside this test; build it, or test the workspace"
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
    let told = std::fs::read_to_string(report).expect("there is a report");
    assert!(verdict.holds(), "{told}");
}
