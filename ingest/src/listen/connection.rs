//! One client's connection, from CONNACK to its end.
//!
//! The task waits for the first of: bytes to read, a receipt, room to write, the end of the linger,
//! the end of an older connection with the same id, a newer one, or the shutdown. Every ending
//! follows the same steps: nothing more is read, the open batch is appended, its acknowledgements
//! are sent, then DISCONNECT.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::{
    FutureExt,
    future::{self, OptionFuture},
};
use greenpark_log::AppendError;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::watch,
    time::{self, Instant, Interval, Sleep},
};
use tracing::{debug, info, warn};

use super::{
    Shared,
    handshake::AcceptedClient,
    intake::{Filled, Intake, Stop, Terms},
    session::ClientSlot,
    socket::Socket,
    subscriptions::{self, Recipients},
};
use crate::{
    acks::Released,
    batch::Message,
    limits::{REPLY_BYTES_MAX, WRITE_STALL_SECONDS},
    metrics::Closed,
    mqtt::{self, Reason, Version, Will},
    pipeline::Append,
};

const WRITE_STALL: Duration = Duration::from_secs(WRITE_STALL_SECONDS);

/// How long a closing connection is read, so that the peer receives DISCONNECT and no reset.
const CLOSE: Duration = Duration::from_secs(2);

/// The same during the shutdown of the process.
const CLOSE_AT_SHUTDOWN: Duration = Duration::from_millis(300);

/// The interval of checks of a connection without keep-alive.
const CHECK: Duration = Duration::from_secs(30);

/// The reason of an ending, and its DISCONNECT.
#[derive(Debug, Clone, Copy)]
struct Ending {
    reason: Closed,
    /// The reason code of DISCONNECT; `None` once it is sent, or if none is sent.
    farewell: Option<Reason>,
}

/// One client's connection; see the module.
pub(super) struct Connection {
    shared: Arc<Shared>,
    socket: Socket,
    peer: SocketAddr,
    /// Whether the refusal of a topic was already logged.
    told: bool,
    version: Version,
    place: ClientSlot,
    will: Option<Will>,
    intake: Intake,
    /// The one append under way: of two conflicting readings the later one in the log counts.
    append: Option<Append>,
    out: Vec<u8>,
    written: usize,
    /// The time at which a batch is appended although it is small.
    linger: Pin<Box<Sleep>>,
    linger_until: Option<Instant>,
    /// The time of the next check, or the time at which a slow ending is abandoned.
    check: Pin<Box<Sleep>>,
    /// One and a half times the keep-alive; `None` if the client requested none.
    silence_max: Option<Duration>,
    active: Instant,
    /// The time since which the client has not read what was written.
    stalled: Option<Instant>,
    /// Nothing more is written, because the last write may have ended within a packet.
    mute: bool,
    /// The timer for sending changed receipts; `None` without subscriptions.
    receipts: Option<Interval>,
    draining: watch::Receiver<bool>,
    ending: Option<Ending>,
    _counted: Counted,
}

/// Counts as a connection in the gauge until it is dropped.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The reason why the task woke up.
enum Event {
    Kicked,
    Alone,
    Draining,
    Receipt(Result<Released, AppendError>),
    Read(io::Result<Filled>),
    Writable,
    Lingered,
    ReceiptsDue,
    Check,
}

