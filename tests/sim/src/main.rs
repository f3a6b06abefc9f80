//! The command `cargo run --release -p greenpark-sim -- --seed 1 --steps 80`, or `--seeds 1..1000`.

mod command;

use std::{io, process::ExitCode};

use clap::Parser as _;

fn main() -> io::Result<ExitCode> {
    command::Command::parse().run()
}
