//! The handshake of a new connection: TLS, CONNECT, authentication and CONNACK.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{self, Instant},
};

use super::{Shared, slots::ClientSlot, socket::Socket};
use crate::{
    auth::{AuthFiles, ClientIdentity, Credentials, Principal, Refusal},
    limits::{
        CONNECT_BYTES_MAX, CONNECT_BYTES_OF_STRANGERS, CONNECT_SECONDS, NAME_LOGGED_MAX,
        UNFINISHED_FREE_BYTES,
    },
    memory_budget::Reservation,
    mqtt::{self, Connack, Connect, ConnectError, Kind, Split, Version},
    topic::Sender,
};

/// The first byte of a TLS handshake, which no MQTT packet from a client starts with.
const TLS_HANDSHAKE: u8 = 0x16;

/// The bytes of a CONNECT up to its protocol level, with the longest protocol name.
const NAME_AND_LEVEL: usize = 2 + 6 + 1;

/// The session parameters that CONNECT and CONNACK agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) version: Version,
    /// The largest packet that the client accepts.
    pub(super) packet_bytes_max: usize,
    /// CONNECT requested a session that outlives its connection, so DISCONNECT may request one too.
    pub(super) expiry: bool,
}

impl Terms {
    pub(super) fn of(connect: &Connect) -> Self {
        Self {
            version: connect.version,
            packet_bytes_max: connect.packet_bytes_max,
            expiry: connect.wants_session,
        }
    }
}

/// An accepted client.
#[derive(Debug)]
pub(super) struct AcceptedClient {
    pub(super) socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) connect: Connect,
    /// The identity of the client and its rights.
    pub(super) identity: ClientIdentity,
    /// The name that it proved; `None` if no client has to prove one.
    pub(super) principal: Option<Principal>,
    /// The number of the rights that it got.
    pub(super) rights: u64,
    pub(super) slot: ClientSlot,
    /// The bytes received after CONNECT.
    pub(super) rest: Vec<u8>,
}

/// The reason why a client is not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
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

impl HandshakeError {
    /// Returns the refusal to count, if the client is refused because of its identity.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Denied { refusal, .. } => Some(*refusal),
            Self::Tls(_) | Self::SpeaksTls => Some(Refusal::Tls),
            _ => None,
        }
    }
}

/// Performs the TLS handshake, reads CONNECT, authenticates the client, takes over its client id
/// and sends CONNACK.
pub(super) async fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<AcceptedClient, HandshakeError> {
    let deadline = Instant::now() + Duration::from_secs(CONNECT_SECONDS);
    // Read before the files: a change from here on is noticed by the connection.
    let rights = shared.signals.borrow().rights;
    let files = shared.authenticator.files();
    let opened = time::timeout_at(deadline, Socket::open(stream, files.tls.as_ref())).await;
    let mut socket = opened
        .map_err(|_| HandshakeError::Silent)?
        .map_err(HandshakeError::Tls)?;
    let reading = read_connect(&mut socket, &files, shared.pipeline.unfinished());
    let hello = time::timeout_at(deadline, reading).await;
    let (mut connect, rest) = match hello.map_err(|_| HandshakeError::Silent)? {
        Err(HandshakeError::Refused(error)) => {
            if let Some((version, reason)) = error.answer() {
                let mut answer = Vec::new();
                mqtt::refuse(reason, version, &mut answer);
                socket.write_all(&answer).await?;
            }
            close(&mut socket).await;
            return Err(error.into());
        }
        other => other?,
    };
    let authentication = authenticate(&socket, peer, &mut connect, &files, shared);
    // From here on the server spends the time, also on the passwords of others.
    let authentication = time::timeout(Duration::from_secs(CONNECT_SECONDS), authentication).await;
    let principal = match authentication.unwrap_or(Err(Refusal::Busy)) {
        Ok(principal) => principal,
        Err(refusal) => return deny(socket, connect, refusal).await,
    };
    let identity = identity(&connect, principal.as_ref(), shared);
    let assigned = connect.client_id.is_empty();
    if assigned {
        let (now_ms, number) = (shared.pipeline.now_ms(), shared.slots.number());
        connect.client_id = format!("greenpark-{now_ms}-{number}");
    }
    let id = connect.client_id.clone();
    let key = slot_key(principal.as_ref(), &id);
    let mut answer = Vec::new();
    let accept = Connack {
        version: connect.version,
        assigned: assigned.then_some(id.as_str()),
        no_session: connect.wants_session,
        packet_bytes_max: connect.packet_bytes_max,
    };
    if !mqtt::connack(accept, &mut answer) {
        close(&mut socket).await;
        return Err(HandshakeError::TakesNoConnack(connect.packet_bytes_max));
    }
    let slot = enter_slot(key, shared).await;
    let accepted = AcceptedClient {
        socket,
        peer,
        connect,
        identity,
        principal,
        rights,
        slot,
        rest,
    };
    accept_client(accepted, answer, shared).await
}

