//! A processor of the simulation. After a replacement, the former one runs on beside the new one.

use std::sync::Arc;

use greenpark_archive::{lake::Lake, store::LogBounds};
use greenpark_model::clock::Clock;
use greenpark_processor::{Processor, ProcessorSettings, RunError};
use tokio::sync::oneshot;

use crate::{
    actor::{Actor, Turn},
    clock::SimClock,
    disk::SimDisk,
    log::{GROUP, PARTITIONS, SimLog},
};

/// Copies of `RESERVED_BYTES` and `SEALED_ROW_BYTES` of the processor, which are private there.
const RESERVED_BYTES: usize = 128 << 20;
const SEALED_ROW_BYTES: usize = 384;
/// Rows that a processor with scarce memory seals at once.
const SEALED_ROWS: usize = 16;

/// A running processor.
#[derive(Debug)]
pub(crate) struct SimProcessor {
    // Dropped first: a kill is not a request to stop.
    actor: Actor<Result<(), RunError>>,
    stop: Option<oneshot::Sender<()>>,
}

/// The memory that a processor may use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MemorySize {
    /// Enough to seal a whole day at once.
    Plenty,
    /// Enough for eight buffered rows and sixteen sealed rows, so that a day is sealed in several chunks.
    Scarce,
}

fn settings(memory: MemorySize) -> ProcessorSettings {
    let defaults = ProcessorSettings::default();
    ProcessorSettings {
        memory: match memory {
            MemorySize::Plenty => defaults.memory,
            MemorySize::Scarce => RESERVED_BYTES + SEALED_ROWS * SEALED_ROW_BYTES,
        },
        group: GROUP.to_owned(),
        grace: std::time::Duration::from_secs(60),
        quiet: std::time::Duration::from_millis(100),
        flush_interval: std::time::Duration::from_millis(200),
        messages_interval: std::time::Duration::from_millis(900),
        dead_letters: defaults.dead_letters,
    }
}

/// Small bounds, so that table logs are checkpointed and truncated within a run.
const LOG_BOUNDS: LogBounds = LogBounds {
    checkpoint_entries: 4,
    kept_entries: 8,
    kept_ms: 0,
    packed_at_once: 16,
};

impl SimProcessor {
    /// Starts a processor, which takes over every partition.
    pub(crate) fn start(
        log: &Arc<SimLog>,
        disk: &Arc<SimDisk>,
        clock: &Arc<SimClock>,
        memory: MemorySize,
    ) -> Self {
        let wall = Arc::clone(clock);
        let clock = Clock::new(move || wall.wall());
        let lake = Lake::on(Arc::clone(disk) as _, clock.clone()).with_log_bounds(LOG_BOUNDS);
        let processor = Processor::new(log.reader(), PARTITIONS, lake, settings(memory), clock);
        let (stop, stopped) = oneshot::channel::<()>();
        let run = processor.run(async move {
            let _stopped = stopped.await;
        });
        Self {
            actor: Actor::new(run),
            stop: Some(stop),
        }
    }

    /// Requests it to flush and stop.
    pub(crate) fn request_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A processor that has ended needs no request.
            let _ = stop.send(());
        }
    }

    pub(crate) fn turn(&mut self, barrier: impl FnOnce()) -> Turn<Result<(), RunError>> {
        self.actor.turn(barrier)
    }
}
