//! Carries a schedule out while gateways send.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::Signal;

use crate::{
    gateway::WHOLE,
    process::{End, Process, Wound},
    progress::Progress,
    restore::Operator,
    schedule::{Broker, Fault, Link, Part},
    site::Site,
    wait,
};

/// How long a process lives that has not come to its fail point, before it is killed all the same.
const LIFE: Duration = Duration::from_secs(4);
/// A fault's share of the load is sent in this many steps, one each [`STEP`].
const STEPS: u64 = 100;
/// See [`STEPS`].
const STEP: Duration = Duration::from_millis(15);
/// How long the parts run unharmed after a fault that kills none.
const CALM: Duration = Duration::from_millis(300);
/// How long a broker collects messages before it is killed with them.
const HELD_BACK: Duration = Duration::from_secs(1);
/// Kafka's session is 6 s.
const PAST_THE_SESSION: Duration = Duration::from_secs(9);

/// How long `part` gets to come to its fail point. A processor has its partitions only when the session
/// of the one that was killed before has run out.
fn life(part: Part) -> Duration {
    match part {
        Part::Processor => PAST_THE_SESSION + LIFE,
        Part::Up | Part::Ingest | Part::Query => LIFE,
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Kills by process and where it was: at a system call, or `random`.
    pub kills: BTreeMap<(String, String), u32>,
    /// Other faults.
    pub others: BTreeMap<String, u32>,
    /// A line for each fault, with its time in the run.
    pub lines: Vec<String>,
}

impl Done {
    fn kill(&mut self, process: &str, at: &str) {
        let key = (process.to_owned(), at.to_owned());
        *self.kills.entry(key).or_default() += 1;
    }

    /// All kills.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.kills.values().sum()
    }
}

/// Does everything in `faults`, and opens the valve a little more with each.
///
/// # Errors
/// A part does not answer any more.
pub fn run(
    site: &mut Site,
    faults: &[Fault],
    operator: &mut Operator<'_>,
    progress: &mut Progress,
) -> anyhow::Result<Done> {
    let valve = operator.valve;
    // Gateways are held to a trickle, so that every fault meets messages on their way.
    let (target, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let step = WHOLE / (faults.len() as u64 + 1) / STEPS + 1;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let now = valve.open.load(Ordering::Relaxed);
                let next = (now + step).min(target.load(Ordering::Relaxed));
                valve.open.store(next, Ordering::Relaxed);
                wait::pause(STEP);
            }
        });
        let done = perform_all(site, faults, (operator, &target), progress);
        over.store(true, Ordering::Relaxed);
        done
    })
}

