//! Daily totals of an enterprise, midnights included, and the digests of their source files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{
        Array, AsArray, Date32Array, Decimal128Array, DictionaryArray, Int64Array, RecordBatch,
    },
    datatypes::{DataType, Date32Type, Field, Int32Type, Schema},
    error::ArrowError,
};
use futures::TryStreamExt as _;
use greenpark_archive::{file::ReadingsFile, snapshot::Snapshot};
use greenpark_model::{
    compose::Consumption,
    day::{CivilDay, DayRange},
    fold::DayFold,
    reading::{Kind, Series},
};

use crate::{
    error::QueryError,
    figures::{consumption::consume_daily, park_days::ParkDays},
    grpc::{readings::extract::Job, server::Shared},
    lake::{
        books::{Books, SeriesDays, hot_in_order},
        engine::Work,
        record_batches::numbers,
        scan::Source,
        snapshot_table::LakeTable,
    },
};

/// A row of the extract.
struct Row<'a> {
    series: &'a Series,
    day: CivilDay,
    consumption: Consumption,
    /// The revision of the day's sealed file; 0 for an open day.
    revision: u32,
}

/// Daily totals and what they stand on.
pub(crate) struct Made {
    pub(crate) batch: RecordBatch,
    /// The enterprise's sealed files, and the hot files of the same days.
    pub(crate) sources: Vec<Source>,
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
    /// The days among them on which the enterprise has readings that are not sealed.
    pub(crate) open: Vec<CivilDay>,
}

/// Makes the daily totals of `job`.
pub(crate) async fn make(shared: &Shared, job: &Job) -> Result<Made, QueryError> {
    let selection = &job.selection;
    let registry = shared.registry_at(selection.as_of).await?;
    let days = ParkDays::load(
        &shared.books,
        &job.scope,
        &registry,
        &selection.park,
        selection.range,
    )
    .await?;
    let mut rows = Vec::new();
    let mut stands_on: BTreeSet<CivilDay> = selection.range.iter().collect();
    for (series, parts) in days.series(&selection.enterprise, selection.range) {
        if series.kind == Kind::Gauge {
            continue;
        }
        if matches!(series.kind, Kind::Register | Kind::DailyCounter) {
            stands_on.extend(neighbors(&parts, selection.range));
        }
        let traits = days.registry.meters.traits(&selection.enterprise, series);
        for (day, consumption) in consume_daily(&parts, &traits, selection.range) {
            rows.push(Row {
                series,
                day,
                consumption,
                revision: revision(&days, job, day),
            });
        }
    }
    let years: BTreeSet<i16> = stands_on.iter().map(|day| day.year()).collect();
    let books = days
        .books()
        .iter()
        .filter(|book| years.contains(&book.snapshot.year));
    let mut snapshots: Vec<Arc<Snapshot>> = Vec::new();
    for book in books {
        snapshots.push(shared.books.lake.whole(&book.snapshot).await?);
    }
    let open = |day: &CivilDay| {
        let mut books = days.books().iter();
        books.any(|book| {
            let open = book.open.get(&selection.enterprise);
            book.snapshot.year == day.year() && open.is_some_and(|open| open.contains(day))
        })
    };
    Ok(Made {
        batch: batch(job, &rows).map_err(QueryError::Encode)?,
        sources: sources(job, &snapshots, &stands_on),
        open: stands_on.iter().copied().filter(open).collect(),
        snapshots,
    })
}

/// The days on either side of `range` whose registers determine its first and last midnight.
fn neighbors(parts: &[&SeriesDays], range: DayRange) -> impl Iterator<Item = CivilDay> {
    let days: Vec<(CivilDay, DayFold)> = parts.iter().flat_map(|part| part.days.all()).collect();
    let before = days
        .iter()
        .rfind(|(day, fold)| *day < range.first() && fold.last.is_some());
    let after = days
        .iter()
        .find(|(day, fold)| *day > range.last() && fold.first.is_some());
    let both = before.into_iter().chain(after).map(|(day, _)| *day);
    both.collect::<Vec<_>>().into_iter()
}

fn revision(days: &ParkDays, job: &Job, day: CivilDay) -> u32 {
    let enterprise = &job.selection.enterprise;
    let book = days
        .books()
        .iter()
        .find(|book| book.snapshot.year == day.year());
    let open = book.and_then(|book| book.open.get(enterprise));
    let sealed = book.and_then(|book| book.sealed.get(enterprise));
    match (open, sealed) {
        (Some(open), _) if open.contains(&day) => 0,
        (_, Some(sealed)) => {
            let at = sealed.binary_search_by_key(&day, |(day, _)| *day);
            at.map_or(0, |at| sealed[at].1)
        }
        _ => 0,
    }
}