impl Connection {
    pub(super) fn new(greeted: AcceptedClient, shared: Arc<Shared>) -> Self {
        let AcceptedClient {
            socket,
            peer,
            connect,
            grant,
            place,
            rest,
        } = greeted;
        let metrics = shared.pipeline.metrics();
        metrics.connections_opened.inc();
        if place.took_over {
            metrics.takeovers.inc();
        }
        let keep_alive_ms = u64::from(connect.keep_alive_s) * 1500;
        let silence_max = (keep_alive_ms > 0).then(|| Duration::from_millis(keep_alive_ms));
        let look = CHECK.min(shared.settings.packet_deadline);
        let check = silence_max.map_or(look, |silence| silence.min(look));
        Self {
            intake: Intake::new(Terms::of(&connect), shared.pipeline.clone(), grant, rest),
            socket,
            peer,
            told: false,
            version: connect.version,
            place,
            will: connect.will,
            append: None,
            out: Vec::new(),
            written: 0,
            linger: Box::pin(time::sleep(Duration::ZERO)),
            linger_until: None,
            check: Box::pin(time::sleep(check)),
            silence_max,
            active: Instant::now(),
            stalled: None,
            mute: false,
            receipts: None,
            draining: shared.draining.subscribe(),
            ending: None,
            _counted: Counted::new(&shared.pipeline.metrics().connections),
            shared,
        }
    }

    /// Serves the client until the connection ends.
    pub(super) async fn run(mut self) {
        if let Some(stop) = self.intake.begin() {
            self.stop(stop);
        }
        self.tell_foreign();
        while !self.is_done() {
            self.append_due();
            let serving = self.ending.is_none();
            self.write();
            // Writing may discover that the client is gone; then its will is appended before
            // anything else.
            let goes_on = serving == self.ending.is_none();
            if goes_on && !self.is_done() {
                let event = self.wait().await;
                self.handle(event);
            }
        }
        let metrics = self.shared.pipeline.metrics();
        metrics.count_closed(
            self.ending
                .map_or(Closed::ConnectionLost, |ending| ending.reason),
        );
        debug!(peer = %self.peer, client_id = ?self.place.client_id, ending = ?self.ending, "connection ended");
        let shutdown = self
            .ending
            .is_some_and(|ending| ending.reason == Closed::Shutdown);
        let patience = if shutdown { CLOSE_AT_SHUTDOWN } else { CLOSE };
        let Self {
            shared,
            socket,
            mut place,
            ..
        } = self;
        // The slot is kept until no predecessor appends any more, so that the next connection need
        // not wait for one.
        let leave = async {
            place.settle().await;
            shared.sessions.leave(&place);
        };
        future::join(leave, socket.close(patience)).await;
    }

    /// Returns true if the connection is ending and nothing is left to wait for.
    fn is_done(&self) -> bool {
        let idle = self.intake.accumulator.is_empty() && self.append.is_none();
        let said = self.ending.is_some_and(|ending| ending.farewell.is_none());
        let written = self.written == self.out.len() && !self.socket.is_behind();
        said && idle && written && self.intake.replies.is_empty()
    }

    async fn wait(&mut self) -> Event {
        let serving = self.ending.is_none();
        if self.receipts.is_none() && !self.intake.subscriptions.is_empty() {
            self.receipts = Some(subscriptions::looks());
        }
        let reading = serving && self.may_read();
        let lingering = self.linger_until.is_some() && self.append.is_none();
        let ClientSlot { kicked, former, .. } = &mut self.place;
        let mut former = OptionFuture::from(former.as_mut());
        let mut append = OptionFuture::from(self.append.as_mut());
        let receipts = self.receipts.as_mut().filter(|_| serving);
        let mut receipts = pin!(OptionFuture::from(receipts.map(Interval::tick)));
        let writing = self.written < self.out.len() || self.socket.is_behind();
        let (intake, socket) = (&mut self.intake, &mut self.socket);
        let moved = poll_fn(|cx| match reading.then(|| intake.poll_fill(cx, socket)) {
            Some(Poll::Ready(filled)) => Poll::Ready(Event::Read(filled)),
            _ if writing => socket.poll_writable(cx).map(|()| Event::Writable),
            _ => Poll::Pending,
        });
        tokio::select! {
            biased;
            _ = kicked, if serving => Event::Kicked,
            () = self.draining.wait_for(|draining| *draining).map(drop), if serving => Event::Draining,
            Some(_gone) = &mut former => Event::Alone,
            Some(done) = &mut append => Event::Receipt(done),
            event = moved, if reading || writing => event,
            () = &mut self.linger, if lingering => Event::Lingered,
            Some(_) = &mut receipts => Event::ReceiptsDue,
            () = &mut self.check => Event::Check,
        }
    }

