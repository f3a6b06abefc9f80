//! The rollups table: one row per series and month with the composed totals of its days, and these days packed.
//!
//! A rollup is made of totals and holds nothing that they do not: a query about years reads months instead of
//! days. A day of it is valid while the day's sealed file has the revision in the rollup, and its meter the
//! traits in the rollup; otherwise the totals are read. So a rollup may be old, or missing, and no figure
//! changes.
//!
//! [`PackedDays`] are the column `folds`. The column `unusual` lists the days that were not simply sealed once:
//! `day revision duplicates repeats conflicts late`, separated by `; `.

mod packed_days;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BinaryArray, DictionaryArray, Int64Array},
    datatypes::{Int32Type, SchemaRef},
};
use bytes::Bytes;
use greenpark_model::{
    compose,
    day::{CivilDay, DayRange},
    fold::{DayFold, MeterProfile},
    id::EnterpriseId,
    reading::{Kind, Series},
};

pub use self::packed_days::PackedDays;
use crate::{
    delta::{Null, Past, Shape, state::TableFile},
    error::{EncodeError, FileDecodeError},
    reference::meters::Meters,
    tables::{
        tabular,
        totals::{self, TotalsRow, odd::write_odd, read::FoldColumns},
    },
};

/// The rollup of one series and month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The meter, quantity and kind.
    pub series: Series,
    /// The first day of the month.
    pub month: CivilDay,
    /// The meter's traits over the month by which its days were folded and joined, as [`MeterProfile`] formats them.
    pub rules: Arc<str>,
    /// All its days joined into one fold; empty for a gauge.
    pub fold: DayFold,
    /// The days.
    pub days: PackedDays,
    /// The days that were not simply sealed once.
    pub unusual: Vec<Unusual>,
}

/// The facts about a day of a rollup beside its fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusual {
    /// The day.
    pub day: CivilDay,
    /// The revision of its sealed file.
    pub revision: u32,
    /// Readings dropped as duplicates when it was sealed.
    pub duplicates: u32,
    /// Repeats that came after it was sealed.
    pub repeats: u32,
    /// Readings superseded.
    pub conflicts: u32,
    /// Late readings that count.
    pub late: u32,
}

/// A file of a rollups table: all series of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupsFile {
    /// The path within the table.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The number of rows in it.
    pub rows: u64,
    /// The first day of the month.
    pub month: CivilDay,
}

/// Columns of the rollups table. Those of a fold are as in the totals table; `days` counts the days.
pub(crate) static SHAPE: Shape = Shape {
    columns: &[
        ("enterprise", "string", Null::Never),
        ("meter", "string", Null::Never),
        ("quantity", "string", Null::Never),
        ("kind", "string", Null::Never),
        ("unit", "string", Null::Never),
        (MONTH, "date", Null::Never),
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
        ("rules", "string", Null::Never),
        ("odd", "string", Null::Allowed),
        ("days", "long", Null::Never),
        (UNUSUAL, "string", Null::Allowed),
        (FOLDS, "binary", Null::Never),
    ],
    partition: &[],
    past: Past::Kept,
};

const MONTH: &str = "month";
const UNUSUAL: &str = "unusual";
const FOLDS: &str = "folds";

/// The columns of totals that rollups lack, because they are of a day.
const OF_A_DAY: [&str; 2] = ["revision", "sha256"];

impl TableFile for RollupsFile {
    fn parse(path: &str, size: u64, rows: u64) -> Option<Self> {
        let mut parts = path.strip_suffix(".parquet")?.split('.');
        let (month, seal) = (parts.next()?, parts.next()?);
        seal.parse::<i64>().ok()?;
        Some(Self {
            path: path.to_owned(),
            size,
            rows,
            month: format!("{month}-01").parse().ok()?,
        })
    }
}

/// The name of the file of a month, made up to the seal of this number.
pub(crate) fn file_name(month: CivilDay, seal: i64, sha256: &[u8; 32]) -> String {
    let day = month.to_string();
    let month = day.strip_suffix("-01").unwrap_or(&day);
    format!(
        "{month}.{seal:012}.{}.parquet",
        crate::store::digest::content_id(sha256)
    )
}

/// The columns of a rollups file as Arrow reads them best: texts as dictionaries.
#[must_use]
pub fn schema() -> SchemaRef {
    tabular::schema_of(&SHAPE)
}

impl Unusual {
    fn is_usual(&self) -> bool {
        let counts = [self.duplicates, self.repeats, self.conflicts, self.late];
        self.revision == 1 && counts == [0; 4]
    }

    /// Formats unusual days as text; [`None`] if there are none.
    fn write(all: &[Self]) -> Option<String> {
        let texts = all.iter().map(|of| {
            format!(
                "{} {} {} {} {} {}",
                of.day, of.revision, of.duplicates, of.repeats, of.conflicts, of.late
            )
        });
        (!all.is_empty()).then(|| texts.collect::<Vec<_>>().join("; "))
    }

