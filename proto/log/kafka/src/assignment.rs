//! The partitions that a consumer holds, and what came of them: the rules, without a broker.

use std::collections::{BTreeMap, VecDeque};

use rdkafka::error::KafkaError;

use super::trouble::Troubles;
use greenpark_log::{
    contract::{Assigned, Delivered},
    record::Entry,
};
use greenpark_model::log_position::Partition;

/// What an entry costs beside its payload.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// What is known of the end of a partition.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// More may lie ahead.
    #[default]
    Ahead,
    /// A fetch has met the end and nothing came since.
    Reached,
    /// A fetch had met the end, but the brokers say that it lies at this offset. That is a record not
    /// fetched yet, or what a foreign producer's transaction leaves, which is never handed out. To be
    /// fetched again from the last message on.
    Doubted(u64),
    /// It is fetched again: a fetch that meets the end has passed this offset.
    Refetched(u64),
}

/// A partition that is ours.
#[derive(Debug, Default, Clone)]
pub(crate) struct Owned {
    /// The offset after the last message seen, or where reading began; no message lies between.
    pub(crate) seen: u64,
    /// The same for the last entry handed out.
    pub(crate) handed: u64,
    /// What the group has committed, as far as we know.
    pub(crate) committed: Option<u64>,
    /// What is known of its end.
    pub(crate) end: End,
    /// A gap was met and told; one is enough for an operator.
    gap_told: bool,
    /// Where it is to be fetched from next; what comes before that is dropped.
    rewind: Option<u64>,
}

/// Records that are not in the log although the group has not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) partition: Partition,
    /// The first offset that is gone.
    pub(crate) from: u64,
    /// The offset that comes next.
    pub(crate) to: u64,
}

/// What the brokers say of a partition that was assigned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) partition: Partition,
    /// What the group has committed.
    pub(crate) committed: Option<u64>,
    /// Where the partition begins.
    pub(crate) low: u64,
    /// Where it ends.
    pub(crate) high: u64,
}

/// What thread and reader share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) bytes: usize,
    pub(crate) owned: BTreeMap<Partition, Owned>,
    /// Assigned by Kafka; not ours before we know where they start.
    pub(crate) incoming: Vec<Partition>,
    pub(crate) revoked: Vec<Partition>,
    pub(crate) assigned: Vec<Assigned>,
    pub(crate) failed: Option<KafkaError>,
    pub(crate) troubles: Troubles,
    pub(crate) stopping: bool,
}

impl State {
    /// Lets go of partitions with everything that was held for them.
    pub(crate) fn lose(&mut self, lost: &[Partition]) {
        self.incoming.retain(|partition| !lost.contains(partition));
        self.assigned
            .retain(|assigned| !lost.contains(&assigned.partition));
        self.entries
            .retain(|entry| !lost.contains(&entry.position.partition));
        self.bytes = self.entries.iter().map(weight).sum();
        for partition in lost {
            if self.owned.remove(partition).is_some() {
                self.revoked.push(*partition);
            }
        }
    }

    /// Makes a partition ours. Says what lies between the group's offset and the partition's beginning.
    #[must_use]
    pub(crate) fn own(&mut self, start: Start) -> Option<Gap> {
        let gap = start.committed.filter(|&committed| committed < start.low);
        let gap = gap.map(|from| Gap {
            partition: start.partition,
            from,
            to: start.low,
        });
        let seen = start.committed.unwrap_or(0).max(start.low);
        let owned = Owned {
            seen,
            handed: seen,
            committed: start.committed,
            end: End::Ahead,
            gap_told: false,
            rewind: None,
        };
        self.owned.insert(start.partition, owned);
        self.assigned.push(Assigned {
            partition: start.partition,
            start: seen,
            end: start.high,
        });
        gap
    }

    /// Keeps an entry for the reader. Says so if it is the first that does not follow the one before.
    #[must_use]
    pub(crate) fn keep(&mut self, entry: Entry) -> Option<Gap> {
        let position = entry.position;
        // A message of a partition that was taken away between poll and here.
        let owned = self.owned.get_mut(&position.partition)?;
        if owned.rewind.is_some() {
            return None;
        }
        let gap = (position.offset > owned.seen && !owned.gap_told).then_some(Gap {
            partition: position.partition,
            from: owned.seen,
            to: position.offset,
        });
        owned.gap_told |= gap.is_some();
        owned.seen = position.offset + 1;
        owned.end = End::Ahead;
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
        gap
    }

