//! The endpoint that gateways connect to: MQTT 3.1, 3.1.1 and 5 over TCP, publishes only.
//!
//! A connection is one task. It decodes the publishes of each socket read at once into its open
//! batch. Batches are appended one after the other, and the acknowledgements of each are sent in
//! one write when the log has returned its receipts. While the log is slow the open batch grows and
//! pings are answered; above a bound the socket is no longer read, and TCP holds the client back.
//! Subscriptions are refused, except to a gateway's receipts. Sessions end with their connection,
//! and a client's packet ids have no meaning beyond their acknowledgement.

mod aliases;
mod connection;
mod detached;
mod handshake;
mod intake;
mod output;
mod slots;
mod socket;
mod subscriptions;
mod timers;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time,
};
use tracing::{info, warn};

pub use self::detached::Detached;
use self::{connection::Connection, slots::ClientSlots};
use crate::{
    auth::{AuthFileError, Authenticator, GatewayGrants},
    limits::FILES_LOOK_SECONDS,
    metrics::Closed,
    pipeline::Pipeline,
    settings::ListenSettings,
};

/// The error of starting the listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error("listen for MQTT on {address}; is the port in use, or not yours?")]
    Address {
        /// The configured address.
        address: SocketAddr,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// A file of `listen.tls`, `listen.users` or `listen.access` cannot be used.
    #[error("a file of the listen settings cannot be used")]
    Identity(#[from] AuthFileError),
}

/// A bound MQTT endpoint; [`MqttListener::run`] serves it.
#[derive(Debug)]
pub struct MqttListener {
    socket: TcpListener,
    address: SocketAddr,
    grants: watch::Receiver<Arc<GatewayGrants>>,
    shared: Arc<Shared>,
}

/// The state that all connections of a listener share.
#[derive(Debug)]
struct Shared {
    settings: ListenSettings,
    pipeline: Pipeline,
    slots: ClientSlots,
    authenticator: Authenticator,
    signals: watch::Sender<Signals>,
}

/// What every connection must notice.
#[derive(Debug, Clone, Copy, Default)]
struct Signals {
    /// The shutdown has begun.
    draining: bool,
    /// Counts the changes of files and of recorded grants.
    rights: u64,
}

impl Signals {
    /// The shutdown.
    const DRAINING: Self = Self {
        draining: true,
        rights: 0,
    };
}

/// The pause after an accept that failed because a resource ran out, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

impl MqttListener {
    /// Binds the address of `settings`; publishes go into `pipeline`.
    ///
    /// # Errors
    /// [`BindError`] if the address cannot be bound, or a file of the settings cannot be used.
    pub async fn bind(settings: ListenSettings, pipeline: Pipeline) -> Result<Self, BindError> {
        let (_, nothing) = watch::channel(Arc::default());
        Self::bind_with(settings, pipeline, nothing).await
    }

    /// The same, with recorded grants of gateways, which may change at any time.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    pub async fn bind_with(
        settings: ListenSettings,
        pipeline: Pipeline,
        grants: watch::Receiver<Arc<GatewayGrants>>,
    ) -> Result<Self, BindError> {
        let address = settings.address;
        let fail = |cause| BindError::Address { address, cause };
        let authenticator = Authenticator::open(&settings, grants.clone())?;
        warn_if_open(&settings);
        let socket = TcpListener::bind(address).await.map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        let shared = Shared {
            settings,
            pipeline,
            slots: ClientSlots::default(),
            authenticator,
            signals: watch::Sender::default(),
        };
        Ok(Self {
            socket,
            address,
            grants,
            shared: Arc::new(shared),
        })
    }

    /// Returns the bound address; if the settings have port 0, with the chosen port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves, then drains: it accepts and reads nothing more, waits for
    /// pending receipts and sends their acknowledgements, for at most the settings' `drain_grace`.
    pub fn run<'a>(self, shutdown: impl Future<Output = ()> + Send + 'a) -> BoxFuture<'a, ()> {
        // Boxed here, so that this crate compiles the future, and not every crate that awaits it.
        self.run_until(shutdown.boxed()).boxed()
    }

    async fn run_until(self, mut shutdown: BoxFuture<'_, ()>) {
        info!(address = %self.address, "listening for MQTT");
        let Self {
            socket,
            mut grants,
            shared,
            ..
        } = self;
        let permits = Arc::new(Semaphore::new(shared.settings.connections_max));
        let mut connections = JoinSet::new();
        let mut crowded = false;
        let mut look = time::interval(Duration::from_secs(FILES_LOOK_SECONDS));
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_ended) = connections.join_next(), if !connections.is_empty() => crowded = false,
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let permit = Arc::clone(&permits).try_acquire_owned();
                        let Ok(permit) = permit else {
                            shared.pipeline.metrics().count_closed(Closed::Refused);
                            if !crowded {
                                let connections_max = shared.settings.connections_max;
                                warn!(connections_max, "refused a connection: too many");
                            }
                            crowded = true;
                            continue;
                        };
                        connections.spawn(serve(Arc::clone(&shared), stream, peer, permit));
                    }
                    Err(error) => pause_accepting(&error).await,
                },
                _ = look.tick(), if shared.authenticator.has_files() => {
                    let shared = Arc::clone(&shared);
                    // The task waits only for the disk, and nothing waits for the task.
                    drop(tokio::task::spawn_blocking(move || {
                        if shared.authenticator.refresh() {
                            shared.rights_changed();
                        }
                    }));
                }
                Ok(()) = grants.changed() => shared.rights_changed(),
            }
        }
        drop(socket);
        drain(&shared, connections).await;
    }
}

