//! Scans the distinct readings of an enterprise in a range, ordered by meter, quantity, kind and instant.
//!
//! Sealed days without hot readings come straight from their files. For a day with hot readings, sealed and hot
//! rows are merged first. One sort joins both, and spills to disk when it outgrows the memory of its question.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Decimal128Array, DictionaryArray, RecordBatch, TimestampMillisecondArray},
    datatypes::{Int32Type, SchemaRef},
    error::ArrowError,
};
use datafusion::{
    datasource::{MemTable, TableProvider},
    physical_plan::SendableRecordBatchStream,
};
use futures::TryStreamExt as _;
use greenpark_archive::{
    file::ReadingsFile,
    rows::{ReadingRows, SeriesKey},
    snapshot::Snapshot,
};
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, MeterId, ParkId},
    reading::Flag,
    ticket::Ticket,
};

use crate::{
    access::scope::Scope,
    error::QueryError,
    lake::{
        books::{Books, hot_in_order},
        engine::Work,
        record_batches::{FileRows, READINGS_COLUMNS},
        snapshot_table::{LakeTable, readings_schema},
    },
    limits::OPEN_READINGS_MAX,
    register::name::Name,
};

/// Columns of the result, in order.
const COLUMNS: &str =
    "meter, quantity, kind, instant, value, flag, ticket, late_received, late_gateway";

/// Rows of a batch of an open day. A sort takes a batch as a whole, and spills between two.
const BATCH_ROWS: usize = 8_192;

/// Selects the readings of an enterprise or a meter in a range of days.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) park: ParkId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) meter: Option<MeterId>,
    pub(crate) range: DayRange,
    /// The instant of the state to read; `None` for the current state.
    pub(crate) as_of: Option<Instant>,
}

/// A file that readings were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The path within the lake.
    pub(crate) path: String,
    pub(crate) day: CivilDay,
    pub(crate) rows: u64,
    /// The revision of a sealed file; `None` for a hot file.
    pub(crate) revision: Option<u32>,
}

impl Source {
    pub(crate) fn new(snapshot: &Snapshot, file: &ReadingsFile) -> Self {
        Self {
            path: format!("{}/{}", snapshot.readings_root(), file.path),
            day: file.day,
            rows: file.rows,
            revision: file.sealed().map(|(_, revision)| revision),
        }
    }
}

/// A selection bound to snapshots.
#[derive(Debug)]
pub(crate) struct Scan {
    selection: Selection,
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
}

impl Scan {
    /// Binds the selection to the newest snapshot of every book that the range touches.
    pub(crate) async fn open(
        books: &Books,
        scope: &Scope,
        selection: Selection,
    ) -> Result<Self, QueryError> {
        let name = Name::Enterprise(selection.park.clone(), selection.enterprise.clone());
        scope.check(&name)?;
        let mut snapshots = Vec::new();
        let years = selection.range.first().year()..=selection.range.last().year();
        for year in books.lake.years(&selection.park).await? {
            if years.contains(&year) {
                snapshots.extend(match selection.as_of {
                    None => books.lake.snapshot(&selection.park, year).await?,
                    Some(at) => {
                        let of = (&selection.park, selection.range);
                        books.whole_as_of(of, year, at).await?
                    }
                });
            }
        }
        Ok(Self {
            selection,
            snapshots,
        })
    }

    fn files(&self) -> impl Iterator<Item = (&Snapshot, &ReadingsFile)> {
        let range = self.selection.range;
        self.snapshots
            .iter()
            .flat_map(|snapshot| snapshot.files.iter().map(|file| (snapshot.as_ref(), file)))
            .filter(move |(_, file)| range.contains(file.day))
    }

    fn is_of_enterprise(&self, file: &ReadingsFile) -> bool {
        file.sealed()
            .is_some_and(|(enterprise, _)| *enterprise == self.selection.enterprise)
    }

    /// The hot files of the range by day, within a day in the order of the log.
    fn hot(&self) -> Vec<(&Snapshot, &ReadingsFile)> {
        let mut hot = Vec::new();
        for snapshot in &self.snapshots {
            for files in snapshot.files.chunk_by(|a, b| a.day == b.day) {
                if self.selection.range.contains(files[0].day) {
                    hot.extend(
                        hot_in_order(files)
                            .into_iter()
                            .map(|file| (snapshot.as_ref(), file)),
                    );
                }
            }
        }
        hot
    }

