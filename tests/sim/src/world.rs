//! The machine, the gateways and the log, and what each [`Op`] does to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
    sync::Arc,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use greenpark_ingest::{DecodeSettings, IngestMetrics, Pipeline};
use greenpark_log::{ContentType, Headers, Record, Topic};
use greenpark_model::{
    day::{DAY_MS, Instant},
    id::{EnterpriseId, GatewayId, ParkId},
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    actor::Turn,
    check::{Eye, Seen},
    clock::Clock,
    disk::SimDisk,
    gateway::{Gateway, PLACES},
    office::{Office, Room},
    op::{Op, Who},
    oracle::{ByPark, Id, Oracle, holds},
    queue::Queue,
    violation::Violation,
};

/// The wall clock at the start: four hours before a year ends, so that days and books close.
const START: &str = "2026-12-31T20:00:00+08:00";

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    runtime: Runtime,
    pub(crate) clock: Arc<Clock>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) gateways: Vec<Gateway>,
    metrics: IngestMetrics,
    pipeline: Pipeline,
    pub(crate) processor: Option<Office>,
    pub(crate) zombie: Option<Office>,
    pub(crate) oracle: Oracle,
    /// What a running system sees, and what the worst power cut would leave.
    running: Eye,
    durable: Eye,
    looked_at: Option<u64>,
    published: BTreeSet<Id>,
    kept: BTreeSet<Id>,
    kept_messages: ByPark,
    poison: u32,
    /// A copy of the lake.
    copy: Option<BTreeMap<String, Bytes>>,
    /// Whether the lake lost what the log has, and reads it again.
    is_restored: bool,
    /// Whether nothing happened by which a record may be read again.
    pub(crate) calm: bool,
    /// Processors so far.
    started: u32,
    pub(crate) trace: String,
}

fn pipeline(queue: &Arc<Queue>, clock: &Arc<Clock>) -> (IngestMetrics, Pipeline) {
    let (metrics, wall) = (IngestMetrics::default(), Arc::clone(clock));
    let now = Arc::new(move || wall.wall_ms());
    let decode = DecodeSettings::default();
    let pipeline = Pipeline::new(&decode, queue.writer(), now, metrics.clone());
    (metrics, pipeline)
}

impl World {
    pub(crate) fn new() -> Self {
        let start: Instant = START.parse().expect("a constant instant");
        let clock = Arc::new(Clock::new(start));
        let (queue, disk) = (Queue::new(&clock), SimDisk::new());
        let (metrics, pipeline) = pipeline(&queue, &clock);
        // One thread works for everybody, in the order in which it was asked.
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime without drivers can be made");
        let numbers = (0u8..).take(PLACES.len());
        Self {
            runtime,
            gateways: numbers.map(Gateway::new).collect(),
            metrics,
            pipeline,
            processor: None,
            zombie: None,
            oracle: Oracle::default(),
            running: Eye::new(disk.written()),
            durable: Eye::new(disk.synced()),
            looked_at: None,
            published: BTreeSet::new(),
            kept: BTreeSet::new(),
            kept_messages: ByPark::new(),
            poison: 0,
            copy: None,
            is_restored: false,
            calm: true,
            started: 0,
            trace: String::new(),
            clock,
            queue,
            disk,
        }
    }

    pub(crate) fn tell(&mut self, event: impl std::fmt::Display) {
        writeln!(self.trace, "{event}").expect("a string takes all text");
    }

    /// Does `op`, then checks what it can have broken.
    pub(crate) fn apply(&mut self, op: Op) -> Result<(), Violation> {
        self.tell(format_args!("{op:?}"));
        self.calm &= op.is_calm();
        match op {
            Op::Publish { .. }
            | Op::Weigh { .. }
            | Op::Measure { .. }
            | Op::Correct { .. }
            | Op::Connect { .. }
            | Op::Resend { .. }
            | Op::Cut { .. } => self.at_gateway(op),
            Op::Run { who, turns } => {
                for _ in 0..turns {
                    if !self.turn(who)? {
                        break;
                    }
                }
            }
            Op::Pass { ms } => self.clock.pass(i64::from(ms)),
            Op::Jump { ms } => self.clock.jump(i64::from(ms)),
            Op::KillIngest => self.kill_ingest(),
            Op::KillProcessor => self.processor = None,
            Op::StartProcessor => self.start_processor(),
            Op::StopProcessor => self.processor.iter_mut().for_each(Office::ask_to_stop),
            Op::Replace => {
                self.zombie = self.processor.take();
                self.start_processor();
            }
            Op::KillZombie => self.zombie = None,
            Op::PowerCut { luck } => {
                (self.processor, self.zombie) = (None, None);
                self.kill_ingest();
                self.disk.power_cut(luck);
                self.running.forget();
                self.published.clear();
            }
            Op::Disk { fault, after } => self.disk.arm(fault, after),
            Op::Full { puts } => self.disk.fill(puts),
            Op::Slow { turns } => self.disk.slow_down(turns),
            Op::Log { fault } => self.queue.arm(fault),
            Op::PauseLog => self.queue.log.pause(),
            Op::ResumeLog => self.queue.log.resume(),
            Op::Foreign { park } => self.foreign(park),
            Op::CopyLake
            | Op::RestoreLake
            | Op::LoseEntries { .. }
            | Op::DamageEntry { .. }
            | Op::MoveDamagedAway => self.at_lake(op),
        }
        self.check().map(|_| ())
    }

