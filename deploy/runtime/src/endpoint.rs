//! `/livez`, `/readyz` and `/metrics` over HTTP.
//!
//! Alive means that the process answers; ready means that every part can work, and the answer names the
//! parts that cannot. Metrics are OpenMetrics text.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::Health;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    shown: Shown,
}

#[derive(Debug, Clone)]
struct Shown {
    registry: Arc<Registry>,
    health: Health,
}

impl Endpoint {
    /// Binds `address`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        registry: Arc<Registry>,
        health: Health,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            listener,
            shown: Shown { registry, health },
        })
    }

    /// Returns the bound address, which differs from the settings if they name port 0.
    ///
    /// # Errors
    /// The operating system does not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown` is cancelled.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(self, shutdown: CancellationToken) -> io::Result<()> {
        let router = Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(readiness))
            .route("/metrics", get(metrics))
            .with_state(self.shown);
        axum::serve(self.listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
    }
}

async fn readiness(State(shown): State<Shown>) -> (StatusCode, String) {
    let unready = shown.health.unready();
    if unready.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines = unready
        .iter()
        .map(|(name, reason)| format!("{name}: {reason}\n"))
        .collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &shown.registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            "metrics cannot be written\n".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address)
            .await
            .expect("the endpoint listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a request is sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("an answer comes");
        answer
    }

    #[tokio::test]
    async fn the_endpoint_tells_life_readiness_and_metrics() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        registry.register("greenpark_test", "A counter", counter.clone());
        counter.inc_by(3);
        let health = Health::default();
        let part = health.part("log");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = Endpoint::bind(any, Arc::new(registry), health)
            .await
            .expect("port 0 is free");
        let address = endpoint.address().expect("a bound address");
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(endpoint.serve(shutdown.clone()));

        assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
        let answer = get(address, "/readyz").await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("log: starting"),
            "{answer}"
        );
        part.ready();
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let answer = get(address, "/metrics").await;
        assert!(answer.contains("greenpark_test_total 3"), "{answer}");

        shutdown.cancel();
        served.await.expect("no panic").expect("a clean end");
    }
}
