//! The readiness of this process, part by part.
//!
//! A part that has never reported is not ready.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

type Parts = BTreeMap<&'static str, Option<String>>;

/// The reports of every part of the process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Parts>>);

/// The report of one part.
#[derive(Debug, Clone)]
pub struct HealthPart {
    health: Health,
    name: &'static str,
}

impl Health {
    /// Adds a part, which is not ready until it reports so.
    #[must_use]
    pub fn part(&self, name: &'static str) -> HealthPart {
        self.set(name, Some("starting".to_owned()));
        HealthPart {
            health: self.clone(),
            name,
        }
    }

    /// Returns the parts that are not ready, with their reasons; empty if the process is ready.
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
    /// Reports that the part can work.
    pub fn ready(&self) {
        self.health.set(self.name, None);
    }

    /// Reports that the part cannot work, with the reason.
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