    /// Runs the scan. Returns the readings and their source files.
    pub(crate) async fn run(
        &self,
        books: &Books,
    ) -> Result<(SendableRecordBatchStream, Vec<Source>), QueryError> {
        // Includes sealed files of days with hot files: which of them are read is not known yet.
        let hot = self.hot();
        let days: BTreeSet<CivilDay> = hot.iter().map(|(_, file)| file.day).collect();
        let mine = self.files().filter(|(_, file)| {
            file.is_hot() || (days.contains(&file.day) && self.is_of_enterprise(file))
        });
        let mut reserved = books
            .engine
            .reserve_sort(mine.map(|(_, file)| file.rows).sum())
            .await?;
        let (hot_rows, mut sources) = self.read(books, &hot).await?;
        let open: BTreeSet<CivilDay> = hot_rows.iter().map(|(day, _)| *day).collect();
        let mine = self.files().filter(|(_, file)| self.is_of_enterprise(file));
        let (sealed, closed): (Vec<_>, Vec<_>) =
            mine.partition(|(_, file)| open.contains(&file.day));
        let (sealed_rows, sealed_sources) = self.read(books, &sealed).await?;
        sources.extend(sealed_sources);
        let schema = selected_schema()?;
        let mut batches = Vec::with_capacity(open.len());
        for day in open {
            let all = sealed_rows.iter().chain(&hot_rows);
            let parts: Vec<&ReadingRows> = all
                .filter(|(d, _)| *d == day)
                .map(|(_, rows)| rows)
                .collect();
            let merged = ReadingRows::merge(&parts);
            for kept in kept(&merged.rows).chunks(BATCH_ROWS) {
                batches.push(batch(&merged.rows, kept, &schema).map_err(QueryError::Encode)?);
            }
        }
        drop((hot_rows, sealed_rows));
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        books.engine.shrink(&mut reserved, rows as u64);
        sources.extend(
            closed
                .iter()
                .map(|(snapshot, file)| Source::new(snapshot, file)),
        );
        sources.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        let open: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, vec![batches])?);
        let sealed = LakeTable::readings(closed).provider();
        let tables = [("sealed", sealed), ("open", open)];
        let stream = books.engine.query(Work::Sort, tables, self.sql()).await?;
        Ok((reserved.hold(stream), sources))
    }

    /// The statement. An id has only letters, digits, '-', '_' and '.', so it needs no escaping.
    fn sql(&self) -> String {
        let meter = self.meter_filter();
        format!(
            "SELECT {COLUMNS} FROM sealed WHERE enterprise = '{}' AND NOT superseded{meter} \
             UNION ALL SELECT {COLUMNS} FROM open \
             ORDER BY meter, quantity, kind, instant, ticket NULLS FIRST",
            self.selection.enterprise
        )
    }

    fn meter_filter(&self) -> String {
        self.selection
            .meter
            .as_ref()
            .map_or_else(String::new, |m| format!(" AND meter = '{m}'"))
    }

    /// Reads the enterprise's rows of each of `files`, given in the order of the log.
    async fn read(
        &self,
        books: &Books,
        files: &[(&Snapshot, &ReadingsFile)],
    ) -> Result<(Vec<(CivilDay, ReadingRows)>, Vec<Source>), QueryError> {
        let mut read = FileRows::default();
        if files.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let table = LakeTable::readings(files.iter().copied());
        let sql = format!(
            "SELECT {READINGS_COLUMNS} FROM readings WHERE enterprise = '{}'{}",
            self.selection.enterprise,
            self.meter_filter()
        );
        let tables = [("readings", table.provider())];
        let mut batches = books.engine.query(Work::Scan, tables, sql).await?;
        while let Some(batch) = batches.try_next().await? {
            read.add(&batch)?;
            if read.readings() > OPEN_READINGS_MAX {
                return Err(QueryError::TooLarge);
            }
        }
        let mut merged_rows = read.finish();
        let (mut rows, mut sources) = (Vec::new(), Vec::new());
        for ((snapshot, file), place) in files.iter().zip(0u32..) {
            if let Some(merged) = merged_rows
                .remove(&place)
                .filter(|merged| !merged.rows.is_empty())
            {
                rows.push((file.day, merged.rows));
                sources.push(Source::new(snapshot, file));
            }
        }
        Ok((rows, sources))
    }
}

/// The schema of a scan's result.
pub(crate) fn selected_schema() -> Result<SchemaRef, QueryError> {
    let all = readings_schema();
    let places: Result<Vec<usize>, ArrowError> =
        COLUMNS.split(", ").map(|name| all.index_of(name)).collect();
    let projected = places
        .and_then(|places| all.project(&places))
        .map_err(QueryError::Encode)?;
    Ok(Arc::new(projected))
}

/// The rows that are not superseded.
fn kept(rows: &ReadingRows) -> Vec<usize> {
    let all = 0..rows.len();
    all.filter(|&row| !rows.superseded[row]).collect()
}

/// The readings of the rows `kept`.
fn batch(
    rows: &ReadingRows,
    kept: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let names: Vec<String> = rows
        .keys
        .iter()
        .map(|key| key.series.quantity.to_string())
        .collect();
    let place = |row: usize| usize::try_from(rows.series[row]).unwrap_or(usize::MAX);
    let key = |row: usize| -> &SeriesKey { &rows.keys[place(row)] };
    let texts = |text: &dyn Fn(usize) -> &'static str| -> DictionaryArray<Int32Type> {
        kept.iter().map(|&row| text(row)).collect()
    };
    let meters: DictionaryArray<Int32Type> = kept
        .iter()
        .map(|&row| key(row).series.meter.as_str())
        .collect();
    let quantities: DictionaryArray<Int32Type> =
        kept.iter().map(|&row| names[place(row)].as_str()).collect();
    let flag = |row: usize| Flag::from_code(rows.flags[row]).map_or("", Flag::as_str);
    let tickets: DictionaryArray<Int32Type> = kept
        .iter()
        .map(|&row| rows.ticket(row).map(Ticket::as_str))
        .collect();
    let late = || kept.iter().map(|&row| rows.late(row));
    let received: TimestampMillisecondArray = late()
        .map(|late| late.map(|late| late.received.millis()))
        .collect();
    let gateways: DictionaryArray<Int32Type> = late()
        .map(|late| late.map(|late| late.gateway.as_str()))
        .collect();
    let instants = kept.iter().map(|&row| rows.instants[row]);
    let values = kept.iter().map(|&row| i128::from(rows.values[row]));
    RecordBatch::try_new(
        Arc::clone(schema),
        vec![
            Arc::new(meters),
            Arc::new(quantities),
            Arc::new(texts(&|row| key(row).series.kind.as_str())),
            Arc::new(TimestampMillisecondArray::from_iter_values(instants).with_timezone("UTC")),
            Arc::new(Decimal128Array::from_iter_values(values).with_precision_and_scale(18, 6)?),
            Arc::new(texts(&flag)),
            Arc::new(tickets),
            Arc::new(received.with_timezone("UTC")),
            Arc::new(gateways),
        ],
    )
}
