//! Encodes the letters of one enterprise as a Parquet file, and decodes it.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, DictionaryArray, Int32Array,
        Int64Array, RecordBatch, TimestampMillisecondArray,
    },
    datatypes::{Int32Type, Int64Type, SchemaRef, TimestampMillisecondType},
};
use bytes::Bytes;
use greenpark_model::{
    day::{CivilDay, Instant},
    id::EnterpriseId,
    letter::LetterCode,
    log_position::Partition,
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};

use super::{Gone, Letter, LetterId, Letters, Payloads};
use crate::{
    delta::{Null, Past, Shape},
    error::{EncodeError, FileDecodeError},
    tables::tabular,
};

/// Columns of the table: a row is a letter or, without an offset, the count of dropped letters of a day and
/// reason.
pub(super) static SHAPE: Shape = Shape {
    columns: &[
        ("enterprise", "string", Null::Never),
        ("gateway", "string", Null::Allowed),
        ("partition", "integer", Null::Allowed),
        ("offset", "long", Null::Allowed),
        ("received", "timestamp", Null::Never),
        ("code", "string", Null::Never),
        ("topic", "string", Null::Allowed),
        ("reason", "string", Null::Allowed),
        ("index", "long", Null::Allowed),
        ("letters", "long", Null::Never),
        ("readings", "long", Null::Never),
        ("bytes", "long", Null::Never),
        ("truncated", "boolean", Null::Never),
        (PAYLOAD, "binary", Null::Allowed),
    ],
    partition: &[],
    past: Past::Dropped,
};

const PAYLOAD: &str = "payload";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| tabular::schema_of(&SHAPE));

/// A row of the file: counts of dropped letters come first.
enum Row<'a> {
    Gone(CivilDay, LetterCode, Gone),
    Kept(&'a Letter),
}

impl<'a> Row<'a> {
    fn kept(&self) -> Option<&'a Letter> {
        match self {
            Self::Gone(..) => None,
            Self::Kept(letter) => Some(letter),
        }
    }

    fn received(&self) -> i64 {
        match self {
            Self::Gone(day, ..) => day.start().millis(),
            Self::Kept(letter) => letter.received.millis(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Gone(_, code, _) => code.as_str(),
            Self::Kept(letter) => letter.code.as_str(),
        }
    }

    fn counts(&self) -> (u64, u64) {
        match self {
            Self::Gone(_, _, gone) => (gone.letters, gone.readings),
            Self::Kept(letter) => (1, letter.readings),
        }
    }
}

/// Encodes `letters` of `enterprise` as a Parquet file.
///
/// # Errors
/// [`EncodeError`] if there are none.
pub(super) fn encode(enterprise: &EnterpriseId, letters: &Letters) -> Result<Bytes, EncodeError> {
    let gone = letters.gone.iter();
    let gone = gone.map(|(&(day, code), &gone)| Row::Gone(day, code, gone));
    let rows: Vec<Row<'_>> = gone.chain(letters.kept.iter().map(Row::Kept)).collect();
    if rows.is_empty() {
        return Err(EncodeError::Empty);
    }
    tabular::write(&SCHEMA, columns(enterprise, &rows)?)
}

fn columns(enterprise: &EnterpriseId, rows: &[Row<'_>]) -> Result<Vec<ArrayRef>, EncodeError> {
    let texts = |of: &dyn Fn(&Letter) -> String| -> ArrayRef {
        let values: Vec<Option<String>> = rows.iter().map(|row| row.kept().map(of)).collect();
        let array: DictionaryArray<Int32Type> = values.iter().map(Option::as_deref).collect();
        Arc::new(array)
    };
    let long = |number: u64| i64::try_from(number).map_err(|_| EncodeError::Range);
    let longs = |of: &dyn Fn(&Row<'_>) -> Option<u64>| -> Result<ArrayRef, EncodeError> {
        let values = rows.iter().map(|row| of(row).map(long).transpose());
        Ok(Arc::new(values.collect::<Result<Int64Array, _>>()?))
    };
    let enterprises: DictionaryArray<Int32Type> =
        rows.iter().map(|_| Some(enterprise.as_str())).collect();
    let codes: DictionaryArray<Int32Type> = rows.iter().map(|row| Some(row.code())).collect();
    let partitions = rows.iter().map(|row| {
        let partition = row.kept().map(|letter| letter.id.partition.get());
        partition.and_then(|partition| i32::try_from(partition).ok())
    });
    let received = TimestampMillisecondArray::from_iter_values(rows.iter().map(Row::received));
    let truncated = rows
        .iter()
        .map(|row| Some(row.kept().is_some_and(|l| l.truncated)));
    let payloads = rows
        .iter()
        .map(|row| row.kept().map(|letter| letter.payload.as_ref()));
    Ok(vec![
        Arc::new(enterprises),
        texts(&|letter| letter.gateway.to_string()),
        Arc::new(partitions.collect::<Int32Array>()),
        longs(&|row| row.kept().map(|letter| letter.id.offset))?,
        Arc::new(received.with_timezone("UTC")),
        Arc::new(codes),
        texts(&|letter| letter.topic.clone()),
        texts(&|letter| letter.words.clone()),
        longs(&|row| row.kept().and_then(|letter| letter.index).map(u64::from))?,
        longs(&|row| Some(row.counts().0))?,
        longs(&|row| Some(row.counts().1))?,
        longs(&|row| Some(row.kept().map_or(0, |letter| letter.bytes)))?,
        Arc::new(truncated.collect::<BooleanArray>()),
        Arc::new(payloads.collect::<BinaryArray>()),
    ])
}

/// Decodes the letters of a file.
///
/// # Errors
/// [`FileDecodeError`] if the bytes are not such a file.
pub(super) fn decode(bytes: Bytes, payloads: Payloads) -> Result<Letters, FileDecodeError> {
    let parquet = |source: parquet::errors::ParquetError| FileDecodeError::Parquet(source.into());
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&SCHEMA));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options);
    let mut builder = builder.map_err(parquet)?;
    if payloads == Payloads::Left {
        let names = SHAPE.columns.iter().map(|(name, ..)| *name);
        let wanted = names.filter(|name| *name != PAYLOAD);
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
        builder = builder.with_projection(mask);
    }
    let mut letters = Letters::default();
    for batch in builder.build().map_err(parquet)? {
        let batch = batch.map_err(|source| FileDecodeError::Parquet(source.into()))?;
        Columns::of(&batch)?.append_to(&mut letters)?;
    }
    Ok(letters)
}

