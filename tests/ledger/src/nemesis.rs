//! Executes a schedule of faults while gateways send.

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
    installation::TestInstallation,
    process::{Injection, Process, ProcessEnd},
    progress::Progress,
    restore::Operator,
    schedule::{Broker, Fault, Link, Role},
    wait,
};

/// How long a process may run without reaching its fail point, before it is killed anyway.
const LIFE: Duration = Duration::from_secs(4);
/// The share of the load of one fault is released in this many steps.
const STEPS: u64 = 100;
/// The pause between two steps of [`STEPS`].
const STEP: Duration = Duration::from_millis(15);
/// How long the processes run undisturbed before and after a fault that kills none.
const CALM: Duration = Duration::from_millis(300);
/// How long a broker collects messages before it is killed with them.
const HELD_BACK: Duration = Duration::from_secs(1);
/// Longer than a session of Kafka, which lasts 6 s.
const PAST_THE_SESSION: Duration = Duration::from_secs(9);

/// How long a process may run until it reaches its fail point. A processor gets its partitions only after the
/// session of the previously killed one has expired.
fn life(role: Role) -> Duration {
    match role {
        Role::Processor => PAST_THE_SESSION + LIFE,
        Role::Up | Role::Ingest | Role::Query => LIFE,
    }
}

/// The faults that were executed.
#[derive(Debug, Default)]
pub struct FaultLog {
    /// Number of kills by process and place: a system call, or `random`.
    pub kills: BTreeMap<(String, String), u32>,
    /// Number of other faults by kind.
    pub others: BTreeMap<String, u32>,
    /// A line for each fault, with its time in the run.
    pub lines: Vec<String>,
}

impl FaultLog {
    fn add_kill(&mut self, process: &str, at: &str) {
        let key = (process.to_owned(), at.to_owned());
        *self.kills.entry(key).or_default() += 1;
    }

    /// Number of all kills.
    #[must_use]
    pub fn total_kills(&self) -> u32 {
        self.kills.values().sum()
    }
}

/// Executes `faults`, and permits gateways to send a further share of the load with each.
///
/// # Errors
/// A process no longer answers.
pub fn run(
    installation: &mut TestInstallation,
    faults: &[Fault],
    operator: &mut Operator<'_>,
    progress: &mut Progress,
) -> anyhow::Result<FaultLog> {
    let control = operator.control;
    // Gateways send slowly, so that messages are in flight at every fault.
    let (target, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let step = WHOLE / (faults.len() as u64 + 1) / STEPS + 1;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let now = control.permitted.load(Ordering::Relaxed);
                let next = (now + step).min(target.load(Ordering::Relaxed));
                control.permitted.store(next, Ordering::Relaxed);
                wait::pause(STEP);
            }
        });
        let fault_log = perform_all(installation, faults, (operator, &target), progress);
        over.store(true, Ordering::Relaxed);
        fault_log
    })
}

