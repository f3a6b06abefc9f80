//! Generates the ops of a run from a seed.

use crate::{
    gateway::GATEWAYS,
    op::{Component, DiskFault, LogFault, Op},
    random::Random,
};

/// Returns the ops of `seed`. Most seeds have only a few kinds of faults, so that runs also make progress.
#[must_use]
pub fn generate(seed: u64, steps: usize) -> Vec<Op> {
    let mut random = Random::new(seed);
    let kinds: Vec<FaultKind> = FAULT_KINDS
        .into_iter()
        .filter(|_| random.once_in(2))
        .collect();
    let mut ops = Vec::with_capacity(steps + 1);
    ops.push(Op::StartProcessor);
    // Faults are rare in some seeds and frequent in others.
    let period = 2 + random.below(10);
    while ops.len() <= steps {
        if !kinds.is_empty() && random.once_in(period) {
            let which = random.below(u32::try_from(kinds.len()).unwrap_or(1));
            ops.push(fault(kinds[which as usize], &mut random));
        } else {
            ops.push(work(&mut random));
        }
    }
    ops
}

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
enum FaultKind {
    Network,
    Ingest,
    Processor,
    Zombie,
    Power,
    Disk,
    Log,
    Time,
    Strangers,
    Copies,
}

const FAULT_KINDS: [FaultKind; 10] = [
    FaultKind::Network,
    FaultKind::Ingest,
    FaultKind::Processor,
    FaultKind::Zombie,
    FaultKind::Power,
    FaultKind::Disk,
    FaultKind::Log,
    FaultKind::Time,
    FaultKind::Strangers,
    FaultKind::Copies,
];

fn gateway(random: &mut Random) -> u8 {
    random.few(u8::try_from(GATEWAYS.len()).unwrap_or(1))
}

/// An op of normal operation; it also starts a killed processor again.
fn work(random: &mut Random) -> Op {
    match random.below(28) {
        0..=5 => Op::Publish {
            gateway: gateway(random),
            readings: 1 + random.few(4),
            days_late: match random.below(16) {
                0..=2 => random.few(3),
                3 => 8 + random.few(3),
                _ => 0,
            },
            poison: random.once_in(12),
        },
        6..=7 => Op::Connect {
            gateway: gateway(random),
            reversed: random.once_in(3),
        },
        24..=25 => Op::Weigh {
            gateway: gateway(random),
            loads: 1 + random.few(3),
            tickets: random.once_in(2),
        },
        26..=27 => Op::Measure {
            gateway: gateway(random),
            meter: random.few(2),
        },
        8 | 20 | 21 => Op::StartProcessor,
        22..=23 => Op::Correct {
            gateway: gateway(random),
            back: random.few(16),
        },
        9 => Op::Pass {
            ms: 1 + random.below(2_000),
        },
        10 => Op::Pass {
            ms: if random.once_in(3) {
                14_400_000
            } else {
                120_000
            },
        },
        11..=12 => Op::Pass { ms: 250 },
        _ => {
            let most = if random.once_in(3) { 8 } else { 60 };
            Op::Run {
                who: component(random),
                // OK because it is far below a u16.
                turns: 1 + random.below(most) as u16,
            }
        }
    }
}

fn component(random: &mut Random) -> Component {
    match random.below(8) {
        0..=1 => Component::Ingest,
        2..=3 => Component::Processor,
        4 => Component::Zombie,
        _ => Component::All,
    }
}

fn fault(kind: FaultKind, random: &mut Random) -> Op {
    match kind {
        FaultKind::Network if random.once_in(2) => Op::Cut {
            gateway: gateway(random),
        },
        FaultKind::Network => Op::Resend {
            gateway: gateway(random),
        },
        FaultKind::Ingest => Op::KillIngest,
        FaultKind::Processor if random.once_in(4) => Op::StopProcessor,
        FaultKind::Processor => Op::KillProcessor,
        FaultKind::Zombie if random.once_in(5) => Op::KillZombie,
        FaultKind::Zombie => Op::Replace,
        FaultKind::Power => Op::PowerCut {
            luck: random.next(),
        },
        FaultKind::Disk => disk_fault(random),
        FaultKind::Log => log_fault(random),
        FaultKind::Time => Op::Jump {
            ms: match random.below(3) {
                0 => -30_000,
                1 => 7_200_000,
                _ => -1,
            },
        },
        FaultKind::Strangers => Op::Foreign {
            park: gateway(random),
        },
        FaultKind::Copies => lake_fault(random),
    }
}

fn lake_fault(random: &mut Random) -> Op {
    let table = random.few(8);
    match random.below(6) {
        0 => Op::CopyLake,
        1 => Op::RestoreLake,
        2 => Op::DamageEntry { table },
        3 => Op::MoveDamagedAway,
        _ => Op::LoseEntries {
            table,
            entries: 1 + random.few(3),
        },
    }
}

fn disk_fault(random: &mut Random) -> Op {
    let after = random.few(6);
    let fault = match random.below(5) {
        0 => DiskFault::PutRefused,
        1 => DiskFault::AnswerLost,
        2 => DiskFault::ReadFails,
        3 => {
            return Op::Full {
                puts: 1 + random.few(4),
            };
        }
        _ => {
            return Op::Slow {
                turns: random.few(4),
            };
        }
    };
    Op::Disk { fault, after }
}

fn log_fault(random: &mut Random) -> Op {
    let fault = match random.below(9) {
        0 => LogFault::AppendRefused,
        1 => LogFault::AppendAnswerLost,
        2 => LogFault::ReadFails,
        3 => LogFault::CommitRefused,
        4 => LogFault::CommitAnswerLost,
        5..=6 => LogFault::ReadsShort,
        7 => return Op::PauseLog,
        _ => return Op::ResumeLog,
    };
    Op::Log { fault }
}
