//! A lean MQTT 3.1.1 publisher: QoS 1, a window of publishes in flight, nothing given up.
//!
//! What was not acknowledged is sent again with DUP after a reconnect, in its first order, so that a
//! server killed at any moment loses nothing; the receiver may see a message twice. Writing and reading
//! go on together, so a server that holds back its reads never blocks its own acknowledgements.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::{
    Error as CodecError, QoS,
    v4::{ConnAck, Connect, ConnectReturnCode, Disconnect, Packet, PingReq, Publish},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::debug;

/// Largest packet a server sends to a publisher: acknowledgements are four bytes.
const INCOMING_BYTES_MAX: usize = 16 * 1024;
/// Bytes that wait for the socket before more messages are taken.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// How long a connection and its CONNACK may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause before another attempt; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause, short because a restarted server is waited for.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A message and how many readings it holds.
#[derive(Debug, Clone)]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// Readings in the payload, for the tally.
    pub readings: u32,
}

/// Where and how to publish.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server as `host:port`.
    pub address: String,
    /// The client id, one a connection.
    pub client_id: String,
    /// Most publishes without an acknowledgement.
    pub inflight_max: u16,
    /// The keep-alive; a PINGREQ goes out at half of it.
    pub keep_alive: Duration,
    /// How long attempts go on without an acknowledgement before the publisher gives up.
    pub patience: Duration,
}

/// What was sent and acknowledged, shared by the publishers of one job.
#[derive(Debug, Default)]
pub struct Tally {
    messages: AtomicU64,
    messages_acknowledged: AtomicU64,
    messages_resent: AtomicU64,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    reconnects: AtomicU64,
}

/// A publisher gave up.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The server refuses this client.
    #[error(
        "{address} refuses the connection ({code}); {unacknowledged} messages are not acknowledged"
    )]
    Refused {
        /// The server.
        address: String,
        /// Its code.
        code: String,
        /// Messages in flight.
        unacknowledged: usize,
    },
    /// The server cannot be reached.
    #[error("no MQTT server answers at {address}; {unacknowledged} messages are not acknowledged")]
    Unreachable {
        /// The server.
        address: String,
        /// Messages in flight.
        unacknowledged: usize,
        /// The last attempt's error.
        #[source]
        cause: io::Error,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:1883".to_owned(),
            client_id: "greenpark".to_owned(),
            inflight_max: 256,
            keep_alive: Duration::from_secs(30),
            patience: Duration::from_secs(60),
        }
    }
}

impl Tally {
    /// Messages sent, repeats not counted.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Messages acknowledged.
    #[must_use]
    pub fn messages_acknowledged(&self) -> u64 {
        self.messages_acknowledged.load(Ordering::Relaxed)
    }

    /// Messages sent again after a reconnect.
    #[must_use]
    pub fn messages_resent(&self) -> u64 {
        self.messages_resent.load(Ordering::Relaxed)
    }

    /// Readings in messages sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Readings in messages acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Connections lost and made again, attempts included.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }
}

struct InFlight {
    sequence: u64,
    publish: Publish,
    readings: u32,
}

/// Messages in flight by packet id, and the bytes that wait for the socket.
struct Window {
    slots: Vec<Option<InFlight>>,
    free: Vec<u16>,
    next_sequence: u64,
    outgoing: BytesMut,
    tally: Arc<Tally>,
}

