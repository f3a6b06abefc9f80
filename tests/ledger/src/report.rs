//! The report in Markdown.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use greenpark_model::day::Instant;

use crate::{
    args::{Args, Front, Log},
    check::{NAMES, Verdict},
    gateway::{Belief, Record, Valve},
    losses::Losses,
    nemesis::Done,
    schedule::Means,
    site::Site,
};

/// Everything that a report tells.
#[derive(Debug)]
pub struct Told<'a> {
    /// The command line.
    pub args: &'a Args,
    /// What the place allowed.
    pub means: Means,
    /// What was done.
    pub done: &'a Done,
    /// What no part held any more when one was lost.
    pub losses: &'a Losses,
    /// How often a lake refused a log and adopted it.
    pub adopted: u32,
    /// What was found.
    pub verdict: &'a Verdict,
    /// What gateways were told.
    pub records: &'a [Record],
    /// What gateways counted.
    pub valve: &'a Valve,
    /// Where.
    pub site: &'a Site,
    /// How long it took.
    pub took: Duration,
}

/// Writes the report to where the command line says.
///
/// # Errors
/// It cannot be written.
pub fn write(told: &Told<'_>) -> io::Result<()> {
    let mut text = String::new();
    head(told, &mut text);
    results(told.verdict, &mut text);
    faults(told, &mut text);
    match &told.args.report {
        Some(file) => fs::write(file, text),
        None => io::stdout().write_all(text.as_bytes()),
    }
}

/// A string takes every line.
macro_rules! line {
    ($text:expr, $($part:tt)*) => {
        writeln!($text, $($part)*).expect("a string takes all text")
    };
}

/// The way of a reading.
fn way(args: &Args) -> String {
    let parts = match (args.log, args.front()) {
        (Log::Embedded, _) => "own endpoint, embedded log, one process",
        (Log::Kafka, Front::Listener) => "own endpoint, Kafka, a process for each service",
        (Log::Kafka, Front::Mosquitto) => "Mosquitto, Kafka, a process for each service",
    };
    match Belief::of(args) {
        Belief::Puback => parts.to_owned(),
        Belief::Receipt => format!("{parts}, receipts alone believed"),
    }
}

fn head(told: &Told<'_>, text: &mut String) {
    let args = told.args;
    let verdict = if told.verdict.holds() {
        "holds"
    } else {
        "DOES NOT HOLD"
    };
    line!(text, "# Ledger: {}: {verdict}\n", way(args));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Instant(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let messages: usize = told
        .records
        .iter()
        .map(|record| record.messages.len())
        .sum();
    let acknowledged = told.records.iter().flat_map(|record| &record.acknowledged);
    let acknowledged = acknowledged.filter(|&&acknowledged| acknowledged).count();
    let valve = told.valve;
    line!(text, "| | |\n|---|---|");
    line!(text, "| date | {} |", now.day());
    line!(
        text,
        "| machine | {cores} virtual cores, {} GiB |",
        memory()
    );
    line!(text, "| seed | {} |", args.seed);
    let belief = match Belief::of(args) {
        Belief::Puback => "PUBACK",
        Belief::Receipt => "receipts alone",
    };
    line!(text, "| gateways believe | {belief} |");
    line!(text, "| unique readings | {} |", args.readings);
    line!(
        text,
        "| messages, of which acknowledged | {messages}, {acknowledged} |"
    );
    let resent = valve.resent.load(Ordering::Relaxed);
    line!(text, "| messages sent again | {resent} |");
    let connections = valve.connections.load(Ordering::Relaxed);
    line!(text, "| connections of gateways | {connections} |");
    line!(text, "| rows in sealed files | {} |", told.verdict.rows);
    let (days, revision) = told.verdict.sealed;
    line!(
        text,
        "| sealed enterprise-days, highest revision | {days}, {revision} |"
    );
    line!(
        text,
        "| kills of Greenpark's processes | {} |",
        told.done.total()
    );
    lost(told, text);
    line!(text, "| took | {} s |", told.took.as_secs());
    if !told.means.points {
        line!(text, "\nNo strace here: kills at random moments only.");
    }
    if !told.means.disk {
        line!(text, "\nNo disk could be mounted here: no full disk.");
    }
}

/// What was lost with parts that were restored.
fn lost(told: &Told<'_>, text: &mut String) {
    if told.args.restores > 0 {
        let (gone, nameless) = (told.losses.gone(), told.losses.nameless());
        line!(
            text,
            "| messages that no part held any more, and that are named as missing | {gone} |"
        );
        line!(
            text,
            "| messages whose readings are held and whose number was lost with the log | {nameless} |"
        );
        line!(
            text,
            "| logs that were refused and adopted | {} |",
            told.adopted
        );
    }
}

fn results(verdict: &Verdict, text: &mut String) {
    line!(
        text,
        "\n## Found\n\n| name | found | meaning |\n|---|---:|---|"
    );
    for (name, meaning) in NAMES {
        let count = verdict
            .findings
            .get(name)
            .map_or(0, |finding| finding.count);
        line!(text, "| {name} | {count} | {meaning} |");
    }
    for (name, finding) in &verdict.findings {
        for example in &finding.examples {
            line!(text, "\n    {name}: {example}");
        }
    }
}

fn faults(told: &Told<'_>, text: &mut String) {
    line!(
        text,
        "\n## Kills\n\n| process | where | kills |\n|---|---|---:|"
    );
    for ((process, point), count) in &told.done.kills {
        let point = match point.as_str() {
            "random" => "at a random moment".to_owned(),
            calls => format!("`{calls}`"),
        };
        line!(text, "| {process} | {point} | {count} |");
    }
    for (broker, running) in &told.site.brokers {
        let (stopped, killed) = running.restarts;
        line!(text, "| {broker:?} | stopped and started | {stopped} |");
        line!(text, "| {broker:?} | killed and started | {killed} |");
    }
    for process in told.site.parts.values() {
        let name = process.name();
        line!(
            text,
            "| {name} | ended by itself and was started again | {} |",
            process.ended
        );
    }
    line!(text, "\n## Schedule\n\n```text");
    for line in &told.done.lines {
        line!(text, "{line}");
    }
    line!(text, "```");
}

/// Memory of this machine in GiB, as Linux tells it.
fn memory() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = told.lines().find(|line| line.starts_with("MemTotal:"));
    let kib = total.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0).div_ceil(1 << 20)
}
