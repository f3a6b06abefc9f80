//! A run: applies the ops, lets the system come to rest without faults, then checks the final account.

use std::{collections::BTreeMap, fmt::Write as _};

use greenpark_archive::messages::Messages;
use greenpark_model::invariants::stored_are_distinct;
use sha2::{Digest as _, Sha256};

use crate::{
    canonical::digest_lake,
    check::{AccountedRows, LakeContent, MeterDay},
    generate::generate,
    op::{Component, Op},
    oracle::{MessagesByPark, holds},
    promise::BrokenPromise,
    world::World,
};

/// Maximum number of fault-free rounds until the system comes to rest.
const QUIET_ROUNDS_MAX: u32 = 80;
/// Maximum number of turns in a round; more than any correct flush needs.
const ROUND_TURNS_MAX: u32 = 20_000;

/// The result of a run that breaks no promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutcome {
    /// Digest of the trace.
    pub trace_digest: String,
    /// Digest of the lake, see [`crate::canonical`].
    pub lake_digest: String,
    /// Number of readings by how far they came.
    pub readings: Readings,
    /// Numbered messages that the lake knows.
    pub messages: u64,
    /// All events in order, one line each.
    pub trace: String,
}

/// Number of readings by how far they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readings {
    /// Sent by a gateway.
    pub sent: usize,
    /// Acknowledged to the gateway.
    pub acknowledged: usize,
    /// In a sealed file.
    pub sealed: usize,
}

/// A run that breaks a promise.
#[derive(Debug, Clone, thiserror::Error)]
#[error("after op {at}: {broken}")]
pub struct FailedRun {
    /// Number of ops applied before the promise broke.
    pub at: usize,
    /// The promise, and the observation that breaks it.
    pub broken: BrokenPromise,
    /// All events until then, one line each.
    pub trace: String,
}

/// Runs the ops of `seed`.
///
/// # Errors
/// Returns [`FailedRun`] if the run breaks a promise.
pub fn run_seed(seed: u64, steps: usize) -> Result<RunOutcome, Box<FailedRun>> {
    run(&generate(seed, steps))
}

/// Runs `ops`, lets the system come to rest and checks the final account.
///
/// # Errors
/// Returns [`FailedRun`] if the run breaks a promise.
pub fn run(ops: &[Op]) -> Result<RunOutcome, Box<FailedRun>> {
    let mut world = World::new();
    let failed = |at, broken, world: &mut World| {
        Box::new(FailedRun {
            at,
            broken,
            trace: std::mem::take(&mut world.trace),
        })
    };
    for (at, op) in ops.iter().enumerate() {
        if let Err(broken) = world.apply(*op) {
            return Err(failed(at + 1, broken, &mut world));
        }
    }
    let content = match come_to_rest(&mut world).and_then(|found| check_account(&world, found)) {
        Ok(content) => content,
        Err(broken) => return Err(failed(ops.len(), broken, &mut world)),
    };
    let oracle = &world.oracle;
    Ok(RunOutcome {
        trace_digest: hex(&Sha256::digest(world.trace.as_bytes())),
        lake_digest: digest_lake(&world.disk.files()),
        readings: Readings {
            sent: oracle.sent.len(),
            acknowledged: oracle.acked.len(),
            sealed: content.sealed.len(),
        },
        messages: count_messages(&content.messages),
        trace: world.trace,
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all text");
        text
    })
}

