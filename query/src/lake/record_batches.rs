//! Decodes record batches into the archive's rows and the model's folds.

mod folds;

use std::collections::BTreeMap;

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray},
    datatypes::{
        ArrowPrimitiveType, Decimal128Type, Int32Type, TimestampMillisecondType, UInt32Type,
    },
};
use greenpark_archive::{
    builder::RowsBuilder,
    rows::{LateArrival, Merged, SeriesKey},
};
use greenpark_model::{
    day::Instant,
    id::{EnterpriseId, GatewayId, MeterId},
    quantity::Quantity,
    reading::{Flag, Kind, Series},
    ticket::Ticket,
};

pub(crate) use self::folds::{
    RolledMonth, Total, add_repeats, add_repeats_over, rollups, rollups_columns, totals,
    totals_columns,
};
use crate::{error::QueryError, lake::snapshot_table::FILE_COLUMN};

/// The columns of readings that [`FileRows`] needs.
pub(crate) const READINGS_COLUMNS: &str = "enterprise, meter, quantity, kind, instant, value, flag, file, ticket, late_received, late_gateway";

/// The dictionary column `name`, and the texts of its dictionary.
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

/// A text column: its distinct texts, parsed, and the index of each row.
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
        // A dictionary may hold texts that no row uses, so an unreadable text is no error yet.
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

/// The enterprise of each row of a batch.
pub(crate) fn enterprises(batch: &RecordBatch) -> Result<Vec<EnterpriseId>, QueryError> {
    let texts = Texts::new(batch, "enterprise", |text| EnterpriseId::new(text).ok())?;
    (0..batch.num_rows())
        .map(|row| texts.get(row).cloned())
        .collect()
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

/// The columns of the series key of a row.
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

    /// True if `row` has the same series as the row before it.
    fn follows(&self, row: usize) -> bool {
        let same = |indices: &[i32]| row > 0 && indices[row] == indices[row - 1];
        same(self.meters.indices)
            && same(self.quantities.indices)
            && same(self.kinds.indices)
            && same(self.enterprises.indices)
    }
}

/// Rows of readings files, collected by file.
#[derive(Default)]
pub(crate) struct FileRows {
    files: BTreeMap<u32, RowsBuilder>,
    readings: u64,
}

impl FileRows {
    /// Adds a batch of [`READINGS_COLUMNS`].
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
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
                    marks.add_to(row, builder)?;
                }
            }
            start += run.len();
        }
        self.readings += files.len() as u64;
        Ok(())
    }

    /// Number of readings added.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// The rows of each file, keyed by its position in the order of the log.
    pub(crate) fn finish(self) -> BTreeMap<u32, Merged> {
        self.files
            .into_iter()
            .map(|(file, builder)| (file, builder.finish()))
            .collect()
    }
}

/// Rare properties of readings: a ticket, or a late receipt.
struct Marks<'a> {
    tickets: OptionalTexts<'a, Ticket>,
    received: &'a PrimitiveArray<TimestampMillisecondType>,
    gateways: OptionalTexts<'a, GatewayId>,
}

impl<'a> Marks<'a> {
    /// The marks of a batch; `None` in the usual case without any.
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

    /// Adds the marks of `row` to `builder`, whose last row it is.
    fn add_to(&self, row: usize, builder: &mut RowsBuilder) -> Result<(), QueryError> {
        let place = u32::try_from(builder.len() - 1).map_err(|_| QueryError::TooLarge)?;
        if let Some(ticket) = self.tickets.get(row)? {
            builder.ticket(place, ticket.clone());
        }
        if let Some(gateway) = self.gateways.get(row)? {
            let late = LateArrival {
                received: Instant::from_millis(self.received.value(row)),
                gateway: gateway.clone(),
            };
            builder.late(place, late);
        }
        Ok(())
    }
}

/// A nullable text column: its distinct texts, parsed, and the index of each row.
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

    /// The value of `row`, if it has one.
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
