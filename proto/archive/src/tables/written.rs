//! The tables of parks that are written from the log, and how many commits each has.
//!
//! A book says in its marks how many commits the *other* tables of its partition had when it was written. Where one
//! has fewer, it has lost some: its newest entry is gone, or it was restored alone from an older copy.

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

/// How many commits tables have.
pub type Commits = BTreeMap<(ParkId, WrittenTable), u64>;

/// What the names of the marks begin with.
const MARK: &str = "greenpark.commits.";
/// What the name of a table of messages ends with; that of a book with its year.
const MESSAGES: &str = "messages";

/// The name of the mark of a table.
pub(crate) fn commits_mark((park, table): &(ParkId, WrittenTable)) -> String {
    match table {
        WrittenTable::Book(year) => format!("{MARK}{park}.{year:04}"),
        WrittenTable::Messages => format!("{MARK}{park}.{MESSAGES}"),
    }
}

/// What the marks of a book say of other tables.
pub(crate) fn commits_of(marks: &BTreeMap<String, i64>) -> Commits {
    let each = marks.iter().filter_map(|(name, mark)| {
        let (park, table) = name.strip_prefix(MARK)?.rsplit_once('.')?;
        let table = match table {
            MESSAGES => WrittenTable::Messages,
            year => WrittenTable::Book(year.parse().ok()?),
        };
        let park = ParkId::new(park).ok()?;
        Some(((park, table), u64::try_from(*mark).ok()?))
    });
    each.collect()
}

/// How many commits a table of this version has.
pub(crate) fn commits_at(version: i64) -> u64 {
    u64::try_from(version.saturating_add(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_table() {
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
        let marks = commits.iter().map(|(table, many)| {
            let many = i64::try_from(*many).expect("small");
            (commits_mark(table), many)
        });
        let mut marks: BTreeMap<String, i64> = marks.collect();
        marks.insert("greenpark.since.p3".to_owned(), 7);
        assert_eq!(commits_of(&marks), commits);
    }
}
