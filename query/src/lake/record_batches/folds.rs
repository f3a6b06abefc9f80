//! Decodes totals and rollups: the folds of a day, or of a month of days.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray},
    datatypes::{Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMillisecondType},
};
use greenpark_archive::{
    rollups::{PackedDays, Unusual, unusual_of},
    rows::SeriesKey,
    totals::odd::read_odd,
};
use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{DayFold, Outcomes, Point},
};

use super::{Keys, OptionalTexts, Texts, column, dictionary, numbers, unfit};
use crate::{error::QueryError, lake::snapshot_table::TOTALS_COUNTS};

/// The columns that totals and rollups share.
const FOLD_COLUMNS: &str = "enterprise, meter, quantity, kind, readings, consumption, first_instant, \
    first_register, head_instant, head_register, tail_instant, tail_register, last_instant, \
    last_register, rollovers, replacements, resets, jumps, glitches, invalid, manual, duplicates, \
    conflicts, rules, odd";

/// The columns of totals that [`totals`] needs.
pub(crate) fn totals_columns() -> String {
    format!("{FOLD_COLUMNS}, day, revision, late")
}

/// The columns of rollups that [`rollups`] needs.
pub(crate) fn rollups_columns() -> String {
    format!("{FOLD_COLUMNS}, month, unusual, folds")
}

/// A row of totals.
#[derive(Debug, Clone)]
pub(crate) struct Total {
    pub(crate) key: SeriesKey,
    pub(crate) day: CivilDay,
    pub(crate) revision: u32,
    /// The traits of the fold, as text.
    pub(crate) rules: Arc<str>,
    pub(crate) fold: DayFold,
    pub(crate) duplicates: u32,
    pub(crate) conflicts: u32,
    /// Number of counting late readings.
    pub(crate) late: u32,
}

/// A rollup: one month of a series.
#[derive(Debug, Clone)]
pub(crate) struct RolledMonth {
    pub(crate) key: SeriesKey,
    /// The first day of the month.
    pub(crate) first: CivilDay,
    /// The traits over the month by which its days were folded and joined, as text.
    pub(crate) rules: Arc<str>,
    /// All days of the month, joined.
    pub(crate) fold: DayFold,
    pub(crate) days: PackedDays,
    pub(crate) unusual: Vec<Unusual>,
}

/// Appends the rows of a batch of totals to `totals`.
pub(crate) fn totals(batch: &RecordBatch, totals: &mut Vec<Total>) -> Result<(), QueryError> {
    let mut folds = Folds::new(batch)?;
    let days = numbers::<Date32Type>(batch, "day")?.values();
    let revisions = numbers::<Int32Type>(batch, "revision")?.values();
    let late = numbers::<Int64Type>(batch, "late")?;
    totals.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        totals.push(Total {
            key: folds.key(row)?,
            day: CivilDay::from_epoch_days(days[row]),
            revision: u32::try_from(revisions[row]).map_err(|_| unfit("revision"))?,
            rules: Arc::clone(folds.rules.get(row)?),
            fold: folds.get(row)?,
            duplicates: folds.count(7, row),
            conflicts: folds.count(8, row),
            late: match late.is_valid(row) {
                true => u32::try_from(late.value(row)).unwrap_or(u32::MAX),
                false => 0,
            },
        });
    }
    Ok(())
}

/// Appends the rows of a batch of rollups to `months`.
pub(crate) fn rollups(
    batch: &RecordBatch,
    months: &mut Vec<RolledMonth>,
) -> Result<(), QueryError> {
    let mut folds = Folds::new(batch)?;
    let firsts = numbers::<Date32Type>(batch, "month")?.values();
    let days = column(batch, "folds")?.as_binary_opt::<i32>();
    let days = days.ok_or_else(|| unfit("folds"))?;
    let unusual = OptionalTexts::new(batch, "unusual", Unusual::read)?;
    months.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let first = CivilDay::from_epoch_days(firsts[row]);
        let packed = PackedDays::from_months([(first, days.value(row))].into_iter());
        months.push(RolledMonth {
            key: folds.key(row)?,
            first,
            rules: Arc::clone(folds.rules.get(row)?),
            fold: folds.get(row)?,
            days: packed.ok_or_else(|| unfit("folds"))?,
            unusual: unusual.get(row)?.cloned().unwrap_or_default(),
        });
    }
    Ok(())
}

/// The columns that totals and rollups share.
struct Folds<'a> {
    keys: Keys<'a>,
    /// The key of the row decoded last.
    key: Option<SeriesKey>,
    readings: &'a [i64],
    consumption: &'a [i128],
    points: [Points<'a>; 4],
    counts: Vec<&'a [i64]>,
    rules: Texts<'a, Arc<str>>,
    odd: Odd<'a>,
}

