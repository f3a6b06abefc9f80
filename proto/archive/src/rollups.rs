//! One row per series and month: what the totals of its days compose to, and these days in few bytes.
//!
//! A rollup is made of totals and says nothing that they do not: a question about years reads months instead of days.
//! It holds a day as long as the day's sealed file has the revision that the rollup says, and its meter the traits
//! that it says; where it does not, the totals are asked. So a rollup may be old, or missing, and no figure changes.
//!
//! [`PackedDays`] are the column `folds`. The column `unusual` lists the days of which more is to be said than that
//! they were sealed once: `day revision duplicates repeats conflicts late`, one after another with `; ` between them.

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

pub use crate::packed::PackedDays;
use crate::{
    delta::{Null, Past, Shape},
    error::{DecodeError, EncodeError},
    meters::Meters,
    table::TableFile,
    tabular,
    totals::{self, TotalsRow, odd::write_odd, read::FoldColumns},
};

/// The rollup of one series and month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    /// Whose.
    pub enterprise: EnterpriseId,
    /// The meter, quantity and kind.
    pub series: Series,
    /// The first day of the month.
    pub month: CivilDay,
    /// The meter's traits over the month that its days were folded and joined by, as
    /// [`MeterProfile`] tells them.
    pub rules: Arc<str>,
    /// All its days joined into one fold; nothing of a gauge.
    pub fold: DayFold,
    /// The days.
    pub days: PackedDays,
    /// Those of them of which more is to be said than that they were sealed once.
    pub unusual: Vec<Unusual>,
}

/// What a day of a rollup has beside its fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusual {
    /// The day.
    pub day: CivilDay,
    /// The revision of its sealed file.
    pub revision: u32,
    /// Readings dropped as duplicates when it was sealed.
    pub duplicates: u32,
    /// Repeats that came afterwards.
    pub repeats: u32,
    /// Readings superseded.
    pub conflicts: u32,
    /// Readings that count and came late.
    pub late: u32,
}

/// A file of a rollups table: all series of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupsFile {
    /// The path within the table.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// How many rows it holds.
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

/// The columns of totals that rollups do not have: they are of a day.
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

