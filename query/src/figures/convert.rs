//! Values of the wire that several figures share.

pub(crate) mod unsound;

use greenpark_model::{
    coal::Basis,
    day::{DayRange, Instant},
};
use greenpark_proto::query::v1 as pb;

/// An instant on the wire.
pub(crate) fn timestamp(instant: Instant) -> prost_types::Timestamp {
    let ms = instant.0.rem_euclid(1_000);
    prost_types::Timestamp {
        seconds: instant.0.div_euclid(1_000),
        nanos: i32::try_from(ms * 1_000_000).expect("less than a second"),
    }
}

/// An amount on the wire.
pub(crate) fn amount(value: impl ToString, unit: &str) -> pb::Amount {
    pb::Amount {
        value: value.to_string(),
        unit: unit.to_owned(),
    }
}

/// A range on the wire.
pub(crate) fn days(range: DayRange) -> pb::Days {
    pb::Days {
        first: range.first().to_string(),
        last: range.last().to_string(),
    }
}

/// A basis on the wire.
pub(crate) fn basis(basis: Basis) -> pb::Basis {
    match basis {
        Basis::Calorific => pb::Basis::Calorific,
        Basis::PrimaryEquivalent => pb::Basis::PrimaryEquivalent,
    }
}
