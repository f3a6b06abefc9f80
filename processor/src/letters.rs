//! Dead letters from the log to the lake, where people find them.
//!
//! ```text
//! reader ─▶ letters by park ─▶ table.add (offset in the commit) ─▶ reader.commit
//! ```
//!
//! A loop of its own, beside that of readings and with a group of its own: a flood of letters holds no
//! reading up. It deliberately does not judge letters; it keeps them, within bounds.

use std::{
    collections::{BTreeMap, btree_map},
    future::Future,
    pin::pin,
    time::Duration,
};

use greenpark_archive::{
    book::Consumed,
    error::{PublishError, ReadError},
    lake::Lake,
    letters::{Bounds, Letter, LetterId, LettersTable},
};
use greenpark_log::{Assigned, CommitError, ContentType, Delivered, Entry, LogReader, Record};
use greenpark_model::{
    day::{DAY_MS, Instant},
    id::ParkId,
    letter::LetterCode,
    limits::INSTANT_MS_MIN,
};
use greenpark_proto::telemetry::v1::DeadLetter;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{
    clock::Clock,
    error::RunError,
    group::{Durable, Read, Storable, put_off},
    metrics::Metrics,
    origin::Origin,
    pace::Pace,
    settings::{READ_BYTES_MAX, ms},
};

/// The longest that the loop waits for letters before it looks at the clock.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Bytes of letters that are held before they are written at once.
const HELD_BYTES_MAX: usize = 8 << 20;
/// The time between two writes while letters keep coming.
const WRITE_INTERVAL: Duration = Duration::from_secs(5);
/// Parks whose letters are kept apart: senders can make names up. Letters of further ones are kept as those
/// of [`UNKNOWN`].
const PARKS_MAX: usize = 1_000;
/// The park of letters whose topic does not say whose they are.
const UNKNOWN: &str = "_unknown";
/// Written behind the group of readings, for letters have offsets of their own.
const GROUP_SUFFIX: &str = "-dead-letters";

/// How many dead letters the lake keeps; the oldest go first, and their number stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LetterSettings {
    /// Letters of one enterprise.
    pub enterprise_letters: u64,
    /// Bytes on disk of one enterprise's letters.
    #[serde(with = "greenpark_settings::size")]
    pub enterprise_bytes: usize,
    /// Bytes on disk of all letters of a park.
    #[serde(with = "greenpark_settings::size")]
    pub park_bytes: usize,
}

impl Default for LetterSettings {
    fn default() -> Self {
        Self {
            enterprise_letters: 10_000,
            enterprise_bytes: 16 << 20,
            park_bytes: 256 << 20,
        }
    }
}

impl LetterSettings {
    /// Adds a line to `problems` for each setting that cannot be.
    pub(crate) fn check(&self, problems: &mut Vec<String>) {
        const PLACE: &str = "processor.dead_letters";
        if self.enterprise_letters < 100 {
            problems.push(format!("{PLACE}.enterprise_letters: must be at least 100"));
        }
        if self.enterprise_bytes < 2 << 20 {
            problems.push(format!(
                "{PLACE}.enterprise_bytes: must be at least 2MiB: a letter may have 1MB"
            ));
        }
        if self.park_bytes < self.enterprise_bytes {
            problems.push(format!(
                "{PLACE}.park_bytes: must be at least enterprise_bytes"
            ));
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            enterprise_letters: self.enterprise_letters,
            enterprise_bytes: self.enterprise_bytes as u64,
            park_bytes: self.park_bytes as u64,
        }
    }
}

