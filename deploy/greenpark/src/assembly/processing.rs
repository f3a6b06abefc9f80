//! Keeps a processor running beside ingest: if the processor fails, ingest still acknowledges, because the readings are
//! in the log.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use greenpark_processor::{Processor, ReadBarrier, SuspendedParks};
use greenpark_runtime::health::HealthPart;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// The pause before the processor is restarted; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Creates a processor.
pub(super) type Make = Box<dyn Fn() -> anyhow::Result<Processor> + Send + Sync>;

/// The read barrier of the processor that runs now.
pub(super) type Newest = Arc<Mutex<ReadBarrier>>;

/// The reaction to a processor that ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// The process ends.
    Leave,
    /// The processor is restarted.
    StartAgain,
}

/// A processor, and the constructor of its successors.
pub(super) struct Processing {
    first: Option<Processor>,
    make: Make,
    newest: Newest,
    at_end: AtEnd,
}

impl Processing {
    /// Creates the first processor, so that its error ends the start.
    pub(super) fn new(make: Make, at_end: AtEnd) -> anyhow::Result<Self> {
        let first = make()?;
        let newest = Arc::new(Mutex::new(first.read_barrier()));
        Ok(Self {
            first: Some(first),
            make,
            newest,
            at_end,
        })
    }

    /// Returns the handle by which a query requests that the running processor publishes what the log holds.
    pub(super) fn newest(&self) -> Newest {
        Arc::clone(&self.newest)
    }

    fn show(&self, barrier: ReadBarrier) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = barrier;
    }

    /// Runs until `shutdown`.
    pub(super) async fn run(
        mut self,
        part: HealthPart,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut next = self.first.take();
        let mut pause = FIRST_PAUSE;
        loop {
            let made = next.take().map_or_else(|| (self.make)(), Ok);
            let ended = match made {
                Ok(processor) => {
                    self.show(processor.read_barrier());
                    run_one(processor, &part, shutdown.clone()).await
                }
                Err(error) => Err(error),
            };
            let Err(failed) = ended else {
                part.unready("stopped");
                return Ok(());
            };
            part.unready(&format!("{failed:#}"));
            if self.at_end == AtEnd::Leave {
                return Err(failed);
            }
            let reason = format!("{failed:#}");
            error!(
                reason,
                ?pause,
                "the processor ended; it is started again, and the log keeps what comes"
            );
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

async fn run_one(
    processor: Processor,
    part: &HealthPart,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (begun, suspended) = (processor.begun(), processor.suspended_parks());
    let run = processor.run(shutdown.cancelled_owned());
    tokio::select! {
        ended = run => Ok(ended?),
        () = report(part, begun, suspended) => Ok(()),
    }
}

/// Reports to the health part that the processor reads its log, and which parks it has set aside.
async fn report(
    part: &HealthPart,
    mut begun: watch::Receiver<bool>,
    mut suspended: watch::Receiver<SuspendedParks>,
) {
    // A processor that ends before it has begun reports its error itself.
    let mut goes_on = begun.wait_for(|begun| *begun).await.is_ok();
    while goes_on {
        let parks = suspended.borrow_and_update().clone();
        let reasons = parks
            .iter()
            .map(|(park, reason)| format!("park {park} is set aside: {reason}"));
        match reasons.collect::<Vec<_>>().as_slice() {
            [] => part.ready(),
            reasons => part.unready(&reasons.join("; ")),
        }
        goes_on = suspended.changed().await.is_ok();
    }
    std::future::pending().await
}
