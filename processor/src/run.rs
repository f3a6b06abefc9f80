//! The processor's loop: read, buffer, flush, commit.

mod begin;
mod read_barrier;
mod suspend;
mod suspended;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use greenpark_archive::{lake::Lake, written::WrittenTable};
use greenpark_log::{CommitError, Delivered, Entry, LogReader};
use greenpark_model::{clock::Clock, day::Instant, id::ParkId, log_position::Partition};
use tokio::sync::watch;
use tracing::{info, warn};

use self::{read_barrier::CatchUpRequests, suspended::Suspensions};
pub use self::{read_barrier::ReadBarrier, suspended::SuspendedParks};
use crate::{
    archive_observer::{ArchiveNotifier, ArchiveObserver},
    buffer::years,
    commit_counts::CommitCounts,
    error::RunError,
    flush::{Flush, MeterCache, Park},
    flush_schedule::FlushSchedule,
    group::{GroupOffsets, log_deferred},
    metrics::{ProcessorMetrics, Step},
    offsets::Offsets,
    record::{self, DecodedRecord},
    settings::{ProcessorSettings, READ_BYTES_MAX, ms},
};

/// The longest that the loop waits for records before it looks at the clock.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// A partition assigned to this processor. Offsets are lake offsets.
#[derive(Debug)]
struct OwnedPartition {
    /// The end of the partition when it was assigned.
    end: u64,
    /// Lake offset minus log offset.
    shift: u64,
    /// The next offset to read.
    next: u64,
    /// The last record read.
    newest: Option<Entry>,
    /// The append time of the newest record since the reader began or last rewound, capped at the time it was read.
    newest_append: Option<Instant>,
}

/// Reads the log and publishes its readings to the books of the lake.
#[derive(Debug)]
pub struct Processor {
    reader: Box<dyn LogReader>,
    lake: Lake,
    settings: ProcessorSettings,
    /// The number of partitions of the log; the park of a record determines its partition.
    partitions: u32,
    clock: Clock,
    metrics: ProcessorMetrics,
    parks: BTreeMap<ParkId, Park>,
    /// The suspended parks.
    suspensions: Suspensions,
    /// The partitions assigned to this processor.
    owned: BTreeMap<Partition, OwnedPartition>,
    /// Commit counts of the lake's tables, by partition.
    commits: BTreeMap<Partition, CommitCounts>,
    /// Offsets read since the last flush, by partition.
    offsets: BTreeMap<Partition, Offsets>,
    group: GroupOffsets,
    flush_schedule: FlushSchedule,
    requests: CatchUpRequests,
    next_seal: Option<Instant>,
    /// The time at which message numbers must next be written.
    next_messages: Option<Instant>,
    meter_cache: MeterCache,
    archive_notifier: ArchiveNotifier,
    /// True once the log was read and is known to be the lake's.
    begun: watch::Sender<bool>,
}

impl Processor {
    /// Creates a processor of `reader`'s group over `lake`; the log has `partitions` partitions.
    #[must_use]
    pub fn new(
        reader: Box<dyn LogReader>,
        partitions: u32,
        lake: Lake,
        settings: ProcessorSettings,
        clock: Clock,
    ) -> Self {
        let flush_schedule = FlushSchedule::new(ms(settings.flush_interval), clock.now());
        let requests = CatchUpRequests::new(clock.now());
        Self {
            reader,
            lake,
            settings,
            partitions,
            clock,
            metrics: ProcessorMetrics::default(),
            parks: BTreeMap::new(),
            suspensions: Suspensions::default(),
            owned: BTreeMap::new(),
            commits: BTreeMap::new(),
            offsets: BTreeMap::new(),
            group: GroupOffsets::default(),
            flush_schedule,
            requests,
            next_seal: None,
            next_messages: None,
            meter_cache: MeterCache::default(),
            archive_notifier: ArchiveNotifier::default(),
            begun: watch::Sender::new(false),
        }
    }

    /// Counts into `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: ProcessorMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Reports numbered messages to `observer` once they are in the books.
    #[must_use]
    pub fn with_archive_observer(mut self, observer: ArchiveObserver) -> Self {
        self.archive_notifier = ArchiveNotifier::new(observer);
        self
    }

    /// Returns the handle to request that this processor publishes everything in the log.
    #[must_use]
    pub fn read_barrier(&self) -> ReadBarrier {
        self.requests.handle()
    }

    /// Returns a receiver that becomes true once the log answers and its assigned partitions are the lake's.
    #[must_use]
    pub fn begun(&self) -> watch::Receiver<bool> {
        self.begun.subscribe()
    }

    /// Returns a receiver of the suspended parks.
    #[must_use]
    pub fn suspended_parks(&self) -> watch::Receiver<SuspendedParks> {
        self.suspensions.subscribe()
    }

