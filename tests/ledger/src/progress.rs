//! The progress of a run on standard error: a bar on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// The pause between two plain lines.
const LINE_PAUSE: Duration = Duration::from_secs(10);

/// The progress of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    /// The progress of a run with so many `faults`.
    #[must_use]
    pub fn new(faults: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:40.cyan/dim} {pos} of {len} faults  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = io::stderr()
            .is_terminal()
            .then(|| ProgressBar::new(faults as u64).with_style(style));
        Self {
            bar,
            last_line: Instant::now(),
        }
    }

    /// Shows that `done` faults are over, with a text.
    pub fn update(&mut self, done: usize, text: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(text.to_owned());
            }
            None if self.last_line.elapsed() >= LINE_PAUSE => {
                self.last_line = Instant::now();
                print_line(&format!("{done} faults: {text}"));
            }
            None => {}
        }
    }

    /// Shows the name of the next stage of the run.
    pub fn begin_stage(&mut self, name: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(name.to_owned()),
            None => print_line(name),
        }
    }
}

/// Prints a line on standard error. An error is ignored, because nobody would read it.
fn print_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