    /// Parses the text of unusual days; [`None`] if it has another form.
    #[must_use]
    pub fn read(text: &str) -> Option<Vec<Self>> {
        let one = |text: &str| {
            let mut parts = text.split(' ');
            let day = parts.next()?.parse().ok()?;
            let mut number = || parts.next()?.parse().ok();
            Some(Self {
                day,
                revision: number()?,
                duplicates: number()?,
                repeats: number()?,
                conflicts: number()?,
                late: number()?,
            })
        };
        text.split("; ").map(one).collect()
    }
}

/// A month of a series, from its totals.
struct SeriesMonth {
    traits: MeterProfile,
    kind: Kind,
    /// The traits by which totals were folded, if they are the same on all days.
    rules: Option<String>,
    days: BTreeMap<CivilDay, Day>,
}

/// A day of a series, from its totals.
struct Day {
    fold: DayFold,
    of: Unusual,
}

impl SeriesMonth {
    fn new(enterprise: &EnterpriseId, series: &Series, meters: &Meters) -> Self {
        let (traits, kind) = (meters.traits(enterprise, series), series.kind);
        let rules = traits.is_constant().then(|| traits.rules(kind));
        Self {
            traits,
            kind,
            rules,
            days: BTreeMap::new(),
        }
    }

    fn add(&mut self, row: TotalsRow) {
        let known = self.days.get(&row.day).map(|day| day.of);
        let repeats = known.map_or(0, |of| of.repeats);
        if row.is_repeats() {
            let day = self.days.entry(row.day);
            let day = day.or_insert_with(|| Day::repeats_only(row.day, 0));
            day.of.repeats = repeats.saturating_add(row.duplicates);
        } else if known.is_none_or(|of| of.revision <= row.revision) {
            let row_day = row.day;
            let day = match self.is_folded_by(&row) {
                true => Day::of(row, repeats),
                false => Day::repeats_only(row_day, repeats),
            };
            self.days.insert(row_day, day);
        }
    }

    /// Returns true if a total was folded by the traits that the meter has now.
    fn is_folded_by(&self, row: &TotalsRow) -> bool {
        match &self.rules {
            Some(rules) => *row.rules == **rules,
            None => *row.rules == *self.traits.on(row.day).rules(self.kind),
        }
    }
}

impl Rollup {
    /// Makes the rollups of a month from its `known` ones and further totals of its days, `rows`, sorted by the
    /// number of their seals. For days that were folded by other traits than those in `meters`, only repeats
    /// are counted.
    #[must_use]
    pub fn with_totals(known: Vec<Self>, rows: Vec<TotalsRow>, meters: &Meters) -> Vec<Self> {
        let mut months: BTreeMap<(EnterpriseId, Series), SeriesMonth> = BTreeMap::new();
        for rollup in known {
            let mut month = SeriesMonth::new(&rollup.enterprise, &rollup.series, meters);
            let rules = rules(&month.traits, rollup.series.kind, rollup.month.month());
            let same = *rollup.rules == *rules;
            let days = rollup.days().map(|(fold, of)| match same {
                true => (of.day, Day { fold, of }),
                false => (of.day, Day::repeats_only(of.day, of.repeats)),
            });
            month.days = days.collect();
            months.insert((rollup.enterprise, rollup.series), month);
        }
        for row in rows {
            let month = months.entry((row.enterprise.clone(), row.series.clone()));
            let new = |(enterprise, series): &(EnterpriseId, Series)| {
                SeriesMonth::new(enterprise, series, meters)
            };
            month.or_insert_with_key(new).add(row);
        }
        months
            .into_iter()
            .map(|((enterprise, series), of)| Self::of(enterprise, series, of))
            .collect()
    }

    fn of(enterprise: EnterpriseId, series: Series, folded: SeriesMonth) -> Self {
        let SeriesMonth { traits, days, .. } = folded;
        let of: Vec<Unusual> = days.values().map(|day| day.of).collect();
        let folds = days.into_iter().map(|(day, of)| (day, of.fold));
        let folds: Vec<(CivilDay, DayFold)> = folds.collect();
        let month = folds[0].0.month();
        let fold = match series.kind {
            Kind::Gauge => DayFold::default(),
            _ => compose::join(&traits, folds.iter().map(|(_, fold)| fold)),
        };
        Self {
            rules: rules(&traits, series.kind, month).into(),
            fold,
            days: PackedDays::new(&folds),
            unusual: of.into_iter().filter(|of| !of.is_usual()).collect(),
            month: month.first(),
            enterprise,
            series,
        }
    }

    /// Each day with the facts about it.
    pub fn days(&self) -> impl Iterator<Item = (DayFold, Unusual)> {
        let days = self.days.all().into_iter();
        days.map(|(day, fold)| (fold, unusual_of(&self.unusual, day)))
    }
}