fn perform_all(
    installation: &mut TestInstallation,
    faults: &[Fault],
    (operator, target): (&mut Operator<'_>, &AtomicU64),
    progress: &mut Progress,
) -> anyhow::Result<FaultLog> {
    let mut fault_log = FaultLog::default();
    let began = Instant::now();
    for (nth, &fault) in faults.iter().enumerate() {
        let share = WHOLE * (nth as u64 + 1) / (faults.len() as u64 + 1);
        let open = || target.store(share, Ordering::Relaxed);
        let note = perform(installation, fault, (&mut fault_log, operator), open)
            .with_context(|| format!("fault {}: {fault}", nth + 1))?;
        let seconds = began.elapsed().as_secs_f64();
        fault_log
            .lines
            .push(format!("{:>4}  {seconds:>8.1} s  {fault}{note}", nth + 1));
        let acknowledged = operator.control.acknowledged.load(Ordering::Relaxed);
        progress.update(
            nth + 1,
            &format!("{acknowledged} messages acknowledged, {fault}{note}"),
        );
    }
    Ok(fault_log)
}

fn perform(
    installation: &mut TestInstallation,
    fault: Fault,
    (fault_log, operator): (&mut FaultLog, &mut Operator<'_>),
    open: impl Fn(),
) -> anyhow::Result<&'static str> {
    match fault {
        Fault::Copy => {
            open();
            operator.copy(installation)?;
            Ok("")
        }
        Fault::Restore(what) => {
            open();
            let note = operator.restore(installation, what)?;
            *fault_log.others.entry(what.to_string()).or_default() += 1;
            Ok(note)
        }
        Fault::Kill(role, ms) => {
            installation.ensure(None)?;
            open();
            wait::pause(Duration::from_millis(ms));
            if installation.process(role)?.kill() {
                fault_log.add_kill(&role.to_string(), "random");
            }
            Ok("")
        }
        Fault::DieAt(role, point, nth) => {
            installation.ensure(Some(role))?;
            let process = installation.process(role)?;
            if process.kill() {
                fault_log.add_kill(&role.to_string(), "random");
            }
            process.start(Injection::DieAt(point, nth))?;
            open();
            let end = wait::until(life(role), || process.poll_end());
            if end == Some(ProcessEnd::Killed) {
                fault_log.add_kill(&role.to_string(), point.calls());
                return Ok("");
            }
            if process.kill() {
                fault_log.add_kill(&role.to_string(), "random");
            }
            Ok(": not reached")
        }
        other => {
            let kind = format!("{other}");
            let note = disturb(installation, other, open)?;
            *fault_log.others.entry(kind).or_default() += 1;
            if other == Fault::Zombie {
                fault_log.add_kill("second processor", "random");
            }
            Ok(note)
        }
    }
}

/// Performs a fault that kills no process of Greenpark.
fn disturb(
    installation: &mut TestInstallation,
    fault: Fault,
    open: impl Fn(),
) -> anyhow::Result<&'static str> {
    installation.ensure(None)?;
    open();
    wait::pause(CALM);
    match fault {
        Fault::Kill(..) | Fault::DieAt(..) | Fault::Copy | Fault::Restore(_) => {}
        Fault::Freeze(role, ms) => freeze(installation.process(role)?, Duration::from_millis(ms)),
        Fault::Zombie => zombie(installation)?,
        Fault::Stall(link, ms) => proxy(installation, link)?.hold(Duration::from_millis(ms)),
        Fault::Cut(link, ms) => proxy(installation, link)?.cut(Duration::from_millis(ms)),
        Fault::Restart(broker) => self::broker(installation, broker)?.restart()?,
        Fault::KillBroker(Broker::Mosquitto) => kill_mosquitto(installation)?,
        Fault::KillBroker(Broker::Kafka) => broker(installation, Broker::Kafka)?.kill()?,
        Fault::FullDisk(ms) => installation.fill_disk(Duration::from_millis(ms))?,
        Fault::SlowDisk(role, ms) => {
            let process = installation.process(role)?;
            process.stop()?;
            process.start(Injection::SlowSync(ms))?;
            wait::pause(LIFE);
            process.stop()?;
        }
    }
    wait::pause(CALM);
    Ok("")
}

/// Kills Mosquitto while it holds acknowledged messages that it has not delivered, because ingest is stopped.
fn kill_mosquitto(installation: &mut TestInstallation) -> anyhow::Result<()> {
    installation.process(Role::Ingest)?.signal(Signal::STOP);
    wait::pause(HELD_BACK);
    let killed = broker(installation, Broker::Mosquitto)?.kill();
    installation.process(Role::Ingest)?.signal(Signal::CONT);
    killed
}

fn freeze(process: &Process, span: Duration) {
    process.signal(Signal::STOP);
    wait::pause(span);
    process.signal(Signal::CONT);
}

/// Stops the first processor until it loses its partitions to a second one. Then it continues as if it still
/// had them, beside the second, which is killed at the end.
fn zombie(installation: &mut TestInstallation) -> anyhow::Result<()> {
    installation.process(Role::Processor)?.signal(Signal::STOP);
    let second = installation
        .second
        .as_mut()
        .context("there is no second processor")?;
    second.ensure()?;
    wait::pause(PAST_THE_SESSION);
    installation.process(Role::Processor)?.signal(Signal::CONT);
    wait::pause(LIFE);
    let second = installation
        .second
        .as_mut()
        .context("there is no second processor")?;
    second.kill();
    Ok(())
}

fn proxy(installation: &TestInstallation, link: Link) -> anyhow::Result<&crate::proxy::Proxy> {
    installation
        .links
        .get(&link)
        .with_context(|| format!("there is no link {link:?}"))
}

fn broker(
    installation: &mut TestInstallation,
    broker: Broker,
) -> anyhow::Result<&mut crate::broker::RunningBroker> {
    let running = installation.brokers.get_mut(&broker);
    running.with_context(|| format!("there is no {broker:?}"))
}
