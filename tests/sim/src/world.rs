//! The simulated machine, gateways and log, and the effect of each [`Op`] on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use greenpark_ingest::{DecodeSettings, IngestMetrics, Pipeline};
use greenpark_log::{ContentType, Headers, Record, Topic};
use greenpark_model::{
    clock::Clock,
    day::{DAY_MS, Instant},
    id::{EnterpriseId, GatewayId, ParkId},
    invariants::all_received_are_accounted_for,
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    actor::Turn,
    check::{LakeContent, LakeView},
    clock::SimClock,
    disk::SimDisk,
    gateway::{GATEWAYS, Gateway},
    log::SimLog,
    op::{Component, Op},
    oracle::{MessagesByPark, Oracle, ReadingId, holds},
    processor::{MemorySize, SimProcessor},
    promise::{BrokenPromise, error_chain},
};

/// Wall clock at the start: four hours before a year ends, so that days and books close.
const START: &str = "2026-12-31T20:00:00+08:00";

/// The state of a run.
#[derive(Debug)]
pub(crate) struct World {
    runtime: Runtime,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) log: Arc<SimLog>,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) gateways: Vec<Gateway>,
    metrics: IngestMetrics,
    pipeline: Pipeline,
    pub(crate) processor: Option<SimProcessor>,
    pub(crate) zombie: Option<SimProcessor>,
    pub(crate) oracle: Oracle,
    /// The lake as a running system sees it, and as the worst power cut would leave it.
    running: LakeView,
    durable: LakeView,
    /// The count of disk changes at the last check of the lake.
    checked_at: Option<u64>,
    /// Every reading that was visible at some check.
    published: BTreeSet<ReadingId>,
    /// The content of the synced lake at the last check.
    durable_readings: BTreeSet<ReadingId>,
    durable_messages: MessagesByPark,
    /// The number of the latest undecodable element.
    poison: u32,
    /// The latest copy of the lake.
    copy: Option<BTreeMap<String, Bytes>>,
    /// Whether the lake was restored or lost entries, and reads the log again.
    is_restored: bool,
    /// Whether no op so far can have caused a record to be read twice.
    pub(crate) calm: bool,
    /// Number of processors started so far.
    started: u32,
    pub(crate) trace: String,
}

fn pipeline(log: &Arc<SimLog>, clock: &Arc<SimClock>) -> (IngestMetrics, Pipeline) {
    let (metrics, wall) = (IngestMetrics::default(), Arc::clone(clock));
    let now = Clock::new(move || wall.wall());
    let decode = DecodeSettings::default();
    let pipeline = Pipeline::new(&decode, log.writer(), now, metrics.clone());
    (metrics, pipeline)
}

impl World {
    pub(crate) fn new() -> Self {
        let start: Instant = START.parse().expect("a constant instant");
        let clock = Arc::new(SimClock::new(start));
        let (log, disk) = (SimLog::new(&clock), SimDisk::new());
        let (metrics, pipeline) = pipeline(&log, &clock);
        // One blocking thread runs all work in the order of submission.
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime without drivers can be made");
        let numbers = (0u8..).take(GATEWAYS.len());
        Self {
            runtime,
            gateways: numbers.map(Gateway::new).collect(),
            metrics,
            pipeline,
            processor: None,
            zombie: None,
            oracle: Oracle::default(),
            running: LakeView::new(disk.written()),
            durable: LakeView::new(disk.synced()),
            checked_at: None,
            published: BTreeSet::new(),
            durable_readings: BTreeSet::new(),
            durable_messages: MessagesByPark::new(),
            poison: 0,
            copy: None,
            is_restored: false,
            calm: true,
            started: 0,
            trace: String::new(),
            clock,
            log,
            disk,
        }
    }

    /// Appends a line to the trace.
    pub(crate) fn trace_event(&mut self, event: impl std::fmt::Display) {
        writeln!(self.trace, "{event}").expect("a string takes all text");
    }

