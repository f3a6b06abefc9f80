//! The tables of parks that are written from the log, and their numbers of commits.
//!
//! A book records in its transactions how many commits the *other* tables of its partition had when it was
//! written. If a table has fewer, it has lost some: its newest entry is gone, or it was restored alone from an
//! older copy.

use std::collections::BTreeMap;

use greenpark_model::id::ParkId;

/// A table of a park that is written from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrittenTable {
    /// The readings of the book of a year.
    Book(i16),
    /// The numbered messages.
    Messages,
}

/// The number of commits of each table.
pub type Commits = BTreeMap<(ParkId, WrittenTable), u64>;

/// The prefix of the transactions' names.
const PREFIX: &str = "greenpark.commits.";
/// The end of the name for a table of messages; that of a book ends with its year.
const MESSAGES: &str = "messages";

/// The name of a table's transaction.
pub(crate) fn commits_txn((park, table): &(ParkId, WrittenTable)) -> String {
    match table {
        WrittenTable::Book(year) => format!("{PREFIX}{park}.{year:04}"),
        WrittenTable::Messages => format!("{PREFIX}{park}.{MESSAGES}"),
    }
}

/// The commit counts that a book's transactions record for other tables.
pub(crate) fn commits_of(txns: &BTreeMap<String, i64>) -> Commits {
    let each = txns.iter().filter_map(|(name, version)| {
        let (park, table) = name.strip_prefix(PREFIX)?.rsplit_once('.')?;
        let table = match table {
            MESSAGES => WrittenTable::Messages,
            year => WrittenTable::Book(year.parse().ok()?),
        };
        let park = ParkId::new(park).ok()?;
        Some(((park, table), u64::try_from(*version).ok()?))
    });
    each.collect()
}

/// The number of commits of a table at this version.
pub(crate) fn commits_at(version: i64) -> u64 {
    u64::try_from(version.saturating_add(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_txn_names_its_table() {
        let tables = [
            ("p", WrittenTable::Book(2026)),
            ("park.east-2", WrittenTable::Messages),
            ("commits", WrittenTable::Book(2025)),
        ];
        let mut commits = Commits::new();
        for ((park, table), many) in tables.into_iter().zip(1..) {
            if let Ok(park) = ParkId::new(park) {
                commits.insert((park, table), many);
            }
        }
        let txns = commits.iter().map(|(table, many)| {
            let many = i64::try_from(*many).expect("small");
            (commits_txn(table), many)
        });
        let mut txns: BTreeMap<String, i64> = txns.collect();
        txns.insert("greenpark.since.p3".to_owned(), 7);
        assert_eq!(commits_of(&txns), commits);
    }
}
