//! The inputs of a question about one park: its registry and the days of the books that the range touches, as far as
//! the scope permits.

mod around;
mod late;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_archive::rows::SeriesKey;
use greenpark_model::{
    day::{DayRange, Instant},
    id::{EnterpriseId, ParkId},
    limits::DECIDED_BY_DAYS,
    reading::{Kind, Series},
};

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::measure::Memo,
    lake::books::{BookDays, Books, FinalBook, SeriesDays},
    register::registry::{self, Registry},
};

use around::UnreadRegisters;

pub(crate) use late::{FigureConcern, LateArrivals, LateEvidence};

/// One park, for one range and one scope.
#[derive(Debug)]
pub(crate) struct ParkDays {
    pub(crate) park: ParkId,
    pub(crate) registry: Arc<registry::Park>,
    /// The books that the range touches and their neighbours, ordered by year.
    books: Vec<Arc<BookDays>>,
    /// The books that differed when a period became final.
    final_books: Vec<Arc<FinalBook>>,
    scope: Scope,
    pub(crate) memo: Memo,
}

impl ParkDays {
    /// Loads the books of `park` that `range` needs.
    pub(crate) async fn load(
        books: &Arc<Books>,
        scope: &Scope,
        registry: &Registry,
        park: &ParkId,
        range: DayRange,
    ) -> Result<Self, QueryError> {
        let as_of = registry.as_of;
        let at_park = registry.park(park);
        let years = books.lake.years(park).await?;
        let mut loaded = touched(books, (park, &at_park, as_of), &years, range).await?;
        let unread = UnreadRegisters {
            books,
            park,
            registry: &at_park,
            as_of,
            years: &years,
            range,
        };
        unread.load(&mut loaded).await?;
        if let Some(at) = as_of {
            for book in &loaded {
                book.refuse_lost_days(park, range, at)?;
            }
        }
        let memo = match as_of {
            None => Memo::resume(books, park, &loaded, &at_park),
            // A registry as of a past instant exists for one question only.
            Some(_) => Memo::default(),
        };
        Ok(Self {
            park: park.clone(),
            registry: at_park,
            books: loaded,
            final_books: Vec::new(),
            scope: scope.clone(),
            memo,
        })
    }

    /// Loads the books of `range` as they were at `since`, if they differ from those of now.
    pub(crate) async fn recall(
        &mut self,
        books: &Books,
        since: Instant,
        range: DayRange,
    ) -> Result<(), QueryError> {
        if self.final_books.iter().any(|then| then.since == since) {
            return Ok(());
        }
        let years = range.first().year()..=range.last().year();
        for book in &self.books {
            if years.contains(&book.snapshot.year) {
                let of = (since, range);
                let then = books.then(&self.park, book, &self.registry, of);
                self.final_books.extend(then.await?);
            }
        }
        Ok(())
    }

    /// Drops the books as of the instants when periods became final, because another figure has another instant.
    pub(crate) fn forget_then(&mut self) {
        self.final_books.clear();
    }

    /// The books, ordered by year.
    pub(crate) fn books(&self) -> &[Arc<BookDays>] {
        &self.books
    }

    /// Permitted enterprises with readings in the loaded books.
    pub(crate) fn with_readings(&self) -> BTreeSet<EnterpriseId> {
        let all = self.books.iter().flat_map(|book| book.enterprises());
        all.filter(|e| self.scope.permits(&self.park, e))
            .cloned()
            .collect()
    }

    /// Permitted enterprises with readings on a day of `range`.
    pub(crate) fn with_readings_in(&self, range: DayRange) -> BTreeSet<EnterpriseId> {
        let all = self.books.iter().flat_map(|book| &book.series);
        all.filter(|series| series.days.count_of(range) > 0)
            .map(|series| &series.key.enterprise)
            .filter(|e| self.scope.permits(&self.park, e))
            .cloned()
            .collect()
    }

    /// Returns true if a permitted enterprise is registered. The caller must not learn whether others are.
    pub(crate) fn has_registry(&self) -> bool {
        let mut registered = self.registry.enterprises.keys();
        registered.any(|enterprise| self.permits(enterprise))
    }

    /// Returns true if the scope permits `enterprise`.
    pub(crate) fn permits(&self, enterprise: &EnterpriseId) -> bool {
        self.scope.permits(&self.park, enterprise)
    }

