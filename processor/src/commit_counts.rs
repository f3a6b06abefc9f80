//! Counts the commits of the tables of a partition's parks, so that a lost commit is detected.
//!
//! A book's transaction records up to which offset everything was in the lake, over all parks. So a table that has lost
//! its newest commit, or was restored alone from an older copy, would go unnoticed beside the others. Therefore each
//! commit to a book also records how many commits the other tables had. If a table has fewer, the partition is read
//! again from the first record in its log; records that the books have are skipped.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::written::{Commits, WrittenTable};
use greenpark_model::id::ParkId;

/// Commit counts of all tables of one partition.
#[derive(Debug, Default)]
pub(crate) struct CommitCounts(Commits);

impl CommitCounts {
    /// Sets the count of `table` of `park` to `commits`.
    pub(crate) fn set(&mut self, park: &ParkId, table: WrittenTable, commits: u64) {
        self.0.insert((park.clone(), table), commits);
    }

    /// Counts of all tables except `table` of `park`.
    pub(crate) fn without(&self, park: &ParkId, table: WrittenTable) -> Commits {
        let mut others = self.0.clone();
        others.remove(&(park.clone(), table));
        others
    }

    /// Replaces the counts of the tables of `park` by `now`. Returns true if a table has fewer commits than before.
    pub(crate) fn replace_park(&mut self, park: &ParkId, now: Commits) -> bool {
        let of_park = |(owner, _): &(ParkId, WrittenTable)| owner == park;
        let mut before = self.0.iter().filter(|(table, _)| of_park(table));
        let has_lost = before.any(|(table, commits)| now.get(table).unwrap_or(&0) < commits);
        self.0.retain(|table, _| !of_park(table));
        self.0.extend(now);
        has_lost
    }

    /// Returns the parks with a table that has fewer commits than reported.
    pub(crate) fn fewer_than(&self, reported: ReportedCounts) -> BTreeSet<ParkId> {
        let reported = reported.0.into_iter();
        let fewer = reported.filter(|(table, (_, count))| self.0.get(table).unwrap_or(&0) < count);
        fewer.map(|((park, _), _)| park).collect()
    }
}

/// Commit counts that the books of a partition report of each other's tables. Only the latest report of each table is
/// kept, because after a detected loss a lower count is correct.
#[derive(Debug, Default)]
pub(crate) struct ReportedCounts(BTreeMap<(ParkId, WrittenTable), (u64, u64)>);

impl ReportedCounts {
    /// Adds the report `commits` of a book that has consumed its partition up to `next`.
    pub(crate) fn add(&mut self, next: u64, commits: Commits) {
        for (table, count) in commits {
            let last = self.0.entry(table).or_default();
            *last = (next, count).max(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_fewer_commits_than_before_is_detected() {
        let park = ParkId::new("p").expect("an id");
        let book = (park.clone(), WrittenTable::Book(2026));
        let messages = (park.clone(), WrittenTable::Messages);
        let of = |all: &[(&(ParkId, WrittenTable), u64)]| -> Commits {
            all.iter()
                .map(|(table, count)| ((*table).clone(), *count))
                .collect()
        };
        let mut known = CommitCounts::default();
        assert!(!known.replace_park(&park, of(&[(&book, 3), (&messages, 2)])));
        known.set(&park, book.1, 5);
        assert_eq!(known.without(&park, book.1), of(&[(&messages, 2)]));
        let fewer = |reports: &[(u64, u64)]| {
            let mut reported = ReportedCounts::default();
            for (next, count) in reports {
                reported.add(*next, of(&[(&book, *count)]));
            }
            known.fewer_than(reported)
        };
        assert!(fewer(&[(9, 5)]).is_empty());
        assert!(
            fewer(&[(10, 5), (9, 6)]).is_empty(),
            "the latest report counts"
        );
        assert_eq!(fewer(&[(10, 6), (9, 5)]), BTreeSet::from([park.clone()]));
        assert!(!known.replace_park(&park, of(&[(&book, 5), (&messages, 4)])));
        assert!(known.replace_park(&park, of(&[(&book, 4), (&messages, 9)])));
        assert!(known.replace_park(&park, of(&[(&messages, 9)])));
    }
}
