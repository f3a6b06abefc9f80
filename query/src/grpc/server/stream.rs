//! Streams of answers that go no faster than they are read.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status, metadata::MetadataMap};

use crate::{error::QueryError, grpc::server::Shared, limits::STREAM_PAGES_AHEAD, scope::Scope};

/// What a stream's task sends to its client.
pub(crate) type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// The client went away, or what it is to be told instead.
pub(crate) enum Ended {
    Gone,
    Failed(QueryError),
}

impl<E: Into<QueryError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How long a client may take nothing of a stream, which holds memory that others wait for.
const STALL_MAX: Duration = Duration::from_secs(120);

/// Sends `message` when there is room for it.
pub(crate) async fn send<T>(to: &Sender<T>, message: T) -> Result<(), Ended> {
    match tokio::time::timeout(STALL_MAX, to.send(Ok(message))).await {
        Ok(sent) => sent.map_err(|_| Ended::Gone),
        Err(_) => Err(Ended::Failed(QueryError::Deadline)),
    }
}

/// The stream of a method.
pub(in crate::grpc) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Shared {
    /// Starts a task that answers with a stream, within the deadline of streams.
    pub(in crate::grpc) async fn stream<T, F>(
        self: &Arc<Self>,
        method: &'static str,
        metadata: &MetadataMap,
        work: impl FnOnce(Arc<Self>, Scope, Sender<T>) -> F + Send + 'static,
    ) -> Result<Response<ReceiverStream<Result<T, Status>>>, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<(), Ended>> + Send + 'static,
    {
        let begun = std::time::Instant::now();
        let span = self.settings.stream_deadline;
        let admitted = self.admit(metadata, &self.streams, (span, true)).await;
        let admitted = admitted.map_err(QueryError::status)?;
        let (sender, receiver) = mpsc::channel(STREAM_PAGES_AHEAD);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let _under_way = shared.metrics.begin();
            let work = work(Arc::clone(&shared), admitted.scope.clone(), sender.clone());
            let deadline = Err(Ended::Failed(QueryError::Deadline));
            let ended = tokio::time::timeout_at(admitted.until, work).await;
            // A client that stopped reading must not hold a place while it is told so.
            drop(admitted);
            let code = match ended.unwrap_or(deadline) {
                Ok(()) => Code::Ok,
                Err(Ended::Gone) => Code::Cancelled,
                Err(Ended::Failed(error)) => {
                    let status = error.status();
                    let code = status.code();
                    // The client may be gone, and then nobody is left to be told.
                    let _ = sender.send(Err(status)).await;
                    code
                }
            };
            shared.count(method, code, begun);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