    /// A fetch has met the end of `partition`.
    pub(crate) fn reach_end(&mut self, partition: Partition) {
        let owned = self.owned.get_mut(&partition);
        let Some(owned) = owned.filter(|owned| owned.rewind.is_none()) else {
            return;
        };
        match owned.end {
            End::Ahead | End::Reached => owned.end = End::Reached,
            // Met before the partition is fetched again, so it says nothing about the doubt.
            End::Doubted(_) => {}
            End::Refetched(high) => {
                owned.seen = owned.seen.max(high);
                // Everything seen was handed out when the doubt began, and nothing came since.
                owned.handed = owned.handed.max(high);
                owned.end = End::Reached;
            }
        }
    }

    /// Whether everything has been handed out of a partition that the brokers say ends at `high`, when
    /// it was handed out up to `handed`. If not, the end that was met is doubted.
    pub(crate) fn ends_at(&mut self, partition: Partition, handed: u64, high: u64) -> bool {
        if handed >= high {
            return true;
        }
        if let Some(owned) = self.owned.get_mut(&partition)
            && owned.end == End::Reached
            && owned.seen == handed
        {
            owned.end = End::Doubted(high);
        }
        false
    }

    /// Lets `partition` be handed out from `offset` on.
    pub(crate) fn rewind(&mut self, partition: Partition, offset: u64) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        owned.rewind = Some(offset);
        (owned.seen, owned.handed, owned.end) = (offset, offset, End::Ahead);
        self.entries
            .retain(|entry| entry.position.partition != partition);
        self.bytes = self.entries.iter().map(weight).sum();
    }

    /// The partitions that are to be fetched from elsewhere, with where from.
    pub(crate) fn rewound(&self) -> Vec<(Partition, u64)> {
        let rewound = |(&partition, owned): (&Partition, &Owned)| Some((partition, owned.rewind?));
        self.owned.iter().filter_map(rewound).collect()
    }

    /// `partition` is fetched from `offset` on, from now on.
    pub(crate) fn fetch_from(&mut self, partition: Partition, offset: u64) {
        if let Some(owned) = self.owned.get_mut(&partition)
            && owned.rewind == Some(offset)
        {
            owned.rewind = None;
        }
    }

    /// The partitions to be fetched again, with where from.
    pub(crate) fn doubted(&self) -> Vec<(Partition, u64)> {
        let doubted = |(&partition, owned): (&Partition, &Owned)| {
            matches!(owned.end, End::Doubted(_)).then_some((partition, owned.seen))
        };
        self.owned.iter().filter_map(doubted).collect()
    }

    /// `partition` is fetched again from now on.
    pub(crate) fn refetch(&mut self, partition: Partition) {
        if let Some(owned) = self.owned.get_mut(&partition)
            && let End::Doubted(high) = owned.end
        {
            owned.end = End::Refetched(high);
        }
    }

    /// Takes what there is for the reader, up to `bytes_max` of payload.
    pub(crate) fn take(&mut self, bytes_max: usize, caught_up_before: bool) -> Delivered {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.entries.pop_front() {
            self.bytes -= weight(&entry);
            bytes += entry
                .record
                .as_ref()
                .map_or(1, |record| record.payload.len().max(1));
            if let Some(owned) = self.owned.get_mut(&entry.position.partition) {
                owned.handed = entry.position.offset + 1;
            }
            entries.push(entry);
            if bytes >= bytes_max {
                break;
            }
        }
        let assigned = std::mem::take(&mut self.assigned);
        // A partition that came after the question was not asked about.
        let caught_up = caught_up_before && assigned.is_empty();
        Delivered {
            entries,
            revoked: std::mem::take(&mut self.revoked),
            assigned,
            caught_up,
        }
    }
}

