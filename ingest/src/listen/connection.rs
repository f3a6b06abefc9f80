//! One client's connection, from CONNACK to its end.
//!
//! The task waits for the first of: bytes to read, a receipt, room to write, the end of the linger,
//! the end of an older connection with the same id, a newer one, or the shutdown. Every ending
//! follows the same steps: nothing more is read, the open batch is appended, its acknowledgements
//! are sent, then DISCONNECT.

use std::{future::poll_fn, io, net::SocketAddr, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures::{
    FutureExt,
    future::{self, OptionFuture},
};
use greenpark_log::AppendError;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::watch,
    time::{Instant, Interval},
};
use tracing::{debug, info, warn};

use super::{
    Shared, Signals,
    handshake::{AcceptedClient, Terms},
    intake::{Intake, ReadOutcome, Stop},
    output::Output,
    slots::ClientSlot,
    socket::Socket,
    subscriptions::{self, Recipients},
    timers::{CHECK_PERIOD, Timers},
};
use crate::{
    acks::Released,
    auth::Principal,
    metrics::Closed,
    mqtt::{self, Publish, Reason, Version, Will},
    pipeline::Append,
};

/// How long a closing connection is read, so that the peer receives DISCONNECT and no reset.
const CLOSE: Duration = Duration::from_secs(2);

/// The same during the shutdown of the process.
const CLOSE_AT_SHUTDOWN: Duration = Duration::from_millis(300);

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
    client: Client,
    intake: Intake,
    /// The one append under way: of two conflicting readings the later one in the log counts.
    append: Option<Append>,
    output: Output,
    timers: Timers,
    signals: watch::Receiver<Signals>,
    ending: Option<Ending>,
    _counted: Counted,
}

/// The client of a connection.
struct Client {
    peer: SocketAddr,
    /// Its client id.
    id: String,
    version: Version,
    principal: Option<Principal>,
    /// The number of the rights that it was last found to have.
    rights: u64,
    slot: ClientSlot,
    will: Option<Will>,
    /// Whether the refusal of a topic was already logged.
    refusal_logged: bool,
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
    TakenOver,
    PredecessorDone,
    /// The shutdown begins, or rights have changed.
    Signal(Signals),
    Appended(Result<Released, AppendError>),
    Read(io::Result<ReadOutcome>),
    Writable,
    LingerOver,
    ReceiptsDue,
    Check,
}

