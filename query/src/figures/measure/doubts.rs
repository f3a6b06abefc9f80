//! Records doubts about measured amounts: sides, kinds and repeats. Pure.

use greenpark_model::{
    amount::Sum,
    day::DayRange,
    fold::MeterProfile,
    quantity::{Medium, Quantity},
};

use super::{Factors, Measured, Metered, OneSeries, Question};
use crate::{
    figures::consumption::{
        corrected::Corrected,
        counting::Counting,
        implausible::{self, Implausible},
        sides::Sides,
    },
    lake::books::SeriesDays,
};

impl Measured {
    /// Records the uncertain sides of the energies of `name`.
    pub(super) fn note_sides(&mut self, sides: Sides, name: &str) {
        let of = |medium: Medium| format!("{name} {}", medium.as_str());
        let Sides {
            undeclared,
            declared,
            unmetered,
            ..
        } = sides;
        let undeclared = undeclared.into_iter();
        self.side_undeclared
            .extend(undeclared.map(|(medium, sums)| (of(medium), sums)));
        let declared = declared.into_iter();
        self.both_sides
            .extend(declared.map(|(medium, side)| (of(medium), side)));
        let unmetered = unmetered.into_iter();
        self.side_unmetered
            .extend(unmetered.map(|(medium, side)| (of(medium), side)));
    }

    /// Records a meter with readings of another kind than the one that counts.
    pub(super) fn note_kinds(
        &mut self,
        of: &OneSeries<'_>,
        counting: &Counting,
        range: DayRange,
        name: &dyn Fn() -> String,
    ) {
        if counting.conflict {
            self.kind_conflict.insert(name());
        }
        let other = of
            .park
            .other_kinds(of.enterprise, of.series, of.parts, range);
        if !other.is_empty() {
            self.other_kind.insert(name());
        }
    }

    /// Records the implausible amounts of the meter on `days`.
    pub(super) fn note_implausible(
        &mut self,
        question: &Question<'_>,
        of: &OneSeries<'_>,
        (traits, days): (&MeterProfile, &[DayRange]),
        name: &dyn Fn() -> String,
    ) {
        let Metered { quantity, kind, .. } = of.series;
        let times = question.rules.quality.times();
        let found = implausible::of(of.parts, traits, *kind, (days, times));
        self.implausible
            .extend(found.into_iter().map(|found| Implausible {
                meter: name(),
                quantity: *quantity,
                found,
            }));
    }

    /// Adds a booked amount to those of meters without a registry entry.
    pub(super) fn note_unregistered(
        &mut self,
        (quantity, by, sign): (Quantity, Factors, i8),
        corrected: &Corrected,
    ) {
        if let Some(part) = self.parts.get_mut(&(quantity, by)) {
            let amount = corrected.consumption.amount;
            part.counted_unregistered += Sum(amount.0 * i128::from(sign));
        }
    }

    /// Counts the repeated readings of `days`.
    pub(super) fn note_repeats(&mut self, parts: &[&SeriesDays], days: DayRange) {
        let repeats = parts.iter().flat_map(|part| &part.repeats);
        for &(_, duplicates, conflicts) in repeats.filter(|(day, ..)| days.contains(*day)) {
            self.duplicates += u64::from(duplicates);
            self.conflicts += u64::from(conflicts);
        }
    }

    /// Returns true if there is any reading or correction by hand.
    pub(crate) fn is_known(&self) -> bool {
        self.readings > 0 || !self.corrections.is_empty()
    }
}