    /// Applies `op`, then checks the promises that it can break.
    pub(crate) fn apply(&mut self, op: Op) -> Result<(), BrokenPromise> {
        self.trace_event(format_args!("{op:?}"));
        self.calm &= op.is_calm();
        match op {
            Op::Publish { .. }
            | Op::Weigh { .. }
            | Op::Measure { .. }
            | Op::Correct { .. }
            | Op::Connect { .. }
            | Op::Resend { .. }
            | Op::Cut { .. } => self.apply_to_gateway(op),
            Op::Run { who, turns } => {
                for _ in 0..turns {
                    if !self.turn(who)? {
                        break;
                    }
                }
            }
            Op::Pass { ms } => self.clock.advance(i64::from(ms)),
            Op::Jump { ms } => self.clock.jump(i64::from(ms)),
            Op::KillIngest => self.kill_ingest(),
            Op::KillProcessor => self.processor = None,
            Op::StartProcessor => self.start_processor(),
            Op::StopProcessor => self
                .processor
                .iter_mut()
                .for_each(SimProcessor::request_stop),
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
            Op::Log { fault } => self.log.arm(fault),
            Op::PauseLog => self.log.memory.pause(),
            Op::ResumeLog => self.log.memory.resume(),
            Op::Foreign { park } => self.append_foreign(park),
            Op::CopyLake
            | Op::RestoreLake
            | Op::LoseEntries { .. }
            | Op::DamageEntry { .. }
            | Op::MoveDamagedAway => self.apply_to_lake(op),
        }
        self.check().map(|_| ())
    }

