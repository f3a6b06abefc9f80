//! The processor's loop: read, buffer, flush, commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as StdError,
    future::Future,
    pin::pin,
    time::Duration,
};

use greenpark_archive::{
    columns::EncodeError,
    error::{OpenError, PublishError, ReadError},
    lake::Lake,
};
use greenpark_log::{CommitError, Delivered, Entry, LogReader, partition};
use greenpark_model::{
    day::{CivilDay, Instant},
    id::ParkId,
};
use rustc_hash::FxHashMap;
use tracing::{debug, info, warn};

use crate::{
    archived::{Listener, Telling},
    buffer::{ParkBuffer, years},
    clock::Clock,
    entry,
    flush::Offsets,
    freshness::{Asks, Freshness},
    group::GroupOffsets,
    metrics::Metrics,
    numbered::Numbered,
    pace::Pace,
    park::{Flush, Flushed, Park},
    settings::{READ_BYTES_MAX, Settings, ms},
    traits::Registry,
    watermark::Pending,
};

/// The longest that the loop waits for records before it looks at the clock.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// Why the processor left.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log cannot be read.
    #[error("read the log")]
    Log(#[from] greenpark_log::ReadError),
    /// The group's offset cannot be stored.
    #[error("store the group's offset")]
    Commit(#[from] CommitError),
    /// A book cannot be opened.
    #[error("open a book")]
    Open(#[from] OpenError),
    /// A file cannot be read.
    #[error("read from a book")]
    Read(#[from] ReadError),
    /// A file cannot be made.
    #[error("encode a file")]
    Encode(#[from] EncodeError),
    /// A commit did not succeed; if another writer moved the book on, its processor goes on.
    #[error("publish to a book")]
    Publish(#[from] PublishError),
    /// A book has consumed more than the log ever held: what the log holds would be passed over.
    #[error(
        "the book of {park} in {year} has consumed partition {partition} up to {consumed}, but the log ends \
         at {end}: it is not the log that the lake was written from; restore that one, or start a new lake"
    )]
    AheadOfLog {
        /// Whose book.
        park: ParkId,
        /// Its year.
        year: i16,
        /// The partition.
        partition: u32,
        /// The first offset that the book has not consumed.
        consumed: u64,
        /// The first offset that the log had not given out when the partition was assigned.
        end: u64,
    },
    /// A book has consumed a partition that its park is not in: the count of partitions was changed, and
    /// records would be read twice or passed over.
    #[error(
        "the book of {park} in {year} was written from partition {partition}, but of {partitions} partitions \
         the park is in {home}: the count was changed; set it, and the topic, to what it was, or start a new lake"
    )]
    Moved {
        /// Whose book.
        park: ParkId,
        /// Its year.
        year: i16,
        /// The partition that it has consumed.
        partition: u32,
        /// The partition of the park now.
        home: u32,
        /// Partitions of the log now.
        partitions: u32,
    },
    /// A worker thread was lost.
    #[error("run a worker")]
    Worker(#[source] Box<dyn StdError + Send + Sync>),
}

impl RunError {
    pub(crate) fn worker(error: tokio::task::JoinError) -> Self {
        Self::Worker(Box::new(error))
    }
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
    /// Where each partition ended when it was assigned.
    ends: BTreeMap<u32, u64>,
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
            ends: BTreeMap::new(),
            offsets: BTreeMap::new(),
            group: GroupOffsets::default(),
            pace,
            asks,
            next_seal: None,
            next_messages: None,
            registry: Registry::default(),
            telling: Telling::default(),
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
        let due = [self.pace.due(), self.next_seal, self.next_messages]
            .into_iter()
            .flatten()
            .min();
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
        let rows: usize = self.parks.values().map(|p| p.buffer.rows()).sum();
        rows >= self.settings.buffer_rows()
            || self.pace.due().is_some_and(|at| at <= now)
            || (self.asks.is_due(now) && !self.is_idle())
            || self.next_seal.is_some_and(|at| at <= now)
            || self.next_messages.is_some_and(|at| at <= now)
            || self.parks.values().any(|p| p.numbered.is_full())
    }

    async fn take(&mut self, delivered: Delivered) -> Result<(), RunError> {
        for partition in delivered.revoked {
            self.leave(partition);
        }
        for assigned in delivered.assigned {
            self.ends.insert(assigned.partition, assigned.end);
            self.recover(assigned.partition).await?;
        }
        for entry in delivered.entries {
            self.take_entry(entry).await?;
        }
        Ok(())
    }

    /// Drops what is held for a partition that another processor has.
    fn leave(&mut self, partition: u32) {
        info!(partition, "partition revoked");
        self.parks.retain(|_, park| park.partition != partition);
        self.offsets.remove(&partition);
        self.group.leave(partition);
    }

    /// Takes up the days that an earlier processor of `partition` left unsealed.
    async fn recover(&mut self, partition: u32) -> Result<(), RunError> {
        let now = self.clock.now();
        for park in self.lake.parks().await? {
            if partition::of(&park, self.partitions) != partition {
                continue;
            }
            for year in self.lake.years(&park).await? {
                let Some(snapshot) = self.lake.snapshot(&park, year).await? else {
                    continue;
                };
                let hot: BTreeSet<CivilDay> = snapshot
                    .files
                    .iter()
                    .filter(|file| file.is_hot())
                    .map(|file| file.day)
                    .collect();
                if hot.is_empty() {
                    continue;
                }
                let state = self.open(&park, partition, &[year]).await?;
                for day in hot {
                    let pending = Pending::touch(state.buffer.pending.get(&day).copied(), now);
                    state.buffer.pending.insert(day, pending);
                }
            }
        }
        self.next_seal = self.find_next_seal();
        Ok(())
    }

    /// The state of `park` with the books of `years` open.
    async fn open(
        &mut self,
        park: &ParkId,
        partition: u32,
        years: &[i16],
    ) -> Result<&mut Park, RunError> {
        let state = self.parks.entry(park.clone()).or_insert_with(|| Park {
            partition,
            buffer: ParkBuffer::default(),
            books: BTreeMap::new(),
            consumed: FxHashMap::default(),
            numbered: Numbered::default(),
        });
        for &year in years {
            if state.books.contains_key(&year) {
                continue;
            }
            let book = self.lake.book(park, year).await?;
            let home = partition::of(park, self.partitions);
            if let Some(strange) = book.consumed().find(|one| one.partition != home) {
                return Err(RunError::Moved {
                    park: park.clone(),
                    year,
                    partition: strange.partition,
                    home,
                    partitions: self.partitions,
                });
            }
            if let Some(next) = book.next_offset(partition) {
                match self.ends.get(&partition) {
                    Some(&end) if next > end => {
                        return Err(RunError::AheadOfLog {
                            park: park.clone(),
                            year,
                            partition,
                            consumed: next,
                            end,
                        });
                    }
                    _ => {}
                }
                state.consumed.insert(year, next);
            }
            // Whoever had the partition may have published after it was handed over: its rows are passed
            // over when they are read, and nothing else would say that their days wait.
            for day in book.hot_days() {
                let pending = &mut state.buffer.pending;
                let touched = Pending::touch(pending.get(&day).copied(), self.clock.now());
                pending.insert(day, touched);
            }
            state.books.insert(year, book);
        }
        Ok(state)
    }

    async fn take_entry(&mut self, entry: Entry) -> Result<(), RunError> {
        let position = entry.position;
        let next = position.offset.saturating_add(1);
        let offsets = self.offsets.entry(position.partition).or_insert(Offsets {
            partition: position.partition,
            first: position.offset,
            next,
        });
        offsets.next = next;
        let now = self.clock.now();
        let mut arrival = match entry::read(entry) {
            Ok(arrival) => arrival,
            Err(reason) => {
                warn!(?position, reason, "log record passed over");
                self.metrics.unreadable.inc();
                self.pace.arrive(now);
                return Ok(());
            }
        };
        let years = years(&arrival.batch);
        let lake = self.lake.clone();
        let park = self.open(&arrival.park, position.partition, &years).await?;
        arrival.again = park.numbered.take(&arrival, &lake).await?;
        let taken = park.buffer.take(&arrival, now, &park.consumed);
        self.metrics.readings.inc_by(taken as u64);
        self.metrics.buffered.inc_by(taken as i64);
        self.pace.arrive(now);
        Ok(())
    }

    /// Publishes everything that is buffered and every day that has settled, and `messages` of what is
    /// published, then stores the offsets.
    async fn flush(&mut self, messages: Messages) -> Result<(), RunError> {
        let now = self.clock.now();
        let offsets = std::mem::take(&mut self.offsets);
        let flush = Flush {
            lake: &self.lake,
            registry: &mut self.registry,
            settings: &self.settings,
            metrics: &self.metrics,
            offsets: &offsets,
            now,
        };
        let flushed = flush.all(&mut self.parks).await?;
        self.write_messages(messages, now).await?;
        for offsets in offsets.into_values() {
            self.group.reach(offsets);
        }
        let held = |partition| {
            let parks = self.parks.values().filter(|p| p.partition == partition);
            parks.filter_map(|p| p.numbered.first_offset()).min()
        };
        for (partition, next) in self.group.to_store(held) {
            match commit(&mut *self.reader, (partition, next), &flushed).await {
                // Whoever has the partition now goes on from the books, which know what they hold.
                Err(CommitError::Revoked(partition)) => self.leave(partition),
                stored => {
                    stored?;
                    self.group.store(partition, next);
                }
            }
        }
        let now = self.clock.now();
        self.pace.flushed(now);
        self.asks.flushed(now);
        self.next_seal = self.find_next_seal();
        self.metrics.buffered.set(0);
        Ok(())
    }

    /// Tells what the books hold by now of messages that are numbered, and writes what is due of it.
    async fn write_messages(&mut self, messages: Messages, now: Instant) -> Result<(), RunError> {
        let later = Instant(now.0.saturating_add(ms(self.settings.messages_interval)));
        self.next_messages = None;
        for (name, park) in &mut self.parks {
            let numbered = &mut park.numbered;
            numbered.published(name, &self.telling, later);
            let is_due = numbered.due().is_some_and(|at| at <= now);
            if is_due || messages == Messages::All || numbered.is_full() {
                numbered.write(&self.lake, name).await?;
            }
            let due = [self.next_messages, numbered.due()];
            self.next_messages = due.into_iter().flatten().min();
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

/// Stores that everything of `partition` before `next` is durable downstream, of which `proof` is the proof.
async fn commit(
    reader: &mut dyn LogReader,
    (partition, next): (u32, u64),
    proof: &Flushed,
) -> Result<(), CommitError> {
    debug!(partition, next, ?proof, "offset stored");
    reader.commit(partition, next).await
}
