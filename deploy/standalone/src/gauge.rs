//! How far a job is, on standard error: a bar with the rate on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// The pause between two plain lines.
const LINE_PAUSE: Duration = Duration::from_secs(5);

const BAR: &str =
    "{msg:<18} {bar:40.cyan/dim} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left";
const SPINNER: &str = "{msg} {spinner} {elapsed}";

/// A job's progress.
#[derive(Debug)]
pub struct Gauge {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    position: u64,
    started: Instant,
    told: Instant,
}

impl Gauge {
    /// A job of `total` steps, named by `what`.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        let style =
            ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self::start(what, total, style.progress_chars("━╸─"))
    }

    /// A wait without a known end.
    #[must_use]
    pub fn wait(what: &'static str) -> Self {
        let style = ProgressStyle::with_template(SPINNER)
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::start(what, 0, style)
    }

    fn start(what: &'static str, total: u64, style: ProgressStyle) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_style(style).with_message(what);
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
            told: now,
        }
    }

    /// The job is at `position`.
    pub fn set(&mut self, position: u64) {
        self.position = position;
        match &self.bar {
            Some(bar) => bar.set_position(position),
            None if self.told.elapsed() >= LINE_PAUSE => {
                self.told = Instant::now();
                self.tell();
            }
            None => {}
        }
    }

    /// What is being waited for.
    pub fn say(&mut self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_owned()),
            None if self.told.elapsed() >= LINE_PAUSE => {
                self.told = Instant::now();
                line(message);
            }
            None => {}
        }
    }

    /// What a terminal shows meanwhile; elsewhere it would only be noise.
    pub fn show(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// The job has ended.
    pub fn finish(self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.total > 0 => self.tell(),
            None => {}
        }
    }

    /// Steps a second so far.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.position as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn tell(&self) {
        let (done, total) = (thousands(self.position), thousands(self.total));
        line(&format!(
            "{}: {done} of {total}, {} a second",
            self.what,
            thousands(self.rate() as u64)
        ));
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line on standard error; one that cannot be written has nobody to read it.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped() {
        let told = [0, 999, 1_000, 12_345, 4_871_234].map(super::thousands);
        assert_eq!(told, ["0", "999", "1,000", "12,345", "4,871,234"]);
    }
}
