//! A client's socket, plain or with TLS: it is read and written by polls, and written as far as
//! there is room.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::limits::CLOSE_BYTES;

/// A client's socket, plain or with TLS.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<Encrypted>),
}

/// A socket with TLS.
#[derive(Debug)]
pub(super) struct Encrypted {
    stream: TlsStream<TcpStream>,
    /// Written bytes may still wait in the TLS layer.
    behind: bool,
}

impl Socket {
    /// Closes the socket so that the peer reads the last bytes: a socket closed with unread bytes
    /// is reset, and a reset overtakes DISCONNECT.
    pub(super) async fn close(mut self, patience: Duration) {
        let drained = async {
            self.shutdown().await?;
            let mut sink = vec![0; 16 * 1024];
            let mut left = CLOSE_BYTES;
            while left > 0 {
                match self.read(&mut sink).await? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            Ok::<_, io::Error>(())
        };
        // The connection is over, whatever goes wrong here.
        let _ = time::timeout(patience, drained).await;
    }

    /// Performs the TLS handshake, if TLS is configured.
    pub(super) async fn open(stream: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Self> {
        let Some(tls) = tls else {
            return Ok(Self::Plain(stream));
        };
        let stream = tls.accept(stream).await?;
        Ok(Self::Tls(Box::new(Encrypted {
            stream,
            behind: false,
        })))
    }

    /// Returns the client's own certificate, which TLS has verified, and those that lead to its authority.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let chain = match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.stream.get_ref().1.peer_certificates(),
        };
        chain.unwrap_or_default().to_vec()
    }

    /// Returns true if written bytes still wait in the TLS layer.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.behind)
    }

    /// Writes as much as there is room for, without waiting; [`Socket::poll_writable`] reports when
    /// to try again.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(bytes),
            Self::Tls(tls) => {
                tls.behind = true;
                let mut now = Context::from_waker(Waker::noop());
                ready(Pin::new(&mut tls.stream).poll_write(&mut now, bytes))
            }
        }
    }

    /// Flushes the bytes that wait in the TLS layer, as far as there is room.
    pub(super) fn try_flush(&mut self) -> io::Result<()> {
        let Self::Tls(tls) = self else { return Ok(()) };
        if tls.behind {
            let mut now = Context::from_waker(Waker::noop());
            ready(Pin::new(&mut tls.stream).poll_flush(&mut now))?;
            tls.behind = false;
        }
        Ok(())
    }

    /// Gives up the bytes that wait in the TLS layer: they are lost.
    pub(super) fn forget(&mut self) {
        if let Self::Tls(tls) = self {
            tls.behind = false;
        }
    }

    /// Ready when there may be room again.
    pub(super) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stream = match self {
            Self::Plain(stream) => &*stream,
            Self::Tls(tls) => tls.stream.get_ref().0,
        };
        // The next write reports the error.
        stream.poll_write_ready(cx).map(drop)
    }
}

fn ready<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
        }
    }
}
