//! The totals table: one row per series and day, folded from the readings of a sealed file alone.
//!
//! A total counts only if its revision is the sealed file's. Rows of older revisions stay, so that a figure as
//! published on a date can be computed again. Files are sorted by series, day and revision.

pub mod odd;
pub(crate) mod read;

use std::sync::{Arc, LazyLock};

pub use self::read::decode_totals;
use crate::{
    delta::{Null, Past, Shape, state::TableFile},
    error::EncodeError,
    store::digest::hex,
    tables::tabular,
};
use arrow::{
    array::{
        ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array,
        TimestampMillisecondArray,
    },
    datatypes::{Int32Type, Schema, SchemaRef},
};
use bytes::Bytes;
use greenpark_model::{
    day::CivilDay,
    fold::{DayFold, Point},
    id::EnterpriseId,
    reading::Series,
};

/// The total of one series and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalsRow {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The meter, quantity and kind.
    pub series: Series,
    /// The civil day.
    pub day: CivilDay,
    /// The revision of the sealed file.
    pub revision: u32,
    /// The digest of the sealed file.
    pub sha256: [u8; 32],
    /// The meter's traits by which it was folded, as [`MeterProfile`](greenpark_model::fold::MeterProfile) formats them.
    pub rules: Arc<str>,
    /// The fold of its readings.
    pub fold: DayFold,
    /// Readings dropped as duplicates.
    pub duplicates: u32,
    /// Readings superseded.
    pub conflicts: u32,
    /// Late readings that count.
    pub late: u32,
}

impl TotalsRow {
    /// A row that counts only repeats, `many` of them, which came when the day was sealed as `revision`. It has
    /// no readings; its repeats are added to the other counts of the series and day.
    #[must_use]
    pub fn repeats(
        enterprise: EnterpriseId,
        series: Series,
        (day, revision): (CivilDay, u32),
        many: u32,
    ) -> Self {
        Self {
            enterprise,
            series,
            day,
            revision,
            sha256: [0; 32],
            rules: "".into(),
            fold: DayFold::default(),
            duplicates: many,
            conflicts: 0,
            late: 0,
        }
    }

    /// Returns true if the row counts only repeats that came after its revision was sealed.
    #[must_use]
    pub fn is_repeats(&self) -> bool {
        self.fold.readings == 0
    }
}

/// A file of a totals table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalsFile {
    /// The path within the table.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The number of rows in it.
    pub rows: u64,
    /// The number of the latest seal in it.
    pub seal: i64,
}

/// Columns of the totals table. `consumption` is within the day: steps over midnight are made when days are
/// joined. Registers are null if the day has none; `head` is the first that differs from the first, `tail` the
/// last that differs from the last. `rules` names the meter's traits by which the row was folded. A row without
/// readings counts repeats that came after its revision was sealed. [`odd`] holds facts that few days have and
/// `late` counts late readings: only files that have some have these columns.
pub(crate) static SHAPE: Shape = Shape {
    columns: &[
        ("enterprise", "string", Null::Never),
        ("meter", "string", Null::Never),
        ("quantity", "string", Null::Never),
        ("kind", "string", Null::Never),
        ("unit", "string", Null::Never),
        ("day", "date", Null::Never),
        ("revision", "integer", Null::Never),
        ("readings", "long", Null::Never),
        ("consumption", "decimal(38,6)", Null::Never),
        ("first_instant", "timestamp", Null::Allowed),
        ("first_register", "decimal(18,6)", Null::Allowed),
        ("head_instant", "timestamp", Null::Allowed),
        ("head_register", "decimal(18,6)", Null::Allowed),
        ("tail_instant", "timestamp", Null::Allowed),
        ("tail_register", "decimal(18,6)", Null::Allowed),
        ("last_instant", "timestamp", Null::Allowed),
        ("last_register", "decimal(18,6)", Null::Allowed),
        ("rollovers", "long", Null::Never),
        ("replacements", "long", Null::Never),
        ("resets", "long", Null::Never),
        ("jumps", "long", Null::Never),
        ("glitches", "long", Null::Never),
        ("invalid", "long", Null::Never),
        ("manual", "long", Null::Never),
        ("duplicates", "long", Null::Never),
        ("conflicts", "long", Null::Never),
        ("sha256", "string", Null::Never),
        ("rules", "string", Null::Never),
        (ODD, "string", Null::Allowed),
        (LATE, "long", Null::Allowed),
    ],
    partition: &[],
    past: Past::Kept,
};

