//! Parses the bytes of a socket into the open batch; complete packets are not copied.
//!
//! All connections of a thread read into one buffer: an idle connection holds no memory except the
//! start of an incomplete packet. The buffer is filled and parsed within one poll.
//!
//! Of an oversized packet only the start is kept, for its dead letter; the rest is skipped. It is
//! acknowledged like any other, because a client that keeps unacknowledged messages would send it
//! first on every connection, forever.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use greenpark_model::limits::PACKET_BYTES_MAX;
use rustc_hash::FxHashSet;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::Instant,
};

use super::{
    aliases::Aliases,
    handshake::Terms,
    socket::Socket,
    subscriptions::{Recipients, Subscriptions},
};
use crate::{
    auth::{ClientIdentity, Refusal},
    batch::{AddOutcome, BatchAccumulator},
    limits::{OVERSIZE_BYTES_KEPT, READ_BYTES, TOPIC_LOGGED_MAX, UNFINISHED_FREE_BYTES},
    memory_budget::Reservation,
    mqtt::{self, Frame, Kind, Publish, Reason, Split, Subscribe, Violation},
    pipeline::Pipeline,
};

/// Room for the packet under way, in front of the bytes read.
const ROOM: usize = PACKET_BYTES_MAX + OVERSIZE_START + 8;

/// Bytes of an oversized packet that are kept: its topic and the payload for its dead letter.
const OVERSIZE_START: usize = OVERSIZE_BYTES_KEPT + 70_000;

/// A stash larger than this is freed when its packet is complete.
const STASH_KEPT: usize = 16 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The result of a read.
#[derive(Debug)]
pub(super) enum ReadOutcome {
    /// Complete packets, or part of one.
    Bytes,
    /// The client closed its side.
    End,
    /// A reason to stop reading.
    Stop(Stop),
}

/// The reason why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// DISCONNECT, and whether to publish the will nevertheless.
    Disconnect { with_will: bool },
    /// A packet that breaks the standard.
    Violation(Violation),
    /// An oversized packet: a PUBLISH in the version that announces the limit to clients, or any
    /// other packet.
    TooLarge,
    /// A PUBLISH without permission, in a version that has no reason code for it.
    Unauthorized,
    /// Incomplete packets of all connections together use too much memory.
    Crowded,
}

/// An oversized PUBLISH that is being received.
#[derive(Debug)]
struct Oversized {
    first: u8,
    /// The first [`OVERSIZE_START`] bytes after the fixed header.
    start: Vec<u8>,
    /// The size of the whole packet.
    size: usize,
    /// The remaining bytes, to be skipped.
    left: usize,
}

