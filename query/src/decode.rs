//! From record batches to the archive's rows and to the model's folds.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray},
    datatypes::{
        ArrowPrimitiveType, Date32Type, Decimal128Type, Int32Type, Int64Type,
        TimestampMillisecondType, UInt32Type,
    },
};
use greenpark_archive::{
    builder::RowsBuilder,
    rows::{Late, Merged, SeriesKey},
    totals::odd::read_odd,
};
use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{DayFold, Outcomes, Point},
    id::{EnterpriseId, GatewayId, MeterId},
    quantity::Quantity,
    reading::{Flag, Kind, Series},
    ticket::Ticket,
};

use crate::{
    error::QueryError,
    table::{FILE_COLUMN, TOTALS_COUNTS},
};

/// The columns of readings that [`FileRows`] takes.
pub(crate) const READINGS_COLUMNS: &str = "enterprise, meter, quantity, kind, instant, value, flag, file, ticket, late_received, late_gateway";

/// The columns of totals that [`totals`] takes.
pub(crate) const TOTALS_COLUMNS: &str = "enterprise, meter, quantity, kind, day, revision, readings, \
    consumption, first_instant, first_register, head_instant, head_register, tail_instant, \
    tail_register, last_instant, last_register, rollovers, replacements, resets, jumps, glitches, \
    invalid, manual, duplicates, conflicts, rules, odd, late";

/// The column `name` of texts in a dictionary, and the dictionary's texts.
fn dictionary<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<(&'a DictionaryArray<Int32Type>, &'a StringArray), QueryError> {
    let array: &DictionaryArray<Int32Type> = column(batch, name)?
        .as_dictionary_opt()
        .ok_or_else(|| unfit(name))?;
    let texts = array.values().as_string_opt::<i32>();
    Ok((array, texts.ok_or_else(|| unfit(name))?))
}

/// A text column: its distinct texts, parsed, and which of them each row has.
pub(crate) struct Texts<'a, T> {
    indices: &'a [i32],
    values: Vec<Option<T>>,
    name: &'static str,
}

impl<'a, T> Texts<'a, T> {
    pub(crate) fn new(
        batch: &'a RecordBatch,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Self, QueryError> {
        let (array, texts) = dictionary(batch, name)?;
        if array.keys().null_count() > 0 {
            return Err(unfit(name));
        }
        // A dictionary may hold texts that no row has, so one that cannot be parsed is no error yet.
        let values = texts.iter().map(|text| text.and_then(&parse)).collect();
        Ok(Self {
            indices: array.keys().values(),
            values,
            name,
        })
    }

    pub(crate) fn get(&self, row: usize) -> Result<&T, QueryError> {
        usize::try_from(self.indices[row])
            .ok()
            .and_then(|index| self.values.get(index)?.as_ref())
            .ok_or_else(|| unfit(self.name))
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, QueryError> {
    batch.column_by_name(name).ok_or_else(|| unfit(name))
}

pub(crate) fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a PrimitiveArray<T>, QueryError> {
    column(batch, name)?
        .as_primitive_opt::<T>()
        .ok_or_else(|| unfit(name))
}

fn unfit(name: &str) -> QueryError {
    QueryError::Broken(format!(
        "column '{name}' is missing or holds what it must not"
    ))
}

/// The columns that say whose a row is.
struct Keys<'a> {
    enterprises: Texts<'a, EnterpriseId>,
    meters: Texts<'a, MeterId>,
    quantities: Texts<'a, Quantity>,
    kinds: Texts<'a, Kind>,
}

impl<'a> Keys<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, QueryError> {
        Ok(Self {
            enterprises: Texts::new(batch, "enterprise", |text| EnterpriseId::new(text).ok())?,
            meters: Texts::new(batch, "meter", |text| MeterId::new(text).ok())?,
            quantities: Texts::new(batch, "quantity", |text| text.parse().ok())?,
            kinds: Texts::new(batch, "kind", Kind::from_name)?,
        })
    }

    fn get(&self, row: usize) -> Result<SeriesKey, QueryError> {
        Ok(SeriesKey {
            enterprise: self.enterprises.get(row)?.clone(),
            series: Series {
                meter: self.meters.get(row)?.clone(),
                quantity: *self.quantities.get(row)?,
                kind: *self.kinds.get(row)?,
            },
        })
    }

    /// Whether `row` is of the series of the row before it.
    fn follows(&self, row: usize) -> bool {
        let same = |indices: &[i32]| row > 0 && indices[row] == indices[row - 1];
        same(self.meters.indices)
            && same(self.quantities.indices)
            && same(self.kinds.indices)
            && same(self.enterprises.indices)
    }
}