/// The column that only files with odd days have.
const ODD: &str = "odd";
/// The column that only files with late readings have.
const LATE: &str = "late";
/// The columns that not every file has.
const MORE: [&str; 2] = [ODD, LATE];

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| tabular::schema_of(&SHAPE));
/// The columns of a file without odd days and late readings.
static USUAL: LazyLock<SchemaRef> = LazyLock::new(|| schema_of_more(&|_| false));

/// The columns of a file that has the columns of [`MORE`] for which `has` returns true.
fn schema_with(has: impl Fn(&str) -> bool) -> SchemaRef {
    if MORE.iter().any(|name| has(name)) {
        schema_of_more(&has)
    } else {
        Arc::clone(&USUAL)
    }
}

fn schema_of_more(has: &dyn Fn(&str) -> bool) -> SchemaRef {
    let kept = |name: &str| !MORE.contains(&name) || has(name);
    let fields = SCHEMA.fields().iter().filter(|field| kept(field.name()));
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}

/// The columns of a totals file as Arrow reads them best: texts as dictionaries. Only a file with late readings
/// has `late`.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// The columns of the file of `rows` beyond those of every file.
pub(crate) fn more_columns(rows: &[TotalsRow]) -> Vec<&'static str> {
    let odd = rows.iter().any(|row| odd::write_odd(&row.fold).is_some());
    let late = rows.iter().any(|row| row.late > 0);
    [(odd, ODD), (late, LATE)]
        .into_iter()
        .filter_map(|(any, name)| any.then_some(name))
        .collect()
}

impl TableFile for TotalsFile {
    fn parse(path: &str, size: u64, rows: u64) -> Option<Self> {
        let (number, _) = path
            .strip_suffix(".parquet")?
            .strip_prefix("totals.")?
            .split_once('.')?;
        Some(Self {
            path: path.to_owned(),
            size,
            rows,
            seal: number.parse().ok()?,
        })
    }
}

/// The name of a file; `seal` is the number of its latest seal.
pub(crate) fn file_name(seal: i64, sha256: &[u8; 32]) -> String {
    format!(
        "totals.{seal:012}.{}.parquet",
        crate::store::digest::content_id(sha256)
    )
}

/// Sorts rows as in files, and adds up rows that count only repeats of one series and day.
pub(crate) fn sort(rows: &mut Vec<TotalsRow>) {
    rows.sort_by(|a, b| {
        let key = |row: &TotalsRow| (row.day, row.revision, row.is_repeats());
        (&a.enterprise, &a.series)
            .cmp(&(&b.enterprise, &b.series))
            .then_with(|| key(a).cmp(&key(b)))
    });
    rows.dedup_by(|next, row| {
        let same = row.is_repeats()
            && next.is_repeats()
            && (row.day, row.revision) == (next.day, next.revision)
            && (&row.enterprise, &row.series) == (&next.enterprise, &next.series);
        if same {
            row.duplicates = row.duplicates.saturating_add(next.duplicates);
        }
        same
    });
}

