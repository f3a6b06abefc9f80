//! The schedule of faults: a pure function of the seed.

use std::fmt;

use greenpark_tests_load::random::Random;

use crate::args::Log;

/// One other fault follows after this many kills.
const KILLS_TO_A_FAULT: u32 = 6;

/// The role of a process in the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// All services in one process.
    Up,
    /// Ingest alone.
    Ingest,
    /// The processor alone.
    Processor,
    /// The query service alone.
    Query,
}

/// A broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broker {
    /// Mosquitto.
    Mosquitto,
    /// Kafka.
    Kafka,
}

/// A connection between processes that passes through a proxy of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// Gateways to what they connect to.
    Gateways,
    /// Ingest to Mosquitto.
    Subscriber,
    /// Ingest to Kafka.
    Producer,
    /// The processor to Kafka.
    Consumer,
}

/// The system calls at which a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailPoint {
    /// Writes to a file at a position.
    WriteAt,
    /// Writes to a file or a wake-up descriptor.
    Write,
    /// Sends to a socket: acknowledgements, records, answers.
    Send,
    /// Renames or links a file.
    Rename,
    /// Syncs a file, folder or file system.
    Sync,
    /// Opens or creates a file.
    Open,
    /// Creates a folder.
    Folder,
    /// Removes a name.
    Unlink,
    /// Sets the length of a file.
    Length,
}

/// What is restored, lost or damaged while all processes are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// The lake is restored from an older copy.
    Lake,
    /// The log is restored from an older copy.
    Log,
    /// The log is lost; Kafka's topic of readings is created again.
    LogLost,
    /// The newest log entry of a park's book is cut to half; later it is moved away.
    Entry,
    /// The same for the table of a park's messages.
    Messages,
    /// A hot file is cut to half; later it is whole again, as from a copy.
    HotFile,
    /// The processor uses another consumer group from now on.
    Group,
}

/// All restores, in their order in a schedule.
const RESTORES: [Restore; 7] = [
    Restore::Lake,
    Restore::Entry,
    Restore::Log,
    Restore::Group,
    Restore::Messages,
    Restore::LogLost,
    Restore::HotFile,
];

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL after this many milliseconds.
    Kill(Role, u64),
    /// SIGKILL at the nth call of the fail point in a thread.
    DieAt(Role, FailPoint, u64),
    /// SIGSTOP for this many milliseconds, then SIGCONT.
    Freeze(Role, u64),
    /// The processor is stopped past its session while a second one takes over, and then continues.
    Zombie,
    /// No bytes pass for this many milliseconds; afterwards the connections continue.
    Stall(Link, u64),
    /// Every connection is closed, and none is accepted for this many milliseconds.
    Cut(Link, u64),
    /// A broker is stopped and started again on its folder.
    Restart(Broker),
    /// A broker is killed and started again on its folder.
    KillBroker(Broker),
    /// The disk is full for this many milliseconds.
    FullDisk(u64),
    /// Every sync of a process takes this many milliseconds longer.
    SlowDisk(Role, u64),
    /// The lake and the log are copied.
    Copy,
    /// Something is restored, lost or damaged.
    Restore(Restore),
}

/// What the command line requests and the machine allows.
#[derive(Debug, Clone, Copy)]
pub struct FaultOptions {
    /// The log, which decides the processes.
    pub log: Log,
    /// Whether there is a Mosquitto.
    pub mosquitto: bool,
    /// Whether gateways count only receipts as acknowledgements, so that Mosquitto may be killed.
    pub receipts: bool,
    /// Whether `strace` can kill a process at a system call.
    pub fail_points: bool,
    /// Whether the disk can be filled.
    pub disk: bool,
    /// Milliseconds for which each link is held once; 0 for no such partition.
    pub partition_ms: u64,
    /// Number of restores.
    pub restores: u32,
}

/// The faults of a run: `kills` kills, and others between them.
#[must_use]
pub fn schedule(seed: u64, kills: u32, fault_options: FaultOptions) -> Vec<Fault> {
    let mut random = Random::with_purpose(seed, 1);
    let others = others(fault_options);
    let mut faults = Vec::new();
    for kill in 0..kills {
        let role = role(fault_options.log, &mut random);
        // Three of four kills are at a fail point. The query service writes nothing but answers.
        let fault = if fault_options.fail_points && !random.one_in(4) {
            let points = role.fail_points();
            let point = points[random.below(points.len() as u64) as usize];
            Fault::DieAt(role, point, random.spread(1, point.calls_max()))
        } else {
            Fault::Kill(role, random.spread(1, role.life_ms()))
        };
        faults.push(fault);
        if kill % KILLS_TO_A_FAULT == KILLS_TO_A_FAULT - 1 {
            let nth = (kill / KILLS_TO_A_FAULT) as usize;
            // The other faults follow in turn, so that a long run has all of them.
            faults.push(vary(others[nth % others.len()], &mut random));
        }
    }
    if fault_options.partition_ms > 0 {
        let links = links(fault_options);
        for (nth, link) in links.iter().enumerate() {
            let at = (nth + 1) * faults.len() / (links.len() + 1);
            faults.insert(at, Fault::Stall(*link, fault_options.partition_ms));
        }
    }
    with_restores(faults, fault_options.restores as usize)
}

