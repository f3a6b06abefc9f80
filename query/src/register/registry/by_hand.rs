//! Corrections by hand as of an instant. Pure.
//!
//! A registry holds the corrections that are in force. A figure as of the instant when its period became final needs
//! those that were in force then, so their few entries are kept too.

use std::collections::BTreeMap;

use greenpark_archive::{
    reference::{ReferenceEntry, ReferenceSnapshot},
    withdrawal::WITHDRAWAL,
};
use greenpark_model::{
    day::{DayRange, Instant},
    id::{EnterpriseId, MeterId, ParkId},
    quantity::Quantity,
};

use super::{Park, body, take::apply};
use crate::register::{corrections::Correction, name::Name};

/// An entry of a correction or of its withdrawal.
#[derive(Debug, Clone)]
pub(crate) struct ByHand {
    pub(crate) enterprise: EnterpriseId,
    pub(crate) meter: MeterId,
    entry: ReferenceEntry,
}

impl ByHand {
    /// The instant when it was recorded.
    pub(crate) fn recorded_at(&self) -> Instant {
        self.entry.recorded_at
    }
}

/// Stores the entries about corrections with their parks.
pub(super) fn keep(parks: &mut BTreeMap<ParkId, Park>, snapshot: &ReferenceSnapshot) {
    let kinds = [body::CORRECTION, WITHDRAWAL];
    let entries = snapshot.entries.iter();
    for entry in entries.filter(|entry| kinds.contains(&entry.kind.as_str())) {
        if let Ok(Name::Meter(park, enterprise, meter)) = Name::parse("subject", &entry.subject) {
            parks.entry(park).or_default().by_hand.push(ByHand {
                enterprise,
                meter,
                entry: entry.clone(),
            });
        }
    }
}

impl Park {
    /// The entries about corrections that were recorded after `since`, in order.
    pub(crate) fn by_hand_after(&self, since: Instant) -> impl Iterator<Item = &ByHand> {
        let all = self.by_hand.iter();
        all.filter(move |of| of.recorded_at() > since)
    }

    /// Returns this registry with the corrections that were in force at `at`.
    pub(crate) fn with_corrections_of(&self, at: Instant) -> Self {
        let mut parks = BTreeMap::new();
        for of in self.by_hand.iter().filter(|of| of.recorded_at() <= at) {
            // An unreadable entry would have failed the reading of the whole registry.
            let read = apply(&mut parks, &of.entry);
            debug_assert!(read.is_ok(), "{read:?}");
        }
        let then: Self = parks.into_values().next().unwrap_or_default();
        let mut made = Self {
            corrections: then.corrections,
            ..self.clone()
        };
        made.corrected = made.series_of_corrections();
        made
    }

    /// The corrections of a meter's quantities that are in force on a day of `range`.
    pub(crate) fn corrections_in(
        &self,
        (enterprise, meter): (&EnterpriseId, &MeterId),
        quantities: &dyn Fn(Quantity) -> bool,
        range: DayRange,
    ) -> Vec<&Correction> {
        let of_meter = self.all_corrections().filter(|(key, _)| {
            key.enterprise == *enterprise && key.meter == *meter && quantities(key.quantity)
        });
        let all = of_meter.flat_map(|(_, corrections)| corrections);
        all.filter(|of| of.days.overlaps(range)).collect()
    }
}
