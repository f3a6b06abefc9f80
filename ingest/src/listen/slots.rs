//! The connected clients: one connection per client id, the newest.
//!
//! The newer connection is served at once, but it appends only after the older one, and all before
//! it, have finished appending. Otherwise a reading that the older connection had received but not
//! yet appended would follow the correction sent on the newer one, and the later record in the log
//! counts.
//!
//! Two clients that share an id disconnect each other forever. After more takeovers than reconnects
//! explain, this is logged once, and each further takeover is delayed.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tracing::{info, warn};

/// Takeovers of one id, each within [`TAKEOVER_SPAN`] of the one before, that may be reconnects.
/// The next one is logged, and all after it are delayed.
const TAKEOVERS_USUAL: u32 = 3;

/// See [`TAKEOVERS_USUAL`].
const TAKEOVER_SPAN: Duration = Duration::from_secs(60);

/// The longest delay of a takeover: below the ten seconds that the less patient clients wait for
/// CONNACK.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The connections by client id.
#[derive(Debug, Default)]
pub(super) struct ClientSlots {
    by_id: Mutex<HashMap<String, Occupant>>,
    count: AtomicU64,
}

#[derive(Debug)]
struct Occupant {
    number: u64,
    take_over: oneshot::Sender<()>,
    takeovers: u32,
    since: Instant,
    /// Resolves when the connection has finished appending.
    finished: oneshot::Receiver<()>,
}

/// The slot of a client id that a connection occupies.
#[derive(Debug)]
pub(super) struct ClientSlot {
    pub(super) client_id: String,
    number: u64,
    /// Resolves when another connection takes over the slot.
    pub(super) taken_over: oneshot::Receiver<()>,
    /// Whether another connection occupied the slot before.
    pub(super) took_over: bool,
    /// Resolves when the previous connection has finished appending; `None` from then on.
    pub(super) predecessor: Option<oneshot::Receiver<()>>,
    /// Dropped when this connection has finished appending.
    appending: Option<oneshot::Sender<()>>,
}

impl ClientSlot {
    /// Waits until the previous connection has finished appending, then reports the same of this
    /// one to the next.
    pub(super) async fn finish_appending(&mut self) {
        if let Some(predecessor) = self.predecessor.take() {
            // Nothing is ever sent: dropping the sender resolves it.
            let _ = predecessor.await;
        }
        self.appending = None;
    }
}

impl ClientSlots {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Occupant>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a number that no other connection of this listener has.
    pub(super) fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the delay before a new connection with this id may enter.
    pub(super) fn wait(&self, client_id: &str, now: Instant) -> Duration {
        let slots = self.lock();
        let Some(occupant) = slots.get(client_id) else {
            return Duration::ZERO;
        };
        let recent = now.duration_since(occupant.since) < TAKEOVER_SPAN;
        let beyond = occupant.takeovers.saturating_sub(TAKEOVERS_USUAL);
        if !recent || beyond == 0 {
            return Duration::ZERO;
        }
        (Duration::from_millis(250) * 2u32.saturating_pow(beyond.min(10))).min(WAIT_MAX)
    }

    /// Occupies the slot of the client id, and disconnects the current connection.
    pub(super) fn enter(&self, client_id: String, now: Instant) -> ClientSlot {
        let number = self.number();
        let (take_over, taken_over) = oneshot::channel();
        let (appending, finished) = oneshot::channel();
        let mut slots = self.lock();
        let predecessor = slots.remove(&client_id);
        let again = predecessor
            .as_ref()
            .filter(|f| now.duration_since(f.since) < TAKEOVER_SPAN);
        let takeovers = again.map_or(0, |f| f.takeovers) + u32::from(predecessor.is_some());
        let occupant = Occupant {
            number,
            take_over,
            takeovers,
            since: now,
            finished,
        };
        slots.insert(client_id.clone(), occupant);
        drop(slots);
        let took_over = predecessor.is_some();
        let predecessor = predecessor.map(|predecessor| {
            // An error means that the connection is already gone.
            let _ = predecessor.take_over.send(());
            match takeovers {
                1 => info!(client_id, "a connection was taken over by a newer one"),
                t if t == TAKEOVERS_USUAL + 1 => {
                    warn!(
                        client_id,
                        "two clients share this id and throw each other out; give each its own"
                    );
                }
                _ => {}
            }
            predecessor.finished
        });
        ClientSlot {
            client_id,
            number,
            taken_over,
            took_over,
            predecessor,
            appending: Some(appending),
        }
    }

    /// Frees the slot, unless another connection has taken it over.
    pub(super) fn leave(&self, slot: &ClientSlot) {
        let mut slots = self.lock();
        if slots
            .get(&slot.client_id)
            .is_some_and(|occupant| occupant.number == slot.number)
        {
            slots.remove(&slot.client_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_newest_connection_has_the_id() {
        let (slots, now) = (ClientSlots::default(), Instant::now());
        let mut first = slots.enter("gw1".into(), now);
        let mut second = slots.enter("gw1".into(), now);
        assert!(first.taken_over.try_recv().is_ok());
        slots.leave(&first);
        assert!(second.taken_over.try_recv().is_err());
        assert!(second.took_over && !first.took_over);
        slots.leave(&second);
        assert!(!slots.enter("gw1".into(), now).took_over);
    }

    #[tokio::test]
    async fn a_new_connection_waits_for_all_predecessors() {
        let (slots, now) = (ClientSlots::default(), Instant::now());
        let mut first = slots.enter("gw1".into(), now);
        let mut second = slots.enter("gw1".into(), now);
        let mut third = slots.enter("gw1".into(), now);
        assert!(first.predecessor.is_none());
        // The second has nothing to append, but the first still has.
        assert!(second.finish_appending().now_or_never().is_none());
        assert!(third.finish_appending().now_or_never().is_none());
        first.finish_appending().await;
        slots.leave(&first);
        let mut second = slots.enter("gw1".into(), now);
        drop(third);
        second.finish_appending().await;
    }

    #[test]
    fn repeated_takeovers_are_delayed_and_later_forgotten() {
        let (slots, now) = (ClientSlots::default(), Instant::now());
        for _ in 0..=TAKEOVERS_USUAL {
            assert_eq!(slots.wait("gw1", now), Duration::ZERO);
            drop(slots.enter("gw1".into(), now));
        }
        // The fourth takeover is the last one without a delay.
        drop(slots.enter("gw1".into(), now));
        assert_eq!(slots.wait("gw1", now), Duration::from_millis(500));
        (0..20).for_each(|_| drop(slots.enter("gw1".into(), now)));
        assert_eq!(slots.wait("gw1", now), WAIT_MAX);
        assert_eq!(slots.wait("gw1", now + TAKEOVER_SPAN), Duration::ZERO);
    }
}
