//! `greenpark-ledger`: kills Greenpark while readings stream in, and checks that none is lost or counted twice.

use std::process::ExitCode;

use clap::Parser;
use greenpark_ledger::{args::Args, run};

fn main() -> ExitCode {
    let args = Args::parse();
    match run::run(&args) {
        Ok(verdict) if verdict.holds() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("greenpark-ledger: {error:#}");
            ExitCode::FAILURE
        }
    }
}