/// The typed columns of a batch.
struct Columns<'a> {
    batch: &'a RecordBatch,
    offsets: &'a Int64Array,
    received: &'a TimestampMillisecondArray,
    counts: [&'a Int64Array; 3],
    indices: &'a Int64Array,
    partitions: &'a Int32Array,
    truncated: &'a BooleanArray,
    payloads: Option<&'a BinaryArray>,
}

fn missing(name: &'static str) -> FileDecodeError {
    FileDecodeError::Column(name)
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, FileDecodeError> {
        let column = |name: &'static str| batch.column_by_name(name).ok_or(missing(name));
        let longs = |name| {
            let array = column(name)?.as_primitive_opt::<Int64Type>();
            array.ok_or(missing(name))
        };
        let received = column("received")?.as_primitive_opt::<TimestampMillisecondType>();
        let partitions = column("partition")?.as_primitive_opt::<Int32Type>();
        Ok(Self {
            batch,
            offsets: longs("offset")?,
            received: received.ok_or(missing("received"))?,
            counts: [longs("letters")?, longs("readings")?, longs("bytes")?],
            indices: longs("index")?,
            partitions: partitions.ok_or(missing("partition"))?,
            truncated: column("truncated")?
                .as_boolean_opt()
                .ok_or(missing("truncated"))?,
            payloads: match batch.column_by_name(PAYLOAD) {
                Some(column) => Some(column.as_binary_opt().ok_or(missing(PAYLOAD))?),
                None => None,
            },
        })
    }

    fn text(&self, name: &'static str, row: usize) -> Result<&'a str, FileDecodeError> {
        let array = self.batch.column_by_name(name);
        let array = array.and_then(|column| column.as_dictionary_opt::<Int32Type>());
        let array = array.ok_or(missing(name))?;
        let texts = array.values().as_string_opt::<i32>();
        let (Some(texts), Some(key)) = (texts, array.key(row)) else {
            return Err(missing(name));
        };
        Ok(texts.value(key))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        row: usize,
    ) -> Result<T, FileDecodeError> {
        let text = self.text(name, row)?;
        text.parse().map_err(|_| FileDecodeError::Value {
            column: name,
            text: text.to_owned(),
        })
    }

    fn count(&self, which: usize, row: usize) -> u64 {
        u64::try_from(self.counts[which].value(row)).unwrap_or(0)
    }

    fn append_to(&self, to: &mut Letters) -> Result<(), FileDecodeError> {
        for row in 0..self.batch.num_rows() {
            let received = Instant::from_millis(self.received.value(row));
            // A later release may define more codes.
            let code = LetterCode::from_name(self.text("code", row)?);
            let code = code.unwrap_or(LetterCode::Unspecified);
            if self.offsets.is_null(row) {
                let gone = to.gone.entry((received.day(), code)).or_default();
                gone.letters = gone.letters.saturating_add(self.count(0, row));
                gone.readings = gone.readings.saturating_add(self.count(1, row));
                continue;
            }
            let number = |value: i64, name| u64::try_from(value).map_err(|_| missing(name));
            let payload = self.payloads.map(|payloads| payloads.value(row));
            to.kept.push(Letter {
                id: LetterId {
                    partition: Partition::new(
                        u32::try_from(self.partitions.value(row)).unwrap_or(0),
                    ),
                    offset: number(self.offsets.value(row), "offset")?,
                },
                enterprise: self.parsed("enterprise", row)?,
                gateway: self.parsed("gateway", row)?,
                received,
                topic: self.text("topic", row)?.to_owned(),
                code,
                words: self.text("reason", row)?.to_owned(),
                index: match self.indices.is_null(row) {
                    true => None,
                    false => u32::try_from(self.indices.value(row)).ok(),
                },
                readings: self.count(1, row),
                payload: payload.map(Bytes::copy_from_slice).unwrap_or_default(),
                bytes: self.count(2, row),
                truncated: self.truncated.value(row),
            });
        }
        Ok(())
    }
}
