//! Which fault comes when: a pure function of the seed.

use std::fmt;

use crate::{args::Log, chance::Chance};

/// One other fault comes after this many kills.
const KILLS_TO_A_FAULT: u32 = 6;

/// A part of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Everything in one process.
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

/// A connection between parts that a proxy of ours carries.
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

/// System calls around which a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Bytes to a file at a place.
    WriteAt,
    /// Bytes to a file or a wake-up.
    Write,
    /// Bytes to a socket: acknowledgements, records, answers.
    Send,
    /// A name given or taken.
    Rename,
    /// A file, folder or file system made durable.
    Sync,
    /// A file opened or made.
    Open,
    /// A folder made.
    Folder,
    /// A name removed.
    Unlink,
    /// A file's length set.
    Length,
}

/// What is restored, lost or damaged while everything stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// The lake, from an older copy.
    Lake,
    /// The log, from an older copy.
    Log,
    /// The log is gone; Kafka's topic of readings is made anew.
    LogLost,
    /// Half of the newest entry of a park's book is gone; later it is moved away.
    Entry,
    /// The same of a park's messages.
    Messages,
    /// Half of a hot file is gone; later it is whole again, as from a copy.
    HotFile,
    /// The processor has another group from now on.
    Group,
}

/// In the order in which they come.
const RESTORES: [Restore; 7] = [
    Restore::Lake,
    Restore::Entry,
    Restore::Log,
    Restore::Group,
    Restore::Messages,
    Restore::LogLost,
    Restore::HotFile,
];

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL after so many milliseconds.
    Kill(Part, u64),
    /// SIGKILL at the nth such call of a thread.
    DieAt(Part, Point, u64),
    /// SIGSTOP for so many milliseconds, then SIGCONT.
    Freeze(Part, u64),
    /// The processor is stopped past its session while a second one takes over, and comes back.
    Zombie,
    /// Nothing passes for so many milliseconds; afterwards the connections go on.
    Stall(Link, u64),
    /// Every connection is closed, and none made for so many milliseconds.
    Cut(Link, u64),
    /// A broker is stopped and started on its folder.
    Restart(Broker),
    /// A broker is killed and started on its folder.
    KillBroker(Broker),
    /// The disk is full for so many milliseconds.
    FullDisk(u64),
    /// Every sync of a part takes so many milliseconds longer.
    SlowDisk(Part, u64),
    /// Copies are taken.
    Copy,
    /// Something is restored, lost or damaged.
    Restore(Restore),
}

/// What the place allows.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// The log, and so the parts.
    pub log: Log,
    /// Whether there is a Mosquitto.
    pub mosquitto: bool,
    /// Whether gateways believe receipts alone, so that Mosquitto may die.
    pub receipts: bool,
    /// Whether system calls can be injected into.
    pub points: bool,
    /// Whether the disk can be filled.
    pub disk: bool,
    /// Milliseconds for which each link is held once; 0 for none of that.
    pub partition_ms: u64,
    /// How often something is restored, lost or damaged.
    pub restores: u32,
}

/// The faults of a run: `kills` kills, and others between them.
#[must_use]
pub fn schedule(seed: u64, kills: u32, means: Means) -> Vec<Fault> {
    let mut chance = Chance::new(seed, 1);
    let others = others(means);
    let mut faults = Vec::new();
    for kill in 0..kills {
        let part = part(means.log, &mut chance);
        // Three of four at a fail point; the query service writes nothing but answers.
        let fault = if means.points && !chance.one_in(4) {
            let points = part.points();
            let point = points[chance.below(points.len() as u64) as usize];
            Fault::DieAt(part, point, chance.spread(1, point.most()))
        } else {
            Fault::Kill(part, chance.spread(1, part.life_ms()))
        };
        faults.push(fault);
        if kill % KILLS_TO_A_FAULT == KILLS_TO_A_FAULT - 1 {
            let nth = (kill / KILLS_TO_A_FAULT) as usize;
            // Each in turn, so that a run of some length has all of them.
            faults.push(vary(others[nth % others.len()], &mut chance));
        }
    }
    if means.partition_ms > 0 {
        let links = links(means);
        for (nth, link) in links.iter().enumerate() {
            let at = (nth + 1) * faults.len() / (links.len() + 1);
            faults.insert(at, Fault::Stall(*link, means.partition_ms));
        }
    }
    with_restores(faults, means.restores as usize)
}

