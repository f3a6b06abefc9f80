//! Serves on a listener: authenticates before a message is decoded, and bounds the number of connections.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Future, Stream};
use greenpark_proto::query::v1::{
    dead_letters_server::DeadLettersServer, indicators_server::IndicatorsServer,
    quality_server::QualityServer, readings_server::ReadingsServer,
    registry_server::RegistryServer,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    codec::CompressionEncoding,
    server::NamedService as _,
    service::interceptor::InterceptedService,
    transport::{
        Server,
        server::{Connected, TcpConnectInfo},
    },
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::warn;

use super::{QueryService, ServeError, Shared};
use crate::{
    error::QueryError,
    grpc::{DeadLettersRpc, IndicatorsRpc, QualityRpc, ReadingsRpc, RegistryRpc},
};

/// Interval of keep-alive pings on idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The pause after a failed accept, for example without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl QueryService {
    /// Answers on `listener` until `shutdown` ends; then accepts no question and gives running ones the settings'
    /// grace.
    ///
    /// # Errors
    /// [`ServeError`] if a file of the settings is wrong, or the transport fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let grace = self.settings.drain_grace;
        let limit = self.settings.message_max;
        let connections_max = self.settings.connections_max;
        let streams =
            u32::try_from(self.settings.concurrent_max.saturating_mul(8)).unwrap_or(u32::MAX);
        let shared = Arc::new(self.share()?);
        let (health, health_server) = tonic_health::server::health_reporter();
        let gzip = CompressionEncoding::Gzip;
        let indicators = IndicatorsServer::new(IndicatorsRpc(Arc::clone(&shared)))
            .max_decoding_message_size(limit)
            .accept_compressed(gzip)
            .send_compressed(gzip);
        let registry = RegistryServer::new(RegistryRpc(Arc::clone(&shared)))
            .max_decoding_message_size(limit)
            .accept_compressed(gzip)
            .send_compressed(gzip);
        let quality = QualityServer::new(QualityRpc(Arc::clone(&shared)))
            .max_decoding_message_size(limit)
            .accept_compressed(gzip)
            .send_compressed(gzip);
        let letters = DeadLettersServer::new(DeadLettersRpc(Arc::clone(&shared)))
            .max_decoding_message_size(limit)
            .accept_compressed(gzip)
            .send_compressed(gzip);
        let readings = ReadingsServer::new(ReadingsRpc(Arc::clone(&shared)))
            .max_decoding_message_size(limit)
            .accept_compressed(gzip)
            .send_compressed(gzip);
        set_serving_status(&health, ServingStatus::Serving).await;
        let stop = CancellationToken::new();
        let authenticate = || authenticate(&shared);
        let router = Server::builder()
            .max_concurrent_streams(Some(streams))
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .add_service(health_server)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .add_service(InterceptedService::new(indicators, authenticate()))
            .add_service(InterceptedService::new(registry, authenticate()))
            .add_service(InterceptedService::new(quality, authenticate()))
            .add_service(InterceptedService::new(letters, authenticate()))
            .add_service(InterceptedService::new(readings, authenticate()));
        let incoming = Incoming::new(listener, connections_max);
        let serving = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let mut serving = Box::pin(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = shutdown => stop.cancel(),
        }
        set_serving_status(&health, ServingStatus::NotServing).await;
        match tokio::time::timeout(grace, serving).await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                warn!(grace_s = grace.as_secs(), "answers under way were cut off");
                Ok(())
            }
        }
    }
}

/// Reports `status` of every service.
async fn set_serving_status(health: &HealthReporter, status: ServingStatus) {
    for name in [
        IndicatorsServer::<IndicatorsRpc>::NAME,
        RegistryServer::<RegistryRpc>::NAME,
        QualityServer::<QualityRpc>::NAME,
        ReadingsServer::<ReadingsRpc>::NAME,
        DeadLettersServer::<DeadLettersRpc>::NAME,
    ] {
        health.set_service_status(name, status).await;
    }
}

/// Refuses unauthenticated requests before a message is read: four kilobytes can inflate to hundreds of megabytes.
fn authenticate(
    shared: &Arc<Shared>,
) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + use<> {
    let shared = Arc::clone(shared);
    move |request: Request<()>| {
        let admitted = shared.gate.admit(request.metadata());
        admitted.map(|_scope| request).map_err(QueryError::status)
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(greenpark_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Connections of a listener, bounded in number. Further connections are closed at once; a failed accept does not end
/// the stream.
struct Incoming {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    connections_max: usize,
    /// True after a refusal was logged, until a connection is accepted again.
    crowded: bool,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// An open connection; it counts until it is dropped.
struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Incoming {
    fn new(listener: TcpListener, connections_max: usize) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            crowded: false,
            pause: None,
        }
    }

    /// Accepts a connection, or closes it.
    fn admit(&mut self, stream: TcpStream) -> Option<Connection> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            if !std::mem::replace(&mut self.crowded, true) {
                let connections_max = self.connections_max;
                warn!(
                    connections_max,
                    "refused a connection for questions: too many"
                );
            }
            return None;
        };
        self.crowded = false;
        // A failure is not worth the connection: without the option, answers leave later.
        let _ = stream.set_nodelay(true);
        Some(Connection {
            stream,
            _permit: permit,
        })
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match std::task::ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _peer)) => {
                    if let Some(connection) = self.admit(stream) {
                        return Poll::Ready(Some(Ok(connection)));
                    }
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection for questions");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
