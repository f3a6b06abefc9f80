//! The command line: runs one seed and prints its digests, or runs many seeds and prints their rate.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use greenpark_sim::{Readings, RunOutcome, generate, run_seed, shrink};

/// Runs the pipeline under seeds and checks its promises.
#[derive(Debug, Parser)]
pub(crate) struct Command {
    /// Seed of a single run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs all seeds from FROM up to, but not including, TO instead.
    #[arg(long, value_parser = parse_range)]
    seeds: Option<(u64, u64)>,
    /// Number of ops in a run.
    #[arg(long, default_value_t = 80)]
    steps: usize,
    /// Prints the trace of the run.
    #[arg(long)]
    trace: bool,
}

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once("..").ok_or("give FROM..TO, as 1..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok((number(parts.0)?, number(parts.1)?))
}

impl Command {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let (from, to) = self.seeds.unwrap_or((self.seed, self.seed + 1));
        let (began, mut failed_runs, mut readings) = (Instant::now(), 0u32, 0);
        for seed in from..to {
            match run_seed(seed, self.steps) {
                Ok(outcome) => {
                    readings += outcome.readings.acknowledged;
                    if self.seeds.is_none() {
                        self.print(&mut out, seed, &outcome)?;
                    }
                }
                Err(error) => {
                    failed_runs += 1;
                    writeln!(out, "seed {seed}: {error}")?;
                    if self.trace {
                        write!(out, "{}", error.trace)?;
                    }
                    if failed_runs == 1 {
                        let few = shrink(&generate(seed, self.steps));
                        writeln!(out, "as few ops as break it: {few:#?}")?;
                    }
                }
            }
        }
        let (seeds, seconds) = (to.saturating_sub(from), began.elapsed().as_secs_f64());
        let rate = seeds as f64 * 60.0 / seconds;
        writeln!(
            out,
            "{seeds} seeds of {} ops, {readings} readings acknowledged, {failed_runs} broken, {rate:.0} seeds a minute",
            self.steps
        )?;
        Ok(ExitCode::from(u8::from(failed_runs > 0)))
    }

    fn print(&self, out: &mut impl Write, seed: u64, outcome: &RunOutcome) -> io::Result<()> {
        if self.trace {
            write!(out, "{}", outcome.trace)?;
        }
        let Readings {
            sent,
            acknowledged,
            sealed,
        } = outcome.readings;
        writeln!(
            out,
            "seed {seed}: {sent} readings sent, {acknowledged} acknowledged, {sealed} sealed"
        )?;
        writeln!(
            out,
            "trace {}\nlake  {}",
            outcome.trace_digest, outcome.lake_digest
        )
    }
}
