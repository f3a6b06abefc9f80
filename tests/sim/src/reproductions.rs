//! Every run that once broke a promise, shrunk and kept as a regression test.

use crate::op::{Component, DiskFault, LogFault, Op};

/// A run that once broke a promise.
#[derive(Debug)]
pub struct Reproduction {
    /// The behavior that the run checks.
    pub name: &'static str,
    /// The ops of the run.
    pub ops: &'static [Op],
}

/// All reproductions, oldest first.
pub const ALL: &[Reproduction] = &[
    REPLACED_PROCESSOR_PUBLISHES,
    ENTRY_NOT_SYNCED,
    OFFSET_WENT_BACK,
];

const REPLACED_PROCESSOR_PUBLISHES: Reproduction = Reproduction {
    name: "a day is sealed that a replaced processor still published to",
    ops: &[
        publish(2, 1),
        publish(0, 3),
        connect(0),
        Op::Pass { ms: 14_400_000 },
        Op::Connect {
            gateway: 2,
            reversed: true,
        },
        Op::Publish {
            gateway: 2,
            readings: 4,
            days_late: 0,
            poison: true,
        },
        Op::Replace,
        Op::Pass { ms: 14_400_000 },
        run(Component::All, 23),
        Op::StopProcessor,
        Op::Replace,
        Op::Pass { ms: 250 },
        run(Component::Zombie, 20),
        run(Component::Processor, 3),
    ],
};

const ENTRY_NOT_SYNCED: Reproduction = Reproduction {
    name: "no offset is committed while a power cut can still lose the log entry behind it",
    ops: &[
        lost_answer(2),
        publish(2, 4),
        connect(2),
        Op::Replace,
        Op::Pass { ms: 120_000 },
        run(Component::All, 43),
        Op::Pass { ms: 14_400_000 },
        lost_answer(0),
        run(Component::All, 48),
    ],
};

const OFFSET_WENT_BACK: Reproduction = Reproduction {
    name: "a correction counts although it arrives while the log is read again and an older day is sealed",
    ops: &[
        connect(2),
        Op::StartProcessor,
        publish(0, 3),
        publish(2, 1),
        Op::Pass { ms: 120_000 },
        run(Component::All, 48),
        connect(0),
        Op::Log {
            fault: LogFault::ReadsShort,
        },
        Op::Pass { ms: 250 },
        run(Component::All, 17),
        publish(0, 3),
        Op::Publish {
            gateway: 0,
            readings: 3,
            days_late: 2,
            poison: false,
        },
        Op::Pass { ms: 1_693 },
        run(Component::All, 21),
        Op::Replace,
        run(Component::All, 12),
        Op::Pass { ms: 1_316 },
        Op::Correct {
            gateway: 0,
            back: 4,
        },
    ],
};

const fn lost_answer(after: u8) -> Op {
    Op::Disk {
        fault: DiskFault::AnswerLost,
        after,
    }
}

const fn publish(gateway: u8, readings: u8) -> Op {
    Op::Publish {
        gateway,
        readings,
        days_late: 0,
        poison: false,
    }
}

const fn connect(gateway: u8) -> Op {
    Op::Connect {
        gateway,
        reversed: false,
    }
}

const fn run(who: Component, turns: u16) -> Op {
    Op::Run { who, turns }
}
