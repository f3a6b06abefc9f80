//! Runs futures concurrently, bounded in number.

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::error::QueryError;

/// Runs `work`, at most `at_once` futures at a time. Results keep the order; the first failure ends it.
pub(crate) async fn concurrently<T>(
    work: Vec<BoxFuture<'_, Result<T, QueryError>>>,
    at_once: usize,
) -> Result<Vec<T>, QueryError> {
    stream::iter(work).buffered(at_once).try_collect().await
}
