//! The delivery of readings and their storage in an archive: sorted by instant, each distinct value of an identity
//! once, all superseded except the one that was new last.

use std::collections::BTreeMap;

use greenpark_model::{
    day::{CivilDay, Instant},
    fold::{DayColumns, DayFold, MeterProfile, fold_day},
    reading::{Flag, Kind},
};

use crate::truth::Truth;

/// A reading as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) instant: i64,
    pub(crate) value: i64,
    pub(crate) flag: Flag,
}

/// A day as it is stored.
#[derive(Debug, Default)]
struct Stored {
    instants: Vec<i64>,
    values: Vec<i64>,
    flags: Vec<u8>,
    superseded: Vec<bool>,
}

impl Truth {
    /// Every reading once, in order.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let readings = self.readings.iter();
        readings
            .map(|r| Delivery {
                instant: r.instant,
                value: r.register,
                flag: Flag::Normal,
            })
            .collect()
    }
}

/// Stores the readings in their order of arrival, and folds each day.
pub(crate) fn fold_days(meter: &MeterProfile, arrived: &[Delivery]) -> Vec<(CivilDay, DayFold)> {
    let mut identities: BTreeMap<i64, Vec<Delivery>> = BTreeMap::new();
    for delivery in arrived {
        let values = identities.entry(delivery.instant).or_default();
        if !values.contains(delivery) {
            values.push(*delivery);
        }
    }
    let mut days: BTreeMap<CivilDay, Stored> = BTreeMap::new();
    for (instant, values) in identities {
        let stored = days.entry(Instant::from_millis(instant).day()).or_default();
        for (place, delivery) in values.iter().enumerate() {
            stored.instants.push(instant);
            stored.values.push(delivery.value);
            stored.flags.push(delivery.flag.code());
            stored.superseded.push(place + 1 < values.len());
        }
    }
    let fold = |(day, stored): (CivilDay, Stored)| {
        let columns = DayColumns {
            instants: &stored.instants,
            values: &stored.values,
            flags: &stored.flags,
            superseded: &stored.superseded,
        };
        (day, fold_day(Kind::Register, &meter.on(day), columns))
    };
    days.into_iter().map(fold).collect()
}
