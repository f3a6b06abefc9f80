//! Streams answers no faster than the client reads them.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::{admission::entry_of, callers::GRANT_LOOK};
use crate::{
    access::{entry::Entry, scope::Scope},
    error::QueryError,
    grpc::{asked::Asked, server::Shared},
    limits::STREAM_PAGES_AHEAD,
};

/// The way from the task of a stream to its client.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    channel: mpsc::Sender<Result<T, Status>>,
    /// The request in the access log.
    pub(crate) entry: Arc<Entry>,
}

/// Why a stream ends early: the client went away, or an error to report.
pub(crate) enum Ended {
    Gone,
    Failed(QueryError),
}

impl<E: Into<QueryError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How long a client may stall a stream, which holds memory that others wait for.
const STALL_MAX: Duration = Duration::from_secs(120);

/// Sends `message`, which has this many `rows`, when there is room.
pub(crate) async fn send<T: prost::Message>(
    to: &Sender<T>,
    message: T,
    rows: usize,
) -> Result<(), Ended> {
    to.entry.sent(rows as u64, message.encoded_len() as u64);
    match tokio::time::timeout(STALL_MAX, to.channel.send(Ok(message))).await {
        Ok(sent) => sent.map_err(|_| Ended::Gone),
        Err(_) => Err(Ended::Failed(QueryError::Deadline)),
    }
}

/// The response stream of a method.
pub(in crate::grpc) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Shared {
    /// Starts a task that answers with a stream, within the deadline of streams.
    pub(in crate::grpc) async fn stream<T, F, R: Asked + Send + 'static>(
        self: &Arc<Self>,
        method: &'static str,
        request: Request<R>,
        work: impl FnOnce(Arc<Self>, Scope, R, Sender<T>) -> F + Send + 'static,
    ) -> Result<Response<ReceiverStream<Result<T, Status>>>, Status>
    where
        T: prost::Message + 'static,
        F: Future<Output = Result<(), Ended>> + Send + 'static,
    {
        let begun = tokio::time::Instant::now();
        let span = self.settings.stream_deadline;
        let (metadata, extensions, message) = request.into_parts();
        let from = (&metadata, &extensions);
        let admitted = self
            .admit(from, &message, &self.streams, (span, true))
            .await;
        let admitted = admitted.map_err(|error| {
            let status = error.status();
            self.ended(method, entry_of(&extensions), status.code(), begun);
            status
        })?;
        let (channel, receiver) = mpsc::channel(STREAM_PAGES_AHEAD);
        let shared = Arc::clone(self);
        let entry = Arc::clone(&admitted.permitted.entry);
        tokio::spawn(async move {
            let _under_way = shared.metrics.begin();
            let work = work(
                Arc::clone(&shared),
                admitted.scope(),
                message,
                Sender {
                    channel: channel.clone(),
                    entry: Arc::clone(&entry),
                },
            );
            let deadline = Err(Ended::Failed(QueryError::Deadline));
            let permitted = admitted.permitted.clone();
            let work = async {
                tokio::select! {
                    ended = work => ended,
                    () = shared.grant_ended(&permitted, GRANT_LOOK) => Err(QueryError::GrantEnded.into()),
                }
            };
            let ended = tokio::time::timeout_at(admitted.until, work).await;
            // A client that stopped reading must not hold a permit until it receives the error.
            drop(admitted);
            let code = match ended.unwrap_or(deadline) {
                Ok(()) => Code::Ok,
                Err(Ended::Gone) => Code::Cancelled,
                Err(Ended::Failed(error)) => {
                    let status = permitted.scope.hide(error).status();
                    let code = status.code();
                    // The client may be gone; then nobody receives the status.
                    let _ = channel.send(Err(status)).await;
                    code
                }
            };
            shared.ended(method, Some(&entry), code, begun);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
