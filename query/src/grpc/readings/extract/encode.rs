//! Encodes batches as Parquet or CSV into a buffer that is drained as it fills.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};
use greenpark_model::quantity::Quantity;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{metadata::KeyValue, properties::WriterProperties},
};

use crate::{
    error::QueryError,
    grpc::readings::extract::{Content, Format, Job},
    lake::scan::Selection,
    limits::EXTRACT_ROW_GROUP_ROWS,
};

/// Bytes written and not yet drained.
#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Form {
    Parquet(Box<ArrowWriter<Buffer>>),
    Csv(Box<arrow::csv::Writer<Buffer>>),
}

/// An encoder of one file.
pub(super) struct Encoder {
    form: Form,
    buffer: Buffer,
}

fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns of an extract of readings.
pub(super) fn readings_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("enterprise", text(), false),
        Field::new("meter", text(), false),
        Field::new("quantity", text(), false),
        Field::new("kind", text(), false),
        Field::new(
            "instant",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            false,
        ),
        Field::new("value", DataType::Decimal128(18, 6), false),
        Field::new("unit", text(), false),
        Field::new("flag", text(), false),
        Field::new("ticket", text(), true),
        Field::new(
            "late_received",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            true,
        ),
        Field::new("late_gateway", text(), true),
    ]))
}

/// Adds the enterprise and the unit of each reading to a `batch` of a scan.
pub(super) fn with_enterprise(
    batch: &RecordBatch,
    selection: &Selection,
    schema: &SchemaRef,
) -> Result<RecordBatch, QueryError> {
    let rows = batch.num_rows();
    let column = |name: &str| {
        batch.column_by_name(name).cloned().ok_or_else(|| {
            QueryError::Encode(ArrowError::SchemaError(format!("no column '{name}'")))
        })
    };
    let quantities = column("quantity")?;
    let units = quantities
        .as_dictionary_opt::<Int32Type>()
        .and_then(|quantities| {
            let unit = |text: &str| Some(text.parse::<Quantity>().ok()?.medium.unit().symbol());
            let texts = quantities.values().as_string_opt::<i32>()?;
            let units: StringArray = texts.iter().map(|text| text.and_then(unit)).collect();
            DictionaryArray::try_new(quantities.keys().clone(), Arc::new(units)).ok()
        });
    let units = units.ok_or_else(|| QueryError::Broken("a quantity has no unit".to_owned()))?;
    let enterprise = selection.enterprise.as_str();
    let enterprises: DictionaryArray<Int32Type> = std::iter::repeat_n(enterprise, rows).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(enterprises),
        column("meter")?,
        quantities,
        column("kind")?,
        column("instant")?,
        column("value")?,
        Arc::new(units),
        column("flag")?,
        column("ticket")?,
        column("late_received")?,
        column("late_gateway")?,
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(QueryError::Encode)
}

impl Encoder {
    pub(super) fn new(job: &Job, schema: &SchemaRef) -> Result<Self, QueryError> {
        let buffer = Buffer::default();
        let form = match job.format {
            Format::Parquet => {
                let writer =
                    ArrowWriter::try_new(buffer.clone(), Arc::clone(schema), Some(properties(job)));
                Form::Parquet(Box::new(writer.map_err(parquet_error)?))
            }
            Format::Csv => {
                let mut file = buffer.clone();
                // A spreadsheet on a Chinese system reads a file without a byte order mark as GBK.
                let marked = file.write_all("\u{feff}".as_bytes());
                marked.expect("a buffer in memory takes every byte");
                let builder = arrow::csv::WriterBuilder::new()
                    .with_header(true)
                    .with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned());
                Form::Csv(Box::new(builder.build(buffer.clone())))
            }
        };
        let mut encoder = Self { form, buffer };
        // A CSV file without rows still has its header.
        encoder.write(&RecordBatch::new_empty(Arc::clone(schema)))?;
        Ok(encoder)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        match &mut self.form {
            Form::Parquet(writer) => writer.write(batch).map_err(parquet_error),
            Form::Csv(writer) => writer.write(batch).map_err(QueryError::Encode),
        }
    }

    /// Writes the end of the file.
    pub(super) fn finish(&mut self) -> Result<(), QueryError> {
        match &mut self.form {
            Form::Parquet(writer) => writer.finish().map(drop).map_err(parquet_error),
            Form::Csv(_) => Ok(()),
        }
    }

    /// Moves the written bytes to the end of `to`.
    pub(super) fn drain(&self, to: &mut Vec<u8>) {
        let mut buffer = self.buffer.0.lock().unwrap_or_else(PoisonError::into_inner);
        to.append(&mut mem::take(&mut *buffer));
    }
}

fn parquet_error(error: parquet::errors::ParquetError) -> QueryError {
    QueryError::Encode(ArrowError::ExternalError(Box::new(error)))
}

fn properties(job: &Job) -> WriterProperties {
    let selection = &job.selection;
    let content = match job.content {
        Content::Readings => "readings",
        Content::DailyTotals => "daily-totals",
    };
    let fact = |key: &str, value: String| KeyValue::new(format!("greenpark.{key}"), value);
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(EXTRACT_ROW_GROUP_ROWS))
        .set_created_by(concat!("greenpark-query version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![
            fact("content", content.to_owned()),
            fact("park", selection.park.to_string()),
            fact("enterprise", selection.enterprise.to_string()),
            fact("first_day", selection.range.first().to_string()),
            fact("last_day", selection.range.last().to_string()),
        ]))
        .build()
}
