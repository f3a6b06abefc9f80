//! The system's invariants as predicates, for debug assertions, property tests and the simulation.

use crate::{
    fold::{Outcomes, Point, compose::Consumption},
    meter::amount::Sum,
};

/// I4, ingest: received = accepted + dead-lettered.
#[must_use]
pub fn all_received_are_accounted_for(received: u64, accepted: u64, dead_lettered: u64) -> bool {
    accepted.checked_add(dead_lettered) == Some(received)
}

/// I4, archive: stored = distinct, where `taken` rows contained `duplicates` repeats.
#[must_use]
pub fn stored_are_distinct(taken: u64, duplicates: u64, stored: u64) -> bool {
    stored.checked_add(duplicates) == Some(taken)
}

/// I4, counters: days without a rollover, replacement, reset or jump sum to last − first register.
#[must_use]
pub fn days_sum_to_register_difference(total: &Consumption, first: Point, last: Point) -> bool {
    let Outcomes {
        rollovers,
        replacements,
        resets,
        jumps,
        ..
    } = total.outcomes;
    let corrected = rollovers > 0 || replacements > 0 || resets > 0 || jumps > 0;
    corrected || total.amount == last.register.since(first.register)
}

/// I5: the parts sum to the whole.
#[must_use]
pub fn parts_sum_to_whole(parts: impl IntoIterator<Item = Sum>, whole: Sum) -> bool {
    parts.into_iter().sum::<Sum>() == whole
}
