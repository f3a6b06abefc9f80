//! The three tables of a book.

use greenpark_model::id::ParkId;
use object_store::path::Path;
use tracing::warn;

use crate::{
    delta::{Null, Past, Shape, Table, state::TableState},
    error::LakeReadError,
    store::Storage,
    tables::{
        rollups::{self, RollupsFile},
        totals,
    },
};

/// Columns of the readings table; see [`columns`](crate::readings::columns).
pub(crate) static READINGS: Shape = Shape {
    columns: &[
        ("enterprise", "string", Null::Never),
        ("meter", "string", Null::Never),
        ("quantity", "string", Null::Never),
        ("kind", "string", Null::Never),
        ("instant", "timestamp", Null::Never),
        ("value", "decimal(18,6)", Null::Never),
        ("flag", "string", Null::Never),
        ("superseded", "boolean", Null::Never),
        ("day", "date", Null::Never),
        ("ticket", "string", Null::Allowed),
        ("late_received", "timestamp", Null::Allowed),
        ("late_gateway", "string", Null::Allowed),
    ],
    partition: &["day"],
    past: Past::Kept,
};

/// The tables of a book.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) readings: Table,
    pub(crate) totals: Table,
    pub(crate) rollups: Table,
}

impl Tables {
    pub(crate) fn of(storage: &Storage, park: &ParkId, year: i16) -> Self {
        let root = |table: &str| Path::from(format!("{park}/{year:04}/{table}"));
        Self {
            readings: Table::new(storage, root("readings"), &READINGS),
            totals: Table::new(storage, root("totals"), &totals::SHAPE),
            rollups: Table::new(storage, root("rollups"), &rollups::SHAPE),
        }
    }

    /// The state of the rollups for their writer; `None` if their log is damaged, so that nothing is built on
    /// it.
    pub(crate) async fn rollups_of_writer(
        &self,
    ) -> Result<Option<TableState<RollupsFile>>, LakeReadError> {
        match self.rollups.load().await {
            Ok(state) => Ok(Some(state)),
            Err(error @ LakeReadError::Store { .. }) => Err(error),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(table = %self.rollups.root(), error, "nothing is rolled up: move the table's folder away");
                Ok(None)
            }
        }
    }

    /// The state of the rollups; `None` if it cannot be read, because the totals hold the same figures.
    pub(crate) async fn load_rollups(&self) -> Option<TableState<RollupsFile>> {
        let loaded = async {
            let state: TableState<RollupsFile> = self.rollups.load().await?;
            self.rollups.check_whole(state.version).await?;
            Ok::<_, LakeReadError>(state)
        };
        loaded
            .await
            .inspect_err(|error| {
                let error = error as &dyn std::error::Error;
                warn!(table = %self.rollups.root(), error, "totals are read instead of rollups");
            })
            .ok()
    }
}
