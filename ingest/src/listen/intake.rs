//! From a socket's bytes to the gather, without a copy of what is whole.
//!
//! All connections of a thread read into one buffer: an idle connection holds no memory but the start of
//! a packet that is not whole yet. The buffer is filled and parsed within one poll.
//!
//! Of a packet beyond the limit only the start is kept, for its dead letter; the rest is passed over.
//! It is acknowledged like any other, because a client that keeps what is not acknowledged would send
//! it first on every connection, for ever.

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
    socket::Socket,
    watches::{Watches, Whom},
};
use crate::{
    gather::{Gather, Message, Taken},
    held::Held,
    identity::{Bearer, Refusal},
    limits::{OVERSIZE_BYTES_KEPT, READ_BYTES, TOPIC_LOGGED_MAX, UNFINISHED_FREE_BYTES},
    pipeline::Pipeline,
    wire::{self, Connect, Frame, Kind, Publish, Reason, Split, Subscribe, Version, Violation},
};

/// Room for the packet under way, in front of what is read.
const ROOM: usize = PACKET_BYTES_MAX + OVERSIZE_START + 8;

/// Bytes of a packet that is too large that are kept: its topic and what its dead letter keeps.
const OVERSIZE_START: usize = OVERSIZE_BYTES_KEPT + 70_000;

/// A start of a packet larger than this gives its memory back when it is whole.
const STASH_KEPT: usize = 16 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Filled {
    /// Packets, or part of one.
    Bytes,
    /// The client closed its side.
    End,
    /// Something after which nothing more is read.
    Stop(Stop),
}

/// The terms on which CONNECT and CONNACK agreed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) version: Version,
    /// The largest packet that the client accepts.
    pub(super) packet_bytes_max: usize,
    /// The client asked for a session that outlives its connection, and may ask so again.
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

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// DISCONNECT; whether the will is to be published all the same.
    Disconnect { with_will: bool },
    /// A packet that breaks the standard.
    Violation(Violation),
    /// A packet beyond the limit, in a version whose clients are told of it, or none that is published.
    TooLarge,
    /// A PUBLISH that the client may not make, in the version that has no word for it.
    Unauthorized,
    /// More of packets that are not whole than there is room for.
    Crowded,
}

/// A PUBLISH beyond the limit, on its way in.
#[derive(Debug)]
struct Oversized {
    first: u8,
    /// The first [`OVERSIZE_START`] bytes after the fixed header.
    start: Vec<u8>,
    /// Bytes of the whole packet.
    size: usize,
    /// Bytes that are still to come, to be passed over.
    left: usize,
}