impl Shared {
    /// Has every connection look at its rights again.
    fn rights_changed(&self) {
        self.signals.send_modify(|signals| signals.rights += 1);
    }
}

/// Warns about the risks of an address that other machines can reach.
fn warn_if_open(settings: &ListenSettings) {
    let tls = settings.tls.as_ref();
    let proved = settings.users.is_some() || tls.is_some_and(|tls| tls.client_ca.is_some());
    let lacking = match (proved, tls.is_some()) {
        (true, true) => return,
        (true, false) => "passwords and readings cross the network in the clear; set listen.tls",
        (false, _) => {
            "whoever reaches it may publish for any gateway; set listen.users or listen.tls.client_ca"
        }
    };
    if !settings.address.ip().is_loopback() {
        warn!(address = %settings.address, lacking, "the MQTT listener is open to the network");
    }
}

/// Waits for the connections to end, for at most the settings' grace.
async fn drain(shared: &Shared, mut connections: JoinSet<()>) {
    let count = connections.len();
    shared
        .signals
        .send_modify(|signals| signals.draining = true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if time::timeout(shared.settings.drain_grace, ended)
        .await
        .is_err()
    {
        warn!(
            connections = connections.len(),
            "closed connections whose receipts did not come in time"
        );
        connections.abort_all();
    }
    info!(connections = count, "stopped listening");
}

/// Pauses after running out of a resource; a client that disconnected again is no reason to pause.
async fn pause_accepting(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    ) {
        warn!(%error, "cannot accept a connection");
        time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    // Both options are optional: without them acknowledgements are sent later, and dead peers are
    // noticed later.
    let _ = stream.set_nodelay(true);
    let alive = TcpKeepalive::new().with_time(Duration::from_secs(60));
    let _ = SockRef::from(&stream).set_tcp_keepalive(&alive);
    match handshake::accept(stream, peer, &shared).await {
        Ok(greeted) => Connection::new(greeted, shared).run().await,
        Err(error) => {
            shared.pipeline.metrics().count_closed(Closed::Refused);
            if let Some(refusal) = error.refusal() {
                shared.pipeline.metrics().count_refused(refusal);
            }
            info!(%peer, %error, "refused a connection");
        }
    }
}

#[cfg(test)]
mod tests;
