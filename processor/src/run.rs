//! The processor's loop: read, buffer, flush, commit.

mod asides;
mod begin;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::pin,
    time::Duration,
};

use greenpark_archive::{lake::Lake, written::WrittenTable};
use greenpark_log::{CommitError, Delivered, Entry, LogReader};
use greenpark_model::{day::Instant, id::ParkId};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    archived::{Listener, Telling},
    aside::{Asides, ParksAside},
    buffer::years,
    clock::Clock,
    commits::Known,
    entry::{self, Arrival},
    error::RunError,
    flush::Offsets,
    freshness::{Asks, Freshness},
    group::{GroupOffsets, put_off},
    metrics::{Metrics, Step},
    pace::Pace,
    park::{Flush, Park},
    settings::{READ_BYTES_MAX, Settings, ms},
    traits::Registry,
};

/// The longest that the loop waits for records before it looks at the clock.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// A partition that is ours. Offsets are of the lake.
#[derive(Debug)]
struct Owned {
    /// Where it ended when it was assigned.
    end: u64,
    /// What makes an offset of the log one of the lake.
    shift: u64,
    /// The offset that is read next.
    next: u64,
    /// The record that was read last.
    newest: Option<Entry>,
    /// When the log took the newest record since the reader last began or went back, but no later than it was read.
    taken: Option<Instant>,
}

/// Rolls the log into books.
#[derive(Debug)]
pub struct Processor {
    reader: Box<dyn LogReader>,
    lake: Lake,
    settings: Settings,
    /// Partitions of the log; the key of a record decides its partition.
    partitions: u32,
    clock: Clock,
    metrics: Metrics,
    parks: BTreeMap<ParkId, Park>,
    /// The parks that are set aside.
    asides: Asides,
    /// The partitions that are ours.
    owned: BTreeMap<u32, Owned>,
    /// The commits of the lake's tables, by partition.
    commits: BTreeMap<u32, Known>,
    /// What was read since the last flush, by partition.
    offsets: BTreeMap<u32, Offsets>,
    group: GroupOffsets,
    pace: Pace,
    asks: Asks,
    next_seal: Option<Instant>,
    /// When the next park's messages are to be written.
    next_messages: Option<Instant>,
    registry: Registry,
    telling: Telling,
    /// Whether the log was read and is the lake's.
    begun: watch::Sender<bool>,
}

impl Processor {
    /// A processor of `reader`'s group over `lake`; the log has `partitions` partitions.
    #[must_use]
    pub fn new(
        reader: Box<dyn LogReader>,
        partitions: u32,
        lake: Lake,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        let pace = Pace::new(ms(settings.flush_interval), clock.now());
        let asks = Asks::new(clock.now());
        Self {
            reader,
            lake,
            settings,
            partitions,
            clock,
            metrics: Metrics::default(),
            parks: BTreeMap::new(),
            asides: Asides::default(),
            owned: BTreeMap::new(),
            commits: BTreeMap::new(),
            offsets: BTreeMap::new(),
            group: GroupOffsets::default(),
            pace,
            asks,
            next_seal: None,
            next_messages: None,
            registry: Registry::default(),
            telling: Telling::default(),
            begun: watch::Sender::new(false),
        }
    }

    /// Counts into `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Tells `listener` which numbered messages the books hold, when they do.
    #[must_use]
    pub fn with_listener(mut self, listener: Listener) -> Self {
        self.telling = Telling::to(listener);
        self
    }