/// Spreads `restores` restores evenly over the faults, each with a copy halfway before it.
fn with_restores(faults: Vec<Fault>, restores: usize) -> Vec<Fault> {
    let many = faults.len();
    let at = |nth: usize, halves: usize| (2 * nth + halves) * many / (2 * restores + 1);
    let mut all = Vec::with_capacity(many + 2 * restores);
    let mut next = 0;
    for (place, fault) in faults.into_iter().enumerate() {
        while next < 2 * restores && at(next / 2, next % 2 + 1) <= place {
            all.push(copy_or_restore(next));
            next += 1;
        }
        all.push(fault);
    }
    all.extend((next..2 * restores).map(copy_or_restore));
    all
}

/// Copies and restores in turn.
fn copy_or_restore(nth: usize) -> Fault {
    match nth % 2 {
        0 => Fault::Copy,
        _ => Fault::Restore(RESTORES[nth / 2 % RESTORES.len()]),
    }
}

/// The links of an installation.
fn links(fault_options: FaultOptions) -> Vec<Link> {
    let mut links = vec![Link::Gateways];
    if fault_options.mosquitto {
        links.push(Link::Subscriber);
    }
    if fault_options.log == Log::Kafka {
        links.extend([Link::Producer, Link::Consumer]);
    }
    links
}

fn role(log: Log, random: &mut Random) -> Role {
    match (log, random.below(5)) {
        (Log::Embedded, _) => Role::Up,
        (Log::Kafka, 0 | 1) => Role::Ingest,
        (Log::Kafka, 2 | 3) => Role::Processor,
        (Log::Kafka, _) => Role::Query,
    }
}

fn others(fault_options: FaultOptions) -> Vec<Fault> {
    let mut faults = match fault_options.log {
        Log::Embedded => vec![
            Fault::Freeze(Role::Up, 3_000),
            Fault::Stall(Link::Gateways, 4_000),
            Fault::Cut(Link::Gateways, 1_000),
        ],
        Log::Kafka => vec![
            Fault::KillBroker(Broker::Kafka),
            Fault::Zombie,
            Fault::Cut(Link::Producer, 5_000),
            Fault::Restart(Broker::Kafka),
            Fault::Stall(Link::Consumer, 15_000),
            Fault::Freeze(Role::Ingest, 5_000),
            Fault::Stall(Link::Gateways, 5_000),
            Fault::Stall(Link::Producer, 40_000),
        ],
    };
    if fault_options.mosquitto {
        faults.insert(1, Fault::Restart(Broker::Mosquitto));
        faults.insert(3, Fault::Cut(Link::Subscriber, 2_000));
        if fault_options.receipts {
            // More often than the others, because this is the purpose of receipts.
            faults.insert(faults.len() / 2, Fault::KillBroker(Broker::Mosquitto));
            faults.insert(0, Fault::KillBroker(Broker::Mosquitto));
        }
    }
    if fault_options.fail_points {
        let role = match fault_options.log {
            Log::Embedded => Role::Up,
            Log::Kafka => Role::Processor,
        };
        faults.insert(2, Fault::SlowDisk(role, 50));
    }
    if fault_options.disk {
        faults.insert(1, Fault::FullDisk(3_000));
    }
    faults
}

/// The same fault with a duration from half to all of its own.
fn vary(fault: Fault, random: &mut Random) -> Fault {
    let mut length = |ms: u64| ms / 2 + random.below(ms / 2 + 1);
    match fault {
        Fault::Freeze(role, ms) => Fault::Freeze(role, length(ms)),
        Fault::Stall(link, ms) => Fault::Stall(link, length(ms)),
        Fault::Cut(link, ms) => Fault::Cut(link, length(ms)),
        Fault::FullDisk(ms) => Fault::FullDisk(length(ms)),
        Fault::SlowDisk(role, ms) => Fault::SlowDisk(role, length(ms)),
        other => other,
    }
}

impl Role {
    /// The longest time before a kill at a random moment. A processor first waits until the session of its
    /// predecessor expires.
    fn life_ms(self) -> u64 {
        match self {
            Self::Processor => 12_000,
            Self::Up | Self::Ingest | Self::Query => 2_000,
        }
    }

