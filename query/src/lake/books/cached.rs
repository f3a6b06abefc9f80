//! Keys and values of the cache of books.

use std::{any::Any, collections::BTreeSet, sync::Arc};

use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    decomposition::{Member, Split},
    id::{EnterpriseId, ParkId},
};

use super::{BookDays, DayFolds, FinalBook, Totals};
use crate::lake::cache::Cache;

/// The cache of books, and of what is computed of them.
pub(crate) type BooksCache = Cache<Key, Entry>;

/// Cache key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The joined days of a book.
    Book(ParkId, i16),
    /// The joined days of a book as it was at versions of its tables, and for how many open days of then a name stands.
    Past(ParkId, i16, (i64, i64), usize),
    /// What the days of a range were at an instant, against those of a version of the readings.
    Final(ParkId, i16, (i64, Instant, DayRange)),
    /// The totals table of a book that still changes.
    Totals(ParkId, i16),
    /// The same in brief: its rollups, and the totals that are in none of them.
    Rolled(ParkId, i16),
    /// The folds of an open day.
    Day(ParkId, CivilDay),
    /// The enterprises with readings in a book at rest.
    Enterprises(ParkId, i16),
    /// What was measured on the books of these years.
    Measured(ParkId, Vec<i16>),
    /// The split of a change among members that have this digest.
    Split(u64),
}

/// Cached value.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Book(Arc<BookDays>),
    Totals(Arc<Totals>),
    Day(Arc<DayFolds>),
    /// With the version of the readings that tell them.
    Enterprises(Arc<BTreeSet<EnterpriseId>>, i64),
    /// With the digest of the traits that it was folded by.
    Final(Option<Arc<FinalBook>>, u64),
    /// Of a type that the figures alone know.
    Measured(Arc<dyn Any + Send + Sync>),
    Split(Arc<(Vec<Member>, Arc<Split>)>),
}
