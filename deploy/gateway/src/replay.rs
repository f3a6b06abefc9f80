//! `replay`: a CSV file of readings to an MQTT server, at any speed, over any number of connections.
//!
//! A replay resends until everything is acknowledged, so the server may be killed and restarted meanwhile. It skips the
//! messages that the gateway's receipt lists, so the replay itself may be restarted, too. Values are copied from the file
//! into the payload as text. Events that differ only by their position in a message stay in one message
//! (`rows/order.rs`).

pub mod login;
pub mod mapping;
mod resume;
pub mod rows;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use greenpark_console::{
    output::{self, line},
    progress::ProgressBar,
};
use greenpark_model::{
    limits::BATCH_READINGS_MAX,
    numbers::{Numbered, Numbers},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    payload::{self, PayloadColumns},
    publisher::{self, GatewayError, OutgoingMessage, Tally},
    replay::{
        mapping::Mapping,
        rows::{CsvRows, Row},
    },
};

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A CSV file with a header; `.gz` is unpacked.
    pub file: PathBuf,
    /// What its columns mean.
    #[arg(long, value_name = "FILE.toml")]
    pub map: PathBuf,
    /// Readings a second, or max.
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: Speed,
    /// Connections the readings are split over.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub connections: u16,
    /// Send in an order that this seed decides.
    #[arg(long, value_name = "SEED")]
    pub shuffle: Option<u64>,
    /// Messages in flight on each connection.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=60000))]
    pub inflight: u16,
    /// Seconds to go on trying when the server does not answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
    /// Send everything, whatever the gateway's receipt says is there already.
    #[arg(long)]
    pub all: bool,
    /// The MQTT server: HOST:PORT, or mqtts://HOST:PORT with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// Who it is there.
    #[command(flatten)]
    pub login: login::LoginArgs,
}

/// How fast a replay goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as the server acknowledges.
    Max,
    /// Readings a second.
    PerSecond(u32),
}

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let rate = text.parse().ok().filter(|&rate| rate > 0);
        rate.map(Self::PerSecond)
            .ok_or_else(|| "write readings a second (1 or more), or max".to_owned())
    }
}

/// Messages that may wait for one connection; more would only wait longer.
const QUEUE_MAX: usize = 1024;
/// Bytes of a payload: servers take packets of 1 MiB, topic and header included.
const PAYLOAD_BYTES_MAX: usize = 960 * 1024;
/// Bytes of one meter's columns beside their instants and values, at most.
const HEAD_BYTES_MAX: usize = 1024;
/// Bytes of an instant with its comma, at most.
const INSTANT_BYTES_MAX: usize = 21;
/// Wrong lines that are shown; the rest are counted.
const PROBLEMS_SHOWN_MAX: usize = 20;
/// The pause between two updates of the progress bar.
const GAUGE_PAUSE: Duration = Duration::from_millis(200);

/// Reads the file, publishes its readings, and reports how many were acknowledged.
///
/// # Errors
/// The mapping or a line is wrong (nothing was sent), or not everything was acknowledged.
pub async fn replay(args: &ReplayArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let server = login::server(
        &login::ServerArgs::of(args),
        std::env::var(login::PASSWORD).ok(),
    )?;
    if let Some(warning) = login::warning(&server) {
        line(&warning);
    }
    let mapping = Mapping::load(&args.map)?;
    let mut rows = read(args, &mapping)?;
    if let Some(seed) = args.shuffle {
        rows.shuffle(seed);
    }
    let plan = plan(args, &server, &rows, &mapping).await;
    let total = rows.len() as u64 - skipped(&plan, &rows, &mapping);
    let tally = Arc::new(Tally::default());
    let started = Instant::now();
    let (mut connections, senders) = connect(args.connections, &server, &mapping, &tally);
    let feeder = tokio::spawn(feed(rows, mapping, plan, senders, shutdown));
    let mut gauge = ProgressBar::new("replay", total);
    let mut failures = Vec::new();
    loop {
        let deadline = Instant::now() + GAUGE_PAUSE;
        match tokio::time::timeout_at(deadline, connections.join_next()).await {
            Ok(None) => break,
            Ok(Some(ended)) => {
                if let Err(error) = ended.context("a connection's task ended")? {
                    failures.push(error);
                }
            }
            Err(_) => {}
        }
        gauge.set(tally.acknowledged());
    }
    gauge.finish();
    feeder.await.context("the feeding task ended")?;
    let advice = failures
        .iter()
        .filter_map(|f| login::advice(f, &server.login));
    let advice: BTreeSet<_> = advice.collect();
    let reported = report(total, &tally, started.elapsed(), &failures);
    advice.into_iter().for_each(line);
    reported
}

