//! Registers without a reading for years. Their rise in the meantime is real, but their readings lie in books outside
//! the range and its neighbours, so those books are loaded too. An unregistered meter is not searched, because no
//! entry says that it exists.

use std::{collections::BTreeSet, sync::Arc};

use greenpark_archive::{meters::MeterKey, rows::SeriesKey};
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    id::ParkId,
    reading::{Kind, Series},
};

use crate::{
    error::QueryError,
    lake::books::{BookDays, Books},
    register::registry,
};

/// The books to search, and the range that needs them.
pub(super) struct UnreadRegisters<'a> {
    pub(super) books: &'a Books,
    pub(super) park: &'a ParkId,
    pub(super) registry: &'a registry::Park,
    pub(super) as_of: Option<Instant>,
    /// The years with books, in order.
    pub(super) years: &'a [i16],
    pub(super) range: DayRange,
}

/// A registered meter, read as a register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Register<'a>(&'a MeterKey);

impl UnreadRegisters<'_> {
    /// Adds to `loaded` the books with a register's last reading before them or its next reading after them, and
    /// keeps the order of years.
    pub(super) async fn load(&self, loaded: &mut Vec<Arc<BookDays>>) -> Result<(), QueryError> {
        let of_range = (self.range.first().year(), self.range.last().year());
        let first = loaded
            .first()
            .map_or(of_range.0, |book| book.snapshot.year.min(of_range.0));
        let last = loaded
            .last()
            .map_or(of_range.1, |book| book.snapshot.year.max(of_range.1));
        let earlier: Vec<i16> = self.years.iter().filter(|y| **y < first).copied().collect();
        let later: Vec<i16> = self.years.iter().filter(|y| **y > last).copied().collect();
        if earlier.is_empty() && later.is_empty() {
            return Ok(());
        }
        let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
        for (key, _) in self.registry.meters.iter() {
            let register = Register(key);
            match register.span(loaded) {
                None => drop(after.insert(register)),
                Some((first, last)) => {
                    if last <= self.range.last() {
                        after.insert(register.clone());
                    }
                    if first >= self.range.first() {
                        before.insert(register);
                    }
                }
            }
        }
        for year in later {
            for found in self.add(year, &mut after, loaded).await? {
                if found
                    .span(loaded)
                    .is_some_and(|(first, _)| first >= self.range.first())
                {
                    before.insert(found);
                }
            }
        }
        for year in earlier.into_iter().rev() {
            self.add(year, &mut before, loaded).await?;
        }
        loaded.sort_by_key(|book| book.snapshot.year);
        Ok(())
    }

    /// Adds the book of `year` if it has readings of one of `wanted`; removes those registers from `wanted` and
    /// returns them.
    async fn add<'a>(
        &self,
        year: i16,
        wanted: &mut BTreeSet<Register<'a>>,
        loaded: &mut Vec<Arc<BookDays>>,
    ) -> Result<Vec<Register<'a>>, QueryError> {
        if !wanted
            .iter()
            .any(|register| self.is_registered(register, year))
        {
            return Ok(Vec::new());
        }
        let days = self.books.days(self.park, year, self.registry, self.as_of);
        let Some(book) = days.await? else {
            return Ok(Vec::new());
        };
        let book = [book];
        let found = wanted
            .iter()
            .filter(|register| register.span(&book).is_some());
        let found: Vec<Register<'a>> = found.cloned().collect();
        if !found.is_empty() {
            wanted.retain(|register| !found.contains(register));
            loaded.extend(book);
        }
        Ok(found)
    }

    /// Returns true if an entry registers the meter as a register on a day of `year`.
    fn is_registered(&self, register: &Register<'_>, year: i16) -> bool {
        let mut entries = self.registry.meters.entries(register.0).iter();
        entries.any(|entry| {
            entry.body.kind == Kind::Register
                && entry.valid_from.year() <= year
                && entry.valid_to.is_none_or(|last| last.year() >= year)
        })
    }
}

impl Register<'_> {
    /// The first and the last day with a reading of the register in `books`.
    fn span(&self, books: &[Arc<BookDays>]) -> Option<(CivilDay, CivilDay)> {
        let key = SeriesKey {
            enterprise: self.0.enterprise.clone(),
            series: Series {
                meter: self.0.meter.clone(),
                quantity: self.0.quantity,
                kind: Kind::Register,
            },
        };
        let spans = books.iter().filter_map(|book| {
            let at = book
                .series
                .binary_search_by(|series| series.key.cmp(&key))
                .ok()?;
            book.series[at].span()
        });
        spans.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
    }
}
