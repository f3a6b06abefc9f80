//! CONNECT and its answer.

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

use super::{INCOMING_BYTES_MAX, Settings};

/// How long a connection and its CONNACK may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that accepted CONNECT.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    /// Publishes without an acknowledgement that it allows.
    pub(crate) receive_maximum: u16,
}

/// Connects; or the code of a refusal.
pub(crate) async fn connect(
    settings: &Settings,
) -> io::Result<Result<Accepted, ConnectReturnCode>> {
    let attempt = async {
        let mut stream = TcpStream::connect(&settings.address).await?;
        stream.set_nodelay(true)?;
        let mut bytes = BytesMut::new();
        let connect = Connect {
            keep_alive: u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX),
            client_id: settings.client_id.clone(),
            // What is in flight is kept here, so the server need not keep a session for it.
            clean_start: true,
            properties: None,
        };
        connect
            .write(&None, &None, &mut bytes)
            .map_err(io::Error::other)?;
        stream.write_all(&bytes).await?;
        bytes.clear();
        loop {
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
    };
    timeout(CONNECT_TIMEOUT, attempt)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The window that a server allows, or the code of its refusal; an error where it may be tried again.
fn judge(ack: ConnAck) -> io::Result<Result<u16, ConnectReturnCode>> {
    use ConnectReturnCode::{ServerBusy, ServerUnavailable, ServiceUnavailable, Success};
    match ack.code {
        Success => {
            let announced = ack.properties.and_then(|properties| properties.receive_max);
            Ok(Ok(announced.unwrap_or(u16::MAX)))
        }
        ServerBusy | ServerUnavailable | ServiceUnavailable => {
            Err(io::Error::other("the server is not available yet"))
        }
        code => Ok(Err(code)),
    }
}