/// Stops all faults and lets gateways resend, a processor run and days pass until nothing is left to do.
fn come_to_rest(world: &mut World) -> Result<LakeContent, BrokenPromise> {
    world.trace_event("quiet");
    world.move_damaged_away();
    world.disk.heal();
    world.log.heal();
    world.force_check();
    let mut last = None;
    for round in 0..QUIET_ROUNDS_MAX {
        world.start_processor();
        for gateway in 0u8.. {
            let Some(state) = world.gateways.get(usize::from(gateway)) else {
                break;
            };
            if !state.unacked.is_empty() && (!state.is_connected() || round % 8 == 7) {
                let reversed = false;
                world.apply(Op::Connect { gateway, reversed })?;
            }
        }
        let mut turns = 0;
        while world.turn(Component::All)? {
            turns += 1;
            if turns > ROUND_TURNS_MAX {
                return Err(BrokenPromise::new("rest", "turns without end"));
            }
        }
        last = world.check()?.or(last);
        let acked = world
            .gateways
            .iter()
            .all(|gateway| gateway.unacked.is_empty());
        let sealed = last.as_ref().is_none_or(|content| content.hot_files == 0);
        if acked && sealed && world.oracle.is_consumed(&world.log) && world.processor.is_some() {
            return Ok(last.unwrap_or_default());
        }
        // First all days end. Then the processor seals them once they are quiet; each revision waits longer.
        let ms = if round == 2 {
            90_000_000
        } else {
            400 << (round / 4).min(10)
        };
        world.clock.advance(ms);
    }
    let left: usize = world
        .gateways
        .iter()
        .map(|gateway| gateway.unacked.len())
        .sum();
    let hot = last.map_or(0, |content| content.hot_files);
    let detail = format!("{left} publishes unacknowledged and {hot} hot files after all");
    Err(BrokenPromise::new("rest", detail))
}

/// The number of messages, each counted once a day.
fn count_messages(messages: &MessagesByPark) -> u64 {
    let numbers = messages.values().flat_map(Messages::iter);
    let runs = numbers.flat_map(|(.., numbers)| numbers.runs());
    runs.map(|(first, last)| last - first + 1).sum()
}

/// Checks that every acknowledged reading is sealed, that the sealed readings are those of the log, and that
/// the lake knows every numbered message of the log.
fn check_account(world: &World, found: LakeContent) -> Result<LakeContent, BrokenPromise> {
    let oracle = &world.oracle;
    let lost = oracle
        .acked
        .iter()
        .find(|id| !found.sealed.contains_key(*id));
    if let Some(lost) = lost {
        let detail = format!("{lost:?} was acknowledged and is in no sealed day");
        return Err(BrokenPromise::new("lost", detail));
    }
    if !holds(&found.messages, &oracle.numbered) {
        let detail = format!("{:?} is in the log", oracle.numbered);
        return Err(BrokenPromise::new("the lake knows every message", detail));
    }
    for (id, value) in &found.sealed {
        if let Some(last) = oracle.in_force.get(id).filter(|last| *last != value) {
            let detail = format!("{value:?} counts of {id:?}, and {last:?} came last");
            return Err(BrokenPromise::new("order", detail));
        }
    }
    if found.sealed != oracle.in_force {
        let mut days: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for id in found.sealed.keys() {
            days.entry((id.meter_name(), id.day())).or_default().0 += 1;
        }
        for id in oracle.in_force.keys() {
            days.entry((id.meter_name(), id.day())).or_default().1 += 1;
        }
        days.retain(|_, (sealed, logged)| sealed != logged);
        let detail = format!("sealed and logged readings differ: {days:?}");
        return Err(BrokenPromise::new("sealed = logged", detail));
    }
    if world.calm && !is_accounted(&found.accounted, &oracle.received) {
        let detail = format!(
            "{:?} are sealed or counted as repeats, of {:?} in the log",
            found.accounted, oracle.received
        );
        return Err(BrokenPromise::new("stored + repeats = logged", detail));
    }
    Ok(found)
}

/// Returns true if the stored rows and counted repeats of each meter and day are the rows that the log holds.
fn is_accounted(
    accounted: &BTreeMap<MeterDay, AccountedRows>,
    received: &BTreeMap<MeterDay, u64>,
) -> bool {
    let mut rows = accounted.values().zip(received.values());
    accounted.keys().eq(received.keys())
        && rows.all(|(rows, &received)| stored_are_distinct(received, rows.repeats, rows.stored))
}
