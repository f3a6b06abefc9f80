//! CONNECT and CONNACK.

use std::{io, time::Duration};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::{
    Error as CodecError,
    v5::{ConnAck, Connect, ConnectReturnCode, Packet},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    INCOMING_BYTES_MAX, PublisherSettings,
    login::{Stream, is_of_tls},
};

/// How long a connection and its CONNACK may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// First bytes of the answer of a TLS server to a plain client: an alert of TLS 1.x.
const ALERT: [u8; 2] = [0x15, 0x03];

/// A server that accepted CONNECT.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    /// Unacknowledged publishes that the server allows.
    pub(crate) receive_maximum: u16,
}

/// A refusal that another attempt would meet again.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The server refused with this code.
    Code(ConnectReturnCode),
    /// One side does not accept the other's certificate.
    Tls(io::Error),
    /// The server speaks TLS, and this client does not.
    Encrypted,
}

/// Connects, or returns the refusal.
pub(crate) async fn connect(settings: &PublisherSettings) -> io::Result<Result<Accepted, Refusal>> {
    match timeout(CONNECT_TIMEOUT, attempt(settings)).await {
        Ok(Err(cause)) if is_of_tls(&cause) => Ok(Err(Refusal::Tls(cause))),
        Ok(answer) => answer,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn attempt(settings: &PublisherSettings) -> io::Result<Result<Accepted, Refusal>> {
    let stream = TcpStream::connect(&settings.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = settings.login.secure(stream).await?;
    let mut bytes = BytesMut::new();
    let connect = Connect {
        keep_alive: u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX),
        client_id: settings.client_id.clone(),
        // The publisher keeps what is in flight, so the server need not keep a session.
        clean_start: true,
        properties: None,
    };
    connect
        .write(&None, &settings.login.credentials(), &mut bytes)
        .map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    bytes.clear();
    loop {
        if bytes.starts_with(&ALERT) {
            return Ok(Err(Refusal::Encrypted));
        }
        let ack = match Packet::read(&mut bytes, Some(INCOMING_BYTES_MAX)) {
            Ok(Packet::ConnAck(ack)) => ack,
            Ok(_) => return Err(io::Error::other("the server does not answer with CONNACK")),
            Err(CodecError::InsufficientBytes(_)) => {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        return judge(ack).map(|verdict| {
            verdict.map(|receive_maximum| Accepted {
                stream,
                receive_maximum,
            })
        });
    }
}

/// Returns the window that the server allows, or its refusal; an error if another attempt may succeed.
fn judge(ack: ConnAck) -> io::Result<Result<u16, Refusal>> {
    use ConnectReturnCode::{ServerBusy, ServerUnavailable, ServiceUnavailable, Success};
    match ack.code {
        Success => {
            let announced = ack.properties.and_then(|properties| properties.receive_max);
            Ok(Ok(announced.unwrap_or(u16::MAX)))
        }
        ServerBusy | ServerUnavailable | ServiceUnavailable => {
            Err(io::Error::other("the server is not available yet"))
        }
        code => Ok(Err(Refusal::Code(code))),
    }
}
