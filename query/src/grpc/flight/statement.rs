//! Plans and runs one statement: it reads views, and can do nothing else.

use std::{sync::Arc, time::Duration};

use arrow::{datatypes::Schema, ipc::writer::IpcWriteOptions};
use arrow_flight::{
    FlightData, IpcMessage, SchemaAsIpc, encode::FlightDataEncoderBuilder, error::FlightError,
};
use bytes::Bytes;
use datafusion::{
    datasource::TableProvider,
    error::DataFusionError,
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::{SQLOptions, SessionContext},
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tonic::Status;

use super::{
    view::{Asking, View},
    views::VIEWS,
};
use crate::{
    access::scope::Scope,
    error::QueryError,
    grpc::{
        asked::{Asked, bounded},
        server::{
            Shared,
            stream::{Ended, Sender, send},
        },
    },
    lake::engine::{READING_BYTES, Work},
    limits::{SQL_BYTES_MAX, VIEW_BYTES_MAX},
};

/// How long a statement may take.
const STATEMENT_MAX: Duration = Duration::from_secs(300);

/// A statement, as the access log records it.
pub(super) struct Sql(pub(super) String);

impl Asked for Sql {
    fn asked(&self) -> String {
        bounded(&self.0)
    }
}

/// The schema of a statement's result.
pub(super) async fn schema(
    shared: &Arc<Shared>,
    scope: Scope,
    sql: &str,
) -> Result<Schema, QueryError> {
    let asking = Arc::new(Asking::new(Arc::clone(shared), scope, None));
    let session = session(&asking)?;
    let plan = plan(&session, sql).boxed().await?;
    Ok(plan.schema().as_arrow().clone())
}

/// A schema as a message of its own.
pub(super) fn schema_message(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let message: Result<IpcMessage, _> = SchemaAsIpc::new(schema, &options).try_into();
    let message = message.map_err(|error| Status::internal(error.to_string()))?;
    Ok(message.0)
}

/// Runs a statement and sends its result.
pub(super) async fn run(
    shared: Arc<Shared>,
    scope: Scope,
    sql: Sql,
    to: Sender<FlightData>,
) -> Result<(), Ended> {
    let running = run_within(shared, scope, &sql.0, &to).boxed();
    let ended = tokio::time::timeout(STATEMENT_MAX, running).await;
    ended.unwrap_or(Err(Ended::Failed(QueryError::Deadline)))
}

async fn run_within(
    shared: Arc<Shared>,
    scope: Scope,
    sql: &str,
    to: &Sender<FlightData>,
) -> Result<(), Ended> {
    let readings = |bytes: usize| (bytes / READING_BYTES) as u64;
    let engine = &shared.books.engine;
    // Views make their rows while the statement is planned; what they do not need is given back before it runs.
    let mut memory = engine.reserve_sort(readings(VIEW_BYTES_MAX)).await?;
    let Planned {
        plan,
        session,
        bytes,
    } = planned(&shared, &scope, sql).boxed().await?;
    engine.shrink(&mut memory, readings(bytes));
    let batches = execute_stream(plan, session.task_ctx()).map_err(wrong)?;
    let batches = memory.hold(batches);
    let (schema, entry) = (batches.schema(), Arc::clone(&to.entry));
    let counted = batches
        .inspect_ok(move |batch| entry.sent(batch.num_rows() as u64, 0))
        .map_err(|error| FlightError::ExternalError(Box::new(error)));
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema);
    let mut messages = encoder.build(counted.boxed());
    while let Some(message) = messages.next().await {
        send(to, message.map_err(not_sent)?, 0).await?;
    }
    Ok(())
}

/// A statement whose views have made their rows.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    session: SessionContext,
    /// Bytes of these rows.
    bytes: usize,
}

/// Plans a statement over one state of the lake: the newest, if nothing changes meanwhile, and otherwise that of an
/// instant, which takes longer.
async fn planned(shared: &Arc<Shared>, scope: &Scope, sql: &str) -> Result<Planned, QueryError> {
    for at in [None, None, Some(shared.now())] {
        let asking = Arc::new(Asking::new(Arc::clone(shared), scope.clone(), at));
        let session = session(&asking)?;
        let logical = plan(&session, sql).await?;
        let before = asking.state().await?;
        let plan = session.state().create_physical_plan(&logical).boxed().await;
        let plan = match plan.map_err(wrong) {
            Err(error) if error.is_file_replaced() => continue,
            plan => plan?,
        };
        if at.is_some() || asking.state().await? == before {
            let bytes = asking.bytes();
            return Ok(Planned {
                plan,
                session,
                bytes,
            });
        }
    }
    Err(QueryError::FileReplaced)
}

/// A session with the views and nothing else.
fn session(asking: &Arc<Asking>) -> Result<SessionContext, QueryError> {
    let views = VIEWS.iter().map(|kind| {
        let view: Arc<dyn TableProvider> = Arc::new(View::new(*kind, asking));
        (kind.name(), view)
    });
    let engine = &asking.shared.books.engine;
    engine.session(Work::Statement, views).map_err(wrong)
}

/// The plan of a statement that reads.
async fn plan(session: &SessionContext, sql: &str) -> Result<LogicalPlan, QueryError> {
    if sql.len() > SQL_BYTES_MAX {
        let problem = format!("has more than {SQL_BYTES_MAX} bytes");
        return Err(QueryError::invalid("sql", problem));
    }
    let plan = session.state().create_logical_plan(sql).boxed().await;
    let plan = plan.map_err(wrong)?;
    let reads = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    reads.verify_plan(&plan).map_err(wrong)?;
    Ok(plan)
}

/// The error of a statement: that of a view, or a mistake in the statement.
fn wrong(error: DataFusionError) -> QueryError {
    match error {
        DataFusionError::External(source) => match source.downcast::<QueryError>() {
            Ok(of_view) => *of_view,
            Err(other) => QueryError::invalid("sql", other.to_string()),
        },
        DataFusionError::Context(_, source) => wrong(*source),
        DataFusionError::ResourcesExhausted(_) => QueryError::TooLarge,
        other => QueryError::invalid("sql", other.strip_backtrace()),
    }
}

fn not_sent(error: FlightError) -> QueryError {
    match error {
        FlightError::ExternalError(source) => match source.downcast::<DataFusionError>() {
            Ok(of_plan) => wrong(*of_plan),
            Err(other) => QueryError::Broken(other.to_string()),
        },
        other => QueryError::Broken(other.to_string()),
    }
}