/// The name of the file of a month, made with the seal of this number.
pub(crate) fn file_name(month: CivilDay, seal: i64, sha256: &[u8; 32]) -> String {
    let day = month.to_string();
    let month = day.strip_suffix("-01").unwrap_or(&day);
    format!(
        "{month}.{seal:012}.{}.parquet",
        crate::file::content_id(sha256)
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

    /// What is said of days, as text; [`None`] where nothing is.
    fn write(all: &[Self]) -> Option<String> {
        let texts = all.iter().map(|of| {
            format!(
                "{} {} {} {} {} {}",
                of.day, of.revision, of.duplicates, of.repeats, of.conflicts, of.late
            )
        });
        (!all.is_empty()).then(|| texts.collect::<Vec<_>>().join("; "))
    }

    /// What a text says of days; [`None`] if it is no such text.
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

/// A month of a series, as its totals tell it.
struct Course {
    traits: MeterProfile,
    kind: Kind,
    /// What totals say that they were folded by, where it is the same for all days.
    rules: Option<String>,
    days: BTreeMap<CivilDay, Day>,
}

/// A day of a series, as its totals tell it.
struct Day {
    fold: DayFold,
    of: Unusual,
}

impl Course {
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

    fn take(&mut self, row: TotalsRow) {
        let known = self.days.get(&row.day).map(|day| day.of);
        let repeats = known.map_or(0, |of| of.repeats);
        if row.is_repeats() {
            let day = self.days.entry(row.day);
            let day = day.or_insert_with(|| Day::untold(row.day, 0));
            day.of.repeats = repeats.saturating_add(row.duplicates);
        } else if known.is_none_or(|of| of.revision <= row.revision) {
            let day = row.day;
            let told = match self.is_folded_by(&row) {
                true => Day::of(row, repeats),
                false => Day::untold(day, repeats),
            };
            self.days.insert(day, told);
        }
    }

    /// Whether a total was folded by the traits that the meter has now.
    fn is_folded_by(&self, row: &TotalsRow) -> bool {
        match &self.rules {
            Some(rules) => *row.rules == **rules,
            None => *row.rules == *self.traits.on(row.day).rules(self.kind),
        }
    }
}

impl Rollup {
    /// The rollups of a month from those that it has and further totals of its days, `rows`, sorted by the number of
    /// their seals. Of days that were folded by other traits than `meters` has nothing is told but repeats.
    #[must_use]
    pub fn with_totals(known: Vec<Self>, rows: Vec<TotalsRow>, meters: &Meters) -> Vec<Self> {
        let mut courses: BTreeMap<(EnterpriseId, Series), Course> = BTreeMap::new();
        for rollup in known {
            let mut course = Course::new(&rollup.enterprise, &rollup.series, meters);
            let rules = rules(&course.traits, rollup.series.kind, rollup.month.month());
            let same = *rollup.rules == *rules;
            let days = rollup.days().map(|(fold, of)| match same {
                true => (of.day, Day { fold, of }),
                false => (of.day, Day::untold(of.day, of.repeats)),
            });
            course.days = days.collect();
            courses.insert((rollup.enterprise, rollup.series), course);
        }
        for row in rows {
            let course = courses.entry((row.enterprise.clone(), row.series.clone()));
            let new = |(enterprise, series): &(EnterpriseId, Series)| {
                Course::new(enterprise, series, meters)
            };
            course.or_insert_with_key(new).take(row);
        }
        courses
            .into_iter()
            .map(|((enterprise, series), of)| Self::of(enterprise, series, of))
            .collect()
    }

    fn of(enterprise: EnterpriseId, series: Series, course: Course) -> Self {
        let Course { traits, days, .. } = course;
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

    /// Each day with what is said of it.
    pub fn days(&self) -> impl Iterator<Item = (DayFold, Unusual)> {
        let days = self.days.all().into_iter();
        days.map(|(day, fold)| (fold, unusual_of(&self.unusual, day)))
    }
}

/// What is said of `day` by a rollup that lists `unusual` days.
#[must_use]
pub fn unusual_of(unusual: &[Unusual], day: CivilDay) -> Unusual {
    let said = unusual.iter().find(|of| of.day == day).copied();
    said.unwrap_or(Unusual {
        day,
        revision: 1,
        duplicates: 0,
        repeats: 0,
        conflicts: 0,
        late: 0,
    })
}

/// What a rollup of days of `range` says that it was made by.
#[must_use]
pub fn rules(traits: &MeterProfile, kind: Kind, range: DayRange) -> String {
    traits.over(range).rules(kind)
}

impl Day {
    /// A day of which a rollup tells only how many repeats came: it has revision 0, which no file has.
    fn untold(day: CivilDay, repeats: u32) -> Self {
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

/// Makes a Parquet file of `rollups`, which are sorted.
///
/// # Errors
/// [`EncodeError`] if there is none or a fold is beyond DECIMAL(38,6).
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

/// The row of a totals table that a rollup would be, if its month were a day.
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

/// The rollups of a file.
///
/// # Errors
/// [`DecodeError`] if the bytes are no such file.
pub fn decode_rollups(bytes: Bytes) -> Result<Vec<Rollup>, DecodeError> {
    let mut rollups = Vec::new();
    for batch in totals::read::batches(bytes, |_| schema())? {
        let batch = batch?;
        let columns = FoldColumns { batch: &batch };
        let folds = columns.column(FOLDS)?.as_binary_opt::<i32>();
        let folds = folds.ok_or(DecodeError::Column(FOLDS))?;
        let unusual = columns.column(UNUSUAL)?;
        for row in 0..batch.num_rows() {
            let (enterprise, series) = columns.key(row)?;
            let month = columns.day(MONTH, row)?;
            let days = PackedDays::from_months([(month, folds.value(row))].into_iter());
            let said = match unusual.is_valid(row) {
                true => Unusual::read(columns.text(UNUSUAL, row)?),
                false => Some(Vec::new()),
            };
            rollups.push(Rollup {
                enterprise,
                series,
                month,
                rules: columns.text("rules", row)?.into(),
                fold: columns.fold(row)?,
                days: days.ok_or(DecodeError::Column(FOLDS))?,
                unusual: said.ok_or(DecodeError::Column(UNUSUAL))?,
            });
        }
    }
    Ok(rollups)
}

#[cfg(test)]
mod tests;
