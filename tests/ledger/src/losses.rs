//! What was lost with a part that was restored or damaged, as the parts that are left tell it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    books::Books,
    gateway::{Record, number},
    packets::EPOCH,
    plan::{Message, Missing, Named, Plan},
    survivors::Survivors,
};

/// The record of each gateway, as it is now.
pub type Records = Vec<Arc<Mutex<Record>>>;

/// Messages that were acknowledged and that no part holds any more, by gateway and place in its record.
#[derive(Debug, Default)]
pub struct Losses {
    /// Those whose content is gone.
    gone: BTreeSet<(u64, usize)>,
    /// Those whose content is held and whose number is gone: the lake names them as missing all the same.
    nameless: BTreeSet<(u64, usize)>,
}

impl Losses {
    /// Takes what `left` does not hold of what gateways were told is safe. Nobody acknowledges anything meanwhile.
    pub fn take(&mut self, plan: Plan, records: &Records, left: &Survivors) {
        for (line, record) in (0..).zip(records) {
            let record = record.lock().unwrap_or_else(PoisonError::into_inner);
            let each = record.messages.iter().zip(&record.acknowledged);
            for (at, (&message, _)) in each.enumerate().filter(|(_, (_, told))| **told) {
                let known = left.knows(line, number(at));
                // A dead letter rests beside its number, each in a topic of its own.
                let is_letter = matches!(message, Message::Poison(_));
                match (known, left.holds(plan, line, message)) {
                    (true, true) => {}
                    (true, false) if !is_letter => {}
                    (false, true) => drop(self.nameless.insert((line, at))),
                    (_, false) => drop(self.gone.insert((line, at))),
                }
            }
        }
    }

    /// Messages that are gone.
    #[must_use]
    pub fn gone(&self) -> usize {
        self.gone.len()
    }

    /// Messages of which only the number is.
    #[must_use]
    pub fn nameless(&self) -> usize {
        self.nameless.len()
    }

    /// Whether the content of a message is gone.
    #[must_use]
    pub fn is_gone(&self, line: u64, at: usize) -> bool {
        self.gone.contains(&(line, at))
    }

    /// Whether only the number of a message is gone.
    #[must_use]
    pub fn is_nameless(&self, line: u64, at: usize) -> bool {
        self.nameless.contains(&(line, at))
    }

    /// What is missing in `books`: what is gone and did not come again, as what is sent twice may.
    #[must_use]
    pub fn missing(&self, plan: Plan, records: &[Record], books: &Books) -> Missing {
        let mut missing = Missing::default();
        let back = self.first_values_in_force(plan, books);
        for &(line, at) in &self.gone {
            let known = books.messages.get(&(format!("g{line}"), EPOCH));
            let came = known.is_some_and(|known| known.contains(number(at)));
            let Some(record) = records.get(line as usize).filter(|_| !came) else {
                continue;
            };
            match record.messages[at] {
                // Where its number was lost alone, that the first value counts is all that tells.
                Message::Restored(serial) if back.contains(&serial) => {}
                message => missing.add(plan, line, message),
            }
        }
        missing
    }

    /// Corrected readings whose first value counts.
    fn first_values_in_force(&self, plan: Plan, books: &Books) -> BTreeSet<u64> {
        let mut first = BTreeSet::new();
        for day in books.sealed.values().filter(|_| !self.gone.is_empty()) {
            let rows = day.rows.values.iter().zip(&day.rows.superseded);
            let named = rows.filter(|(_, superseded)| !**superseded);
            let named = named.filter_map(|(value, _)| plan.named(*value));
            first.extend(named.filter_map(|named| match named {
                Named::First(serial) => Some(serial).filter(|serial| plan.is_restored(*serial)),
                Named::Correction(_) => None,
            }));
        }
        first
    }
}