    fn at_gateway(&mut self, op: Op) {
        let now = self.clock.wall_ms();
        match op {
            Op::Publish {
                gateway,
                readings,
                days_late,
                poison,
            } => {
                self.poison += u32::from(poison);
                let poison = poison.then_some(self.poison);
                let instant = now - i64::from(days_late) * DAY_MS;
                let gateway = &mut self.gateways[usize::from(gateway)];
                gateway.publish(&mut self.oracle, (readings, instant), poison);
            }
            Op::Weigh {
                gateway,
                loads,
                tickets,
            } => {
                let gateway = &mut self.gateways[usize::from(gateway)];
                gateway.weigh(&mut self.oracle, (loads, now), tickets);
            }
            Op::Measure { gateway, meter } => {
                self.gateways[usize::from(gateway)].measure(&mut self.oracle, meter, now);
            }
            Op::Correct { gateway, back } => {
                self.gateways[usize::from(gateway)].correct(&mut self.oracle, back);
            }
            Op::Connect { gateway, reversed } => {
                self.gateways[usize::from(gateway)].connect(&self.pipeline, reversed);
            }
            Op::Resend { gateway } => self.gateways[usize::from(gateway)].resend(false),
            Op::Cut { gateway } => self.gateways[usize::from(gateway)].cut(),
            _ => {}
        }
    }

    fn at_lake(&mut self, op: Op) {
        match op {
            Op::CopyLake if !self.disk.is_damaged() => self.copy = Some(self.disk.copy()),
            Op::MoveDamagedAway => self.move_damaged_away(),
            Op::RestoreLake => {
                if let Some(copy) = self.copy.clone() {
                    self.stop_lake();
                    self.disk.restore(&copy);
                }
            }
            Op::LoseEntries { table, entries } if !self.disk.is_damaged() => {
                self.stop_lake();
                self.disk.lose_entries(table, entries);
            }
            Op::DamageEntry { table } if !self.disk.is_damaged() => {
                self.stop_lake();
                self.disk.damage_entry(table);
            }
            _ => {}
        }
    }

    /// Nobody writes, and what was seen of the lake may not be there any more.
    fn stop_lake(&mut self) {
        (self.processor, self.zombie) = (None, None);
        self.is_restored = true;
        self.running.forget();
        self.durable.forget();
        self.published.clear();
    }

    /// Moves away every damaged entry.
    pub(crate) fn move_damaged_away(&mut self) {
        self.disk.move_damaged_away();
    }

    fn kill_ingest(&mut self) {
        self.gateways.iter_mut().for_each(Gateway::kill);
        (self.metrics, self.pipeline) = pipeline(&self.queue, &self.clock);
    }

    pub(crate) fn start_processor(&mut self) {
        if self.processor.is_none() {
            self.started += 1;
            let room = match self.started % 2 {
                0 => Room::Plenty,
                _ => Room::Scarce,
            };
            let office = Office::start(&self.queue, &self.disk, &self.clock, room);
            self.processor = Some(office);
        }
    }

    /// A record that ingest never wrote.
    fn foreign(&mut self, park: u8) {
        let park = ParkId::new(PLACES[usize::from(park)].0).expect("a constant id");
        let record = Record {
            park,
            headers: Headers {
                enterprise: EnterpriseId::new("stranger").expect("a constant id"),
                gateway: GatewayId::new("stranger").expect("a constant id"),
                epoch: 0,
                sequence: 0,
                content_type: ContentType::ReadingBatch,
            },
            payload: vec![0xff; 9].into(),
        };
        let append = self.queue.log.writer();
        // A log that is paused takes no record of anybody.
        let _appended = append.append(Topic::Readings, vec![record]).now_or_never();
        self.clock.ring();
    }

