//! What the parts that are left hold, after one was lost: the lake's tables and the log.

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

use crate::{
    letters,
    plan::{Message, Named, Plan},
};

/// Bytes of records read at once.
const READ: usize = 8 << 20;
/// How long a log may take to be read.
const PATIENCE: Duration = Duration::from_secs(120);

/// The group that looks.
const GROUP: &str = "survivors";

/// Everything that is left.
#[derive(Debug, Default)]
pub struct Survivors {
    /// Values of readings, in millionths.
    values: BTreeSet<i64>,
    /// Numbers of messages by gateway.
    numbers: BTreeSet<(String, u64)>,
    /// Undecodable payloads, by gateway and number.
    letters: BTreeSet<(u64, u64)>,
}

impl Survivors {
    /// Takes what the lake at `root` holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn add_lake(&mut self, root: &str) -> anyhow::Result<()> {
        let lake = Lake::open(root).await?;
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
        self.letters.extend(letters::archived(root).await?.names);
        Ok(())
    }

    /// Takes what the embedded log in `folder` holds, which nothing has open. Reading makes a group: give a copy.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn add_embedded(&mut self, folder: &Path) -> anyhow::Result<()> {
        let log = EmbeddedLog::open(folder, LogFileSettings::default())?;
        self.add_readings(log.reader(GROUP)).await?;
        self.add_letters(log.letter_reader(GROUP)).await
    }

    /// Takes what Kafka holds. Whoever asks anew gives another `nth`: a group begins at the first record once.
    ///
    /// # Errors
    /// It cannot be read.
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
        for record in all_of(reader).await? {
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
        for record in all_of(reader).await? {
            self.letters.extend(letters::names(&record.payload));
        }
        Ok(())
    }

    fn add_numbers(&mut self, gateway: &str, runs: &[(u64, u64)]) {
        for &(first, last) in runs {
            let numbers = (first..=last).map(|number| (gateway.to_owned(), number));
            self.numbers.extend(numbers);
        }
    }

    /// Whether the number of a message is known.
    #[must_use]
    pub fn knows(&self, line: u64, number: u64) -> bool {
        self.numbers.contains(&(format!("g{line}"), number))
    }

    /// Whether the content of a message is held, whatever is known of its number. A value that came once more is not
    /// told from the first one.
    #[must_use]
    pub fn holds(&self, plan: Plan, line: u64, message: Message) -> bool {
        let has = |named: Named| match named {
            Named::First(serial) => self.values.contains(&((serial + 1) as i64)),
            Named::Correction(serial) => self.values.contains(&plan.corrected(serial)),
        };
        match message {
            Message::Batch(_) => plan.serials(line, message).all(|s| has(Named::First(s))),
            Message::Correction(serial) => has(Named::Correction(serial)),
            Message::Restored(_) => false,
            Message::Poison(nth) => self.letters.contains(&(line, nth)),
        }
    }
}

/// Every record that a new group is handed.
async fn all_of(mut reader: Box<dyn LogReader>) -> anyhow::Result<Vec<Record>> {
    let (mut all, mut assigned, began) = (Vec::new(), 0, Instant::now());
    loop {
        let delivered = reader.next(READ, Duration::from_millis(200)).await?;
        assigned += delivered.assigned.len();
        let is_empty = delivered.entries.is_empty();
        all.extend(delivered.entries.into_iter().filter_map(|e| e.record.ok()));
        if delivered.caught_up && is_empty && assigned > 0 {
            return Ok(all);
        }
        ensure!(began.elapsed() < PATIENCE, "the log is not read to its end");
    }
}