    /// The fail points of the process.
    fn fail_points(self) -> &'static [FailPoint] {
        match self {
            Self::Up | Self::Processor => &[
                FailPoint::WriteAt,
                FailPoint::Write,
                FailPoint::Send,
                FailPoint::Rename,
                FailPoint::Sync,
                FailPoint::Open,
                FailPoint::Folder,
                FailPoint::Unlink,
                FailPoint::Length,
                FailPoint::WriteAt,
                FailPoint::Rename,
                FailPoint::Sync,
            ],
            Self::Ingest | Self::Query => &[FailPoint::Write, FailPoint::Send],
        }
    }
}

impl FailPoint {
    /// The system calls, as `strace` names them.
    #[must_use]
    pub fn calls(self) -> &'static str {
        match self {
            Self::WriteAt => "pwrite64,pwritev",
            Self::Write => "write",
            Self::Send => "sendto,sendmsg,writev",
            Self::Rename => "rename,renameat,renameat2,link,linkat",
            Self::Sync => "fsync,fdatasync,syncfs,sync_file_range",
            Self::Open => "openat",
            Self::Folder => "mkdir,mkdirat",
            Self::Unlink => "unlink,unlinkat",
            Self::Length => "ftruncate,fallocate",
        }
    }

    /// About the number of these calls that a thread makes within some seconds.
    fn calls_max(self) -> u64 {
        match self {
            Self::WriteAt => 300,
            Self::Write => 200,
            Self::Send => 100,
            Self::Sync => 40,
            Self::Open => 60,
            Self::Rename => 4,
            Self::Folder | Self::Unlink | Self::Length => 2,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Ingest => "ingest",
            Self::Processor => "processor",
            Self::Query => "query",
        })
    }
}

impl fmt::Display for FailPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.calls())
    }
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lake => "restore the lake from a copy",
            Self::Log => "restore the log from a copy",
            Self::LogLost => "lose the log",
            Self::Entry => "damage the newest entry of a book",
            Self::Messages => "damage the newest entry of a park's messages",
            Self::HotFile => "damage a hot file",
            Self::Group => "change the group",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(role, ms) => write!(f, "kill {role} after {ms} ms"),
            Self::DieAt(role, point, nth) => write!(f, "kill {role} at {point} {nth}"),
            Self::Freeze(role, ms) => write!(f, "stop {role} for {ms} ms"),
            Self::Zombie => f.write_str("stop the processor while a second one takes over"),
            Self::Stall(link, ms) => write!(f, "hold {link:?} for {ms} ms"),
            Self::Cut(link, ms) => write!(f, "cut {link:?} for {ms} ms"),
            Self::Restart(broker) => write!(f, "restart {broker:?}"),
            Self::KillBroker(broker) => write!(f, "kill {broker:?}"),
            Self::FullDisk(ms) => write!(f, "disk full for {ms} ms"),
            Self::SlowDisk(role, ms) => write!(f, "syncs of {role} take {ms} ms longer"),
            Self::Copy => f.write_str("copy the lake and the log"),
            Self::Restore(what) => write!(f, "{what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_schedule_and_a_long_one_has_every_kind() {
        let fault_options = FaultOptions {
            log: Log::Kafka,
            mosquitto: true,
            receipts: false,
            fail_points: true,
            disk: true,
            partition_ms: 0,
            restores: 0,
        };
        let first = schedule(5, 120, fault_options);
        assert_eq!(first, schedule(5, 120, fault_options));
        assert_ne!(first, schedule(6, 120, fault_options));
        let kills = |f: &&Fault| matches!(f, Fault::Kill(..) | Fault::DieAt(..));
        assert_eq!(first.iter().filter(kills).count(), 120);
        assert_eq!(first.iter().filter(|f| !kills(f)).count(), 20);
        assert!(first.contains(&Fault::Zombie));
        let fault_options = FaultOptions {
            partition_ms: 150_000,
            ..fault_options
        };
        let long = |f: &&Fault| matches!(f, Fault::Stall(_, 150_000));
        let with = schedule(5, 120, fault_options);
        assert_eq!(with.iter().filter(long).count(), 4);
        assert_eq!(with.len(), first.len() + 4);
        let dies = Fault::KillBroker(Broker::Mosquitto);
        assert!(
            !first.contains(&dies),
            "without receipts, Mosquitto may lose acknowledged messages"
        );
        let fault_options = FaultOptions {
            restores: 9,
            ..fault_options
        };
        let restored = schedule(5, 40, fault_options);
        let is_restore = |f: &&Fault| matches!(f, Fault::Restore(_));
        assert_eq!(restored.iter().filter(is_restore).count(), 9);
        for what in RESTORES {
            assert!(restored.contains(&Fault::Restore(what)));
        }
        let copies = restored.iter().filter(|f| **f == Fault::Copy).count();
        assert_eq!(copies, 9);
        let fault_options = FaultOptions {
            receipts: true,
            ..fault_options
        };
        assert!(schedule(5, 12, fault_options).contains(&dies));
    }
}