fn perform_all(
    site: &mut Site,
    faults: &[Fault],
    (operator, target): (&mut Operator<'_>, &AtomicU64),
    progress: &mut Progress,
) -> anyhow::Result<Done> {
    let mut done = Done::default();
    let began = Instant::now();
    for (nth, &fault) in faults.iter().enumerate() {
        let share = WHOLE * (nth as u64 + 1) / (faults.len() as u64 + 1);
        let open = || target.store(share, Ordering::Relaxed);
        let told = perform(site, fault, (&mut done, operator), open)
            .with_context(|| format!("fault {}: {fault}", nth + 1))?;
        let seconds = began.elapsed().as_secs_f64();
        done.lines
            .push(format!("{:>4}  {seconds:>8.1} s  {fault}{told}", nth + 1));
        let acknowledged = operator.valve.acknowledged.load(Ordering::Relaxed);
        progress.tell(
            nth + 1,
            &format!("{acknowledged} messages acknowledged, {fault}{told}"),
        );
    }
    Ok(done)
}

fn perform(
    site: &mut Site,
    fault: Fault,
    (done, operator): (&mut Done, &mut Operator<'_>),
    open: impl Fn(),
) -> anyhow::Result<&'static str> {
    match fault {
        Fault::Copy => {
            open();
            operator.copy(site)?;
            Ok("")
        }
        Fault::Restore(what) => {
            open();
            let told = operator.restore(site, what)?;
            *done.others.entry(what.to_string()).or_default() += 1;
            Ok(told)
        }
        Fault::Kill(part, ms) => {
            site.ensure(None)?;
            open();
            wait::pause(Duration::from_millis(ms));
            if site.part(part)?.kill() {
                done.kill(&part.to_string(), "random");
            }
            Ok("")
        }
        Fault::DieAt(part, point, nth) => {
            site.ensure(Some(part))?;
            let process = site.part(part)?;
            if process.kill() {
                done.kill(&part.to_string(), "random");
            }
            process.start(Wound::DieAt(point, nth))?;
            open();
            let end = wait::until(life(part), || process.end());
            if end == Some(End::AtPoint) {
                done.kill(&part.to_string(), point.calls());
                return Ok("");
            }
            if process.kill() {
                done.kill(&part.to_string(), "random");
            }
            Ok(": not reached")
        }
        other => {
            let kind = format!("{other}");
            let told = disturb(site, other, open)?;
            *done.others.entry(kind).or_default() += 1;
            if other == Fault::Zombie {
                done.kill("second processor", "random");
            }
            Ok(told)
        }
    }
}

/// The faults that kill no process of ours.
fn disturb(site: &mut Site, fault: Fault, open: impl Fn()) -> anyhow::Result<&'static str> {
    site.ensure(None)?;
    open();
    wait::pause(CALM);
    match fault {
        Fault::Kill(..) | Fault::DieAt(..) | Fault::Copy | Fault::Restore(_) => {}
        Fault::Freeze(part, ms) => freeze(site.part(part)?, Duration::from_millis(ms)),
        Fault::Zombie => zombie(site)?,
        Fault::Stall(link, ms) => proxy(site, link)?.hold(Duration::from_millis(ms)),
        Fault::Cut(link, ms) => proxy(site, link)?.cut(Duration::from_millis(ms)),
        Fault::Restart(broker) => self::broker(site, broker)?.restart()?,
        Fault::KillBroker(Broker::Mosquitto) => kill_mosquitto(site)?,
        Fault::KillBroker(Broker::Kafka) => broker(site, Broker::Kafka)?.kill()?,
        Fault::FullDisk(ms) => site.fill_disk(Duration::from_millis(ms))?,
        Fault::SlowDisk(part, ms) => {
            let process = site.part(part)?;
            process.stop()?;
            process.start(Wound::SlowSync(ms))?;
            wait::pause(LIFE);
            process.stop()?;
        }
    }
    wait::pause(CALM);
    Ok("")
}

/// With messages that it has acknowledged and not handed over, because ingest is stopped.
fn kill_mosquitto(site: &mut Site) -> anyhow::Result<()> {
    site.part(Part::Ingest)?.signal(Signal::STOP);
    wait::pause(HELD_BACK);
    let killed = broker(site, Broker::Mosquitto)?.kill();
    site.part(Part::Ingest)?.signal(Signal::CONT);
    killed
}

fn freeze(process: &Process, span: Duration) {
    process.signal(Signal::STOP);
    wait::pause(span);
    process.signal(Signal::CONT);
}

/// The first processor loses its partitions while it is stopped, wakes up in the belief that it has them,
/// and lives on beside the second, which then goes.
fn zombie(site: &mut Site) -> anyhow::Result<()> {
    site.part(Part::Processor)?.signal(Signal::STOP);
    let second = site
        .second
        .as_mut()
        .context("there is no second processor")?;
    second.ensure()?;
    wait::pause(PAST_THE_SESSION);
    site.part(Part::Processor)?.signal(Signal::CONT);
    wait::pause(LIFE);
    let second = site
        .second
        .as_mut()
        .context("there is no second processor")?;
    second.kill();
    Ok(())
}

fn proxy(site: &Site, link: Link) -> anyhow::Result<&crate::proxy::Proxy> {
    site.links
        .get(&link)
        .with_context(|| format!("there is no link {link:?}"))
}

fn broker(site: &mut Site, broker: Broker) -> anyhow::Result<&mut crate::broker::Running> {
    let running = site.brokers.get_mut(&broker);
    running.with_context(|| format!("there is no {broker:?}"))
}
