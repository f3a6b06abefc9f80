//! Plans: targets with a base year and an end year, as data.

use rust_decimal::Decimal;

use crate::indicator::Indicator;

/// What a target asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A fall by this many per cent from the base year to the end year.
    Fall(Decimal),
    /// At least this many per cent in every year.
    Floor(Decimal),
}

/// One target of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The indicator it binds.
    pub indicator: Indicator,
    /// What it asks.
    pub form: Form,
}

/// A plan with its dates and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The document it comes from.
    pub source: String,
    /// The year that falls are counted from.
    pub base_year: i16,
    /// The year by which they are reached.
    pub end_year: i16,
    /// Its targets.
    pub targets: Vec<Target>,
}

impl Plan {
    /// Years from the base to the end.
    #[must_use]
    pub fn years(&self) -> i16 {
        self.end_year.saturating_sub(self.base_year)
    }
}
