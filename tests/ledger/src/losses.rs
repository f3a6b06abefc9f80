//! The messages that were lost when the lake or the log was restored, lost or damaged.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    books::Books,
    gateway::{DeliveryRecord, number},
    packets::EPOCH,
    plan::{LoadPlan, Missing, PlannedMessage, ValueOrigin},
    survivors::Survivors,
};

/// The record of each gateway, which changes while the gateway runs.
pub type DeliveryRecords = Vec<Arc<Mutex<DeliveryRecord>>>;

/// Acknowledged messages that neither the lake nor the log holds any more, by gateway and index in its record.
#[derive(Debug, Default)]
pub struct Losses {
    /// Messages whose content is lost.
    content_lost: BTreeSet<(u64, usize)>,
    /// Messages whose content is held but whose number is lost; the lake reports them as missing anyway.
    number_lost: BTreeSet<(u64, usize)>,
}

impl Losses {
    /// Notes the acknowledged messages that `left` does not hold. No message may be acknowledged meanwhile.
    pub fn note(&mut self, plan: LoadPlan, records: &DeliveryRecords, left: &Survivors) {
        for (gateway, record) in (0..).zip(records) {
            let record = record.lock().unwrap_or_else(PoisonError::into_inner);
            let each = record.messages.iter().zip(&record.acknowledged);
            for (at, (&message, _)) in each.enumerate().filter(|(_, (_, acked))| **acked) {
                let known = left.knows(gateway, number(at));
                // A dead letter and its number are in different topics and can be lost independently.
                let is_letter = matches!(message, PlannedMessage::Poison(_));
                match (known, left.holds(plan, gateway, message)) {
                    (true, true) => {}
                    (true, false) if !is_letter => {}
                    (false, true) => drop(self.number_lost.insert((gateway, at))),
                    (_, false) => drop(self.content_lost.insert((gateway, at))),
                }
            }
        }
    }

    /// Number of messages whose content is lost.
    #[must_use]
    pub fn content_lost(&self) -> usize {
        self.content_lost.len()
    }

    /// Number of messages of which only the number is lost.
    #[must_use]
    pub fn number_lost(&self) -> usize {
        self.number_lost.len()
    }

    /// Returns true if the content of a message is lost.
    #[must_use]
    pub fn is_content_lost(&self, gateway: u64, at: usize) -> bool {
        self.content_lost.contains(&(gateway, at))
    }

    /// Returns true if only the number of a message is lost.
    #[must_use]
    pub fn is_number_lost(&self, gateway: u64, at: usize) -> bool {
        self.number_lost.contains(&(gateway, at))
    }

    /// The values that are missing in `books`: those of lost messages that did not come again. A message may come
    /// again because some are sent twice.
    #[must_use]
    pub fn missing(&self, plan: LoadPlan, records: &[DeliveryRecord], books: &Books) -> Missing {
        let mut missing = Missing::default();
        let back = self.first_values_in_force(plan, books);
        for &(gateway, at) in &self.content_lost {
            let known = books.messages.get(&(format!("g{gateway}"), EPOCH));
            let came = known.is_some_and(|known| known.contains(number(at)));
            let Some(record) = records.get(gateway as usize).filter(|_| !came) else {
                continue;
            };
            match record.messages[at] {
                // If only its number is lost, the first value in force is the only sign that it came.
                PlannedMessage::Restored(serial) if back.contains(&serial) => {}
                message => missing.add(plan, gateway, message),
            }
        }
        missing
    }

    /// Corrected readings whose first value is in force.
    fn first_values_in_force(&self, plan: LoadPlan, books: &Books) -> BTreeSet<u64> {
        let mut first = BTreeSet::new();
        for day in books
            .sealed
            .values()
            .filter(|_| !self.content_lost.is_empty())
        {
            let rows = day.rows.values.iter().zip(&day.rows.superseded);
            let named = rows.filter(|(_, superseded)| !**superseded);
            let named = named.filter_map(|(value, _)| plan.origin(*value));
            first.extend(named.filter_map(|named| match named {
                ValueOrigin::First(serial) => {
                    Some(serial).filter(|serial| plan.is_restored(*serial))
                }
                ValueOrigin::Correction(_) => None,
            }));
        }
        first
    }
}
