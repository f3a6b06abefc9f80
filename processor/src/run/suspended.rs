//! Suspended parks: a failure of one park does not stop the others.
//!
//! A park whose book cannot be read or written is suspended, with the reason. Its records are skipped, and the group's
//! offset does not pass the first of them, so that the log keeps them. From time to time its books are opened again;
//! once that succeeds, the reader rewinds to that record, and records that the other parks have are skipped.

use std::{collections::BTreeMap, error::Error as StdError, sync::Arc};

use greenpark_model::{day::Instant, id::ParkId, log_position::Partition};
use tokio::sync::watch;
use tracing::{error, info};

use crate::{error::RunError, metrics::ProcessorMetrics};

/// The pause before the first retry of a park; each further pause is twice as long.
const FIRST_RETRY_MS: i64 = 1_000;
/// The longest pause before a retry.
const RETRY_PAUSE_MS_MAX: i64 = 60_000;

/// The suspended parks, each with the reason.
pub type SuspendedParks = Arc<BTreeMap<ParkId, String>>;

/// One suspended park.
#[derive(Debug)]
struct Suspension {
    partition: Partition,
    /// The first record that may hold rows of the park that are not in the lake.
    from: u64,
    reason: String,
    pause_ms: i64,
    next_retry: Instant,
}

/// All suspended parks.
#[derive(Debug)]
pub(crate) struct Suspensions {
    parks: BTreeMap<ParkId, Suspension>,
    /// Parks that were resumed a short time ago, with their last pause.
    recently_resumed: BTreeMap<ParkId, (Instant, i64)>,
    changes: watch::Sender<SuspendedParks>,
}

impl Default for Suspensions {
    fn default() -> Self {
        Self {
            parks: BTreeMap::new(),
            recently_resumed: BTreeMap::new(),
            changes: watch::Sender::new(SuspendedParks::default()),
        }
    }
}

impl Suspensions {
    /// Returns a receiver of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<SuspendedParks> {
        self.changes.subscribe()
    }

    pub(crate) fn contains(&self, park: &ParkId) -> bool {
        self.parks.contains_key(park)
    }

    /// Suspends `park` because of `error`, from the record at `from` on.
    pub(crate) fn add(
        &mut self,
        park: &ParkId,
        (partition, from): (Partition, u64),
        error: &RunError,
        now: Instant,
    ) {
        let reason = error_chain(error);
        error!(%park, reason, "park set aside: the others go on, and the log keeps what it sends");
        // A park that fails again soon after it was resumed waits longer.
        let recently_resumed = self.recently_resumed.remove(park);
        let recently_resumed = recently_resumed
            .filter(|(at, _)| now.millis().saturating_sub(at.millis()) <= RETRY_PAUSE_MS_MAX);
        let suspension = self.parks.entry(park.clone()).or_insert(Suspension {
            partition,
            from,
            reason: String::new(),
            pause_ms: recently_resumed.map_or(FIRST_RETRY_MS / 2, |(_, pause_ms)| pause_ms),
            next_retry: now,
        });
        suspension.from = suspension.from.min(from);
        suspension.schedule_retry(reason, now);
        self.publish();
    }

    /// Returns the parks that are due for a retry.
    pub(crate) fn due(&self, now: Instant) -> Vec<(ParkId, Partition)> {
        let due = self
            .parks
            .iter()
            .filter(|(_, suspension)| suspension.next_retry <= now);
        due.map(|(park, suspension)| (park.clone(), suspension.partition))
            .collect()
    }

    /// Returns the record from which `park` must be read again.
    pub(crate) fn start_offset(&self, park: &ParkId) -> Option<u64> {
        self.parks.get(park).map(|suspension| suspension.from)
    }

    /// Moves the start of reading `park` again back to the record at `first`, if that is earlier.
    pub(crate) fn extend_back(&mut self, park: &ParkId, first: u64) {
        if let Some(suspension) = self.parks.get_mut(park) {
            suspension.from = suspension.from.min(first);
        }
    }

    /// The time of the next retry.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.parks
            .values()
            .map(|suspension| suspension.next_retry)
            .min()
    }

    /// Notes that a retry failed.
    pub(crate) fn note_failed_retry(&mut self, park: &ParkId, error: &RunError, now: Instant) {
        if let Some(suspension) = self.parks.get_mut(park) {
            suspension.schedule_retry(error_chain(error), now);
            self.publish();
        }
    }

    /// Resumes `park` after a successful retry. Returns the record from which it is read again.
    pub(crate) fn remove(&mut self, park: &ParkId, now: Instant) -> Option<u64> {
        let suspension = self.parks.remove(park)?;
        self.recently_resumed
            .insert(park.clone(), (now, suspension.pause_ms));
        info!(%park, from = suspension.from, "park goes on");
        self.publish();
        Some(suspension.from)
    }

    /// Forgets the parks of a partition that another processor has now.
    pub(crate) fn revoke(&mut self, partition: Partition) {
        self.parks
            .retain(|_, suspension| suspension.partition != partition);
        self.publish();
    }

    /// Returns the first record of `partition` at which a park was suspended.
    pub(crate) fn held_offset(&self, partition: Partition) -> Option<u64> {
        let parks = self.parks.values().filter(|of| of.partition == partition);
        parks.map(|suspension| suspension.from).min()
    }

    /// Sets the gauge of suspended parks.
    pub(crate) fn count(&self, metrics: &ProcessorMetrics) {
        let count = i64::try_from(self.parks.len()).unwrap_or(i64::MAX);
        metrics.suspended_parks.set(count);
    }

    fn publish(&self) {
        let parks = self.parks.iter();
        let reasons = parks.map(|(park, suspension)| (park.clone(), suspension.reason.clone()));
        self.changes.send_replace(Arc::new(reasons.collect()));
    }
}