/// Rows of readings files, gathered by file.
#[derive(Default)]
pub(crate) struct FileRows {
    files: BTreeMap<u32, RowsBuilder>,
    readings: u64,
}

impl FileRows {
    /// Takes a batch of [`READINGS_COLUMNS`].
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let keys = Keys::new(batch)?;
        let flags = Texts::new(batch, "flag", |text| Flag::from_name(text).map(Flag::code))?;
        let instants = numbers::<TimestampMillisecondType>(batch, "instant")?.values();
        let values = numbers::<Decimal128Type>(batch, "value")?.values();
        let files = numbers::<UInt32Type>(batch, FILE_COLUMN)?.values();
        let marks = Marks::new(batch)?;
        let mut start = 0;
        for run in files.chunk_by(|a, b| a == b) {
            let builder = self.files.entry(run[0]).or_default();
            let mut series = 0;
            for row in start..start + run.len() {
                if row == start || !keys.follows(row) {
                    series = builder.key(&keys.get(row)?);
                }
                let value = i64::try_from(values[row]).map_err(|_| unfit("value"))?;
                builder.push(series, instants[row], value, *flags.get(row)?);
                if let Some(marks) = &marks {
                    marks.give(row, builder)?;
                }
            }
            start += run.len();
        }
        self.readings += files.len() as u64;
        Ok(())
    }

    /// Readings taken.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// The rows of each file, by its place in the order of the log.
    pub(crate) fn finish(self) -> BTreeMap<u32, Merged> {
        self.files
            .into_iter()
            .map(|(file, builder)| (file, builder.finish()))
            .collect()
    }
}

/// What few readings of a batch have: a ticket, or that they came late.
struct Marks<'a> {
    tickets: OptionalTexts<'a, Ticket>,
    received: &'a PrimitiveArray<TimestampMillisecondType>,
    gateways: OptionalTexts<'a, GatewayId>,
}

impl<'a> Marks<'a> {
    /// Those of a batch; `None` in the usual one, which has none.
    fn new(batch: &'a RecordBatch) -> Result<Option<Self>, QueryError> {
        let (tickets, gateways) = (column(batch, "ticket")?, column(batch, "late_gateway")?);
        let rows = batch.num_rows();
        if tickets.null_count() == rows && gateways.null_count() == rows {
            return Ok(None);
        }
        Ok(Some(Self {
            tickets: OptionalTexts::new(batch, "ticket", |text| Ticket::parse(text).ok())?,
            received: numbers(batch, "late_received")?,
            gateways: OptionalTexts::new(batch, "late_gateway", |text| GatewayId::new(text).ok())?,
        }))
    }

    /// Gives the builder what `row`, which it was given last, has.
    fn give(&self, row: usize, builder: &mut RowsBuilder) -> Result<(), QueryError> {
        let place = u32::try_from(builder.len() - 1).map_err(|_| QueryError::TooLarge)?;
        if let Some(ticket) = self.tickets.get(row)? {
            builder.ticket(place, ticket.clone());
        }
        if let Some(gateway) = self.gateways.get(row)? {
            let late = Late {
                received: Instant(self.received.value(row)),
                gateway: gateway.clone(),
            };
            builder.late(place, late);
        }
        Ok(())
    }
}

/// A nullable text column: its distinct texts, parsed, and which of them each row has.
pub(crate) struct OptionalTexts<'a, T> {
    array: &'a DictionaryArray<Int32Type>,
    values: Vec<Option<T>>,
    name: &'static str,
}

