//! Finds the latest reading of meters in the two newest books of a park in which the caller sees an enterprise.
//!
//! A meter that has been silent for longer has no reading that is news.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::{rows::ReadingRows, snapshot::Snapshot};
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, MeterId, ParkId},
    quantity::Quantity,
    reading::{Flag, Kind, Series},
};

use crate::{
    error::QueryError,
    lake::books::{BookDays, Books, NewestReading, SeriesDays, hot_in_order, read_files},
    register::registry,
};

/// A meter of an enterprise, and the measured quantity.
pub(crate) type MeterPlace = (EnterpriseId, MeterId, Quantity);

/// Number of books to search.
const BOOKS_MAX: usize = 2;

/// The newest books of a park that hold an enterprise which the caller sees, newest first. Those of others must change
/// nothing.
pub(crate) async fn newest_books(
    books: &Books,
    (park, registry): (&ParkId, &registry::Park),
    as_of: Option<Instant>,
    is_seen: impl Fn(&EnterpriseId) -> bool,
) -> Result<Vec<Arc<BookDays>>, QueryError> {
    let mut newest: Vec<Arc<BookDays>> = Vec::new();
    for year in books.lake.years(park).await?.into_iter().rev() {
        if newest.len() == BOOKS_MAX {
            break;
        }
        let book = books.days(park, year, registry, as_of).await?;
        newest.extend(book.filter(|book| book.enterprises().any(&is_seen)));
    }
    Ok(newest)
}

/// The latest reading of a series.
#[derive(Debug, Clone)]
pub(crate) struct LatestReading {
    pub(crate) enterprise: EnterpriseId,
    pub(crate) series: Series,
    pub(crate) newest: NewestReading,
}

impl LatestReading {
    fn new(days: &SeriesDays, newest: NewestReading) -> Self {
        Self {
            enterprise: days.key.enterprise.clone(),
            series: days.key.series.clone(),
            newest,
        }
    }
}

/// The latest reading, or the day whose rows hold it.
enum Found<'a> {
    Known(NewestReading),
    On(&'a Arc<Snapshot>, CivilDay),
}

/// Series whose latest readings are in the rows of a day, with their index in the answer.
type Unread<'a> = (&'a Arc<Snapshot>, Vec<(usize, &'a SeriesDays)>);

/// The latest reading of each of `places`, in their order.
pub(crate) async fn readings(
    books: &Books,
    newest: &[Arc<BookDays>],
    places: &[MeterPlace],
) -> Result<Vec<Option<LatestReading>>, QueryError> {
    let mut latest = Vec::with_capacity(places.len());
    let mut unread: BTreeMap<CivilDay, Unread<'_>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        latest.push(None);
        match newest.iter().find_map(|book| find(book, place)) {
            Some((days, Found::Known(newest))) => {
                latest[index] = Some(LatestReading::new(days, newest));
            }
            Some((days, Found::On(snapshot, day))) => {
                let of_day = unread.entry(day).or_insert_with(|| (snapshot, Vec::new()));
                of_day.1.push((index, days));
            }
            None => {}
        }
    }
    for (day, (snapshot, series)) in unread {
        let rows = rows_of(books, snapshot, day, &series).await?;
        for (index, days) in series {
            let found = rows.spans().find(|(key, _)| **key == days.key);
            let row = found.and_then(|(_, mut span)| span.rfind(|&row| !rows.superseded[row]));
            latest[index] = row
                .and_then(|row| newest_at(&rows, row))
                .map(|newest| LatestReading::new(days, newest));
        }
    }
    Ok(latest)
}

/// The series of `place` in `book` with the latest day, and where its last reading is.
fn find<'a>(book: &'a BookDays, place: &MeterPlace) -> Option<(&'a SeriesDays, Found<'a>)> {
    let (enterprise, meter, quantity) = place;
    let of_meter = book
        .of(enterprise)
        .iter()
        .filter(|days| days.key.series.meter == *meter && days.key.series.quantity == *quantity);
    let days = of_meter.max_by_key(|days| days.span().map(|(_, last)| last))?;
    let (_, day) = days.span()?;
    if let Some(newest) = days.newest {
        return Some((days, Found::Known(newest)));
    }
    let last = days.days.near(DayRange::new(day, day)?);
    let (_, fold) = last.last()?;
    let outcomes = fold.outcomes;
    let levels = matches!(
        days.key.series.kind,
        Kind::Register | Kind::DailyCounter | Kind::Gauge
    );
    // The last register is the last reading, flagged N, only if every reading of the day counted.
    let plain = outcomes.invalid == 0 && outcomes.manual == 0 && outcomes.glitches == 0;
    match fold.last.filter(|_| levels && plain) {
        Some(last) => {
            let flag = Flag::Normal.code();
            let newest = NewestReading {
                instant: last.instant,
                value: last.register,
                flag,
            };
            Some((days, Found::Known(newest)))
        }
        None => Some((days, Found::On(&book.snapshot, day))),
    }
}

/// Reads and merges the rows of `day` for the enterprises of `series`.
async fn rows_of(
    books: &Books,
    snapshot: &Arc<Snapshot>,
    day: CivilDay,
    series: &[(usize, &SeriesDays)],
) -> Result<ReadingRows, QueryError> {
    let snapshot = &books.lake.whole(snapshot).await?;
    let files = snapshot.day_files(day);
    let of_series = |enterprise: &EnterpriseId| {
        series
            .iter()
            .any(|(_, days)| days.key.enterprise == *enterprise)
    };
    let sealed = files
        .iter()
        .filter(|file| file.sealed().is_some_and(|(e, _)| of_series(e)));
    let files: Vec<_> = sealed.chain(hot_in_order(files)).collect();
    let readings = files.iter().map(|file| file.rows).sum();
    let _reserved = books.engine.reserve_fold(readings).await;
    let read = read_files(&books.engine, snapshot, &files).await?;
    let parts: Vec<&ReadingRows> = read.values().map(|merged| &merged.rows).collect();
    Ok(ReadingRows::merge(&parts).rows)
}

fn newest_at(rows: &ReadingRows, row: usize) -> Option<NewestReading> {
    let value = Amount::from_micro(rows.values[row]).ok()?;
    Some(NewestReading {
        instant: Instant::from_millis(rows.instants[row]),
        value,
        flag: rows.flags[row],
    })
}
