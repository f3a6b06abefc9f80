//! Ops from a seed.

use crate::{
    gateway::PLACES,
    op::{DiskFault, LogFault, Op, Who},
    random::Random,
};

/// The ops of `seed`. Most seeds see a few kinds of trouble only, so that what they do has time to work.
#[must_use]
pub fn generate(seed: u64, steps: usize) -> Vec<Op> {
    let mut random = Random::new(seed);
    let troubles: Vec<Trouble> = TROUBLES.into_iter().filter(|_| random.once_in(2)).collect();
    let mut ops = Vec::with_capacity(steps + 1);
    ops.push(Op::StartProcessor);
    // Trouble comes seldom in some seeds and often in others.
    let often = 2 + random.below(10);
    while ops.len() <= steps {
        if !troubles.is_empty() && random.once_in(often) {
            let which = random.below(u32::try_from(troubles.len()).unwrap_or(1));
            ops.push(trouble(troubles[which as usize], &mut random));
        } else {
            ops.push(work(&mut random));
        }
    }
    ops
}

/// A kind of trouble.
#[derive(Debug, Clone, Copy)]
enum Trouble {
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

const TROUBLES: [Trouble; 10] = [
    Trouble::Network,
    Trouble::Ingest,
    Trouble::Processor,
    Trouble::Zombie,
    Trouble::Power,
    Trouble::Disk,
    Trouble::Log,
    Trouble::Time,
    Trouble::Strangers,
    Trouble::Copies,
];

fn gateway(random: &mut Random) -> u8 {
    random.few(u8::try_from(PLACES.len()).unwrap_or(1))
}

/// What goes on without any trouble; whoever was killed is started again.
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
                who: who(random),
                // OK because it is far below a u16.
                turns: 1 + random.below(most) as u16,
            }
        }
    }
}

fn who(random: &mut Random) -> Who {
    match random.below(8) {
        0..=1 => Who::Ingest,
        2..=3 => Who::Processor,
        4 => Who::Zombie,
        _ => Who::All,
    }
}

fn trouble(kind: Trouble, random: &mut Random) -> Op {
    match kind {
        Trouble::Network if random.once_in(2) => Op::Cut {
            gateway: gateway(random),
        },
        Trouble::Network => Op::Resend {
            gateway: gateway(random),
        },
        Trouble::Ingest => Op::KillIngest,
        Trouble::Processor if random.once_in(4) => Op::StopProcessor,
        Trouble::Processor => Op::KillProcessor,
        Trouble::Zombie if random.once_in(5) => Op::KillZombie,
        Trouble::Zombie => Op::Replace,
        Trouble::Power => Op::PowerCut {
            luck: random.next(),
        },
        Trouble::Disk => disk_trouble(random),
        Trouble::Log => log_trouble(random),
        Trouble::Time => Op::Jump {
            ms: match random.below(3) {
                0 => -30_000,
                1 => 7_200_000,
                _ => -1,
            },
        },
        Trouble::Strangers => Op::Foreign {
            park: gateway(random),
        },
        Trouble::Copies => copy_trouble(random),
    }
}

fn copy_trouble(random: &mut Random) -> Op {
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

fn disk_trouble(random: &mut Random) -> Op {
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

fn log_trouble(random: &mut Random) -> Op {
    let fault = match random.below(9) {
        0 => LogFault::AppendRefused,
        1 => LogFault::AppendAnswerLost,
        2 => LogFault::ReadFails,
        3 => LogFault::CommitRefused,
        4 => LogFault::CommitAnswerLost,
        5..=6 => LogFault::ReadsLittle,
        7 => return Op::PauseLog,
        _ => return Op::ResumeLog,
    };
    Op::Log { fault }
}
