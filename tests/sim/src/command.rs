//! The command line: one seed in full, or many with their rate.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use greenpark_sim::{generate, run_seed, shrink};

/// Runs the pipeline under seeds and checks its promises.
#[derive(Debug, Parser)]
pub(crate) struct Command {
    /// The seed of the one run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs every seed FROM..TO instead, TO left out.
    #[arg(long, value_parser = range)]
    seeds: Option<(u64, u64)>,
    /// Ops of a run.
    #[arg(long, default_value_t = 80)]
    steps: usize,
    /// Prints what happened.
    #[arg(long)]
    trace: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once("..").ok_or("give FROM..TO, as 1..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok((number(parts.0)?, number(parts.1)?))
}

impl Command {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let (from, to) = self.seeds.unwrap_or((self.seed, self.seed + 1));
        let (began, mut broken, mut readings) = (Instant::now(), 0u32, 0);
        for seed in from..to {
            match run_seed(seed, self.steps) {
                Ok(outcome) => {
                    readings += outcome.readings.1;
                    if self.seeds.is_none() {
                        self.show(&mut out, seed, &outcome)?;
                    }
                }
                Err(error) => {
                    broken += 1;
                    writeln!(out, "seed {seed}: {error}")?;
                    if self.trace {
                        write!(out, "{}", error.lines)?;
                    }
                    if broken == 1 {
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
            "{seeds} seeds of {} ops, {readings} readings acknowledged, {broken} broken, {rate:.0} seeds a minute",
            self.steps
        )?;
        Ok(ExitCode::from(u8::from(broken > 0)))
    }

    fn show(&self, out: &mut impl Write, seed: u64, of: &greenpark_sim::Outcome) -> io::Result<()> {
        if self.trace {
            write!(out, "{}", of.lines)?;
        }
        let (sent, acked, sealed) = of.readings;
        writeln!(
            out,
            "seed {seed}: {sent} readings sent, {acked} acknowledged, {sealed} sealed"
        )?;
        writeln!(out, "trace {}\nlake  {}", of.trace, of.lake)
    }
}
