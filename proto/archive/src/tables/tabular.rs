//! Files of the tables whose rows Arrow encodes: the Arrow schema of a [`Shape`], and the writer.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::properties::{WriterProperties, WriterPropertiesBuilder},
    schema::types::ColumnPath,
};

use crate::{
    delta::{Null, Shape},
    error::EncodeError,
};

/// The columns of `shape` as Arrow reads them best: texts as dictionaries.
pub(crate) fn schema_of(shape: &Shape) -> SchemaRef {
    let field = |(name, kind, null): &(&str, &str, Null)| {
        let kind = match *kind {
            "string" => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            "date" => DataType::Date32,
            "integer" => DataType::Int32,
            "boolean" => DataType::Boolean,
            "binary" => DataType::Binary,
            "decimal(38,6)" => DataType::Decimal128(38, 6),
            "decimal(18,6)" => DataType::Decimal128(18, 6),
            "timestamp" => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            _ => DataType::Int64,
        };
        Field::new(*name, kind, *null == Null::Allowed)
    };
    Arc::new(Schema::new(
        shape.columns.iter().map(field).collect::<Vec<_>>(),
    ))
}

/// Encodes `columns` as a Parquet file. The same columns give the same bytes.
///
/// # Errors
/// [`EncodeError`] if the columns are not those of `schema`.
pub(crate) fn write(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<Bytes, EncodeError> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    write_as(
        schema,
        columns,
        WriterProperties::builder().set_compression(zstd),
    )
}

/// Like [`write`], but only the column `only` is compressed: a reader creates a decompressor for each
/// compressed column, which takes longer than reading a short one.
///
/// # Errors
/// As for [`write`].
pub(crate) fn write_short(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    only: &str,
) -> Result<Bytes, EncodeError> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED);
    write_as(
        schema,
        columns,
        properties.set_column_compression(ColumnPath::from(only), zstd),
    )
}

fn write_as(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    properties: WriterPropertiesBuilder,
) -> Result<Bytes, EncodeError> {
    let parquet = |source: parquet::errors::ParquetError| EncodeError::Parquet(source.into());
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|source| EncodeError::Parquet(source.into()))?;
    let properties = properties
        .set_created_by(concat!("greenpark-archive version ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let writer = ArrowWriter::try_new_with_options(&mut bytes, Arc::clone(schema), options);
    let mut writer = writer.map_err(parquet)?;
    writer.write(&batch).map_err(parquet)?;
    writer.close().map_err(parquet)?;
    Ok(bytes.into())
}
