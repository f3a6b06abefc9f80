//! The progress of a job on standard error: a bar with the rate on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::ProgressStyle;

use crate::output::{line, thousands};

/// The pause between two plain lines.
const LINE_PAUSE: Duration = Duration::from_secs(5);

const BAR: &str =
    "{msg:<18} {bar:40.cyan/dim} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left";
const SPINNER: &str = "{msg} {spinner} {elapsed}";

/// A job's progress.
#[derive(Debug)]
pub struct ProgressBar {
    bar: Option<indicatif::ProgressBar>,
    what: &'static str,
    total: u64,
    position: u64,
    started: Instant,
    last_line: Instant,
}

impl ProgressBar {
    /// Starts a bar for a job of `total` steps.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        let style =
            ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self::start(what, total, style.progress_chars("━╸─"))
    }

    /// Starts a spinner for a wait without a known end.
    #[must_use]
    pub fn wait(what: &'static str) -> Self {
        let style = ProgressStyle::with_template(SPINNER)
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::start(what, 0, style)
    }

    fn start(what: &'static str, total: u64, style: ProgressStyle) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new(total)
                .with_style(style)
                .with_message(what);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            what,
            total,
            position: 0,
            started: now,
            last_line: now,
        }
    }

    /// Moves the bar to `position`.
    pub fn set(&mut self, position: u64) {
        self.position = position;
        match &self.bar {
            Some(bar) => bar.set_position(position),
            None if self.last_line.elapsed() >= LINE_PAUSE => {
                self.last_line = Instant::now();
                self.print_line();
            }
            None => {}
        }
    }

    /// Shows the state of a wait, on a terminal or as a line.
    pub fn report(&mut self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_owned()),
            None if self.last_line.elapsed() >= LINE_PAUSE => {
                self.last_line = Instant::now();
                line(message);
            }
            None => {}
        }
    }

    /// Shows a message on a terminal only; as plain lines it would be noise.
    pub fn show(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// Ends the job and clears the bar.
    pub fn finish(self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.total > 0 => self.print_line(),
            None => {}
        }
    }

    /// Returns the steps per second so far.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.position as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn print_line(&self) {
        let (done, total) = (thousands(self.position), thousands(self.total));
        line(&format!(
            "{}: {done} of {total}, {} a second",
            self.what,
            thousands(self.rate() as u64)
        ));
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