/// The facts about `day` in a rollup that lists `unusual` days.
#[must_use]
pub fn unusual_of(unusual: &[Unusual], day: CivilDay) -> Unusual {
    let found = unusual.iter().find(|of| of.day == day).copied();
    found.unwrap_or(Unusual {
        day,
        revision: 1,
        duplicates: 0,
        repeats: 0,
        conflicts: 0,
        late: 0,
    })
}

/// The traits by which a rollup of the days of `range` is made, as text.
#[must_use]
pub fn rules(traits: &MeterProfile, kind: Kind, range: DayRange) -> String {
    traits.over(range).rules(kind)
}

impl Day {
    /// A day of which a rollup holds only the number of repeats: it has revision 0, which no file has.
    fn repeats_only(day: CivilDay, repeats: u32) -> Self {
        Self {
            fold: DayFold::default(),
            of: Unusual {
                revision: 0,
                repeats,
                ..unusual_of(&[], day)
            },
        }
    }

    fn of(row: TotalsRow, repeats: u32) -> Self {
        Self {
            fold: row.fold,
            of: Unusual {
                day: row.day,
                revision: row.revision,
                duplicates: row.duplicates,
                repeats,
                conflicts: row.conflicts,
                late: row.late,
            },
        }
    }
}

/// Encodes `rollups`, which are sorted, as a Parquet file.
///
/// # Errors
/// [`EncodeError`] if `rollups` is empty or a fold exceeds DECIMAL(38,6).
pub fn encode_rollups(rollups: &[Rollup]) -> Result<Bytes, EncodeError> {
    if rollups.is_empty() {
        return Err(EncodeError::Empty);
    }
    let rows: Vec<TotalsRow> = rollups.iter().map(as_total).collect();
    let names = totals::SHAPE.columns.iter().map(|(name, ..)| *name);
    let columns = names.zip(totals::columns(&rows)?);
    let mut columns: Vec<ArrayRef> = columns
        .filter_map(|(name, column)| (!OF_A_DAY.contains(&name)).then_some(column))
        .collect();
    let text = |text: &dyn Fn(&Rollup) -> Option<String>| -> ArrayRef {
        let texts: Vec<Option<String>> = rollups.iter().map(text).collect();
        let texts = texts.iter().map(Option::as_deref);
        Arc::new(texts.collect::<DictionaryArray<Int32Type>>())
    };
    columns.push(text(&|of| write_odd(&of.fold)));
    let days = rollups.iter().map(|of| of.days.count_of(of.month.month()));
    let days = days.map(i64::from);
    columns.push(Arc::new(Int64Array::from_iter_values(days)));
    columns.push(text(&|of| Unusual::write(&of.unusual)));
    let folds = rollups.iter().map(|of| of.days.month());
    let folds: Option<Vec<Vec<u8>>> = folds.collect();
    let folds = folds.ok_or(EncodeError::Range)?;
    columns.push(Arc::new(BinaryArray::from_iter_values(folds)));
    tabular::write_short(&schema(), columns, FOLDS)
}

/// A rollup as a row of a totals table, as if its month were a day.
fn as_total(rollup: &Rollup) -> TotalsRow {
    let sum = |count: fn(&Unusual) -> u32| {
        let counts = rollup.unusual.iter().map(count);
        counts.fold(0, u32::saturating_add)
    };
    TotalsRow {
        enterprise: rollup.enterprise.clone(),
        series: rollup.series.clone(),
        day: rollup.month,
        revision: 0,
        sha256: [0; 32],
        rules: Arc::clone(&rollup.rules),
        fold: rollup.fold.clone(),
        duplicates: sum(|of| of.duplicates.saturating_add(of.repeats)),
        conflicts: sum(|of| of.conflicts),
        late: 0,
    }
}

/// Decodes the rollups of a file.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub fn decode_rollups(bytes: Bytes) -> Result<Vec<Rollup>, FileDecodeError> {
    let mut rollups = Vec::new();
    for batch in totals::read::batches(bytes, |_| schema())? {
        let batch = batch?;
        let columns = FoldColumns { batch: &batch };
        let folds = columns.column(FOLDS)?.as_binary_opt::<i32>();
        let folds = folds.ok_or(FileDecodeError::Column(FOLDS))?;
        let unusual = columns.column(UNUSUAL)?;
        for row in 0..batch.num_rows() {
            let (enterprise, series) = columns.key(row)?;
            let month = columns.day(MONTH, row)?;
            let days = PackedDays::from_months([(month, folds.value(row))].into_iter());
            let found = match unusual.is_valid(row) {
                true => Unusual::read(columns.text(UNUSUAL, row)?),
                false => Some(Vec::new()),
            };
            rollups.push(Rollup {
                enterprise,
                series,
                month,
                rules: columns.text("rules", row)?.into(),
                fold: columns.fold(row)?,
                days: days.ok_or(FileDecodeError::Column(FOLDS))?,
                unusual: found.ok_or(FileDecodeError::Column(UNUSUAL))?,
            });
        }
    }
    Ok(rollups)
}

#[cfg(test)]
mod tests;
