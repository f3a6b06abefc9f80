//! What can happen. A run is a sequence of these and nothing else: every choice is in them.

/// Which part of the system is given turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The gateways' sessions and their appends.
    Ingest,
    /// The processor in office.
    Processor,
    /// The processor that was replaced and does not know it.
    Zombie,
    /// Each of them, in turn.
    All,
}

/// A fault of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// A put fails before it does anything.
    PutRefused,
    /// A put takes effect, is not synced, and reports an error.
    AnswerLost,
    /// A file cannot be read.
    ReadFails,
}

/// A fault of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFault {
    /// An append fails and writes nothing.
    AppendRefused,
    /// An append is durable and reports an error.
    AppendAnswerLost,
    /// A read fails.
    ReadFails,
    /// The next reads bring one record each, as where a broker answers slowly.
    ReadsLittle,
    /// The offset is not stored, and an error says so.
    CommitRefused,
    /// The offset is stored and an error says that it is not.
    CommitAnswerLost,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A gateway measures and publishes; offline it keeps the publish for later.
    Publish {
        /// Which gateway.
        gateway: u8,
        /// Readings of the publish.
        readings: u8,
        /// How many days ago they were measured.
        days_late: u8,
        /// Whether the publish also carries what cannot be read.
        poison: bool,
    },
    /// A gateway weighs loads at one moment and publishes them.
    Weigh {
        /// Which gateway.
        gateway: u8,
        /// How many loads.
        loads: u8,
        /// Whether each has a ticket of its own.
        tickets: bool,
    },
    /// A gateway publishes a reading of a meter whose values may fall.
    Measure {
        /// Which gateway.
        gateway: u8,
        /// 0 for a counter of the day, 1 for a register that feeds in.
        meter: u8,
    },
    /// A gateway publishes another value for a reading that it has published, or, if it has done so, the one
    /// before.
    Correct {
        /// Which gateway.
        gateway: u8,
        /// Which reading: so many places before its latest.
        back: u8,
    },
    /// A gateway connects, anew if it is connected, and resends what is not acknowledged.
    Connect {
        /// Which gateway.
        gateway: u8,
        /// Whether the newest is resent first.
        reversed: bool,
    },
    /// A gateway resends on the connection that it has.
    Resend {
        /// Which gateway.
        gateway: u8,
    },
    /// The network drops a gateway's connection; acknowledgements under way are lost.
    Cut {
        /// Which gateway.
        gateway: u8,
    },
    /// Somebody is given turns: polls, each up to the next await that does not resolve at once.
    Run {
        /// Who.
        who: Who,
        /// At most so many.
        turns: u16,
    },
    /// Time passes on every clock.
    Pass {
        /// Milliseconds.
        ms: u32,
    },
    /// The wall clock is set forward or back.
    Jump {
        /// Milliseconds.
        ms: i32,
    },
    /// Ingest is killed.
    KillIngest,
    /// The processor is killed.
    KillProcessor,
    /// A processor is started if none is in office.
    StartProcessor,
    /// The processor is asked to stop; it flushes and leaves.
    StopProcessor,
    /// A new processor takes office while the old one lives on.
    Replace,
    /// The processor that was replaced is killed.
    KillZombie,
    /// The machine loses power: everything stops, and what was not synced is at luck's mercy.
    PowerCut {
        /// Decides what becomes of each file that was not synced.
        luck: u64,
    },
    /// A call of the disk will fail.
    Disk {
        /// How.
        fault: DiskFault,
        /// After so many calls of its kind that do not.
        after: u8,
    },
    /// The disk is full for some puts.
    Full {
        /// How many.
        puts: u8,
    },
    /// Every call of the disk takes so many more turns from now on.
    Slow {
        /// How many.
        turns: u8,
    },
    /// The log's next call of the fault's kind fails.
    Log {
        /// How.
        fault: LogFault,
    },
    /// Appends wait.
    PauseLog,
    /// Appends go on.
    ResumeLog,
    /// Somebody copies the lake, as it would be after a power cut.
    CopyLake,
    /// Everything of the lake stops, and the copy takes its place, if there is one.
    RestoreLake,
    /// Everything of the lake stops, and the newest entries of a table are gone.
    LoseEntries {
        /// Which table.
        table: u8,
        /// How many.
        entries: u8,
    },
    /// Everything of the lake stops, and half of the newest entry of a table is gone.
    DamageEntry {
        /// Which table.
        table: u8,
    },
    /// The operator moves away every damaged entry.
    MoveDamagedAway,
    /// Another producer appends a record that is none of ours.
    Foreign {
        /// To which park's partition.
        park: u8,
    },
}

impl Op {
    /// Whether no processor is cut short by it, so that no record is read again.
    pub(crate) fn is_calm(self) -> bool {
        !matches!(
            self,
            Self::KillProcessor
                | Self::Replace
                | Self::PowerCut { .. }
                | Self::Disk { .. }
                | Self::Full { .. }
                | Self::Log { .. }
                | Self::RestoreLake
                | Self::LoseEntries { .. }
                | Self::DamageEntry { .. }
        )
    }
}
