//! From a fresh socket to an accepted client: CONNECT, and CONNACK.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{self, Instant},
};

use super::{Shared, session::Place, socket::Socket};
use crate::{
    held::Held,
    identity::{Admitted, Bearer, Doors, Refusal, Shown},
    limits::{
        CONNECT_BYTES_MAX, CONNECT_BYTES_OF_STRANGERS, CONNECT_SECONDS, NAME_LOGGED_MAX,
        UNFINISHED_FREE_BYTES,
    },
    topic::Sender,
    wire::{self, Connack, Connect, ConnectError, Kind, Split},
};

/// The first byte of a TLS handshake, which no MQTT client begins with.
const TLS_HANDSHAKE: u8 = 0x16;

/// Bytes of a CONNECT that say its version, at the longest name.
const NAME_AND_LEVEL: usize = 2 + 6 + 1;

/// An accepted client.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) connect: Connect,
    /// Who it is, and for whom it may publish.
    pub(super) grant: Bearer,
    pub(super) place: Place,
    /// What came behind CONNECT.
    pub(super) rest: Vec<u8>,
}

/// Why a client is not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetError {
    #[error("it sent no CONNECT within {CONNECT_SECONDS} s")]
    Silent,
    #[error("all connections together have too much of packets that are not whole")]
    Crowded,
    #[error("it went before it had sent CONNECT")]
    Gone,
    #[error("its CONNECT is refused: {0}")]
    Refused(#[from] ConnectError),
    #[error("its CONNECT is refused: {refusal}; it calls itself {name:?}")]
    Denied { refusal: Refusal, name: String },
    #[error("it accepts packets of {0} bytes, which are less than CONNACK needs")]
    TakesNoConnack(usize),
    #[error("it speaks TLS, and this port does not; set listen.tls, or have the client not use it")]
    SpeaksTls,
    #[error("its TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("its connection was lost: {0}")]
    Lost(#[from] io::Error),
}

impl GreetError {
    /// What it counts as, where the client is refused for who it is.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Denied { refusal, .. } => Some(*refusal),
            Self::Tls(_) | Self::SpeaksTls => Some(Refusal::Tls),
            _ => None,
        }
    }
}

/// Makes the TLS handshake, reads CONNECT, lets the client in, takes the place of its id and answers
/// CONNACK.
pub(super) async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<Greeted, GreetError> {
    let deadline = Instant::now() + Duration::from_secs(CONNECT_SECONDS);
    let doors = shared.gate.doors();
    let opened = time::timeout_at(deadline, Socket::open(stream, doors.tls.as_ref())).await;
    let mut socket = opened
        .map_err(|_| GreetError::Silent)?
        .map_err(GreetError::Tls)?;
    let reading = read_connect(&mut socket, &doors, shared.pipeline.unfinished());
    let hello = time::timeout_at(deadline, reading).await;
    let (mut connect, rest) = match hello.map_err(|_| GreetError::Silent)? {
        Err(GreetError::Refused(error)) => {
            if let Some((version, reason)) = error.answer() {
                let mut answer = Vec::new();
                wire::refuse(reason, version, &mut answer);
                socket.write_all(&answer).await?;
            }
            close(&mut socket).await;
            return Err(error.into());
        }
        other => other?,
    };
    let admission = admit((&socket, peer), &mut connect, &doors, shared);
    // From here it is our time that is spent, on the passwords of others too.
    let admission = time::timeout(Duration::from_secs(CONNECT_SECONDS), admission).await;
    let admitted = match admission.unwrap_or(Err(Refusal::Busy)) {
        Ok(admitted) => admitted,
        Err(refusal) => return deny(socket, connect, refusal).await,
    };
    let grant = bearer(&connect, admitted.as_ref(), shared);
    let assigned = connect.client_id.is_empty();
    if assigned {
        let (now_ms, number) = (shared.pipeline.now_ms(), shared.sessions.number());
        connect.client_id = format!("greenpark-{now_ms}-{number}");
    }
    let id = connect.client_id.clone();
    // Each user has client ids of its own, so that nobody can throw out another's gateway. A name has no
    // colon.
    let key = match &admitted {
        Some(Admitted { name, .. }) => format!("{name}:{id}"),
        None => id.clone(),
    };
    let mut answer = Vec::new();
    let accept = Connack {
        version: connect.version,
        assigned: assigned.then_some(id.as_str()),
        no_session: connect.wants_session,
        packet_bytes_max: connect.packet_bytes_max,
    };
    if !wire::connack(accept, &mut answer) {
        close(&mut socket).await;
        return Err(GreetError::TakesNoConnack(connect.packet_bytes_max));
    }
    let place = take_place(key, shared).await;
    let greeted = Greeted {
        socket,
        peer,
        connect,
        grant,
        place,
        rest,
    };
    accept_client(greeted, answer, shared).await
}

