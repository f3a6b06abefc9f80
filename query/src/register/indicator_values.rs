//! The declared values of a plan's indicators. Pure.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// The declared values of one indicator, by year.
pub(crate) type Values = BTreeMap<i16, Decimal>;