    /// Runs until `shutdown` resolves, then flushes what is buffered and returns.
    ///
    /// # Errors
    /// [`RunError`]: everything that was not published is still in the log; a new processor continues from the committed
    /// offset.
    pub fn run<'a>(
        self,
        shutdown: impl Future<Output = ()> + Send + 'a,
    ) -> BoxFuture<'a, Result<(), RunError>> {
        // Boxed here, so that this crate compiles the future, and not every crate that awaits it.
        self.run_until(shutdown.boxed()).boxed()
    }

    async fn run_until(mut self, mut shutdown: BoxFuture<'_, ()>) -> Result<(), RunError> {
        loop {
            let wait = self.wait();
            let delivered = tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.requests.receive() => continue,
                delivered = self.reader.next(READ_BYTES_MAX, wait) => delivered?,
            };
            let caught_up = delivered.caught_up;
            self.receive(delivered).await?;
            self.begun
                .send_if_modified(|begun| !std::mem::replace(begun, true));
            self.requests.note_read(caught_up);
            if self.is_due() {
                self.flush(MessagesToWrite::Due).await?;
            } else if self.is_idle() {
                self.requests.complete();
            }
        }
        self.flush(MessagesToWrite::All).await
    }

    /// Returns how long to wait for records.
    fn wait(&self) -> Duration {
        let due = [
            self.flush_schedule.due(),
            self.next_seal,
            self.next_messages,
            self.suspensions.next_retry(),
        ];
        let due = due.into_iter().flatten().min();
        let now = self.clock.now();
        let ms = due.map(|at| at.millis().saturating_sub(now.millis()).max(1));
        let ms = ms.and_then(|ms| u64::try_from(ms).ok());
        let waits = [
            ms.map(Duration::from_millis),
            self.requests.reader_wait(now),
        ];
        waits.into_iter().flatten().fold(WAIT_MAX, Duration::min)
    }

    /// Returns true when everything that was read is in the books.
    fn is_idle(&self) -> bool {
        self.parks.values().all(|park| park.buffer.rows() == 0)
    }

    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let rows: usize = self.parks.values().map(|p| p.buffer.weight()).sum();
        rows >= self.settings.buffer_rows()
            || self.flush_schedule.due().is_some_and(|at| at <= now)
            || (self.requests.is_due(now) && !self.is_idle())
            || self.next_seal.is_some_and(|at| at <= now)
            || self.next_messages.is_some_and(|at| at <= now)
            || self.suspensions.next_retry().is_some_and(|at| at <= now)
            || self.parks.values().any(|p| p.numbers.is_full())
    }

    async fn receive(&mut self, delivered: Delivered) -> Result<(), RunError> {
        for partition in delivered.revoked {
            self.revoke(partition);
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
            self.buffer_entry(entry).await?;
        }
        Ok(())
    }

    /// Drops the state of a partition that another processor has now.
    fn revoke(&mut self, partition: Partition) {
        info!(partition = partition.get(), "partition revoked");
        self.parks.retain(|_, park| park.partition != partition);
        self.commits.remove(&partition);
        self.offsets.remove(&partition);
        self.owned.remove(&partition);
        self.suspensions.revoke(partition);
        self.suspensions.count(&self.metrics);
        self.group.revoke(partition);
    }

    async fn buffer_entry(&mut self, mut entry: Entry) -> Result<(), RunError> {
        entry.position.offset += self.shift(entry.position.partition);
        let position = entry.position;
        let next = position.offset.saturating_add(1);
        let now = self.clock.now();
        let appended = Instant::from_millis(entry.appended_ms).min(now);
        let offsets = self.offsets.entry(position.partition).or_insert(Offsets {
            partition: position.partition,
            first: position.offset,
            next,
            since: position.offset,
            last: None,
            newest_append: None,
            shift: 0,
        });
        offsets.next = next;
        if let Some(owned) = self.owned.get_mut(&position.partition) {
            owned.next = next;
            owned.newest_append = owned.newest_append.max(Some(appended));
        }
        let mut record = match record::decode(entry) {
            Ok(record) => record,
            Err(reason) => {
                warn!(?position, reason, "log record passed over");
                self.metrics.unreadable.inc();
                self.flush_schedule.note_arrival(now);
                return Ok(());
            }
        };
        self.flush_schedule.note_arrival(now);
        if self.suspensions.contains(&record.park) {
            return Ok(());
        }
        match self.buffer_record(&mut record, position.partition).await {
            Ok(()) => Ok(()),
            Err(error) => self.suspend_or_fail(&record.park, position.partition, error),
        }
    }

    async fn buffer_record(
        &mut self,
        record: &mut DecodedRecord,
        partition: Partition,
    ) -> Result<(), RunError> {
        let now = self.clock.now();
        let years = years(&record.batch);
        let lake = self.lake.clone();
        let park = self.open_books(&record.park, partition, &years).await?;
        record.resent = park.numbers.add(record, &lake).await?;
        let buffered = park.buffer.add(record, now, &park.consumed);
        self.metrics.readings.inc_by(buffered as u64);
        let passed_over = record.batch.len().saturating_sub(buffered);
        self.metrics.passed_over.inc_by(passed_over as u64);
        self.metrics.buffered.inc_by(buffered as i64);
        Ok(())
    }

    /// Publishes all buffered rows and seals every settled day, writes the message numbers chosen by `messages`, then
    /// stores the offsets.
    async fn flush(&mut self, messages: MessagesToWrite) -> Result<(), RunError> {
        let now = self.clock.now();
        let mut offsets = std::mem::take(&mut self.offsets);
        for of in offsets.values_mut() {
            self.complete_offsets(of);
        }
        let flush = Flush {
            lake: &self.lake,
            meter_cache: &mut self.meter_cache,
            settings: &self.settings,
            metrics: &self.metrics,
            offsets,
            commits: &mut self.commits,
            now,
        };
        let (mut failed, began) = (Vec::new(), tokio::time::Instant::now());
        let flushed = flush.all(&mut self.parks, &mut failed).await?;
        self.metrics.steps.end(Step::Flush, began);
        for (park, error) in failed {
            self.suspend_after_flush(&park, &flushed, &error);
        }
        self.write_messages(messages, now).await?;
        self.group.reach(flushed);
        let to_store = self.group.to_store(|partition| self.held_offset(partition));
        for storable in to_store {
            let partition = storable.partition();
            let shift = self.shift(partition);
            match storable.store(&mut *self.reader, shift).await {
                // The new owner of the partition continues from the books, which know their offsets.
                Err(CommitError::Revoked(partition)) => self.revoke(partition),
                Err(CommitError::NotNow(error)) => log_deferred(partition, &*error),
                stored => self.group.note_stored(stored?),
            }
        }
        let now = self.clock.now();
        self.flush_schedule.note_flush(now);
        self.requests.note_flush(now);
        self.next_seal = self.find_next_seal();
        self.metrics.buffered.set(0);
        if messages == MessagesToWrite::Due {
            self.pack().await;
        }
        self.retry_suspended().await
    }

    /// Packs the books' Delta logs that are due. Runs after a flush, when no query waits for it.
    async fn pack(&mut self) {
        let books = self
            .parks
            .values_mut()
            .flat_map(|park| park.books.values_mut());
        for book in books {
            book.pack_if_due().await;
        }
    }

    /// Completes offsets with what the commits of the books also record.
    fn complete_offsets(&self, of: &mut Offsets) {
        let held = self.held_offset(of.partition).unwrap_or(u64::MAX);
        of.since = of.first.min(held);
        let Some(owned) = self.owned.get(&of.partition) else {
            return;
        };
        of.last = owned.newest.as_ref().map(Entry::fingerprint);
        of.newest_append = owned.newest_append;
        of.shift = owned.shift;
    }

    /// Returns the first offset of `partition` whose message numbers are not in the lake yet, or whose park is
    /// suspended.
    fn held_offset(&self, partition: Partition) -> Option<u64> {
        let parks = self.parks.values().filter(|p| p.partition == partition);
        let numbers = parks.filter_map(|p| p.numbers.first_offset()).min();
        [numbers, self.suspensions.held_offset(partition)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lake offset minus log offset.
    fn shift(&self, partition: Partition) -> u64 {
        self.owned.get(&partition).map_or(0, |owned| owned.shift)
    }

    /// Reports the message numbers that are now in the books, and writes those that are due.
    async fn write_messages(
        &mut self,
        messages: MessagesToWrite,
        now: Instant,
    ) -> Result<(), RunError> {
        let later = Instant::from_millis(
            now.millis()
                .saturating_add(ms(self.settings.messages_interval)),
        );
        self.next_messages = None;
        let mut failed = Vec::new();
        for (name, park) in &mut self.parks {
            let numbers = &mut park.numbers;
            numbers.note_published(name, &self.archive_notifier, later);
            let is_due = numbers.due().is_some_and(|at| at <= now);
            if is_due || messages == MessagesToWrite::All || numbers.is_full() {
                let owned = self.owned.get(&park.partition);
                let log = owned.map_or(0, |owned| owned.shift);
                match numbers.write(&self.lake, (name, log)).await {
                    Ok(Some(written)) => {
                        let commits = self.commits.entry(park.partition).or_default();
                        commits.set(name, WrittenTable::Messages, written);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        failed.push((name.clone(), park.partition, RunError::Publish(error)));
                    }
                }
            }
            let due = [self.next_messages, numbers.due()];
            self.next_messages = due.into_iter().flatten().min();
        }
        for (name, partition, error) in failed {
            self.suspend_or_fail(&name, partition, error)?;
        }
        Ok(())
    }

    /// Returns the time at which the next day with unsealed rows is over and settled, if no more rows come.
    fn find_next_seal(&self) -> Option<Instant> {
        let parks = self.parks.values();
        parks
            .filter_map(|park| park.next_seal(&self.settings))
            .min()
    }
}

/// The message numbers that a flush writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessagesToWrite {
    /// The numbers that have waited for the interval.
    Due,
    /// All numbers.
    All,
}
