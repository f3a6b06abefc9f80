//! How far a run is, on standard error: a bar on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// The pause between two plain lines.
const LINE_PAUSE: Duration = Duration::from_secs(10);

/// A run's progress.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Progress {
    /// A run of `faults`.
    #[must_use]
    pub fn new(faults: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:40.cyan/dim} {pos} of {len} faults  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = io::stderr()
            .is_terminal()
            .then(|| ProgressBar::new(faults as u64).with_style(style));
        Self {
            bar,
            told: Instant::now(),
        }
    }

    /// `done` faults are over, and this goes on.
    pub fn tell(&mut self, done: usize, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(what.to_owned());
            }
            None if self.told.elapsed() >= LINE_PAUSE => {
                self.told = Instant::now();
                line(&format!("{done} faults: {what}"));
            }
            None => {}
        }
    }

    /// Another part of the run begins.
    pub fn stage(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => line(what),
        }
    }
}

/// A line on standard error; one that cannot be written has nobody to read it.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
