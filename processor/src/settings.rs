//! Settings of the processor, and the bounds that nobody should tune.

use std::time::Duration;

use greenpark_archive::dead_letters::Bounds;
use serde::{Deserialize, Serialize};

/// ProcessorSettings of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessorSettings {
    /// The consumer group.
    pub group: String,
    /// The time after midnight before a day may be sealed, so that gateways that buffer are in time.
    #[serde(with = "greenpark_settings::span")]
    pub grace: Duration,
    /// The time without a row after which a day that is over is sealed. Each further revision of a day
    /// doubles it, up to ten minutes, so that a trickle of late rows makes few revisions.
    #[serde(with = "greenpark_settings::span")]
    pub quiet: Duration,
    /// The time between two flushes while rows keep coming.
    #[serde(with = "greenpark_settings::span")]
    pub flush_interval: Duration,
    /// Resident memory of the processor, in bytes: 128 MiB for the process itself, the rest for rows that are buffered,
    /// merged and sealed. One enterprise's day is in memory at once (about 100 bytes a row), regardless of this setting.
    #[serde(with = "greenpark_settings::size")]
    pub memory: usize,
    /// The time between two writes of message numbers to the lake's table. The group's offset waits for them: so after a
    /// kill, this much of the log is read again if gateways number their messages.
    #[serde(with = "greenpark_settings::span")]
    pub messages_interval: Duration,
    /// Bounds of the dead letters in the lake.
    pub dead_letters: DeadLetterSettings,
}

impl Default for ProcessorSettings {
    fn default() -> Self {
        Self {
            group: "greenpark-processor".to_owned(),
            grace: Duration::from_secs(3_600),
            quiet: Duration::from_secs(2),
            flush_interval: Duration::from_secs(5),
            memory: 512 << 20,
            messages_interval: Duration::from_secs(60),
            dead_letters: DeadLetterSettings::default(),
        }
    }
}

/// Bounds of the dead letters in the lake. The oldest are dropped first; their count stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetterSettings {
    /// Dead letters of one enterprise.
    pub enterprise_letters: u64,
    /// Bytes on disk of one enterprise's dead letters.
    #[serde(with = "greenpark_settings::size")]
    pub enterprise_bytes: usize,
    /// Bytes on disk of all dead letters of a park.
    #[serde(with = "greenpark_settings::size")]
    pub park_bytes: usize,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        Self {
            enterprise_letters: 10_000,
            enterprise_bytes: 16 << 20,
            park_bytes: 256 << 20,
        }
    }
}

impl DeadLetterSettings {
    /// Adds a line to `problems` for each invalid setting.
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

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            enterprise_letters: self.enterprise_letters,
            enterprise_bytes: self.enterprise_bytes as u64,
            park_bytes: self.park_bytes as u64,
        }
    }
}

/// A duration of the settings in milliseconds; checked settings are far below the bound.
pub(crate) fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Payload bytes taken from the reader at once.
pub(crate) const READ_BYTES_MAX: usize = 512 << 10;
/// Memory not for rows: the process itself, the records that the reader has prefetched, and files being written.
const RESERVED_BYTES: usize = 128 << 20;
/// Memory of a buffered row: its columns, which may have grown to twice their size, and the columns of the rows that it
/// is merged with during a flush.
const BUFFERED_ROW_BYTES: usize = 768;
/// Memory of a row that is sealed: its columns as read, merged, selected for one enterprise, and encoded.
const SEALED_ROW_BYTES: usize = 384;
/// The lower bound of [`ProcessorSettings::memory`].
const MEMORY_MIN: usize = 192 << 20;

impl ProcessorSettings {
    /// Returns the number of buffered rows that forces a flush.
    pub(crate) fn buffer_rows(&self) -> usize {
        self.rows_memory() / BUFFERED_ROW_BYTES
    }

    /// Returns the number of rows that are merged or sealed at once, so that a long backlog, or the day of a large park,
    /// needs no more memory than another.
    pub(crate) fn seal_rows(&self) -> u64 {
        (self.rows_memory() / SEALED_ROW_BYTES) as u64
    }

    fn rows_memory(&self) -> usize {
        self.memory.saturating_sub(RESERVED_BYTES)
    }

    /// Adds a line to `problems` for each invalid setting.
    pub fn check(&self, problems: &mut Vec<String>) {
        const WEEK: Duration = Duration::from_secs(7 * 86_400);
        const WAITS: std::ops::RangeInclusive<Duration> =
            Duration::from_millis(100)..=Duration::from_secs(600);
        if self.group.is_empty() {
            problems.push("processor.group: is empty; name the consumer group".to_owned());
        }
        if self.grace > WEEK {
            problems.push("processor.grace: must be at most 7d".to_owned());
        }
        if !WAITS.contains(&self.quiet) {
            problems.push("processor.quiet: must be from 100ms to 10m".to_owned());
        }
        if !WAITS.contains(&self.flush_interval) {
            problems.push("processor.flush_interval: must be from 100ms to 10m".to_owned());
        }
        if !WAITS.contains(&self.messages_interval) {
            problems.push("processor.messages_interval: must be from 100ms to 10m".to_owned());
        }
        self.dead_letters.check(problems);
        if self.memory < MEMORY_MIN {
            problems.push(
                "processor.memory: must be at least 192MiB: 128MiB are not for rows".to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let wrong = ProcessorSettings {
            group: String::new(),
            grace: Duration::MAX,
            quiet: Duration::ZERO,
            flush_interval: Duration::ZERO,
            memory: 0,
            messages_interval: Duration::MAX,
            dead_letters: DeadLetterSettings {
                enterprise_letters: 0,
                enterprise_bytes: 0,
                park_bytes: 0,
            },
        };
        let mut problems = Vec::new();
        wrong.check(&mut problems);
        assert_eq!(problems.len(), 8, "{problems:?}");
        problems.clear();
        ProcessorSettings::default().check(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
    }
}
