//! Parks that are set aside: one park's trouble is its own.
//!
//! A park whose book cannot be read or written is set aside with its reason. Its records are passed by, and the
//! group's offset does not pass the first of them, so that the log keeps them. Now and then its books are opened
//! again; once that works, the reader goes back to that record, and what the other parks have is passed over.

use std::{collections::BTreeMap, error::Error as StdError, sync::Arc};

use greenpark_model::{day::Instant, id::ParkId};
use tokio::sync::watch;
use tracing::{error, info};

use crate::{error::RunError, metrics::Metrics};

/// Until the first try to go on with a park; each further one waits twice as long.
const FIRST_TRY_MS: i64 = 1_000;
/// The longest that a park waits for a try.
const TRY_MS_MAX: i64 = 60_000;

/// The parks that are set aside, with why.
pub type ParksAside = Arc<BTreeMap<ParkId, String>>;

/// A park that is set aside.
#[derive(Debug)]
struct Aside {
    partition: u32,
    /// The first record that may hold something of it that the lake has not.
    from: u64,
    reason: String,
    pause_ms: i64,
    next_try: Instant,
}

/// All that are.
#[derive(Debug)]
pub(crate) struct Asides {
    parks: BTreeMap<ParkId, Aside>,
    /// Those that went on not long ago, with how long they had waited for it.
    lately: BTreeMap<ParkId, (Instant, i64)>,
    told: watch::Sender<ParksAside>,
}

impl Default for Asides {
    fn default() -> Self {
        Self {
            parks: BTreeMap::new(),
            lately: BTreeMap::new(),
            told: watch::Sender::new(ParksAside::default()),
        }
    }
}

impl Asides {
    /// What hears of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<ParksAside> {
        self.told.subscribe()
    }

    pub(crate) fn holds(&self, park: &ParkId) -> bool {
        self.parks.contains_key(park)
    }

    /// Sets `park` aside because of `error`, from the record at `from` on.
    pub(crate) fn add(
        &mut self,
        park: &ParkId,
        (partition, from): (u32, u64),
        error: &RunError,
        now: Instant,
    ) {
        let reason = whole(error);
        error!(%park, reason, "park set aside: the others go on, and the log keeps what it sends");
        // One that went on in vain waits longer.
        let lately = self.lately.remove(park);
        let lately = lately.filter(|(at, _)| now.0.saturating_sub(at.0) <= TRY_MS_MAX);
        let aside = self.parks.entry(park.clone()).or_insert(Aside {
            partition,
            from,
            reason: String::new(),
            pause_ms: lately.map_or(FIRST_TRY_MS / 2, |(_, pause_ms)| pause_ms),
            next_try: now,
        });
        aside.from = aside.from.min(from);
        aside.fail(reason, now);
        self.tell();
    }

    /// The parks that are to be tried again.
    pub(crate) fn due(&self, now: Instant) -> Vec<(ParkId, u32)> {
        let due = self.parks.iter().filter(|(_, aside)| aside.next_try <= now);
        due.map(|(park, aside)| (park.clone(), aside.partition))
            .collect()
    }

    /// From which record on `park` is to be read again.
    pub(crate) fn begins(&self, park: &ParkId) -> Option<u64> {
        self.parks.get(park).map(|aside| aside.from)
    }

    /// `park` is read again from the record at `first` on, if it is not from an earlier one.
    pub(crate) fn reach_back(&mut self, park: &ParkId, first: u64) {
        if let Some(aside) = self.parks.get_mut(park) {
            aside.from = aside.from.min(first);
        }
    }

    /// When the next one is.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.parks.values().map(|aside| aside.next_try).min()
    }

    /// A try did not work.
    pub(crate) fn failed(&mut self, park: &ParkId, error: &RunError, now: Instant) {
        if let Some(aside) = self.parks.get_mut(park) {
            aside.fail(whole(error), now);
            self.tell();
        }
    }

    /// A try worked: from which record on the park is read again.
    pub(crate) fn remove(&mut self, park: &ParkId, now: Instant) -> Option<u64> {
        let aside = self.parks.remove(park)?;
        self.lately.insert(park.clone(), (now, aside.pause_ms));
        info!(%park, from = aside.from, "park goes on");
        self.tell();
        Some(aside.from)
    }

    /// Forgets the parks of a partition that another processor has.
    pub(crate) fn leave(&mut self, partition: u32) {
        self.parks.retain(|_, aside| aside.partition != partition);
        self.tell();
    }

    /// The first record of a partition that a park was set aside at.
    pub(crate) fn held(&self, partition: u32) -> Option<u64> {
        let parks = self.parks.values().filter(|of| of.partition == partition);
        parks.map(|aside| aside.from).min()
    }

    /// Counts them.
    pub(crate) fn count(&self, metrics: &Metrics) {
        let count = i64::try_from(self.parks.len()).unwrap_or(i64::MAX);
        metrics.parks_set_aside.set(count);
    }

    fn tell(&self) {
        let parks = self.parks.iter();
        let told = parks.map(|(park, aside)| (park.clone(), aside.reason.clone()));
        self.told.send_replace(Arc::new(told.collect()));
    }
}

impl Aside {
    fn fail(&mut self, reason: String, now: Instant) {
        self.reason = reason;
        self.pause_ms = (self.pause_ms * 2).min(TRY_MS_MAX);
        self.next_try = Instant(now.0.saturating_add(self.pause_ms));
    }
}

/// An error with all that caused it.
fn whole(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