    /// Gives `who` a turn; whether anybody had anything to do.
    pub(crate) fn turn(&mut self, who: Who) -> Result<bool, Violation> {
        let mut going = false;
        if matches!(who, Who::Ingest | Who::All) {
            going |= self.ingest_turn()?;
        }
        if matches!(who, Who::Processor | Who::All) {
            let office = self.processor.take();
            let (office, went) = self.office_turn("processor", office);
            (self.processor, going) = (office, going | went);
        }
        if matches!(who, Who::Zombie | Who::All) {
            let zombie = self.zombie.take();
            let (office, went) = self.office_turn("zombie", zombie);
            (self.zombie, going) = (office, going | went);
        }
        Ok(going)
    }

    fn ingest_turn(&mut self) -> Result<bool, Violation> {
        let _entered = self.runtime.enter();
        let mut going = false;
        for number in 0..self.gateways.len() {
            let runtime = &self.runtime;
            let brought = self.gateways[number].turn(|| barrier(runtime));
            going |= brought.going;
            if brought.failed {
                writeln!(self.trace, "gateway {number}: closed").expect("a string takes text");
            }
            if !brought.acked.is_empty() {
                self.oracle.read_log(&self.queue)?;
            }
            for publish in brought.acked {
                writeln!(
                    self.trace,
                    "gateway {number}: acknowledged {:?}",
                    publish.rows
                )
                .expect("a string takes text");
                self.oracle.acknowledge(&publish.rows, publish.poison)?;
            }
        }

        let told = (self.metrics.accepted(), self.metrics.dead_lettered());
        if self.metrics.received() != told.0 + told.1 {
            let what = format!("{} received, {told:?} told apart", self.metrics.received());
            return Err(Violation::new(
                "I4 received = accepted + dead-lettered",
                what,
            ));
        }
        Ok(going)
    }

    fn office_turn(&mut self, name: &str, office: Option<Office>) -> (Option<Office>, bool) {
        let Some(mut office) = office else {
            return (None, false);
        };
        let _entered = self.runtime.enter();
        let runtime = &self.runtime;
        // The working thread is held back until the turn is over: whether it is faster than the turn must
        // not decide how far that gets.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let _holding = runtime.spawn_blocking(move || {
            let _released = held.recv();
        });
        let at_end = move || {
            drop(release);
            barrier(runtime);
        };
        match office.turn(at_end) {
            Turn::Going => (Some(office), true),
            Turn::Asleep => (Some(office), false),
            Turn::Done(ended) => {
                let why = ended.map_or_else(|error| chain(&error), |()| "stopped".to_owned());
                writeln!(self.trace, "{name}: {why}").expect("a string takes text");
                (None, true)
            }
        }
    }

    /// Makes the next check look at the lake though nothing has changed.
    pub(crate) fn look_again(&mut self) {
        self.looked_at = None;
    }

    /// Checks the log, and the lake from both sides where it has changed.
    pub(crate) fn check(&mut self) -> Result<Option<Seen>, Violation> {
        self.oracle.read_log(&self.queue)?;
        if self.disk.is_damaged() {
            return Ok(None);
        }
        let changed = self.looked_at != Some(self.disk.changes());
        let mut seen = None;
        if changed {
            self.looked_at = Some(self.disk.changes());
            let running = self.wait_for(|world| world.running.look(&world.oracle).boxed())?;
            let published = &mut self.published;
            if let Some(unseen) = published.iter().find(|id| !running.readings.contains(*id)) {
                let what = format!("{unseen:?} was published and is not in effect");
                return Err(Violation::new("unseen", what));
            }
            published.extend(&running.readings);
            let durable = self.wait_for(|world| world.durable.look(&world.oracle).boxed())?;
            (self.kept, seen) = (durable.readings, Some(running));
            self.kept_messages = durable.messages;
        }
        if self.is_restored {
            // The account at the end says whether all of it came back.
            return Ok(seen);
        }
        let numbers = self.oracle.numbers_committed(&self.queue);
        if !holds(&self.kept_messages, &numbers) {
            let what = format!(
                "{numbers:?} is committed, and kept is {:?}",
                self.kept_messages
            );
            return Err(Violation::new("I2 committed means published", what));
        }
        // What the group has committed would survive a power cut.
        let mut committed = self.oracle.committed(&self.queue);
        match committed.find(|id| !self.kept.contains(id)) {
            None => Ok(seen),
            Some(lost) => {
                let what = format!("{lost:?} is committed and not durably published");
                Err(Violation::new("I2 committed means published", what))
            }
        }
    }

    fn wait_for<T>(
        &mut self,
        look: impl for<'a> FnOnce(&'a mut Self) -> BoxFuture<'a, Result<T, Violation>>,
    ) -> Result<T, Violation> {
        let handle = self.runtime.handle().clone();
        let _entered = handle.enter();
        futures::executor::block_on(look(self))
    }
}

/// Waits until the working thread has done all that it was asked.
fn barrier(runtime: &Runtime) {
    let done = runtime.spawn_blocking(|| {});
    futures::executor::block_on(done).expect("nothing cannot panic");
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
