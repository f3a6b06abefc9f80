//! Recorded corrections by hand: the consumption of a meter on some days. Pure.

use greenpark_model::{
    amount::{Amount, Sum},
    day::DayRange,
    money::prorate,
};

/// A correction in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correction {
    /// The kind of readings that its entry names.
    pub(crate) kind: greenpark_model::reading::Kind,
    pub(crate) days: DayRange,
    /// The meter's consumption on these days, after its multiplier, in the canonical unit.
    pub(crate) amount: Amount,
    pub(crate) reason: String,
    pub(crate) recorded_at: greenpark_model::day::Instant,
    pub(crate) recorded_by: String,
    pub(crate) evidence: String,
}

impl Correction {
    /// The part of `range` that it corrects, and the share of its amount for that part.
    pub(crate) fn share(&self, range: DayRange) -> Option<(DayRange, Sum)> {
        let part = self.days.intersection(range)?;
        let until = |day| {
            let days = greenpark_model::day::CivilDay::days_since(day, self.days.first());
            prorate(self.amount.into(), days, self.days.days())
        };
        Some((part, until(part.last().next()) - until(part.first())))
    }

    /// Finds a correction of other days that overlaps the days of this one.
    pub(crate) fn overlapping<'a>(&self, others: &'a [Self]) -> Option<&'a Self> {
        let overlaps = |other: &&Self| other.days != self.days && other.days.overlaps(self.days);
        others.iter().find(overlaps)
    }
}
