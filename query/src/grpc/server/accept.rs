//! Accepts connections, plain or with TLS, bounded in number.
//!
//! Further connections are closed at once, and a failed accept does not end the service. Changed certificate files are
//! read again; when the files that decide which clients are trusted change, open connections are closed, so that a
//! revoked certificate ends with its connection.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use greenpark_tls::{Stamp, TlsFileError, TlsSettings, common_name, fingerprint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{
    either::Either,
    sync::{CancellationToken, WaitForCancellationFutureOwned},
};
use tonic::transport::server::Connected;
use tracing::{info, warn};

use super::Shared;
use crate::access::gate::PeerCertificate;

/// The pause after a failed accept, for example without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How often the files of the settings are looked at.
const FILES_LOOK: Duration = Duration::from_secs(5);

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its network address, without the port.
    pub(super) source: Arc<str>,
    pub(super) certificate: Option<PeerCertificate>,
}

/// An open connection; it counts until it is dropped.
pub(super) struct Connection {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    peer: Peer,
    /// Ready when the client is trusted no more.
    distrusted: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: OwnedSemaphorePermit,
}

/// Accepts the connections of a listener.
pub(super) struct Acceptor {
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<Tls>,
    permits: Arc<Semaphore>,
    /// True after a refusal was logged, until a connection is accepted again.
    crowded: bool,
}

/// TLS by the files as they were read last.
struct Tls {
    settings: TlsSettings,
    acceptor: TlsAcceptor,
    /// Cancelled when the trusted clients change.
    trust: CancellationToken,
    seen: Vec<Stamp>,
    seen_trust: Vec<Stamp>,
}

impl Tls {
    fn open(settings: &TlsSettings) -> Result<Self, TlsFileError> {
        let seen = greenpark_tls::stamps(settings.files());
        let seen_trust = greenpark_tls::stamps(settings.trust_files());
        Ok(Self {
            settings: settings.clone(),
            acceptor: acceptor(settings)?,
            trust: CancellationToken::new(),
            seen,
            seen_trust,
        })
    }

    /// Reads the files again if one has changed. If a file is wrong, what was read before stays in use.
    fn refresh(&mut self) {
        let now = greenpark_tls::stamps(self.settings.files());
        if self.seen == now {
            return;
        }
        self.seen = now;
        match acceptor(&self.settings) {
            Ok(acceptor) => {
                self.acceptor = acceptor;
                info!("read the files of query.tls again");
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "a file of query.tls has changed and is wrong; what was read before stays"
                );
                return;
            }
        }
        let trust = greenpark_tls::stamps(self.settings.trust_files());
        if self.seen_trust != trust {
            self.seen_trust = trust;
            std::mem::take(&mut self.trust).cancel();
        }
    }
}

fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, TlsFileError> {
    let mut config = greenpark_tls::server_config(settings)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Acceptor {
    /// An acceptor of `listener` by the settings of `shared`. Reads the files of TLS.
    pub(super) fn new(listener: TcpListener, shared: &Arc<Shared>) -> Result<Self, TlsFileError> {
        let settings = &shared.settings;
        Ok(Self {
            listener,
            shared: Arc::clone(shared),
            tls: settings.tls.as_ref().map(Tls::open).transpose()?,
            permits: Arc::new(Semaphore::new(settings.connections_max)),
            crowded: false,
        })
    }

    /// Sends connections to `accepted` until its other end is dropped.
    pub(super) async fn run(mut self, accepted: mpsc::Sender<io::Result<Connection>>) {
        let mut look = time::interval(FILES_LOOK);
        loop {
            tokio::select! {
                biased;
                () = accepted.closed() => return,
                _ = look.tick() => {
                    self.shared.gate.refresh();
                    if let Some(tls) = &mut self.tls {
                        tls.refresh();
                    }
                }
                stream = self.listener.accept() => match stream {
                    Ok((stream, peer)) => {
                        if let Some(permit) = self.admit() {
                            self.open(stream, peer, permit, &accepted);
                        }
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a connection for questions");
                        time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// A permit for a connection, unless there are too many.
    fn admit(&mut self) -> Option<OwnedSemaphorePermit> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            if !std::mem::replace(&mut self.crowded, true) {
                let connections_max = self.shared.settings.connections_max;
                warn!(
                    connections_max,
                    "refused a connection for questions: too many"
                );
            }
            return None;
        };
        self.crowded = false;
        Some(permit)
    }

    /// Opens a connection in a task of its own: a client that is slow to shake hands delays no other.
    fn open(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
        accepted: &mpsc::Sender<io::Result<Connection>>,
    ) {
        // A failure is not worth the connection: without the option, answers leave later.
        let _ = stream.set_nodelay(true);
        let accepted = accepted.clone();
        let tls = self.tls.as_ref();
        let tls = tls.map(|tls| (tls.acceptor.clone(), tls.trust.clone()));
        let source: Arc<str> = peer.ip().to_string().into();
        tokio::spawn(async move {
            let connection = match tls {
                None => Connection {
                    stream: Either::Left(stream),
                    peer: Peer {
                        source,
                        certificate: None,
                    },
                    distrusted: Box::pin(CancellationToken::new().cancelled_owned()),
                    _permit: permit,
                },
                Some((acceptor, trust)) => {
                    let shaken = time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
                    let stream = match shaken.unwrap_or_else(|late| Err(late.into())) {
                        Ok(stream) => Box::new(stream),
                        Err(error) => {
                            info!(%peer, %error, "refused a connection for questions: its TLS handshake failed");
                            return;
                        }
                    };
                    Connection {
                        peer: Peer {
                            source,
                            certificate: certificate(&stream),
                        },
                        stream: Either::Right(stream),
                        distrusted: Box::pin(trust.cancelled_owned()),
                        _permit: permit,
                    }
                }
            };
            // The service may have stopped; then nobody waits for the connection.
            let _ = accepted.send(Ok(connection)).await;
        });
    }
}

/// The certificate that TLS has verified; `None` if the client has none, or none with a name.
fn certificate(stream: &TlsStream<TcpStream>) -> Option<PeerCertificate> {
    let own = stream.get_ref().1.peer_certificates()?.first()?;
    Some(PeerCertificate {
        name: common_name(own)?.into(),
        fingerprint: fingerprint(own).into(),
    })
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.distrusted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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
