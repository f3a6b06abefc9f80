//! Archives dead letters from the log in the lake, where people find them.
//!
//! ```text
//! reader ─▶ dead letters by park ─▶ table.add (offset in the commit) ─▶ reader.commit
//! ```
//!
//! This loop runs beside the loop of readings and has a group of its own, so that a flood of dead letters delays no
//! reading. It deliberately does not judge dead letters; it stores them, within bounds.

use std::{
    collections::{BTreeMap, btree_map},
    future::Future,
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use greenpark_archive::{
    book::Consumed,
    dead_letters::{Bounds, Letter, LetterId, LettersTable},
    error::{LakePublishError, LakeReadError},
    lake::Lake,
};
use greenpark_log::{Assigned, CommitError, ContentType, Delivered, Entry, LogReader, Record};
use greenpark_model::{
    clock::Clock,
    day::{DAY_MS, Instant},
    id::ParkId,
    letter::LetterCode,
    limits::INSTANT_MS_MIN,
    log_position::Partition,
};
use greenpark_proto::telemetry::v1::DeadLetter;
use prost::Message as _;
use tracing::{info, warn};

use crate::{
    error::RunError,
    flush_schedule::FlushSchedule,
    group::{Durable, ReadOffsets, Storable, log_deferred},
    metrics::ProcessorMetrics,
    origin::Origin,
    settings::{DeadLetterSettings, READ_BYTES_MAX, ms},
};

/// The longest that the loop waits for dead letters before it looks at the clock.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Buffered bytes at which dead letters are written at once.
const HELD_BYTES_MAX: usize = 8 << 20;
/// The time between two writes while dead letters keep coming.
const WRITE_INTERVAL: Duration = Duration::from_secs(5);
/// Parks with a table of their own; bounded because senders can invent names. Dead letters of further parks are stored
/// under [`UNKNOWN`].
const PARKS_MAX: usize = 1_000;
/// The park of dead letters whose topic names no park.
const UNKNOWN: &str = "_unknown";
/// Suffix to the group of readings, because dead letters have offsets of their own.
const GROUP_SUFFIX: &str = "-dead-letters";

/// Error that ends the archiving of dead letters.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The log cannot be read.
    #[error("read dead letters from the log")]
    Log(#[from] greenpark_log::ReadError),
    /// The group's offset cannot be stored.
    #[error("store the group's offset of dead letters")]
    Commit(#[from] CommitError),
    /// A table cannot be read.
    #[error("read dead letters from the lake")]
    Read(#[from] LakeReadError),
    /// A table cannot be written.
    #[error("keep dead letters in the lake")]
    Publish(#[from] LakePublishError),
    /// The log is not the one that the lake's dead letters came from: its dead letters would be skipped.
    #[error("know the log of dead letters again")]
    Origin(#[source] Box<RunError>),
}

/// Dead letters of a park that are not written yet.
#[derive(Debug, Default)]
struct HeldLetters {
    letters: Vec<Letter>,
    /// The fingerprint of the last record.
    last: Option<u64>,
}

/// Archives the log's dead letters in the lake. All its offsets are lake offsets.
#[derive(Debug)]
pub struct DeadLetterArchiver {
    reader: Box<dyn LogReader>,
    lake: Lake,
    bounds: Bounds,
    clock: Clock,
    metrics: ProcessorMetrics,
    tables: BTreeMap<ParkId, LettersTable>,
    /// Dead letters read and not written yet, by park and partition, in the order of the log.
    held: BTreeMap<(ParkId, Partition), HeldLetters>,
    held_bytes: usize,
    /// The first offset read since the last flush and the offset after the last one, by partition.
    read: BTreeMap<Partition, (u64, u64)>,
    /// Lake offset minus log offset, by partition.
    shifts: BTreeMap<Partition, u64>,
    flush_schedule: FlushSchedule,
}

/// Returns the name of the group that reads dead letters; `group` is the group that reads readings.
#[must_use]
pub fn dead_letter_group(group: &str) -> String {
    format!("{group}{GROUP_SUFFIX}")
}

impl DeadLetterArchiver {
    /// Creates an archiver of the dead letters of `reader` in `lake`.
    #[must_use]
    pub fn new(
        reader: Box<dyn LogReader>,
        lake: Lake,
        settings: &DeadLetterSettings,
        clock: Clock,
    ) -> Self {
        let flush_schedule = FlushSchedule::new(ms(WRITE_INTERVAL), clock.now());
        Self {
            reader,
            lake,
            bounds: settings.bounds(),
            clock,
            metrics: ProcessorMetrics::default(),
            tables: BTreeMap::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            read: BTreeMap::new(),
            shifts: BTreeMap::new(),
            flush_schedule,
        }
    }

    /// Counts into `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: ProcessorMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Runs until `shutdown` resolves, then writes what is buffered and returns.
    ///
    /// # Errors
    /// [`DeadLetterError`]: everything that was not written is still in the log.
    pub fn run<'a>(
        self,
        shutdown: impl Future<Output = ()> + Send + 'a,
    ) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        // Boxed here, so that this crate compiles the future, and not every crate that awaits it.
        self.run_until(shutdown.boxed()).boxed()
    }

    async fn run_until(mut self, mut shutdown: BoxFuture<'_, ()>) -> Result<(), DeadLetterError> {
        for park in self.lake.letter_parks().await? {
            let table = self.lake.letters(&park);
            self.tables.insert(park, table);
        }
        loop {
            let wait = self.wait();
            let delivered = tokio::select! {
                biased;
                () = &mut shutdown => break,
                delivered = self.reader.next(READ_BYTES_MAX, wait) => delivered?,
            };
            self.receive(delivered).await?;
            let now = self.clock.now();
            let is_due = self.flush_schedule.due().is_some_and(|at| at <= now);
            if is_due || self.held_bytes >= HELD_BYTES_MAX {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    fn wait(&self) -> Duration {
        let now = self.clock.now();
        let due = self
            .flush_schedule
            .due()
            .map(|at| at.millis().saturating_sub(now.millis()).max(1));
        let due = due.and_then(|ms| u64::try_from(ms).ok());
        due.map_or(WAIT_MAX, |ms| Duration::from_millis(ms).min(WAIT_MAX))
    }

    async fn receive(&mut self, delivered: Delivered) -> Result<(), DeadLetterError> {
        for partition in delivered.revoked {
            self.revoke(partition);
        }
        let mut entries = delivered.entries;
        for assigned in delivered.assigned {
            if self.begin(assigned).await? {
                entries.retain(|entry| entry.position.partition != assigned.partition);
            }
        }
        for entry in entries {
            self.hold_entry(entry);
        }
        Ok(())
    }

    /// Begins to read a partition where the lake needs it. Returns true if that is before the delivered records.
    async fn begin(&mut self, assigned: Assigned) -> Result<bool, DeadLetterError> {
        let partition = assigned.partition;
        let (mut origin, mut may_be_another) = (Origin::default(), false);
        for table in self.tables.values_mut() {
            origin.add(partition, table.consumed().await?);
            may_be_another |= table.may_be_another(partition).await?;
        }
        let checked = origin.check(&mut *self.reader, assigned).await;
        let adopted = match &checked {
            Err(RunError::ShorterLog { .. } | RunError::OtherLog { .. }) if may_be_another => {
                Some(origin.adopted(partition))
            }
            _ => None,
        };
        let begin = match adopted {
            Some(_) => 0,
            None => checked.map_err(|error| DeadLetterError::Origin(Box::new(error)))?,
        };
        if may_be_another {
            for table in self.tables.values_mut() {
                table.end_permission(partition, adopted).await?;
            }
        }
        let shift = adopted.map_or(origin.shift, |adopted| adopted.shift);
        self.shifts.insert(partition, shift);
        let is_rewound = begin < assigned.start;
        if is_rewound {
            self.reader.rewind(partition, begin);
        }
        Ok(is_rewound)
    }

    fn shift(&self, partition: Partition) -> u64 {
        self.shifts.get(&partition).copied().unwrap_or(0)
    }

    /// Drops the buffered dead letters of a partition that another archiver has now.
    fn revoke(&mut self, partition: Partition) {
        info!(
            partition = partition.get(),
            "partition of dead letters revoked"
        );
        self.held.retain(|(_, of), _| *of != partition);
        let held = self.held.values().flat_map(|held| &held.letters);
        self.held_bytes = held.map(|letter| letter.payload.len()).sum();
        self.read.remove(&partition);
    }

    fn hold_entry(&mut self, entry: Entry) {
        let last = entry.fingerprint();
        let mut position = entry.position;
        position.offset += self.shift(position.partition);
        let read = self.read.entry(position.partition);
        read.or_insert((position.offset, 0)).1 = position.offset.saturating_add(1);
        self.flush_schedule.note_arrival(self.clock.now());
        let appended = Instant::from_millis(entry.appended_ms);
        let id = LetterId {
            partition: position.partition,
            offset: position.offset,
        };
        match entry
            .record
            .and_then(|record| decode_letter(record, id, appended))
        {
            Ok((park, letter)) => {
                let park = self.table_park(park);
                self.held_bytes += letter.payload.len() + letter.words.len();
                let held = self.held.entry((park, position.partition)).or_default();
                held.letters.push(letter);
                held.last = Some(last);
            }
            Err(reason) => {
                warn!(?position, reason, "dead letter passed over");
                self.metrics.unreadable_dead_letters.inc();
            }
        }
    }

    /// Returns the park whose table stores dead letters of `park`.
    fn table_park(&self, park: ParkId) -> ParkId {
        if self.tables.len() < PARKS_MAX || self.tables.contains_key(&park) {
            return park;
        }
        ParkId::new(UNKNOWN).expect("'_unknown' is an id")
    }

    /// Writes the buffered dead letters, then stores the offsets.
    async fn flush(&mut self) -> Result<(), DeadLetterError> {
        let written = self.write().await?;
        for storable in Storable::all(written) {
            let partition = storable.partition();
            let shift = self.shift(partition);
            match storable.store(&mut *self.reader, shift).await {
                // The new owner of the partition continues from the tables, which know their offsets.
                Err(CommitError::Revoked(partition)) => self.revoke(partition),
                Err(CommitError::NotNow(error)) => log_deferred(partition, &*error),
                stored => drop(stored?),
            }
        }
        self.flush_schedule.note_flush(self.clock.now());
        Ok(())
    }

    /// Writes the buffered dead letters.
    async fn write(&mut self) -> Result<WrittenLetters, DeadLetterError> {
        for ((park, partition), held) in std::mem::take(&mut self.held) {
            let consumed = Consumed {
                since: self.read.get(&partition).map(|(first, _)| *first),
                last: held.last,
                shift: self.shift(partition),
                ..Consumed::up_to(partition, 0)
            };
            let entry = self.tables.entry(park);
            let table = match entry {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(new) => {
                    let table = self.lake.letters(new.key());
                    new.insert(table)
                }
            };
            let added = table.add(consumed, held.letters, &self.bounds).await?;
            self.metrics.dead_letters.inc_by(added.letters);
            self.metrics.dead_letters_dropped.inc_by(added.dropped);
        }
        self.held_bytes = 0;
        Ok(WrittenLetters {
            read: std::mem::take(&mut self.read),
        })
    }
}

/// Proof that the dead letters that were read are in the tables. Only [`DeadLetterArchiver::write`] makes one.
#[must_use = "this is what allows to store the group's offsets"]
#[derive(Debug)]
struct WrittenLetters {
    read: BTreeMap<Partition, (u64, u64)>,
}

impl Durable for WrittenLetters {
    fn into_read(self) -> Vec<ReadOffsets> {
        let read = self.read.into_iter();
        read.map(|(partition, (first, next))| ReadOffsets {
            partition,
            first,
            next,
        })
        .collect()
    }
}

/// Decodes the dead letter of a record and its park, or returns the reason why it is skipped.
fn decode_letter(
    record: Record,
    id: LetterId,
    appended: Instant,
) -> Result<(ParkId, Letter), String> {
    if record.headers.content_type != ContentType::DeadLetter {
        return Err("its content type is not a dead letter".to_owned());
    }
    let sent = DeadLetter::decode(record.payload).map_err(|error| error.to_string())?;
    // The receiver's time is used if it is plausible.
    let believed = INSTANT_MS_MIN..=appended.millis().saturating_add(DAY_MS);
    let received = match believed.contains(&sent.received_ms) {
        true => Instant::from_millis(sent.received_ms),
        false => appended,
    };
    let code = u8::try_from(sent.code).ok().and_then(LetterCode::from_code);
    let letter = Letter {
        id,
        enterprise: record.headers.enterprise,
        gateway: record.headers.gateway,
        received,
        topic: sent.topic,
        code: code.unwrap_or(LetterCode::Unspecified),
        words: sent.reason,
        index: sent.index,
        // A dead letter from before the count existed refused at least one reading.
        readings: match sent.code {
            0 => sent.readings.max(1),
            _ => sent.readings,
        },
        bytes: sent.payload.len() as u64,
        payload: sent.payload,
        truncated: sent.truncated,
    };
    Ok((record.park, letter))
}
