//! How far the log has been consumed into a table, as its Delta transactions record it.

use std::collections::BTreeMap;

use greenpark_model::{day::Instant, log_position::Partition};

/// How far a partition of the log has been consumed into a book, and of which log. Offsets are those of the
/// lake: an offset of the log plus `shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumed {
    /// The partition.
    pub partition: Partition,
    /// The first offset that was not consumed.
    pub next_offset: u64,
    /// Every record before this offset was in the lake when the change was made, in whichever book; `None` in a
    /// book from before this was recorded.
    pub since: Option<u64>,
    /// The fingerprint of the record before `next_offset`, by which the log is recognized.
    pub last: Option<u64>,
    /// The timestamp in the log of the newest record that the book had consumed; `None` in a book from before
    /// this was recorded.
    pub taken: Option<Instant>,
    /// Added to an offset of the log: the offset that the lake had reached when it adopted this log.
    pub shift: u64,
    /// The newest such timestamp of earlier logs. Records of this log that are not later are copies of theirs.
    pub copies_until: Option<Instant>,
}

impl Consumed {
    /// Consumed up to `next_offset`; nothing else is known.
    #[must_use]
    pub const fn up_to(partition: Partition, next_offset: u64) -> Self {
        Self {
            partition,
            next_offset,
            since: None,
            last: None,
            taken: None,
            shift: 0,
            copies_until: None,
        }
    }
}

pub(crate) fn partition_txn(partition: Partition) -> String {
    format!("greenpark.p{partition}")
}

/// The transactions beside [`partition_txn`].
fn since_txn(partition: Partition) -> String {
    format!("greenpark.since.p{partition}")
}

fn last_txn(partition: Partition) -> String {
    format!("greenpark.last.p{partition}")
}

fn taken_txn(partition: Partition) -> String {
    format!("greenpark.taken.p{partition}")
}

fn shift_txn(partition: Partition) -> String {
    format!("greenpark.shift.p{partition}")
}

fn copies_txn(partition: Partition) -> String {
    format!("greenpark.copies.p{partition}")
}

/// The partition whose transaction has this name, if it is such a name.
pub(crate) fn partition_of_txn(name: &str) -> Option<Partition> {
    name.strip_prefix("greenpark.p")?.parse().ok()
}

/// The progress of each partition in a table's transactions.
pub(crate) fn consumed_of(txns: &BTreeMap<String, i64>) -> Vec<Consumed> {
    let number = |name: &str| {
        txns.get(name)
            .and_then(|version| u64::try_from(*version).ok())
    };
    let instant = |name: &str| txns.get(name).map(|version| Instant::from_millis(*version));
    let each = txns.keys().filter_map(|name| {
        let partition = partition_of_txn(name)?;
        Some(Consumed {
            partition,
            next_offset: number(name)?,
            since: number(&since_txn(partition)),
            last: number(&last_txn(partition)),
            taken: instant(&taken_txn(partition)),
            shift: number(&shift_txn(partition)).unwrap_or(0),
            copies_until: instant(&copies_txn(partition)),
        })
    });
    each.collect()
}

/// A number as the version of a transaction.
pub(crate) fn txn_version(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The transactions that record `new` in a table that recorded `known`. Progress never goes back: after a kill
/// the log is read again from an earlier offset, and the recorded offset determines which files new rows come
/// after.
pub(crate) fn txns_of(new: Consumed, known: Option<Consumed>) -> Vec<(String, i64)> {
    let partition = new.partition;
    let mut txns = Vec::with_capacity(6);
    if known.is_none_or(|known| known.next_offset <= new.next_offset) {
        txns.push((partition_txn(partition), txn_version(new.next_offset)));
        if new.last.is_some() || known.is_some_and(|known| known.last.is_some()) {
            // A negative number means none.
            txns.push((last_txn(partition), new.last.map_or(-1, txn_version)));
        }
        let taken = new.taken.max(known.and_then(|known| known.taken));
        txns.extend(taken.map(|at| (taken_txn(partition), at.millis())));
    }
    if let Some(since) = new.since.max(known.and_then(|known| known.since)) {
        txns.push((since_txn(partition), txn_version(since)));
    }
    if new.shift > 0 {
        txns.push((shift_txn(partition), txn_version(new.shift)));
    }
    if let Some(at) = new
        .copies_until
        .max(known.and_then(|known| known.copies_until))
    {
        txns.push((copies_txn(partition), at.millis()));
    }
    txns
}
