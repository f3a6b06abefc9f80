//! What an operator may tune, and what nobody should.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::letters::LetterSettings;

/// Settings of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The consumer group.
    pub group: String,
    /// How long after midnight a day may be sealed, so that gateways that buffer are in time.
    #[serde(with = "greenpark_settings::span")]
    pub grace: Duration,
    /// How long no row may come before a day that is over is sealed. Each further revision of a day
    /// doubles it, up to ten minutes, so that a trickle of late rows makes few revisions.
    #[serde(with = "greenpark_settings::span")]
    pub quiet: Duration,
    /// The time between two flushes while rows keep coming.
    #[serde(with = "greenpark_settings::span")]
    pub flush_interval: Duration,
    /// Resident memory of the processor, in bytes: 128 MiB for what it needs at any rate, and
    /// rows that are buffered, put together and sealed. One enterprise's day is in memory at once, some
    /// 100 bytes a row, whatever is set here.
    #[serde(with = "greenpark_settings::size")]
    pub memory: usize,
    /// How long numbers of messages wait before the lake's table of messages has them. The group's offset
    /// waits for them: so much of the log is read again after a kill, where gateways number.
    #[serde(with = "greenpark_settings::span")]
    pub messages_interval: Duration,
    /// How many dead letters the lake keeps.
    pub dead_letters: LetterSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            group: "greenpark-processor".to_owned(),
            grace: Duration::from_secs(3_600),
            quiet: Duration::from_secs(2),
            flush_interval: Duration::from_secs(5),
            memory: 512 << 20,
            messages_interval: Duration::from_secs(60),
            dead_letters: LetterSettings::default(),
        }
    }
}

/// A duration of the settings in milliseconds; checked settings are far below the bound.
pub(crate) fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The longest a day that is over waits for quiet before it is sealed all the same.
pub(crate) const SEAL_WAIT_MS_MAX: i64 = 10 * 60 * 1000;
/// A pause in the arrivals after which an idle processor flushes at once.
pub(crate) const PAUSE_MS: i64 = 25;
/// Flushes that may come early after idling: a late reading is in the next answer, and a slow stream
/// does not make a commit a reading.
pub(crate) const EARLY_FLUSHES_MAX: u32 = 8;
/// Payload bytes taken from the reader at once.
pub(crate) const READ_BYTES_MAX: usize = 512 << 10;
/// Hot files of one day that are merged into one.
pub(crate) const HOT_FILES_MAX: usize = 12;
/// Memory that rows do not take: the process itself, what the reader holds ahead, and files on their way.
const RESERVED_BYTES: usize = 128 << 20;
/// Memory of a buffered row: its columns, which may have grown to twice their size, and those of the rows
/// that are merged of it and of files while it is flushed.
const BUFFERED_ROW_BYTES: usize = 768;
/// Memory of a row that is sealed: its columns as read, as merged, as one enterprise's and as encoded.
const SEALED_ROW_BYTES: usize = 384;
/// The least that [`Settings::memory`] may be.
const MEMORY_MIN: usize = 192 << 20;

impl Settings {
    /// Buffered rows that force a flush.
    pub(crate) fn buffer_rows(&self) -> usize {
        self.rows_memory() / BUFFERED_ROW_BYTES
    }

    /// Rows that are put together or sealed at once, so that a long backlog, or the day of a large park,
    /// takes no more memory than another.
    pub(crate) fn seal_rows(&self) -> u64 {
        (self.rows_memory() / SEALED_ROW_BYTES) as u64
    }

    fn rows_memory(&self) -> usize {
        self.memory.saturating_sub(RESERVED_BYTES)
    }

    /// Adds a line to `problems` for each setting that cannot be.
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
    fn every_mistake_is_told_at_once() {
        let wrong = Settings {
            group: String::new(),
            grace: Duration::MAX,
            quiet: Duration::ZERO,
            flush_interval: Duration::ZERO,
            memory: 0,
            messages_interval: Duration::MAX,
            dead_letters: LetterSettings {
                enterprise_letters: 0,
                enterprise_bytes: 0,
                park_bytes: 0,
            },
        };
        let mut problems = Vec::new();
        wrong.check(&mut problems);
        assert_eq!(problems.len(), 8, "{problems:?}");
        problems.clear();
        Settings::default().check(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
    }
}
