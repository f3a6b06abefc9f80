//! How many commits the tables of a partition's parks have: by that one which was lost is noticed.
//!
//! A mark of a book says up to where everything was in the lake, of whatever park, so a table that has lost its newest
//! commit, or was restored alone from an older copy, would go unnoticed beside the others. Each commit to a book says,
//! too, how many commits the other tables had by then. Where one has fewer, the partition is read again from the
//! first record that its log keeps; what the books have is passed over.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::written::{Commits, WrittenTable};
use greenpark_model::id::ParkId;

/// Those of the tables of one partition: no more than there are.
#[derive(Debug, Default)]
pub(crate) struct Known(Commits);

impl Known {
    /// `table` of `park` has `commits`.
    pub(crate) fn note(&mut self, park: &ParkId, table: WrittenTable, commits: u64) {
        self.0.insert((park.clone(), table), commits);
    }

    /// Those of all tables but `table` of `park`.
    pub(crate) fn beside(&self, park: &ParkId, table: WrittenTable) -> Commits {
        let mut others = self.0.clone();
        others.remove(&(park.clone(), table));
        others
    }

    /// Takes what the lake says of the tables of `park`. Says whether one has fewer than it had.
    pub(crate) fn take(&mut self, park: &ParkId, now: Commits) -> bool {
        let of_park = |(whose, _): &(ParkId, WrittenTable)| whose == park;
        let mut before = self.0.iter().filter(|(table, _)| of_park(table));
        let has_lost = before.any(|(table, commits)| now.get(table).unwrap_or(&0) < commits);
        self.0.retain(|table, _| !of_park(table));
        self.0.extend(now);
        has_lost
    }

    /// The parks whose tables have fewer than `told` says.
    pub(crate) fn fewer_than(&self, told: Told) -> BTreeSet<ParkId> {
        let told = told.0.into_iter();
        let fewer = told.filter(|(table, (_, many))| self.0.get(table).unwrap_or(&0) < many);
        fewer.map(|((park, _), _)| park).collect()
    }
}

/// What the books of a partition say of each other's tables: of each table what was said last, for after a loss there
/// are rightly fewer.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<(ParkId, WrittenTable), (u64, u64)>);

impl Told {
    /// A book that has consumed its partition up to `next` says `commits`.
    pub(crate) fn add(&mut self, next: u64, commits: Commits) {
        for (table, many) in commits {
            let last = self.0.entry(table).or_default();
            *last = (next, many).max(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_has_fewer_than_it_had_is_noticed() {
        let park = ParkId::new("p").expect("an id");
        let book = (park.clone(), WrittenTable::Book(2026));
        let messages = (park.clone(), WrittenTable::Messages);
        let of = |all: &[(&(ParkId, WrittenTable), u64)]| -> Commits {
            all.iter()
                .map(|(table, many)| ((*table).clone(), *many))
                .collect()
        };
        let mut known = Known::default();
        assert!(!known.take(&park, of(&[(&book, 3), (&messages, 2)])));
        known.note(&park, book.1, 5);
        assert_eq!(known.beside(&park, book.1), of(&[(&messages, 2)]));
        let fewer = |said: &[(u64, u64)]| {
            let mut told = Told::default();
            for (next, many) in said {
                told.add(*next, of(&[(&book, *many)]));
            }
            known.fewer_than(told)
        };
        assert!(fewer(&[(9, 5)]).is_empty());
        assert!(
            fewer(&[(10, 5), (9, 6)]).is_empty(),
            "what was said last counts"
        );
        assert_eq!(fewer(&[(10, 6), (9, 5)]), BTreeSet::from([park.clone()]));
        assert!(!known.take(&park, of(&[(&book, 5), (&messages, 4)])));
        assert!(known.take(&park, of(&[(&book, 4), (&messages, 9)])));
        assert!(known.take(&park, of(&[(&messages, 9)])));
    }
}