/// How the rows are published.
struct Plan {
    speed: Speed,
    /// The epoch of the message numbers.
    epoch: u64,
    /// Numbers of the messages that are in the log already.
    stored: Numbers,
}

async fn plan(
    args: &ReplayArgs,
    server: &publisher::PublisherSettings,
    rows: &CsvRows,
    mapping: &Mapping,
) -> Plan {
    let epoch = resume::epoch(rows, mapping);
    let stored = match args.all {
        true => Numbers::default(),
        false => {
            let settings = named(server, mapping, "receipt");
            resume::stored(&settings, &mapping.receipt_topic(), epoch).await
        }
    };
    Plan {
        speed: args.speed,
        epoch,
        stored,
    }
}

/// Counts the readings that are skipped because the log has them, and reports them.
fn skipped(plan: &Plan, rows: &CsvRows, mapping: &Mapping) -> u64 {
    if plan.stored.is_empty() {
        return 0;
    }
    let messages = messages(rows, mapping).zip(1..);
    let there = messages.filter(|(_, number)| plan.stored.contains(*number));
    let (mut count, mut readings) = (0u64, 0);
    for ((_, of_message), _) in there {
        count += 1;
        readings += u64::from(of_message);
    }
    line(&format!(
        "{readings} readings in {count} messages are in the log already, by the gateway's receipt, and are not sent (--all sends them)"
    ));
    readings
}

fn read(args: &ReplayArgs, mapping: &Mapping) -> anyhow::Result<CsvRows> {
    let (rows, mut problems) = CsvRows::read(&args.file, mapping)?;
    problems.extend(oversized(&rows, mapping, &args.file));
    if !problems.is_empty() {
        for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
            line(problem);
        }
        bail!(
            "{}: {} lines are wrong; nothing was sent",
            args.file.display(),
            problems.len()
        );
    }
    if rows.skipped() > 0 {
        line(&format!(
            "{}: {} rows without a value are passed over",
            args.file.display(),
            rows.skipped()
        ));
    }
    if rows.is_empty() {
        bail!("{}: there is no reading in it", args.file.display());
    }
    Ok(rows)
}

/// Returns an error for each group of tied rows that no message can hold, with the line of the first row.
fn oversized(rows: &CsvRows, mapping: &Mapping, file: &Path) -> Vec<String> {
    let may_be_too_long = |tie: &[u32]| {
        let bytes = |&row: &u32| rows.row(row).value.len() + 1 + INSTANT_BYTES_MAX;
        HEAD_BYTES_MAX + tie.iter().map(bytes).sum::<usize>() > PAYLOAD_BYTES_MAX
    };
    let is_oversized = |tie: &&[u32]| {
        let is_too_long =
            || may_be_too_long(tie) && encode(rows, tie, mapping).len() > PAYLOAD_BYTES_MAX;
        tie.len() > BATCH_READINGS_MAX || is_too_long()
    };
    let problems = rows.ties().filter(is_oversized).map(|tie| {
        let first = rows.row(tie[0]);
        format!(
            "{}:{}: {} events of meter '{}' have the instant of this one and no ticket, which are more than a \
             message holds ({BATCH_READINGS_MAX} readings, {PAYLOAD_BYTES_MAX} bytes); name the column of \
             their tickets in the mapping",
            file.display(),
            rows.line_of(tie[0]),
            tie.len(),
            first.meter,
        )
    });
    problems.collect()
}

type Connections = JoinSet<Result<(), GatewayError>>;

fn connect(
    connections: u16,
    server: &publisher::PublisherSettings,
    mapping: &Mapping,
    tally: &Arc<Tally>,
) -> (Connections, Vec<mpsc::Sender<OutgoingMessage>>) {
    let numbers = 0..connections;
    let mut connections = JoinSet::new();
    let senders = numbers
        .map(|number| {
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            let settings = named(server, mapping, &number.to_string());
            connections.spawn(publisher::publish(settings, receiver, Arc::clone(tally)));
            sender
        })
        .collect();
    (connections, senders)
}

