//! Every run that ever broke a promise, as small as it could be made, kept so that it never does again.

use crate::op::{DiskFault, LogFault, Op, Who};

/// A run by name: what went wrong in it.
#[derive(Debug)]
pub struct Reproduction {
    /// What was broken.
    pub name: &'static str,
    /// What happens.
    pub ops: &'static [Op],
}

/// All of them, oldest first.
pub const ALL: &[Reproduction] = &[FORMER_PUBLISHES, ENTRY_NOT_SYNCED, MARK_WENT_BACK];

const FORMER_PUBLISHES: Reproduction = Reproduction {
    name: "a day that the former processor published after it was replaced is sealed",
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
        run(Who::All, 23),
        Op::StopProcessor,
        Op::Replace,
        Op::Pass { ms: 250 },
        run(Who::Zombie, 20),
        run(Who::Processor, 3),
    ],
};

const ENTRY_NOT_SYNCED: Reproduction = Reproduction {
    name: "no offset is stored on the strength of a log entry that a power cut can still take",
    ops: &[
        lost_answer(2),
        publish(2, 4),
        connect(2),
        Op::Replace,
        Op::Pass { ms: 120_000 },
        run(Who::All, 43),
        Op::Pass { ms: 14_400_000 },
        lost_answer(0),
        run(Who::All, 48),
    ],
};

const MARK_WENT_BACK: Reproduction = Reproduction {
    name: "a correction counts that comes while the log is read again and an older day is sealed",
    ops: &[
        connect(2),
        Op::StartProcessor,
        publish(0, 3),
        publish(2, 1),
        Op::Pass { ms: 120_000 },
        run(Who::All, 48),
        connect(0),
        Op::Log {
            fault: LogFault::ReadsLittle,
        },
        Op::Pass { ms: 250 },
        run(Who::All, 17),
        publish(0, 3),
        Op::Publish {
            gateway: 0,
            readings: 3,
            days_late: 2,
            poison: false,
        },
        Op::Pass { ms: 1_693 },
        run(Who::All, 21),
        Op::Replace,
        run(Who::All, 12),
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

const fn run(who: Who, turns: u16) -> Op {
    Op::Run { who, turns }
}
