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
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    socket::Socket,
    watches::{Watches, Whom},
};
use crate::{
    gather::{Gather, Message, Taken},
    identity::{Bearer, Refusal},
    limits::{OVERSIZE_BYTES_KEPT, READ_BYTES, TOPIC_LOGGED_MAX},
    pipeline::Pipeline,
    wire::{self, Frame, Kind, Malformed, Publish, Split, Version},
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

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// DISCONNECT, with its reason.
    Disconnect(u8),
    /// Bytes that are no packet.
    Malformed(Malformed),
    /// A packet that a client does not send here.
    Unexpected,
    /// A packet beyond the limit, in a version whose clients are told of it, or none that is published.
    TooLarge,
    /// A PUBLISH that the client may not make, in the version that has no word for it.
    Unauthorized,
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
    version: Version,
    pipeline: Pipeline,
    stash: Vec<u8>,
    oversized: Option<Oversized>,
}

impl Intake {
    /// Starts with `rest`, which came behind CONNECT.
    pub(super) fn new(version: Version, pipeline: Pipeline, bearer: Bearer, rest: Vec<u8>) -> Self {
        let gather = pipeline.gather().bound_to(bearer);
        Self {
            gather,
            replies: Vec::new(),
            watches: Watches::new(version),
            foreign: None,
            version,
            pipeline,
            stash: rest,
            oversized: None,
        }
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
            let (used, stop) = self.parse(bytes);
            self.keep(&bytes[used..]);
            self.gather.account();
            Poll::Ready(Ok(stop.map_or(Filled::Bytes, Filled::Stop)))
        })
    }

    /// Keeps the start of a packet for the next read.
    fn keep(&mut self, rest: &[u8]) {
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
                Err(malformed) => return (bytes.len(), Some(Stop::Malformed(malformed))),
            }
        }
    }

    fn packet(&mut self, frame: Frame<'_>, now_ms: i64) -> Result<(), Stop> {
        let Frame { first, body, .. } = frame;
        let version = self.version;
        match frame.kind() {
            Kind::Publish => {
                let publish = wire::publish(first, body, version).map_err(Stop::Malformed)?;
                if self.gather.take(message(publish), now_ms) == Taken::Foreign {
                    return self.refuse(publish);
                }
            }
            Kind::Pubrel => {
                let packet_id = wire::pubrel(first, body).map_err(Stop::Malformed)?;
                wire::pubcomp(packet_id, &mut self.replies);
            }
            Kind::Pingreq => wire::pingresp(&mut self.replies),
            Kind::Subscribe => {
                let (packet_id, filters) =
                    wire::subscribe(first, body, version).map_err(Stop::Malformed)?;
                let foreign = filters.iter().find(|f| !self.gather.may_subscribe(f));
                if let Some(filter) = foreign {
                    self.note_foreign(Refusal::Subscription, filter);
                }
                let gather = &self.gather;
                let codes = self
                    .watches
                    .subscribe(&filters, |filter| gather.may_subscribe(filter));
                wire::suback(packet_id, &codes, version, &mut self.replies);
                self.tell(Whom::New);
            }
            Kind::Unsubscribe => {
                let (packet_id, filters) =
                    wire::unsubscribe(first, body, version).map_err(Stop::Malformed)?;
                let codes = self.watches.unsubscribe(&filters);
                wire::unsuback(packet_id, &codes, version, &mut self.replies);
            }
            Kind::Disconnect => return Err(Stop::Disconnect(wire::disconnect_reason(body))),
            // Answers to publishes that we never sent harm nobody.
            Kind::Answer => {}
            Kind::Connect | Kind::Foreign => return Err(Stop::Unexpected),
        }
        Ok(())
    }

    /// Writes receipts to the client's subscriptions.
    pub(super) fn tell(&mut self, whom: Whom) {
        let (receipts, now_ms) = (self.pipeline.receipts(), self.pipeline.now_ms());
        self.watches.tell(whom, receipts, now_ms, &mut self.replies);
    }

    /// Refuses a PUBLISH, in words or by an end.
    fn refuse(&mut self, publish: Publish<'_>) -> Result<(), Stop> {
        self.note_foreign(Refusal::Publish, publish.topic);
        match self.version {
            Version::V4 => Err(Stop::Unauthorized),
            Version::V5 => {
                self.gather.refuse(publish.qos, publish.packet_id);
                Ok(())
            }
        }
    }

    /// Counts a refusal, and keeps the first topic of a connection for its log line.
    fn note_foreign(&mut self, refusal: Refusal, topic: &str) {
        self.pipeline.metrics().count_refused(refusal);
        let shown = || topic.chars().take(TOPIC_LOGGED_MAX).collect();
        self.foreign.get_or_insert_with(shown);
    }

    /// Keeps the start of a packet that is too large, of which `here` bytes have been read.
    fn begin_oversized(&mut self, frame: Frame<'_>, here: usize) -> Result<(), Stop> {
        let Frame { first, body, size } = frame;
        // OK because the caller waits until there is so much of it, and the limit is higher.
        let start = &body[..OVERSIZE_START];
        if frame.kind() != Kind::Publish || wire::publish_start(first, start).is_none() {
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
        if let Some(start) = wire::publish_start(whole.first, &whole.start) {
            let taken = self
                .gather
                .take_oversized(message(start), whole.size, now_ms);
            if taken == Taken::Foreign {
                self.refuse(start)?;
            }
        }
        match self.version {
            // A client of version 3.1.1 was told of no limit.
            Version::V4 => Ok(passed),
            // The standard has the connection closed: section 4.13.1.
            Version::V5 => Err(Stop::TooLarge),
        }
    }
}

fn message(publish: Publish<'_>) -> Message<'_> {
    let Publish {
        topic,
        qos,
        packet_id,
        payload,
        numbered,
        retain,
        replay,
    } = publish;
    Message {
        topic,
        payload,
        qos,
        packet_id,
        numbered,
        retain,
        queued: false,
        replay,
    }
}
