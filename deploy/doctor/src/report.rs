//! The findings of the checks, and their report.

use greenpark_console::{
    output::{self, OutputFormat},
    sheet::{Color, Sheet, tint},
};
use greenpark_model::day::Instant;
use serde_json::{Value, json};

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, with less room or safety than it could.
    Warning,
    /// Readings can be lost, held up or refused.
    Fault,
    /// Not tried; the check says why.
    LeftOut,
}

impl Outcome {
    /// Returns the word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
            Self::LeftOut => "left out",
        }
    }

    fn color(self) -> Color {
        match self {
            Self::Ok => Color::Green,
            Self::Warning => Color::Yellow,
            Self::Fault => Color::Red,
            Self::LeftOut => Color::Dim,
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The part: archive, log, broker or kafka.
    pub part: &'static str,
    /// The name; scripts rely on it.
    pub name: &'static str,
    /// The outcome.
    pub verdict: Outcome,
    /// The observation.
    pub seen: String,
    /// Its meaning.
    pub means: String,
    /// What to change; empty if nothing.
    pub change: String,
}

/// Checks of one part, in the order in which they were made.
#[derive(Debug)]
pub struct Findings {
    part: &'static str,
    checks: Vec<Check>,
}

impl Findings {
    /// Creates an empty list for `part`.
    #[must_use]
    pub fn new(part: &'static str) -> Self {
        Self {
            part,
            checks: Vec::new(),
        }
    }

    /// Adds the result of a check.
    pub fn add(
        &mut self,
        name: &'static str,
        verdict: Outcome,
        seen: impl Into<String>,
        [means, change]: [&str; 2],
    ) {
        self.checks.push(Check {
            part: self.part,
            name,
            verdict,
            seen: seen.into(),
            means: means.to_owned(),
            change: change.to_owned(),
        });
    }

    /// Adds a check without complaint.
    pub fn ok(&mut self, name: &'static str, seen: impl Into<String>, means: &str) {
        self.add(name, Outcome::Ok, seen, [means, ""]);
    }

    /// Adds a check that was not made.
    pub fn left_out(&mut self, name: &'static str, why: impl Into<String>, change: &str) {
        self.add(name, Outcome::LeftOut, why, ["", change]);
    }

    /// The checks.
    #[must_use]
    pub fn into_checks(self) -> Vec<Check> {
        self.checks
    }
}

/// The results of all checks.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// Counts the checks with this outcome.
    #[must_use]
    pub fn count(&self, verdict: Outcome) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.verdict == verdict).count()
    }

    /// Returns one line with the counts.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} ok, {} warnings, {} faults, {} left out",
            self.count(Outcome::Ok),
            self.count(Outcome::Warning),
            self.count(Outcome::Fault),
            self.count(Outcome::LeftOut),
        )
    }

    /// Writes the report, made at `at`, to standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn print(&self, format: OutputFormat, at: Instant) -> anyhow::Result<()> {
        if format != OutputFormat::Table {
            return self.sheet(at).print(format);
        }
        let mut table = Sheet::new(&["part", "check", "verdict", "seen"], &[], Value::Null);
        for check in &self.checks {
            table.push(vec![
                check.part.to_owned(),
                check.name.to_owned(),
                check.verdict.as_str().to_owned(),
                wrapped(&check.seen),
            ]);
        }
        let mut text = table.table() + "\n";
        let silent = |check: &&Check| check.means.is_empty() && check.change.is_empty();
        let bad = self.checks.iter().filter(|c| c.verdict != Outcome::Ok);
        for check in bad.filter(|check| !silent(check)) {
            text.push_str(&advice(check));
        }
        output::answer(&format!("{text}\n{}\n", self.summary()))
    }

    fn sheet(&self, at: Instant) -> Sheet {
        let checks = self.checks.iter().map(|check| {
            json!({
                "part": check.part,
                "check": check.name,
                "verdict": check.verdict.as_str(),
                "seen": check.seen,
                "means": check.means,
                "change": check.change,
            })
        });
        let whole = json!({
            "at_ms": at.millis(),
            "faults": self.count(Outcome::Fault),
            "warnings": self.count(Outcome::Warning),
            "checks": checks.collect::<Vec<Value>>(),
        });
        let header = ["part", "check", "verdict", "seen", "means", "change"];
        let mut sheet = Sheet::new(&header, &[], whole);
        for check in &self.checks {
            sheet.push(vec![
                check.part.to_owned(),
                check.name.to_owned(),
                check.verdict.as_str().to_owned(),
                check.seen.clone(),
                check.means.clone(),
                check.change.clone(),
            ]);
        }
        sheet
    }
}

/// Formats the advice of a check that is not ok.
fn advice(check: &Check) -> String {
    let verdict = tint(check.verdict.as_str(), check.verdict.color());
    let mut text = format!("\n{verdict}: {}: {}\n", check.part, check.name);
    for line in [&check.means, &check.change] {
        if !line.is_empty() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

/// Formats a duration: `40 s`, `7 min`, `30 h`, `12 d`.
#[must_use]
pub fn duration_text(ms: i64) -> String {
    let seconds = ms.unsigned_abs().div_ceil(1_000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Formats an error and its causes on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Wraps text at words to the width of a terminal.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 76;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + word.chars().count() >= WIDTH {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_advises() {
        let mut findings = Findings::new("archive");
        findings.ok("space", "12 GiB free", "there is room");
        let advice_given = ["a ping is late", "set interval"];
        findings.add("clock", Outcome::Fault, "an hour behind", advice_given);
        findings.left_out("restart", "it cannot be tried from here", "set persistence");
        let report = Report {
            checks: findings.into_checks(),
        };
        assert_eq!(report.summary(), "1 ok, 0 warnings, 1 faults, 1 left out");
        let text = advice(&report.checks[1]);
        for part in ["archive: clock", "a ping is late", "set interval"] {
            assert!(text.contains(part), "{text}");
        }
        let sheet = report
            .sheet(Instant::from_millis(5))
            .render(OutputFormat::Json)
            .expect("JSON");
        let json: Value = serde_json::from_slice(&sheet).expect("JSON");
        assert_eq!(json["faults"], 1);
        assert_eq!(json["checks"][1]["change"], "set interval");
    }

    #[test]
    fn long_lines_are_broken_at_words() {
        let text = "word ".repeat(40);
        let wrapped = wrapped(&text);
        assert!(wrapped.lines().all(|line| line.len() <= 76), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 40);
    }
}