    fn apply_to_gateway(&mut self, op: Op) {
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

    fn apply_to_lake(&mut self, op: Op) {
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

    /// Stops all processors and forgets the former content of the lake, which may be lost.
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
        (self.metrics, self.pipeline) = pipeline(&self.log, &self.clock);
    }

    pub(crate) fn start_processor(&mut self) {
        if self.processor.is_none() {
            self.started += 1;
            let memory = match self.started % 2 {
                0 => MemorySize::Plenty,
                _ => MemorySize::Scarce,
            };
            let processor = SimProcessor::start(&self.log, &self.disk, &self.clock, memory);
            self.processor = Some(processor);
        }
    }

    /// Appends a record that ingest never writes.
    fn append_foreign(&mut self, park: u8) {
        let park = ParkId::new(GATEWAYS[usize::from(park)].0).expect("a constant id");
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
        let writer = self.log.memory.writer();
        // A paused log appends nothing.
        let _ = writer.append(Topic::Readings, vec![record]).now_or_never();
        self.clock.ring();
    }

    /// Gives `who` a turn. Returns true if there was anything to do.
    pub(crate) fn turn(&mut self, who: Component) -> Result<bool, BrokenPromise> {
        let mut going = false;
        if matches!(who, Component::Ingest | Component::All) {
            going |= self.ingest_turn()?;
        }
        if matches!(who, Component::Processor | Component::All) {
            let processor = self.processor.take();
            let (processor, went) = self.processor_turn("processor", processor);
            (self.processor, going) = (processor, going | went);
        }
        if matches!(who, Component::Zombie | Component::All) {
            let zombie = self.zombie.take();
            let (processor, went) = self.processor_turn("zombie", zombie);
            (self.zombie, going) = (processor, going | went);
        }
        Ok(going)
    }

    fn ingest_turn(&mut self) -> Result<bool, BrokenPromise> {
        let _entered = self.runtime.enter();
        let mut going = false;
        for number in 0..self.gateways.len() {
            let runtime = &self.runtime;
            let turn = self.gateways[number].turn(|| barrier(runtime));
            going |= turn.going;
            if turn.failed {
                writeln!(self.trace, "gateway {number}: closed").expect("a string takes text");
            }
            if !turn.acked.is_empty() {
                self.oracle.read_log(&self.log)?;
            }
            for publish in turn.acked {
                writeln!(
                    self.trace,
                    "gateway {number}: acknowledged {:?}",
                    publish.rows
                )
                .expect("a string takes text");
                self.oracle.acknowledge(&publish.rows, publish.poison)?;
            }
        }

        let (received, accepted) = (self.metrics.received(), self.metrics.accepted());
        let dead_lettered = self.metrics.dead_lettered();
        if !all_received_are_accounted_for(received, accepted, dead_lettered) {
            let detail =
                format!("{received} received, {accepted} accepted, {dead_lettered} dead-lettered");
            return Err(BrokenPromise::new(
                "I4 received = accepted + dead-lettered",
                detail,
            ));
        }
        Ok(going)
    }

    fn processor_turn(
        &mut self,
        name: &str,
        processor: Option<SimProcessor>,
    ) -> (Option<SimProcessor>, bool) {
        let Some(mut processor) = processor else {
            return (None, false);
        };
        let _entered = self.runtime.enter();
        let runtime = &self.runtime;
        // The blocking thread is held back until the turn is over, so that its speed does not decide how far
        // the turn gets.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let _holding = runtime.spawn_blocking(move || {
            let _ = released.recv();
        });
        let at_end = move || {
            drop(release);
            barrier(runtime);
        };
        match processor.turn(at_end) {
            Turn::Going => (Some(processor), true),
            Turn::Asleep => (Some(processor), false),
            Turn::Done(ended) => {
                let why = ended.map_or_else(|error| error_chain(&error), |()| "stopped".to_owned());
                writeln!(self.trace, "{name}: {why}").expect("a string takes text");
                (None, true)
            }
        }
    }

    /// Makes the next check read the lake even if nothing has changed.
    pub(crate) fn force_check(&mut self) {
        self.checked_at = None;
    }

    /// Checks the log, and, if the disk has changed, the lake as written and as synced.
    pub(crate) fn check(&mut self) -> Result<Option<LakeContent>, BrokenPromise> {
        self.oracle.read_log(&self.log)?;
        if self.disk.is_damaged() {
            return Ok(None);
        }
        let changed = self.checked_at != Some(self.disk.changes());
        let mut content = None;
        if changed {
            self.checked_at = Some(self.disk.changes());
            let running = self.wait_for(|world| world.running.read(&world.oracle).boxed())?;
            let published = &mut self.published;
            if let Some(id) = published.iter().find(|id| !running.readings.contains(*id)) {
                let detail = format!("{id:?} was published and is not in effect");
                return Err(BrokenPromise::new("unseen", detail));
            }
            published.extend(&running.readings);
            let durable = self.wait_for(|world| world.durable.read(&world.oracle).boxed())?;
            (self.durable_readings, content) = (durable.readings, Some(running));
            self.durable_messages = durable.messages;
        }
        if self.is_restored {
            // The account at the end checks that everything came back.
            return Ok(content);
        }
        let numbers = self.oracle.numbers_committed(&self.log);
        if !holds(&self.durable_messages, &numbers) {
            let detail = format!(
                "{numbers:?} is committed, and {:?} is durable",
                self.durable_messages
            );
            return Err(BrokenPromise::new("I2 committed means published", detail));
        }
        // Everything that the group has committed must survive a power cut.
        let mut committed = self.oracle.committed(&self.log);
        match committed.find(|id| !self.durable_readings.contains(id)) {
            None => Ok(content),
            Some(lost) => {
                let detail = format!("{lost:?} is committed and not durably published");
                Err(BrokenPromise::new("I2 committed means published", detail))
            }
        }
    }

    fn wait_for<T>(
        &mut self,
        read: impl for<'a> FnOnce(&'a mut Self) -> BoxFuture<'a, Result<T, BrokenPromise>>,
    ) -> Result<T, BrokenPromise> {
        let handle = self.runtime.handle().clone();
        let _entered = handle.enter();
        futures::executor::block_on(read(self))
    }
}

/// Waits until the blocking thread has done all its work.
fn barrier(runtime: &Runtime) {
    let done = runtime.spawn_blocking(|| {});
    futures::executor::block_on(done).expect("nothing cannot panic");
}