    /// The series of an enterprise that a question about `range` sees, each with its days book by book; empty if the
    /// scope does not permit the enterprise. A series with a correction by hand is included even without readings.
    ///
    /// Of the years beside those of `range` only counters are seen that a reading in these years or an entry continues.
    /// Which other books are there is due to other enterprises, and must change nothing.
    pub(crate) fn series(
        &self,
        enterprise: &EnterpriseId,
        range: DayRange,
    ) -> BTreeMap<&Series, Vec<&SeriesDays>> {
        let mut series: BTreeMap<&Series, Vec<&SeriesDays>> = BTreeMap::new();
        if self.permits(enterprise) {
            for book in &self.books {
                let is_within = is_within(book, range);
                for days in book.of(enterprise) {
                    if is_within || self.continues(enterprise, days, range) {
                        series.entry(&days.key.series).or_default().push(days);
                    }
                }
            }
            for of in self.registry.corrected(enterprise) {
                let is_heard = || {
                    let mut all = series.keys();
                    all.any(|known| known.meter == of.meter && known.quantity == of.quantity)
                };
                if self.registry.meters.get(enterprise, of).is_some() || !is_heard() {
                    series.entry(of).or_default();
                }
            }
        }
        series
    }

    /// Returns true if readings of a counter in other years continue those of the years of `range`, or of a register
    /// that an entry names.
    fn continues(&self, enterprise: &EnterpriseId, days: &SeriesDays, range: DayRange) -> bool {
        let is_read = || {
            let mut books = self.books.iter().filter(|book| is_within(book, range));
            books.any(|book| has(book, &days.key))
        };
        let is_registered = || {
            let series = &days.key.series;
            series.kind == Kind::Register && self.registry.meters.get(enterprise, series).is_some()
        };
        is_counter(days) && (is_registered() || is_read())
    }
}

/// Returns true if the book is of a year of `range`.
pub(crate) fn is_within(book: &BookDays, range: DayRange) -> bool {
    (range.first().year()..=range.last().year()).contains(&book.snapshot.year)
}

fn has(book: &BookDays, key: &SeriesKey) -> bool {
    let found = book.series.binary_search_by(|series| series.key.cmp(key));
    found.is_ok()
}

/// Loads the books of `years` that `range` touches, and the year before and after if a counter needs it. Longer silences
/// are bridged for registered registers alone ([`UnreadRegisters`]).
async fn touched(
    books: &Arc<Books>,
    (park, registry, as_of): (&ParkId, &Arc<registry::Park>, Option<Instant>),
    years: &[i16],
    range: DayRange,
) -> Result<Vec<Arc<BookDays>>, QueryError> {
    let (first, last) = (range.first().year(), range.last().year());
    let (early, late) = (
        range.first().plus(-DECIDED_BY_DAYS),
        range.last().plus(DECIDED_BY_DAYS),
    );
    // A counter's readings before and after the range decide what counts in it.
    let before = Some(first - 1).filter(|year| years.contains(year));
    let after = Some(last + 1).filter(|year| years.contains(year));
    let within = years.iter().copied();
    let within = within.filter(|year| (first..=last).contains(year));
    let ahead = before.filter(|_| early.year() < first).into_iter();
    let behind = after.filter(|_| late.year() > last).into_iter();
    let wanted = ahead.chain(within).chain(behind).collect();
    let mut loaded = books.of_years(park, wanted, registry, as_of).await?;
    let of_range = || loaded.iter().filter(|book| is_within(book, range));
    let begins = |series: &SeriesDays| series.span().is_some_and(|(day, _)| day < early);
    let ends = |series: &SeriesDays| series.span().is_some_and(|(_, day)| day > late);
    // In the days before and after the range a counter may have readings that decide it.
    let lacks_before = before.is_some() && (early.year() < first || lacks(of_range(), begins));
    let lacks_after = after.is_some() && (late.year() > last || lacks(of_range().rev(), ends));
    if let Some(year) = before.filter(|_| lacks_before && early.year() == first) {
        loaded.splice(0..0, books.days(park, year, registry, as_of).await?);
    }
    if let Some(year) = after.filter(|_| lacks_after && late.year() == last) {
        loaded.extend(books.days(park, year, registry, as_of).await?);
    }
    Ok(loaded)
}

fn is_counter(series: &SeriesDays) -> bool {
    matches!(series.key.series.kind, Kind::Register | Kind::DailyCounter)
}

/// Returns true if a counter has no day that `reaches` beyond the range in the first of `books` that has it.
fn lacks<'a>(
    books: impl Iterator<Item = &'a Arc<BookDays>>,
    reaches: impl Fn(&SeriesDays) -> bool,
) -> bool {
    let mut known: Vec<&SeriesKey> = Vec::new();
    for book in books {
        let mut new = Vec::new();
        let mut older = known.iter().peekable();
        for series in &book.series {
            while older.next_if(|key| ***key < series.key).is_some() {}
            if older.peek().is_some_and(|key| ***key == series.key) {
                continue;
            }
            if is_counter(series) && !reaches(series) {
                return true;
            }
            new.push(&series.key);
        }
        if !new.is_empty() {
            known.extend(new);
            known.sort_unstable();
        }
    }
    false
}
