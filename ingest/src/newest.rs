//! Lateness: a reading is late if it is far behind the newest instant of its gateway.
//!
//! The newest instants are shared by all connections and outlive them, because a gateway whose
//! clock is reset also reconnects. They do not outlive the process: the first reading after a start
//! defines the newest instant.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use rustc_hash::FxHashMap;

use crate::{
    limits::NEWEST_MAX,
    settings::{DecodeSettings, LatePolicy},
    topic::Origin,
};

/// The threshold and policy of lateness, and the newest instant of each gateway.
#[derive(Debug)]
pub(crate) struct Lateness {
    newest: NewestTable,
    max_ms: i64,
    late: LatePolicy,
}

/// The earliest accepted instant, and the earliest instant that is in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floors {
    /// Readings before it are refused.
    pub(crate) taken_ms: i64,
    /// Readings before it are late.
    pub(crate) timely_ms: i64,
}

impl Lateness {
    /// Creates the state for `settings`.
    pub(crate) fn new(settings: &DecodeSettings) -> Self {
        let max_ms = settings.late_max.as_millis();
        Self {
            newest: NewestTable::default(),
            max_ms: i64::try_from(max_ms).unwrap_or(i64::MAX),
            late: settings.late,
        }
    }

    /// Returns the newest instant of `origin`, to be kept for the duration of the connection.
    pub(crate) fn of(&self, origin: &Origin) -> Newest {
        self.newest.of(origin)
    }

    /// Returns the floors for a message that arrives now; a replay is never late.
    pub(crate) fn floors(&self, newest: &Newest, replayed: bool) -> Floors {
        let floor_ms = match replayed {
            true => i64::MIN,
            false => newest.floor_ms(self.max_ms),
        };
        match self.late {
            LatePolicy::Accept => Floors {
                taken_ms: i64::MIN,
                timely_ms: floor_ms,
            },
            LatePolicy::DeadLetter => Floors {
                taken_ms: floor_ms,
                timely_ms: i64::MIN,
            },
        }
    }
}

/// The newest instants of the known gateways.
#[derive(Debug, Default)]
struct NewestTable(Mutex<FxHashMap<Origin, Newest>>);

/// The newest instant of one gateway. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Newest(Arc<AtomicI64>);

impl Default for Newest {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl Newest {
    /// Returns the instant before which a reading is late.
    fn floor_ms(&self, late_max_ms: i64) -> i64 {
        self.0.load(Ordering::Relaxed).saturating_sub(late_max_ms)
    }

    /// Raises the newest instant to `ms`.
    pub(crate) fn raise(&self, ms: i64) {
        self.0.fetch_max(ms, Ordering::Relaxed);
    }
}

impl NewestTable {
    /// Returns the newest instant of `origin`. If there are too many gateways, those that are not
    /// connected are removed; if all are connected, a further one is not shared.
    fn of(&self, origin: &Origin) -> Newest {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = known.get(origin) {
            return newest.clone();
        }
        if known.len() >= NEWEST_MAX {
            known.retain(|_, newest| Arc::strong_count(&newest.0) > 1);
        }
        let newest = Newest::default();
        if known.len() < NEWEST_MAX {
            known.insert(origin.clone(), newest.clone());
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};

    use super::*;

    fn origin(gateway: usize) -> Origin {
        Origin {
            park: ParkId::new("p").expect("an id"),
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new(&gateway.to_string()).expect("an id"),
        }
    }

    #[test]
    fn the_newest_instant_outlives_its_connection_and_is_bounded() {
        let table = NewestTable::default();
        table.of(&origin(1)).raise(50);
        table.of(&origin(1)).raise(40);
        assert_eq!(table.of(&origin(1)).floor_ms(7), 43);
        assert_eq!(table.of(&origin(2)).floor_ms(7), i64::MIN);
        let kept = table.of(&origin(1));
        for gateway in 0..NEWEST_MAX + 10 {
            drop(table.of(&origin(gateway)));
        }
        assert!(table.0.lock().expect("nobody panicked").len() <= NEWEST_MAX);
        assert_eq!(table.of(&origin(1)).floor_ms(0), kept.floor_ms(0));
    }
}