/// The faults with so many restores spread over them, half of the way before each of which copies are taken.
fn with_restores(faults: Vec<Fault>, restores: usize) -> Vec<Fault> {
    let many = faults.len();
    let at = |nth: usize, halves: usize| (2 * nth + halves) * many / (2 * restores + 1);
    let mut all = Vec::with_capacity(many + 2 * restores);
    let mut next = 0;
    for (place, fault) in faults.into_iter().enumerate() {
        while next < 2 * restores && at(next / 2, next % 2 + 1) <= place {
            all.push(with_copy(next));
            next += 1;
        }
        all.push(fault);
    }
    all.extend((next..2 * restores).map(with_copy));
    all
}

/// Copies and restores in turn.
fn with_copy(nth: usize) -> Fault {
    match nth % 2 {
        0 => Fault::Copy,
        _ => Fault::Restore(RESTORES[nth / 2 % RESTORES.len()]),
    }
}

/// Between which parts nothing may pass.
fn links(means: Means) -> Vec<Link> {
    let mut links = vec![Link::Gateways];
    if means.mosquitto {
        links.push(Link::Subscriber);
    }
    if means.log == Log::Kafka {
        links.extend([Link::Producer, Link::Consumer]);
    }
    links
}

fn part(log: Log, chance: &mut Chance) -> Part {
    match (log, chance.below(5)) {
        (Log::Embedded, _) => Part::Up,
        (Log::Kafka, 0 | 1) => Part::Ingest,
        (Log::Kafka, 2 | 3) => Part::Processor,
        (Log::Kafka, _) => Part::Query,
    }
}

fn others(means: Means) -> Vec<Fault> {
    let mut faults = match means.log {
        Log::Embedded => vec![
            Fault::Freeze(Part::Up, 3_000),
            Fault::Stall(Link::Gateways, 4_000),
            Fault::Cut(Link::Gateways, 1_000),
        ],
        Log::Kafka => vec![
            Fault::KillBroker(Broker::Kafka),
            Fault::Zombie,
            Fault::Cut(Link::Producer, 5_000),
            Fault::Restart(Broker::Kafka),
            Fault::Stall(Link::Consumer, 15_000),
            Fault::Freeze(Part::Ingest, 5_000),
            Fault::Stall(Link::Gateways, 5_000),
            Fault::Stall(Link::Producer, 40_000),
        ],
    };
    if means.mosquitto {
        faults.insert(1, Fault::Restart(Broker::Mosquitto));
        faults.insert(3, Fault::Cut(Link::Subscriber, 2_000));
        if means.receipts {
            // More often than the others, since it is what the receipts are for.
            faults.insert(faults.len() / 2, Fault::KillBroker(Broker::Mosquitto));
            faults.insert(0, Fault::KillBroker(Broker::Mosquitto));
        }
    }
    if means.points {
        let part = match means.log {
            Log::Embedded => Part::Up,
            Log::Kafka => Part::Processor,
        };
        faults.insert(2, Fault::SlowDisk(part, 50));
    }
    if means.disk {
        faults.insert(1, Fault::FullDisk(3_000));
    }
    faults
}

/// The same fault with a length between a half and the whole of its own.
fn vary(fault: Fault, chance: &mut Chance) -> Fault {
    let mut length = |ms: u64| ms / 2 + chance.below(ms / 2 + 1);
    match fault {
        Fault::Freeze(part, ms) => Fault::Freeze(part, length(ms)),
        Fault::Stall(link, ms) => Fault::Stall(link, length(ms)),
        Fault::Cut(link, ms) => Fault::Cut(link, length(ms)),
        Fault::FullDisk(ms) => Fault::FullDisk(length(ms)),
        Fault::SlowDisk(part, ms) => Fault::SlowDisk(part, length(ms)),
        other => other,
    }
}