/// Returns the settings of the connection `name`.
fn named(
    server: &publisher::PublisherSettings,
    mapping: &Mapping,
    name: &str,
) -> publisher::PublisherSettings {
    let mut settings = server.clone();
    if settings.client_id.is_empty() {
        // Two replays at once must not take over each other's session.
        settings.client_id = format!("{}-replay-{}-{name}", mapping.gateway, std::process::id());
    }
    settings
}

/// Returns every message in the order of sending: its payload and its number of readings.
fn messages<'a>(
    rows: &'a CsvRows,
    mapping: &'a Mapping,
) -> impl Iterator<Item = (Bytes, u32)> + 'a {
    let batches = rows.batches(mapping.batch);
    batches.flat_map(|order| payloads(rows, order, mapping))
}

/// Sends every message that the log does not have to the connections in turn.
async fn feed(
    rows: CsvRows,
    mapping: Mapping,
    plan: Plan,
    senders: Vec<mpsc::Sender<OutgoingMessage>>,
    shutdown: CancellationToken,
) {
    let topic: Arc<str> = mapping.topic().into();
    let started = Instant::now();
    let (mut fed, mut turn) = (0u64, senders.iter().cycle());
    for ((payload, readings), number) in messages(&rows, &mapping).zip(1..) {
        if plan.stored.contains(number) {
            continue;
        }
        if let Speed::PerSecond(rate) = plan.speed {
            let due = started + Duration::from_millis(fed * 1_000 / u64::from(rate));
            tokio::select! {
                () = sleep_until(due) => {}
                () = shutdown.cancelled() => return,
            }
        }
        fed += u64::from(readings);
        let message = OutgoingMessage {
            topic: Arc::clone(&topic),
            payload,
            readings,
            numbered: Numbered::new(plan.epoch, number),
            replay_of: None,
        };
        let sender = turn.next().expect("there is a connection at least");
        let sent = tokio::select! {
            sent = sender.send(message) => sent.is_ok(),
            () = shutdown.cancelled() => false,
        };
        if !sent {
            // The connection gave up and its task returns the error, or the process stops.
            return;
        }
    }
}

/// Encodes rows and counts the readings of each payload. There is one payload, unless it exceeds the size that servers
/// accept and the rows can be cut.
fn payloads(rows: &CsvRows, order: &[u32], mapping: &Mapping) -> Vec<(Bytes, u32)> {
    let payload = encode(rows, order, mapping);
    let is_too_long = payload.len() > PAYLOAD_BYTES_MAX;
    let Some((first, second)) = rows.halves(order).filter(|_| is_too_long) else {
        return vec![(payload, u32::try_from(order.len()).unwrap_or(u32::MAX))];
    };
    let mut halves = payloads(rows, first, mapping);
    halves.extend(payloads(rows, second, mapping));
    halves
}

/// Encodes rows as one payload: a single reading, or columns by meter.
fn encode(rows: &CsvRows, order: &[u32], mapping: &Mapping) -> Bytes {
    if let [only] = order {
        let Row {
            instant,
            value,
            meter,
            ticket,
        } = rows.row(*only);
        return payload::single(mapping.head(meter), instant, value, mapping.flag, ticket);
    }
    let mut columns = PayloadColumns::default();
    let of_meter = |index: u32| {
        let mine = move |row: &u32| rows.meter_of(*row) == index;
        order
            .iter()
            .filter(move |row| mine(row))
            .map(|&row| rows.row(row))
    };
    for (index, meter) in (0u32..).zip(rows.meters()) {
        let readings = of_meter(index).map(|row| (row.instant, row.value, row.ticket));
        if readings.clone().next().is_some() {
            columns.add_listed(mapping.head(meter), mapping.flag, readings);
        }
    }
    columns.finish()
}

fn report(
    total: u64,
    tally: &Tally,
    took: Duration,
    failures: &[GatewayError],
) -> anyhow::Result<()> {
    let (sent, acknowledged) = (tally.sent(), tally.acknowledged());
    let seconds = took.as_secs_f64();
    output::answer(&format!(
        "sent {sent}, acknowledged {acknowledged}, seconds {seconds:.3} ({:.0} readings a second; {} messages, {} sent again, {} reconnects)\n",
        acknowledged as f64 / seconds.max(1e-9),
        tally.messages(),
        tally.messages_resent(),
        tally.reconnects(),
    ))?;
    for failure in failures {
        let cause = std::error::Error::source(failure).map_or(String::new(), |c| format!(": {c}"));
        line(&format!("{failure}{cause}"));
    }
    if acknowledged < total {
        bail!(
            "{} of {total} readings are not acknowledged",
            total - acknowledged
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