/// Encodes `rows` as a Parquet file.
///
/// # Errors
/// [`EncodeError`] if there is no row or a total exceeds DECIMAL(38,6).
pub fn encode_totals(rows: &[TotalsRow]) -> Result<Bytes, EncodeError> {
    if rows.is_empty() {
        return Err(EncodeError::Empty);
    }
    let mut columns = columns(rows)?;
    let more = more_columns(rows);
    if more.contains(&ODD) {
        let texts: Vec<Option<String>> = rows.iter().map(|row| odd::write_odd(&row.fold)).collect();
        let texts = texts.iter().map(Option::as_deref);
        columns.push(Arc::new(texts.collect::<DictionaryArray<Int32Type>>()));
    }
    if more.contains(&LATE) {
        let late = rows.iter().map(|row| i64::from(row.late));
        columns.push(Arc::new(Int64Array::from_iter_values(late)));
    }
    tabular::write(&schema_with(|name| more.contains(&name)), columns)
}

/// The columns of every file, in the order of [`SHAPE`].
pub(crate) fn columns(rows: &[TotalsRow]) -> Result<Vec<ArrayRef>, EncodeError> {
    let text = |name: &dyn Fn(&TotalsRow) -> String| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(name)
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<DictionaryArray<Int32Type>>(),
        )
    };
    let count = |count: fn(&TotalsRow) -> u32| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| i64::from(count(row))),
        ))
    };
    let instant = |point: fn(&DayFold) -> Option<Point>| -> ArrayRef {
        let instants = rows
            .iter()
            .map(|row| point(&row.fold).map(|point| point.instant.millis()));
        Arc::new(
            instants
                .collect::<TimestampMillisecondArray>()
                .with_timezone("UTC"),
        )
    };
    let register = |point: fn(&DayFold) -> Option<Point>| -> Result<ArrayRef, EncodeError> {
        let registers = rows
            .iter()
            .map(|row| point(&row.fold).map(|point| i128::from(point.register.micro())));
        Ok(Arc::new(decimals(registers.collect(), 18)?))
    };
    let revisions = rows
        .iter()
        .map(|row| i32::try_from(row.revision).map_err(|_| EncodeError::Range));
    let within = rows.iter().map(|row| Some(row.fold.within.0)).collect();
    Ok(vec![
        text(&|row| row.enterprise.to_string()),
        text(&|row| row.series.meter.to_string()),
        text(&|row| row.series.quantity.to_string()),
        text(&|row| row.series.kind.as_str().to_owned()),
        text(&|row| row.series.quantity.medium.unit().symbol().to_owned()),
        Arc::new(Date32Array::from_iter_values(
            rows.iter().map(|row| row.day.epoch_days()),
        )),
        Arc::new(Int32Array::from(revisions.collect::<Result<Vec<_>, _>>()?)),
        count(|row| row.fold.readings),
        Arc::new(decimals(within, 38)?),
        instant(|fold| fold.first),
        register(|fold| fold.first)?,
        instant(|fold| fold.head),
        register(|fold| fold.head)?,
        instant(|fold| fold.tail),
        register(|fold| fold.tail)?,
        instant(|fold| fold.last),
        register(|fold| fold.last)?,
        count(|row| row.fold.outcomes.rollovers),
        count(|row| row.fold.outcomes.replacements),
        count(|row| row.fold.outcomes.resets),
        count(|row| row.fold.outcomes.jumps),
        count(|row| row.fold.outcomes.glitches),
        count(|row| row.fold.outcomes.invalid),
        count(|row| row.fold.outcomes.manual),
        count(|row| row.duplicates),
        count(|row| row.conflicts),
        text(&|row| hex(&row.sha256)),
        text(&|row| row.rules.to_string()),
    ])
}

fn decimals(values: Vec<Option<i128>>, precision: u8) -> Result<Decimal128Array, EncodeError> {
    let array = Decimal128Array::from(values);
    let array = array
        .with_precision_and_scale(precision, 6)
        .map_err(|_| EncodeError::Range)?;
    array
        .validate_decimal_precision(precision)
        .map_err(|_| EncodeError::Range)?;
    Ok(array)
}

#[cfg(test)]
mod tests;
