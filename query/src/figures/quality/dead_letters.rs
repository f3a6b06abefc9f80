//! Dead letters of enterprises, reported beside the findings. Pure.

use std::collections::BTreeMap;

use greenpark_model::{
    day::DayRange,
    id::{EnterpriseId, ParkId},
};

use super::Finding;
use crate::{
    lake::dead_letters::{Counts, summary},
    register::name::Name,
};

/// Counts of dead letters, by enterprise and reason.
pub(crate) type LettersOf = BTreeMap<(ParkId, EnterpriseId), Counts>;

/// The finding for the refused messages of an enterprise's gateways in `range`.
pub(crate) fn finding(counts: &Counts, range: DayRange) -> Finding {
    let dead_letters: u64 = counts.values().map(|of| of.letters).sum();
    let readings: u64 = counts.values().map(|of| of.readings).sum();
    Finding {
        check: "dead-letters",
        series: None,
        days: range,
        detail: format!(
            "{dead_letters} dead letter(s) refuse {readings} reading(s): {}",
            summary(counts)
        ),
    }
}

/// The note on dead letters of senders outside the counted enterprises; `None` if there are none.
pub(crate) fn of_others(others: &LettersOf) -> Option<String> {
    let (of, counts) = others.first_key_value()?;
    let name = Name::Enterprise(of.0.clone(), of.1.clone());
    let total: u64 = others
        .values()
        .flat_map(Counts::values)
        .map(|c| c.letters)
        .sum();
    let more = match others.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!(
        "{total} dead letter(s) of senders that are not counted here: {name} ({}){more}; see dead-letters list",
        summary(counts)
    ))
}
