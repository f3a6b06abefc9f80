//! From a fresh socket to an accepted client: CONNECT, and CONNACK.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{self, Instant},
};

use super::{Shared, session::Place};
use crate::{
    limits::{CONNECT_BYTES_MAX, CONNECT_SECONDS},
    wire::{self, Connack, Connect, ConnectError, Malformed, Split},
};

/// An accepted client.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) connect: Connect,
    pub(super) place: Place,
    /// What came behind CONNECT.
    pub(super) rest: Vec<u8>,
}

/// Why a client is not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetError {
    #[error("it sent no CONNECT within {CONNECT_SECONDS} s")]
    Silent,
    #[error("it went before it had sent CONNECT")]
    Gone,
    #[error("its CONNECT is refused: {0}")]
    Refused(#[from] ConnectError),
    #[error("its connection was lost: {0}")]
    Lost(#[from] io::Error),
}

/// Reads CONNECT, takes the place of the client id and answers CONNACK.
pub(super) async fn greet(
    mut stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<Greeted, GreetError> {
    let hello = read_connect(&mut stream);
    let hello = time::timeout(Duration::from_secs(CONNECT_SECONDS), hello).await;
    let (mut connect, rest) = match hello.map_err(|_| GreetError::Silent)? {
        Err(GreetError::Refused(error)) => {
            let mut answer = Vec::new();
            wire::refuse(&error, &mut answer);
            stream.write_all(&answer).await?;
            return Err(error.into());
        }
        other => other?,
    };
    let assigned = connect.client_id.is_empty();
    if assigned {
        let (now_ms, number) = (shared.pipeline.now_ms(), shared.sessions.number());
        connect.client_id = format!("greenpark-{now_ms}-{number}");
    }
    let wait = shared.sessions.wait(&connect.client_id, Instant::now());
    if !wait.is_zero() {
        time::sleep(wait).await;
    }
    let mut place = shared
        .sessions
        .enter(connect.client_id.clone(), Instant::now());
    let accept = Connack {
        version: connect.version,
        assigned: assigned.then_some(place.client_id.as_str()),
        no_session: connect.wants_session,
    };
    let mut answer = Vec::new();
    wire::connack(accept, &mut answer);
    if let Err(lost) = stream.write_all(&answer).await {
        place.settle().await;
        shared.sessions.leave(&place);
        return Err(lost.into());
    }
    Ok(Greeted {
        stream,
        peer,
        connect,
        place,
        rest,
    })
}

async fn read_connect(stream: &mut TcpStream) -> Result<(Connect, Vec<u8>), GreetError> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(GreetError::Gone);
        }
        if buffer[0] != 0x10 {
            return Err(ConnectError::NotMqtt.into());
        }
        match wire::split(&buffer, CONNECT_BYTES_MAX).map_err(ConnectError::from)? {
            Split::Partial => {}
            Split::TooLarge(_) => {
                return Err(ConnectError::from(Malformed("a CONNECT of more than 256 KiB")).into());
            }
            Split::Whole(frame) => {
                let connect = wire::connect(frame.first, frame.body)?;
                let rest = buffer.split_off(frame.size);
                return Ok((connect, rest));
            }
        }
    }
}
