//! Selects, orders and counts dead letters, and knows their replays. Pure.
//!
//! The lake stores dead letters by enterprise. A replay is an entry of the reference table, with its author and
//! evidence.

mod filter;

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::{
    dead_letters::{Letter, LetterId, Letters},
    reference::ReferenceSnapshot,
};
use greenpark_model::{
    day::Instant,
    id::{EnterpriseId, ParkId},
    letter::LetterCode,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::filter::Filter;
use crate::{error::QueryError, register::name::Name};

/// The kind of an entry that records replays: subject `parks/P/enterprises/E`, body `{"letters":["0-17"]}`.
pub(crate) const REPLAY: &str = "dead-letter-replay";

/// The body of a replay entry.
#[derive(Debug, Serialize, Deserialize)]
struct ReplayBody {
    letters: Vec<String>,
}

/// Writes the body of a replay entry.
pub(crate) fn replay_body(letters: &[LetterId]) -> String {
    let letters = letters.iter().map(ToString::to_string).collect();
    serde_json::to_string(&ReplayBody { letters }).expect("a body of texts is JSON")
}

/// The name of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LetterName {
    pub(crate) park: ParkId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) id: LetterId,
}

impl LetterName {
    /// Parses `text`, the value of the request's `field`.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, QueryError> {
        let unfit = || {
            let start: String = text.chars().take(120).collect();
            let problem = format!(
                "'{start}' is no dead letter's name; write parks/P/enterprises/E/deadLetters/0-17"
            );
            QueryError::invalid(field, problem)
        };
        let (enterprise, id) = text.split_once("/deadLetters/").ok_or_else(unfit)?;
        let Name::Enterprise(park, enterprise) = Name::parse(field, enterprise)? else {
            return Err(unfit());
        };
        let id = id.parse();
        let id = id.map_err(|error: greenpark_archive::dead_letters::NoLetterId| {
            QueryError::invalid(field, error.to_string())
        })?;
        Ok(Self {
            park,
            enterprise,
            id,
        })
    }

    /// The name of its enterprise.
    pub(crate) fn of(&self) -> Name {
        Name::Enterprise(self.park.clone(), self.enterprise.clone())
    }
}

impl std::fmt::Display for LetterName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/deadLetters/{}", self.of(), self.id)
    }
}

/// One recorded replay of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) recorded_at: Instant,
    pub(crate) recorded_by: String,
    pub(crate) evidence: String,
}

/// Replays by dead letter.
#[derive(Debug, Default)]
pub(crate) struct Replays(BTreeMap<(ParkId, LetterId), Vec<Replay>>);

impl Replays {
    /// Reads the replays recorded in `snapshot`.
    pub(crate) fn read(snapshot: &ReferenceSnapshot) -> Result<Self, QueryError> {
        let mut all = Self::default();
        let entries = snapshot.entries.iter().filter(|entry| entry.kind == REPLAY);
        for entry in entries {
            let broken = || {
                let subject = &entry.subject;
                QueryError::Broken(format!("reference entry '{REPLAY}' of '{subject}'"))
            };
            let body: ReplayBody = serde_json::from_str(&entry.body).map_err(|_| broken())?;
            let Ok(Name::Enterprise(park, _)) = Name::parse("subject", &entry.subject) else {
                return Err(broken());
            };
            let replay = Replay {
                recorded_at: entry.recorded_at,
                recorded_by: entry.recorded_by.clone(),
                evidence: entry.evidence.clone(),
            };
            for id in body.letters {
                let id: LetterId = id.parse().map_err(|_| broken())?;
                let of = all.0.entry((park.clone(), id)).or_default();
                of.push(replay.clone());
            }
        }
        Ok(all)
    }

    /// The replays of a letter, in the order of recording.
    pub(crate) fn of(&self, park: &ParkId, id: LetterId) -> &[Replay] {
        let found = self.0.get(&(park.clone(), id));
        found.map_or(&[], Vec::as_slice)
    }
}

/// A filter applied to the dead letters of one park.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) park: &'a ParkId,
    pub(crate) filter: &'a Filter,
    pub(crate) replays: &'a Replays,
}

impl View<'_> {
    /// True if the filter selects `letter`.
    pub(crate) fn selects(&self, letter: &Letter) -> bool {
        let replayed = || !self.replays.of(self.park, letter.id).is_empty();
        self.filter.selects(letter) && !(self.filter.unreplayed && replayed())
    }

    /// The sort key of a dead letter: the newest come first.
    pub(crate) fn key(&self, received: Instant, id: LetterId) -> String {
        let (ms, LetterId { partition, offset }) = (instant_key(received), id);
        let park = self.park;
        format!("{ms} {park} {partition:010} {:020}", u64::MAX - offset)
    }
}

/// The prefix of the sort keys of dead letters received at `received`.
pub(crate) fn instant_key(received: Instant) -> String {
    let ms = u64::try_from(received.millis()).unwrap_or(0);
    format!("{:020}", u64::MAX - ms)
}

/// Numbers of dead letters of one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) letters: u64,
    pub(crate) kept: u64,
    pub(crate) readings: u64,
}

/// Numbers of dead letters by reason.
pub(crate) type Counts = BTreeMap<LetterCode, Count>;

/// Adds the `letters` that `view` selects to `counts`.
pub(crate) fn count(letters: &Letters, view: View<'_>, counts: &mut Counts) {
    for letter in letters.kept.iter().filter(|letter| view.selects(letter)) {
        let of = counts.entry(letter.code).or_default();
        of.letters += 1;
        of.kept += 1;
        of.readings = of.readings.saturating_add(letter.readings);
    }
    for (&(day, code), gone) in &letters.gone {
        if view.filter.selects_deleted(day, code) {
            let of = counts.entry(code).or_default();
            of.letters = of.letters.saturating_add(gone.letters);
            of.readings = of.readings.saturating_add(gone.readings);
        }
    }
}

/// Counts as text, the largest first: `12 unknown-unit, 2 bad-instant`.
pub(crate) fn summary(counts: &Counts) -> String {
    let mut all: Vec<_> = counts.iter().filter(|(_, of)| of.letters > 0).collect();
    all.sort_by_key(|(code, of)| (std::cmp::Reverse(of.letters), **code));
    let each = all
        .iter()
        .map(|(code, of)| format!("{} {}", of.letters, code.as_str()));
    each.collect::<Vec<String>>().join(", ")
}

/// The ids of each enterprise among `names`.
pub(crate) fn by_enterprise(
    names: &[LetterName],
) -> BTreeMap<(ParkId, EnterpriseId), BTreeSet<LetterId>> {
    let mut all: BTreeMap<_, BTreeSet<LetterId>> = BTreeMap::new();
    for name in names {
        let of = (name.park.clone(), name.enterprise.clone());
        all.entry(of).or_default().insert(name.id);
    }
    all
}
