//! Decodes a totals file to its rows.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{
        Date32Type, Decimal128Type, Int32Type, Int64Type, SchemaRef, TimestampMillisecondType,
    },
};
use bytes::Bytes;
use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{DayFold, Outcomes, Point},
    id::{EnterpriseId, MeterId},
    reading::{Kind, Series},
};
use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    },
    file::metadata::ParquetMetaDataReader,
};

use super::{LATE, ODD, TotalsRow, odd, schema_with};
use crate::error::FileDecodeError;

/// Decodes the rows of a totals file.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub fn decode_totals(bytes: Bytes) -> Result<Vec<TotalsRow>, FileDecodeError> {
    let mut rows = Vec::new();
    for batch in batches(bytes, |has| schema_with(has))? {
        let batch = batch?;
        let columns = FoldColumns { batch: &batch };
        for row in 0..batch.num_rows() {
            rows.push(columns.total(row)?);
        }
    }
    Ok(rows)
}

/// The batches of a file, read by the schema that `schema_of` makes of its columns.
pub(crate) fn batches(
    bytes: Bytes,
    schema_of: impl Fn(&dyn Fn(&str) -> bool) -> SchemaRef,
) -> Result<impl Iterator<Item = Result<RecordBatch, FileDecodeError>>, FileDecodeError> {
    let parquet = |source: parquet::errors::ParquetError| FileDecodeError::Parquet(source.into());
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes);
    let metadata = metadata.map_err(parquet)?;
    let columns = metadata.file_metadata().schema_descr().root_schema();
    let schema = schema_of(&|name| columns.get_fields().iter().any(|c| c.name() == name));
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(parquet)?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata)
        .build()
        .map_err(parquet)?;
    Ok(reader.map(|batch| batch.map_err(|source| FileDecodeError::Parquet(source.into()))))
}

/// The columns of a batch that hold a fold and its series.
pub(crate) struct FoldColumns<'a> {
    pub(crate) batch: &'a RecordBatch,
}

impl<'a> FoldColumns<'a> {
    pub(crate) fn column(&self, name: &'static str) -> Result<&'a ArrayRef, FileDecodeError> {
        self.batch
            .column_by_name(name)
            .ok_or(FileDecodeError::Column(name))
    }

    pub(crate) fn text(&self, name: &'static str, row: usize) -> Result<&'a str, FileDecodeError> {
        let missing = FileDecodeError::Column(name);
        let Some(array) = self.column(name)?.as_dictionary_opt::<Int32Type>() else {
            return Err(missing);
        };
        let Some(texts) = array.values().as_string_opt::<i32>() else {
            return Err(missing);
        };
        let texts: &StringArray = texts;
        array.key(row).map(|key| texts.value(key)).ok_or(missing)
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        row: usize,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, FileDecodeError> {
        let text = self.text(name, row)?;
        parse(text).ok_or_else(|| FileDecodeError::Value {
            column: name,
            text: text.to_owned(),
        })
    }

    pub(crate) fn count(&self, name: &'static str, row: usize) -> Result<u32, FileDecodeError> {
        let array = self
            .column(name)?
            .as_primitive_opt::<Int64Type>()
            .ok_or(FileDecodeError::Column(name))?;
        u32::try_from(array.value(row)).map_err(|_| FileDecodeError::Column(name))
    }

    /// Adds the facts that few days have; nothing if the file lacks the column.
    fn with_odd(&self, fold: DayFold, row: usize) -> Result<DayFold, FileDecodeError> {
        match self.batch.column_by_name(ODD) {
            Some(column) if column.is_valid(row) => {
                self.parsed(ODD, row, |text| odd::read_odd(text, fold.clone()))
            }
            _ => Ok(fold),
        }
    }

    /// The number of late readings; 0 if the file lacks the column.
    fn late(&self, row: usize) -> Result<u32, FileDecodeError> {
        match self.batch.column_by_name(LATE) {
            Some(column) if column.is_valid(row) => self.count(LATE, row),
            _ => Ok(0),
        }
    }

    fn point(
        &self,
        names: [&'static str; 2],
        row: usize,
    ) -> Result<Option<Point>, FileDecodeError> {
        let [instant, register] = names;
        let instants = self
            .column(instant)?
            .as_primitive_opt::<TimestampMillisecondType>();
        let instants = instants.ok_or(FileDecodeError::Column(instant))?;
        let registers = self.column(register)?.as_primitive_opt::<Decimal128Type>();
        let registers = registers.ok_or(FileDecodeError::Column(register))?;
        if instants.is_null(row) || registers.is_null(row) {
            return Ok(None);
        }
        let micro = i64::try_from(registers.value(row)).ok();
        let register = micro.and_then(|micro| Amount::from_micro(micro).ok());
        let register = register.ok_or(FileDecodeError::Column(names[1]))?;
        Ok(Some(Point {
            instant: Instant::from_millis(instants.value(row)),
            register,
        }))
    }

    pub(crate) fn day(&self, name: &'static str, row: usize) -> Result<CivilDay, FileDecodeError> {
        let days = self.column(name)?.as_primitive_opt::<Date32Type>();
        let days = days.ok_or(FileDecodeError::Column(name))?;
        Ok(CivilDay::from_epoch_days(days.value(row)))
    }

    pub(crate) fn key(&self, row: usize) -> Result<(EnterpriseId, Series), FileDecodeError> {
        let enterprise = self.parsed("enterprise", row, |text| EnterpriseId::new(text).ok())?;
        let series = Series {
            meter: self.parsed("meter", row, |text| MeterId::new(text).ok())?,
            quantity: self.parsed("quantity", row, |text| text.parse().ok())?,
            kind: self.parsed("kind", row, Kind::from_name)?,
        };
        Ok((enterprise, series))
    }

    pub(crate) fn fold(&self, row: usize) -> Result<DayFold, FileDecodeError> {
        let within = self
            .column("consumption")?
            .as_primitive_opt::<Decimal128Type>();
        let within = within
            .ok_or(FileDecodeError::Column("consumption"))?
            .value(row);
        let count = |name| self.count(name, row);
        let fold = DayFold {
            readings: count("readings")?,
            within: Sum(within),
            first: self.point(["first_instant", "first_register"], row)?,
            head: self.point(["head_instant", "head_register"], row)?,
            tail: self.point(["tail_instant", "tail_register"], row)?,
            last: self.point(["last_instant", "last_register"], row)?,
            outcomes: Outcomes {
                rollovers: count("rollovers")?,
                replacements: count("replacements")?,
                resets: count("resets")?,
                jumps: count("jumps")?,
                glitches: count("glitches")?,
                invalid: count("invalid")?,
                manual: count("manual")?,
                ..Outcomes::default()
            },
            odd: None,
        };
        self.with_odd(fold, row)
    }

    fn total(&self, row: usize) -> Result<TotalsRow, FileDecodeError> {
        let revision = self.column("revision")?.as_primitive_opt::<Int32Type>();
        let revision = revision
            .ok_or(FileDecodeError::Column("revision"))?
            .value(row);
        let (enterprise, series) = self.key(row)?;
        Ok(TotalsRow {
            enterprise,
            series,
            day: self.day("day", row)?,
            revision: u32::try_from(revision).map_err(|_| FileDecodeError::Column("revision"))?,
            sha256: self.parsed("sha256", row, unhex)?,
            rules: self.text("rules", row)?.into(),
            fold: self.fold(row)?,
            duplicates: self.count("duplicates", row)?,
            conflicts: self.count("conflicts", row)?,
            late: self.late(row)?,
        })
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
