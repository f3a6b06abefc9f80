//! Recomputes a figure from the raw readings, without trusting any stored total.
//!
//! Every day is folded from the readings of its files; the rest is the code that answers questions. So an equal
//! figure, bit for bit, was made from exactly these readings and these rules. [`Explain`](greenpark_proto) lets an
//! auditor check, file by file, that the files are unchanged.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use greenpark_archive::lake::Lake;
use greenpark_model::{clock::Clock, indicator::Indicator};
use greenpark_proto::query::v1 as pb;
use tonic::Status;

use crate::{
    access::scope::Scope,
    error::QueryError,
    grpc::server::{QueryService, ServeError},
    settings::QuerySettings,
};

/// Why a figure was not recomputed.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// A file of the settings is wrong.
    #[error("the service cannot be made")]
    Serve(#[from] ServeError),
    /// The question has no answer.
    #[error("{}", .0.message())]
    Question(Status),
}

/// Answers `question` about `indicator` from the readings of `lake` alone. With `as_of`, the books are read as they
/// were then.
///
/// # Errors
/// [`RecomputeError`] has the status that the service would have returned instead of a figure.
pub fn recompute(
    lake: Lake,
    settings: QuerySettings,
    clock: Clock,
    indicator: Indicator,
    question: &pb::GetIndicatorRequest,
) -> BoxFuture<'_, Result<pb::Figure, RecomputeError>> {
    recomputed(
        QueryService::new(lake, settings, clock),
        indicator,
        question,
    )
    .boxed()
}

async fn recomputed(
    service: QueryService,
    indicator: Indicator,
    question: &pb::GetIndicatorRequest,
) -> Result<pb::Figure, RecomputeError> {
    let shared = service.share_from_readings()?;
    let shared = Arc::new(shared);
    let answer = shared.get(Scope::everything(), indicator, question).await;
    answer.map_err(|error: QueryError| RecomputeError::Question(error.status()))
}
