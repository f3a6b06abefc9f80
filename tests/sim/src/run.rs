//! A run: ops one after the other, then quiet, then the account.

use std::{collections::BTreeMap, fmt::Write as _};

use greenpark_archive::messages::Messages;
use sha2::{Digest as _, Sha256};

use crate::{
    canonical::digest_lake,
    check::Seen,
    generate::generate,
    op::{Op, Who},
    oracle::{ByPark, holds},
    violation::Violation,
    world::World,
};

/// Rounds of quiet after which everything must have come to rest.
const QUIET_ROUNDS_MAX: u32 = 80;
/// Turns of a round; more than any honest flush takes.
const ROUND_TURNS_MAX: u32 = 20_000;

/// What a run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The digest of everything that happened, in order.
    pub trace: String,
    /// The digest of the lake, see [`crate::canonical`].
    pub lake: String,
    /// Readings that were sent, acknowledged and sealed.
    pub readings: (usize, usize, usize),
    /// Messages that were numbered, and that the lake knows.
    pub messages: u64,
    /// What happened, one line each.
    pub lines: String,
}

/// A promise was broken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("after op {at}: {violation}")]
pub struct Broken {
    /// How many ops had been done.
    pub at: usize,
    /// Which promise, and by what.
    pub violation: Violation,
    /// What happened until then.
    pub lines: String,
}

/// Runs the ops of `seed`.
///
/// # Errors
/// [`Broken`] if a promise was.
pub fn run_seed(seed: u64, steps: usize) -> Result<Outcome, Box<Broken>> {
    run(&generate(seed, steps))
}

/// Runs `ops`, lets everything come to rest and checks the account.
///
/// # Errors
/// [`Broken`] if a promise was.
pub fn run(ops: &[Op]) -> Result<Outcome, Box<Broken>> {
    let mut world = World::new();
    let broken = |at, violation, world: &mut World| {
        Box::new(Broken {
            at,
            violation,
            lines: std::mem::take(&mut world.trace),
        })
    };
    for (at, op) in ops.iter().enumerate() {
        if let Err(violation) = world.apply(*op) {
            return Err(broken(at + 1, violation, &mut world));
        }
    }
    let seen = match come_to_rest(&mut world).and_then(|seen| account(&world, seen)) {
        Ok(seen) => seen,
        Err(violation) => return Err(broken(ops.len(), violation, &mut world)),
    };
    let oracle = &world.oracle;
    Ok(Outcome {
        trace: hex(&Sha256::digest(world.trace.as_bytes())),
        lake: digest_lake(&world.disk.files()),
        readings: (oracle.sent.len(), oracle.acked.len(), seen.sealed.len()),
        messages: count(&seen.messages),
        lines: world.trace,
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all text");
        text
    })
}

/// No more faults: gateways resend, a processor runs, days pass, until nothing is left to do.
fn come_to_rest(world: &mut World) -> Result<Seen, Violation> {
    world.tell("quiet");
    world.move_damaged_away();
    world.disk.heal();
    world.queue.heal();
    world.look_again();
    let mut last = None;
    for round in 0..QUIET_ROUNDS_MAX {
        world.start_processor();
        for gateway in 0u8.. {
            let Some(at) = world.gateways.get(usize::from(gateway)) else {
                break;
            };
            if !at.unacked.is_empty() && (!at.is_connected() || round % 8 == 7) {
                let reversed = false;
                world.apply(Op::Connect { gateway, reversed })?;
            }
        }
        let mut turns = 0;
        while world.turn(Who::All)? {
            turns += 1;
            if turns > ROUND_TURNS_MAX {
                return Err(Violation::new("rest", "turns without end"));
            }
        }
        last = world.check()?.or(last);
        let acked = world.gateways.iter().all(|at| at.unacked.is_empty());
        let sealed = last.as_ref().is_none_or(|seen| seen.hot_files == 0);
        if acked && sealed && world.oracle.is_consumed(&world.queue) && world.processor.is_some() {
            return Ok(last.unwrap_or_default());
        }
        // The days end; then what is quiet is sealed, each revision after a longer quiet.
        let ms = if round == 2 {
            90_000_000
        } else {
            400 << (round / 4).min(10)
        };
        world.clock.pass(ms);
    }
    let left: usize = world.gateways.iter().map(|at| at.unacked.len()).sum();
    let hot = last.map_or(0, |seen| seen.hot_files);
    let what = format!("{left} publishes unacknowledged and {hot} hot files after all");
    Err(Violation::new("rest", what))
}

/// How many messages there are, each counted once a day.
fn count(messages: &ByPark) -> u64 {
    let numbers = messages.values().flat_map(Messages::iter);
    let runs = numbers.flat_map(|(.., numbers)| numbers.runs());
    runs.map(|(first, last)| last - first + 1).sum()
}

/// Everything that was acknowledged is sealed, and nothing else but what the log holds; and the lake knows
/// every numbered message of the log.
fn account(world: &World, seen: Seen) -> Result<Seen, Violation> {
    let oracle = &world.oracle;
    let lost = oracle
        .acked
        .iter()
        .find(|id| !seen.sealed.contains_key(*id));
    if let Some(lost) = lost {
        let what = format!("{lost:?} was acknowledged and is in no sealed day");
        return Err(Violation::new("lost", what));
    }
    if !holds(&seen.messages, &oracle.numbered) {
        let what = format!("{:?} is in the log", oracle.numbered);
        return Err(Violation::new("the lake knows every message", what));
    }
    for (id, value) in &seen.sealed {
        if let Some(last) = oracle.in_force.get(id).filter(|last| *last != value) {
            let what = format!("{value:?} counts of {id:?}, and {last:?} came last");
            return Err(Violation::new("order", what));
        }
    }
    if seen.sealed != oracle.in_force {
        let mut days: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for id in seen.sealed.keys() {
            days.entry((id.meter_name(), id.day())).or_default().0 += 1;
        }
        for id in oracle.in_force.keys() {
            days.entry((id.meter_name(), id.day())).or_default().1 += 1;
        }
        days.retain(|_, (sealed, logged)| sealed != logged);
        let what = format!("sealed and logged readings differ: {days:?}");
        return Err(Violation::new("sealed = logged", what));
    }
    if world.calm && seen.accounted != oracle.received {
        let what = format!(
            "{:?} are sealed or counted as repeats, of {:?} in the log",
            seen.accounted, oracle.received
        );
        return Err(Violation::new("stored + repeats = logged", what));
    }
    Ok(seen)
}