    /// Returns true if there is room for more: the batch is bounded, and the client reads its
    /// answers. A connection without an append under way may always read, so that all of them make
    /// progress.
    fn may_read(&self) -> bool {
        let room = !self.intake.accumulator.is_full() && self.out.len() < REPLY_BYTES_MAX;
        room && (self.may_append() || !self.shared.pipeline.is_full())
    }

    /// Returns true if neither this connection nor its predecessor has an append under way.
    fn may_append(&self) -> bool {
        self.append.is_none() && self.place.former.is_none()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Alone => self.place.former = None,
            Event::Kicked => self.end(Closed::TakenOver, Some(Reason::SessionTakenOver)),
            Event::Draining => self.end(Closed::Shutdown, Some(Reason::ShuttingDown)),
            Event::Receipt(done) => self.receipt(done),
            Event::Read(Ok(filled)) => {
                self.active = Instant::now();
                match filled {
                    Filled::Bytes => {}
                    Filled::End => self.end(Closed::ConnectionLost, None),
                    Filled::Stop(stop) => self.stop(stop),
                }
                self.tell_foreign();
            }
            Event::Read(Err(error)) => {
                debug!(peer = %self.peer, %error, "connection lost");
                self.end(Closed::ConnectionLost, None);
            }
            Event::Writable | Event::Lingered => {}
            Event::ReceiptsDue if self.out.len() < REPLY_BYTES_MAX => {
                self.intake.tell(Recipients::All)
            }
            Event::ReceiptsDue => {}
            Event::Check => self.check(),
        }
    }

    /// Writes the acknowledgements that a receipt releases.
    fn receipt(&mut self, done: Result<Released, AppendError>) {
        self.append = None;
        match done {
            Ok(released) => released.write(&mut self.out),
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the connection after a failed append: the client must send the batch again.
    fn fail(&mut self, error: &AppendError) {
        warn!(client_id = ?self.place.client_id, error = error as &dyn std::error::Error, "append failed; the client will send again");
        self.append = None;
        self.intake.accumulator.discard();
        self.will = None;
        self.end(Closed::LogFailed, Some(Reason::ServerBusy));
    }

    fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Disconnect { with_will } => {
                if !with_will {
                    self.will = None;
                }
                self.end(Closed::Client, None);
            }
            Stop::Violation(violation) => {
                info!(peer = %self.peer, client_id = ?self.place.client_id, %violation, "closed a connection");
                self.end(Closed::Protocol, Some(violation.reason));
            }
            Stop::Unauthorized => self.end(Closed::Unauthorized, Some(Reason::NotAuthorized)),
            Stop::TooLarge => {
                info!(peer = %self.peer, client_id = ?self.place.client_id, "closed a connection: packet too large");
                self.end(Closed::PacketTooLarge, Some(Reason::PacketTooLarge));
            }
            Stop::Crowded => {
                info!(peer = %self.peer, client_id = ?self.place.client_id, "closed a connection: all connections together have too much of packets that are not whole");
                self.end(Closed::Crowded, Some(Reason::QuotaExceeded));
            }
        }
    }

    /// Logs once that the client used a topic that it may not use.
    fn tell_foreign(&mut self) {
        if let Some(topic) = self.intake.foreign.as_ref().filter(|_| !self.told) {
            warn!(peer = %self.peer, client_id = ?self.place.client_id, ?topic, "refused a topic that is not the client's; further ones are only counted");
            self.told = true;
        }
    }

    /// Begins the ending, once.
    fn end(&mut self, reason: Closed, farewell: Option<Reason>) {
        if self.ending.is_some() {
            return;
        }
        let will = self.will.take().filter(|_| reason != Closed::Shutdown);
        self.ending = Some(Ending { reason, farewell });
        if let Some(will) = will.filter(|will| self.intake.accumulator.has_decoder(&will.topic)) {
            let Will {
                topic,
                payload,
                qos,
                retain,
            } = &will;
            let message = Message {
                topic,
                payload,
                qos: *qos,
                packet_id: 0,
                numbered: None,
                retain: *retain,
                ..Message::default()
            };
            self.intake
                .accumulator
                .take(message, self.shared.pipeline.now_ms());
        }
        let patience = self.shared.settings.drain_grace;
        self.check.as_mut().reset(Instant::now() + patience);
    }

    /// Appends the batch if it is large enough, has waited long enough, or is the last one.
    fn append_due(&mut self) {
        if self.intake.accumulator.is_empty() {
            self.linger_until = None;
            return self.say_goodbye();
        }
        if !self.may_append() {
            return;
        }
        let now = Instant::now();
        let until = *self.linger_until.get_or_insert_with(|| {
            let until = now + self.shared.settings.linger;
            self.linger.as_mut().reset(until);
            until
        });
        let accumulator = &mut self.intake.accumulator;
        if self.ending.is_some() || accumulator.is_ready() || now >= until {
            self.append = Some(self.shared.pipeline.append(accumulator.seal()));
            self.linger_until = None;
        }
    }

    /// Writes DISCONNECT after the last acknowledgement.
    fn say_goodbye(&mut self) {
        if let Some(ending) = &mut self.ending
            && self.append.is_none()
            && let Some(reason) = ending.farewell.take()
        {
            self.out.append(&mut self.intake.replies);
            mqtt::farewell(reason, self.version, &mut self.out);
        }
    }

    /// Writes as much as the socket accepts.
    fn write(&mut self) {
        self.out.append(&mut self.intake.replies);
        if self.mute {
            self.written = self.out.len();
        }
        while self.written < self.out.len() {
            match self.socket.try_write(&self.out[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    // Our own acknowledgements count as activity: MQTT.js restarts its ping timer
                    // at each, so that its gap can approach twice the keep-alive.
                    self.active = Instant::now();
                    self.stalled = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return;
                }
                Err(_) => {
                    self.end(Closed::ConnectionLost, None);
                    return self.give_up_writing();
                }
            }
        }
        self.out.clear();
        self.written = 0;
        match self.socket.try_flush() {
            Ok(()) => self.stalled = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stalled.get_or_insert_with(Instant::now);
            }
            Err(_) => {
                self.end(Closed::ConnectionLost, None);
                self.give_up_writing();
            }
        }
    }

    fn give_up_writing(&mut self) {
        self.mute = true;
        self.written = self.out.len();
        self.socket.forget();
    }

    /// Checks keep-alive and a client that does not read, or abandons a slow ending.
    fn check(&mut self) {
        let now = Instant::now();
        if self.ending.is_some() {
            warn!(client_id = ?self.place.client_id, "closed a connection whose receipts did not come in time");
            self.abandon();
            return;
        }
        if self.stalled.is_some_and(|since| now >= since + WRITE_STALL) {
            self.end(Closed::WriteStalled, None);
            return self.give_up_writing();
        }
        if !self.may_read() {
            // The client is held back, so its silence is our doing.
            self.active = now;
            self.intake.excuse_packet(now);
        }
        let packet_deadline = self.shared.settings.packet_deadline;
        if self
            .intake
            .packet_since()
            .is_some_and(|since| now >= since + packet_deadline)
        {
            return self.end(Closed::PacketStalled, Some(Reason::KeepAliveTimeout));
        }
        let mut next = now + CHECK.min(packet_deadline);
        if let Some(silence) = self.silence_max {
            if now >= self.active + silence {
                return self.end(Closed::KeepAlive, Some(Reason::KeepAliveTimeout));
            }
            next = next.min(self.active + silence);
        }
        self.check.as_mut().reset(next);
    }

    /// Drops the append under way and the open batch; neither is acknowledged.
    fn abandon(&mut self) {
        self.append = None;
        self.intake.accumulator.discard();
        self.give_up_writing();
    }
}