/// Publishes every message of `messages` and returns when the channel is closed and all are
/// acknowledged.
///
/// # Errors
/// [`PublishError`] when the server refuses this client or cannot be reached for `settings.patience`.
pub async fn publish(
    settings: Settings,
    mut messages: mpsc::Receiver<Message>,
    tally: Arc<Tally>,
) -> Result<(), PublishError> {
    let mut window = Window::new(settings.inflight_max, tally);
    let mut pause = PAUSE_MIN;
    let mut healthy = Instant::now();
    loop {
        let cause = match connect(&settings).await {
            Ok(Ok(stream)) => {
                let before = window.tally.messages_acknowledged();
                window.resend();
                let end = converse(&settings, stream, &mut window, &mut messages).await;
                // A server that takes connections and acknowledges nothing is not there, either.
                let moved = window.tally.messages_acknowledged() > before;
                if moved || window.in_flight() == 0 {
                    healthy = Instant::now();
                    pause = PAUSE_MIN;
                }
                match end {
                    Ok(()) => return Ok(()),
                    Err(cause) => cause,
                }
            }
            Ok(Err(code)) => return Err(window.refused(&settings, code)),
            Err(cause) => cause,
        };
        debug!(address = settings.address, client = settings.client_id, reason = %cause, "connection lost");
        if healthy.elapsed() > settings.patience {
            return Err(PublishError::Unreachable {
                address: settings.address,
                unacknowledged: window.in_flight(),
                cause,
            });
        }
        window.tally.reconnects.fetch_add(1, Ordering::Relaxed);
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// A stream whose CONNECT was accepted, or the code of a refusal.
async fn connect(settings: &Settings) -> io::Result<Result<TcpStream, ConnectReturnCode>> {
    let attempt = async {
        let mut stream = TcpStream::connect(&settings.address).await?;
        stream.set_nodelay(true)?;
        let mut connect = Connect::new(settings.client_id.as_str());
        connect.keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
        // What is in flight is kept here, so the server need not keep a session for it.
        connect.clean_session = true;
        let mut bytes = BytesMut::new();
        connect.write(&mut bytes).map_err(io::Error::other)?;
        stream.write_all(&bytes).await?;
        bytes.clear();
        loop {
            match Packet::read(&mut bytes, INCOMING_BYTES_MAX) {
                Ok(Packet::ConnAck(ConnAck {
                    code: ConnectReturnCode::Success,
                    ..
                })) => {
                    return Ok(Ok(stream));
                }
                Ok(Packet::ConnAck(ConnAck {
                    code: ConnectReturnCode::ServiceUnavailable,
                    ..
                })) => {
                    return Err(io::Error::other("the server is not available yet"));
                }
                Ok(Packet::ConnAck(refusal)) => return Ok(Err(refusal.code)),
                Ok(_) => return Err(io::Error::other("the server does not answer with CONNACK")),
                Err(CodecError::InsufficientBytes(_)) => {
                    if stream.read_buf(&mut bytes).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    };
    timeout(CONNECT_TIMEOUT, attempt)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Publishes on one connection until all is acknowledged (`Ok`) or the connection is lost.
async fn converse(
    settings: &Settings,
    stream: TcpStream,
    window: &mut Window,
    messages: &mut mpsc::Receiver<Message>,
) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let mut incoming = BytesMut::with_capacity(INCOMING_BYTES_MAX);
    let mut batch = Vec::new();
    let mut closed = false;
    let mut heard = Instant::now();
    let period = (settings.keep_alive / 2).max(Duration::from_millis(100));
    let mut pings = interval_at(heard + period, period);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if closed && window.in_flight() == 0 && window.outgoing.is_empty() {
            Disconnect
                .write(&mut window.outgoing)
                .map_err(io::Error::other)?;
            // All is acknowledged: whether the server still hears the farewell does not matter.
            let _ = writer.write_all_buf(&mut window.outgoing).await;
            return Ok(());
        }
        let room = window.room();
        tokio::select! {
            read = reader.read_buf(&mut incoming) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                heard = Instant::now();
                window.settle(&mut incoming)?;
            }
            wrote = writer.write_buf(&mut window.outgoing), if !window.outgoing.is_empty() => {
                if wrote? == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            count = messages.recv_many(&mut batch, room), if room > 0 && !closed => {
                closed = count == 0;
                for message in batch.drain(..) {
                    window.send(message)?;
                }
            }
            _ = pings.tick() => {
                if heard.elapsed() > settings.keep_alive * 2 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                PingReq.write(&mut window.outgoing).map_err(io::Error::other)?;
            }
        }
    }
}

impl Window {
    fn new(inflight_max: u16, tally: Arc<Tally>) -> Self {
        let count = inflight_max.max(1);
        Self {
            slots: (0..count).map(|_| None).collect(),
            free: (1..=count).rev().collect(),
            next_sequence: 0,
            outgoing: BytesMut::with_capacity(OUTGOING_BYTES_MAX),
            tally,
        }
    }

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn room(&self) -> usize {
        if self.outgoing.len() < OUTGOING_BYTES_MAX {
            self.free.len()
        } else {
            0
        }
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        let pkid = self
            .free
            .pop()
            .expect("no more messages are taken than ids are free");
        let mut publish = Publish::from_bytes(&*message.topic, QoS::AtLeastOnce, message.payload);
        publish.pkid = pkid;
        publish
            .write(&mut self.outgoing)
            .map_err(io::Error::other)?;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.slots[usize::from(pkid) - 1] = Some(InFlight {
            sequence,
            publish,
            readings: message.readings,
        });
        self.tally.messages.fetch_add(1, Ordering::Relaxed);
        self.tally
            .sent
            .fetch_add(u64::from(message.readings), Ordering::Relaxed);
        Ok(())
    }

    /// Takes the acknowledgements out of `incoming`.
    fn settle(&mut self, incoming: &mut BytesMut) -> io::Result<()> {
        loop {
            let pkid = match Packet::read(incoming, INCOMING_BYTES_MAX) {
                Ok(Packet::PubAck(ack)) => ack.pkid,
                Ok(_) => continue,
                Err(CodecError::InsufficientBytes(_)) => return Ok(()),
                Err(error) => return Err(io::Error::other(error)),
            };
            let slot = usize::from(pkid)
                .checked_sub(1)
                .and_then(|index| self.slots.get_mut(index));
            if let Some(done) = slot.and_then(Option::take) {
                self.free.push(pkid);
                self.tally
                    .messages_acknowledged
                    .fetch_add(1, Ordering::Relaxed);
                self.tally
                    .acknowledged
                    .fetch_add(u64::from(done.readings), Ordering::Relaxed);
            }
        }
    }

    /// Queues everything in flight again, in its first order.
    fn resend(&mut self) {
        self.outgoing.clear();
        let mut again: Vec<_> = self.slots.iter_mut().flatten().collect();
        again.sort_unstable_by_key(|flight| flight.sequence);
        for flight in again {
            flight.publish.dup = true;
            flight
                .publish
                .write(&mut self.outgoing)
                .expect("it was written before");
            self.tally.messages_resent.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn refused(&self, settings: &Settings, code: ConnectReturnCode) -> PublishError {
        PublishError::Refused {
            address: settings.address.clone(),
            code: format!("{code:?}"),
            unacknowledged: self.in_flight(),
        }
    }
}

#[cfg(test)]
mod tests;