/// The reading side of a connection.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) gather: Gather,
    /// Answers that wait for nothing.
    pub(super) replies: Vec<u8>,
    pub(super) watches: Watches,
    /// The first topic or filter that the client may not use, for its one log line.
    pub(super) foreign: Option<String>,
    terms: Terms,
    aliases: Aliases,
    /// Packet ids of QoS 2 whose PUBREL has not come.
    unreleased: FxHashSet<u16>,
    pipeline: Pipeline,
    stash: Vec<u8>,
    oversized: Option<Oversized>,
    /// Counts the two above.
    unfinished: Held,
    /// Since when the packet under way has been.
    since: Option<Instant>,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Intake {
    /// Starts with `rest`, which came behind CONNECT.
    pub(super) fn new(terms: Terms, pipeline: Pipeline, bearer: Bearer, rest: Vec<u8>) -> Self {
        let gather = pipeline.gather().bound_to(bearer);
        let unfinished = pipeline.unfinished();
        Self {
            gather,
            replies: Vec::new(),
            watches: Watches::new(terms),
            foreign: None,
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

    /// Since when the packet under way has been; `None` between two packets.
    pub(super) fn packet_since(&self) -> Option<Instant> {
        self.since
    }

    /// Lets the packet under way begin `now`: so far its client was held back.
    pub(super) fn excuse_packet(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }

    /// Parses what came behind CONNECT.
    pub(super) fn begin(&mut self) -> Option<Stop> {
        let rest = std::mem::take(&mut self.stash);
        let (used, stop) = self.parse(&rest);
        self.stash.extend_from_slice(&rest[used..]);
        stop
    }

    /// Parses what is whole of `bytes`, which follow what came before.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Stop> {
        self.stash.extend_from_slice(bytes);
        let stop = self.begin();
        self.gather.account();
        stop
    }

    /// Reads once and parses all that is whole.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
    ) -> Poll<io::Result<Filled>> {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(ROOM + READ_BYTES, 0);
            let mut window = ReadBuf::new(&mut buffer[ROOM..]);
            ready!(Pin::new(socket).poll_read(cx, &mut window))?;
            let count = window.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(Filled::End));
            }
            // OK because the stash is the start of one packet, at most ROOM.
            let start = ROOM - self.stash.len();
            buffer[start..ROOM].copy_from_slice(&self.stash);
            let bytes = &buffer[start..ROOM + count];
            let passing_over = self.oversized.is_some();
            let (used, stop) = self.parse(bytes);
            let ended = used > 0 && !(passing_over && self.oversized.is_some());
            self.keep(&bytes[used..], ended);
            self.gather.account();
            let stop = stop.or_else(|| self.count_unfinished());
            Poll::Ready(Ok(stop.map_or(Filled::Bytes, Filled::Stop)))
        })
    }

    /// Counts what is kept of packets that are not whole; no more is kept where others have taken all the room.
    fn count_unfinished(&mut self) -> Option<Stop> {
        let oversized = self.oversized.as_ref();
        let start = oversized.map_or(0, |oversized| oversized.start.capacity());
        self.unfinished.set(self.stash.capacity() + start);
        if !self.unfinished.is_crowded(UNFINISHED_FREE_BYTES) {
            return None;
        }
        // At once, however long the client takes to notice.
        (self.stash, self.oversized) = (Vec::new(), None);
        self.unfinished.set(0);
        Some(Stop::Crowded)
    }

    /// Keeps the start of a packet for the next read; `another` than before, where one has ended since.
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

    /// Takes every whole packet, and says how many bytes they were.
    fn parse(&mut self, bytes: &[u8]) -> (usize, Option<Stop>) {
        let now_ms = self.pipeline.now_ms();
        let mut used = 0;
        loop {
            match self.pass_over(bytes.len() - used, now_ms) {
                Ok(passed) => used += passed,
                Err(stop) => return (bytes.len(), Some(stop)),
            }
            match wire::split(&bytes[used..], PACKET_BYTES_MAX) {
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
            Kind::Publish => self.publish(&wire::publish(first, body, version)?, now_ms)?,
            Kind::Pubrel => {
                let packet_id = wire::pubrel(body, version)?.packet_id;
                let known = self.unreleased.remove(&packet_id);
                wire::pubcomp(packet_id, known, version, &mut self.replies);
            }
            Kind::Pubrec => {
                let answer = wire::puback(body, version)?;
                if !answer.failed {
                    wire::pubrel_unknown(answer.packet_id, version, &mut self.replies);
                }
            }
            // Answers to messages that we never sent, after which nothing more is exchanged.
            Kind::Puback => _ = wire::puback(body, version)?,
            Kind::Pubcomp => _ = wire::pubrel(body, version)?,
            Kind::Pingreq => {
                wire::pingreq(body)?;
                wire::pingresp(&mut self.replies);
            }
            Kind::Subscribe => self.subscribe(&wire::subscribe(body, version)?)?,
            Kind::Unsubscribe => {
                let (packet_id, filters) = wire::unsubscribe(body, version)?;
                let codes = self.watches.unsubscribe(&filters);
                let start = self.replies.len();
                wire::unsuback(packet_id, &codes, version, &mut self.replies);
                self.keep_if_small(start)?;
            }
            Kind::Disconnect => {
                let with_will = wire::disconnect(body, version, self.terms.expiry)?;
                return Err(Stop::Disconnect { with_will });
            }
            Kind::Auth if version.is_v5() => return Err(wire::auth(body).into()),
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
        // Section 4.7.2: topics with a $ are the server's own, but for those that the rules of the settings name.
        let reserved =
            self.terms.version.is_v5() && topic.starts_with('$') && !self.gather.has_decoder(topic);
        // What one sent is not taken as what another sends: the rule of its topic may name who publishes.
        let other = publish.replay_of.filter(|of| !self.gather.is_of(topic, of));
        let refused = reserved || other.is_some();
        if refused || self.gather.take(message(publish, topic), now_ms) == Taken::Foreign {
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
        let foreign = filters.clone().find(|f| !self.gather.may_subscribe(f));
        if let Some(filter) = foreign {
            self.note_foreign(Refusal::Subscription, filter);
        }
        let gather = &self.gather;
        let codes = self
            .watches
            .subscribe(subscribe, |filter| gather.may_subscribe(filter));
        let start = self.replies.len();
        let version = self.terms.version;
        wire::suback(subscribe.packet_id, &codes, version, &mut self.replies);
        self.keep_if_small(start)?;
        self.tell(Whom::New);
        Ok(())
    }

    /// Takes back the reply from `start` on if the client does not accept so large a packet: `[MQTT-3.1.2-24]`. The
    /// connection ends, because without the reply its request would stay open.
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
    pub(super) fn tell(&mut self, whom: Whom) {
        let (receipts, now_ms) = (self.pipeline.receipts(), self.pipeline.now_ms());
        self.watches.tell(whom, receipts, now_ms, &mut self.replies);
    }

    /// Refuses a PUBLISH, in words or by an end.
    fn refuse(&mut self, topic: &str, qos: u8, packet_id: u16) -> Result<(), Stop> {
        self.note_foreign(Refusal::Publish, topic);
        if !self.terms.version.is_v5() {
            return Err(Stop::Unauthorized);
        }
        self.gather.refuse(qos, packet_id, Reason::NotAuthorized);
        Ok(())
    }

    /// Counts a refusal, and keeps the first topic of a connection for its log line.
    fn note_foreign(&mut self, refusal: Refusal, topic: &str) {
        self.pipeline.metrics().count_refused(refusal);
        let shown = || topic.chars().take(TOPIC_LOGGED_MAX).collect();
        self.foreign.get_or_insert_with(shown);
    }

    /// Keeps the start of a packet that is too large, of which `here` bytes have been read.
    fn begin_oversized(&mut self, frame: Frame<'_>, here: usize) -> Result<(), Stop> {
        let Frame {
            first, body, size, ..
        } = frame;
        // OK because the caller waits until there is so much of it, and the limit is higher.
        let start = &body[..OVERSIZE_START];
        let version = self.terms.version;
        frame.check(version)?;
        if frame.kind() != Kind::Publish || wire::publish_start(first, start, version).is_none() {
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

    /// Says how many of the next `count` bytes belong to a packet that is too large, and takes its letter
    /// at its end: not before, so that an acknowledgement does not come to a client that still sends.
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
        if let Some(start) = wire::publish_start(whole.first, &whole.start, version) {
            let taken =
                self.gather
                    .take_oversized(message(&start, start.topic), whole.size, now_ms);
            match taken {
                Taken::Foreign => self.refuse(start.topic, start.qos, start.packet_id)?,
                Taken::Yes if start.qos == 2 => _ = self.unreleased.insert(start.packet_id),
                Taken::Yes => {}
            }
        }
        match version.is_v5() {
            // A client of version 3.1 or 3.1.1 was told of no limit.
            false => Ok(passed),
            // The standard has the connection closed: section 4.13.1.
            true => Err(Stop::TooLarge),
        }
    }
}

/// The message that a PUBLISH brings on `topic`, which is its own or that of its alias.
fn message<'a>(publish: &Publish<'a>, topic: &'a str) -> Message<'a> {
    Message {
        topic,
        payload: publish.payload,
        qos: publish.qos,
        packet_id: publish.packet_id,
        numbered: publish.numbered,
        retain: publish.retain,
        queued: false,
        replay: publish.replay,
    }
}
