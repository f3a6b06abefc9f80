//! Plans: targets with a base year and an end year, as data.

pub mod declared;
pub mod decomposition;
pub mod forecast;
pub mod progress;

use rust_decimal::Decimal;

use crate::indicator::Indicator;

/// The form of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetForm {
    /// A fall by this many per cent from the base year to the end year.
    Fall(Decimal),
    /// At least this many per cent in every year.
    Floor(Decimal),
}

/// One target of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The indicator that the target is about.
    pub indicator: Indicator,
    /// The fall or the floor to be reached.
    pub form: TargetForm,
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
    /// The year from which falls are counted.
    pub base_year: i16,
    /// The year by which targets are to be reached.
    pub end_year: i16,
    /// Its targets.
    pub targets: Vec<Target>,
}

impl Plan {
    /// Years from the base year to the end year.
    #[must_use]
    pub fn years(&self) -> i16 {
        self.end_year.saturating_sub(self.base_year)
    }
}
