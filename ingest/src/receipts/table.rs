//! The gateways that number, each with its latest epochs; bounded in every dimension.

use std::cmp::Reverse;

use greenpark_model::numbers::Numbers;
use rustc_hash::FxHashMap;

use crate::{
    limits::{EPOCHS_KNOWN_MAX, NUMBERING_MAX, RUNS_EACH_MAX, RUNS_EACH_MIN, RUNS_MAX},
    topic::Origin,
};

/// The state of every gateway that numbers.
#[derive(Debug, Default)]
pub(super) struct NumberTable {
    gateways: FxHashMap<Origin, GatewayNumbers>,
    /// The number of changes so far; each change has its own number.
    changes: u64,
    /// The runs of all gateways together.
    runs: usize,
}

/// The state of one gateway.
#[derive(Debug, Default)]
pub(super) struct GatewayNumbers {
    /// The latest change.
    pub(super) change: u64,
    /// The change that was published last, and the first change after it.
    published: u64,
    waits_since: u64,
    /// The epochs, the most recently used first; never empty.
    pub(super) epochs: Vec<Epoch>,
}

/// The messages of one epoch.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) epoch: u64,
    /// The numbers that the log has.
    pub(super) stored: Numbers,
    /// The lowest number of the latest batch.
    pub(super) recent: u64,
    /// The numbers that the archive has; `None` if the archive does not report.
    pub(super) archived: Option<Numbers>,
}

/// The source of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The gateway itself, whose current epoch it is.
    Gateway,
    /// The archive, which may be behind.
    Archive,
}

impl Epoch {
    fn runs(&self) -> usize {
        let archived = self.archived.as_ref().map_or(0, |a| a.runs().len());
        self.stored.runs().len() + archived
    }
}

impl GatewayNumbers {
    /// Returns the state of `epoch`, and creates it if necessary; among too many epochs the least
    /// recently used is removed.
    fn epoch(&mut self, epoch: u64, source: Source) -> &mut Epoch {
        let found = self.epochs.iter().position(|known| known.epoch == epoch);
        let at = found.unwrap_or_else(|| {
            self.epochs.truncate(EPOCHS_KNOWN_MAX - 1);
            self.epochs.push(Epoch {
                epoch,
                stored: Numbers::default(),
                recent: 0,
                archived: None,
            });
            self.epochs.len() - 1
        });
        match source {
            Source::Archive => &mut self.epochs[at],
            Source::Gateway => {
                self.epochs[..=at].rotate_right(1);
                &mut self.epochs[0]
            }
        }
    }

    fn runs(&self) -> usize {
        self.epochs.iter().map(Epoch::runs).sum()
    }

    /// Returns true if a change is not published.
    fn waits(&self) -> bool {
        self.change > self.published
    }
}

impl NumberTable {
    pub(super) fn get(&self, origin: &Origin) -> Option<&GatewayNumbers> {
        self.gateways.get(origin)
    }

    /// Returns at most `count` gateways with unpublished changes; the longest waiting comes first,
    /// however often it changed since.
    pub(super) fn unpublished(&self, count: usize) -> Vec<(&Origin, &GatewayNumbers)> {
        let all = self.gateways.iter();
        let mut waiting: Vec<_> = all.filter(|(_, known)| known.waits()).collect();
        waiting.sort_unstable_by_key(|(_, known)| known.waits_since);
        waiting.truncate(count);
        waiting
    }

    /// Marks change `change` of `origin` as published.
    pub(super) fn published(&mut self, origin: &Origin, change: u64) {
        if let Some(known) = self.gateways.get_mut(origin) {
            (known.published, known.waits_since) = (change, known.change);
        }
    }

    /// Marks all receipts as unpublished.
    pub(super) fn publish_anew(&mut self) {
        for known in self.gateways.values_mut() {
            known.published = 0;
        }
    }

    /// Enters numbers that the log has. This is a change even if they were known: a gateway that
    /// sends again has not received the receipt.
    pub(super) fn stored(&mut self, origin: &Origin, epochs: &[(u64, Numbers)]) {
        for (epoch, numbers) in epochs {
            self.enter(origin, |known, runs_max| {
                let entry = known.epoch(*epoch, Source::Gateway);
                entry.stored.join(numbers);
                entry.stored.forget_beyond(runs_max);
                entry.recent = numbers.runs().first().map_or(0, |&(first, _)| first);
                true
            });
        }
    }

    pub(super) fn archived(&mut self, origin: &Origin, epoch: u64, numbers: &Numbers) {
        self.enter(origin, |known, runs_max| {
            let entry = known.epoch(epoch, Source::Archive);
            let archived = entry.archived.get_or_insert_default();
            let mut grew = archived.join(numbers);
            archived.forget_beyond(runs_max);
            grew |= entry.stored.join(numbers);
            entry.stored.forget_beyond(runs_max);
            grew
        });
    }

    /// Updates the state of `origin`; `change` receives the limit of runs per epoch, and returns
    /// whether the state changed.
    fn enter(&mut self, origin: &Origin, change: impl FnOnce(&mut GatewayNumbers, usize) -> bool) {
        self.make_room(origin);
        let crowded = self.runs >= RUNS_MAX;
        let runs_max = if crowded {
            RUNS_EACH_MIN
        } else {
            RUNS_EACH_MAX
        };
        if !self.gateways.contains_key(origin) {
            self.gateways
                .insert(origin.clone(), GatewayNumbers::default());
        }
        let known = self
            .gateways
            .get_mut(origin)
            .expect("the gateway was just entered");
        let before = known.runs();
        if change(known, runs_max) {
            self.changes += 1;
            if !known.waits() {
                known.waits_since = self.changes;
            }
            known.change = self.changes;
        }
        self.runs = self.runs - before + known.runs();
    }

    /// Removes the half of the gateways that changed longest ago, if there are too many.
    fn make_room(&mut self, origin: &Origin) {
        if self.gateways.len() < NUMBERING_MAX || self.gateways.contains_key(origin) {
            return;
        }
        let mut changes: Vec<u64> = self.gateways.values().map(|known| known.change).collect();
        changes.sort_unstable_by_key(|&change| Reverse(change));
        let oldest = changes[NUMBERING_MAX / 2 - 1];
        self.gateways.retain(|_, known| known.change >= oldest);
        self.runs = self.gateways.values().map(GatewayNumbers::runs).sum();
    }
}
