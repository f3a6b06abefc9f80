//! What clients ask about a database before they ask it anything: its catalog, its views, and what it is.

use std::sync::LazyLock;

use arrow::record_batch::RecordBatch;
use arrow_flight::{
    encode::FlightDataEncoderBuilder,
    error::FlightError,
    sql::{
        CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, SqlInfo,
        metadata::{SqlInfoData, SqlInfoDataBuilder},
    },
};
use futures::TryStreamExt as _;
use tonic::{Response, Status};

use super::{Results, views::VIEWS};
use crate::lake::engine::{CATALOG, SCHEMA};

/// The type of every table.
const VIEW: &str = "VIEW";

/// What the server is.
pub(super) static SERVER: LazyLock<SqlInfoData> = LazyLock::new(|| {
    let mut builder = SqlInfoDataBuilder::new();
    builder.append(SqlInfo::FlightSqlServerName, "Greenpark");
    builder.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    builder.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    builder.append(SqlInfo::FlightSqlServerReadOnly, true);
    builder.append(SqlInfo::FlightSqlServerSql, true);
    builder.append(SqlInfo::FlightSqlServerSubstrait, false);
    builder.append(SqlInfo::FlightSqlServerTransaction, 0i32);
    builder.append(SqlInfo::FlightSqlServerCancel, false);
    builder.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    builder
        .build()
        .expect("each value has the type of its name")
});

type Built = Result<RecordBatch, FlightError>;

pub(super) fn catalogs(query: CommandGetCatalogs) -> Built {
    let mut builder = query.into_builder();
    builder.append(CATALOG);
    builder.build()
}

pub(super) fn schemas(query: CommandGetDbSchemas) -> Built {
    let mut builder = query.into_builder();
    builder.append(CATALOG, SCHEMA);
    builder.build()
}

pub(super) fn tables(query: CommandGetTables) -> Built {
    let mut builder = query.into_builder();
    for view in VIEWS {
        builder.append(CATALOG, SCHEMA, view.name(), VIEW, &view.schema())?;
    }
    builder.build()
}

pub(super) fn table_types(query: CommandGetTableTypes) -> Built {
    let mut builder = query.into_builder();
    builder.append(VIEW);
    builder.build()
}

/// An answer of one batch.
pub(super) fn answer(built: Built) -> Response<Results> {
    let schema = built.as_ref().ok().map(RecordBatch::schema);
    let encoder = FlightDataEncoderBuilder::new();
    let encoder = match schema {
        Some(schema) => encoder.with_schema(schema),
        None => encoder,
    };
    let batches = futures::stream::once(async { built });
    let messages = encoder.build(batches).map_err(Status::from);
    Response::new(Box::pin(messages))
}
