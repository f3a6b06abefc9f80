//! Serves the services of `park.query.v1` on a listener, until it is stopped.

use std::{sync::Arc, time::Duration};

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::{Future, FutureExt as _, future::BoxFuture};
use greenpark_proto::query::v1::{
    access_server::AccessServer, dead_letters_server::DeadLettersServer,
    indicators_server::IndicatorsServer, proofs_server::ProofsServer,
    quality_server::QualityServer, readings_server::ReadingsServer,
    registry_server::RegistryServer,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{codec::CompressionEncoding, server::NamedService as _, transport::Server};
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::warn;

use super::{QueryService, ServeError, Shared, accept::Acceptor, callers::CallersLayer};
use crate::grpc::{
    AccessRpc, DeadLettersRpc, IndicatorsRpc, ProofsRpc, QualityRpc, ReadingsRpc, RegistryRpc,
    flight::FlightRpc,
};

/// Interval of keep-alive pings on idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

impl QueryService {
    /// Answers on `listener` until `shutdown` ends; then accepts no question and gives running ones the settings'
    /// grace.
    ///
    /// # Errors
    /// [`ServeError`] if a file of the settings is wrong, or the transport fails.
    pub fn serve<'a>(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'a,
    ) -> BoxFuture<'a, Result<(), ServeError>> {
        // Boxed here, so that this crate compiles the service, and not every crate that serves it.
        self.serve_until(listener, shutdown.boxed()).boxed()
    }

    async fn serve_until(
        self,
        listener: TcpListener,
        shutdown: BoxFuture<'_, ()>,
    ) -> Result<(), ServeError> {
        let grace = self.settings.drain_grace;
        let limit = self.settings.message_max;
        let streams =
            u32::try_from(self.settings.concurrent_max.saturating_mul(8)).unwrap_or(u32::MAX);
        let shared = Arc::new(self.share()?);
        let (health, health_server) = tonic_health::server::health_reporter();
        let gzip = CompressionEncoding::Gzip;
        macro_rules! served {
            ($server:ident, $rpc:ident) => {
                $server::new($rpc(Arc::clone(&shared)))
                    .max_decoding_message_size(limit)
                    .accept_compressed(gzip)
                    .send_compressed(gzip)
            };
        }
        let indicators = served!(IndicatorsServer, IndicatorsRpc);
        let registry = served!(RegistryServer, RegistryRpc);
        let quality = served!(QualityServer, QualityRpc);
        let letters = served!(DeadLettersServer, DeadLettersRpc);
        let access = served!(AccessServer, AccessRpc);
        let proofs = served!(ProofsServer, ProofsRpc);
        let readings = served!(ReadingsServer, ReadingsRpc);
        let flight = FlightServiceServer::new(FlightRpc::new(Arc::clone(&shared)))
            .max_decoding_message_size(limit);
        set_serving_status(&health, ServingStatus::Serving).await;
        let stop = CancellationToken::new();
        let acceptor = Acceptor::new(listener, &shared)?;
        publish(&shared, &stop);
        let recording = Recording::start(&shared);
        let router = Server::builder()
            .max_concurrent_streams(Some(streams))
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .layer(CallersLayer(shared))
            .add_service(health_server)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .add_service(indicators)
            .add_service(registry)
            .add_service(quality)
            .add_service(letters)
            .add_service(access)
            .add_service(proofs)
            .add_service(readings)
            .add_service(flight);
        let (accepted, incoming) = mpsc::channel(1);
        tokio::spawn(acceptor.run(accepted));
        let incoming = ReceiverStream::new(incoming);
        let serving = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let mut serving = Box::pin(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = shutdown => {
                stop.cancel();
                set_serving_status(&health, ServingStatus::NotServing).await;
                tokio::time::timeout(grace, serving).await.unwrap_or_else(|_| {
                    warn!(grace_s = grace.as_secs(), "answers under way were cut off");
                    Ok(())
                })
            }
        };
        recording.end(grace).await;
        Ok(ended?)
    }
}

/// Starts the task that publishes, if the settings name its keys.
fn publish(shared: &Shared, stop: &CancellationToken) {
    if let Some(publisher) = shared.publisher.clone() {
        let stop = stop.clone();
        tokio::spawn(async move { publisher.run(stop).await });
    }
}

/// The task that writes the access log.
struct Recording {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Recording {
    fn start(shared: &Shared) -> Self {
        let (log, table) = (shared.access_log.clone(), shared.books.lake.access_log());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            if let Some(log) = log {
                log.run(table, stopped).await;
            }
        });
        Self { stop, task }
    }

    /// Waits until the outcomes of the last answers are written, for at most `grace`.
    async fn end(self, grace: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(grace, self.task).await.is_err() {
            warn!("the last records of the access log were not written");
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
        AccessServer::<AccessRpc>::NAME,
        ProofsServer::<ProofsRpc>::NAME,
        DeadLettersServer::<DeadLettersRpc>::NAME,
        FlightServiceServer::<FlightRpc>::NAME,
    ] {
        health.set_service_status(name, status).await;
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(greenpark_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
