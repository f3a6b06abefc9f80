//! A lean MQTT 5 publisher: QoS 1 and a window of publishes in flight; no message is dropped.
//!
//! After a reconnect the publisher resends every unacknowledged message with DUP, in the original order. A server killed
//! at any moment therefore loses nothing, but may receive a message twice. The publisher writes and reads concurrently, so
//! a server that stops reading never blocks its own acknowledgements.

mod connect;
mod error;
pub mod login;

use std::{
    cmp::Reverse,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use greenpark_model::numbers::Numbered;
use rumqttc::v5::mqttbytes::{
    Error as CodecError, QoS,
    v5::{
        Disconnect, DisconnectReasonCode, Packet, PingReq, PubAckReason, Publish, PublishProperties,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};
use tracing::debug;

use self::{connect::Refusal, login::Login};

pub use self::error::GatewayError;
pub(crate) use self::{connect::connect, login::Stream};

/// Largest packet a server sends to a publisher: acknowledgements are a few bytes.
const INCOMING_BYTES_MAX: u32 = 16 * 1024;
/// Bytes that may wait for the socket before the publisher accepts more messages.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// The first pause before another attempt; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause, short because the usual cause is a server that restarts.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A message to publish.
#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    /// The topic.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// Readings in the payload, for the tally.
    pub readings: u32,
    /// The number of the message in the gateway's own count, for receipts.
    pub numbered: Option<Numbered>,
    /// The gateway that sent the message first, as `park/enterprise/gateway`, if this is a replay. A server refuses it if
    /// its rule routes the message to another gateway.
    pub replay_of: Option<String>,
}

/// The server, the login and the limits of a publisher.
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    /// The server as `host:port`.
    pub address: String,
    /// The client id, unique per connection.
    pub client_id: String,
    /// Publishes in flight, at most.
    pub inflight_max: u16,
    /// The keep-alive; a PINGREQ goes out at half of it.
    pub keep_alive: Duration,
    /// The login.
    pub login: Login,
    /// How long the publisher tries without an acknowledgement before it gives up.
    pub patience: Duration,
    /// True for readings that are old on purpose, so that the server does not count them as late.
    pub replays: bool,
}

/// Counts of sent and acknowledged messages, shared by the publishers of one job.
#[derive(Debug, Default)]
pub struct Tally {
    messages: AtomicU64,
    messages_acknowledged: AtomicU64,
    messages_resent: AtomicU64,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    reconnects: AtomicU64,
}

impl Default for PublisherSettings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:1883".to_owned(),
            client_id: "greenpark".to_owned(),
            inflight_max: 256,
            keep_alive: Duration::from_secs(30),
            login: Login::default(),
            patience: Duration::from_secs(60),
            replays: false,
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
    /// Publishes in flight that the server allows.
    allowed: usize,
    /// Messages to resend that the server does not allow yet, the next one last.
    held: Vec<usize>,
    /// The reason for which the server refused a message.
    refusal: Option<PubAckReason>,
    /// True if messages are marked as a replay.
    replays: bool,
}

