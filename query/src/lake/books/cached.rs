//! Keys and values of the cache of books.

use std::{any::Any, collections::BTreeSet, sync::Arc};

use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    decomposition::{Member, Split},
    id::{EnterpriseId, ParkId},
};

use super::{BookDays, DayFolds, FinalBook, Totals};
use crate::lake::cache::Cache;

/// The cache of books and of results computed from them.
pub(crate) type BooksCache = Cache<Key, Entry>;

/// Cache key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The joined days of a book.
    Book(ParkId, i16),
    /// The joined days of a book at past versions of its tables, and how many open days of then have a stand-in file.
    Past(ParkId, i16, (i64, i64), usize),
    /// The days of a range at an instant, compared with a version of the readings.
    Final(ParkId, i16, (i64, Instant, DayRange)),
    /// The totals table of a book that still changes.
    Totals(ParkId, i16),
    /// The rollups of such a book, and the totals without a rollup.
    Rolled(ParkId, i16),
    /// The folds of an open day.
    Day(ParkId, CivilDay),
    /// The enterprises with readings in a book at rest.
    Enterprises(ParkId, i16),
    /// Consumption measured on the books of these years.
    Measured(ParkId, Vec<i16>),
    /// The split of a change among members with this digest.
    Split(u64),
}

/// Cached value.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Book(Arc<BookDays>),
    Totals(Arc<Totals>),
    Day(Arc<DayFolds>),
    /// With the version of the readings.
    Enterprises(Arc<BTreeSet<EnterpriseId>>, i64),
    /// With the digest of the meters' traits.
    Final(Option<Arc<FinalBook>>, u64),
    /// Only `figures` knows the type.
    Measured(Arc<dyn Any + Send + Sync>),
    Split(Arc<(Vec<Member>, Arc<Split>)>),
}
