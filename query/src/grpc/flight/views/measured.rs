//! What meters measured: readings, and totals by civil day.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, Date32Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Schema, TimestampMillisecondType},
};
use futures::TryStreamExt as _;
use greenpark_model::day::{CivilDay, DayRange, Instant};

use super::super::{
    cells::{Column, Kind, schema_of},
    view::{Asking, Member},
    wanted::Wanted,
};
use crate::{
    error::QueryError,
    grpc::readings::extract::{Content, Format, Job, totals},
    lake::scan::{Scan, Selection},
    limits::RANGE_DAYS_MAX,
};

pub(super) const DAILY_TOTALS: &[Column] = &[
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("meter", Kind::Text),
    ("quantity", Kind::Text),
    ("kind", Kind::Text),
    ("unit", Kind::Text),
    ("day", Kind::Day),
    ("consumption", Kind::Decimal),
    ("estimated", Kind::Decimal),
    ("readings", Kind::Integer),
    ("resets", Kind::Integer),
    ("jumps", Kind::Integer),
    ("glitches", Kind::Integer),
    ("invalid", Kind::Integer),
    ("manual", Kind::Integer),
    ("revision", Kind::Integer),
];

pub(super) const READINGS: &[Column] = &[
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("meter", Kind::Text),
    ("quantity", Kind::Text),
    ("kind", Kind::Text),
    ("day", Kind::Day),
    ("instant", Kind::Instant),
    ("value", Kind::Decimal),
    ("flag", Kind::Text),
    ("ticket", Kind::Text),
];

/// The days that a statement names; both ends are needed.
fn range_of(view: &str, wanted: &Wanted) -> Result<DayRange, QueryError> {
    let range = wanted.days();
    range.filter(|range| range.days() <= RANGE_DAYS_MAX).ok_or_else(|| {
        QueryError::invalid(
            "sql",
            format!(
                "{view} needs its days: write WHERE day BETWEEN DATE '2024-01-01' AND DATE '2024-12-31', \
                 or bounds of instant on both sides"
            ),
        )
    })
}

fn selection(asking: &Asking, (park, enterprise): &Member, range: DayRange) -> Selection {
    Selection {
        park: park.clone(),
        enterprise: enterprise.clone(),
        meter: None,
        range,
        as_of: asking.at,
    }
}

pub(super) async fn daily_totals(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let range = range_of("daily_totals", wanted)?;
    let mut batches = Vec::new();
    for member in asking.members(wanted).await? {
        let job = Job {
            selection: selection(asking, &member, range),
            content: Content::DailyTotals,
            format: Format::Csv,
            scope: asking.scope.clone(),
        };
        let totals = totals::make(&asking.shared, &job).await?;
        let batch = shaped(&totals.batch, DAILY_TOTALS, &member)?;
        asking.made(&batch)?;
        batches.push(batch);
    }
    Ok(batches)
}

pub(super) async fn readings(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let range = range_of("readings", wanted)?;
    let (mut batches, books) = (Vec::new(), &asking.shared.books);
    for member in asking.members(wanted).await? {
        let selection = selection(asking, &member, range);
        let scan = Scan::open(books, &asking.scope, selection).await?;
        let (mut found, _) = scan.run(books).await?;
        while let Some(batch) = found.try_next().await.map_err(QueryError::Scan)? {
            let batch = shaped(&batch, READINGS, &member)?;
            asking.made(&batch)?;
            batches.push(batch);
        }
    }
    Ok(batches)
}

/// The columns of a view, from those of `batch`, the names of `member` and the civil days of instants.
fn shaped(
    batch: &RecordBatch,
    columns: &[Column],
    (park, enterprise): &Member,
) -> Result<RecordBatch, QueryError> {
    let rows = batch.num_rows();
    let constant = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows])) };
    let schema: Schema = schema_of(columns);
    let column = |name: &str, wanted: &DataType| -> Result<ArrayRef, QueryError> {
        match (name, batch.column_by_name(name)) {
            ("park", _) => Ok(constant(park.as_str())),
            ("enterprise", _) => Ok(constant(enterprise.as_str())),
            (_, Some(found)) => cast(found, wanted).map_err(QueryError::Encode),
            ("day", None) => days(batch),
            _ => Err(QueryError::Broken(format!(
                "a batch has no column '{name}'"
            ))),
        }
    };
    let arrays = schema.fields().iter();
    let arrays = arrays.map(|field| column(field.name(), field.data_type()));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(QueryError::Encode)
}

/// The civil days of the instants of `batch`.
fn days(batch: &RecordBatch) -> Result<ArrayRef, QueryError> {
    let instants = batch.column_by_name("instant");
    let instants = instants.and_then(|c| c.as_primitive_opt::<TimestampMillisecondType>());
    let instants =
        instants.ok_or_else(|| QueryError::Broken("readings have no instant".to_owned()))?;
    let day = |ms: &i64| -> CivilDay { Instant::from_millis(*ms).day() };
    let days = instants.values().iter().map(|ms| day(ms).epoch_days());
    Ok(Arc::new(Date32Array::from_iter_values(days)))
}