/// Why letters are not kept any more.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The log cannot be read.
    #[error("read dead letters from the log")]
    Log(#[from] greenpark_log::ReadError),
    /// The group's offset cannot be stored.
    #[error("store the group's offset of dead letters")]
    Commit(#[from] CommitError),
    /// A table cannot be read.
    #[error("read dead letters from the lake")]
    Read(#[from] ReadError),
    /// A table cannot be written.
    #[error("keep dead letters in the lake")]
    Publish(#[from] PublishError),
    /// The log is not the one that the lake's letters came from: those that come would be passed over.
    #[error("know the log of dead letters again")]
    Origin(#[source] Box<RunError>),
}

/// Letters of a park that are not written yet.
#[derive(Debug, Default)]
struct Held {
    letters: Vec<Letter>,
    /// The fingerprint of the last one's record.
    last: Option<u64>,
}

/// Keeps the log's dead letters in the lake. All offsets that it keeps are of the lake.
#[derive(Debug)]
pub struct LetterArchiver {
    reader: Box<dyn LogReader>,
    lake: Lake,
    bounds: Bounds,
    clock: Clock,
    metrics: Metrics,
    tables: BTreeMap<ParkId, LettersTable>,
    /// What was read and is not written, by park and partition, in the order of the log.
    held: BTreeMap<(ParkId, u32), Held>,
    held_bytes: usize,
    /// The first letter that was read since the last flush, and the offset after the last one, by partition.
    read: BTreeMap<u32, (u64, u64)>,
    /// What makes an offset of the log one of the lake, by partition.
    shifts: BTreeMap<u32, u64>,
    pace: Pace,
}

/// The group that reads dead letters, of that which reads readings.
#[must_use]
pub fn letter_group(group: &str) -> String {
    format!("{group}{GROUP_SUFFIX}")
}

impl LetterArchiver {
    /// Keeps the letters of `reader` in `lake`.
    #[must_use]
    pub fn new(
        reader: Box<dyn LogReader>,
        lake: Lake,
        settings: &LetterSettings,
        clock: Clock,
    ) -> Self {
        let pace = Pace::new(ms(WRITE_INTERVAL), clock.now());
        Self {
            reader,
            lake,
            bounds: settings.bounds(),
            clock,
            metrics: Metrics::default(),
            tables: BTreeMap::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            read: BTreeMap::new(),
            shifts: BTreeMap::new(),
            pace,
        }
    }

    /// Counts into `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Runs until `shutdown` resolves, then writes what is held and leaves.
    ///
    /// # Errors
    /// [`LetterError`]: everything that was not written is still in the log.
    pub async fn run(
        mut self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), LetterError> {
        for park in self.lake.letter_parks().await? {
            let table = self.lake.letters(&park);
            self.tables.insert(park, table);
        }
        let mut shutdown = pin!(shutdown);
        loop {
            let wait = self.wait();
            let delivered = tokio::select! {
                biased;
                () = &mut shutdown => break,
                delivered = self.reader.next(READ_BYTES_MAX, wait) => delivered?,
            };
            self.take(delivered).await?;
            let now = self.clock.now();
            let is_due = self.pace.due().is_some_and(|at| at <= now);
            if is_due || self.held_bytes >= HELD_BYTES_MAX {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    fn wait(&self) -> Duration {
        let now = self.clock.now();
        let due = self.pace.due().map(|at| at.0.saturating_sub(now.0).max(1));
        let due = due.and_then(|ms| u64::try_from(ms).ok());
        due.map_or(WAIT_MAX, |ms| Duration::from_millis(ms).min(WAIT_MAX))
    }

    async fn take(&mut self, delivered: Delivered) -> Result<(), LetterError> {
        for partition in delivered.revoked {
            self.leave(partition);
        }
        let mut entries = delivered.entries;
        for assigned in delivered.assigned {
            if self.begin(assigned).await? {
                entries.retain(|entry| entry.position.partition != assigned.partition);
            }
        }
        for entry in entries {
            self.take_entry(entry);
        }
        Ok(())
    }

    /// Begins with a partition where the lake needs it to. Says whether that lies before what was delivered.
    async fn begin(&mut self, assigned: Assigned) -> Result<bool, LetterError> {
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
            None => checked.map_err(|error| LetterError::Origin(Box::new(error)))?,
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

    fn shift(&self, partition: u32) -> u64 {
        self.shifts.get(&partition).copied().unwrap_or(0)
    }

    /// Drops what is held of a partition that another archiver has.
    fn leave(&mut self, partition: u32) {
        info!(partition, "partition of dead letters revoked");
        self.held.retain(|(_, of), _| *of != partition);
        let held = self.held.values().flat_map(|held| &held.letters);
        self.held_bytes = held.map(|letter| letter.payload.len()).sum();
        self.read.remove(&partition);
    }

    fn take_entry(&mut self, entry: Entry) {
        let last = entry.fingerprint();
        let mut position = entry.position;
        position.offset += self.shift(position.partition);
        let read = self.read.entry(position.partition);
        read.or_insert((position.offset, 0)).1 = position.offset.saturating_add(1);
        self.pace.arrive(self.clock.now());
        let appended = Instant(entry.appended_ms);
        let id = LetterId {
            partition: position.partition,
            offset: position.offset,
        };
        match entry
            .record
            .and_then(|record| letter_of(record, id, appended))
        {
            Ok((park, letter)) => {
                let park = self.home(park);
                self.held_bytes += letter.payload.len() + letter.words.len();
                let held = self.held.entry((park, position.partition)).or_default();
                held.letters.push(letter);
                held.last = Some(last);
            }
            Err(reason) => {
                warn!(?position, reason, "dead letter passed over");
                self.metrics.unreadable_letters.inc();
            }
        }
    }

    /// The park whose table keeps letters of `park`.
    fn home(&self, park: ParkId) -> ParkId {
        if self.tables.len() < PARKS_MAX || self.tables.contains_key(&park) {
            return park;
        }
        ParkId::new(UNKNOWN).expect("'_unknown' is an id")
    }

    /// Writes what is held, then stores the offsets.
    async fn flush(&mut self) -> Result<(), LetterError> {
        let written = self.write().await?;
        for storable in Storable::all(written) {
            let partition = storable.partition();
            let shift = self.shift(partition);
            match storable.store(&mut *self.reader, shift).await {
                // The reader that has the partition now goes on from the tables, which know what they hold.
                Err(CommitError::Revoked(partition)) => self.leave(partition),
                Err(CommitError::NotNow(error)) => put_off(partition, &*error),
                stored => drop(stored?),
            }
        }
        self.pace.flushed(self.clock.now());
        Ok(())
    }

    /// Writes what is held.
    async fn write(&mut self) -> Result<Written, LetterError> {
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
            self.metrics.letters.inc_by(added.letters);
            self.metrics.letters_dropped.inc_by(added.dropped);
        }
        self.held_bytes = 0;
        Ok(Written {
            read: std::mem::take(&mut self.read),
        })
    }
}

/// Proof that the dead letters that were read are in the tables. Only [`LetterArchiver::write`] makes one.
#[must_use = "this is what allows to store the group's offsets"]
#[derive(Debug)]
struct Written {
    read: BTreeMap<u32, (u64, u64)>,
}

impl Durable for Written {
    fn into_read(self) -> Vec<Read> {
        let read = self.read.into_iter();
        read.map(|(partition, (first, next))| Read {
            partition,
            first,
            next,
        })
        .collect()
    }
}

/// The letter of a record and whose park it is; otherwise why it is passed over.
fn letter_of(record: Record, id: LetterId, appended: Instant) -> Result<(ParkId, Letter), String> {
    if record.headers.content_type != ContentType::DeadLetter {
        return Err("its content type is not a dead letter".to_owned());
    }
    let sent = DeadLetter::decode(record.payload).map_err(|error| error.to_string())?;
    // The receiver's clock is believed as long as it is one.
    let believed = INSTANT_MS_MIN..=appended.0.saturating_add(DAY_MS);
    let received = match believed.contains(&sent.received_ms) {
        true => Instant(sent.received_ms),
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
        // A letter of before there was a count refused one reading at least.
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
