//! Corrections by hand as they are recorded: what a meter consumed on some days. Pure.

use greenpark_model::{
    amount::{Amount, Sum},
    day::DayRange,
    money::prorate,
};

/// A correction in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correction {
    /// The kind that was named with it.
    pub(crate) kind: greenpark_model::reading::Kind,
    pub(crate) days: DayRange,
    /// What the meter consumed on these days, multiplied, in the canonical unit.
    pub(crate) amount: Amount,
    pub(crate) reason: String,
    pub(crate) recorded_at: greenpark_model::day::Instant,
    pub(crate) recorded_by: String,
    pub(crate) evidence: String,
}

impl Correction {
    /// What it says of `range`.
    pub(crate) fn share(&self, range: DayRange) -> Option<(DayRange, Sum)> {
        let part = self.days.intersection(range)?;
        let until = |day| {
            let days = greenpark_model::day::CivilDay::days_since(day, self.days.first());
            prorate(self.amount.into(), days, self.days.days())
        };
        Some((part, until(part.last().next()) - until(part.first())))
    }

    /// The correction of another's days that overlaps this one's.
    pub(crate) fn overlapping<'a>(&self, others: &'a [Self]) -> Option<&'a Self> {
        let overlaps = |other: &&Self| other.days != self.days && other.days.overlaps(self.days);
        others.iter().find(overlaps)
    }
}
