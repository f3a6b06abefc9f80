//! Work that is done beside each other.

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::error::QueryError;

/// What `work` comes to, in its order, so many at a time; the first failure ends it.
pub(crate) async fn beside<T>(
    work: Vec<BoxFuture<'_, Result<T, QueryError>>>,
    at_once: usize,
) -> Result<Vec<T>, QueryError> {
    stream::iter(work).buffered(at_once).try_collect().await
}
