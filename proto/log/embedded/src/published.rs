//! What the thread that writes shows to everybody else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use greenpark_model::log_position::Partition;
use tokio::sync::watch;

use super::store::Contents;

/// What readers see of the writer's state.
#[derive(Debug)]
pub(crate) struct Published {
    /// The offset after the last durable record of each partition.
    pub(crate) tails: watch::Sender<Vec<u64>>,
    committed: Mutex<BTreeMap<(String, Partition), u64>>,
    /// The offset after the last durable dead letter, alone.
    pub(crate) letter_tails: watch::Sender<Vec<u64>>,
    letters: Mutex<BTreeMap<String, u64>>,
    /// Why the last write did not succeed, if it did not.
    trouble: Mutex<Option<String>>,
}

impl Published {
    pub(crate) fn new(contents: &Contents) -> Self {
        let tails = contents.readings.iter().map(|lane| lane.next).collect();
        let committed = Mutex::new(contents.committed.clone());
        Self {
            tails: watch::Sender::new(tails),
            committed,
            letter_tails: watch::Sender::new(vec![contents.dead.next]),
            letters: Mutex::new(contents.letters.clone()),
            trouble: Mutex::default(),
        }
    }

    /// Why the last write did not succeed, if it did not.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    pub(crate) fn set_trouble(&self, to: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Where `group` starts to read dead letters.
    pub(crate) fn letters_committed(&self, group: &str) -> u64 {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.get(group).copied().unwrap_or(0)
    }

    pub(crate) fn committed(&self, group: &str, partition: Partition) -> u64 {
        self.lock()
            .get(&(group.to_owned(), partition))
            .copied()
            .unwrap_or(0)
    }

    /// The groups that have committed readings.
    pub(crate) fn groups(&self) -> BTreeSet<String> {
        self.lock().keys().map(|(group, _)| group.clone()).collect()
    }

    /// The groups that have committed dead letters, and up to where.
    pub(crate) fn letter_groups(&self) -> BTreeMap<String, u64> {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.clone()
    }

    /// Shows what the file holds now.
    pub(crate) fn show(&self, contents: &Contents) {
        self.lock().clone_from(&contents.committed);
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.clone_from(&contents.letters);
        drop(letters);
        let tails: Vec<u64> = contents.readings.iter().map(|lane| lane.next).collect();
        move_tails(&self.tails, tails);
        move_tails(&self.letter_tails, vec![contents.dead.next]);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Partition), u64>> {
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn move_tails(to: &watch::Sender<Vec<u64>>, tails: Vec<u64>) {
    to.send_if_modified(|published| {
        let moved = *published != tails;
        *published = tails;
        moved
    });
}