impl Suspension {
    fn schedule_retry(&mut self, reason: String, now: Instant) {
        self.reason = reason;
        self.pause_ms = (self.pause_ms * 2).min(RETRY_PAUSE_MS_MAX);
        self.next_retry = Instant::from_millis(now.millis().saturating_add(self.pause_ms));
    }
}

/// Returns an error and its causes as one text.
fn error_chain(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> RunError {
        RunError::Worker("lost".into())
    }

    fn park(name: &str) -> ParkId {
        ParkId::new(name).expect("an id")
    }

    #[test]
    fn each_failed_retry_doubles_the_pause_up_to_the_bound() {
        let mut suspensions = Suspensions::default();
        suspensions.add(
            &park("p"),
            (Partition::FIRST, 5),
            &error(),
            Instant::from_millis(0),
        );
        let mut pauses = vec![suspensions.next_retry()];
        for _retry in 0..7 {
            suspensions.note_failed_retry(&park("p"), &error(), Instant::from_millis(0));
            pauses.push(suspensions.next_retry());
        }
        let expected =
            [1, 2, 4, 8, 16, 32, 60, 60].map(|seconds| Some(Instant::from_millis(seconds * 1_000)));
        assert_eq!(pauses, expected);
    }

    #[test]
    fn a_partition_is_held_at_the_first_record_of_its_suspended_parks() {
        let mut suspensions = Suspensions::default();
        suspensions.add(
            &park("p"),
            (Partition::FIRST, 7),
            &error(),
            Instant::from_millis(0),
        );
        suspensions.add(
            &park("q"),
            (Partition::FIRST, 5),
            &error(),
            Instant::from_millis(0),
        );
        suspensions.add(
            &park("r"),
            (Partition::new(1), 3),
            &error(),
            Instant::from_millis(0),
        );
        assert_eq!(suspensions.held_offset(Partition::FIRST), Some(5));
    }

    #[test]
    fn the_reason_names_the_cause() {
        let mut suspensions = Suspensions::default();
        suspensions.add(
            &park("p"),
            (Partition::FIRST, 5),
            &error(),
            Instant::from_millis(0),
        );
        let parks = suspensions.subscribe().borrow().clone();
        assert_eq!(parks[&park("p")], "run a worker: lost");
    }
}
