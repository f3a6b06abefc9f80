//! When a reading is late: far behind the newest instant of its gateway.
//!
//! It is shared by all connections and outlives them, because a gateway whose clock starts anew also connects
//! anew. It does not outlive the process: the first reading after a start says what is newest.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use rustc_hash::FxHashMap;

use crate::{
    limits::NEWEST_MAX,
    settings::{DecodeSettings, Late},
    topic::Origin,
};

/// How far behind is late, and what becomes of it; with the newest instant of each gateway.
#[derive(Debug)]
pub(crate) struct Lateness {
    newest: NewestTable,
    max_ms: i64,
    late: Late,
}

/// From when on the readings of a message are taken, and from when on they are in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floors {
    /// What is before it is refused.
    pub(crate) taken_ms: i64,
    /// What is before it is late.
    pub(crate) timely_ms: i64,
}

impl Lateness {
    /// As `settings` say.
    pub(crate) fn new(settings: &DecodeSettings) -> Self {
        let max_ms = settings.late_max.as_millis();
        Self {
            newest: NewestTable::default(),
            max_ms: i64::try_from(max_ms).unwrap_or(i64::MAX),
            late: settings.late,
        }
    }

    /// The newest instant of `origin`, for as long as its connection lasts.
    pub(crate) fn of(&self, origin: &Origin) -> Newest {
        self.newest.of(origin)
    }

    /// What holds for a message of a gateway that comes now; a replay is never late.
    pub(crate) fn floors(&self, newest: &Newest, replayed: bool) -> Floors {
        let floor_ms = match replayed {
            true => i64::MIN,
            false => newest.floor_ms(self.max_ms),
        };
        match self.late {
            Late::Accept => Floors {
                taken_ms: i64::MIN,
                timely_ms: floor_ms,
            },
            Late::DeadLetter => Floors {
                taken_ms: floor_ms,
                timely_ms: i64::MIN,
            },
        }
    }
}

/// The gateways that are known.
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
    /// Before which instant a reading is late that may be `late_max_ms` behind.
    fn floor_ms(&self, late_max_ms: i64) -> i64 {
        self.0.load(Ordering::Relaxed).saturating_sub(late_max_ms)
    }

    /// Takes note of an instant.
    pub(crate) fn raise(&self, ms: i64) {
        self.0.fetch_max(ms, Ordering::Relaxed);
    }
}

impl NewestTable {
    /// With too many gateways those are
    /// forgotten that are not connected; where all are, one more shares nothing.
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
