//! Flight SQL for analysts: the views of one's own names, read-only.
//!
//! A statement runs in a session that holds the views and nothing else. A view makes its rows from the same methods as
//! the services beside it, with the scope of the caller, so SQL shows nobody more than they do. `proto/decisions/0020`
//! has the reasons.

mod catalog;
mod cells;
mod handle;
mod statement;
mod view;
mod views;
mod wanted;

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    flight_service_server::FlightService,
    sql::{
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
        ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
        CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
        CommandStatementQuery, ProstMessageExt, SqlInfo, TicketStatementQuery,
        server::FlightSqlService,
    },
};
use bytes::Bytes;
use prost::Message as _;
use tonic::{Request, Response, Status};

use self::{handle::Handles, statement::Sql};
use crate::grpc::{
    flight::statement::schema_message,
    server::{Permitted, Shared},
};

/// The Flight SQL service.
#[derive(Clone)]
pub(crate) struct FlightRpc {
    shared: Arc<Shared>,
    handles: Arc<Handles>,
}

/// The stream of a result.
type Results = <FlightRpc as FlightService>::DoGetStream;

impl FlightRpc {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            handles: Arc::default(),
        }
    }

    /// The schema of what `sql` gives this caller.
    async fn schema(&self, sql: &str, permitted: &Permitted) -> Result<Schema, Status> {
        let schema = statement::schema(&self.shared, permitted.scope.clone(), sql).await;
        schema.map_err(|error| permitted.scope.hide(error).status())
    }

    /// A handle of `sql` that only this caller can use, and the schema of its result.
    async fn prepare<T>(&self, sql: &str, request: &Request<T>) -> Result<(Bytes, Schema), Status> {
        let permitted = permitted(request)?;
        let schema = self.schema(sql, permitted).await?;
        Ok((
            self.handles.seal(&permitted.caller.identity.caller, sql),
            schema,
        ))
    }

    /// The statement of a handle, if this caller may use it.
    fn open(&self, handle: &[u8], permitted: &Permitted) -> Result<String, Status> {
        let sql = self.handles.open(&permitted.caller.identity.caller, handle);
        sql.ok_or_else(|| {
            Status::invalid_argument("the ticket is not yours, or from before a restart; ask again")
        })
    }

    /// Runs the statement of a handle.
    async fn run(
        &self,
        handle: &[u8],
        request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        let sql = self.open(handle, permitted(&request)?)?;
        let request = request.map(|_| Sql(sql));
        let results = self.shared.stream("DoGet", request, statement::run).await?;
        Ok(results.map(|stream| Box::pin(stream) as Results))
    }
}

/// The caller that the layer put into the request.
fn permitted<T>(request: &Request<T>) -> Result<&Permitted, Status> {
    let permitted = request.extensions().get::<Permitted>();
    permitted.ok_or_else(|| Status::unauthenticated("there is no caller"))
}

/// The description of a result that `ticket` fetches.
fn info(
    ticket: impl ProstMessageExt,
    schema: &Schema,
    descriptor: FlightDescriptor,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new().try_with_schema(schema);
    let info = info.map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(
        info.with_endpoint(FlightEndpoint::new().with_ticket(ticket))
            .with_descriptor(descriptor),
    ))
}

#[tonic::async_trait]
impl FlightSqlService for FlightRpc {
    type FlightService = Self;

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let (statement_handle, schema) = self.prepare(&query.query, &request).await?;
        info(
            TicketStatementQuery { statement_handle },
            &schema,
            request.into_inner(),
        )
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        self.run(&ticket.statement_handle, request).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let (handle, schema) = self.prepare(&query.query, &request).await?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle,
            dataset_schema: schema_message(&schema)?,
            parameter_schema: Bytes::new(),
        })
    }

    /// Handles hold their statement, so there is nothing to close.
    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let permitted = permitted(&request)?;
        let sql = self.open(&query.prepared_statement_handle, permitted)?;
        let schema = self.schema(&sql, permitted).await?;
        info(query, &schema, request.into_inner())
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        self.run(&query.prepared_statement_handle, request).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.into_builder().schema();
        info(query, &schema, request.into_inner())
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        _request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        Ok(catalog::answer(catalog::catalogs(query)))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder().schema();
        info(query, &schema, request.into_inner())
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        Ok(catalog::answer(catalog::schemas(query)))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder().schema();
        info(query, &schema, request.into_inner())
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        _request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        Ok(catalog::answer(catalog::tables(query)))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.into_builder().schema();
        info(query, &schema, request.into_inner())
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        _request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        Ok(catalog::answer(catalog::table_types(query)))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder(&catalog::SERVER).schema();
        info(query, &schema, request.into_inner())
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _request: Request<Ticket>,
    ) -> Result<Response<Results>, Status> {
        Ok(catalog::answer(
            query.into_builder(&catalog::SERVER).build(),
        ))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