/// The reading side of a connection.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) accumulator: BatchAccumulator,
    /// Replies that need no receipt.
    pub(super) replies: Vec<u8>,
    pub(super) subscriptions: Subscriptions,
    /// The first topic or filter that was refused, for the connection's one log line.
    pub(super) refused_topic: Option<String>,
    terms: Terms,
    aliases: Aliases,
    /// Packet ids of QoS 2 without PUBREL so far.
    unreleased: FxHashSet<u16>,
    pipeline: Pipeline,
    stash: Vec<u8>,
    oversized: Option<Oversized>,
    /// Reserves the memory of the two above.
    unfinished: Reservation,
    /// The time at which the incomplete packet began.
    since: Option<Instant>,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Intake {
    /// Creates the reading side; `rest` are the bytes received after CONNECT.
    pub(super) fn new(
        terms: Terms,
        pipeline: Pipeline,
        client: ClientIdentity,
        rest: Vec<u8>,
    ) -> Self {
        let accumulator = pipeline.accumulator().with_client(client);
        let unfinished = pipeline.unfinished();
        Self {
            accumulator,
            replies: Vec::new(),
            subscriptions: Subscriptions::new(terms),
            refused_topic: None,
            terms,
            aliases: Aliases::default(),
            unreleased: FxHashSet::default(),
            pipeline,
            stash: rest,
            oversized: None,
            unfinished,
            since: None,
        }
    }

    /// Returns the time at which the incomplete packet began; `None` between two packets.
    pub(super) fn packet_since(&self) -> Option<Instant> {
        self.since
    }

    /// Restarts the deadline of the incomplete packet at `now`, because its client was held back.
    pub(super) fn restart_packet_deadline(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }

    /// Parses the bytes received after CONNECT.
    pub(super) fn begin(&mut self) -> Option<Stop> {
        let rest = std::mem::take(&mut self.stash);
        let (used, stop) = self.parse(&rest);
        self.stash.extend_from_slice(&rest[used..]);
        stop
    }

    /// Parses the complete packets of `bytes`, which continue the stream.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Stop> {
        self.stash.extend_from_slice(bytes);
        let stop = self.begin();
        self.accumulator.update_reservation();
        stop
    }

    /// Reads once and parses all complete packets.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
    ) -> Poll<io::Result<ReadOutcome>> {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(ROOM + READ_BYTES, 0);
            let mut window = ReadBuf::new(&mut buffer[ROOM..]);
            ready!(Pin::new(socket).poll_read(cx, &mut window))?;
            let count = window.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(ReadOutcome::End));
            }
            // OK because the stash is the start of one packet, at most ROOM.
            let start = ROOM - self.stash.len();
            buffer[start..ROOM].copy_from_slice(&self.stash);
            let bytes = &buffer[start..ROOM + count];
            let passing_over = self.oversized.is_some();
            let (used, stop) = self.parse(bytes);
            let ended = used > 0 && !(passing_over && self.oversized.is_some());
            self.keep(&bytes[used..], ended);
            self.accumulator.update_reservation();
            let stop = stop.or_else(|| self.count_unfinished());
            Poll::Ready(Ok(stop.map_or(ReadOutcome::Bytes, ReadOutcome::Stop)))
        })
    }

    /// Reserves the memory of incomplete packets; drops them if the shared budget is exhausted.
    fn count_unfinished(&mut self) -> Option<Stop> {
        let oversized = self.oversized.as_ref();
        let start = oversized.map_or(0, |oversized| oversized.start.capacity());
        self.unfinished.set(self.stash.capacity() + start);
        if !self.unfinished.is_crowded(UNFINISHED_FREE_BYTES) {
            return None;
        }
        // Freed at once, however long the client takes to notice.
        (self.stash, self.oversized) = (Vec::new(), None);
        self.unfinished.set(0);
        Some(Stop::Crowded)
    }

    /// Keeps the start of a packet for the next read. `another` is true if a packet has ended since
    /// the last read.
    fn keep(&mut self, rest: &[u8], another: bool) {
        let under_way = !rest.is_empty() || self.oversized.is_some();
        if !under_way {
            self.since = None;
        } else if another || self.since.is_none() {
            self.since = Some(Instant::now());
        }
        self.stash.clear();
        if self.stash.capacity() > STASH_KEPT && rest.len() < STASH_KEPT {
            self.stash = Vec::new();
        }
        self.stash.extend_from_slice(rest);
    }

    /// Parses all complete packets, and returns the number of bytes used.
    fn parse(&mut self, bytes: &[u8]) -> (usize, Option<Stop>) {
        let now_ms = self.pipeline.now_ms();
        let mut used = 0;
        loop {
            match self.pass_over(bytes.len() - used, now_ms) {
                Ok(passed) => used += passed,
                Err(stop) => return (bytes.len(), Some(stop)),
            }
            match mqtt::split(&bytes[used..], PACKET_BYTES_MAX) {
                Ok(Split::Whole(frame)) => {
                    used += frame.size;
                    if let Err(stop) = self.packet(frame, now_ms) {
                        return (used, Some(stop));
                    }
                }
                Ok(Split::Partial) => return (used, None),
                Ok(Split::TooLarge(frame)) if frame.body.len() < OVERSIZE_START => {
                    return (used, None);
                }
                Ok(Split::TooLarge(frame)) => {
                    let here = frame.size.min(bytes.len() - used);
                    used += here;
                    if let Err(stop) = self.begin_oversized(frame, here) {
                        return (bytes.len(), Some(stop));
                    }
                }
                Err(violation) => return (bytes.len(), Some(violation.into())),
            }
        }
    }

    fn packet(&mut self, frame: Frame<'_>, now_ms: i64) -> Result<(), Stop> {
        let Frame { first, body, .. } = frame;
        let version = self.terms.version;
        frame.check(version)?;
        match frame.kind() {
            Kind::Publish => self.publish(&mqtt::publish(first, body, version)?, now_ms)?,
            Kind::Pubrel => {
                let packet_id = mqtt::pubrel(body, version)?.packet_id;
                let known = self.unreleased.remove(&packet_id);
                mqtt::pubcomp(packet_id, known, version, &mut self.replies);
            }
            Kind::Pubrec => {
                let answer = mqtt::puback(body, version)?;
                if !answer.failed {
                    mqtt::pubrel_unknown(answer.packet_id, version, &mut self.replies);
                }
            }
            // Acknowledgements of messages that we never sent; the exchange ends with them.
            Kind::Puback => _ = mqtt::puback(body, version)?,
            Kind::Pubcomp => _ = mqtt::pubrel(body, version)?,
            Kind::Pingreq => {
                mqtt::pingreq(body)?;
                mqtt::pingresp(&mut self.replies);
            }
            Kind::Subscribe => self.subscribe(&mqtt::subscribe(body, version)?)?,
            Kind::Unsubscribe => {
                let (packet_id, filters) = mqtt::unsubscribe(body, version)?;
                let codes = self.subscriptions.unsubscribe(&filters);
                let start = self.replies.len();
                mqtt::unsuback(packet_id, &codes, version, &mut self.replies);
                self.keep_if_small(start)?;
            }
            Kind::Disconnect => {
                let with_will = mqtt::disconnect(body, version, self.terms.expiry)?;
                return Err(Stop::Disconnect { with_will });
            }
            Kind::Auth if version.is_v5() => return Err(mqtt::auth(body).into()),
            Kind::Auth | Kind::Reserved => {
                return Err(Violation::malformed("a packet type that is reserved").into());
            }
            Kind::Connect => return Err(Violation::protocol("a second CONNECT").into()),
            Kind::OfServers => {
                return Err(Violation::protocol("a packet that only servers send").into());
            }
        }
        Ok(())
    }

    fn publish(&mut self, publish: &Publish<'_>, now_ms: i64) -> Result<(), Stop> {
        let topic = match publish.alias {
            None => publish.topic,
            Some(alias) => self.aliases.resolve(alias, publish.topic)?,
        };
        let (qos, packet_id) = (publish.qos, publish.packet_id);
        // Section 4.7.2: topics with a $ belong to the server, except those that a rule of the
        // settings names.
        let reserved = self.terms.version.is_v5()
            && topic.starts_with('$')
            && !self.accumulator.has_decoder(topic);
        // A replay must have the origin of the original: the rule of its topic may name the
        // publishing client.
        let other = publish
            .replay_of
            .filter(|of| !self.accumulator.is_of(topic, of));
        let refused = reserved || other.is_some();
        let publish = Publish { topic, ..*publish };
        if refused || self.accumulator.add(publish, now_ms) == AddOutcome::NotPermitted {
            let topic = topic.to_owned();
            return self.refuse(&topic, qos, packet_id);
        }
        if qos == 2 {
            self.unreleased.insert(packet_id);
        }
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Result<(), Stop> {
        let filters = subscribe.subscriptions.iter().map(|s| s.filter);
        let refused_topic = filters.clone().find(|f| !self.accumulator.may_subscribe(f));
        if let Some(filter) = refused_topic {
            self.count_refusal(Refusal::Subscription, filter);
        }
        let accumulator = &self.accumulator;
        let codes = self
            .subscriptions
            .subscribe(subscribe, |filter| accumulator.may_subscribe(filter));
        let start = self.replies.len();
        let version = self.terms.version;
        mqtt::suback(subscribe.packet_id, &codes, version, &mut self.replies);
        self.keep_if_small(start)?;
        self.send_receipts(Recipients::New);
        Ok(())
    }

    /// Removes the reply written since `start` if it is larger than the client accepts:
    /// `[MQTT-3.1.2-24]`. The connection then ends, because without the reply the request would
    /// stay open.
    fn keep_if_small(&mut self, start: usize) -> Result<(), Violation> {
        if self.replies.len() - start <= self.terms.packet_bytes_max {
            return Ok(());
        }
        self.replies.truncate(start);
        Err(Violation {
            reason: Reason::PacketTooLarge,
            what: "a request whose answer is larger than the client accepts",
        })
    }

    /// Writes receipts to the client's subscriptions.
    pub(super) fn send_receipts(&mut self, to: Recipients) {
        let (receipts, now_ms) = (self.pipeline.receipts(), self.pipeline.now_ms());
        self.subscriptions
            .write(to, receipts, now_ms, &mut self.replies);
    }

    /// Refuses a PUBLISH: with a reason code in MQTT 5, by closing the connection in older
    /// versions.
    fn refuse(&mut self, topic: &str, qos: u8, packet_id: u16) -> Result<(), Stop> {
        self.count_refusal(Refusal::Publish, topic);
        if !self.terms.version.is_v5() {
            return Err(Stop::Unauthorized);
        }
        self.accumulator
            .refuse(qos, packet_id, Reason::NotAuthorized);
        Ok(())
    }

    /// Counts a refusal, and keeps the first refused topic for the log line.
    fn count_refusal(&mut self, refusal: Refusal, topic: &str) {
        self.pipeline.metrics().count_refused(refusal);
        let clipped = || topic.chars().take(TOPIC_LOGGED_MAX).collect();
        self.refused_topic.get_or_insert_with(clipped);
    }

    /// Keeps the start of an oversized packet, of which `here` bytes have been read.
    fn begin_oversized(&mut self, frame: Frame<'_>, here: usize) -> Result<(), Stop> {
        let Frame {
            first, body, size, ..
        } = frame;
        // OK because the caller waits for this many bytes, and the limit is higher.
        let start = &body[..OVERSIZE_START];
        let version = self.terms.version;
        frame.check(version)?;
        if frame.kind() != Kind::Publish || mqtt::publish_start(first, start, version).is_none() {
            return Err(Stop::TooLarge);
        }
        self.oversized = Some(Oversized {
            first,
            start: start.to_vec(),
            size,
            left: size - here,
        });
        Ok(())
    }

    /// Skips bytes of an oversized packet: returns how many of the next `count` bytes belong to it.
    /// Adds the dead letter only at its end, so that no acknowledgement reaches a client that is
    /// still sending.
    fn pass_over(&mut self, count: usize, now_ms: i64) -> Result<usize, Stop> {
        let Some(oversized) = &mut self.oversized else {
            return Ok(0);
        };
        let passed = oversized.left.min(count);
        oversized.left -= passed;
        if oversized.left > 0 {
            return Ok(passed);
        }
        let Some(whole) = self.oversized.take() else {
            return Ok(passed);
        };
        let version = self.terms.version;
        if let Some(start) = mqtt::publish_start(whole.first, &whole.start, version) {
            let outcome = self.accumulator.add_oversized(start, whole.size, now_ms);
            match outcome {
                AddOutcome::NotPermitted => self.refuse(start.topic, start.qos, start.packet_id)?,
                AddOutcome::Added if start.qos == 2 => _ = self.unreleased.insert(start.packet_id),
                AddOutcome::Added => {}
            }
        }
        match version.is_v5() {
            // MQTT 3.1 and 3.1.1 cannot announce a limit to the client.
            false => Ok(passed),
            // Section 4.13.1 requires closing the connection.
            true => Err(Stop::TooLarge),
        }
    }
}
