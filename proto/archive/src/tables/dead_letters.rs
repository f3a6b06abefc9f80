//! Dead letters, kept for people: `<lake>/dead-letters/<park>/`, one Delta table a park.
//!
//! They lie beside the parks' own folders and not in them: a sender can make up the name of a park in a letter,
//! and that makes no park. Letters whose topic does not say whose they are have the park `_unknown`.
//!
//! A file holds letters of one enterprise in the order of the log, so a scope of one enterprise reads no other's
//! bytes, and the bounds of one enterprise take from no other. Beyond its bounds an enterprise's oldest files go;
//! how many letters of which day and reason they held stays, as rows without an offset, so that what is counted
//! never falls. Of a park that has too much altogether the enterprise with the most gives first.
//!
//! How far the log was consumed travels in the commit of the letters, as in a book: a letter is there once,
//! whoever is killed, and two writers that do not know of each other add it once.

mod bounds;
mod columns;
mod table;

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, GatewayId},
    letter::LetterCode,
};

pub use self::{
    bounds::Bounds,
    table::{Added, LettersFile, LettersTable, Payloads},
};

/// The folder of the tables in the lake, which no park's can be.
pub(crate) const ROOT: &str = "dead-letters";

/// The enterprise that stands for all beyond [`ENTERPRISES_MAX`].
pub const OTHER: &str = "_other";

/// Enterprises of a park whose letters are kept apart: a park has hundreds, and a sender that makes up more
/// must not make a file for each. Letters of further ones are kept as those of [`OTHER`].
pub const ENTERPRISES_MAX: usize = 1_000;

/// Where a letter stands in the log's topic of dead letters; it is the letter's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

/// The text is no id of a letter.
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
    /// When it came.
    pub received: Instant,
    /// The MQTT topic it came on.
    pub topic: String,
    /// Why it was refused, to count and filter by.
    pub code: LetterCode,
    /// Why, in words.
    pub words: String,
    /// Which reading of the payload, where the rest was accepted.
    pub index: Option<u32>,
    /// How many readings it refuses.
    pub readings: u64,
    /// The bytes that were sent; none where they were not asked for.
    pub payload: Bytes,
    /// How many there are.
    pub bytes: u64,
    /// The payload was longer than what the letter keeps.
    pub truncated: bool,
}

/// Letters of a day and reason that are gone, by number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Letters.
    pub letters: u64,
    /// Readings that they refused.
    pub readings: u64,
}

/// What a file holds, of one enterprise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letters {
    /// In the order of the log.
    pub kept: Vec<Letter>,
    /// What stands for letters that were dropped, by the civil day on which they came.
    pub gone: BTreeMap<(CivilDay, LetterCode), Gone>,
}

impl Letters {
    /// Forgets the first `count` letters, all but their number.
    fn drop_first(&mut self, count: usize) {
        for letter in self.kept.drain(..count.min(self.kept.len())) {
            count_gone(&mut self.gone, &letter);
        }
    }

    /// Adds what `other`, which is dropped altogether, held.
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

    /// Adds what comes after it in the log.
    fn extend(&mut self, later: Self) {
        self.kept.extend(later.kept);
        self.absorb_gone(later.gone);
    }

    fn bytes(&self) -> u64 {
        self.kept.iter().map(weight).sum()
    }
}

/// Roughly what a letter takes before it is compressed.
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
