//! The content that remains in the lake and the log after a loss.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use greenpark_archive::{columns::decode_readings, lake::Lake};
use greenpark_log::{LogReader, Record};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_log_kafka::{KafkaLog, KafkaSettings};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;

use crate::{
    dead_letters,
    plan::{LoadPlan, PlannedMessage, ValueOrigin},
};

/// Bytes of records read at once.
const READ_BYTES: usize = 8 << 20;
/// How long reading a log may take.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// The consumer group that reads the log.
const GROUP: &str = "survivors";

/// The remaining content.
#[derive(Debug, Default)]
pub struct Survivors {
    /// Values of readings, in millionths.
    values: BTreeSet<i64>,
    /// Numbers of messages, by gateway.
    numbers: BTreeSet<(String, u64)>,
    /// Undecodable payloads, by gateway and number.
    dead_letters: BTreeSet<(u64, u64)>,
}

impl Survivors {
    /// Adds the content of the lake at `root`.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn add_lake(&mut self, root: &str) -> anyhow::Result<()> {
        let lake = Lake::open(root, clock::system()).await?;
        for park in lake.parks().await? {
            for (of, _, numbers) in lake.messages(&park).read().await?.iter() {
                self.add_numbers(of.gateway.as_str(), numbers.runs());
            }
            for year in lake.years(&park).await? {
                let Some(snapshot) = lake.snapshot(&park, year).await? else {
                    continue;
                };
                for file in &snapshot.files {
                    let path = format!("{}/{}", snapshot.readings_root(), file.path);
                    let bytes = lake.bytes_of(&path).await?.with_context(|| path)?;
                    self.values.extend(decode_readings(bytes)?.values);
                }
            }
        }
        self.dead_letters
            .extend(dead_letters::archived(root).await?.names);
        Ok(())
    }

    /// Adds the content of the embedded log in `folder`, which no process may have open. Reading creates a group in
    /// it, so `folder` must be a copy.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn add_embedded(&mut self, folder: &Path) -> anyhow::Result<()> {
        let log = EmbeddedLog::open(folder, LogFileSettings::default(), clock::system())?;
        self.add_readings(log.reader(GROUP)).await?;
        self.add_letters(log.letter_reader(GROUP)).await
    }

    /// Adds the content of Kafka. Every call needs a new `nth`, because a group starts at the first record only
    /// once.
    ///
    /// # Errors
    /// Kafka cannot be read.
    pub async fn add_kafka(
        &mut self,
        kafka: SocketAddr,
        partitions: u32,
        nth: u32,
    ) -> anyhow::Result<()> {
        let settings = KafkaSettings {
            brokers: kafka.to_string(),
            partitions,
            ..KafkaSettings::default()
        };
        let log = KafkaLog::open(settings).await?;
        let group = format!("{GROUP}-{nth}");
        self.add_readings(log.reader(&group)?).await?;
        self.add_letters(log.letter_reader(&group)?).await
    }

    async fn add_readings(&mut self, reader: Box<dyn LogReader>) -> anyhow::Result<()> {
        for record in read_all(reader).await? {
            let sequence = record.headers.sequence;
            let decoded = reading_batch::decode_numbered(&record.payload, sequence);
            if let Ok((batch, messages)) = decoded {
                self.values.extend(batch.values());
                self.add_numbers(record.headers.gateway.as_str(), messages.ended().runs());
            }
        }
        Ok(())
    }

    async fn add_letters(&mut self, reader: Box<dyn LogReader>) -> anyhow::Result<()> {
        for record in read_all(reader).await? {
            self.dead_letters
                .extend(dead_letters::names(&record.payload));
        }
        Ok(())
    }

    fn add_numbers(&mut self, gateway: &str, runs: &[(u64, u64)]) {
        for &(first, last) in runs {
            let numbers = (first..=last).map(|number| (gateway.to_owned(), number));
            self.numbers.extend(numbers);
        }
    }

    /// Returns true if the number of a message remains.
    #[must_use]
    pub fn knows(&self, gateway: u64, number: u64) -> bool {
        self.numbers.contains(&(format!("g{gateway}"), number))
    }

    /// Returns true if the content of a message remains. A value that was sent once more cannot be distinguished
    /// from the first one, so it counts as lost.
    #[must_use]
    pub fn holds(&self, plan: LoadPlan, gateway: u64, message: PlannedMessage) -> bool {
        let has = |named: ValueOrigin| match named {
            ValueOrigin::First(serial) => self.values.contains(&((serial + 1) as i64)),
            ValueOrigin::Correction(serial) => self.values.contains(&plan.corrected(serial)),
        };
        match message {
            PlannedMessage::Batch(_) => plan
                .serials(gateway, message)
                .all(|s| has(ValueOrigin::First(s))),
            PlannedMessage::Correction(serial) => has(ValueOrigin::Correction(serial)),
            PlannedMessage::Restored(_) => false,
            PlannedMessage::Poison(nth) => self.dead_letters.contains(&(gateway, nth)),
        }
    }
}

/// Reads every record of a log with a new group.
async fn read_all(mut reader: Box<dyn LogReader>) -> anyhow::Result<Vec<Record>> {
    let (mut all, mut assigned, began) = (Vec::new(), 0, Instant::now());
    loop {
        let delivered = reader.next(READ_BYTES, Duration::from_millis(200)).await?;
        assigned += delivered.assigned.len();
        let is_empty = delivered.entries.is_empty();
        all.extend(delivered.entries.into_iter().filter_map(|e| e.record.ok()));
        if delivered.caught_up && is_empty && assigned > 0 {
            return Ok(all);
        }
        ensure!(
            began.elapsed() < READ_TIMEOUT,
            "the log is not read to its end"
        );
    }
}
