//! A view as DataFusion sees it: a table whose rows are made when a statement is planned.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    catalog::Session,
    datasource::{MemTable, TableProvider},
    error::{DataFusionError, Result},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
};
use greenpark_model::{
    day::Instant,
    id::{EnterpriseId, ParkId},
};
use tokio::sync::OnceCell;

use super::{views::ViewKind, wanted::Wanted};
use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::server::{Shared, answers::Book},
    limits::VIEW_BYTES_MAX,
    register::registry::Registry,
};

/// The versions of the registry and of books.
pub(super) type State = (i64, Vec<(ParkId, Vec<Book>)>);

/// An enterprise that the caller may read.
pub(super) type Member = (ParkId, EnterpriseId);

/// What all views of one statement share.
pub(super) struct Asking {
    pub(super) shared: Arc<Shared>,
    pub(super) scope: Scope,
    /// The instant whose state every view shows; `None` for the newest.
    pub(super) at: Option<Instant>,
    registry: OnceCell<Arc<Registry>>,
    /// Bytes of the rows that were made.
    bytes: AtomicUsize,
}

impl Asking {
    pub(super) fn new(shared: Arc<Shared>, scope: Scope, at: Option<Instant>) -> Self {
        Self {
            shared,
            scope,
            at,
            registry: OnceCell::new(),
            bytes: AtomicUsize::new(0),
        }
    }

    /// The state that the views show: the versions of the registry and of the books of all parks.
    pub(super) async fn state(&self) -> Result<State, QueryError> {
        let registry = self.shared.registry().await?;
        let parks = self.shared.parks(&self.scope, &registry).await?;
        Ok((registry.version, self.shared.states_of(parks).await?))
    }

    /// The registry of the statement.
    pub(super) async fn registry(&self) -> Result<&Arc<Registry>, QueryError> {
        let read = || self.shared.registry_at(self.at);
        self.registry.get_or_try_init(read).await
    }

    /// Bytes of the rows that were made so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts rows that were made.
    ///
    /// # Errors
    /// [`QueryError::TooLarge`] if the statement has too many.
    pub(super) fn made(&self, batch: &RecordBatch) -> Result<(), QueryError> {
        let more = batch.get_array_memory_size();
        let all = self.bytes.fetch_add(more, Ordering::Relaxed) + more;
        match all <= VIEW_BYTES_MAX {
            true => Ok(()),
            false => Err(QueryError::TooLarge),
        }
    }

    /// The parks that the caller sees, as far as they are wanted.
    pub(super) async fn parks(&self, wanted: &Wanted) -> Result<Vec<ParkId>, QueryError> {
        let registry = self.registry().await?;
        let mut parks = self.shared.parks(&self.scope, registry).await?;
        parks.retain(|park| wanted.has("park", park.as_str()));
        Ok(parks)
    }

    /// The enterprises that the caller may read, as far as they are wanted.
    pub(super) async fn members(&self, wanted: &Wanted) -> Result<Vec<Member>, QueryError> {
        let registry = self.registry().await?;
        let mut members = Vec::new();
        for park in self.parks(wanted).await? {
            let found = self
                .shared
                .enterprises(&self.scope, registry, &park)
                .await?;
            let found = found
                .into_iter()
                .filter(|id| wanted.has("enterprise", id.as_str()));
            members.extend(found.map(|id| (park.clone(), id)));
        }
        Ok(members)
    }

    /// The instant of the statement in a request.
    pub(super) fn as_of(&self) -> Option<prost_types::Timestamp> {
        self.at.map(timestamp)
    }
}

/// A view of one statement.
pub(super) struct View {
    kind: ViewKind,
    schema: SchemaRef,
    asking: Arc<Asking>,
}

impl View {
    pub(super) fn new(kind: ViewKind, asking: &Arc<Asking>) -> Self {
        Self {
            kind,
            schema: Arc::new(kind.schema()),
            asking: Arc::clone(asking),
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.kind.name()).finish()
    }
}

#[tonic::async_trait]
impl TableProvider for View {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // They narrow what is made, and are applied to it again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = Wanted::of(filters);
        let made = self.kind.rows(&self.asking, &wanted).await;
        let batches = made.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let table = MemTable::try_new(self.schema(), vec![batches])?;
        table.scan(state, projection, &[], None).await
    }
}