impl Part {
    /// The longest that it lives before a kill at a random moment; a processor waits for the session of the
    /// one before to run out.
    fn life_ms(self) -> u64 {
        match self {
            Self::Processor => 12_000,
            Self::Up | Self::Ingest | Self::Query => 2_000,
        }
    }

    /// Where it may die.
    fn points(self) -> &'static [Point] {
        match self {
            Self::Up | Self::Processor => &[
                Point::WriteAt,
                Point::Write,
                Point::Send,
                Point::Rename,
                Point::Sync,
                Point::Open,
                Point::Folder,
                Point::Unlink,
                Point::Length,
                Point::WriteAt,
                Point::Rename,
                Point::Sync,
            ],
            Self::Ingest | Self::Query => &[Point::Write, Point::Send],
        }
    }
}

impl Point {
    /// Its system calls, as `strace` names them.
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

    /// How many of these calls a thread makes within some seconds, about.
    fn most(self) -> u64 {
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

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Ingest => "ingest",
            Self::Processor => "processor",
            Self::Query => "query",
        })
    }
}

impl fmt::Display for Point {
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
            Self::Kill(part, ms) => write!(f, "kill {part} after {ms} ms"),
            Self::DieAt(part, point, nth) => write!(f, "kill {part} at {point} {nth}"),
            Self::Freeze(part, ms) => write!(f, "stop {part} for {ms} ms"),
            Self::Zombie => f.write_str("stop the processor while a second one takes over"),
            Self::Stall(link, ms) => write!(f, "hold {link:?} for {ms} ms"),
            Self::Cut(link, ms) => write!(f, "cut {link:?} for {ms} ms"),
            Self::Restart(broker) => write!(f, "restart {broker:?}"),
            Self::KillBroker(broker) => write!(f, "kill {broker:?}"),
            Self::FullDisk(ms) => write!(f, "disk full for {ms} ms"),
            Self::SlowDisk(part, ms) => write!(f, "syncs of {part} take {ms} ms longer"),
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
        let means = Means {
            log: Log::Kafka,
            mosquitto: true,
            receipts: false,
            points: true,
            disk: true,
            partition_ms: 0,
            restores: 0,
        };
        let first = schedule(5, 120, means);
        assert_eq!(first, schedule(5, 120, means));
        assert_ne!(first, schedule(6, 120, means));
        let kills = |f: &&Fault| matches!(f, Fault::Kill(..) | Fault::DieAt(..));
        assert_eq!(first.iter().filter(kills).count(), 120);
        assert_eq!(first.iter().filter(|f| !kills(f)).count(), 20);
        assert!(first.contains(&Fault::Zombie));
        let means = Means {
            partition_ms: 150_000,
            ..means
        };
        let long = |f: &&Fault| matches!(f, Fault::Stall(_, 150_000));
        let with = schedule(5, 120, means);
        assert_eq!(with.iter().filter(long).count(), 4);
        assert_eq!(with.len(), first.len() + 4);
        let dies = Fault::KillBroker(Broker::Mosquitto);
        assert!(
            !first.contains(&dies),
            "what it acknowledged is its to lose"
        );
        let means = Means {
            restores: 9,
            ..means
        };
        let restored = schedule(5, 40, means);
        let is_restore = |f: &&Fault| matches!(f, Fault::Restore(_));
        assert_eq!(restored.iter().filter(is_restore).count(), 9);
        for what in RESTORES {
            assert!(restored.contains(&Fault::Restore(what)));
        }
        let copies = restored.iter().filter(|f| **f == Fault::Copy).count();
        assert_eq!(copies, 9);
        let means = Means {
            receipts: true,
            ..means
        };
        assert!(schedule(5, 12, means).contains(&dies));
    }
}