/// Publishes every message of `messages` and returns when the channel is closed and all are
/// acknowledged.
///
/// # Errors
/// [`GatewayError`] when the server refuses this client or cannot be reached for `settings.patience`.
pub async fn publish(
    settings: PublisherSettings,
    mut messages: mpsc::Receiver<OutgoingMessage>,
    tally: Arc<Tally>,
) -> Result<(), GatewayError> {
    let mut window = Window::new(settings.inflight_max, tally);
    window.replays = settings.replays;
    let mut pause = PAUSE_MIN;
    let mut healthy = Instant::now();
    loop {
        let cause = match connect(&settings).await {
            Ok(Ok(accepted)) => {
                let before = window.tally.messages_acknowledged();
                window.allowed = usize::from(accepted.receive_maximum);
                window.resend();
                let end = converse(&settings, accepted.stream, &mut window, &mut messages).await;
                if let Some(reason) = window.refusal.take() {
                    return Err(window.refused_message(settings, reason));
                }
                // A server that accepts connections and acknowledges nothing counts as unreachable.
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
            Ok(Err(refusal)) => return Err(window.refused(settings, refusal)),
            Err(cause) => cause,
        };
        debug!(address = settings.address, client = settings.client_id, reason = %cause, "connection lost");
        if healthy.elapsed() > settings.patience {
            return Err(GatewayError::Unreachable {
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

/// Publishes on one connection until all is acknowledged (`Ok`) or the connection is lost.
async fn converse(
    settings: &PublisherSettings,
    stream: Stream,
    window: &mut Window,
    messages: &mut mpsc::Receiver<OutgoingMessage>,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut incoming = BytesMut::with_capacity(INCOMING_BYTES_MAX as usize);
    let mut batch = Vec::new();
    let (mut closed, mut behind) = (false, false);
    let mut heard = Instant::now();
    let period = (settings.keep_alive / 2).max(Duration::from_millis(100));
    let mut pings = interval_at(heard + period, period);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if closed && window.in_flight() == 0 && window.outgoing.is_empty() {
            Disconnect::new(DisconnectReasonCode::NormalDisconnection)
                .write(&mut window.outgoing)
                .map_err(io::Error::other)?;
            // Everything is acknowledged: it does not matter if DISCONNECT arrives.
            let _ = writer.write_all_buf(&mut window.outgoing).await;
            let _ = writer.shutdown().await;
            return Ok(());
        }
        let room = window.room();
        tokio::select! {
            read = reader.read_buf(&mut incoming) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                heard = Instant::now();
                window.release_acknowledged(&mut incoming)?;
            }
            wrote = write(&mut writer, &mut window.outgoing, &mut behind), if behind || !window.outgoing.is_empty() => {
                wrote?;
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
                PingReq::write(&mut window.outgoing).map_err(io::Error::other)?;
            }
        }
    }
}

/// Writes a part of `outgoing` down to the socket. TLS may buffer some of it, and then is `behind`. Written bytes leave
/// `outgoing` at once, so this future may be cancelled at any time.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    outgoing: &mut BytesMut,
    behind: &mut bool,
) -> io::Result<()> {
    if !outgoing.is_empty() {
        if writer.write_buf(outgoing).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *behind = true;
    }
    writer.flush().await?;
    *behind = false;
    Ok(())
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
            allowed: usize::from(u16::MAX),
            held: Vec::new(),
            refusal: None,
            replays: false,
        }
    }

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn room(&self) -> usize {
        if self.outgoing.len() < OUTGOING_BYTES_MAX {
            let allowed = self.allowed.saturating_sub(self.in_flight());
            self.free.len().min(allowed)
        } else {
            0
        }
    }

    fn send(&mut self, message: OutgoingMessage) -> io::Result<()> {
        let pkid = self
            .free
            .pop()
            .expect("no more messages are taken than ids are free");
        let publish = Publish {
            qos: QoS::AtLeastOnce,
            topic: Bytes::copy_from_slice(message.topic.as_bytes()),
            pkid,
            payload: message.payload,
            properties: properties(message.numbered, self.replays, message.replay_of),
            ..Publish::default()
        };
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

    /// Parses the acknowledgements in `incoming` and removes them.
    fn release_acknowledged(&mut self, incoming: &mut BytesMut) -> io::Result<()> {
        loop {
            use PubAckReason::{NoMatchingSubscribers, Success};
            let pkid = match Packet::read(incoming, Some(INCOMING_BYTES_MAX)) {
                Ok(Packet::PubAck(ack)) => match ack.reason {
                    // A broker without a subscriber has accepted the message all the same.
                    Success | NoMatchingSubscribers => ack.pkid,
                    reason => {
                        self.refusal = Some(reason);
                        return Err(io::Error::other("the server refuses a message"));
                    }
                },
                Ok(_) => continue,
                Err(CodecError::InsufficientBytes(_)) => return Ok(()),
                Err(error) => return Err(io::Error::other(error)),
            };
            let slot = usize::from(pkid)
                .checked_sub(1)
                .and_then(|index| self.slots.get_mut(index));
            if let Some(done) = slot.and_then(Option::take) {
                self.held.retain(|&held| held != usize::from(pkid) - 1);
                self.resend_one();
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

    /// Queues everything in flight again, in the original order, as far as the server allows; the rest follows as
    /// acknowledgements arrive.
    fn resend(&mut self) {
        self.outgoing.clear();
        let slots = self.slots.iter().enumerate();
        let flights = slots.filter_map(|(slot, flight)| Some((flight.as_ref()?.sequence, slot)));
        let mut again: Vec<_> = flights.collect();
        again.sort_unstable_by_key(|&(sequence, _)| Reverse(sequence));
        self.held = again.into_iter().map(|(_, slot)| slot).collect();
        for _ in 0..self.allowed {
            self.resend_one();
        }
    }

    /// Queues the next held message.
    fn resend_one(&mut self) {
        let Some(slot) = self.held.pop() else { return };
        let flight = self.slots[slot]
            .as_mut()
            .expect("what is held was not sent, so nobody acknowledged it");
        flight.publish.dup = true;
        flight
            .publish
            .write(&mut self.outgoing)
            .expect("it was written before");
        self.tally.messages_resent.fetch_add(1, Ordering::Relaxed);
    }

    fn refused_message(&self, settings: PublisherSettings, reason: PubAckReason) -> GatewayError {
        GatewayError::Message {
            address: settings.address,
            reason,
            unacknowledged: self.in_flight(),
        }
    }

    fn refused(&self, settings: PublisherSettings, refusal: Refusal) -> GatewayError {
        let (address, unacknowledged) = (settings.address, self.in_flight());
        match refusal {
            Refusal::Code(code) => GatewayError::Refused {
                address,
                code,
                unacknowledged,
            },
            Refusal::Tls(cause) => GatewayError::Tls {
                address,
                unacknowledged,
                cause,
            },
            Refusal::Encrypted => GatewayError::Encrypted {
                address,
                unacknowledged,
            },
        }
    }
}

/// Returns the user properties of a message: its number, the replay mark and the first gateway; `None` without any.
fn properties(
    numbered: Option<Numbered>,
    replays: bool,
    replay_of: Option<String>,
) -> Option<PublishProperties> {
    let pair = |name: &str, value: u64| (name.to_owned(), value.to_string());
    let mut user_properties = Vec::new();
    if let Some(numbered) = numbered {
        user_properties.push(pair("epoch", numbered.epoch()));
        user_properties.push(pair("sequence", numbered.sequence()));
    }
    if replays {
        user_properties.push(pair("replay", 1));
    }
    user_properties.extend(replay_of.map(|of| ("replay-of".to_owned(), of)));
    let has_properties = !user_properties.is_empty();
    has_properties.then(|| PublishProperties {
        user_properties,
        ..PublishProperties::default()
    })
}

#[cfg(test)]
mod tests;
