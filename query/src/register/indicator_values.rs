//! The values that are declared for a plan's indicators. Pure.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// The values declared for one indicator, by year.
pub(crate) type Values = BTreeMap<i16, Decimal>;
