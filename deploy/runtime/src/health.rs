//! Whether this process can do its work, part by part.
//!
//! A part that never said anything is not ready: readiness is earned, not assumed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

type Parts = BTreeMap<&'static str, Option<String>>;

/// What every part of the process says of itself. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Parts>>);

/// One part's say.
#[derive(Debug, Clone)]
pub struct HealthPart {
    health: Health,
    name: &'static str,
}

impl Health {
    /// Adds a part, which is not ready until it says so.
    #[must_use]
    pub fn part(&self, name: &'static str) -> HealthPart {
        self.set(name, Some("starting".to_owned()));
        HealthPart {
            health: self.clone(),
            name,
        }
    }

    /// The parts that are not ready, with their reasons; empty when the process is.
    #[must_use]
    pub fn unready(&self) -> Vec<(&'static str, String)> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter_map(|(&name, reason)| Some((name, reason.clone()?)))
            .collect()
    }

    fn set(&self, name: &'static str, reason: Option<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, reason);
    }
}

impl HealthPart {
    /// The part can work.
    pub fn ready(&self) {
        self.health.set(self.name, None);
    }

    /// It cannot, for this reason.
    pub fn unready(&self, reason: &str) {
        self.health.set(self.name, Some(reason.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_unready_until_it_says_otherwise() {
        let health = Health::default();
        let log = health.part("log");
        assert_eq!(health.unready(), [("log", "starting".to_owned())]);
        log.ready();
        assert_eq!(health.unready(), []);
        log.unready("disk full");
        assert_eq!(health.unready(), [("log", "disk full".to_owned())]);
    }
}
