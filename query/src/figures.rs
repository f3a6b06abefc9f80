//! Figures: a question, the consumption that counts, and a numerator over a denominator.
//!
//! Progress, comparisons, scorecards, water, waste and data quality are here too. No module reads a file or the
//! clock.

pub(crate) mod comparison;
pub(crate) mod consumption;
pub(crate) mod convert;
pub(crate) mod figure;
pub(crate) mod materials;
pub(crate) mod measure;
pub(crate) mod park_days;
pub(crate) mod population;
pub(crate) mod progress;
pub mod quality;
pub(crate) mod scorecard;
