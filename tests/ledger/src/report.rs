//! The report of a run in Markdown.

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
    check::{LedgerVerdict, NAMES},
    gateway::{AckSource, DeliveryRecord, LoadControl},
    installation::TestInstallation,
    losses::Losses,
    nemesis::FaultLog,
    schedule::FaultOptions,
};

/// The content of a report.
#[derive(Debug)]
pub struct RunReport<'a> {
    /// The command line of the run.
    pub args: &'a Args,
    /// What the command line requested and the machine allowed.
    pub fault_options: FaultOptions,
    /// The executed faults.
    pub fault_log: &'a FaultLog,
    /// Messages that nothing held any more after a loss.
    pub losses: &'a Losses,
    /// Number of times that a lake refused a log and then adopted it.
    pub adopted: u32,
    /// The findings.
    pub verdict: &'a LedgerVerdict,
    /// The messages of each gateway, and which of them are acknowledged.
    pub records: &'a [DeliveryRecord],
    /// The counters of the gateways.
    pub control: &'a LoadControl,
    /// The installation.
    pub installation: &'a TestInstallation,
    /// The duration of the run.
    pub took: Duration,
}

/// Writes the report to the file of the command line, or to standard output.
///
/// # Errors
/// The report cannot be written.
pub fn write(report: &RunReport<'_>) -> io::Result<()> {
    let mut text = String::new();
    head(report, &mut text);
    results(report.verdict, &mut text);
    faults(report, &mut text);
    match &report.args.report {
        Some(file) => fs::write(file, text),
        None => io::stdout().write_all(text.as_bytes()),
    }
}

/// Writes a line to a string.
macro_rules! line {
    ($text:expr, $($part:tt)*) => {
        writeln!($text, $($part)*).expect("a string takes all text")
    };
}

/// The installation in words.
fn setup(args: &Args) -> String {
    let setup = match (args.log, args.front()) {
        (Log::Embedded, _) => "own endpoint, embedded log, one process",
        (Log::Kafka, Front::Listener) => "own endpoint, Kafka, a process for each service",
        (Log::Kafka, Front::Mosquitto) => "Mosquitto, Kafka, a process for each service",
    };
    match AckSource::of(args) {
        AckSource::Puback => setup.to_owned(),
        AckSource::Receipt => format!("{setup}, receipts alone believed"),
    }
}

fn head(report: &RunReport<'_>, text: &mut String) {
    let args = report.args;
    let verdict = if report.verdict.holds() {
        "holds"
    } else {
        "DOES NOT HOLD"
    };
    line!(text, "# Ledger: {}: {verdict}\n", setup(args));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Instant::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let messages: usize = report
        .records
        .iter()
        .map(|record| record.messages.len())
        .sum();
    let acknowledged = report
        .records
        .iter()
        .flat_map(|record| &record.acknowledged);
    let acknowledged = acknowledged.filter(|&&acknowledged| acknowledged).count();
    let control = report.control;
    line!(text, "| | |\n|---|---|");
    line!(text, "| date | {} |", now.day());
    line!(
        text,
        "| machine | {cores} virtual cores, {} GiB |",
        memory()
    );
    line!(text, "| seed | {} |", args.seed);
    let ack_source = match AckSource::of(args) {
        AckSource::Puback => "PUBACK",
        AckSource::Receipt => "receipts alone",
    };
    line!(text, "| gateways believe | {ack_source} |");
    line!(text, "| unique readings | {} |", args.readings);
    line!(
        text,
        "| messages, of which acknowledged | {messages}, {acknowledged} |"
    );
    let resent = control.resent.load(Ordering::Relaxed);
    line!(text, "| messages sent again | {resent} |");
    let connections = control.connections.load(Ordering::Relaxed);
    line!(text, "| connections of gateways | {connections} |");
    line!(text, "| rows in sealed files | {} |", report.verdict.rows);
    let (days, revision) = report.verdict.sealed;
    line!(
        text,
        "| sealed enterprise-days, highest revision | {days}, {revision} |"
    );
    line!(
        text,
        "| kills of Greenpark's processes | {} |",
        report.fault_log.total_kills()
    );
    losses(report, text);
    line!(text, "| took | {} s |", report.took.as_secs());
    if !report.fault_options.fail_points {
        line!(text, "\nNo strace here: kills at random moments only.");
    }
    if !report.fault_options.disk {
        line!(text, "\nNo disk could be mounted here: no full disk.");
    }
}

/// The lines about losses, for a run with restores.
fn losses(report: &RunReport<'_>, text: &mut String) {
    if report.args.restores > 0 {
        let (content_lost, number_lost) =
            (report.losses.content_lost(), report.losses.number_lost());
        line!(
            text,
            "| messages that no part held any more, and that are named as missing | {content_lost} |"
        );
        line!(
            text,
            "| messages whose readings are held and whose number was lost with the log | {number_lost} |"
        );
        line!(
            text,
            "| logs that were refused and adopted | {} |",
            report.adopted
        );
    }
}

fn results(verdict: &LedgerVerdict, text: &mut String) {
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

fn faults(report: &RunReport<'_>, text: &mut String) {
    line!(
        text,
        "\n## Kills\n\n| process | where | kills |\n|---|---|---:|"
    );
    for ((process, fail_point), count) in &report.fault_log.kills {
        let fail_point = match fail_point.as_str() {
            "random" => "at a random moment".to_owned(),
            calls => format!("`{calls}`"),
        };
        line!(text, "| {process} | {fail_point} | {count} |");
    }
    for (broker, running) in &report.installation.brokers {
        let (stopped, killed) = running.restarts;
        line!(text, "| {broker:?} | stopped and started | {stopped} |");
        line!(text, "| {broker:?} | killed and started | {killed} |");
    }
    for process in report.installation.processes.values() {
        let name = process.name();
        line!(
            text,
            "| {name} | ended by itself and was started again | {} |",
            process.ended
        );
    }
    line!(text, "\n## Schedule\n\n```text");
    for line in &report.fault_log.lines {
        line!(text, "{line}");
    }
    line!(text, "```");
}

/// Memory of this machine in GiB.
fn memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find(|line| line.starts_with("MemTotal:"));
    let kib = total.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0).div_ceil(1 << 20)
}
