//! Conversions into wire values that several figures share.

pub(crate) mod unsound;

use greenpark_model::{
    coal::Basis,
    day::{DayRange, Instant},
};
use greenpark_proto::query::v1 as pb;

/// The wire form of an instant.
pub(crate) fn timestamp(instant: Instant) -> prost_types::Timestamp {
    let ms = instant.millis().rem_euclid(1_000);
    prost_types::Timestamp {
        seconds: instant.millis().div_euclid(1_000),
        nanos: i32::try_from(ms * 1_000_000).expect("less than a second"),
    }
}

/// The wire form of an amount.
pub(crate) fn amount(value: impl ToString, unit: &str) -> pb::Amount {
    pb::Amount {
        value: value.to_string(),
        unit: unit.to_owned(),
    }
}

/// The wire form of a range of days.
pub(crate) fn days(range: DayRange) -> pb::Days {
    pb::Days {
        first: range.first().to_string(),
        last: range.last().to_string(),
    }
}

/// The wire form of a basis.
pub(crate) fn basis(basis: Basis) -> pb::Basis {
    match basis {
        Basis::Calorific => pb::Basis::Calorific,
        Basis::PrimaryEquivalent => pb::Basis::PrimaryEquivalent,
    }
}