impl<'a> Folds<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, QueryError> {
        let counts = TOTALS_COUNTS.iter();
        let counts = counts.map(|&name| Ok(numbers::<Int64Type>(batch, name)?.values().as_ref()));
        Ok(Self {
            keys: Keys::new(batch)?,
            key: None,
            readings: numbers::<Int64Type>(batch, "readings")?.values(),
            consumption: numbers::<Decimal128Type>(batch, "consumption")?.values(),
            points: [
                Points::new(batch, "first_instant", "first_register")?,
                Points::new(batch, "head_instant", "head_register")?,
                Points::new(batch, "tail_instant", "tail_register")?,
                Points::new(batch, "last_instant", "last_register")?,
            ],
            counts: counts.collect::<Result<_, QueryError>>()?,
            rules: Texts::new(batch, "rules", |text| Some(Arc::<str>::from(text)))?,
            odd: Odd::new(batch)?,
        })
    }

    /// The key of `row`. Rows must be decoded in order.
    fn key(&mut self, row: usize) -> Result<SeriesKey, QueryError> {
        if !self.keys.follows(row) {
            self.key = Some(self.keys.get(row)?);
        }
        self.key.clone().ok_or_else(|| unfit("meter"))
    }

    fn count(&self, column: usize, row: usize) -> u32 {
        u32::try_from(self.counts[column][row]).unwrap_or(u32::MAX)
    }

    fn get(&self, row: usize) -> Result<DayFold, QueryError> {
        let [first, head, tail, last] = &self.points;
        let outcomes = Outcomes {
            rollovers: self.count(0, row),
            replacements: self.count(1, row),
            resets: self.count(2, row),
            jumps: self.count(3, row),
            glitches: self.count(4, row),
            invalid: self.count(5, row),
            manual: self.count(6, row),
            ..Outcomes::default()
        };
        let fold = DayFold {
            readings: u32::try_from(self.readings[row]).map_err(|_| unfit("readings"))?,
            within: Sum(self.consumption[row]),
            first: first.get(row)?,
            head: head.get(row)?,
            tail: tail.get(row)?,
            last: last.get(row)?,
            outcomes,
            odd: None,
        };
        match self.odd.of(row) {
            Some(text) => read_odd(text, fold).ok_or_else(|| unfit("odd")),
            None => Ok(fold),
        }
    }
}

/// Rare parts of a fold, as text; null if the day has none or its file has no such column.
struct Odd<'a>(&'a DictionaryArray<Int32Type>, &'a StringArray);

impl<'a> Odd<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, QueryError> {
        let (array, texts) = dictionary(batch, "odd")?;
        Ok(Self(array, texts))
    }

    fn of(&self, row: usize) -> Option<&'a str> {
        self.0.key(row).map(|key| self.1.value(key))
    }
}

/// Adds each row that counts only repeats, and so has no readings, to the other rows of its series and day, and
/// removes it. `totals` are sorted by key and day.
pub(crate) fn add_repeats(totals: &mut Vec<Total>) {
    let is_repeats = |total: &Total| total.fold.readings == 0;
    if !totals.iter().any(is_repeats) {
        return;
    }
    for of_day in totals.chunk_by_mut(|a, b| (&a.key, a.day) == (&b.key, b.day)) {
        let repeats = of_day.iter().filter(|total| is_repeats(total));
        let many: u32 = repeats.fold(0u32, |sum, total| sum.saturating_add(total.duplicates));
        for total in of_day.iter_mut().filter(|total| !is_repeats(total)) {
            total.duplicates = total.duplicates.saturating_add(many);
        }
    }
    totals.retain(|total| !is_repeats(total));
}

/// Adds the rows of `totals` that count only repeats to the days of `months`, and the repeats in `months` to the totals
/// of a later seal of the same day; then calls [`add_repeats`]. Both slices are sorted by key.
pub(crate) fn add_repeats_over(months: &mut [RolledMonth], totals: &mut Vec<Total>) {
    let place = |months: &[RolledMonth], total: &Total| {
        let of = (&total.key, total.day.month().first());
        let at = months.binary_search_by(|month| (&month.key, month.first).cmp(&of));
        let has = |at: &usize| months[*at].days.each().any(|day| day == total.day);
        at.ok().filter(has)
    };
    for total in totals.iter_mut().filter(|total| total.fold.readings > 0) {
        if let Some(at) = place(months, total) {
            let of = unusual_of(&months[at].unusual, total.day);
            total.duplicates = total.duplicates.saturating_add(of.repeats);
        }
    }
    for repeats in totals.iter().filter(|total| total.fold.readings == 0) {
        if let Some(at) = place(months, repeats) {
            let unusual = &mut months[at].unusual;
            let mut of = unusual_of(unusual, repeats.day);
            of.repeats = of.repeats.saturating_add(repeats.duplicates);
            unusual.retain(|known| known.day != of.day);
            unusual.push(of);
        }
    }
    add_repeats(totals);
}

/// Two nullable columns: a register and its instant.
struct Points<'a> {
    instants: &'a PrimitiveArray<TimestampMillisecondType>,
    registers: &'a PrimitiveArray<Decimal128Type>,
}

impl<'a> Points<'a> {
    fn new(
        batch: &'a RecordBatch,
        instant: &'static str,
        register: &'static str,
    ) -> Result<Self, QueryError> {
        Ok(Self {
            instants: numbers(batch, instant)?,
            registers: numbers(batch, register)?,
        })
    }

    fn get(&self, row: usize) -> Result<Option<Point>, QueryError> {
        if self.instants.is_null(row) || self.registers.is_null(row) {
            return Ok(None);
        }
        let micro = i64::try_from(self.registers.value(row)).map_err(|_| unfit("register"))?;
        let register = Amount::from_micro(micro).map_err(|_| unfit("register"))?;
        Ok(Some(Point {
            instant: Instant::from_millis(self.instants.value(row)),
            register,
        }))
    }
}
