//! Dead letters, kept for people: `<lake>/dead-letters/<park>/`, one Delta table per park.
//!
//! The tables lie beside the parks' own folders and not in them: a sender can invent the name of a park in a
//! letter, and that must not create a park. Letters whose topic does not name their owner have the park
//! `_unknown`.
//!
//! A file holds letters of one enterprise in the order of the log. So a reader with the scope of one enterprise
//! reads no other's bytes, and the bounds of one enterprise cost no other anything. Beyond its bounds an
//! enterprise's oldest files are dropped. The number of their letters by day and reason stays, as rows without
//! an offset, so that counts never fall. If a park exceeds its bound, the enterprise with the most bytes loses
//! files first.
//!
//! Progress is recorded in the commit of the letters, as in a book: a letter is added once, whatever is killed,
//! and two writers that do not know of each other add it once.

mod bounds;
mod columns;
mod file;
mod table;

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, GatewayId},
    letter::LetterCode,
    log_position::Partition,
};

pub use self::{
    bounds::Bounds,
    file::LettersFile,
    table::{Added, LettersTable},
};

/// The tables' folder in the lake; no park can have this name.
pub(crate) const ROOT: &str = "dead-letters";

/// The enterprise that stands for all beyond [`ENTERPRISES_MAX`].
pub const OTHER: &str = "_other";

/// Enterprises of a park whose letters are kept apart. A park has hundreds, and a sender that invents more must
/// not cause a file for each. Letters of further ones are kept as those of [`OTHER`].
pub const ENTERPRISES_MAX: usize = 1_000;

/// The place of a letter in the log's topic of dead letters; it is the letter's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    /// The partition.
    pub partition: Partition,
    /// The offset.
    pub offset: u64,
}

/// The text is not the id of a letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no dead letter's id, which is a partition and an offset, as in 0-17")]
pub struct NoLetterId(String);

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = NoLetterId;
    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let parse = || {
            let (partition, offset) = text.split_once('-')?;
            let id = Self {
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            };
            // One id has one spelling.
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| NoLetterId(text.chars().take(40).collect()))
    }
}

/// A dead letter at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its place in the log.
    pub id: LetterId,
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The gateway.
    pub gateway: GatewayId,
    /// When it was received.
    pub received: Instant,
    /// The MQTT topic of its message.
    pub topic: String,
    /// The reason of the refusal, to count and filter by.
    pub code: LetterCode,
    /// The reason, in words.
    pub words: String,
    /// The index of the refused reading in the payload, if the rest was accepted.
    pub index: Option<u32>,
    /// The number of readings refused.
    pub readings: u64,
    /// The payload; empty if payloads were not read.
    pub payload: Bytes,
    /// The length of the payload.
    pub bytes: u64,
    /// True if the payload was longer than the letter keeps.
    pub truncated: bool,
}

/// The number of dropped letters of a day and reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Letters.
    pub letters: u64,
    /// Readings that they refused.
    pub readings: u64,
}

/// The contents of a file, all of one enterprise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letters {
    /// In the order of the log.
    pub kept: Vec<Letter>,
    /// Counts of dropped letters, by the civil day on which they were received.
    pub gone: BTreeMap<(CivilDay, LetterCode), Gone>,
}

/// Whether payloads are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payloads {
    /// With payloads.
    Taken,
    /// Without payloads: the rest of a letter is small.
    Left,
}

impl Letters {
    /// Drops the first `count` letters and counts them.
    fn drop_first(&mut self, count: usize) {
        for letter in self.kept.drain(..count.min(self.kept.len())) {
            count_gone(&mut self.gone, &letter);
        }
    }

    /// Counts all letters of `other`, which is dropped.
    fn absorb(&mut self, other: Self) {
        for letter in &other.kept {
            count_gone(&mut self.gone, letter);
        }
        self.absorb_gone(other.gone);
    }

    fn absorb_gone(&mut self, gone: BTreeMap<(CivilDay, LetterCode), Gone>) {
        for (key, gone) in gone {
            let known = self.gone.entry(key).or_default();
            known.letters = known.letters.saturating_add(gone.letters);
            known.readings = known.readings.saturating_add(gone.readings);
        }
    }

    /// Appends letters that are later in the log.
    fn extend(&mut self, later: Self) {
        self.kept.extend(later.kept);
        self.absorb_gone(later.gone);
    }

    fn bytes(&self) -> u64 {
        self.kept.iter().map(weight).sum()
    }
}

/// The approximate size of a letter before compression.
fn weight(letter: &Letter) -> u64 {
    let texts = letter.topic.len() + letter.words.len() + letter.payload.len();
    // OK because a letter is below 1 MB.
    texts as u64 + 64
}

fn count_gone(gone: &mut BTreeMap<(CivilDay, LetterCode), Gone>, letter: &Letter) {
    let known = gone
        .entry((letter.received.day(), letter.code))
        .or_default();
    known.letters = known.letters.saturating_add(1);
    known.readings = known.readings.saturating_add(letter.readings);
}

#[cfg(test)]
mod tests;
