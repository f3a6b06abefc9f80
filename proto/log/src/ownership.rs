//! Which reader of a group owns which partition, in a log that lives in one process.
//!
//! The newest reader of a group takes every partition over; the older one learns it at its next call
//! and can no longer commit. Each lease has a number of its own, so that a reader notices a partition
//! that was revoked and assigned again between two calls.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use greenpark_model::log_position::Partition;
use tokio::sync::watch;

/// One period of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The reader that owns the partition.
    pub reader: u64,
    number: u64,
}

#[derive(Debug, Default)]
struct Group {
    newest: u64,
    partitions: HashMap<Partition, Lease>,
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
pub struct Owners {
    groups: Mutex<Groups>,
    changed: watch::Sender<()>,
}

impl Default for Owners {
    fn default() -> Self {
        Self {
            groups: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }
}

impl Owners {
    /// Registers a new reader of `group`, which owns all `partitions` from now on, and returns its number.
    pub fn claim(&self, group: &str, partitions: u32) -> u64 {
        let mut groups = self.lock();
        let reader = groups.number();
        let leases: Vec<_> = Partition::all(partitions)
            .map(|partition| {
                (
                    partition,
                    Lease {
                        reader,
                        number: groups.number(),
                    },
                )
            })
            .collect();
        let entry = groups.by_name.entry(group.to_owned()).or_default();
        entry.newest = reader;
        entry.partitions.extend(leases);
        drop(groups);
        self.changed.send_replace(());
        reader
    }

    /// Revokes `partition` from its owner.
    pub fn revoke(&self, group: &str, partition: Partition) {
        if let Some(entry) = self.lock().by_name.get_mut(group) {
            entry.partitions.remove(&partition);
        }
        self.changed.send_replace(());
    }

    /// Assigns `partition` to the newest reader of `group`.
    pub fn assign(&self, group: &str, partition: Partition) {
        let mut groups = self.lock();
        let number = groups.number();
        if let Some(entry) = groups.by_name.get_mut(group) {
            entry.partitions.insert(
                partition,
                Lease {
                    reader: entry.newest,
                    number,
                },
            );
        }
        drop(groups);
        self.changed.send_replace(());
    }

    /// The lease of `partition`, if a reader of `group` owns it.
    pub fn lease(&self, group: &str, partition: Partition) -> Option<Lease> {
        self.lock()
            .by_name
            .get(group)?
            .partitions
            .get(&partition)
            .copied()
    }

    /// Every group that has had a reader.
    pub fn groups(&self) -> Vec<String> {
        self.lock().by_name.keys().cloned().collect()
    }

    /// Notifies when a partition changes its owner.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