impl<'a, T> OptionalTexts<'a, T> {
    pub(crate) fn new(
        batch: &'a RecordBatch,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Self, QueryError> {
        let (array, texts) = dictionary(batch, name)?;
        let values = texts.iter().map(|text| text.and_then(&parse)).collect();
        Ok(Self {
            array,
            values,
            name,
        })
    }

    /// What the row has, if it has any.
    pub(crate) fn get(&self, row: usize) -> Result<Option<&T>, QueryError> {
        let Some(index) = self.array.key(row) else {
            return Ok(None);
        };
        if self.array.values().is_null(index) {
            return Ok(None);
        }
        let value = self.values.get(index).and_then(Option::as_ref);
        value.map(Some).ok_or_else(|| unfit(self.name))
    }
}

/// A row of totals.
#[derive(Debug, Clone)]
pub(crate) struct Total {
    pub(crate) key: SeriesKey,
    pub(crate) day: CivilDay,
    pub(crate) revision: u32,
    /// The traits that it was folded by, as text.
    pub(crate) rules: Arc<str>,
    pub(crate) fold: DayFold,
    pub(crate) duplicates: u32,
    pub(crate) conflicts: u32,
    /// Readings that count and came late.
    pub(crate) late: u32,
}

/// Appends the rows of a batch of totals to `totals`.
pub(crate) fn totals(batch: &RecordBatch, totals: &mut Vec<Total>) -> Result<(), QueryError> {
    let keys = Keys::new(batch)?;
    let days = numbers::<Date32Type>(batch, "day")?.values();
    let revisions = numbers::<Int32Type>(batch, "revision")?.values();
    let readings = numbers::<Int64Type>(batch, "readings")?.values();
    let consumption = numbers::<Decimal128Type>(batch, "consumption")?.values();
    let first = Points::new(batch, "first_instant", "first_register")?;
    let head = Points::new(batch, "head_instant", "head_register")?;
    let tail = Points::new(batch, "tail_instant", "tail_register")?;
    let last = Points::new(batch, "last_instant", "last_register")?;
    let rules = Texts::new(batch, "rules", |text| Some(Arc::<str>::from(text)))?;
    let counts = TOTALS_COUNTS
        .iter()
        .map(|&name| Ok(numbers::<Int64Type>(batch, name)?.values().as_ref()))
        .collect::<Result<Vec<&[i64]>, QueryError>>()?;
    let odd = Odd::new(batch)?;
    let late = numbers::<Int64Type>(batch, "late")?;
    let mut key = None;
    totals.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        if !keys.follows(row) {
            key = Some(keys.get(row)?);
        }
        let count = |column: usize| u32::try_from(counts[column][row]).unwrap_or(u32::MAX);
        let outcomes = Outcomes {
            rollovers: count(0),
            replacements: count(1),
            resets: count(2),
            jumps: count(3),
            glitches: count(4),
            invalid: count(5),
            manual: count(6),
            ..Outcomes::default()
        };
        let fold = DayFold {
            readings: u32::try_from(readings[row]).map_err(|_| unfit("readings"))?,
            within: Sum(consumption[row]),
            first: first.get(row)?,
            head: head.get(row)?,
            tail: tail.get(row)?,
            last: last.get(row)?,
            outcomes,
            odd: None,
        };
        totals.push(Total {
            key: key.clone().ok_or_else(|| unfit("meter"))?,
            day: CivilDay::from_epoch_days(days[row]),
            revision: u32::try_from(revisions[row]).map_err(|_| unfit("revision"))?,
            rules: Arc::clone(rules.get(row)?),
            fold: match odd.of(row) {
                Some(text) => read_odd(text, fold).ok_or_else(|| unfit("odd"))?,
                None => fold,
            },
            duplicates: count(7),
            conflicts: count(8),
            late: match late.is_valid(row) {
                true => u32::try_from(late.value(row)).unwrap_or(u32::MAX),
                false => 0,
            },
        });
    }
    Ok(())
}

/// What few days have, as text; null where a day has nothing of it or its file has no such column.
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

/// Adds the rows that count only repeats, which have no readings, to the others of their series and day, and
/// takes them out. `totals` are sorted by key and day.
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

/// Two nullable columns that make a register at an instant.
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
            instant: Instant(self.instants.value(row)),
            register,
        }))
    }
}
