//! Processors: the one in office, and the one that was replaced and does not know it.

use std::sync::Arc;

use greenpark_archive::{lake::Lake, store::LogBounds};
use greenpark_model::day::Instant;
use greenpark_processor::{Clock as ProcessorClock, Processor, RunError, Settings};
use tokio::sync::oneshot;

use crate::{
    actor::{Actor, Turn},
    clock::Clock,
    disk::SimDisk,
    queue::{GROUP, PARTITIONS, Queue},
};

/// A running processor.
#[derive(Debug)]
pub(crate) struct Office {
    // Dropped first: a kill is not a request to stop.
    actor: Actor<Result<(), RunError>>,
    stop: Option<oneshot::Sender<()>>,
}

/// What a processor may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Room {
    /// A day is sealed whole.
    Plenty,
    /// For eight buffered rows and sixteen put together, so that a day is sealed in portions.
    Scarce,
}

fn settings(room: Room) -> Settings {
    let usual = Settings::default();
    Settings {
        memory: match room {
            Room::Plenty => usual.memory,
            Room::Scarce => (128 << 20) + 16 * 384,
        },
        group: GROUP.to_owned(),
        grace: std::time::Duration::from_secs(60),
        quiet: std::time::Duration::from_millis(100),
        flush_interval: std::time::Duration::from_millis(200),
        messages_interval: std::time::Duration::from_millis(900),
        dead_letters: usual.dead_letters,
    }
}

/// Logs of tables are packed while a seed runs.
const LOG_BOUNDS: LogBounds = LogBounds {
    checkpoint_entries: 4,
    kept_entries: 8,
    kept_ms: 0,
    packed_at_once: 16,
};

impl Office {
    /// Starts a processor, which takes every partition over.
    pub(crate) fn start(
        queue: &Arc<Queue>,
        disk: &Arc<SimDisk>,
        clock: &Arc<Clock>,
        room: Room,
    ) -> Self {
        let wall = Arc::clone(clock);
        let clock = ProcessorClock::new(move || Instant(wall.wall_ms()));
        let lake = Lake::on(Arc::clone(disk) as _).with_log_bounds(LOG_BOUNDS);
        let processor = Processor::new(queue.reader(), PARTITIONS, lake, settings(room), clock);
        let (stop, stopped) = oneshot::channel::<()>();
        let run = processor.run(async move {
            let _stopped = stopped.await;
        });
        Self {
            actor: Actor::new(run),
            stop: Some(stop),
        }
    }

    /// Asks it to flush and leave.
    pub(crate) fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
    }

    pub(crate) fn turn(&mut self, barrier: impl FnOnce()) -> Turn<Result<(), RunError>> {
        self.actor.turn(barrier)
    }
}