impl Connection {
    pub(super) fn new(accepted: AcceptedClient, shared: Arc<Shared>) -> Self {
        let AcceptedClient {
            socket,
            peer,
            connect,
            identity,
            principal,
            rights,
            slot,
            rest,
        } = accepted;
        let metrics = shared.pipeline.metrics();
        metrics.connections_opened.inc();
        if slot.took_over {
            metrics.takeovers.inc();
        }
        let terms = Terms::of(&connect);
        Self {
            intake: Intake::new(terms, shared.pipeline.clone(), identity, rest),
            socket,
            client: Client {
                peer,
                id: connect.client_id,
                version: connect.version,
                principal,
                rights,
                slot,
                will: connect.will,
                refusal_logged: false,
            },
            append: None,
            output: Output::default(),
            timers: Timers::new(connect.keep_alive_s, shared.settings.packet_deadline),
            signals: shared.signals.subscribe(),
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
        self.log_refusal();
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
        debug!(peer = %self.client.peer, client_id = ?self.client.slot.client_id, ending = ?self.ending, "connection ended");
        let shutdown = self
            .ending
            .is_some_and(|ending| ending.reason == Closed::Shutdown);
        let patience = if shutdown { CLOSE_AT_SHUTDOWN } else { CLOSE };
        let Self {
            shared,
            socket,
            mut client,
            ..
        } = self;
        // The slot is kept until no predecessor appends any more, so that the next connection need
        // not wait for one.
        let leave = async {
            client.slot.finish_appending().await;
            shared.slots.leave(&client.slot);
        };
        future::join(leave, socket.close(patience)).await;
    }

    /// Returns true if the connection is ending and nothing is left to wait for.
    fn is_done(&self) -> bool {
        let idle = self.intake.accumulator.is_empty() && self.append.is_none();
        let farewell_sent = self.ending.is_some_and(|ending| ending.farewell.is_none());
        let written = self.output.is_written() && !self.socket.is_behind();
        farewell_sent && idle && written && self.intake.replies.is_empty()
    }

    async fn wait(&mut self) -> Event {
        let serving = self.ending.is_none();
        if self.timers.receipts.is_none() && !self.intake.subscriptions.is_empty() {
            self.timers.receipts = Some(subscriptions::timer());
        }
        let reading = serving && self.may_read();
        let lingering = self.timers.linger_until.is_some() && self.append.is_none();
        let ClientSlot {
            taken_over,
            predecessor,
            ..
        } = &mut self.client.slot;
        let mut predecessor = OptionFuture::from(predecessor.as_mut());
        let mut append = OptionFuture::from(self.append.as_mut());
        let rights = self.client.rights;
        let signal = self
            .signals
            .wait_for(|now| now.draining || now.rights != rights);
        // Without a listener the process ends.
        let signal = signal.map(|now| now.map_or(Signals::DRAINING, |now| *now));
        let receipts = self.timers.receipts.as_mut().filter(|_| serving);
        let mut receipts = pin!(OptionFuture::from(receipts.map(Interval::tick)));
        let writing = !self.output.is_written() || self.socket.is_behind();
        let (intake, socket) = (&mut self.intake, &mut self.socket);
        let moved = poll_fn(|cx| match reading.then(|| intake.poll_fill(cx, socket)) {
            Some(Poll::Ready(outcome)) => Poll::Ready(Event::Read(outcome)),
            _ if writing => socket.poll_writable(cx).map(|()| Event::Writable),
            _ => Poll::Pending,
        });
        tokio::select! {
            biased;
            _ = taken_over, if serving => Event::TakenOver,
            signal = signal, if serving => Event::Signal(signal),
            Some(_gone) = &mut predecessor => Event::PredecessorDone,
            Some(done) = &mut append => Event::Appended(done),
            event = moved, if reading || writing => event,
            () = &mut self.timers.linger, if lingering => Event::LingerOver,
            Some(_) = &mut receipts => Event::ReceiptsDue,
            () = &mut self.timers.check => Event::Check,
        }
    }

    /// Returns true if there is room for more: the batch is bounded, and the client reads its
    /// answers. A connection without an append under way may always read, so that all of them make
    /// progress.
    fn may_read(&self) -> bool {
        let room = !self.intake.accumulator.is_full() && !self.output.is_full();
        room && (self.may_append() || !self.shared.pipeline.is_full())
    }

    /// Returns true if neither this connection nor its predecessor has an append under way.
    fn may_append(&self) -> bool {
        self.append.is_none() && self.client.slot.predecessor.is_none()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::PredecessorDone => self.client.slot.predecessor = None,
            Event::TakenOver => self.end(Closed::TakenOver, Some(Reason::SessionTakenOver)),
            Event::Signal(signals) if signals.draining => {
                self.end(Closed::Shutdown, Some(Reason::ShuttingDown))
            }
            Event::Signal(signals) => self.check_rights(signals.rights),
            Event::Appended(done) => self.appended(done),
            Event::Read(Ok(outcome)) => {
                self.timers.active = Instant::now();
                match outcome {
                    ReadOutcome::Bytes => {}
                    ReadOutcome::End => self.end(Closed::ConnectionLost, None),
                    ReadOutcome::Stop(stop) => self.stop(stop),
                }
                self.log_refusal();
            }
            Event::Read(Err(error)) => {
                debug!(peer = %self.client.peer, %error, "connection lost");
                self.end(Closed::ConnectionLost, None);
            }
            Event::Writable | Event::LingerOver => {}
            Event::ReceiptsDue if !self.output.is_full() => {
                self.intake.send_receipts(Recipients::All)
            }
            Event::ReceiptsDue => {}
            Event::Check => self.check(),
        }
    }

    /// Ends the connection if its client could not connect any more, or would get other rights.
    fn check_rights(&mut self, rights: u64) {
        self.client.rights = rights;
        let Some(principal) = &self.client.principal else {
            return;
        };
        let client_id = &self.client.id;
        if !self
            .shared
            .authenticator
            .still_permits(principal, client_id)
        {
            info!(peer = %self.client.peer, ?client_id, "closed a connection: the rights of its client have changed");
            self.end(Closed::Unauthorized, Some(Reason::NotAuthorized));
        }
    }

    /// Writes the acknowledgements that a receipt releases.
    fn appended(&mut self, done: Result<Released, AppendError>) {
        self.append = None;
        match done {
            Ok(released) => released.write(&mut self.output.bytes),
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the connection after a failed append: the client must send the batch again.
    fn fail(&mut self, error: &AppendError) {
        warn!(client_id = ?self.client.slot.client_id, error = error as &dyn std::error::Error, "append failed; the client will send again");
        self.append = None;
        self.intake.accumulator.discard();
        self.client.will = None;
        self.end(Closed::LogFailed, Some(Reason::ServerBusy));
    }

    fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Disconnect { with_will } => {
                if !with_will {
                    self.client.will = None;
                }
                self.end(Closed::Client, None);
            }
            Stop::Violation(violation) => {
                info!(peer = %self.client.peer, client_id = ?self.client.slot.client_id, %violation, "closed a connection");
                self.end(Closed::Protocol, Some(violation.reason));
            }
            Stop::Unauthorized => self.end(Closed::Unauthorized, Some(Reason::NotAuthorized)),
            Stop::TooLarge => {
                info!(peer = %self.client.peer, client_id = ?self.client.slot.client_id, "closed a connection: packet too large");
                self.end(Closed::PacketTooLarge, Some(Reason::PacketTooLarge));
            }
            Stop::Crowded => {
                info!(peer = %self.client.peer, client_id = ?self.client.slot.client_id, "closed a connection: all connections together have too much of packets that are not whole");
                self.end(Closed::Crowded, Some(Reason::QuotaExceeded));
            }
        }
    }

