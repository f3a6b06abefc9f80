//! Which reader of a group owns which partition, in a log that lives in one process.
//!
//! The newest reader of a group takes every partition over; the older one is told so at its next call
//! and can no longer commit. Each handing over has a number of its own, so that a partition taken away
//! and given back between two calls is seen as both.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// One spell of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stint {
    pub(crate) reader: u64,
    number: u64,
}

#[derive(Debug, Default)]
struct Group {
    newest: u64,
    partitions: HashMap<u32, Stint>,
}

#[derive(Debug, Default)]
struct Groups {
    last_number: u64,
    by_name: HashMap<String, Group>,
}

impl Groups {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// The owners of every group.
#[derive(Debug)]
pub(crate) struct Owners {
    groups: Mutex<Groups>,
    changed: watch::Sender<()>,
}

impl Owners {
    pub(crate) fn new() -> Self {
        Self {
            groups: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// A new reader of `group`, which owns all `partitions` from now on.
    pub(crate) fn claim(&self, group: &str, partitions: u32) -> u64 {
        let mut groups = self.lock();
        let reader = groups.number();
        let stints: Vec<_> = (0..partitions)
            .map(|partition| {
                (
                    partition,
                    Stint {
                        reader,
                        number: groups.number(),
                    },
                )
            })
            .collect();
        let entry = groups.by_name.entry(group.to_owned()).or_default();
        entry.newest = reader;
        entry.partitions.extend(stints);
        drop(groups);
        self.changed.send_replace(());
        reader
    }

    /// Takes `partition` away from whoever owns it.
    pub(crate) fn revoke(&self, group: &str, partition: u32) {
        if let Some(entry) = self.lock().by_name.get_mut(group) {
            entry.partitions.remove(&partition);
        }
        self.changed.send_replace(());
    }

    /// Gives `partition` to the newest reader of `group`.
    pub(crate) fn assign(&self, group: &str, partition: u32) {
        let mut groups = self.lock();
        let number = groups.number();
        if let Some(entry) = groups.by_name.get_mut(group) {
            entry.partitions.insert(
                partition,
                Stint {
                    reader: entry.newest,
                    number,
                },
            );
        }
        drop(groups);
        self.changed.send_replace(());
    }

    /// Who owns `partition` of `group`.
    pub(crate) fn stint(&self, group: &str, partition: u32) -> Option<Stint> {
        self.lock()
            .by_name
            .get(group)?
            .partitions
            .get(&partition)
            .copied()
    }

    /// Every group that has had a reader.
    pub(crate) fn groups(&self) -> Vec<String> {
        self.lock().by_name.keys().cloned().collect()
    }

    /// Changes whenever a partition changes hands.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