fn weight(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES
        + entry
            .record
            .as_ref()
            .map_or(0, |record| record.payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use greenpark_log::record::Position;

    fn start(committed: Option<u64>, low: u64) -> Start {
        Start {
            partition: Partition::FIRST,
            committed,
            low,
            high: 20,
        }
    }

    fn entry(offset: u64) -> Entry {
        Entry {
            position: Position {
                partition: Partition::FIRST,
                offset,
            },
            appended_ms: 0,
            record: Err("a record of no content".to_owned()),
        }
    }

    fn gap(from: u64, to: u64) -> Option<Gap> {
        Some(Gap {
            partition: Partition::FIRST,
            from,
            to,
        })
    }

    #[test]
    fn records_dropped_before_the_group_read_them_are_a_gap() {
        let mut state = State::default();
        assert_eq!(state.own(start(Some(5), 9)), gap(5, 9));
        assert_eq!(state.keep(entry(9)), None, "it was told already");
        let assigned = Assigned {
            partition: Partition::FIRST,
            start: 9,
            end: 20,
        };
        assert_eq!(state.take(1, false).assigned, [assigned]);
    }

    #[test]
    fn a_group_that_has_read_nothing_starts_at_the_beginning() {
        let mut state = State::default();
        assert_eq!(state.own(start(None, 9)), None);
        assert_eq!(state.keep(entry(9)), None);
    }

    /// A partition of which everything before `handed` was handed out and whose end was met.
    fn at_end(handed: u64) -> State {
        let mut state = State::default();
        assert_eq!(state.own(start(Some(handed), 0)), None);
        state.reach_end(Partition::FIRST);
        assert_eq!(state.owned[&Partition::FIRST].end, End::Reached);
        state
    }

    #[test]
    fn an_end_that_the_brokers_deny_must_be_met_again() {
        let mut state = at_end(5);
        assert!(state.ends_at(Partition::FIRST, 5, 5));
        assert!(!state.ends_at(Partition::FIRST, 5, 7));
        state.reach_end(Partition::FIRST);
        assert_eq!(
            state.owned[&Partition::FIRST].end,
            End::Doubted(7),
            "that one is old"
        );
        assert_eq!(state.doubted(), [(Partition::FIRST, 5)]);
        state.refetch(Partition::FIRST);
        assert!(state.doubted().is_empty());
        assert!(
            !state.ends_at(Partition::FIRST, 5, 7),
            "it was not met again yet"
        );
        state.reach_end(Partition::FIRST);
        assert_eq!(state.owned[&Partition::FIRST].end, End::Reached);
        assert!(state.ends_at(Partition::FIRST, state.owned[&Partition::FIRST].handed, 7));
        assert_eq!(state.keep(entry(7)), None, "a transaction is no gap");
    }

    #[test]
    fn a_record_that_comes_ends_the_doubt() {
        for is_refetched in [false, true] {
            let mut state = at_end(5);
            assert!(!state.ends_at(Partition::FIRST, 5, 6));
            if is_refetched {
                state.refetch(Partition::FIRST);
            }
            assert_eq!(state.keep(entry(5)), None);
            state.reach_end(Partition::FIRST);
            assert_eq!(
                state.owned[&Partition::FIRST].handed,
                5,
                "it was not handed out yet"
            );
            assert_eq!(state.take(1, false).entries.len(), 1);
            assert!(state.ends_at(Partition::FIRST, state.owned[&Partition::FIRST].handed, 6));
        }
    }

    #[test]
    fn what_comes_before_a_rewound_partition_is_fetched_again_is_dropped() {
        let mut state = at_end(5);
        state.rewind(Partition::FIRST, 2);
        assert_eq!(state.rewound(), [(Partition::FIRST, 2)]);
        assert_eq!(state.keep(entry(5)), None);
        state.reach_end(Partition::FIRST);
        assert!(state.take(1, false).entries.is_empty());
        assert_eq!(state.owned[&Partition::FIRST].end, End::Ahead);
        state.fetch_from(Partition::FIRST, 2);
        assert!(state.rewound().is_empty());
        assert_eq!(state.keep(entry(2)), None, "it follows");
        assert_eq!(state.take(1, false).entries.len(), 1);
        assert_eq!(state.owned[&Partition::FIRST].handed, 3);
    }

    #[test]
    fn a_gap_between_records_is_told_once() {
        let mut state = State::default();
        assert_eq!(state.own(start(Some(5), 0)), None);
        assert_eq!(state.keep(entry(7)), gap(5, 7));
        assert_eq!(state.keep(entry(9)), None);
    }
}