    /// Logs once that the client used a topic that it may not use.
    fn log_refusal(&mut self) {
        if let Some(topic) = self
            .intake
            .refused_topic
            .as_ref()
            .filter(|_| !self.client.refusal_logged)
        {
            warn!(peer = %self.client.peer, client_id = ?self.client.slot.client_id, ?topic, "refused a topic that is not the client's; further ones are only counted");
            self.client.refusal_logged = true;
        }
    }

    /// Begins the ending, once.
    fn end(&mut self, reason: Closed, farewell: Option<Reason>) {
        if self.ending.is_some() {
            return;
        }
        let will = self
            .client
            .will
            .take()
            .filter(|_| reason != Closed::Shutdown);
        self.ending = Some(Ending { reason, farewell });
        if let Some(will) = will.filter(|will| self.intake.accumulator.has_decoder(&will.topic)) {
            let publish = Publish {
                topic: &will.topic,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
                ..Publish::default()
            };
            let now_ms = self.shared.pipeline.now_ms();
            self.intake.accumulator.add(publish, now_ms);
        }
        let patience = self.shared.settings.drain_grace;
        self.timers.check.as_mut().reset(Instant::now() + patience);
    }

    /// Appends the batch if it is large enough, has waited long enough, or is the last one.
    fn append_due(&mut self) {
        if self.intake.accumulator.is_empty() {
            self.timers.linger_until = None;
            return self.write_disconnect();
        }
        if !self.may_append() {
            return;
        }
        let now = Instant::now();
        let until = *self.timers.linger_until.get_or_insert_with(|| {
            let until = now + self.shared.settings.linger;
            self.timers.linger.as_mut().reset(until);
            until
        });
        let accumulator = &mut self.intake.accumulator;
        if self.ending.is_some() || accumulator.is_ready() || now >= until {
            self.append = Some(self.shared.pipeline.append(accumulator.seal()));
            self.timers.linger_until = None;
        }
    }

    /// Writes DISCONNECT after the last acknowledgement.
    fn write_disconnect(&mut self) {
        if let Some(ending) = &mut self.ending
            && self.append.is_none()
            && let Some(reason) = ending.farewell.take()
        {
            self.output.bytes.append(&mut self.intake.replies);
            mqtt::farewell(reason, self.client.version, &mut self.output.bytes);
        }
    }

    /// Writes as much as the socket accepts.
    fn write(&mut self) {
        self.output.bytes.append(&mut self.intake.replies);
        let active = &mut self.timers.active;
        if self.output.write(&mut self.socket, active).is_err() {
            self.end(Closed::ConnectionLost, None);
            self.output.give_up(&mut self.socket);
        }
    }

    /// Checks keep-alive and a client that does not read, or abandons a slow ending.
    fn check(&mut self) {
        let now = Instant::now();
        if self.ending.is_some() {
            warn!(client_id = ?self.client.slot.client_id, "closed a connection whose receipts did not come in time");
            self.abandon();
            return;
        }
        if self.output.is_stalled(now) {
            self.end(Closed::WriteStalled, None);
            return self.output.give_up(&mut self.socket);
        }
        if !self.may_read() {
            // The client is held back, so its silence is our doing.
            self.timers.active = now;
            self.intake.restart_packet_deadline(now);
        }
        let packet_deadline = self.shared.settings.packet_deadline;
        if self
            .intake
            .packet_since()
            .is_some_and(|since| now >= since + packet_deadline)
        {
            return self.end(Closed::PacketStalled, Some(Reason::KeepAliveTimeout));
        }
        let mut next = now + CHECK_PERIOD.min(packet_deadline);
        if let Some(silence) = self.timers.silence_max {
            if now >= self.timers.active + silence {
                return self.end(Closed::KeepAlive, Some(Reason::KeepAliveTimeout));
            }
            next = next.min(self.timers.active + silence);
        }
        self.timers.check.as_mut().reset(next);
    }

    /// Drops the append under way and the open batch; neither is acknowledged.
    fn abandon(&mut self) {
        self.append = None;
        self.intake.accumulator.discard();
        self.output.give_up(&mut self.socket);
    }
}