    /// What lets questions ask this processor to publish what the log holds.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.asks.handle()
    }

    /// What says whether the log answers and, as far as partitions of it were assigned, is the one of the lake.
    #[must_use]
    pub fn begun(&self) -> watch::Receiver<bool> {
        self.begun.subscribe()
    }

    /// What says which parks are set aside.
    #[must_use]
    pub fn parks_aside(&self) -> watch::Receiver<ParksAside> {
        self.asides.watch()
    }

    /// Runs until `shutdown` resolves, then flushes what is buffered and leaves.
    ///
    /// # Errors
    /// [`RunError`]: everything that was not published is still in the log; a new processor goes on
    /// from the committed offset.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let mut shutdown = pin!(shutdown);
        loop {
            let wait = self.wait();
            let delivered = tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.asks.arrive() => continue,
                delivered = self.reader.next(READ_BYTES_MAX, wait) => delivered?,
            };
            let caught_up = delivered.caught_up;
            self.take(delivered).await?;
            self.begun
                .send_if_modified(|begun| !std::mem::replace(begun, true));
            self.asks.read_on(caught_up);
            if self.is_due() {
                self.flush(Messages::Due).await?;
            } else if self.is_idle() {
                self.asks.all_published();
            }
        }
        self.flush(Messages::All).await
    }

    /// How long to wait for records.
    fn wait(&self) -> Duration {
        let due = [
            self.pace.due(),
            self.next_seal,
            self.next_messages,
            self.asides.next_try(),
        ];
        let due = due.into_iter().flatten().min();
        let now = self.clock.now();
        let ms = due.map(|at| at.0.saturating_sub(now.0).max(1));
        let ms = ms.and_then(|ms| u64::try_from(ms).ok());
        let waits = [ms.map(Duration::from_millis), self.asks.wait(now)];
        waits.into_iter().flatten().fold(WAIT_MAX, Duration::min)
    }

    /// Whether everything that was read is in the books.
    fn is_idle(&self) -> bool {
        self.parks.values().all(|park| park.buffer.rows() == 0)
    }

    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let rows: usize = self.parks.values().map(|p| p.buffer.weight()).sum();
        rows >= self.settings.buffer_rows()
            || self.pace.due().is_some_and(|at| at <= now)
            || (self.asks.is_due(now) && !self.is_idle())
            || self.next_seal.is_some_and(|at| at <= now)
            || self.next_messages.is_some_and(|at| at <= now)
            || self.asides.next_try().is_some_and(|at| at <= now)
            || self.parks.values().any(|p| p.numbered.is_full())
    }

    async fn take(&mut self, delivered: Delivered) -> Result<(), RunError> {
        for partition in delivered.revoked {
            self.leave(partition);
        }
        let mut rewound = BTreeSet::new();
        for assigned in delivered.assigned {
            if self.begin(assigned).await? {
                rewound.insert(assigned.partition);
            }
        }
        let mut entries = delivered.entries;
        entries.retain(|entry| !rewound.contains(&entry.position.partition));
        let of_one = |a: &Entry, b: &Entry| a.position.partition == b.position.partition;
        for last in entries.chunk_by(of_one).filter_map(<[Entry]>::last) {
            if let Some(owned) = self.owned.get_mut(&last.position.partition) {
                owned.newest = Some(last.clone());
            }
        }
        for entry in entries {
            self.take_entry(entry).await?;
        }
        Ok(())
    }

    /// Drops what is held for a partition that another processor has.
    fn leave(&mut self, partition: u32) {
        info!(partition, "partition revoked");
        self.parks.retain(|_, park| park.partition != partition);
        self.commits.remove(&partition);
        self.offsets.remove(&partition);
        self.owned.remove(&partition);
        self.asides.leave(partition);
        self.asides.count(&self.metrics);
        self.group.leave(partition);
    }

    async fn take_entry(&mut self, mut entry: Entry) -> Result<(), RunError> {
        entry.position.offset += self.shift(entry.position.partition);
        let position = entry.position;
        let next = position.offset.saturating_add(1);
        let now = self.clock.now();
        let appended = Instant(entry.appended_ms).min(now);
        let offsets = self.offsets.entry(position.partition).or_insert(Offsets {
            partition: position.partition,
            first: position.offset,
            next,
            since: position.offset,
            last: None,
            taken: None,
            shift: 0,
        });
        offsets.next = next;
        if let Some(owned) = self.owned.get_mut(&position.partition) {
            owned.next = next;
            owned.taken = owned.taken.max(Some(appended));
        }
        let mut arrival = match entry::read(entry) {
            Ok(arrival) => arrival,
            Err(reason) => {
                warn!(?position, reason, "log record passed over");
                self.metrics.unreadable.inc();
                self.pace.arrive(now);
                return Ok(());
            }
        };
        self.pace.arrive(now);
        if self.asides.holds(&arrival.park) {
            return Ok(());
        }
        match self.take_arrival(&mut arrival, position.partition).await {
            Ok(()) => Ok(()),
            Err(error) => self.set_aside_if_alone(&arrival.park, position.partition, error),
        }
    }

    async fn take_arrival(
        &mut self,
        arrival: &mut Arrival,
        partition: u32,
    ) -> Result<(), RunError> {
        let now = self.clock.now();
        let years = years(&arrival.batch);
        let lake = self.lake.clone();
        let park = self.open(&arrival.park, partition, &years).await?;
        arrival.again = park.numbered.take(arrival, &lake).await?;
        let taken = park.buffer.take(arrival, now, &park.consumed);
        self.metrics.readings.inc_by(taken as u64);
        let passed_over = arrival.batch.len().saturating_sub(taken);
        self.metrics.passed_over.inc_by(passed_over as u64);
        self.metrics.buffered.inc_by(taken as i64);
        Ok(())
    }

    /// Publishes everything that is buffered and every day that has settled, and `messages` of what is
    /// published, then stores the offsets.
    async fn flush(&mut self, messages: Messages) -> Result<(), RunError> {
        let now = self.clock.now();
        let mut offsets = std::mem::take(&mut self.offsets);
        for of in offsets.values_mut() {
            self.mark(of);
        }
        let flush = Flush {
            lake: &self.lake,
            registry: &mut self.registry,
            settings: &self.settings,
            metrics: &self.metrics,
            offsets,
            commits: &mut self.commits,
            now,
        };
        let (mut failed, began) = (Vec::new(), std::time::Instant::now());
        let flushed = flush.all(&mut self.parks, &mut failed).await?;
        self.metrics.steps.end(Step::Flush, began);
        for (park, error) in failed {
            self.set_aside_in_flush(&park, &flushed, &error);
        }
        self.write_messages(messages, now).await?;
        self.group.reach(flushed);
        let to_store = self.group.to_store(|partition| self.held(partition));
        for storable in to_store {
            let partition = storable.partition();
            let shift = self.shift(partition);
            match storable.store(&mut *self.reader, shift).await {
                // Whoever has the partition now goes on from the books, which know what they hold.
                Err(CommitError::Revoked(partition)) => self.leave(partition),
                Err(CommitError::NotNow(error)) => put_off(partition, &*error),
                stored => self.group.store(stored?),
            }
        }
        let now = self.clock.now();
        self.pace.flushed(now);
        self.asks.flushed(now);
        self.next_seal = self.find_next_seal();
        self.metrics.buffered.set(0);
        if messages == Messages::Due {
            self.pack().await;
        }
        self.try_asides().await
    }

    /// Packs what is due of the books' logs, now that no question waits for what was read.
    async fn pack(&mut self) {
        let books = self
            .parks
            .values_mut()
            .flat_map(|park| park.books.values_mut());
        for book in books {
            book.pack_if_due().await;
        }
    }

    /// What the books are to say of `of` beside how far it was read.
    fn mark(&self, of: &mut Offsets) {
        let held = self.held(of.partition).unwrap_or(u64::MAX);
        of.since = of.first.min(held);
        let Some(owned) = self.owned.get(&of.partition) else {
            return;
        };
        of.last = owned.newest.as_ref().map(Entry::fingerprint);
        of.taken = owned.taken;
        of.shift = owned.shift;
    }

    /// The first offset of a partition whose messages' numbers the lake does not hold yet, or whose park is set
    /// aside.
    fn held(&self, partition: u32) -> Option<u64> {
        let parks = self.parks.values().filter(|p| p.partition == partition);
        let numbered = parks.filter_map(|p| p.numbered.first_offset()).min();
        [numbered, self.asides.held(partition)]
            .into_iter()
            .flatten()
            .min()
    }

    /// What makes an offset of the log one of the lake.
    fn shift(&self, partition: u32) -> u64 {
        self.owned.get(&partition).map_or(0, |owned| owned.shift)
    }

    /// Tells what the books hold by now of messages that are numbered, and writes what is due of it.
    async fn write_messages(&mut self, messages: Messages, now: Instant) -> Result<(), RunError> {
        let later = Instant(now.0.saturating_add(ms(self.settings.messages_interval)));
        self.next_messages = None;
        let mut failed = Vec::new();
        for (name, park) in &mut self.parks {
            let numbered = &mut park.numbered;
            numbered.published(name, &self.telling, later);
            let is_due = numbered.due().is_some_and(|at| at <= now);
            if is_due || messages == Messages::All || numbered.is_full() {
                let owned = self.owned.get(&park.partition);
                let log = owned.map_or(0, |owned| owned.shift);
                match numbered.write(&self.lake, (name, log)).await {
                    Ok(Some(written)) => {
                        let commits = self.commits.entry(park.partition).or_default();
                        commits.note(name, WrittenTable::Messages, written);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        failed.push((name.clone(), park.partition, RunError::Publish(error)));
                    }
                }
            }
            let due = [self.next_messages, numbered.due()];
            self.next_messages = due.into_iter().flatten().min();
        }
        for (name, partition, error) in failed {
            self.set_aside_if_alone(&name, partition, error)?;
        }
        Ok(())
    }

    /// When the next day that holds unsealed rows is over and settled, if no more rows come.
    fn find_next_seal(&self) -> Option<Instant> {
        let parks = self.parks.values();
        parks
            .filter_map(|park| park.next_seal(&self.settings))
            .min()
    }
}

/// Which numbers of messages a flush writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Messages {
    /// Those that have waited long enough.
    Due,
    /// All of them.
    All,
}