fn batch(job: &Job, rows: &[Row<'_>]) -> Result<RecordBatch, ArrowError> {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let texts = ["enterprise", "meter", "quantity", "kind", "unit"];
    let counts = [
        "readings", "resets", "jumps", "glitches", "invalid", "manual", "revision",
    ];
    let mut fields: Vec<Field> = texts.map(|name| Field::new(name, text(), false)).to_vec();
    fields.push(Field::new("day", DataType::Date32, false));
    fields.push(Field::new(
        "consumption",
        DataType::Decimal128(38, 6),
        false,
    ));
    fields.push(Field::new("estimated", DataType::Decimal128(38, 6), false));
    fields.extend(counts.map(|name| Field::new(name, DataType::Int64, false)));
    let names: Vec<String> = rows
        .iter()
        .map(|row| row.series.quantity.to_string())
        .collect();
    let column = |of: &dyn Fn(&Row<'_>) -> String| -> DictionaryArray<Int32Type> {
        let texts: Vec<String> = rows.iter().map(of).collect();
        texts.iter().map(String::as_str).collect()
    };
    let decimal = |of: fn(&Consumption) -> i128| {
        Decimal128Array::from_iter_values(rows.iter().map(|row| of(&row.consumption)))
            .with_precision_and_scale(38, 6)
    };
    let count = |of: fn(&Row<'_>) -> i64| Arc::new(rows.iter().map(of).collect::<Int64Array>());
    let enterprise = job.selection.enterprise.as_str();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![
            Arc::new(column(&|_| enterprise.to_owned())),
            Arc::new(column(&|row| row.series.meter.to_string())),
            Arc::new(
                names
                    .iter()
                    .map(String::as_str)
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
            Arc::new(column(&|row| row.series.kind.as_str().to_owned())),
            Arc::new(column(&|row| {
                row.series.quantity.medium.unit().symbol().to_owned()
            })),
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.day.epoch_days()))
                    .collect::<Date32Array>(),
            ),
            Arc::new(decimal(|c| c.amount.0)?),
            Arc::new(decimal(|c| c.estimated.0)?),
            count(|row| i64::try_from(row.consumption.readings).unwrap_or(i64::MAX)),
            count(|row| row.consumption.outcomes.resets.into()),
            count(|row| row.consumption.outcomes.jumps.into()),
            count(|row| row.consumption.outcomes.glitches.into()),
            count(|row| row.consumption.outcomes.invalid.into()),
            count(|row| row.consumption.outcomes.manual.into()),
            count(|row| row.revision.into()),
        ],
    )
}

/// Sealed files of the enterprise and hot files of the days. A hot file may have no reading of the enterprise: its
/// name does not show it.
fn sources(job: &Job, snapshots: &[Arc<Snapshot>], days: &BTreeSet<CivilDay>) -> Vec<Source> {
    let selection = &job.selection;
    let mut sources = Vec::new();
    for snapshot in snapshots {
        for files in snapshot.files.chunk_by(|a, b| a.day == b.day) {
            if !days.contains(&files[0].day) {
                continue;
            }
            let mine = |file: &&ReadingsFile| {
                file.sealed()
                    .is_some_and(|(enterprise, _)| *enterprise == selection.enterprise)
            };
            let of_day = files.iter().filter(mine).chain(hot_in_order(files));
            sources.extend(of_day.map(|file| Source::new(snapshot, file)));
        }
    }
    sources
}

/// The SHA-256 of sealed files by day and revision, as far as totals hold them.
pub(super) async fn digests(
    books: &Books,
    job: &Job,
    snapshots: &[Arc<Snapshot>],
    sources: &[Source],
) -> Result<BTreeMap<(CivilDay, u32), String>, QueryError> {
    let selection = &job.selection;
    let days = || sources.iter().map(|source| source.day);
    let first = days().min().unwrap_or(selection.range.first());
    let last = days().max().unwrap_or(selection.range.last());
    let mut digests = BTreeMap::new();
    for snapshot in snapshots {
        if snapshot.totals_files.is_empty() {
            continue;
        }
        let table = LakeTable::totals(snapshot, 0);
        let sql = format!(
            "SELECT DISTINCT day, revision, sha256 FROM totals WHERE enterprise = '{}' \
             AND readings > 0 AND day BETWEEN DATE '{first}' AND DATE '{last}'",
            selection.enterprise,
        );
        let tables = [("totals", table.provider())];
        let mut batches = books.engine.query(Work::Scan, tables, sql).await?;
        while let Some(batch) = batches.try_next().await? {
            take_digests(&batch, &mut digests)?;
        }
    }
    Ok(digests)
}

fn take_digests(
    batch: &RecordBatch,
    digests: &mut BTreeMap<(CivilDay, u32), String>,
) -> Result<(), QueryError> {
    let days = numbers::<Date32Type>(batch, "day")?;
    let revisions = numbers::<Int32Type>(batch, "revision")?;
    let texts = batch
        .column_by_name("sha256")
        .and_then(|c| c.as_dictionary_opt::<Int32Type>());
    let texts = texts.and_then(|d| d.downcast_dict::<arrow::array::StringArray>());
    let texts = texts.ok_or_else(|| QueryError::Broken("totals have no sha256".to_owned()))?;
    for row in 0..batch.num_rows() {
        let Ok(revision) = u32::try_from(revisions.value(row)) else {
            continue;
        };
        let Ok(index) = usize::try_from(texts.keys().value(row)) else {
            continue;
        };
        let day = CivilDay::from_epoch_days(days.value(row));
        if texts.values().is_valid(index) {
            digests.insert((day, revision), texts.values().value(index).to_owned());
        }
    }
    Ok(())
}