/// Client ids are separate for each user, so that nobody can disconnect another user's gateway.
fn slot_key(principal: Option<&Principal>, client_id: &str) -> String {
    match principal {
        // A name contains no colon.
        Some(Principal { name, .. }) => format!("{name}:{client_id}"),
        None => client_id.to_owned(),
    }
}

/// Returns the identity of a client: the name that it proved, or the user name of CONNECT if no
/// client has to prove a name.
fn identity(connect: &Connect, principal: Option<&Principal>, shared: &Shared) -> ClientIdentity {
    let proved = principal.map(|principal| principal.name.as_str());
    let user = proved.or(connect.username.as_deref());
    let sender = Sender::new(user, Some(&connect.client_id));
    ClientIdentity {
        grant: principal.map(|principal| Arc::clone(&principal.grant)),
        sender: Arc::new(sender.replaying(&shared.settings.replay_users)),
    }
}

/// Sends CONNACK; if the client is gone by then, frees its slot.
async fn accept_client(
    mut accepted: AcceptedClient,
    accept: Vec<u8>,
    shared: &Shared,
) -> Result<AcceptedClient, HandshakeError> {
    let written = async {
        accepted.socket.write_all(&accept).await?;
        accepted.socket.flush().await
    };
    if let Err(lost) = written.await {
        accepted.slot.finish_appending().await;
        shared.slots.leave(&accepted.slot);
        return Err(lost.into());
    }
    Ok(accepted)
}

/// Authenticates the client, if required, and checks the topic of its will.
async fn authenticate(
    socket: &Socket,
    peer: SocketAddr,
    connect: &mut Connect,
    files: &AuthFiles,
    shared: &Shared,
) -> Result<Option<Principal>, Refusal> {
    let credentials = Credentials {
        certificates: socket.certificates(),
        username: connect.username.as_deref(),
        password: connect.password.take().map(|password| password.0),
        client_id: &connect.client_id,
        address: peer.ip(),
    };
    let principal = shared
        .authenticator
        .authenticate(files, credentials)
        .await?;
    let client = identity(connect, principal.as_ref(), shared);
    let accumulator = shared.pipeline.accumulator().with_client(client);
    match &connect.will {
        Some(will) if !accumulator.may_publish(&will.topic) => Err(Refusal::Will),
        _ => Ok(principal),
    }
}

/// Refuses a client with a CONNACK and closes the connection.
async fn deny(
    mut socket: Socket,
    connect: Connect,
    refusal: Refusal,
) -> Result<AcceptedClient, HandshakeError> {
    let mut answer = Vec::new();
    mqtt::refuse(refusal.reason(), connect.version, &mut answer);
    socket.write_all(&answer).await?;
    close(&mut socket).await;
    let name = connect.username.unwrap_or_default();
    let name = name.chars().take(NAME_LOGGED_MAX).collect();
    Err(HandshakeError::Denied { refusal, name })
}

async fn enter_slot(key: String, shared: &Shared) -> ClientSlot {
    let wait = shared.slots.wait(&key, Instant::now());
    if !wait.is_zero() {
        time::sleep(wait).await;
    }
    shared.slots.enter(key, Instant::now())
}

/// Flushes the socket and closes it properly, so that TLS can tell the end from a truncation.
async fn close(socket: &mut Socket) {
    let patience = Duration::from_secs(CONNECT_SECONDS);
    // The connection is over, whatever goes wrong here.
    let _ = time::timeout(patience, socket.shutdown()).await;
}

async fn read_connect(
    socket: &mut Socket,
    files: &AuthFiles,
    mut unfinished: Reservation,
) -> Result<(Connect, Vec<u8>), HandshakeError> {
    let bytes_max = match files.requires_passwords() {
        true => CONNECT_BYTES_OF_STRANGERS,
        false => CONNECT_BYTES_MAX,
    };
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if socket.read_buf(&mut buffer).await? == 0 {
            return Err(HandshakeError::Gone);
        }
        if buffer[0] == TLS_HANDSHAKE {
            return Err(HandshakeError::SpeaksTls);
        }
        if mqtt::kind(buffer[0]) != Kind::Connect {
            return Err(ConnectError::NotMqtt.into());
        }
        // A length of five bytes leaves the version unknown, so there is no CONNACK.
        unfinished.set(buffer.capacity());
        if unfinished.is_crowded(UNFINISHED_FREE_BYTES) {
            return Err(HandshakeError::Crowded);
        }
        match mqtt::split(&buffer, bytes_max).map_err(|_| ConnectError::NotMqtt)? {
            Split::Partial => {}
            Split::TooLarge(frame) if frame.body.len() < NAME_AND_LEVEL => {}
            Split::TooLarge(frame) => return Err(mqtt::connect_too_large(frame).into()),
            Split::Whole(frame) => {
                let connect = mqtt::connect(frame)?;
                let rest = buffer.split_off(frame.size);
                return Ok((connect, rest));
            }
        }
    }
}