/// Who a client is: by the name that it proved, or the one that it gave where nobody has to prove any.
fn bearer(connect: &Connect, admitted: Option<&Admitted>, shared: &Shared) -> Bearer {
    let proved = admitted.map(|admitted| admitted.name.as_str());
    let user = proved.or(connect.username.as_deref());
    let sender = Sender::new(user, Some(&connect.client_id));
    Bearer {
        grant: admitted.map(|admitted| Arc::clone(&admitted.grant)),
        sender: Arc::new(sender.replaying(&shared.settings.replay_users)),
    }
}

/// Answers CONNACK; a client that is gone by then leaves its place.
async fn accept_client(
    mut greeted: Greeted,
    accept: Vec<u8>,
    shared: &Shared,
) -> Result<Greeted, GreetError> {
    let written = async {
        greeted.socket.write_all(&accept).await?;
        greeted.socket.flush().await
    };
    if let Err(lost) = written.await {
        greeted.place.settle().await;
        shared.sessions.leave(&greeted.place);
        return Err(lost.into());
    }
    Ok(greeted)
}

/// Has the client prove who it is, where it must, and looks at what it would leave as its will.
async fn admit(
    (socket, peer): (&Socket, SocketAddr),
    connect: &mut Connect,
    doors: &Doors,
    shared: &Shared,
) -> Result<Option<Admitted>, Refusal> {
    let shown = Shown {
        certificate: socket.certificate(),
        username: connect.username.as_deref(),
        password: connect.password.take().map(|password| password.0),
        client_id: &connect.client_id,
        address: peer.ip(),
    };
    let admitted = shared.gate.admit(doors, shown).await?;
    let bearer = bearer(connect, admitted.as_ref(), shared);
    let gather = shared.pipeline.gather().bound_to(bearer);
    match &connect.will {
        Some(will) if !gather.may_publish(&will.topic) => Err(Refusal::Will),
        _ => Ok(admitted),
    }
}

/// Tells a client that it is refused, and why.
async fn deny(
    mut socket: Socket,
    connect: Connect,
    refusal: Refusal,
) -> Result<Greeted, GreetError> {
    let mut answer = Vec::new();
    wire::refuse(refusal.reason(), connect.version, &mut answer);
    socket.write_all(&answer).await?;
    close(&mut socket).await;
    let name = connect.username.unwrap_or_default();
    let name = name.chars().take(NAME_LOGGED_MAX).collect();
    Err(GreetError::Denied { refusal, name })
}

async fn take_place(key: String, shared: &Shared) -> Place {
    let wait = shared.sessions.wait(&key, Instant::now());
    if !wait.is_zero() {
        time::sleep(wait).await;
    }
    shared.sessions.enter(key, Instant::now())
}

/// Sends what was written, and an end that TLS can tell from a cut.
async fn close(socket: &mut Socket) {
    let patience = Duration::from_secs(CONNECT_SECONDS);
    // Whatever goes wrong here, the connection is over.
    let _ = time::timeout(patience, socket.shutdown()).await;
}

async fn read_connect(
    socket: &mut Socket,
    doors: &Doors,
    mut unfinished: Held,
) -> Result<(Connect, Vec<u8>), GreetError> {
    let bytes_max = match doors.asks_for_passwords() {
        true => CONNECT_BYTES_OF_STRANGERS,
        false => CONNECT_BYTES_MAX,
    };
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if socket.read_buf(&mut buffer).await? == 0 {
            return Err(GreetError::Gone);
        }
        if buffer[0] == TLS_HANDSHAKE {
            return Err(GreetError::SpeaksTls);
        }
        if wire::kind(buffer[0]) != Kind::Connect {
            return Err(ConnectError::NotMqtt.into());
        }
        // A length of five bytes says no version to answer in.
        unfinished.set(buffer.capacity());
        if unfinished.is_crowded(UNFINISHED_FREE_BYTES) {
            return Err(GreetError::Crowded);
        }
        match wire::split(&buffer, bytes_max).map_err(|_| ConnectError::NotMqtt)? {
            Split::Partial => {}
            Split::TooLarge(frame) if frame.body.len() < NAME_AND_LEVEL => {}
            Split::TooLarge(frame) => return Err(wire::connect_too_large(frame).into()),
            Split::Whole(frame) => {
                let connect = wire::connect(frame)?;
                let rest = buffer.split_off(frame.size);
                return Ok((connect, rest));
            }
        }
    }
}
