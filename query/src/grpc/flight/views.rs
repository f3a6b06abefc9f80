//! The views: their names, columns and rows.

mod answered;
mod measured;
mod registered;

use arrow::{array::RecordBatch, datatypes::Schema};
use futures::{FutureExt as _, future::BoxFuture};

use super::{cells::schema_of, view::Asking, wanted::Wanted};
use crate::error::QueryError;

/// A view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ViewKind {
    Enterprises,
    Meters,
    Declarations,
    DailyTotals,
    Readings,
    Figures,
    Quality,
    Waste,
    Targets,
}

/// All views, in the order of their names.
pub(super) const VIEWS: &[ViewKind] = &[
    ViewKind::DailyTotals,
    ViewKind::Declarations,
    ViewKind::Enterprises,
    ViewKind::Figures,
    ViewKind::Meters,
    ViewKind::Quality,
    ViewKind::Readings,
    ViewKind::Targets,
    ViewKind::Waste,
];

impl ViewKind {
    /// Its name in SQL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Enterprises => "enterprises",
            Self::Meters => "meters",
            Self::Declarations => "declarations",
            Self::DailyTotals => "daily_totals",
            Self::Readings => "readings",
            Self::Figures => "figures",
            Self::Quality => "quality",
            Self::Waste => "waste",
            Self::Targets => "targets",
        }
    }

    /// Its columns.
    pub(super) fn schema(self) -> Schema {
        schema_of(match self {
            Self::Enterprises => registered::ENTERPRISES,
            Self::Meters => registered::METERS,
            Self::Declarations => registered::DECLARATIONS,
            Self::DailyTotals => measured::DAILY_TOTALS,
            Self::Readings => measured::READINGS,
            Self::Figures => answered::FIGURES,
            Self::Quality => answered::QUALITY,
            Self::Waste => answered::WASTE,
            Self::Targets => answered::TARGETS,
        })
    }

    /// The rows that a statement wants, and perhaps more.
    pub(super) fn rows<'a>(
        self,
        asking: &'a Asking,
        wanted: &'a Wanted,
    ) -> BoxFuture<'a, Result<Vec<RecordBatch>, QueryError>> {
        match self {
            Self::Enterprises => registered::enterprises(asking, wanted).boxed(),
            Self::Meters => registered::meters(asking, wanted).boxed(),
            Self::Declarations => registered::declarations(asking, wanted).boxed(),
            Self::DailyTotals => measured::daily_totals(asking, wanted).boxed(),
            Self::Readings => measured::readings(asking, wanted).boxed(),
            Self::Figures => answered::figures(asking, wanted).boxed(),
            Self::Quality => answered::quality(asking, wanted).boxed(),
            Self::Waste => answered::waste(asking, wanted).boxed(),
            Self::Targets => answered::targets(asking, wanted).boxed(),
        }
    }
}
