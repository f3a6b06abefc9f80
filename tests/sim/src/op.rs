//! The operations of a run. A run is a sequence of these and nothing else: they hold every random choice.

/// The part of the system that gets turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The sessions of the gateways and their appends.
    Ingest,
    /// The current processor.
    Processor,
    /// The replaced processor, which does not know that it was replaced.
    Zombie,
    /// Each of them, one after the other.
    All,
}

/// A fault of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// A put fails and has no effect.
    PutRefused,
    /// A put is written but not synced, and reports an error.
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
    /// The next reads return one record each, as from a slow broker.
    ReadsShort,
    /// A commit fails and stores no offset.
    CommitRefused,
    /// A commit stores the offset and reports an error.
    CommitAnswerLost,
}

/// One operation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A gateway publishes new readings; while it is offline it keeps the publish for later.
    Publish {
        /// Which gateway.
        gateway: u8,
        /// Number of readings in the publish.
        readings: u8,
        /// Age of the readings in days.
        days_late: u8,
        /// Whether the publish also contains an undecodable element.
        poison: bool,
    },
    /// A gateway weighs several loads at one instant and publishes them.
    Weigh {
        /// Which gateway.
        gateway: u8,
        /// Number of loads.
        loads: u8,
        /// Whether each load has its own ticket.
        tickets: bool,
    },
    /// A gateway publishes a reading of a meter whose values may fall.
    Measure {
        /// Which gateway.
        gateway: u8,
        /// 0 for a daily counter, 1 for a register that may run backwards.
        meter: u8,
    },
    /// A gateway corrects a reading that it has published: to another value, or back to the first value if it
    /// was corrected before.
    Correct {
        /// Which gateway.
        gateway: u8,
        /// The reading to correct: this many places before the latest one.
        back: u8,
    },
    /// A gateway opens a new connection and resends all unacknowledged publishes.
    Connect {
        /// Which gateway.
        gateway: u8,
        /// Whether the newest publish is resent first.
        reversed: bool,
    },
    /// A gateway resends on its current connection.
    Resend {
        /// Which gateway.
        gateway: u8,
    },
    /// The network drops a gateway's connection; acknowledgements in flight are lost.
    Cut {
        /// Which gateway.
        gateway: u8,
    },
    /// A component gets turns. A turn is one poll: it runs to the next await that does not resolve at once.
    Run {
        /// The component.
        who: Component,
        /// Maximum number of turns.
        turns: u16,
    },
    /// Time passes on both clocks.
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
    /// A processor is started if none runs.
    StartProcessor,
    /// The processor is requested to stop; it flushes and ends.
    StopProcessor,
    /// A new processor takes over while the former one keeps running.
    Replace,
    /// The replaced processor is killed.
    KillZombie,
    /// The machine loses power: everything stops, and each unsynced file is dropped, kept or torn.
    PowerCut {
        /// Seed that decides the fate of each unsynced file.
        luck: u64,
    },
    /// A later disk call fails.
    Disk {
        /// How.
        fault: DiskFault,
        /// Number of calls of this kind that succeed before.
        after: u8,
    },
    /// The disk is full for the next puts.
    Full {
        /// Number of puts.
        puts: u8,
    },
    /// Every disk call takes more turns from now on.
    Slow {
        /// Number of additional turns.
        turns: u8,
    },
    /// The next log call of the fault's kind fails.
    Log {
        /// How.
        fault: LogFault,
    },
    /// Appends wait until [`Op::ResumeLog`].
    PauseLog,
    /// Waiting appends continue.
    ResumeLog,
    /// An operator copies the synced state of the lake.
    CopyLake,
    /// All processors stop, and the lake is replaced by its copy, if there is one.
    RestoreLake,
    /// All processors stop, and the newest log entries of a table are lost.
    LoseEntries {
        /// Which table.
        table: u8,
        /// Number of entries.
        entries: u8,
    },
    /// All processors stop, and the newest log entry of a table is cut to half.
    DamageEntry {
        /// Which table.
        table: u8,
    },
    /// An operator moves away every damaged entry.
    MoveDamagedAway,
    /// A foreign producer appends a record that ingest never writes.
    Foreign {
        /// The park whose partition receives the record.
        park: u8,
    },
}

impl Op {
    /// Returns true if the op interrupts no processor, so that no record is read again.
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
